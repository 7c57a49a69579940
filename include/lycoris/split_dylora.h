/* split_dylora.h - the LoRAs of fewer ranks that a DyLoRA is
 *
 * A DyLoRA is trained so that its first k ranks are a LoRA of their own, for each multiple k of a block. Here they
 * become files of their own, bit for bit, for programs that load all ranks of a file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_SPLIT_DYLORA_H
#define LYCORIS_SPLIT_DYLORA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"
#include "lycoris/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_split_options {
    int64_t unit; /* ranks of the first file, and how many each next one has more; 0: those of a block in training, as
                     the file says */
    bool keep_scale; /* alpha becomes smaller with the ranks; else it stays, as sd-scripts has it, and scales (alpha
                        divided by rank) become larger, which is what LoRAs of those ranks were trained with */
    bool force;      /* replace files that exist */
    bool dry_run;    /* write nothing */
} lyc_split_options;

typedef struct lyc_split_part {
    const char *path;
    int64_t rank;
} lyc_split_part;

typedef struct lyc_splitting lyc_splitting;

/* For path "out.safetensors" the files out-0004.safetensors, out-0008.safetensors ..., all or none; the whole is not
 * among them. Layers of fewer ranks, and what is no LoRA, are in each as they are. The report must be freed.
 * LYC_E_FORMAT, LYC_E_SHAPE: parts of a layer are missing or do not fit; LYC_E_UNSUPPORTED: no LoRA, or one with
 * magnitudes (DoRA) or a core (Tucker), which belong to all ranks; LYC_E_ARGUMENT: a unit that is no part of the rank.
 */
LYC_API lyc_status lyc_split_dylora(lyc_splitting **out, const char *path, const char *input,
                                    const lyc_split_options *options, const lyc_task *task, lyc_error *err);
LYC_API void lyc_splitting_free(lyc_splitting *splitting);

/* The largest rank, layers that were cut in the first file, and the files. */
LYC_API int64_t lyc_splitting_rank(const lyc_splitting *splitting);
LYC_API size_t lyc_splitting_layers(const lyc_splitting *splitting);
LYC_API size_t lyc_splitting_count(const lyc_splitting *splitting);
LYC_API lyc_split_part lyc_splitting_part(const lyc_splitting *splitting, size_t index);

#ifdef __cplusplus
}
#endif
#endif
