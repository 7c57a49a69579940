#include "base/error.h"
#include <pthread.h> /* SEEDED */
#include <sys/stat.h> /* SEEDED */
#include <string.h>
