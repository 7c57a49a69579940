/* data_source.h - the batches of a data set for the loop: latents by the model's VAE, cached or batch by batch
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_DATA_SOURCE_H
#define LYC_TRAIN_DATA_SOURCE_H

#include "data/loader.h"
#include "train/trainer.h"

typedef struct lyc_data_source lyc_data_source;

typedef struct lyc_data_source_options {
    int64_t gradient_accumulation_steps;
    int64_t max_train_steps, max_train_epochs; /* as in lyc_trainer_options */
} lyc_data_source_options;

/* What a data set must know of the model. */
lyc_data_model lyc_data_source_model(const lyc_train_model *model);

/* Encodes the pictures when the data's options ask for cached latents, and gives the VAE's memory back then. Borrows
 * data and model. task may be NULL; its progress counts pictures. */
lyc_status lyc_data_source_new(lyc_data_source **out, const lyc_data *data, lyc_train_model *model,
                               const lyc_data_source_options *options, const lyc_task *task, lyc_error *err);
void lyc_data_source_free(lyc_data_source *source);

/* For lyc_trainer_new. */
lyc_batch_source lyc_data_source_batches(lyc_data_source *source);

/* Steps of an epoch and of the run, as the trainer counts them. */
int64_t lyc_data_source_epoch_steps(const lyc_data *data, int64_t gradient_accumulation_steps);

/* Pictures that were encoded for the cache; 0 without one. */
size_t lyc_data_source_encoded(const lyc_data_source *source);

#endif
