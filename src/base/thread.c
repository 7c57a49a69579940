/* thread.c - how many threads, and how loops are divided among them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT */
#include "base/thread.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/thread_team.h"

enum { THREADS_MAX = 1024 };

/* 0: not decided yet. Part of the process like the pool itself. */
static atomic_int thread_count;

/* What loops of this thread are divided for; 0: thread_count. */
static _Thread_local int divided_for;

/* Processors in the affinity mask. */
static int processors_allowed(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return CPU_COUNT(&set);
    }
    const long online = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than the set holds */
    return online > 0 ? (int)online : 1;
}

/* Processors' worth of time that a container may use (cgroup v2), rounded up; a large number without a limit. */
static int processors_of_container(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file == NULL) {
        return THREADS_MAX;
    }
    long long quota;
    long long period;
    const bool limited = fscanf(file, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0;
    fclose(file);
    if (!limited || quota / period >= THREADS_MAX) {
        return THREADS_MAX;
    }
    return (int)((quota + period - 1) / period);
}

int lyc_thread_processors(void)
{
    const int allowed = processors_allowed();
    const int limit = processors_of_container();
    const int n = allowed < limit ? allowed : limit;
    return n < 1 ? 1 : n;
}

/* A positive number in the variable; 0 when it is missing or something else. */
static int number_from_environment(const char *name)
{
    const char *text = getenv(name);
    if (text == NULL) {
        return 0;
    }
    char *end;
    const long n = strtol(text, &end, 10);
    return end != text && (*end == '\0' || *end == ',') && n >= 1 && n <= THREADS_MAX ? (int)n : 0;
}

static int default_count(void)
{
    int n = number_from_environment("LYCORIS_THREADS");
    if (n == 0) {
        n = number_from_environment("OMP_NUM_THREADS");
    }
    if (n > 0) {
        return n;
    }
    n = lyc_thread_processors();
    return n > THREADS_MAX ? THREADS_MAX : n;
}

/* What was asked for last, whatever this thread's loops are divided for. */
static int wanted_count(void)
{
    int n = atomic_load_explicit(&thread_count, memory_order_relaxed);
    if (n == 0) {
        int undecided = 0;
        n = default_count();
        if (!atomic_compare_exchange_strong(&thread_count, &undecided, n)) {
            n = undecided; /* another thread decided */
        }
    }
    return n;
}

int lyc_thread_count(void)
{
    return divided_for > 0 ? divided_for : wanted_count();
}

int lyc_thread_divide_for(int n)
{
    assert(n >= 0);
    const int before = divided_for;
    const int wanted = wanted_count();
    divided_for = n;
    lyc_team_resize(n > 0 && n < wanted ? n : wanted);
    return before;
}

void lyc_thread_set_count(int n)
{
    assert(n >= 1);
    n = n > THREADS_MAX ? THREADS_MAX : n;
    atomic_store(&thread_count, n);
    lyc_team_resize(n);
}

typedef struct range_loop {
    int64_t count;
    int64_t grain; /* dynamic: indices per range */
    _Atomic int64_t next;
    int ranges;  /* static: number of ranges */
    int threads; /* that it is divided for */
    lyc_parallel_body body;
    void *context;
} range_loop;

/* Range r of n: sizes differ by at most one, the longer ones first. */
static void run_static_range(const range_loop *loop, int r)
{
    const int64_t size = loop->count / loop->ranges;
    const int64_t longer = loop->count % loop->ranges;
    const int64_t first = size * r + (r < longer ? r : longer);
    loop->body(loop->context, first, first + size + (r < longer), r);
}

/* A team may be smaller than asked for (OMP_THREAD_LIMIT, lyc_thread_set_count): the ranges stay the same, some members
 * run several. Loops inside are divided like this one. */
static void static_work(void *context, int member, int members)
{
    const range_loop *loop = context;
    const int before = divided_for;
    divided_for = loop->threads;
    for (int r = member; r < loop->ranges; r += members) {
        run_static_range(loop, r);
    }
    divided_for = before;
}

static int team_size(int64_t ranges, int threads)
{
    const int wanted = wanted_count();
    const int most = threads < wanted ? threads : wanted;
    return ranges < most ? (int)ranges : most;
}

void lyc_parallel_for(int64_t count, lyc_parallel_body body, void *context)
{
    if (count <= 0) {
        return;
    }
    const int threads = lyc_thread_count();
    range_loop loop = {.count = count,
                       .ranges = count < threads ? (int)count : threads,
                       .threads = threads,
                       .body = body,
                       .context = context};
    const int size = team_size(loop.ranges, threads);
    if (size == 1 || lyc_team_is_inside()) {
        static_work(&loop, 0, 1);
    } else {
        lyc_team_run(size, static_work, &loop);
    }
}

void lyc_parallel_chunks(int64_t count, double nanoseconds, lyc_parallel_body body, void *context)
{
    if (nanoseconds >= LYC_PARALLEL_NS) {
        lyc_parallel_for(count, body, context);
    } else if (count > 0) {
        body(context, 0, count, 0);
    }
}

static void dynamic_work(void *context, int member, int members)
{
    range_loop *loop = context;
    (void)members;
    const int before = divided_for;
    divided_for = loop->threads;
    for (;;) {
        const int64_t first = atomic_fetch_add_explicit(&loop->next, loop->grain, memory_order_relaxed);
        if (first >= loop->count) {
            break;
        }
        const int64_t last = loop->count - first < loop->grain ? loop->count : first + loop->grain;
        loop->body(loop->context, first, last, member);
    }
    divided_for = before;
}

void lyc_parallel_dynamic(int64_t count, int64_t grain, lyc_parallel_body body, void *context)
{
    assert(grain >= 1);
    if (count <= 0) {
        return;
    }
    const int64_t ranges = count / grain + (count % grain != 0);
    const int threads = lyc_thread_count();
    range_loop loop = {.count = count, .grain = grain, .threads = threads, .body = body, .context = context};
    const int size = team_size(ranges, threads);
    if (size == 1 || lyc_team_is_inside()) {
        dynamic_work(&loop, 0, 1);
    } else {
        lyc_team_run(size, dynamic_work, &loop);
    }
}

void lyc_parallel_tasks(int64_t count, double nanoseconds, lyc_parallel_body body, void *context)
{
    if (nanoseconds >= LYC_PARALLEL_NS) {
        lyc_parallel_dynamic(count, 1, body, context);
    } else if (count > 0) {
        body(context, 0, count, 0);
    }
}
