/* resize.h - LoRAs of fewer ranks
 *
 * Each LoRA of a file becomes the nearest one of fewer ranks, or of as many as a rule finds worth keeping. The scale of
 * a layer (alpha divided by rank) stays. Layers that have no more ranks than they are to get, and everything that is no
 * LoRA, are copied byte for byte.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_RESIZE_H
#define LYCORIS_RESIZE_H

#include "lycoris/adapter.h"
#include "lycoris/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_resize_options {
    int64_t rank;      /* of linear layers; with a rule at most that many */
    int64_t conv_rank; /* of convolutions, 1x1 too; 0: rank */

    /* "sv_ratio": singular values of more than the largest divided by parameter; "sv_cumulative": the fewest whose sum
     * is that part of the sum of all; "sv_fro": that part of the Frobenius norm. NULL or "fixed": rank. */
    const char *method;
    double parameter;
    bool exact;      /* sd-scripts keeps one rank more than its rules say, and so is done here; not with exact */
    bool allow_grow; /* layers of fewer ranks get zeros; otherwise it is an error when no layer has as many */

    lyc_dtype dtype;
    bool keep_dtype;     /* each layer's own type instead of dtype */
    bool allow_overflow; /* F16 may become infinite */
    bool force;          /* replace a file that exists */
    bool dry_run;        /* write nothing */
} lyc_resize_options;

typedef struct lyc_resized_layer {
    const char *name;      /* in the file */
    const char *algorithm; /* what is no "lora" was copied */
    bool resized;
    bool dora;            /* has magnitudes, which were kept: they are those of the larger LoRA */
    int64_t before, rank; /* 0: not a LoRA */
    double alpha;         /* as written; NaN: the file does not say */
    double sum;           /* part of the sum of singular values that was kept, */
    double energy;        /* and of the squared norm of the change */
    double error;         /* ||W - W'|| / ||W|| of the change */
} lyc_resized_layer;

typedef struct lyc_resizing lyc_resizing;

/* Writes the file at path. The report must be freed; the file must stay until then. LYC_E_ARGUMENT: options that make
 * no sense for the file; LYC_E_UNSUPPORTED: ranks and scales are not in the tensors but said elsewhere (PEFT);
 * LYC_E_NUMERIC: not finite, or too large for the type. */
LYC_API lyc_status lyc_resize(lyc_resizing **out, const char *path, const lyc_network_file *file,
                              const lyc_resize_options *options, const lyc_task *task, lyc_error *err);
LYC_API void lyc_resizing_free(lyc_resizing *resizing);

LYC_API size_t lyc_resizing_count(const lyc_resizing *resizing);
LYC_API lyc_resized_layer lyc_resizing_layer(const lyc_resizing *resizing, size_t index);

#ifdef __cplusplus
}
#endif
#endif
