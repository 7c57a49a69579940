/* epoch.c - which images make which batch
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/epoch.h"

#include <string.h>

#include "base/memory.h"
#include "data/shuffle.h"

static bool same_size(lyc_bucket_size a, lyc_bucket_size b)
{
    return a.width == b.width && a.height == b.height;
}

static int64_t uses(const lyc_data *data, const lyc_data_image *image, size_t dataset, lyc_bucket_size size,
                    bool validation)
{
    const bool counts = data->subsets[image->subset].dataset == dataset && image->validation == validation &&
                        same_size(image->choice.bucket, size);
    return counts ? image->uses : 0;
}

/* Calls visit for each bucket of each data set, in order, with the uses in it. */
typedef void (*bucket_visitor)(void *context, size_t dataset, lyc_bucket_size size, size_t count);

static size_t count_uses(const lyc_data *data, size_t dataset, lyc_bucket_size size, bool validation)
{
    size_t count = 0;
    for (size_t i = 0; i < data->image_count; i++) {
        count += (size_t)uses(data, &data->images[i], dataset, size, validation);
    }
    return count;
}

static void each_training_bucket(const lyc_data *data, bucket_visitor visit, void *context)
{
    for (size_t d = 0; d < data->dataset_count; d++) {
        for (size_t b = 0; b < data->datasets[d].bucket_count; b++) {
            visit(context, d, data->datasets[d].buckets[b].size, (size_t)data->datasets[d].buckets[b].count);
        }
    }
}

/* Validation images are few: their buckets are found by looking. */
static void each_validation_bucket(const lyc_data *data, bucket_visitor visit, void *context)
{
    for (size_t i = 0; i < data->image_count; i++) {
        const lyc_data_image *image = &data->images[i];
        const size_t dataset = data->subsets[image->subset].dataset;
        bool seen = !image->validation;
        for (size_t k = 0; k < i && !seen; k++) {
            seen = uses(data, &data->images[k], dataset, image->choice.bucket, true) > 0;
        }
        if (!seen) {
            visit(context, dataset, image->choice.bucket, count_uses(data, dataset, image->choice.bucket, true));
        }
    }
}

static void each_bucket(const lyc_data *data, bool validation, bucket_visitor visit, void *context)
{
    if (validation) {
        each_validation_bucket(data, visit, context);
    } else {
        each_training_bucket(data, visit, context);
    }
}

/* --- counting ------------------------------------------------------------------------------------------------------
 */

typedef struct totals {
    const lyc_data *data;
    size_t entries, batches;
} totals;

static void add_up(void *context, size_t dataset, lyc_bucket_size size, size_t count)
{
    totals *t = context;
    const size_t batch = (size_t)t->data->datasets[dataset].options.batch_size;
    (void)size;
    t->entries += count;
    t->batches += (count + batch - 1) / batch;
}

size_t lyc_epoch_batches(const lyc_data *data, bool validation)
{
    totals t = {.data = data};
    each_bucket(data, validation, add_up, &t);
    return t.batches;
}

/* --- making --------------------------------------------------------------------------------------------------------
 */

typedef struct making {
    const lyc_data *data;
    lyc_epoch *epoch;
    lyc_shuffle random;
    bool validation;
} making;

static void make_batches(void *context, size_t dataset, lyc_bucket_size size, size_t count)
{
    making *m = context;
    lyc_epoch *e = m->epoch;
    const size_t first = e->entry_count, batch = (size_t)m->data->datasets[dataset].options.batch_size;
    for (size_t i = 0; i < m->data->image_count; i++) {
        for (int64_t n = uses(m->data, &m->data->images[i], dataset, size, m->validation); n > 0; n--) {
            e->entries[e->entry_count++] = i;
        }
    }
    if (!m->validation) {
        lyc_shuffle_indices(&m->random, e->entries + first, count);
    }
    for (size_t at = 0; at < count; at += batch) {
        e->batches[e->batch_count++] = (lyc_epoch_batch){
            .first = first + at, .count = count - at < batch ? count - at : batch, .dataset = dataset};
    }
}

static void shuffle_batches(making *m)
{
    lyc_epoch_batch *batches = m->epoch->batches;
    for (size_t n = m->epoch->batch_count; n > 1; n--) {
        const size_t other = lyc_shuffle_below(&m->random, n);
        const lyc_epoch_batch held = batches[n - 1];
        batches[n - 1] = batches[other];
        batches[other] = held;
    }
}

lyc_status lyc_epoch_init(lyc_epoch *out, const lyc_data *data, int64_t number, bool validation, lyc_error *err)
{
    totals t = {.data = data};
    each_bucket(data, validation, add_up, &t);
    *out = (lyc_epoch){.number = validation ? 0 : number};
    out->entries = lyc_alloc_zero(t.entries + 1, sizeof *out->entries);
    out->batches = lyc_alloc_zero(t.batches + 1, sizeof *out->batches);
    if (out->entries == NULL || out->batches == NULL) {
        lyc_epoch_clear(out);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an epoch of %zu uses", t.entries);
    }
    making m = {
        .data = data,
        .epoch = out,
        .random = {.stream = {.seed = data->options.seed, .purpose = LYC_RANDOM_SHUFFLE, .step = (uint32_t)number}},
        .validation = validation};
    each_bucket(data, validation, make_batches, &m);
    if (!validation) {
        shuffle_batches(&m);
    }
    return LYC_OK;
}

void lyc_epoch_clear(lyc_epoch *epoch)
{
    lyc_free(epoch->entries);
    lyc_free(epoch->batches);
    *epoch = (lyc_epoch){0};
}
