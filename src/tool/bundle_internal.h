/* bundle_internal.h - shared by the files that pack and unpack bundles
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_BUNDLE_INTERNAL_H
#define LYC_TOOL_BUNDLE_INTERNAL_H

#include "base/arena.h"
#include "base/string.h"
#include "lycoris/bundle.h"
#include "lycoris/safetensors.h"

#define LYC_BUNDLE_PREFIX "bundle_emb."

/* One tensor of an embedding. */
typedef struct lyc_bundle_tensor {
    const char *key; /* in the file that is written */
    lyc_tensor_view view;
    struct lyc_bundle_tensor *next;
} lyc_bundle_tensor;

typedef struct lyc_bundle_part {
    lyc_bundled_embedding report;
    lyc_safetensors *file;    /* of an embedding that is put in; NULL when it is taken out */
    lyc_bundle_tensor *first; /* when it is taken out */
} lyc_bundle_part;

struct lyc_bundling {
    lyc_safetensors *file; /* the adapter, or the bundle */
    const char *adapter;
    size_t adapter_tensors;
    lyc_bundle_part *parts;
    size_t count;
    lyc_arena arena;
};

lyc_status lyc_bundling_new(lyc_bundling **out, lyc_error *err);

/* Opens a safetensors file; a pickle is refused with the way to convert it. */
lyc_status lyc_bundle_open(lyc_safetensors **out, const char *path, bool is_embedding, lyc_error *err);

/* The name of a file without folder and ending, and in *step the digits of "-500" or "-step500" at its end, which are
 * then no part of it; "" when there are none. */
lyc_span lyc_bundle_stem(lyc_span *step, const char *path);

/* Whether tensors of embeddings are called so in every program: emb_params, clip_l, clip_g, string_to_param.*. */
bool lyc_bundle_is_known_key(lyc_span key);

/* The parts of "bundle_emb.<name>.<key>". Names may have dots where the key is a known one. LYC_E_FORMAT. */
lyc_status lyc_bundle_split(lyc_span *name, lyc_span *key, const char *tensor, lyc_error *err);

bool lyc_bundle_is_part(const char *tensor);

/* Vectors that a tensor of an embedding has. */
int64_t lyc_bundle_vectors(const lyc_tensor_view *tensor);

#endif
