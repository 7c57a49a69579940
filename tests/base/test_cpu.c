/* test_cpu.c - the processor is described and LYCORIS_ISA obeyed
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void obeys_the_environment(void **state)
{
    (void)state;
    setenv("LYCORIS_ISA", "generic", 1); /* before the first question */
    assert_int_equal(lyc_cpu_isa(), LYC_ISA_GENERIC);
    setenv("LYCORIS_ISA", "avx2", 1);
    assert_int_equal(lyc_cpu_isa(), LYC_ISA_GENERIC);
    assert_string_equal(lyc_isa_name(LYC_ISA_GENERIC), "generic");
    assert_string_equal(lyc_isa_name(LYC_ISA_AVX512BF16), "avx512bf16");
    assert_string_equal(lyc_isa_name(LYC_ISA_COUNT), "unknown");
}

static void describes_the_processor(void **state)
{
    (void)state;
    const size_t l1 = lyc_cpu_cache_bytes(1);
    const size_t l2 = lyc_cpu_cache_bytes(2);
    const size_t l3 = lyc_cpu_cache_bytes(3);
    assert_in_range(l1, 8 << 10, 1 << 20);
    assert_in_range(l2, l1, 64 << 20);
    assert_in_range(l3, 1 << 20, (size_t)4 << 30);
    assert_int_equal(lyc_cpu_cache_bytes(0), 0);
    assert_int_equal(lyc_cpu_cache_bytes(4), 0);
    assert_true(strlen(lyc_cpu_name()) > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(obeys_the_environment),
        cmocka_unit_test(describes_the_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
