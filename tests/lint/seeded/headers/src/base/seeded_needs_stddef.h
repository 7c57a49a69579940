#ifndef LYC_BASE_SEEDED_NEEDS_STDDEF_H
#define LYC_BASE_SEEDED_NEEDS_STDDEF_H
size_t twice(size_t n);
#endif
