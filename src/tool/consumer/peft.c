/* peft.c - PEFT's PeftModel.from_pretrained
 *
 * A folder with adapter_config.json, for one model and of one algorithm. Its OFT, BOFT and (IA)^3 are other
 * parametrisations than LyCORIS' and have other tensors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/consumer/consumer.h"

static const char *const algorithms[] = {"lora", "loha", "lokr", "dylora", NULL};

static const lyc_consumer_rule rules[] = {
    {.tensor = "lora_mid.weight", .verdict = LYC_VERDICT_DROPPED, .reason = "Tucker's core of a LoRA is not known"},
    {.algorithm = "loha",
     .tensor = "dora_scale",
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "DoRA is known for LoRA alone"},
    {.algorithm = "lokr",
     .tensor = "dora_scale",
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "DoRA is known for LoRA alone"},
    {.tensor = "bias_values", .verdict = LYC_VERDICT_DIFFERS, .reason = "the sparse residual is not read"},
    {0},
};

const lyc_consumer lyc_consumer_peft = {
    .info = {.name = "peft",
             .title = "PEFT",
             .version = "0.21.2",
             .note = "reads folders with adapter_config.json, of one model each"},
    .unet = 1 << LYC_KEY_PEFT,
    .text = 1 << LYC_KEY_PEFT,
    .transformer = 1 << LYC_KEY_PEFT,
    .writes = LYC_KEY_PEFT,
    .algorithms = algorithms,
    .rules = rules,
};
