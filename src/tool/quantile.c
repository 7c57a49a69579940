/* quantile.c - numbers by their place in the order of all
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/quantile.h"

#include <math.h>

/* Hoare's selection. */
float lyc_select_smallest(float *x, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        const float pivot = x[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot) {
                i++;
            }
            while (x[j] > pivot) {
                j--;
            }
            if (i <= j) {
                const float swap = x[i];
                x[i++] = x[j];
                x[j--] = swap;
            }
        }
        if (k <= j) {
            high = j;
        } else if (k >= i) {
            low = i;
        } else {
            break;
        }
    }
    return x[k];
}

float lyc_quantile(float *x, int64_t n, double part)
{
    const double at = part * (double)(n - 1);
    const int64_t below = (int64_t)floor(at);
    const float low = lyc_select_smallest(x, n, below);
    const float high = below + 1 < n ? lyc_select_smallest(x, n, below + 1) : low;
    return low + (high - low) * (float)(at - (double)below);
}
