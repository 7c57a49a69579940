/* inventory.h - the modules of a network: what presets choose from and names in files are looked up in
 *
 * A module has a class, a path, and, when it has a weight, a shape. Paths and the order of modules differ between the
 * libraries that train adapters, and the order of layers in a preset's result follows them:
 *
 *     diffusers   down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q     class Attention, ff last
 *     trainer     the same for SD 1.x and 2.x; for SDXL the paths of the original code,
 *                 input_blocks.4.1.transformer_blocks.0.attn1.to_q               class CrossAttention, ff before attn2
 *
 * Modules without parameters, and lists that hold others, are left out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_INVENTORY_H
#define LYC_ADAPTER_INVENTORY_H

#include "adapter/adapter.h"
#include "base/hashmap.h"
#include "checkpoint/config.h"

typedef enum lyc_naming {
    LYC_NAMING_DIFFUSERS, /* diffusers' U-Net */
    LYC_NAMING_TRAINER,   /* the U-Nets of sd-scripts, for which presets were written */
} lyc_naming;

typedef struct lyc_inventory_entry {
    const char *path;       /* in the chosen naming */
    const char *name;       /* in diffusers: what lyc_layer.name is; the module's identity */
    const char *original;   /* in the single files of the original code */
    const char *class_name; /* "Linear", "Conv2d", "Transformer2DModel" ... */
    size_t end;             /* index behind the last module inside this one */
    bool has_weight;        /* target is set */
    bool is_table;          /* an embedding: known to files of whole models, no layer that adapters are made for */
    lyc_adapter_target target;
} lyc_inventory_entry;

/* {0} is empty. The entries are in the order in which the library registers its modules. */
typedef struct lyc_inventory {
    const char *component; /* "unet", "text_encoder", "text_encoder_2", "transformer" ... */
    lyc_naming naming;
    lyc_inventory_entry *entries;
    size_t count, capacity;
    lyc_hashmap by_name; /* of entries with a weight */
    lyc_arena arena;
} lyc_inventory;

lyc_status lyc_inventory_unet(lyc_inventory *out, const lyc_unet_config *config, lyc_naming naming, lyc_error *err);

/* component: "text_encoder" or "text_encoder_2". */
lyc_status lyc_inventory_text(lyc_inventory *out, const char *component, const lyc_clip_text_config *config,
                              lyc_error *err);

/* Networks that are known by name only, for the tools that work on files. Sizes are those of the published models.
 * T5: "text_encoder_2" of Flux.1, "text_encoder_3" of SD3. */
lyc_status lyc_inventory_flux(lyc_inventory *out, lyc_error *err);
lyc_status lyc_inventory_sd3(lyc_inventory *out, int block_count, lyc_error *err);
lyc_status lyc_inventory_t5(lyc_inventory *out, const char *component, lyc_error *err);

void lyc_inventory_clear(lyc_inventory *inventory);

/* The module with a weight of that diffusers name; NULL when there is none. */
const lyc_inventory_entry *lyc_inventory_find(const lyc_inventory *inventory, const char *name);

/* --- for the files that list modules -------------------------------------------------------------------------------
 */

enum { LYC_INVENTORY_DEPTH = 16, LYC_INVENTORY_PATH = 256 };

/* Paths grow and shrink as modules are opened and closed; the first lack of memory is kept. */
typedef struct lyc_inventory_builder {
    lyc_inventory *inventory;
    char name[LYC_INVENTORY_PATH], original[LYC_INVENTORY_PATH];
    int depth;
    struct {
        size_t entry, name_length, original_length;
    } open[LYC_INVENTORY_DEPTH];
    bool failed;
} lyc_inventory_builder;

void lyc_inventory_begin(lyc_inventory_builder *b, lyc_inventory *inventory, const char *component, lyc_naming naming);
lyc_status lyc_inventory_finish(lyc_inventory_builder *b, lyc_error *err);

/* A module that holds others. Names are what comes behind the outer module's path; original NULL: as name. */
void lyc_inventory_open(lyc_inventory_builder *b, const char *class_name, const char *name, const char *original);
void lyc_inventory_close(lyc_inventory_builder *b);

/* name NULL: diffusers has no such module; it is called by its original path. */
void lyc_inventory_linear(lyc_inventory_builder *b, const char *name, const char *original, int64_t out, int64_t in,
                          bool bias);
void lyc_inventory_conv(lyc_inventory_builder *b, const char *name, const char *original, int64_t out, int64_t in,
                        int64_t kernel);
void lyc_inventory_table(lyc_inventory_builder *b, const char *name, const char *original, int64_t rows,
                         int64_t columns);
void lyc_inventory_norm(lyc_inventory_builder *b, const char *class_name, const char *name, const char *original,
                        int64_t channels);

#endif
