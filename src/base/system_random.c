/* system_random.c - numbers that nobody can foresee
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/system_random.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

uint64_t lyc_system_random(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        const double now = lyc_clock_unix_s();
        memcpy(&number, &now, sizeof number);
    }
    return number;
}
