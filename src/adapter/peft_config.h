/* peft_config.h - adapter_config.json of PEFT, which says what other files keep in tensors: alpha
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_PEFT_CONFIG_H
#define LYC_ADAPTER_PEFT_CONFIG_H

#include <jansson.h>

#include "adapter/adapter.h"

/* {0}: nothing is known. */
typedef struct lyc_peft_config {
    json_t *tree;
} lyc_peft_config;

/* LYC_E_FORMAT: no JSON, or a field of the wrong type. */
lyc_status lyc_peft_config_read(lyc_peft_config *out, const char *path, lyc_error *err);

/* From the metadata "lora_adapter_metadata" of diffusers: the fields of one component, whose keys begin with its name
 * ("unet.lora_alpha"). Leaves *out empty where there are none. */
lyc_status lyc_peft_config_metadata(lyc_peft_config *out, const char *text, const char *component, lyc_error *err);

void lyc_peft_config_clear(lyc_peft_config *config);

/* "LORA", "LOHA" ...; NULL when it is not told. */
const char *lyc_peft_config_type(const lyc_peft_config *config);

/* Rank and alpha of a module; patterns are regular expressions that match the end of its path. *alpha is what has to
 * stand in a file: the change is scaled by alpha / rank, so it is larger for rank-stabilised scales. false: not told.
 */
lyc_status lyc_peft_config_alpha(bool *told, double *alpha, int64_t *rank, const lyc_peft_config *config,
                                 const char *module, int64_t stored_rank, lyc_error *err);

/* The first of the two numbers into which PEFT divides an extent for a LoKr: decompose_factor itself where it divides,
 * however large; else the smaller one of LyCORIS. */
int64_t lyc_peft_first_factor(int64_t extent, int64_t factor);

#endif
