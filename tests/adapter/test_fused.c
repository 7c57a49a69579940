/* test_fused.c - which matrices of transformers are in one piece, and which rows their parts are
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapter/fused.h"

static void originals(void **state)
{
    (void)state;
    lyc_fused f;
    assert_true(lyc_fused_of_original(&f, "single_blocks.37.linear1"));
    assert_int_equal(f.count, 4);
    assert_string_equal(f.parts[0], "single_transformer_blocks.37.attn.to_q");
    assert_string_equal(f.parts[3], "single_transformer_blocks.37.proj_mlp");
    assert_int_equal(f.first[3], 3);
    assert_int_equal(f.first[4], 7);
    assert_true(lyc_fused_of_original(&f, "joint_blocks.0.context_block.attn.qkv"));
    assert_string_equal(f.parts[2], "transformer_blocks.0.attn.add_v_proj");
    assert_false(lyc_fused_of_original(&f, "single_blocks.37.linear2"));
    assert_false(lyc_fused_of_original(&f, "single_blocks.x.linear1"));
    assert_false(lyc_fused_of_original(&f, "single_blocks.-1.linear1"));
    assert_false(lyc_fused_of_original(&f, "single_blocks"));
}

static void parts(void **state)
{
    (void)state;
    int part;
    lyc_fused f;
    assert_true(lyc_fused_of_part(&f, &part, "transformer_blocks.5.attn.to_v", LYC_FUSED_FLUX));
    assert_string_equal(f.original, "double_blocks.5.img_attn.qkv");
    assert_int_equal(part, 2);
    assert_true(lyc_fused_of_part(&f, &part, "transformer_blocks.5.attn.to_v", LYC_FUSED_SD3));
    assert_string_equal(f.original, "joint_blocks.5.x_block.attn.qkv");
    assert_false(lyc_fused_of_part(&f, &part, "transformer_blocks.5.attn.to_out.0", LYC_FUSED_FLUX));
    assert_false(lyc_fused_of_part(&f, &part, "single_transformer_blocks.5.proj_mlp", LYC_FUSED_SD3));
}

static void halves(void **state)
{
    (void)state;
    assert_true(lyc_fused_swaps_halves("norm_out.linear", 6144, 3072));
    assert_true(lyc_fused_swaps_halves("transformer_blocks.23.norm1_context.linear", 3072, 1536));
    assert_false(lyc_fused_swaps_halves("transformer_blocks.3.norm1_context.linear", 9216, 1536));
    assert_false(lyc_fused_swaps_halves("transformer_blocks.3.norm1.linear", 3072, 1536));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(originals),
        cmocka_unit_test(parts),
        cmocka_unit_test(halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
