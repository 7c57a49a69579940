/* test_state_weight.c - weights applied to states, and the mean kept or not
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "text/state_weight.h"

static void check(lyc_state_weighing weighing, const float expected[8])
{
    float states[8] = {1, 2, 3, 4, 5, 6, 7, 9}; /* 4 states of 2 channels, sequences of 2 */
    const float weights[4] = {1, 2, 1, 0.5F};
    lyc_states_weigh(states, weights, 4, 2, 2, weighing);
    for (int i = 0; i < 8; i++) {
        assert_float_equal(states[i], expected[i], 1e-6);
    }
}

static void test_weighing(void **state)
{
    (void)state;
    check(LYC_STATE_WEIGHING_PLAIN, (float[8]){1, 2, 6, 8, 5, 6, 3.5F, 4.5F});
    /* Sums: 10 becomes 17; 27 becomes 19. */
    const float first = 10.0F / 17, second = 27.0F / 19;
    check(LYC_STATE_WEIGHING_A1111,
          (float[8]){first, 2 * first, 6 * first, 8 * first, 5 * second, 6 * second, 3.5F * second, 4.5F * second});
    const float all = 37.0F / 36;
    check(LYC_STATE_WEIGHING_KOHYA,
          (float[8]){all, 2 * all, 6 * all, 8 * all, 5 * all, 6 * all, 3.5F * all, 4.5F * all});
}

static void test_mean_of_zero(void **state)
{
    (void)state;
    float states[2] = {1, -1};
    const float weights[1] = {2};
    lyc_states_weigh(states, weights, 1, 2, 77, LYC_STATE_WEIGHING_A1111);
    assert_true(states[0] == 2 && states[1] == -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weighing),
        cmocka_unit_test(test_mean_of_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
