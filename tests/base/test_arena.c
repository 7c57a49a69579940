/* test_arena.c - things that die together
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

/* Things of many sizes are zeroed, aligned and do not overlap. */
static void deals_out_separate_zeroed_things(void **state)
{
    (void)state;
    enum { N = 3000 };
    static unsigned char *things[N];
    static size_t sizes[N];
    lyc_arena arena = {0};
    const uint64_t before = lyc_memory_allocations();
    for (int i = 0; i < N; i++) {
        sizes[i] = (size_t)(i * 37 % 501);
        sizes[i] = i % 500 == 499 ? 100000 : sizes[i];
        things[i] = lyc_arena_alloc(&arena, sizes[i], 1);
        assert_non_null(things[i]);
        assert_int_equal((uintptr_t)things[i] % 16, 0);
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(things[i][k], 0);
        }
        memset(things[i], i % 255 + 1, sizes[i]);
    }
    for (int i = 0; i < N; i++) {
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(things[i][k], i % 255 + 1);
        }
    }
    assert_true(lyc_memory_allocations() - before < 30);
    assert_true(arena.total_bytes >= 6 * 100000);
    lyc_arena_clear(&arena);
    assert_null(arena.block);
    assert_int_equal(arena.total_bytes, 0);
}

static void copies_and_formats_text(void **state)
{
    (void)state;
    lyc_arena arena = {0};
    assert_string_equal(lyc_arena_text(&arena, "down_blocks"), "down_blocks");
    assert_string_equal(lyc_arena_text_n(&arena, "down_blocks", 4), "down");
    assert_string_equal(lyc_arena_text_n(&arena, NULL, 0), "");
    assert_string_equal(lyc_arena_format(&arena, "%s.%d", "layer", 12), "layer.12");
    const int numbers[] = {1, 2, 3};
    const int *copy = lyc_arena_copy(&arena, numbers, sizeof numbers);
    assert_memory_equal(copy, numbers, sizeof numbers);
    lyc_arena_clear(&arena);
}

static void reports_lack_of_memory(void **state)
{
    (void)state;
    lyc_arena arena = {0};
    assert_null(lyc_arena_alloc(&arena, SIZE_MAX / 2, 4));
    assert_null(lyc_arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(lyc_arena_alloc(&arena, SIZE_MAX - 40, 1));
    lyc_memory_fail_after(1, true);
    assert_null(lyc_arena_alloc(&arena, 1, 1));
    assert_null(lyc_arena_text(&arena, "a"));
    assert_null(lyc_arena_format(&arena, "%d", 1));
    assert_null(lyc_arena_copy(&arena, "a", 1));
    lyc_memory_fail_after(0, false);
    assert_non_null(lyc_arena_alloc(&arena, 1, 1));
    lyc_arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deals_out_separate_zeroed_things),
        cmocka_unit_test(copies_and_formats_text),
        cmocka_unit_test(reports_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
