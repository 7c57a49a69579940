/* task_vectors.c - TIES and DARE, number by number
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/task_vectors.h"

#include <math.h>

#include "tool/quantile.h"

void lyc_task_vector_trim(float *x, float *scratch, int64_t n, double density)
{
    const int64_t kept = (int64_t)floor(density * (double)n);
    if (kept >= n) {
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        scratch[i] = fabsf(x[i]);
    }
    const float least = kept > 0 ? lyc_select_smallest(scratch, n, n - kept) : (float)INFINITY;
    int64_t equal = kept; /* how many of that size may stay */
    for (int64_t i = 0; i < n; i++) {
        equal -= fabsf(x[i]) > least;
    }
    for (int64_t i = 0; i < n; i++) {
        const float size = fabsf(x[i]);
        const bool stays = size > least || (size == least && equal-- > 0);
        x[i] = stays ? x[i] : 0.0F;
    }
}

void lyc_task_vector_drop(float *x, int64_t n, double density, const lyc_native_random *random)
{
    enum { AT_ONCE = 1024 };
    float drawn[AT_ONCE];
    const float factor = (float)(1.0 / density);
    for (int64_t first = 0; first < n; first += AT_ONCE) {
        const int64_t count = n - first < AT_ONCE ? n - first : AT_ONCE;
        lyc_native_random_uniforms(random, drawn, (uint64_t)first, (size_t)count);
        for (int64_t i = 0; i < count; i++) {
            x[first + i] = (double)drawn[i] < density ? x[first + i] * factor : 0.0F;
        }
    }
}

void lyc_task_vectors_elect(float *out, float *const *x, size_t count, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double all = 0.0, sum = 0.0;
        int64_t agreeing = 0;
        for (size_t k = 0; k < count; k++) {
            all += (double)x[k][i];
        }
        for (size_t k = 0; k < count; k++) {
            const bool agrees = all >= 0.0 ? x[k][i] > 0.0F : x[k][i] < 0.0F;
            sum += agrees ? (double)x[k][i] : 0.0;
            agreeing += agrees;
        }
        out[i] = agreeing > 0 ? (float)(sum / (double)agreeing) : 0.0F;
    }
}
