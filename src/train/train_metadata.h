/* train_metadata.h - what a trained file says of itself: ss_* as sd-scripts writes them, and modelspec
 *
 * Values are texts as Python prints them ("None", "True", "1.0"), some of them JSON. Where SOURCE_DATE_EPOCH is set, it
 * is the time of everything, so that the same run writes the same bytes again.
 *
 * Source: sd-scripts, train_network.py and library/sai_model_spec.py.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_TRAIN_METADATA_H
#define LYC_TRAIN_TRAIN_METADATA_H

#include "data/data.h"
#include "lycoris/inspect.h"
#include "train/setup.h"
#include "train/train_model.h"

/* What is said of a run. Borrowed. */
typedef struct lyc_train_facts {
    const lyc_train_setup *setup;
    const lyc_train_model *model;
    const lyc_data *data;
    const lyc_network_args *args;
    const lyc_train_progress *progress;
    int64_t batches_per_epoch;
    double started;                      /* seconds since 1970 */
    const lyc_file_hashes *model_hashes; /* of a single file; NULL: not known */
} lyc_train_facts;

/* {0} is empty. */
typedef struct lyc_train_metadata {
    lyc_metadata_entry *entries;
    size_t count, capacity;
    bool failed; /* no memory: told by lyc_train_metadata_make */
    lyc_arena arena;
} lyc_train_metadata;

lyc_status lyc_train_metadata_make(lyc_train_metadata *out, const lyc_train_facts *facts, lyc_error *err);
void lyc_train_metadata_clear(lyc_train_metadata *metadata);

/* Now, or SOURCE_DATE_EPOCH. */
double lyc_train_time(void);

#endif
