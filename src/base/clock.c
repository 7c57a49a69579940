/* clock.c - POSIX clocks
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/clock.h"

#include <time.h>

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double lyc_clock_s(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double lyc_clock_unix_s(void)
{
    return seconds_of(CLOCK_REALTIME);
}

double lyc_clock_thread_s(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}
