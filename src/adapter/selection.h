/* selection.h - the layers that a preset chooses from a model, with algorithm and options of each
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_SELECTION_H
#define LYC_ADAPTER_SELECTION_H

#include "adapter/inventory.h"
#include "adapter/network_args.h"
#include "adapter/preset.h"

typedef struct lyc_selected_layer {
    const lyc_inventory *inventory;
    const lyc_inventory_entry *entry;
    const char *key; /* its name in files: "lora_unet_conv_in" */
    const lyc_adapter_algorithm *algorithm;
    const lyc_adapter_setting *settings; /* only such as the algorithm has */
    size_t count;
} lyc_selected_layer;

typedef struct lyc_selection {
    lyc_selected_layer *layers; /* in the order of the inventories and of their modules */
    size_t count, capacity;
    lyc_arena arena;
} lyc_selection;

/* A network to choose from, and what names of its layers begin with: "lora_unet", "lora_te", "lora_te1" ... */
typedef struct lyc_selection_part {
    const lyc_inventory *inventory;
    const char *prefix;
} lyc_selection_part;

typedef struct lyc_selection_options {
    bool wrapper;      /* target_module and target_name instead of the keys of kohya mode */
    bool strict_names; /* names match as LyCORIS 3.3 does it: not the end of a path */
} lyc_selection_options;

/* options may be NULL. The inventories must stay. LYC_E_ARGUMENT: a name or pattern of a preset file that no module
 * matches, a class that no network known has; nothing was chosen at all (unless strict_names). */
lyc_status lyc_selection_make(lyc_selection *out, const lyc_selection_part *parts, size_t part_count,
                              const lyc_preset *preset, const lyc_network_args *args,
                              const lyc_selection_options *options, lyc_error *err);
void lyc_selection_clear(lyc_selection *selection);

#endif
