/* component.h - the tensors of one network of a model, under their diffusers names
 *
 * Single files have the names of the original code, stack q, k and v, keep 1x1 convolutions where diffusers has linear
 * layers, and transpose one matrix. All of these are other views of the same bytes, so nothing is copied: a component
 * translates names and shapes, and the data stays in the mapped file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_COMPONENT_H
#define LYC_CHECKPOINT_COMPONENT_H

#include "base/error.h"
#include "checkpoint/config.h"
#include "lycoris/safetensors.h"

typedef enum lyc_component_kind {
    LYC_COMPONENT_UNET,
    LYC_COMPONENT_VAE,
    LYC_COMPONENT_TEXT_ENCODER,
    LYC_COMPONENT_TEXT_ENCODER_2,
    LYC_COMPONENT_CONTROLNET,
    LYC_COMPONENT_COUNT
} lyc_component_kind;

/* A tensor as diffusers has it. */
typedef struct lyc_weight_view {
    const char *name; /* diffusers: "down_blocks.0.resnets.0.conv1.weight" */
    const char *key;  /* in the file */
    const char *file; /* path of the file, as opened */
    lyc_dtype dtype;
    lyc_shape shape;  /* as diffusers has it: [512,512] where the file has [512,512,1,1] */
    const void *data; /* borrowed, unaligned */
    size_t size_bytes;
    bool transposed;      /* the bytes are those of the transposed matrix: shape says [out,in], memory is [in,out] */
    bool partial;         /* a part of a larger tensor of the file: q, k or v of a stacked matrix */
    uint64_t file_offset; /* of data in the file */
} lyc_weight_view;

typedef struct lyc_component lyc_component;

/* Opens one network. path: a file of safetensors, an index of shards, or a folder with config.json; config: a
 * config.json, or NULL: that of the folder, else inferred from the tensors. Names may be those of any known layout.
 * Everything is checked: missing tensors, shapes, numbers of the configuration. */
lyc_status lyc_component_open(lyc_component **out, lyc_component_kind kind, const char *config, const char *path,
                              lyc_error *err);
void lyc_component_close(lyc_component *c);

/* "unet", "vae", "text_encoder", ...: the folder of diffusers. */
const char *lyc_component_kind_name(lyc_component_kind kind);

lyc_component_kind lyc_component_kind_of(const lyc_component *c);

/* A tensor by its diffusers name; false when there is none. */
bool lyc_component_find(lyc_weight_view *out, const lyc_component *c, const char *name);

/* All tensors, in the order of the file. */
size_t lyc_component_count(const lyc_component *c);
lyc_weight_view lyc_component_at(const lyc_component *c, size_t index);

/* Keys of the files that belong to nothing known, when the component was opened alone. */
size_t lyc_component_unmatched_count(const lyc_component *c);
const char *lyc_component_unmatched(const lyc_component *c, size_t index);

/* Sum of the elements of all tensors; and what the component is, if a published network has exactly that many:
 * "U-Net SD 1.x". NULL when none has. */
int64_t lyc_component_parameters(const lyc_component *c);
const char *lyc_component_known(const lyc_component *c);

/* Looks at every number, in parallel: the first tensor, in the order of the file, that has a NaN or an infinity goes to
 * *out. False when there is none. Types that have no numbers are left out. */
bool lyc_component_find_nonfinite(lyc_weight_view *out, const lyc_component *c);

/* LYC_E_IO when a file was changed after it was opened: what was made from borrowed data is then worthless. */
lyc_status lyc_component_check(const lyc_component *c, lyc_error *err);

/* The operating system may take back the pages of the mapped files. */
void lyc_component_release_pages(const lyc_component *c);

/* The configuration; each is for a component of its kind. */
const lyc_unet_config *lyc_component_unet(const lyc_component *c); /* U-Net and ControlNet */
const lyc_vae_config *lyc_component_vae(const lyc_component *c);
const lyc_clip_text_config *lyc_component_clip_text(const lyc_component *c);

#endif
