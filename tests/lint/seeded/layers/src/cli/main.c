#include "cli/option.h"
#include "lycoris/tensor.h"
#include "base/error.h" /* SEEDED: the program is a client of the public headers */
