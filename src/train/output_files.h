/* output_files.h - names of what a run writes, and which of them are removed again (sd-scripts)
 *
 *     <name>-<epoch, 6 digits>.safetensors        <name>-step<step, 8 digits>.safetensors        <name>.safetensors
 *
 * Models in the layout of diffusers have no ending. States are folders of the same names with `-state` instead of the
 * ending.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_OUTPUT_FILES_H
#define LYC_TRAIN_OUTPUT_FILES_H

#include "base/string.h"
#include "train/trainer.h"

typedef struct lyc_output_files {
    const char *folder, *name;
    bool folders;                      /* outputs are folders: models of diffusers */
    int64_t every_epochs, every_steps; /* between two files; 0: none */
    int64_t keep_epochs, keep_steps;   /* files of as many are kept; 0: all */
    int64_t keep_epochs_state, keep_steps_state;
} lyc_output_files;

/* number: the epoch or the step; nothing at the end and at a stop. */
void lyc_output_file(lyc_strbuf *path, const lyc_output_files *files, lyc_trainer_event event, int64_t number);
void lyc_output_state(lyc_strbuf *path, const lyc_output_files *files, lyc_trainer_event event, int64_t number);

/* Removes the file, or the state, that is one too many after one with this number was written. */
lyc_status lyc_output_rotate_file(const lyc_output_files *files, lyc_trainer_event event, int64_t number,
                                  lyc_error *err);
lyc_status lyc_output_rotate_state(const lyc_output_files *files, lyc_trainer_event event, int64_t number,
                                   lyc_error *err);

#endif
