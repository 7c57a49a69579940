/* extract.h - shared by the files that extract adapters
 *
 * A layer is looked at twice: first what becomes of it is decided and low-rank factors are computed, on all threads;
 * whole differences are computed again when they are written, so that memory does not grow with the models.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_EXTRACT_H
#define LYC_TOOL_EXTRACT_H

#include "base/arena.h"
#include "lycoris/extract.h"
#include "tool/base_model.h"
#include "tool/tensor_set.h"

typedef enum lyc_extract_form {
    LYC_EXTRACT_NOTHING, /* the models do not differ */
    LYC_EXTRACT_LORA,
    LYC_EXTRACT_LOHA,
    LYC_EXTRACT_LOKR,
    LYC_EXTRACT_FULL,
    LYC_EXTRACT_NORM
} lyc_extract_form;

/* A tensor that was made of a layer. */
typedef struct lyc_extract_tensor {
    const char *suffix;
    lyc_shape shape;
    lyc_dtype dtype; /* of data: F32, or I32 for indices */
    void *data;      /* the layer's */
} lyc_extract_tensor;
enum { LYC_EXTRACT_TENSORS = 8 };

typedef struct lyc_extract_layer {
    const lyc_extraction *owner;
    const char *name, *component, *module;
    lyc_base_module base, tuned;
    bool exchanged; /* the halves of the rows of tuned are those of base in another order */
    bool is_norm, is_table;
    int64_t out, in, kernel;

    lyc_extract_form form;
    bool with_bias; /* of FULL and NORM; and of the others where the bias differs and is wanted */
    int64_t rank;
    double energy, error;
    lyc_extract_tensor tensors[LYC_EXTRACT_TENSORS];
    int count;
    lyc_status status;
    lyc_error err;
} lyc_extract_layer;

struct lyc_extraction {
    const lyc_extract_options *options;
    lyc_base_model *base, *tuned;
    bool original_paths; /* of the U-Net's modules: Stable Diffusion XL */
    const char *first_text;
    lyc_extract_layer *layers;
    size_t count;
    lyc_arena arena;
    lyc_tensor_set set;
};

/* --- differences (extract_difference.c) ----------------------------------------------------------------------------
 */

/* tuned - base [elements], in f32. *differs: by more than 1e-8 + 1e-5 |base| somewhere, as torch.allclose has it; may
 * be NULL. LYC_E_NUMERIC: not finite. */
lyc_status lyc_extract_weight(float *out, bool *differs, const lyc_extract_layer *layer, lyc_error *err);

/* The same of the bias [out], which both models have. */
lyc_status lyc_extract_bias(float *out, bool *differs, const lyc_extract_layer *layer, lyc_error *err);

/* Whether they differ, without keeping anything. */
lyc_status lyc_extract_differs(bool *weight, bool *bias, const lyc_extract_layer *layer, lyc_error *err);

/* --- forms ---------------------------------------------------------------------------------------------------------
 */

/* Room for a tensor of the layer; NULL when there is no memory. */
void *lyc_extract_add(lyc_extract_layer *layer, const char *suffix, lyc_dtype dtype, lyc_shape shape);

/* Decides what becomes of a layer and makes its factors. */
lyc_status lyc_extract_make(lyc_extract_layer *layer, lyc_error *err);

/* Factors of a difference d [out,in*kernel], which may be changed; layer->rank says how many. */
lyc_status lyc_extract_lora(lyc_extract_layer *layer, float *d, lyc_error *err);
lyc_status lyc_extract_loha(lyc_extract_layer *layer, float *d, lyc_error *err);
lyc_status lyc_extract_lokr(lyc_extract_layer *layer, float *d, lyc_error *err);

/* Sets energy and error from what is left of a difference [elements]. */
void lyc_extract_measure(lyc_extract_layer *layer, const float *left, double squared_norm);

#endif
