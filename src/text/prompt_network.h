/* prompt_network.h - adapters named in a prompt: <lora:name:0.8>
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_PROMPT_NETWORK_H
#define LYC_TEXT_PROMPT_NETWORK_H

#include "base/arena.h"
#include "base/error.h"
#include "base/string.h"

typedef struct lyc_prompt_network {
    const char *name; /* as it is written there */
    double unet;      /* multipliers */
    double text_encoder;
} lyc_prompt_network;

/* In the order in which they first come. */
typedef struct lyc_prompt_networks {
    lyc_prompt_network *networks;
    size_t count;
} lyc_prompt_networks;

/* Takes `<lora:name>`, `<lora:name:unet>`, `<lora:name:unet:te>` and the named forms `unet=0.8`, `te=0.5` out of the
 * text
 * (`lyco:` is the same). The multiplier of the text encoder is that of the U-Net unless given, that of the U-Net 1. Of
 * a name that comes twice the last one counts. Other text in angle brackets stays. LYC_E_ARGUMENT: no name, no number.
 * LYC_E_UNSUPPORTED: `hypernet:`. Both results live in the arena. */
lyc_status lyc_prompt_network_extract(lyc_span *rest, lyc_prompt_networks *networks, lyc_arena *arena, lyc_span text,
                                      lyc_error *err);

#endif
