/* test_loss_scaler.c - the loss scale doubles, halves, and knows what fp16 can hold
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/loss_scaler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

static void doubles_and_halves(void **state)
{
    (void)state;
    lyc_loss_scaler s = lyc_loss_scaler_start(true);
    assert_true(s.scale == 65536);
    for (int i = 0; i < 1999; i++) {
        lyc_loss_scaler_update(&s, true);
    }
    assert_true(s.scale == 65536);
    lyc_loss_scaler_update(&s, true);
    assert_true(s.scale == 131072);
    assert_int_equal(s.good_steps, 0);
    lyc_loss_scaler_update(&s, true);
    lyc_loss_scaler_update(&s, false);
    assert_true(s.scale == 65536);
    assert_int_equal(s.good_steps, 0); /* 2000 again */
    for (int i = 0; i < 1000000; i++) {
        lyc_loss_scaler_update(&s, true);
    }
    assert_true(isfinite((float)s.scale));
}

static void does_nothing_when_unused(void **state)
{
    (void)state;
    lyc_loss_scaler s = lyc_loss_scaler_start(false);
    const float large[] = {1e30f};
    const lyc_trainable row = {.gradient = large, .count = 1};
    assert_true(lyc_loss_scaler_fits(&s, &row, 1));
    for (int i = 0; i < 5000; i++) {
        lyc_loss_scaler_update(&s, i % 2000 != 1999);
    }
    assert_true(s.scale == 1);
}

static void knows_the_range_of_fp16(void **state)
{
    (void)state;
    const lyc_loss_scaler s = lyc_loss_scaler_start(true);
    static float small[100000];
    float last[] = {0, 65504, -65504};
    const lyc_trainable rows[] = {
        {.gradient = small, .count = 100000}, {.gradient = NULL, .count = 5}, {.gradient = last, .count = 3}};
    assert_true(lyc_loss_scaler_fits(&s, rows, 3));
    const float wrong[] = {65505, -65505, INFINITY, NAN};
    for (int i = 0; i < 4; i++) {
        last[1] = wrong[i];
        assert_false(lyc_loss_scaler_fits(&s, rows, 3));
    }
    last[1] = 0;
    small[99999] = 1e5f;
    assert_false(lyc_loss_scaler_fits(&s, rows, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_and_halves),
        cmocka_unit_test(does_nothing_when_unused),
        cmocka_unit_test(knows_the_range_of_fp16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
