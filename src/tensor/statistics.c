/* statistics.c - the range of the numbers of a tensor, and what is no number among them
 *
 * Blocks of fixed size are counted by themselves, in parallel, and added up in order: the sums do not depend on the
 * number of threads. Within a block pieces are converted to f32 (to f64 where f32 would round) in the first-level
 * cache.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/statistics.h"

#include <math.h>
#include <string.h>

#include "base/thread.h"
#include "tensor/dtype.h"

enum { PIECE = 1024, BLOCK = 64 * PIECE, BLOCKS_AT_ONCE = 256, LANES = 8 };

/* What was seen so far. Sums are over finite values. */
typedef struct tally {
    uint64_t finite_count;
    uint64_t nan_count;
    double sum_abs;
    double min;
    double max;
} tally;

static const tally empty = {.min = (double)INFINITY, .max = -(double)INFINITY};

static void add_tally(tally *sum, const tally *part)
{
    sum->finite_count += part->finite_count;
    sum->nan_count += part->nan_count;
    sum->sum_abs += part->sum_abs;
    sum->min = part->min < sum->min ? part->min : sum->min;
    sum->max = part->max > sum->max ? part->max : sum->max;
}

/* What eight lanes saw, each for itself: arithmetic without branches that the compiler turns into vectors. */
typedef struct lanes {
    double sum[LANES];
    float min[LANES];
    float max[LANES];
    int32_t finite[LANES];
    int32_t nan[LANES];
} lanes;

static inline void count_lane(lanes *l, int lane, float x)
{
    const float magnitude = fabsf(x);
    const bool is_finite = magnitude < INFINITY;
    l->sum[lane] += (double)(is_finite ? magnitude : 0.0f);
    const float low = is_finite ? x : INFINITY;
    const float high = is_finite ? x : -INFINITY;
    l->min[lane] = low < l->min[lane] ? low : l->min[lane];
    l->max[lane] = high > l->max[lane] ? high : l->max[lane];
    l->finite[lane] += is_finite;
    l->nan[lane] += x != x;
}

static void count_f32(tally *out, const float *values, int n)
{
    lanes l = {0};
    for (int lane = 0; lane < LANES; lane++) {
        l.min[lane] = INFINITY;
        l.max[lane] = -INFINITY;
    }
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            count_lane(&l, lane, values[i + lane]);
        }
    }
    for (int lane = 0; i + lane < n; lane++) {
        count_lane(&l, lane, values[i + lane]);
    }
    for (int lane = 0; lane < LANES; lane++) {
        add_tally(out, &(tally){(uint64_t)l.finite[lane], (uint64_t)l.nan[lane], l.sum[lane], (double)l.min[lane],
                                (double)l.max[lane]});
    }
}

static void count_f64(tally *out, const double *values, int n)
{
    for (int i = 0; i < n; i++) {
        const double x = values[i];
        if (isfinite(x)) {
            add_tally(out, &(tally){1, 0, fabs(x), x, x});
        } else {
            out->nan_count += isnan(x);
        }
    }
}

/* Types whose values f32 cannot all hold. */
static bool needs_f64(lyc_dtype dtype)
{
    return dtype == LYC_F64 || dtype == LYC_I32 || dtype == LYC_U32 || dtype == LYC_I64 || dtype == LYC_U64;
}

typedef struct block_job {
    const char *data;
    size_t element_size;
    size_t n;
    lyc_dtype dtype;
    tally tallies[BLOCKS_AT_ONCE];
} block_job;

static void count_block(tally *out, const block_job *job, size_t first, size_t last)
{
    *out = empty;
    for (size_t at = first; at < last; at += PIECE) {
        const int n = last - at < PIECE ? (int)(last - at) : PIECE;
        const char *source = job->data + at * job->element_size;
        if (needs_f64(job->dtype)) {
            double values[PIECE];
            lyc_dtype_convert(values, LYC_F64, source, job->dtype, (size_t)n, NULL);
            count_f64(out, values, n);
        } else {
            float values[PIECE];
            lyc_dtype_convert(values, LYC_F32, source, job->dtype, (size_t)n, NULL);
            count_f32(out, values, n);
        }
    }
}

static void count_blocks(void *context, int64_t first, int64_t last, int thread)
{
    (void)thread;
    block_job *job = context;
    for (int64_t i = first; i < last; i++) {
        const size_t start = (size_t)i * BLOCK;
        const size_t end = job->n - start < BLOCK ? job->n : start + BLOCK;
        count_block(&job->tallies[i], job, start, end);
    }
}

static lyc_tensor_statistics statistics_of(const tally *sum, size_t n)
{
    const bool any = sum->finite_count > 0;
    return (lyc_tensor_statistics){
        .count = n,
        .nan_count = sum->nan_count,
        .infinity_count = n - sum->nan_count - sum->finite_count,
        .mean_abs = any ? sum->sum_abs / (double)sum->finite_count : (double)NAN,
        .max_abs = any ? fmax(fabs(sum->min), fabs(sum->max)) : (double)NAN,
        .min = any ? sum->min : (double)NAN,
        .max = any ? sum->max : (double)NAN,
    };
}

lyc_status lyc_statistics_compute(lyc_tensor_statistics *out, const void *data, lyc_dtype dtype, size_t n,
                                  lyc_progress *progress, const lyc_task *task, lyc_error *err)
{
    if (!lyc_dtype_computable(dtype)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s can only be copied", lyc_dtype_name(dtype));
    }
    block_job job = {.element_size = (size_t)lyc_dtype_bits(dtype) / 8, .dtype = dtype};
    tally sum = empty;
    for (size_t at = 0; at < n; at += (size_t)BLOCK * BLOCKS_AT_ONCE) {
        LYC_TRY(lyc_task_check(task, err));
        job.data = (const char *)data + at * job.element_size;
        job.n = n - at < (size_t)BLOCK * BLOCKS_AT_ONCE ? n - at : (size_t)BLOCK * BLOCKS_AT_ONCE;
        const int64_t blocks = (int64_t)((job.n + BLOCK - 1) / BLOCK);
        lyc_parallel_for(blocks, count_blocks, &job);
        for (int64_t i = 0; i < blocks; i++) {
            add_tally(&sum, &job.tallies[i]);
        }
        lyc_progress_add(progress, (int64_t)(job.n * job.element_size));
    }
    *out = statistics_of(&sum, n);
    return LYC_OK;
}
