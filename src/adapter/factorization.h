/* factorization.h - how an extent is divided in two
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_FACTORIZATION_H
#define LYC_ADAPTER_FACTORIZATION_H

#include <stdbool.h>
#include <stdint.h>

/* small * large = extent, small <= large. A factor that divides the extent is one of the two; else small is the largest
 * divisor that is at most factor and at most the root of the extent; a negative factor: as square as possible. */
void lyc_factorization(int64_t *small, int64_t *large, int64_t extent, int64_t factor);

/* size * count = extent, size even and at most factor, count a power of two: the largest such size. False when there is
 * none. A negative factor: no bound. */
bool lyc_factorization_power2(int64_t *size, int64_t *count, int64_t extent, int64_t factor);

#endif
