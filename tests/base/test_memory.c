/* test_memory.c - alignment, failing allocations, counting
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void aligns_every_block(void **state)
{
    (void)state;
    for (size_t size = 0; size < 200; size += 7) {
        void *block = lyc_alloc(size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % LYC_ALIGNMENT, 0);
        block = lyc_realloc(block, size * 3 + 1);
        assert_int_equal((uintptr_t)block % LYC_ALIGNMENT, 0);
        lyc_free(block);
    }
    lyc_free(NULL);
}

static void zeroes_and_checks_the_product(void **state)
{
    (void)state;
    unsigned char *block = lyc_alloc_zero(1000, 3);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(block[i], 0);
    }
    lyc_free(block);
    assert_null(lyc_alloc_zero(SIZE_MAX / 2, 3));
    assert_null(lyc_alloc(SIZE_MAX));
    assert_null(lyc_alloc(SIZE_MAX - 70));
}

static void realloc_keeps_contents(void **state)
{
    (void)state;
    char *text = lyc_realloc(NULL, 6);
    memcpy(text, "hello", 6);
    text = lyc_realloc(text, 100000);
    assert_string_equal(text, "hello");
    text = lyc_realloc(text, 6);
    assert_string_equal(text, "hello");
    lyc_memory_fail_after(1, false);
    assert_null(lyc_realloc(text, 1 << 20));
    assert_string_equal(text, "hello");
    lyc_free(text);
}

static void fails_the_nth_allocation(void **state)
{
    (void)state;
    lyc_memory_fail_after(3, false);
    void *blocks[4];
    for (int i = 0; i < 4; i++) {
        blocks[i] = lyc_alloc(10);
    }
    assert_non_null(blocks[0]);
    assert_non_null(blocks[1]);
    assert_null(blocks[2]);
    assert_non_null(blocks[3]);
    lyc_memory_fail_after(1, true);
    assert_null(lyc_alloc(10));
    assert_null(lyc_alloc_zero(10, 1));
    lyc_memory_fail_after(0, false);
    for (int i = 0; i < 4; i++) {
        lyc_free(blocks[i]);
    }
}

static void counts_allocations(void **state)
{
    (void)state;
    const uint64_t before = lyc_memory_allocations();
    void *block = lyc_alloc(1);
    block = lyc_realloc(block, 2);
    lyc_free(block);
    assert_int_equal(lyc_memory_allocations() - before, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns_every_block),     cmocka_unit_test(zeroes_and_checks_the_product),
        cmocka_unit_test(realloc_keeps_contents), cmocka_unit_test(fails_the_nth_allocation),
        cmocka_unit_test(counts_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
