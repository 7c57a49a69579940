/* thread_team.c - a team of threads: OpenMP's, or POSIX threads with LYC_THREAD_POOL
 *
 * The POSIX pool exists for the thread sanitizer, which sees no happens-before in libgomp's barriers. Its threads start
 * when a larger team is first asked for and live until the process ends. One team runs at a time; a second thread that
 * asks for one meanwhile waits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/thread_team.h"

#ifndef LYC_THREAD_POOL

#include <omp.h>

void lyc_team_run(int size, lyc_team_work work, void *context)
{
#pragma omp parallel num_threads(size)
    work(context, omp_get_thread_num(), omp_get_num_threads());
}

bool lyc_team_is_inside(void)
{
    return omp_in_parallel();
}

void lyc_team_resize(int size)
{
    omp_set_num_threads(size);
}

#else

#include <pthread.h>

enum { POOL_MAX = 256 };

static struct {
    pthread_mutex_t turn; /* held by the thread that runs a team */
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t begin;
    pthread_cond_t finished;
    int started;         /* threads of the pool; member i + 1 is thread i */
    int members;         /* of the current team */
    int pending;         /* members that have not returned */
    unsigned generation; /* counts teams */
    lyc_team_work work;
    void *context;
} pool = {.turn = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .begin = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER};

static _Thread_local bool inside;

typedef struct worker_start {
    int member;
    unsigned generation; /* teams before it are not its business */
} worker_start;
static worker_start starts[POOL_MAX];

static void *worker(void *argument)
{
    const worker_start start = *(const worker_start *)argument;
    unsigned seen = start.generation;
    inside = true;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (pool.generation == seen) {
            pthread_cond_wait(&pool.begin, &pool.lock);
        }
        seen = pool.generation;
        if (start.member >= pool.members) {
            continue;
        }
        const lyc_team_work work = pool.work;
        void *context = pool.context;
        const int members = pool.members;
        pthread_mutex_unlock(&pool.lock);
        work(context, start.member, members);
        pthread_mutex_lock(&pool.lock);
        if (--pool.pending == 0) {
            pthread_cond_signal(&pool.finished);
        }
    }
    return NULL;
}

/* Starts missing threads; with the lock held. Fewer than wanted when the system has no more. */
static void start_workers(int wanted)
{
    while (pool.started < wanted && pool.started < POOL_MAX) {
        pthread_t thread;
        worker_start *start = &starts[pool.started];
        *start = (worker_start){.member = pool.started + 1, .generation = pool.generation};
        if (pthread_create(&thread, NULL, worker, start) != 0) {
            return;
        }
        pthread_detach(thread);
        pool.started++;
    }
}

void lyc_team_run(int size, lyc_team_work work, void *context)
{
    pthread_mutex_lock(&pool.turn);
    pthread_mutex_lock(&pool.lock);
    start_workers(size - 1);
    const int members = size - 1 < pool.started ? size : pool.started + 1;
    pool.work = work;
    pool.context = context;
    pool.members = members;
    pool.pending = members - 1;
    pool.generation++;
    pthread_cond_broadcast(&pool.begin);
    pthread_mutex_unlock(&pool.lock);

    inside = true;
    work(context, 0, members);
    inside = false;

    pthread_mutex_lock(&pool.lock);
    while (pool.pending > 0) {
        pthread_cond_wait(&pool.finished, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.turn);
}

bool lyc_team_is_inside(void)
{
    return inside;
}

void lyc_team_resize(int size)
{
    (void)size;
}

#endif
