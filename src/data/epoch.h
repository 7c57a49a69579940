/* epoch.h - which images make which batch
 *
 * Each image stands in its bucket as often as it is used. The entries of a bucket are shuffled and cut into batches
 * (the last may be short), and the batches of all buckets and data sets are shuffled. The order depends on the seed and
 * the number of the epoch alone. Validation has one order for all epochs: that of the files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_EPOCH_H
#define LYC_DATA_EPOCH_H

#include "data/data.h"

typedef struct lyc_epoch_batch {
    size_t first, count; /* of entries */
    size_t dataset;
} lyc_epoch_batch;

/* Members are to be read. */
typedef struct lyc_epoch {
    int64_t number;  /* from 1; 0: validation */
    size_t *entries; /* images; the place in this list keys the random numbers of a use */
    size_t entry_count;
    lyc_epoch_batch *batches;
    size_t batch_count;
} lyc_epoch;

lyc_status lyc_epoch_init(lyc_epoch *out, const lyc_data *data, int64_t number, bool validation, lyc_error *err);
void lyc_epoch_clear(lyc_epoch *epoch); /* accepts {0} */

/* Batches of an epoch, which are as many in every one. */
size_t lyc_epoch_batches(const lyc_data *data, bool validation);

#endif
