/* merge_adapters.h - several adapter files into one
 *
 *     lyc_merge_input inputs[] = {{"style.safetensors", 0.7, 0.7}, {"turtle.safetensors", 1.0, 0.5}};
 *     lyc_merge_adapters_options options = {.method = LYC_MERGE_CONCAT, .keep_dtype = true};
 *     lyc_adapter_merge *merge;
 *     lyc_merge_adapters(&merge, "both.safetensors", inputs, 2, &options, NULL, &err);
 *     lyc_adapter_merge_free(merge);
 *
 * Files may be of any algorithm, naming and rank. With the strengths w the change of a layer is
 *
 *     CONCAT    sum of w dW, exactly: factors side by side, the change itself where it has none or they would be larger
 *     SUM       (sum of sqrt|w s| B) (sum of sqrt|w s| A), s = alpha / rank, of LoRAs of one rank: PEFT's "linear"
 *     SVD       sum of w dW, of so many ranks
 *     TIES      the mean of what agrees in sign, of the largest numbers of each w dW (arXiv 2306.01708)
 *     DARE      sum of w dW of which numbers are dropped at random (arXiv 2311.03099)
 *     DARE_TIES the mean of what agrees in sign, of these
 *
 * Layers that one file alone has take part with what that file has. Biases are always the sum. Memory does not grow
 * with the files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_MERGE_ADAPTERS_H
#define LYCORIS_MERGE_ADAPTERS_H

#include "lycoris/adapter.h"
#include "lycoris/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_merge_input {
    const char *path;
    double unet, text;    /* strengths in the denoiser and in text encoders */
    const double *blocks; /* factors by block of a U-Net: 12 or 20 (SDXL), 17 or 26; NULL: 1 */
    size_t block_count;
} lyc_merge_input;

typedef enum lyc_merge_method {
    LYC_MERGE_CONCAT,
    LYC_MERGE_SUM,
    LYC_MERGE_SVD,
    LYC_MERGE_TIES,
    LYC_MERGE_DARE,
    LYC_MERGE_DARE_TIES,
} lyc_merge_method;

typedef struct lyc_merge_adapters_options {
    lyc_merge_method method;
    bool full;             /* CONCAT, TIES, DARE: write the change itself, not factors */
    int64_t rank;          /* SVD, TIES, DARE; 0: SVD as the largest of the layer, the others as all of them together */
    int64_t conv_rank;     /* of convolutions larger than 1x1; 0: rank */
    double density;        /* TIES, DARE: the part of the numbers that stays, above 0 and at most 1 */
    uint64_t seed;         /* of DARE and of shuffle */
    bool sd_scripts;       /* CONCAT, SUM: what sd-scripts' merge_lora.py makes, which is not the sum */
    bool shuffle;          /* CONCAT, SUM: ranks in random order */
    double clamp_quantile; /* SVD: cut factors at this quantile of both, as svd_merge_lora.py does at 0.99; 0: do not */

    lyc_dtype dtype;
    bool keep_dtype;     /* the inputs' type, F32 where they have several, instead of dtype */
    bool allow_overflow; /* F16 may become infinite */
    bool strict;         /* a tensor that belongs to no known layer is an error */
    bool force;          /* replace a file that exists */
    bool dry_run;        /* compute and write nothing */
} lyc_merge_adapters_options;

typedef struct lyc_adapter_merge lyc_adapter_merge;

/* Writes the file at path. Pointers in inputs are borrowed for the call; the report must be freed. LYC_E_SHAPE: two
 * files are for different models; LYC_E_UNSUPPORTED: a change depends on the base weight (DoRA, OFT ...), a method has
 * no form for an algorithm; LYC_E_NUMERIC: not finite, or too large for the type. */
LYC_API lyc_status lyc_merge_adapters(lyc_adapter_merge **out, const char *path, const lyc_merge_input *inputs,
                                      size_t count, const lyc_merge_adapters_options *options, const lyc_task *task,
                                      lyc_error *err);
LYC_API void lyc_adapter_merge_free(lyc_adapter_merge *merge);

/* What became of a file. */
typedef struct lyc_merged_input {
    const char *path;
    size_t layers;     /* that are known, all of which take part unless their strength is 0 */
    size_t shared;     /* of them, in another file too */
    size_t unmatched;  /* tensors that belong to no known layer: left out */
    size_t embeddings; /* of a bundle: left out */
} lyc_merged_input;
LYC_API size_t lyc_adapter_merge_input_count(const lyc_adapter_merge *merge);
LYC_API lyc_merged_input lyc_adapter_merge_input(const lyc_adapter_merge *merge, size_t index);

/* A tensor that was left out; NULL past the last. */
LYC_API const char *lyc_adapter_merge_unmatched(const lyc_adapter_merge *merge, size_t input, size_t index);

typedef struct lyc_merged_layer {
    const char *name;      /* as written */
    const char *algorithm; /* "lora", "full" (the change itself), "norm" */
    size_t inputs;         /* files that it is of */
    int64_t rank;          /* 0: none */
    double alpha;          /* NaN: none */
    double energy;         /* part of the squared norm that the ranks keep of what the method makes */
    double error;          /* ||W - W'|| / ||W|| of that */
    double departure;      /* the same of what the method makes, to the sum of w dW */
} lyc_merged_layer;
LYC_API size_t lyc_adapter_merge_count(const lyc_adapter_merge *merge);
LYC_API lyc_merged_layer lyc_adapter_merge_layer(const lyc_adapter_merge *merge, size_t index);

#ifdef __cplusplus
}
#endif
#endif
