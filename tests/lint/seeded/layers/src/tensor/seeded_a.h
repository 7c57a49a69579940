#include "tensor/seeded_b.h"
