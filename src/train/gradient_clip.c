/* gradient_clip.c - the norm of all gradients
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/gradient_clip.h"

#include <math.h>
#include <stddef.h>

#include "base/thread.h"

enum { PIECE = 16384, BATCH = 256 };

/* Sums of the pieces of one parameter, as many as BATCH at a time. */
typedef struct piece_sums {
    const float *numbers;
    int64_t count, first_piece;
    double sums[BATCH];
} piece_sums;

static void sum_pieces(void *context, int64_t first, int64_t last, int thread)
{
    piece_sums *p = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t begin = (p->first_piece + i) * PIECE;
        const int64_t end = begin + PIECE < p->count ? begin + PIECE : p->count;
        double sums[4] = {0.0};
        for (int64_t k = begin; k < end; k++) {
            const double x = (double)p->numbers[k];
            sums[k & 3] += x * x;
        }
        p->sums[i] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
}

static double sum_of_squares(const float *numbers, int64_t count)
{
    double sum = 0.0;
    const int64_t pieces = (count + PIECE - 1) / PIECE;
    for (int64_t first = 0; first < pieces; first += BATCH) {
        piece_sums p = {.numbers = numbers, .count = count, .first_piece = first};
        const int64_t n = pieces - first < BATCH ? pieces - first : BATCH;
        lyc_parallel_chunks(n, (double)n * 8000.0, sum_pieces, &p);
        for (int64_t i = 0; i < n; i++) {
            sum += p.sums[i];
        }
    }
    return sum;
}

void lyc_gradient_norm_compute(lyc_gradient_norm *out, const lyc_trainable *params, size_t count, double scale)
{
    double sum = 0.0;
    *out = (lyc_gradient_norm){0};
    for (size_t i = 0; i < count; i++) {
        if (params[i].gradient != NULL) {
            const double own = sum_of_squares(params[i].gradient, params[i].count);
            if (!isfinite(own) && out->not_finite == NULL) {
                out->not_finite = params[i].name;
            }
            sum += own;
        }
    }
    out->norm = sqrt(sum) * scale;
}

double lyc_gradient_clip(double norm, double limit)
{
    return limit > 0.0 ? fmin(1.0, limit / (norm + 1e-6)) : 1.0;
}
