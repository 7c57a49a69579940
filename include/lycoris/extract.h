/* extract.h - adapters from the difference of two models
 *
 * What a model was tuned to, as an adapter of the model that it was tuned from: for each layer that differs a low-rank
 * product, or the difference itself. Models are single files, shards or diffusers folders of any family that is known,
 * or of any other by the names of its tensors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_EXTRACT_H
#define LYCORIS_EXTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/task.h"
#include "lycoris/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_extract_options {
    /* How many ranks a layer gets, of singular values S descending:
     *   "fixed"      rank
     *   "threshold"  values above `value`
     *   "ratio"      values above `value` times the largest
     *   "quantile"   values until their sum reaches that part of the sum of all
     *   "full"       the difference itself, of norms and embeddings too
     * at least 1, at most the smaller number of channels. A layer of half as many ranks as outputs or more gets the
     * difference, which is not larger then. */
    const char *mode;
    const char *algorithm;    /* "lora", "loha", "lokr"; NULL: lora */
    int64_t rank, conv_rank;  /* linear layers and convolutions of 1x1; others, 0: rank */
    double value, conv_value; /* of the other modes; conv_value negative: value */

    int64_t factor;  /* of lokr: how extents are divided; 0: as square as possible */
    bool tucker;     /* cores for convolutions, a second approximation; what is lost by it is in the error */
    bool norms;      /* norms too */
    bool bias;       /* differences of biases too; without it they come with differences of weights alone */
    bool sparse;     /* the largest elements of what the product leaves over, beside it (LyCORIS) */
    double sparsity; /* part of these elements that are left out; 0: 0.98 */

    bool exact_names;    /* modules are called as the tensors are, whatever models they are */
    bool without_text;   /* no text encoders */
    lyc_dtype dtype;     /* of the file: F32, F16, BF16 */
    bool allow_overflow; /* F16 may become infinite */
    bool force;          /* replace a file that exists */
    bool dry_run;        /* write nothing */
} lyc_extract_options;

typedef struct lyc_extracted_layer {
    const char *name;      /* in the file */
    const char *component; /* "unet", "text_encoder" ... */
    const char *algorithm; /* "lora", "loha", "lokr", "full", "norm"; NULL: the layer does not differ */
    int64_t rank;          /* 0: none */
    double energy;         /* part of the squared norm of the difference that the layer keeps */
    double error;          /* ||D - D'|| / ||D|| */
} lyc_extracted_layer;

typedef struct lyc_extraction lyc_extraction;

/* Writes the adapter at path. The report must be freed. LYC_E_SHAPE: the models do not have the same layers;
 * LYC_E_NUMERIC: not finite, or too large for the type. */
LYC_API lyc_status lyc_extract(lyc_extraction **out, const char *path, const char *base, const char *tuned,
                               const lyc_extract_options *options, const lyc_task *task, lyc_error *err);
LYC_API void lyc_extraction_free(lyc_extraction *extraction);

LYC_API size_t lyc_extraction_count(const lyc_extraction *extraction);
LYC_API lyc_extracted_layer lyc_extraction_layer(const lyc_extraction *extraction, size_t index);

#ifdef __cplusplus
}
#endif
#endif
