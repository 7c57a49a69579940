/* networks_model.h - the models that layer lists name, as inventories
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_NETWORKS_MODEL_H
#define LYC_CONFORMANCE_NETWORKS_MODEL_H

#include <jansson.h>

#include "adapter/selection.h"
#include "case.h"

/* A model's inventories: text encoders first, then the U-Net. */
typedef struct lyc_listed_model {
    lyc_inventory inventories[3];
    lyc_selection_part parts[3];
    size_t count;
} lyc_listed_model;

/* "sd15_trainer_unet", "sdxl_diffusers_unet" ...: sizes of the published models. */
lyc_status lyc_listed_model_open(lyc_listed_model *out, const char *architecture, lyc_error *err);
void lyc_listed_model_clear(lyc_listed_model *model);

/* The layers that a preset (built-in, or a .toml file beside cases.json) and the arguments of a case choose
 * ("network_dim", "network_args", "preset"). */
lyc_status lyc_networks_select(lyc_selection *out, const lyc_case *c, const lyc_selection_part *parts,
                               size_t part_count, lyc_error *err);

/* Trainable elements of the selected layers of a component's kind. */
lyc_status lyc_selection_parameters(int64_t *unet, int64_t *text, const lyc_selection *selection, lyc_error *err);

#endif
