/* checkpoint.h - a model on disk: a diffusers folder or a single file, recognised, checked, and opened without a copy
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_CHECKPOINT_H
#define LYC_CHECKPOINT_CHECKPOINT_H

#include "base/error.h"
#include "checkpoint/component.h"

typedef enum lyc_family {
    LYC_FAMILY_UNKNOWN,
    LYC_FAMILY_SD1,
    LYC_FAMILY_SD2,
    LYC_FAMILY_SDXL,
    LYC_FAMILY_SDXL_REFINER, /* recognised, refused */
    LYC_FAMILY_SD3,          /* recognised; file tools only */
    LYC_FAMILY_FLUX1         /* recognised; file tools only */
} lyc_family;

typedef struct lyc_checkpoint lyc_checkpoint;

typedef struct lyc_checkpoint_options {
    const char *variant;                    /* "fp16": *.fp16.safetensors of a folder; NULL: plain, else fp16 */
    const char *parts[LYC_COMPONENT_COUNT]; /* files or folders that replace or add a component (--vae) */
    const char *config;                     /* --model-config: JSON that overrides what was inferred */
    /* For tools that do not compute: components may be missing, the number of heads unknown, and a U-Net may have any
     * known number of input channels. */
    bool allow_missing;
    bool check_finite; /* look at every number, and warn of the first that is not finite */
} lyc_checkpoint_options;

/* options may be NULL. Everything that models.md 7 complains of is found here, before any long work. */
lyc_status lyc_checkpoint_open(lyc_checkpoint **out, const char *path, const lyc_checkpoint_options *options,
                               lyc_error *err);
void lyc_checkpoint_close(lyc_checkpoint *c);

lyc_family lyc_checkpoint_family(const lyc_checkpoint *c);
const char *lyc_family_name(lyc_family family); /* "SD 1.x" */

/* The family that the keys of a file tell, also one that cannot be opened as a checkpoint; UNKNOWN: they do not. */
lyc_status lyc_family_of_file(lyc_family *out, const char *path, lyc_error *err);

/* NULL: the model has no such component. */
const lyc_component *lyc_checkpoint_component(const lyc_checkpoint *c, lyc_component_kind kind);

const lyc_scheduler_config *lyc_checkpoint_scheduler(const lyc_checkpoint *c);

/* The folder with vocab.json and merges.txt of text encoder 0 or 1; NULL: a single file, the embedded vocabulary. */
const char *lyc_checkpoint_tokenizer(const lyc_checkpoint *c, int index);

/* Keys that belong to nothing known, for a notice; 0 in a clean file. */
size_t lyc_checkpoint_unmatched_count(const lyc_checkpoint *c);
const char *lyc_checkpoint_unmatched(const lyc_checkpoint *c, size_t index);

/* LYC_E_IO when a file was changed after it was opened. */
lyc_status lyc_checkpoint_check(const lyc_checkpoint *c, lyc_error *err);

/* The operating system may take back the pages of the mapped files: packed weights have been made from them. */
void lyc_checkpoint_release_pages(const lyc_checkpoint *c);

#endif
