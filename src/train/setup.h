/* setup.h - from options to what the rooms take: what contradicts itself is found here, all of it at once
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_SETUP_H
#define LYC_TRAIN_SETUP_H

#include "train/config.h"
#include "train/trainer.h"

enum { LYC_BASE_WEIGHTS = 16 }; /* adapters that belong to the model, at most */

/* Members are to be read. Texts are the config's or the arena's. */
typedef struct lyc_train_setup {
    const lyc_train_options *options;
    lyc_train_model_options model;
    lyc_data_options data;
    lyc_trainer_options trainer; /* without files and folders */

    bool native;
    bool trains_unet, trains_text[2];
    const char **network_args; /* of lyc_network_args_parse */
    size_t network_arg_count;
    double base_multipliers[LYC_BASE_WEIGHTS];
    bool save_as_stored; /* of native training: the source's type */
    lyc_dtype save_dtype;
    lyc_arena arena;
} lyc_train_setup;

/* LYC_E_ARGUMENT, LYC_E_UNSUPPORTED: what is wrong, in one line. Notices go to the config. */
lyc_status lyc_train_setup_make(lyc_train_setup *out, lyc_train_config *config, lyc_error *err);
void lyc_train_setup_clear(lyc_train_setup *setup);

#endif
