/* a1111.c - AUTOMATIC1111's web UI, and what keeps its reader of adapters (Forge's first versions)
 *
 * Read from extensions-builtin/Lora: networks.py (names), network_*.py (algorithms). A key is cut at its first dot; one
 * of more than five parts is taken for PEFT's. Changes are computed at strength 1 and multiplied by the strength.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/consumer/consumer.h"

static const char *const algorithms[] = {"lora", "loha",     "lokr", "dylora", "glora", "ia3",
                                         "full", "diag-oft", "boft", "norm",   NULL};

/* b1.weight is [out,r] today and was [r,in]; b2.weight was [out,r]. A layer has more outputs than ranks. */
static bool lies_the_old_way(const lyc_consumer_layer *candidate)
{
    const lyc_tensor_view *b1 = lyc_consumer_tensor(candidate, "b1.weight");
    const lyc_tensor_view *b2 = lyc_consumer_tensor(candidate, "b2.weight");
    return b1 != NULL && b2 != NULL && b1->shape.dims[0] < b2->shape.dims[0];
}

static bool lies_the_new_way(const lyc_consumer_layer *candidate)
{
    return !lies_the_old_way(candidate);
}

static const lyc_consumer_rule rules[] = {
    {.tensor = "dora_scale",
     .when = lyc_consumer_dora_on_outputs,
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "DoRA over outputs is taken for one over inputs"},
    {.algorithm = "glora",
     .when = lies_the_new_way,
     .verdict = LYC_VERDICT_DROPPED,
     .reason = "GLoRA is read in the order of factors of old LyCORIS alone"},
    {.algorithm = "glora",
     .when = lies_the_old_way,
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "alpha of GLoRA is not applied"},
    {.algorithm = "boft",
     .verdict = LYC_VERDICT_LIMITED,
     .reason = "the change of strength 1 is scaled, not the rotations"},
    {0},
};

const lyc_consumer lyc_consumer_a1111 = {
    .info = {.name = "a1111", .title = "AUTOMATIC1111 web UI", .version = "1.10.1"},
    .unet = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS,
    .text = 1 << LYC_KEY_KOHYA,
    .writes = LYC_KEY_KOHYA,
    .algorithms = algorithms,
    .rules = rules,
};
