/* convert.h - adapter files under other names and as other algorithms
 *
 * Layers that stay what they are are copied byte for byte under their new names, whatever the size of the file. What
 * has to be computed is computed in f32 a layer at a time, exactly where the algebra allows (LoHa and LoKr are low-rank
 * products), else by the best low-rank approximation, whose error is reported.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_CONVERT_H
#define LYCORIS_CONVERT_H

#include "lycoris/adapter.h"
#include "lycoris/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_convert_options {
    const char *scheme;    /* names: "kohya", "wrapper", "diffusers", "bare", "peft" (a folder); NULL: as they are */
    const char *algorithm; /* "lora", "full" (a difference); NULL: as they are */
    const char *consumer;  /* what this program needs to load every layer (lycoris/verify.h); NULL: nobody */
    const char *paths;     /* of modules in kohya's and bare names: "diffusers", "original"; NULL: as each family has
                              them in use */

    /* For low-rank approximations: so many ranks, or as many as keep that part of the squared norm. */
    int64_t rank;     /* 0: by energy */
    double energy;    /* 0: 0.99 */
    int64_t max_rank; /* of exact products; one of more is approximated. 0: half of the smaller side of the layer */

    const char *base; /* model whose weights DoRA, GLoRA, (IA)^3 and rotations are for; NULL: their algorithm stays */
    lyc_dtype dtype;
    bool keep_dtype;     /* each layer's own type instead of dtype */
    bool allow_overflow; /* F16 may become infinite */
    bool strict;         /* tensors that belong to no known layer are an error; else they are left out */
    bool force;          /* replace a file that exists */
    bool dry_run;        /* write nothing */
} lyc_convert_options;

/* What was done with a layer. */
typedef struct lyc_converted_layer {
    const char *name;      /* in the file that was read */
    const char *written;   /* in the file that was written */
    const char *from, *to; /* algorithms */
    bool copied;           /* byte for byte */
    int64_t rank;          /* of a LoRA; 0: none */
    double error;          /* of an approximation: ||W - W'|| / ||W||, W the change; 0 of what is exact */
} lyc_converted_layer;

typedef struct lyc_conversion lyc_conversion;

/* Converts file into a file, or for "peft" a folder, at path. The report must be freed; the file must stay until then.
 * LYC_E_UNSUPPORTED: a layer has no such form, names the layer; LYC_E_NUMERIC: not finite, or too large for the type.
 */
LYC_API lyc_status lyc_convert(lyc_conversion **out, const char *path, const lyc_network_file *file,
                               const lyc_convert_options *options, const lyc_task *task, lyc_error *err);
LYC_API void lyc_conversion_free(lyc_conversion *conversion);

LYC_API size_t lyc_conversion_count(const lyc_conversion *conversion);
LYC_API lyc_converted_layer lyc_conversion_layer(const lyc_conversion *conversion, size_t index);

#ifdef __cplusplus
}
#endif
#endif
