/* layer_naming.h - what layers are called in a file that is made of others
 *
 * kohya's names of Stable Diffusion XL have the U-Net's original paths and two text encoders; those of transformers are
 * always original. Elsewhere paths are diffusers'.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_LAYER_NAMING_H
#define LYC_TOOL_LAYER_NAMING_H

#include "adapter/network_file.h"
#include "base/arena.h"

typedef struct lyc_layer_naming {
    bool original_paths;    /* of a U-Net in kohya's names */
    const char *first_text; /* beginning of kohya's names of the first text encoder: "lora_te" or "lora_te1" */
} lyc_layer_naming;

/* By the layers that are in the files. */
lyc_layer_naming lyc_layer_naming_of(const lyc_network_file *const *files, size_t count);

/* The name of a layer without suffix; NULL when there is no memory. */
const char *lyc_layer_naming_name(lyc_arena *arena, const lyc_layer_naming *naming, lyc_key_scheme scheme,
                                  const lyc_file_layer *layer);

#endif
