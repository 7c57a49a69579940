/* sdcpp.c - stable-diffusion.cpp
 *
 * Read from src/model/adapter/lora.hpp. What a layer has beside the tensors that are looked for is ignored with a line
 * in the log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/consumer/consumer.h"

static const char *const algorithms[] = {"lora", "loha", "lokr", "dylora", "full", NULL};

static bool has_rank_one_and_alpha(const lyc_consumer_layer *candidate)
{
    return candidate->layer.rank == 1 && !lyc_consumer_lacks_alpha(candidate) && candidate->layer.alpha != 1.0;
}

static const lyc_consumer_rule rules[] = {
    {.tensor = "dora_scale", .verdict = LYC_VERDICT_DIFFERS, .reason = "dora_scale is not read"},
    {.tensor = "lokr_t2", .verdict = LYC_VERDICT_DROPPED, .reason = "Tucker's core of a LoKr is not read"},
    {.algorithm = "lokr",
     .when = has_rank_one_and_alpha,
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "alpha of a LoKr of rank 1 is not applied"},
    {.tensor = "bias_values", .verdict = LYC_VERDICT_DIFFERS, .reason = "the sparse residual is not read"},
    {0},
};

const lyc_consumer lyc_consumer_sdcpp = {
    .info = {.name = "sdcpp", .title = "stable-diffusion.cpp", .version = "2026-09"},
    .unet = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS | 1 << LYC_KEY_BARE | 1 << LYC_KEY_WRAPPER,
    .text = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS,
    .transformer = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_DIFFUSERS | 1 << LYC_KEY_BARE | 1 << LYC_KEY_WRAPPER,
    .writes = LYC_KEY_KOHYA,
    .algorithms = algorithms,
    .rules = rules,
};
