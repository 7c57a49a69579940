/* memory.h - the only place that calls malloc
 *
 * Everything allocates through these four functions, so that a test can make the n-th allocation fail, count that a
 * training step allocates nothing, and report the peak. Blocks are aligned to 64 bytes (a cache line, and the widest
 * vector), which kernels rely on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_MEMORY_H
#define LYC_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LYC_ALIGNMENT = 64 };

/* NULL when there is no memory. size 0 gives a unique pointer. Release with lyc_free. */
void *lyc_alloc(size_t size);

/* count * size zero bytes; NULL also when the product overflows. */
void *lyc_alloc_zero(size_t count, size_t size);

/* Keeps the smaller of the two contents; the old block stays valid when NULL is returned. block may be NULL. */
void *lyc_realloc(void *block, size_t size);

void lyc_free(void *block);

/* For tests. The n-th allocation from now fails (n = 1: the next one), and all later ones when `all`; 0 switches off.
 */
void lyc_memory_fail_after(uint64_t n, bool all);

/* Allocations since the start of the process, over all threads. */
uint64_t lyc_memory_allocations(void);

/* From now on released memory stays with the process instead of going back to the system: for programs that need large
 * pieces of the same sizes again and again, which the system would have to clear each time. */
void lyc_memory_keep(void);

#endif
