/* training_internal.h - shared by the files of a training
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_TRAINING_INTERNAL_H
#define LYC_TRAIN_TRAINING_INTERNAL_H

#include "train/data_source.h"
#include "train/output_files.h"
#include "train/sampling.h"
#include "train/setup.h"
#include "train/train_metadata.h"
#include "train/train_network.h"

struct lyc_training {
    lyc_train_config *config;
    lyc_train_hooks hooks;
    lyc_task task;
    lyc_train_setup setup;
    lyc_train_model *model;
    lyc_data *data;
    lyc_network_args args;
    bool has_args;
    lyc_network *network;
    lyc_data_source *source; /* made, and pictures encoded, when the first batch is asked for */
    lyc_trainer *trainer;
    lyc_output_files files;
    lyc_train_sampling sampling;
    const char *log_path, *event_folder;
    double started;
    lyc_file_hashes model_hashes;
    bool has_model_hashes, hashed;
    lyc_strbuf state; /* the last one that was saved */
    lyc_train_plan plan;
    const char **notices;
    size_t notice_count, notice_capacity;
    lyc_arena arena;
};

/* training_plan.c */
lyc_status lyc_training_make_plan(lyc_training *t, lyc_error *err);

/* A sentence without a full stop, for the plan's notices. */
lyc_status lyc_training_note(lyc_training *t, lyc_error *err, const char *format, ...) LYC_PRINTF(3, 4);

/* Whether a model is a single file. */
bool lyc_training_is_file(const char *path);

/* training_output.c: what the loop calls. */
lyc_trainer_hooks lyc_training_hooks(lyc_training *t);

#endif
