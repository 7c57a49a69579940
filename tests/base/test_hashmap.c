/* test_hashmap.c - order, replacement, growth, lack of memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hashmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static void keeps_order_of_insertion(void **state)
{
    (void)state;
    enum { N = 20000 };
    static int values[N];
    lyc_hashmap map = {0};
    assert_null(lyc_hashmap_get(&map, lyc_span_of("x")));
    for (int i = 0; i < N; i++) {
        char key[32];
        snprintf(key, sizeof key, "layer.%d", (i * 7919) % N);
        assert_true(lyc_hashmap_put(&map, lyc_span_of(key), &values[i]));
    }
    assert_int_equal(map.count, N);
    for (int i = 0; i < N; i++) {
        char key[32];
        snprintf(key, sizeof key, "layer.%d", (i * 7919) % N);
        assert_string_equal(map.entries[i].key.text, key);
        assert_ptr_equal(lyc_hashmap_get(&map, lyc_span_of(key)), &values[i]);
        assert_ptr_equal(lyc_hashmap_find(&map, lyc_span_of(key)), &map.entries[i]);
    }
    assert_null(lyc_hashmap_get(&map, lyc_span_of("layer.20000")));
    assert_null(lyc_hashmap_get(&map, lyc_span_of("")));
    lyc_hashmap_clear(&map);
    assert_int_equal(map.count, 0);
}

static void replaces_values_and_tells_keys_apart(void **state)
{
    (void)state;
    int a;
    int b;
    lyc_hashmap map = {0};
    const lyc_span with_nul = {"k\0x", 3};
    assert_true(lyc_hashmap_put(&map, lyc_span_of("k"), &a));
    assert_true(lyc_hashmap_put(&map, with_nul, &b));
    assert_true(lyc_hashmap_put(&map, lyc_span_of(""), NULL));
    assert_ptr_equal(lyc_hashmap_get(&map, lyc_span_of("k")), &a);
    assert_ptr_equal(lyc_hashmap_get(&map, with_nul), &b);
    assert_non_null(lyc_hashmap_find(&map, lyc_span_of("")));
    assert_true(lyc_hashmap_put(&map, lyc_span_of("k"), &b));
    assert_ptr_equal(lyc_hashmap_get(&map, lyc_span_of("k")), &b);
    assert_int_equal(map.count, 3);
    lyc_hashmap_clear(&map);
}

/* Whatever allocation fails, the map stays usable and loses nothing. */
static void survives_lack_of_memory(void **state)
{
    (void)state;
    int value;
    lyc_hashmap map = {0};
    for (int i = 0; i < 3000; i++) {
        char key[600];
        snprintf(key, sizeof key, "%0*d", i % 500 + 5, i);
        for (int n = 3; n >= 1; n--) {
            lyc_memory_fail_after((uint64_t)n, true);
            const size_t before = map.count;
            const bool done = lyc_hashmap_put(&map, lyc_span_of(key), &value);
            lyc_memory_fail_after(0, false);
            assert_int_equal(map.count, before + done);
            if (done) {
                break;
            }
        }
        assert_true(lyc_hashmap_put(&map, lyc_span_of(key), &value));
    }
    assert_int_equal(map.count, 3000);
    for (size_t i = 0; i < map.count; i++) {
        assert_ptr_equal(lyc_hashmap_find(&map, map.entries[i].key), &map.entries[i]);
    }
    lyc_hashmap_clear(&map);
}

static void hashes_depend_on_every_byte(void **state)
{
    (void)state;
    unsigned char data[40] = {0};
    for (size_t length = 0; length <= sizeof data; length++) {
        const uint64_t hash = lyc_hash(data, length);
        assert_true(length == 0 || lyc_hash(data, length - 1) != hash);
        for (size_t bit = 0; bit < length * 8; bit++) {
            data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_true(lyc_hash(data, length) != hash);
            data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        assert_true(lyc_hash(data, length) == hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_of_insertion),
        cmocka_unit_test(replaces_values_and_tells_keys_apart),
        cmocka_unit_test(survives_lack_of_memory),
        cmocka_unit_test(hashes_depend_on_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
