#include "tensor/seeded_a.h"
