#include <pthread.h>
#include <sys/mman.h>
#include "lycoris/error.h"
/* #include "tensor/shape.h" in a comment is no include */
