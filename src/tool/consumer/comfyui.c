/* comfyui.c - ComfyUI
 *
 * Read from comfy/lora.py (names) and comfy/weight_adapter/ (algorithms). Every adapter is merged into the weight; a
 * layer whose computation fails is logged and left as it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/consumer/consumer.h"

static const char *const algorithms[] = {"lora", "loha",     "lokr", "dylora", "glora",
                                         "full", "diag-oft", "boft", "norm",   NULL};

static const lyc_consumer_rule rules[] = {
    {.tensor = "dora_scale",
     .when = lyc_consumer_dora_on_outputs,
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "DoRA over outputs is divided by the norms of the unchanged weight"},
    {.algorithm = "glora", .tensor = "bm.weight", .verdict = LYC_VERDICT_DIFFERS, .reason = "bm.weight is not read"},
    {.algorithm = "diag-oft",
     .when = lyc_consumer_has_constraint,
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "the constraint is not multiplied by the number of outputs"},
    {.algorithm = "diag-oft", .tensor = "rescale", .verdict = LYC_VERDICT_DIFFERS, .reason = "rescale is not applied"},
    {.algorithm = "diag-oft", .verdict = LYC_VERDICT_LIMITED, .reason = "the strength is applied twice"},
    {.algorithm = "boft",
     .when = lyc_consumer_lacks_alpha,
     .verdict = LYC_VERDICT_DROPPED,
     .reason = "a BOFT without alpha fails"},
    {.algorithm = "boft",
     .when = lyc_consumer_has_constraint,
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "the constraint is not multiplied by the number of outputs"},
    {.algorithm = "boft", .verdict = LYC_VERDICT_LIMITED, .reason = "the strength is applied twice"},
    {.tensor = "bias_values", .verdict = LYC_VERDICT_DIFFERS, .reason = "the sparse residual is not read"},
    {0},
};

const lyc_consumer lyc_consumer_comfyui = {
    .info = {.name = "comfyui", .title = "ComfyUI", .version = "2026-09"},
    .unet = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS | 1 << LYC_KEY_BARE,
    .text = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS | 1 << LYC_KEY_BARE,
    .transformer = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS | 1 << LYC_KEY_BARE | 1 << LYC_KEY_WRAPPER,
    .writes = LYC_KEY_KOHYA,
    .algorithms = algorithms,
    .rules = rules,
};
