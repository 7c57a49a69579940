/* test_start.c - the order of kernels before and after liblycoris-diffusion lends its own
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/default.h"
#include "backend/onednn/kernels.h"
#include "lycoris/backend.h"
#include "lycoris/diffusion.h"

static void own_kernels_are_first_without_it(void **state)
{
    (void)state;
    lyc_backend_info info;
    assert_ptr_equal(lyc_backend_default(), lyc_backend_cpu());
    lyc_backend_describe(&info);
    assert_string_equal(info.name, lyc_backend_cpu()->name);
    assert_string_equal(info.kernels[0], lyc_isa_name(lyc_cpu_isa()));
    assert_string_equal(info.kernels[1], "reference");
    assert_null(info.kernels[2]);
}

static void onednn_is_first_where_it_is_faster(void **state)
{
    (void)state;
    lyc_backend_info info;
    lyc_diffusion_start();
    assert_ptr_equal(lyc_backend_default(), lyc_backend_onednn());
    lyc_backend_describe(&info);
    const bool first = strcmp(info.kernels[0], "onednn") == 0;
    assert_int_equal(first, lyc_cpu_isa() >= LYC_ISA_AVX512);
    int i = first ? 1 : 0;
    assert_string_equal(info.kernels[i++], lyc_isa_name(lyc_cpu_isa()));
    assert_string_equal(info.kernels[i++], "reference");
    assert_null(info.kernels[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_kernels_are_first_without_it),
        cmocka_unit_test(onednn_is_first_where_it_is_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
