/* size.h - arithmetic on sizes that come from files: every product and sum is checked
 *
 * The readers of tensor files elsewhere failed here (2^32 x 2^32 = 0). tests/lint finds products of sizes that do not
 * pass through this file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_SIZE_H
#define LYC_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a op b, true; or false, *out unchanged, when the result does not fit. */
static inline bool lyc_size_mul(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

static inline bool lyc_size_add(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

static inline bool lyc_int64_mul(int64_t *out, int64_t a, int64_t b)
{
    int64_t r;
    if (__builtin_mul_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

static inline bool lyc_int64_add(int64_t *out, int64_t a, int64_t b)
{
    int64_t r;
    if (__builtin_add_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

#endif
