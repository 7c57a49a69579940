/* rounding.c - trained numbers of 16 bits
 *
 *     q = the place of the last bit at x;   x = floor(x / q + u) q,  u uniform in [0,1)
 *
 * x / q has at most 11 bits before its point and u has 24 behind, so the sum is exact in f64 and so is the probability,
 * but for fp16 below 2^-23 of its smallest number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/rounding.h"

#include <math.h>
#include <string.h>

#include "base/thread.h"
#include "tensor/float_bits.h"
#include "tensor/random.h"

enum { PIECE = 16384, DRAWN = 256 }; /* multiples of 4, as the generator wants; a piece is some of DRAWN */

typedef struct job {
    const lyc_rounding *rounding;
    float *values;
    int64_t count;
    lyc_native_random random;
    bool chance;
} job;

/* To a number of the type, which beyond its largest is an infinity. */
static float nearest(float x, lyc_dtype dtype)
{
    return dtype == LYC_BF16 ? lyc_f32_of_bf16(lyc_bf16_of_f32(x)) : lyc_f32_of_f16(lyc_f16_of_f32(x));
}

/* 2^exponent of a normal f64. */
static double power_of_two(int exponent)
{
    const uint64_t bits = (uint64_t)(1023 + exponent) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float by_chance(float x, float u, lyc_dtype dtype)
{
    const int mantissa = dtype == LYC_BF16 ? 7 : 10, least = dtype == LYC_BF16 ? -126 : -14;
    const int own = (int)(lyc_f32_bits(x) >> 23 & 0xFF) - 127;
    const int place = (own > least ? own : least) - mantissa;
    if (!isfinite(x)) {
        return x;
    }
    return nearest((float)(floor((double)x * power_of_two(-place) + (double)u) * power_of_two(place)), dtype);
}

static void round_pieces(void *context, int64_t first, int64_t last, int thread)
{
    const job *j = context;
    const lyc_dtype dtype = j->rounding->dtype;
    const int64_t end = last * PIECE < j->count ? last * PIECE : j->count;
    float drawn[DRAWN] = {0};
    (void)thread;
    for (int64_t at = first * PIECE; at < end; at += DRAWN) {
        const int64_t n = end - at < DRAWN ? end - at : DRAWN;
        float *x = j->values + at;
        if (j->chance) {
            lyc_native_random_uniforms(&j->random, drawn, (uint64_t)at, (size_t)n);
        }
        for (int64_t i = 0; i < n; i++) {
            x[i] = j->chance ? by_chance(x[i], drawn[i], dtype) : nearest(x[i], dtype);
        }
    }
}

static void round_rows(const lyc_rounding *r, const lyc_trainable *rows, size_t count, int64_t step, bool chance)
{
    enum { NANOSECONDS = 10 }; /* of a number */
    for (size_t i = 0; i < count && r->dtype != LYC_F32; i++) {
        job j = {
            .rounding = r,
            .values = rows[i].value,
            .count = rows[i].count,
            .chance = chance,
            .random = {.seed = r->seed, .purpose = LYC_RANDOM_ROUNDING | (uint32_t)i << 8, .step = (uint32_t)step}};
        lyc_parallel_chunks((j.count + PIECE - 1) / PIECE, (double)j.count * NANOSECONDS, round_pieces, &j);
    }
}

void lyc_rounding_nearest(const lyc_rounding *rounding, const lyc_trainable *rows, size_t count)
{
    round_rows(rounding, rows, count, 0, false);
}

void lyc_rounding_step(const lyc_rounding *rounding, const lyc_trainable *rows, size_t count, int64_t step)
{
    round_rows(rounding, rows, count, step, rounding->stochastic);
}
