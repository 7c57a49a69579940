/* merge.h - adapters into the weights of a model: one model file, or folder, as an engine without adapters needs it
 *
 *     lyc_merge_adapter adapters[] = {{"turtle.safetensors", 0.8, 0.8}};
 *     lyc_merge_options options = {.base = "sd15.safetensors", .output = "turtle-sd15.safetensors",
 *                                  .adapters = adapters, .adapter_count = 1};
 *     lyc_merge_report *report;
 *     lyc_merge(&report, &options, NULL, &err);
 *     lyc_merge_report_free(report);
 *
 * Weights are computed in f32, all adapters in their order, and rounded once. Tensors that no adapter is for are copied
 * byte for byte. Nothing is written when planning fails, and a file appears when it is complete; memory does not grow
 * with the model.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_MERGE_H
#define LYCORIS_MERGE_H

#include "lycoris/adapter.h"
#include "lycoris/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_merge_adapter {
    const char *path;
    double unet, text; /* strengths in the denoiser and in text encoders; 0 copies bit for bit */
} lyc_merge_adapter;

/* Pointers are borrowed for the call. */
typedef struct lyc_merge_options {
    const char *base;   /* a file, an index of shards, a diffusers folder; Flux.1 and SD3 too */
    const char *output; /* for a folder or an index of shards a folder, which must not exist */
    const lyc_merge_adapter *adapters;
    size_t adapter_count;
    bool exact_names;  /* layers are called as the model's tensors are, whatever model it is */
    bool independent;  /* changes that depend on the weight are computed from the base's, not from the sum so far */
    bool dora_lycoris; /* DoRA at a strength m other than 1 as LyCORIS has it, m W'(1) + (1 - m)(W + dW), which at 0 is
                          not W; else as ComfyUI and A1111, W + m (W'(1) - W) */
    bool precise;      /* sums in f64 */
    bool convert;      /* all float tensors become dtype; else they keep their types */
    lyc_dtype dtype;
    bool allow_overflow; /* F16 may become infinite */
    bool strict;         /* a layer or tensor of an adapter that the model has not is an error */
    bool force;          /* replace a file that exists */
    bool dry_run;        /* write nothing */
} lyc_merge_options;

/* What became of one adapter. */
typedef struct lyc_merged_adapter {
    const char *path;
    size_t layers;     /* of the file */
    size_t merged;     /* of them */
    size_t unmatched;  /* layers and tensors that are for nothing in the model */
    size_t embeddings; /* tensors of a bundle that are none of a model (lycoris/bundle.h) */
} lyc_merged_adapter;

typedef struct lyc_merge_report lyc_merge_report;

/* LYC_E_SHAPE: an adapter is for another model; LYC_E_UNSUPPORTED: nothing of an adapter matches, or with strict not
 * all; LYC_E_NUMERIC: a weight became infinite or is too large for the type; LYC_E_OUTPUT. */
LYC_API lyc_status lyc_merge(lyc_merge_report **out, const lyc_merge_options *options, const lyc_task *task,
                             lyc_error *err);
LYC_API void lyc_merge_report_free(lyc_merge_report *report);

LYC_API size_t lyc_merge_report_count(const lyc_merge_report *report);
LYC_API lyc_merged_adapter lyc_merge_report_adapter(const lyc_merge_report *report, size_t index);

/* A name that matched nothing; NULL past the last. */
LYC_API const char *lyc_merge_report_unmatched(const lyc_merge_report *report, size_t adapter, size_t index);

/* Tensors that were changed, and copied. */
LYC_API size_t lyc_merge_report_changed(const lyc_merge_report *report);
LYC_API size_t lyc_merge_report_copied(const lyc_merge_report *report);

#ifdef __cplusplus
}
#endif
#endif
