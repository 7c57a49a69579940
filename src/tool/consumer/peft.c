/* peft.c - PEFT's PeftModel.from_pretrained
 *
 * A folder with adapter_config.json, for one model and of one algorithm. Its OFT, BOFT and (IA)^3 are other
 * parametrisations than LyCORIS' and have other tensors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/peft_config.h"
#include "tool/consumer/consumer.h"

static const char *const algorithms[] = {"lora", "loha", "lokr", "dylora", NULL};

/* adapter_config.json says how all layers are divided, by one factor; the matrices must come out as they are. */
static bool cannot_be_divided(const lyc_consumer_layer *candidate)
{
    int64_t first[2], second[2], longest[2];
    if (!lyc_consumer_lokr(first, second, longest, candidate)) {
        return false;
    }
    if (lyc_consumer_tensor(candidate, "lokr_w2") == NULL && lyc_consumer_tensor(candidate, "lokr_t2") == NULL &&
        candidate->kernel > 0) {
        second[1] /= candidate->kernel;
    }
    if (lyc_consumer_tensor(candidate, "lokr_t2") != NULL) {
        const lyc_tensor_view *outer = lyc_consumer_tensor(candidate, "lokr_w2_a");
        second[0] = outer->shape.rank > 1 ? outer->shape.dims[1] : second[0];
    }
    const int64_t factors[] = {-1, first[0], first[1]};
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        if (lyc_peft_first_factor(first[0] * second[0], factors[i]) == first[0] &&
            lyc_peft_first_factor(first[1] * second[1], factors[i]) == first[1]) {
            return false;
        }
    }
    return true;
}

static const lyc_consumer_rule rules[] = {
    {.algorithm = "lokr",
     .when = cannot_be_divided,
     .verdict = LYC_VERDICT_DROPPED,
     .reason = "no decompose_factor gives a LoKr of these shapes"},
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
