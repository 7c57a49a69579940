/* system_random.h - numbers that nobody can foresee, for seeds by chance
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_SYSTEM_RANDOM_H
#define LYC_BASE_SYSTEM_RANDOM_H

#include <stdint.h>

/* From the operating system; from the clock where that has none. */
uint64_t lyc_system_random(void);

#endif
