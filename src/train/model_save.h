/* model_save.h - a model with the weights that were trained, everything else bit for bit
 *
 * A file has the layout of its source, whatever that is: stacked matrices, 1x1 convolutions and transposed ones get
 * their numbers where the source has them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_MODEL_SAVE_H
#define LYC_TRAIN_MODEL_SAVE_H

#include "train/train_model.h"

typedef struct lyc_model_save_options {
    bool as_stored;                     /* trained tensors keep the type that the source has */
    lyc_dtype dtype;                    /* else F32, F16 or BF16 */
    bool force;                         /* replace a file that exists; never the source */
    const lyc_metadata_entry *metadata; /* beside the source's */
    size_t metadata_count;
} lyc_model_save_options;

/* Writes `path` from `source`, a file of the model. LYC_E_ARGUMENT: nothing that was trained lies in it; LYC_E_NUMERIC:
 * a number is not finite, or too large for the type: nothing is written. */
lyc_status lyc_model_save(const char *path, const char *source, const lyc_train_model *model,
                          const lyc_trainables *trained, const lyc_model_save_options *options, lyc_error *err);

/* Writes a whole folder of diffusers: files with trained tensors anew, others copied, but for other forms of the
 * trained components' weights (variants, pickles), which would not be those that were trained. The folder appears when
 * it is complete; with force in place of another. */
lyc_status lyc_model_save_folder(const char *path, const char *source, const lyc_train_model *model,
                                 const lyc_trainables *trained, const lyc_model_save_options *options, lyc_error *err);

#endif
