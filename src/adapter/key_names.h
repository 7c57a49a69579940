/* key_names.h - names of tensors in adapter files
 *
 * Every trainer has its own. A name is a prefix that says which network, the path of a module with dots or underscores,
 * and a suffix that says which tensor of the adapter:
 *
 *     lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight            sd-scripts, LyCORIS in kohya mode
 *     lora_unet_input_blocks_4_1_proj_in.lora_down.weight                      the same for SDXL: original paths
 *     lycoris_down_blocks_1_attentions_0_proj_in.lokr_w1                       LyCORIS' wrapper
 *     unet.down_blocks.1.attentions.0.proj_in.lora_A.weight                    diffusers
 *     unet.down_blocks.1...attn1.processor.to_q_lora.down.weight               diffusers before 0.20
 *     diffusion_model.input_blocks.4.1.proj_in.lora_A.weight                   ComfyUI and others
 *     base_model.model.down_blocks.1.attentions.0.proj_in.lora_A.weight        PEFT; the network is said elsewhere
 *     down_blocks.1.attentions.0.proj_in.___.layer.lora_down.weight            HCP-Diffusion
 *
 * As '_' stands in paths and between their parts, paths are looked up in lists of the modules that exist, never parsed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_KEY_NAMES_H
#define LYC_ADAPTER_KEY_NAMES_H

#include "adapter/inventory.h"
#include "base/string.h"

typedef enum lyc_key_scheme {
    LYC_KEY_KOHYA,
    LYC_KEY_WRAPPER,
    LYC_KEY_DIFFUSERS,
    LYC_KEY_BARE,
    LYC_KEY_PEFT,
    LYC_KEY_HCP,
    LYC_KEY_PLAIN, /* a path without prefix */
    LYC_KEY_SCHEME_COUNT
} lyc_key_scheme;

/* "kohya", "wrapper" ... */
const char *lyc_key_scheme_name(lyc_key_scheme scheme);

enum { LYC_KEY_PATH = 256, LYC_KEY_COMPONENTS = 6 };

/* A name taken apart. */
typedef struct lyc_key {
    lyc_key_scheme scheme;
    const char *const *components; /* that it may be of, likeliest first; NULL-terminated */
    lyc_span layer;                /* the name without its suffix and the dot before it */
    const char *suffix;            /* as the algorithms call the tensor ("lora_down.weight"); NULL: not known */
    char path[LYC_KEY_PATH];       /* with underscores: "down_blocks_1_attentions_0_proj_in" */
} lyc_key;

typedef struct lyc_key_options {
    const char *component; /* of names that do not say; NULL: any */
    const char *prefix;    /* of LyCORIS' wrapper, when it is not "lycoris" */
} lyc_key_options;

/* Any text can be taken apart: what is not known is a path without prefix or a key without suffix. options may be NULL.
 * A path longer than LYC_KEY_PATH - 1 is left empty, and matches nothing. */
void lyc_key_parse(lyc_key *out, const char *name, const lyc_key_options *options);

/* --- modules by the paths in keys ----------------------------------------------------------------------------------
 */

typedef struct lyc_key_target {
    const lyc_inventory *inventory;
    const lyc_inventory_entry *entry;
} lyc_key_target;

/* {0} is empty. */
typedef struct lyc_key_index {
    lyc_hashmap map; /* "component/path_with_underscores": lyc_key_target */
    lyc_arena arena;
} lyc_key_index;

/* Adds the modules of a network under each of their paths; those that are there stay. The inventory must stay. */
lyc_status lyc_key_index_add(lyc_key_index *index, const lyc_inventory *inventory, lyc_error *err);
void lyc_key_index_clear(lyc_key_index *index);

/* The module of a key; false when none of the networks has it. */
bool lyc_key_index_find(lyc_key_target *out, const lyc_key_index *index, const lyc_key *key);

/* --- the networks that are known -----------------------------------------------------------------------------------
 */

/* Modules of all sizes of the families that are known, for files without their model: U-Nets up to four levels of three
 * layers, CLIP, Flux.1, SD3, T5. Sizes mean nothing here. */
typedef struct lyc_known_networks {
    lyc_inventory inventories[8];
    size_t count;
    lyc_key_index index;
} lyc_known_networks;

lyc_status lyc_known_networks_open(lyc_known_networks *out, lyc_error *err);
void lyc_known_networks_clear(lyc_known_networks *known);

/* --- making names --------------------------------------------------------------------------------------------------
 */

/* The name of a layer in a scheme, without suffix: `path` is diffusers', or the original one (kohya SDXL, bare).
 * te_prefix: "lora_te", "lora_te1" ... of kohya names of text encoders. */
const char *lyc_key_layer_name(lyc_arena *arena, lyc_key_scheme scheme, const char *component, const char *path,
                               const char *te_prefix);

/* The tensor's suffix in a scheme: "lora_A.weight" for "lora_down.weight" in diffusers' and PEFT's. */
const char *lyc_key_suffix(lyc_key_scheme scheme, const char *suffix);

#endif
