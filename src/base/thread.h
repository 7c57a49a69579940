/* thread.h - parallel loops on one shared pool of threads
 *
 * OpenMP's threads, since oneDNN and OpenBLAS use the same ones and would otherwise run beside ours; a pool of POSIX
 * threads of our own when built for the thread sanitizer, which cannot see into libgomp.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_THREAD_H
#define LYC_BASE_THREAD_H

#include <stdint.h>

#include "lycoris/system.h" /* lyc_thread_count, lyc_thread_set_count */

/* Processors that this process may run on: affinity and a container's limit; at least 1. */
int lyc_thread_processors(void);

/* From now on lyc_thread_count() is n on the calling thread, and its loops are divided for n threads, whatever
 * lyc_thread_set_count says later; they run on at most as many as it says. For work whose scratch memory was sized
 * earlier. n = 0: as lyc_thread_set_count says. Returns what was in force before, to be given back. */
int lyc_thread_divide_for(int n);

/* Calls body(context, first, last, thread) for disjoint ranges that cover [0, count); thread is in
 * [0, lyc_thread_count()). The ranges depend on count and the number of threads alone, each thread gets one range of
 * neighbouring indices, and the call returns when all are done. Nested calls run the same ranges one after the other on
 * the calling thread. */
typedef void (*lyc_parallel_body)(void *context, int64_t first, int64_t last, int thread);
void lyc_parallel_for(int64_t count, lyc_parallel_body body, void *context);

/* The same, but all on the calling thread when the work is too small to share; `nanoseconds` is a guess at what all of
 * it takes on one core. Waking a thread costs some 5 microseconds, and much more where other programs are busy. */
enum { LYC_PARALLEL_NS = 20000 };
void lyc_parallel_chunks(int64_t count, double nanoseconds, lyc_parallel_body body, void *context);

/* lyc_parallel_for with ranges of `grain` indices that threads take in turn, for work of uneven length. The results
 * must not depend on which thread ran a range. */
void lyc_parallel_dynamic(int64_t count, int64_t grain, lyc_parallel_body body, void *context);

/* The same one by one, on the calling thread when the work is too small to share. */
void lyc_parallel_tasks(int64_t count, double nanoseconds, lyc_parallel_body body, void *context);

#endif
