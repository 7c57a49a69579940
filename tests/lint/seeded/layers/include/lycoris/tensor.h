#include "base/error.h" /* SEEDED: a public header that needs an internal one */
