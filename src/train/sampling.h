/* sampling.h - pictures of what a run has learned so far
 *
 * The model is opened beside the one in training and the adapters are attached to it as they are, so the same code
 * makes these pictures and those of `lycoris generate`. Nothing of the run changes: weights are read, random numbers
 * have seeds of their own. The model's weights are packed again for each call and given back afterwards.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_SAMPLING_H
#define LYC_TRAIN_SAMPLING_H

#include "lycoris/generate.h"
#include "train/trainer.h"

typedef struct lyc_train_sampling {
    const char *prompts; /* a file of prompts (lycoris/generate.h) */
    const char *folder;  /* of the pictures; made when it is not there */
    const char *name;    /* files are <name>_<when>_<index>[_<stamp>]_<seed>.png */
    const char *stamp;   /* a date; NULL: none */
    lyc_generate_options standard;
    const lyc_task *task; /* of each picture; NULL: none */
} lyc_train_sampling;

/* What sd-scripts begins with: DDIM, 30 steps, 512 pixels, guidance 7.5, and here a seed that stays the same. */
lyc_generate_options lyc_train_sampling_standard(const lyc_train_model *model);

/* The prompts are readable and their sizes and samplers exist: before a run begins. */
lyc_status lyc_train_sampling_check(const lyc_train_sampling *sampling, lyc_error *err);

/* A picture of each prompt, as a file and in the run's event file, and the sheet of all so far (sample_sheet.h). when:
 * "e000010" or "000100". trainer may be NULL. */
lyc_status lyc_train_sample(const lyc_train_sampling *sampling, const lyc_train_model *model, lyc_network *network,
                            const char *when, lyc_trainer *trainer, lyc_error *err);

#endif
