#include "base/error.h"
#include "tensor/shape.h" /* SEEDED: against the order */
#include "base/gone.h" /* SEEDED: no such file */
