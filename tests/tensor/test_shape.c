/* test_shape.c - extents, sizes, text
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    lyc_shape shape;
    lyc_dtype dtype;
    const char *text;
    size_t bytes;
    const char *error; /* NULL: none */
} cases[] = {
    {{0}, LYC_F32, "scalar", 4, NULL},
    {{.rank = 4, .dims = {2, 64, 64, 320}}, LYC_BF16, "2x64x64x320", (size_t)2 * 64 * 64 * 320 * 2, NULL},
    {{.rank = 3, .dims = {3, 0, 2}}, LYC_F64, "3x0x2", 0, NULL},
    {{.rank = 1, .dims = {3}}, LYC_F4, "3", 0, "shape 3 of F4 is no whole number of bytes"},
    {{.rank = 1, .dims = {4}}, LYC_F6_E2M3, "4", 3, NULL},
    {{.rank = 2, .dims = {2, -1}}, LYC_F32, "2x-1", 0, "negative extent in shape 2x-1"},
    {{.rank = 2, .dims = {INT64_C(1) << 32, INT64_C(1) << 32}},
     LYC_U8,
     "4294967296x4294967296",
     0,
     "shape 4294967296x4294967296 of U8 has too many elements"},
    {{.rank = 1, .dims = {INT64_C(1) << 60}},
     LYC_F64,
     "1152921504606846976",
     0,
     "shape 1152921504606846976 of F64 has too many elements"},
    {{.rank = 3, .dims = {0, INT64_C(1) << 32, INT64_C(1) << 32}},
     LYC_U8,
     "0x4294967296x4294967296",
     0,
     "shape 0x4294967296x4294967296 of U8 has too many elements"},
};

static void counts_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[LYC_SHAPE_TEXT];
        assert_string_equal(lyc_shape_text(text, sizeof text, &cases[i].shape), cases[i].text);
        size_t bytes = 12345;
        lyc_error err = {0};
        const lyc_status status = lyc_shape_bytes(&bytes, &cases[i].shape, cases[i].dtype, &err);
        if (cases[i].error == NULL) {
            assert_int_equal(status, LYC_OK);
            assert_int_equal(bytes, cases[i].bytes);
        } else {
            assert_int_equal(status, LYC_E_SHAPE);
            assert_string_equal(err.message, cases[i].error);
            assert_int_equal(bytes, 12345);
        }
    }
    const lyc_shape bad = {.rank = 9};
    size_t bytes;
    lyc_error err;
    assert_int_equal(lyc_shape_bytes(&bytes, &bad, LYC_F32, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "rank 9, expected 0 to 8");
}

static void multiplies_extents(void **state)
{
    (void)state;
    const lyc_shape shape = LYC_SHAPE(2, 3, 5, 7);
    assert_int_equal(lyc_shape_elements(&shape), 210);
    assert_int_equal(lyc_shape_product(&shape, 1, 3), 15);
    assert_int_equal(lyc_shape_product(&shape, 2, 2), 1);
    const lyc_shape scalar = {0};
    assert_int_equal(lyc_shape_elements(&scalar), 1);
}

static void compares_and_cuts_text(void **state)
{
    (void)state;
    const lyc_shape a = LYC_SHAPE(2, 3);
    const lyc_shape b = LYC_SHAPE(2, 3, 1);
    const lyc_shape c = LYC_SHAPE(2, 4);
    const lyc_shape d = LYC_SHAPE(2, 3);
    assert_true(lyc_shape_equal(&a, &d));
    assert_false(lyc_shape_equal(&a, &b));
    assert_false(lyc_shape_equal(&a, &c));
    char text[4] = "zzz";
    assert_string_equal(lyc_shape_text(text, sizeof text, &b), "2x3");
    const lyc_shape long_one =
        LYC_SHAPE(INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN);
    char all[LYC_SHAPE_TEXT];
    assert_int_equal(strlen(lyc_shape_text(all, sizeof all, &long_one)), 8 * 20 + 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_bytes),
        cmocka_unit_test(multiplies_extents),
        cmocka_unit_test(compares_and_cuts_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
