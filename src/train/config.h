/* config.h - options as they were given: by hand, by a file, or chosen
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_CONFIG_H
#define LYC_TRAIN_CONFIG_H

#include "base/arena.h"
#include "lycoris/train.h"
#include "train/options.h"

/* Where a value is from; a later one is not replaced by an earlier one. */
typedef enum lyc_option_source { LYC_FROM_STANDARD, LYC_FROM_CHOICE, LYC_FROM_FILE, LYC_FROM_USER } lyc_option_source;

struct lyc_train_config {
    lyc_train_options options;
    unsigned char *sources; /* a lyc_option_source for each row */
    size_t rows;
    lyc_arena arena; /* texts */
    struct lyc_train_texts {
        const char **items;
        size_t count, capacity;
    } notices, choices;
};

/* The row of a name in either spelling; NULL: there is none. */
const lyc_option *lyc_train_option_find(const char *name);

/* The name that was perhaps meant; NULL: none resembles it. */
const char *lyc_train_option_nearest(const char *name);

/* Where the value of the row is from, by whichever name it was given. */
lyc_option_source lyc_train_config_source(const lyc_train_config *config, const char *name);

/* Whether it was given by hand under this very name. */
bool lyc_train_config_said(const lyc_train_config *config, const char *name);

/* A value, unless there is one from a later source. */
lyc_status lyc_train_config_give(lyc_train_config *config, const lyc_option *row, const char *value,
                                 lyc_option_source source, lyc_error *err);

/* Texts of lyc_train_config_notice, a sentence without a full stop, and of lyc_train_config_choice. */
lyc_status lyc_train_config_note(lyc_train_config *config, lyc_error *err, const char *format, ...) LYC_PRINTF(3, 4);
lyc_status lyc_train_config_chose(lyc_train_config *config, lyc_error *err, const char *format, ...) LYC_PRINTF(3, 4);

#endif
