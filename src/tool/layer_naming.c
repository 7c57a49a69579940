/* layer_naming.c - what layers are called in a file that is made of others
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/layer_naming.h"

#include <string.h>

/* Stable Diffusion XL has two text encoders and transformers of several blocks. */
lyc_layer_naming lyc_layer_naming_of(const lyc_network_file *const *files, size_t count)
{
    bool xl = false;
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < lyc_network_file_count(files[k]); i++) {
            const lyc_file_layer *layer = lyc_network_file_at(files[k], i);
            const bool unet = strcmp(layer->component, "unet") == 0;
            xl |= strncmp(layer->component, "text_encoder_", strlen("text_encoder_")) == 0;
            xl |= unet && strstr(layer->entry->name, ".transformer_blocks.1.") != NULL;
        }
    }
    return (lyc_layer_naming){.original_paths = xl, .first_text = xl ? "lora_te1" : "lora_te"};
}

/* Names of transformers are always those of the original code where they are kohya's, and diffusers' elsewhere. */
static const char *path_of(const lyc_layer_naming *naming, lyc_key_scheme scheme, const lyc_file_layer *layer)
{
    const bool transformer = strcmp(layer->component, "transformer") == 0;
    const bool unet = strcmp(layer->component, "unet") == 0;
    const bool original = (scheme == LYC_KEY_KOHYA && (transformer || (unet && naming->original_paths))) ||
                          (scheme == LYC_KEY_BARE && (transformer || unet));
    return original ? layer->entry->original : layer->entry->name;
}

static const char *text_prefix(const lyc_layer_naming *naming, const char *component)
{
    if (strcmp(component, "text_encoder_2") == 0) {
        return "lora_te2";
    }
    return strcmp(component, "text_encoder_3") == 0 ? "lora_te3" : naming->first_text;
}

const char *lyc_layer_naming_name(lyc_arena *arena, const lyc_layer_naming *naming, lyc_key_scheme scheme,
                                  const lyc_file_layer *layer)
{
    return lyc_key_layer_name(arena, scheme, layer->component, path_of(naming, scheme, layer),
                              text_prefix(naming, layer->component));
}
