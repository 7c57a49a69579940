/* test_factorization.c - divisions of an extent, against the values of LyCORIS
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/factorization.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct division {
    int64_t extent, factor, small, large;
} division;

/* lycoris.functional.general.factorization, LyCORIS 4.1.3. */
static const division divisions[] = {
    {128, -1, 8, 16},     {128, 2, 2, 64},   {128, 16, 8, 16},    {320, -1, 16, 20},  {320, 4, 4, 80},
    {320, 64, 5, 64},     {640, -1, 20, 32}, {640, 16, 16, 40},   {768, -1, 24, 32},  {768, 64, 12, 64},
    {1280, -1, 32, 40},   {1280, 3, 2, 640}, {1280, 12, 10, 128}, {1280, 64, 20, 64}, {2560, -1, 40, 64},
    {3072, -1, 48, 64},   {3072, 6, 6, 512}, {3072, 64, 48, 64},  {5120, -1, 64, 80}, {10240, 16, 16, 640},
    {10240, -1, 80, 128}, {127, -1, 1, 127}, {127, 8, 1, 127},    {250, 4, 2, 125},   {250, 8, 5, 50},
    {250, 16, 10, 25},    {360, -1, 18, 20}, {1024, -1, 32, 32},  {2048, -1, 32, 64}, {49408, -1, 193, 256},
    {77, -1, 7, 11},      {64, 16, 4, 16},   {16, 8, 2, 8},       {1, -1, 1, 1},      {1, 4, 1, 1},
    {2, 2, 1, 2},         {24, 24, 1, 24},   {36, -1, 6, 6},      {40, 0, 1, 40},
};

/* lycoris.functional.general.power2factorization; size 0: none. */
static const division butterflies[] = {
    {320, 16, 10, 32},   {320, 32, 20, 16},   {320, 64, 40, 8},      {320, -1, 320, 1}, {320, 8, 0, 0},
    {640, 16, 10, 64},   {640, 32, 20, 32},   {768, 8, 6, 128},      {768, 16, 12, 64}, {768, 32, 24, 32},
    {768, 64, 48, 16},   {1280, 16, 10, 128}, {1280, 32, 20, 64},    {3072, 8, 6, 512}, {3072, 16, 12, 256},
    {2560, 16, 10, 256}, {5120, 16, 10, 512}, {10240, 16, 10, 1024}, {24, 8, 6, 4},     {32, 8, 8, 4},
    {8, 4, 4, 2},        {127, 64, 0, 0},     {1, 4, 0, 0},          {2, 2, 2, 1},
};

static void divides_like_lycoris(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof divisions / sizeof divisions[0]; i++) {
        const division *d = &divisions[i];
        int64_t small = 0;
        int64_t large = 0;
        lyc_factorization(&small, &large, d->extent, d->factor);
        if (small != d->small || large != d->large) {
            fail_msg("%lld by %lld gives %lld, %lld", (long long)d->extent, (long long)d->factor, (long long)small,
                     (long long)large);
        }
    }
}

static void divides_for_butterflies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof butterflies / sizeof butterflies[0]; i++) {
        const division *d = &butterflies[i];
        int64_t size = 0;
        int64_t count = 0;
        const bool found = lyc_factorization_power2(&size, &count, d->extent, d->factor);
        if (found != (d->small != 0) || size != d->small || count != d->large) {
            fail_msg("%lld by %lld gives %lld, %lld", (long long)d->extent, (long long)d->factor, (long long)size,
                     (long long)count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(divides_like_lycoris),
                                       cmocka_unit_test(divides_for_butterflies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
