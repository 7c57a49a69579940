/* kernel.h - what the kernels of this folder share: which problems they take, and when to use several threads
 *
 * Work is divided into chunks of a fixed size, never by the number of threads, so that sums that are made chunk by
 * chunk have the same bits on any machine with the same vectors. Small work stays on the calling thread: waking the
 * others takes longer than a few microseconds of work, and small models have thousands of such operations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_KERNEL_H
#define LYC_BACKEND_CPU_KERNELS_KERNEL_H

#include "backend/cpu/kernels/simd.h"
#include "base/cpu.h"
#include "base/thread.h"
#include "graph/backend.h"

static inline bool lyc_is_float(lyc_dtype dtype)
{
    return dtype == LYC_F32 || dtype == LYC_BF16;
}

/* Every operand that is there is f32 or bf16: `accepts` of most kernels. */
static inline bool lyc_accepts_floats(const lyc_problem *p)
{
    for (int i = 0; i < p->n_inputs; i++) {
        if (p->in[i].present && !lyc_is_float(p->in[i].dtype)) {
            return false;
        }
    }
    for (int k = 0; k < p->n_outputs; k++) {
        if (p->out[k].present && !lyc_is_float(p->out[k].dtype)) {
            return false;
        }
    }
    return true;
}

/* Whether a result is of a dtype, or one that nobody reads. */
static inline bool lyc_result_is(const lyc_operand *out, lyc_dtype dtype)
{
    return !out->present || out->dtype == dtype;
}

static inline int64_t lyc_bytes_of(lyc_dtype dtype)
{
    return dtype == LYC_BF16 || dtype == LYC_F16 ? 2 : 4;
}

/* Element `index` of an array. */
static inline const void *lyc_at(const void *base, lyc_dtype dtype, int64_t index)
{
    return (const char *)base + index * lyc_bytes_of(dtype);
}

static inline void *lyc_at_mutable(void *base, lyc_dtype dtype, int64_t index)
{
    return (char *)base + index * lyc_bytes_of(dtype);
}

/* The first element of an array of f32 or bf16. */
static inline float lyc_load_one(lyc_dtype dtype, const void *p)
{
    if (dtype == LYC_F32) {
        return *(const float *)p;
    }
    const uint32_t bits = (uint32_t) * (const uint16_t *)p << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* n elements, 0 <= n <= LYC_LANES: as a whole vector where there is one. */
LYC_SIMD_INLINE lyc_vf lyc_vload_some(lyc_dtype dtype, const void *base, int64_t index, int n)
{
    return n == LYC_LANES ? lyc_vload_as(dtype, base, index) : lyc_vload_as_n(dtype, base, index, n);
}

LYC_SIMD_INLINE void lyc_vstore_some(lyc_dtype dtype, void *base, int64_t index, lyc_vf v, int n)
{
    if (n == LYC_LANES) {
        lyc_vstore_as(dtype, base, index, v);
    } else {
        lyc_vstore_as_n(dtype, base, index, v, n);
    }
}

static inline int64_t lyc_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t lyc_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t lyc_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Results of so many bytes do not fit into the cache and are written past it: a store into it would read the line
 * first. */
static inline bool lyc_streams(int64_t bytes)
{
    return (size_t)bytes > lyc_cpu_cache_bytes(3);
}

/* Copies past the cache, whole lines of the destination at least; lyc_vstream_end before other threads read them. */
static inline void lyc_stream(void *dst, const void *src, size_t bytes)
{
    char *to = dst;
    const char *from = src;
    size_t head = (64 - (uintptr_t)dst % 64) % 64;
    head = head < bytes ? head : bytes;
    memcpy(to, from, head);
    size_t i = head;
    for (; i + 64 <= bytes; i += 64) {
        for (size_t k = 0; k < 64; k += sizeof(lyc_vf)) {
            lyc_vf v;
            memcpy(&v, from + i + k, sizeof v);
            lyc_vstream(to + i + k, v);
        }
    }
    memcpy(to + i, from + i, bytes - i);
}

#endif
