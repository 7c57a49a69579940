/* clock.h - time for rates and durations
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_CLOCK_H
#define LYC_BASE_CLOCK_H

/* Seconds since some moment in the past; never goes back. */
double lyc_clock_s(void);

/* Seconds since 1970, for dates in files. */
double lyc_clock_unix_s(void);

/* Processor time of the calling thread in seconds: what a benchmark on a busy machine compares. */
double lyc_clock_thread_s(void);

#endif
