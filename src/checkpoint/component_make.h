/* component_make.h - making a component from an open source; for the files of this room
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_COMPONENT_MAKE_H
#define LYC_CHECKPOINT_COMPONENT_MAKE_H

#include <jansson.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "checkpoint/component.h"
#include "checkpoint/layout.h"
#include "checkpoint/source.h"

typedef union lyc_component_config {
    lyc_unet_config unet; /* and ControlNet */
    lyc_vae_config vae;
    lyc_clip_text_config clip_text;
} lyc_component_config;

struct lyc_component {
    lyc_component_kind kind;
    const lyc_layout *layout;
    lyc_component_config config;
    bool inferred; /* the configuration was not read from a file */
    lyc_source *source;
    bool owns_source;
    lyc_weight_view *views; /* [count], in the order of the files */
    size_t count;
    lyc_hashmap by_name; /* -> index in views + 1 */
    lyc_arena arena;
};

typedef struct lyc_component_request {
    lyc_component_kind kind;
    lyc_source *source;
    bool owns_source;        /* from a success on, the component closes the source */
    const json_t *config;    /* NULL: infer */
    const char *config_path; /* of it */
    const json_t *changes;   /* fields that replace others; NULL: none */
    const char *changes_path;
    bool for_tools; /* what only computing needs may stay unknown: the number of heads */
} lyc_component_request;

lyc_status lyc_component_make(lyc_component **out, const lyc_component_request *request, lyc_error *err);

/* The configuration that a config.json says; a text encoder has a projection if its architecture is the one that has.
 */
lyc_status lyc_component_config_read(lyc_component_config *out, lyc_component_kind kind, const json_t *json,
                                     const char *file, lyc_error *err);

/* Opens a component of a diffusers folder, or whatever lyc_component_open accepts, by request.kind, changes and
 * for_tools; variant may be NULL. */
lyc_status lyc_component_open_path(lyc_component **out, const lyc_component_request *request, const char *config,
                                   const char *path, const char *variant, lyc_error *err);

/* "U-Net", "text encoder": for messages. */
const char *lyc_component_kind_title(lyc_component_kind kind);

/* What a file seems to hold: the title of a component, or NULL. */
const char *lyc_source_content(const lyc_source *source);

/* The configuration from names and shapes of tensors. LYC_E_FORMAT names what is not there. */
lyc_status lyc_component_infer(lyc_component_config *out, lyc_component_kind kind, const lyc_source *source,
                               const lyc_layout *layout, lyc_error *err);

#endif
