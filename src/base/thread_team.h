/* thread_team.h - runs one function on several threads; only thread.c uses it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_THREAD_TEAM_H
#define LYC_BASE_THREAD_TEAM_H

#include <stdbool.h>

/* Calls work(context, member, members) once for each member in [0, members), where members is at most the given size,
 * and returns when all calls have returned. One of them runs on the calling thread. */
typedef void (*lyc_team_work)(void *context, int member, int members);
void lyc_team_run(int size, lyc_team_work work, void *context);

/* Whether the calling thread is inside lyc_team_run (or another parallel region of the same pool). */
bool lyc_team_is_inside(void);

/* Tells the pool how many threads its other users should take. */
void lyc_team_resize(int size);

#endif
