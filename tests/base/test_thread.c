/* test_thread.c - parallel loops cover every index once
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

enum { MAX = 2000 };

typedef struct trace {
    atomic_int visits[MAX];
    int64_t first[64]; /* of the range that a thread ran */
    int64_t last[64];
    atomic_int calls;
} trace;

static void record(void *context, int64_t first, int64_t last, int thread)
{
    trace *t = context;
    for (int64_t i = first; i < last; i++) {
        atomic_fetch_add(&t->visits[i], 1);
    }
    t->first[thread] = first;
    t->last[thread] = last;
    atomic_fetch_add(&t->calls, 1);
}

static void covers_each_index_once(void **state)
{
    (void)state;
    static const int64_t counts[] = {0, 1, 2, 3, 7, 8, 100, 1999};
    for (int threads = 1; threads <= 5; threads++) {
        lyc_thread_set_count(threads);
        assert_int_equal(lyc_thread_count(), threads);
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            static trace t;
            memset(&t, 0, sizeof t);
            lyc_parallel_for(counts[c], record, &t);
            for (int64_t i = 0; i < MAX; i++) {
                assert_int_equal(t.visits[i], i < counts[c] ? 1 : 0);
            }
            assert_int_equal(t.calls, counts[c] < threads ? counts[c] : threads);
            /* One range of neighbours for each thread, in order, sizes differ by one at most. */
            for (int r = 0; r < t.calls; r++) {
                assert_int_equal(t.first[r], r == 0 ? 0 : t.last[r - 1]);
                const int64_t size = t.last[r] - t.first[r];
                assert_true(size == counts[c] / t.calls || size == counts[c] / t.calls + 1);
            }
        }
    }
}

static void dynamic_covers_each_index_once(void **state)
{
    (void)state;
    static const int64_t grains[] = {1, 3, 64, 5000};
    for (int threads = 1; threads <= 4; threads++) {
        lyc_thread_set_count(threads);
        for (size_t g = 0; g < sizeof grains / sizeof grains[0]; g++) {
            static trace t;
            memset(&t, 0, sizeof t);
            lyc_parallel_dynamic(1000, grains[g], record, &t);
            for (int64_t i = 0; i < MAX; i++) {
                assert_int_equal(t.visits[i], i < 1000 ? 1 : 0);
            }
            assert_int_equal(t.calls, (1000 + grains[g] - 1) / grains[g]);
        }
    }
    lyc_parallel_dynamic(0, 1, record, NULL);
    lyc_parallel_for(0, record, NULL);
    lyc_parallel_for(-1, record, NULL);
}

static void nested(void *context, int64_t first, int64_t last, int thread)
{
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        static _Thread_local trace inner;
        memset(&inner, 0, sizeof inner);
        lyc_parallel_for(10, record, &inner);
        for (int k = 0; k < 10; k++) {
            atomic_fetch_add((atomic_int *)context, inner.visits[k]);
        }
    }
}

static void nested_loops_run_on_the_caller(void **state)
{
    (void)state;
    atomic_int sum = 0;
    lyc_thread_set_count(3);
    lyc_parallel_for(7, nested, &sum);
    assert_int_equal(sum, 70);
}

/* Too little to share: one call, on this thread. */
static void small_work_stays(void **state)
{
    (void)state;
    static trace t;
    lyc_thread_set_count(3);
    memset(&t, 0, sizeof t);
    lyc_parallel_chunks(100, LYC_PARALLEL_NS - 1.0, record, &t);
    lyc_parallel_tasks(50, LYC_PARALLEL_NS - 1.0, record, &t);
    assert_int_equal(t.calls, 2);
    assert_int_equal(t.last[0], 50);
    lyc_parallel_chunks(0, 0.0, record, NULL);
    lyc_parallel_tasks(0, 0.0, record, NULL);
    memset(&t, 0, sizeof t);
    lyc_parallel_chunks(100, LYC_PARALLEL_NS, record, &t);
    assert_int_equal(t.calls, 3);
    lyc_parallel_tasks(100, LYC_PARALLEL_NS, record, &t);
    assert_int_equal(t.calls, 103);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(t.visits[i], 2);
    }
}

/* Work that was divided for three threads stays so with eight and with one: scratch memory may depend on it. */
static void division_can_be_kept(void **state)
{
    (void)state;
    static const int counts[] = {3, 8, 1};
    lyc_thread_set_count(3);
    const int before = lyc_thread_divide_for(lyc_thread_count());
    assert_int_equal(before, 0);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        static trace t;
        memset(&t, 0, sizeof t);
        lyc_thread_set_count(counts[c]);
        assert_int_equal(lyc_thread_count(), 3);
        lyc_parallel_for(100, record, &t);
        assert_int_equal(t.calls, 3);
        assert_int_equal(t.last[2], 100);
        memset(&t, 0, sizeof t);
        lyc_parallel_dynamic(100, 1, record, &t);
        assert_int_equal(t.calls, 100);
        assert_int_equal(t.last[3], 0); /* nobody is thread 3 */
    }
    assert_int_equal(lyc_thread_divide_for(before), 3);
    assert_int_equal(lyc_thread_count(), 1);
}

static void loops_do_not_allocate(void **state)
{
    (void)state;
    static trace t;
    lyc_thread_set_count(2);
    const uint64_t before = lyc_memory_allocations();
    lyc_parallel_for(100, record, &t);
    lyc_parallel_dynamic(100, 3, record, &t);
    assert_int_equal(lyc_memory_allocations(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covers_each_index_once),         cmocka_unit_test(dynamic_covers_each_index_once),
        cmocka_unit_test(nested_loops_run_on_the_caller), cmocka_unit_test(small_work_stays),
        cmocka_unit_test(division_can_be_kept),           cmocka_unit_test(loops_do_not_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
