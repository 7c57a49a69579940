#ifndef LYC_BASE_GOOD_H
#define LYC_BASE_GOOD_H
#include <stddef.h>
static inline size_t twice(size_t n) { return n + n; }
#endif
