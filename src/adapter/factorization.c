/* factorization.c - how an extent is divided in two, as LyCORIS does it
 *
 * LyCORIS paper (arXiv 2309.14859), equation 5, differs where a factor above the root of the extent divides it: 320 by
 * 64 is 16 * 20 there, and 5 * 64 in the code and in all files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/factorization.h"

void lyc_factorization(int64_t *small, int64_t *large, int64_t extent, int64_t factor)
{
    if (factor > 0 && extent % factor == 0) {
        *small = factor;
    } else {
        *small = 1;
        for (int64_t m = 1; m <= extent / m && (factor < 0 || m <= factor); m++) {
            *small = extent % m == 0 ? m : *small;
        }
    }
    *large = extent / *small;
    if (*small > *large) {
        const int64_t swap = *small;
        *small = *large;
        *large = swap;
    }
}

bool lyc_factorization_power2(int64_t *size, int64_t *count, int64_t extent, int64_t factor)
{
    for (int64_t n = 1; n <= extent / 2; n *= 2) {
        if (extent % n != 0) {
            return false;
        }
        const int64_t m = extent / n;
        if (m % 2 == 0 && (factor < 0 || m <= factor)) {
            *size = m;
            *count = n;
            return true;
        }
    }
    return false;
}
