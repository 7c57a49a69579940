/* diffusers.c - diffusers' load_lora_weights
 *
 * Read from loaders/lora_conversion_utils.py, utils/peft_utils.py. LoRA alone, through PEFT; a file in which a key is
 * left over is refused as a whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/consumer/consumer.h"

static bool has_inputs_and_other_names(const lyc_consumer_layer *candidate)
{
    return candidate->scheme != LYC_KEY_KOHYA && lyc_consumer_dora_on_inputs(candidate);
}

static const char *const algorithms[] = {"lora", "dylora", NULL};

static bool has_names_of_kohya(const lyc_consumer_layer *candidate)
{
    return candidate->scheme == LYC_KEY_KOHYA;
}

static const lyc_consumer_rule rules[] = {
    {.tensor = "dora_scale",
     .when = has_names_of_kohya,
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "dora_scale under kohya's names is left out"},
    {.tensor = "lora_mid.weight", .verdict = LYC_VERDICT_DROPPED, .reason = "Tucker's core is not known"},
    {.tensor = "dora_scale",
     .when = has_inputs_and_other_names,
     .verdict = LYC_VERDICT_DROPPED,
     .reason = "DoRA over inputs is not known"},
    {.tensor = "diff_b", .verdict = LYC_VERDICT_DROPPED, .reason = "changes of biases are not known"},
    {.tensor = "bias_values", .verdict = LYC_VERDICT_DROPPED, .reason = "the sparse residual is not known"},
    {0},
};

const lyc_consumer lyc_consumer_diffusers = {
    .info = {.name = "diffusers", .title = "diffusers", .version = "0.42.1"},
    .unet = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS,
    .text = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS,
    .transformer = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS | 1 << LYC_KEY_BARE,
    .writes = LYC_KEY_DIFFUSERS,
    .refuses = true,
    .algorithms = algorithms,
    .rules = rules,
};
