/* memory.c - aligned blocks, counted, with a switch that makes them fail
 *
 * The size of a block is asked from the C library (malloc_usable_size) instead of being kept in front of it, so that
 * the address sanitizer sees every access outside of the block.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _DEFAULT_SOURCE /* madvise */
#include "base/memory.h"

#include <limits.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Test hooks and counters: the exception to "no mutable globals". */
static _Atomic uint64_t allocation_count;
static _Atomic uint64_t fail_number; /* the allocation that fails; 0: none */
static atomic_bool fail_later;       /* and all after it */

static bool must_fail(void)
{
    const uint64_t number = atomic_fetch_add_explicit(&allocation_count, 1, memory_order_relaxed) + 1;
    const uint64_t failing = atomic_load_explicit(&fail_number, memory_order_relaxed);
    if (failing == 0) {
        return false;
    }
    return number == failing || (number > failing && atomic_load_explicit(&fail_later, memory_order_relaxed));
}

/* Blocks of a huge page and more are put on such pages where the system has them. Matrices are read in rows that lie
 * far apart: with pages of 4 KB every row costs a walk through the page tables, in a virtual machine through two of
 * them. */
static const size_t huge_page = (size_t)2 << 20;

static void want_huge_pages(void *block, size_t size)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(block, size, MADV_HUGEPAGE); /* advice: any answer will do */
#else
    (void)block;
    (void)size;
#endif
}

void *lyc_alloc(size_t size)
{
    void *block = NULL;
    if (must_fail() || size > PTRDIFF_MAX - huge_page) {
        return NULL;
    }
    const bool large = size >= huge_page;
    if (posix_memalign(&block, large ? huge_page : LYC_ALIGNMENT, size > 0 ? size : 1) != 0) {
        return NULL;
    }
    if (large) {
        want_huge_pages(block, size);
    }
    return block;
}

void *lyc_alloc_zero(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *block = lyc_alloc(bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

/* Not realloc(): it keeps only 16 bytes of alignment when it moves a block, and the aligned copy that would then be
 * needed can fail after the old block is gone. */
void *lyc_realloc(void *block, size_t size)
{
    if (block == NULL) {
        return lyc_alloc(size);
    }
    void *larger = lyc_alloc(size);
    if (larger == NULL) {
        return NULL;
    }
    const size_t old_size = malloc_usable_size(block);
    memcpy(larger, block, old_size < size ? old_size : size);
    free(block);
    return larger;
}

void lyc_free(void *block)
{
    free(block);
}

void lyc_memory_fail_after(uint64_t n, bool all)
{
    atomic_store(&fail_later, all);
    atomic_store(&fail_number, n == 0 ? 0 : atomic_load(&allocation_count) + n);
}

uint64_t lyc_memory_allocations(void)
{
    return atomic_load(&allocation_count);
}

void lyc_memory_keep(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}
