/* arrange.c - which images are measured, how often regularisation images are used, in which bucket each image is
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "data/data_internal.h"
#include "data/shuffle.h"
#include "tensor/random.h"

/* --- validation ----------------------------------------------------------------------------------------------------
 */

/* The images of a folder that are not trained: the end of a shuffled list. */
static lyc_status split_subset(lyc_data *data, const lyc_data_subset *subset, lyc_error *err)
{
    const lyc_dataset_options *o = &data->datasets[subset->dataset].options;
    const size_t training = (size_t)ceil((double)subset->count * (1.0 - o->validation_split));
    if (subset->options.is_reg || !(o->validation_split > 0.0) || training >= subset->count) {
        return LYC_OK;
    }
    size_t *order = lyc_alloc_zero(subset->count, sizeof *order);
    if (order == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the validation split");
    }
    for (size_t i = 0; i < subset->count; i++) {
        order[i] = i;
    }
    const uint64_t seed = o->validation_seed >= 0 ? (uint64_t)o->validation_seed : data->options.seed;
    lyc_shuffle random = {.stream = {.seed = seed, .purpose = LYC_RANDOM_SHUFFLE, .step = UINT32_MAX}};
    lyc_shuffle_indices(&random, order, subset->count);
    for (size_t i = training; i < subset->count; i++) {
        lyc_data_image *image = &data->images[subset->first + order[i]];
        image->validation = true;
        image->uses = 1;
    }
    lyc_free(order);
    return LYC_OK;
}

/* --- regularisation ------------------------------------------------------------------------------------------------
 */

/* As many uses as training has: first their own repeats, then one more each, in the order of the list. */
static void balance(lyc_data *data, size_t dataset, int64_t wanted)
{
    int64_t used = 0;
    for (bool first = true, any = true; any && (first || used < wanted); first = false) {
        any = false;
        for (size_t i = 0; i < data->image_count; i++) {
            lyc_data_image *image = &data->images[i];
            const lyc_data_subset *subset = &data->subsets[image->subset];
            if (subset->dataset == dataset && subset->options.is_reg) {
                image->uses = used >= wanted ? (first ? 0 : image->uses) : first ? subset->repeats : image->uses + 1;
                used += used >= wanted ? 0 : first ? subset->repeats : 1;
                any = true;
            }
        }
    }
}

static lyc_status balance_dataset(lyc_data *data, size_t dataset, lyc_error *err)
{
    int64_t training = 0;
    size_t regularisation = 0, unused = 0;
    for (size_t i = 0; i < data->image_count; i++) {
        const lyc_data_subset *subset = &data->subsets[data->images[i].subset];
        if (subset->dataset == dataset) {
            training += subset->options.is_reg || data->images[i].validation ? 0 : data->images[i].uses;
            regularisation += subset->options.is_reg;
        }
    }
    if (regularisation == 0) {
        return LYC_OK;
    }
    balance(data, dataset, training);
    for (size_t i = 0; i < data->image_count; i++) {
        const lyc_data_image *image = &data->images[i];
        unused += data->subsets[image->subset].dataset == dataset && image->uses == 0;
    }
    return unused == 0 ? LYC_OK
                       : lyc_data_warn(data, err,
                                       "%zu of %zu regularisation images are not used: there are only %lld uses of "
                                       "training images to match",
                                       unused, regularisation, (long long)training);
}

/* --- buckets -------------------------------------------------------------------------------------------------------
 */

static lyc_status choose(lyc_data_problems *problems, lyc_data *data)
{
    for (size_t i = 0; i < data->image_count; i++) {
        lyc_data_image *image = &data->images[i];
        const lyc_dataset *set = &data->datasets[data->subsets[image->subset].dataset];
        lyc_error err = {0};
        if (lyc_bucket_choose(&image->choice, &set->sizes, image->width, image->height, &err) != LYC_OK) {
            lyc_data_problem(problems, err.status, "%s: %s", image->name, err.message);
        }
    }
    return LYC_OK;
}

static bool counts(const lyc_data *data, const lyc_data_image *image, size_t dataset)
{
    return data->subsets[image->subset].dataset == dataset && !image->validation && image->uses > 0;
}

static void count_in(lyc_dataset *set, const lyc_data_image *image)
{
    const lyc_bucket_size size = image->choice.bucket;
    size_t at = 0;
    while (at < set->bucket_count &&
           (set->buckets[at].size.width < size.width ||
            (set->buckets[at].size.width == size.width && set->buckets[at].size.height < size.height))) {
        at++;
    }
    if (at == set->bucket_count || set->buckets[at].size.width != size.width ||
        set->buckets[at].size.height != size.height) {
        memmove(set->buckets + at + 1, set->buckets + at, (set->bucket_count - at) * sizeof set->buckets[0]);
        set->buckets[at] = (lyc_data_bucket){.size = size};
        set->bucket_count++;
    }
    set->buckets[at].count += image->uses;
}

static lyc_status fill_buckets(lyc_data *data, size_t dataset, lyc_error *err)
{
    lyc_dataset *set = &data->datasets[dataset];
    size_t count = 0;
    for (size_t i = 0; i < data->image_count; i++) {
        count += counts(data, &data->images[i], dataset);
    }
    set->buckets = lyc_arena_alloc(&data->arena, count + 1, sizeof *set->buckets);
    if (set->buckets == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for buckets");
    }
    for (size_t i = 0; i < data->image_count; i++) {
        const lyc_data_image *image = &data->images[i];
        if (counts(data, image, dataset)) {
            count_in(set, image);
            set->mean_ratio_error += fabs(image->choice.ratio_error) / (double)count;
        }
    }
    return LYC_OK;
}

/* Pictures of which more than a tenth is cut away, with the worst five. */
static lyc_status warn_of_crops(lyc_data *data, lyc_error *err)
{
    const lyc_data_image *worst[5] = {NULL};
    double lost[5] = {0};
    size_t count = 0;
    for (size_t i = 0; i < data->image_count; i++) {
        const lyc_bucket_choice *c = &data->images[i].choice;
        const double kept = ((double)c->bucket.width * (double)c->bucket.height) /
                            ((double)c->resized.width * (double)c->resized.height);
        if (kept >= 0.9) {
            continue;
        }
        count++;
        size_t at = 5;
        while (at > 0 && 1.0 - kept > lost[at - 1]) {
            at--;
        }
        for (size_t k = 4; at < 5 && k > at; k--) {
            lost[k] = lost[k - 1];
            worst[k] = worst[k - 1];
        }
        if (at < 5) {
            lost[at] = 1.0 - kept;
            worst[at] = &data->images[i];
        }
    }
    lyc_strbuf names = {0};
    for (size_t k = 0; k < 5 && worst[k] != NULL; k++) {
        lyc_strbuf_format(&names, "%s%s (%.0f %%)", k > 0 ? ", " : "", worst[k]->name, 100.0 * lost[k]);
    }
    const lyc_status status =
        count == 0
            ? LYC_OK
            : lyc_data_warn(data, err, "%zu pictures lose more than a tenth of their pixels to their bucket: %s%s",
                            count, lyc_strbuf_text(&names), count > 5 ? ", ..." : "");
    lyc_strbuf_clear(&names);
    return status;
}

static void sum_up(lyc_data *data)
{
    for (size_t i = 0; i < data->image_count; i++) {
        const lyc_data_image *image = &data->images[i];
        if (image->validation) {
            data->validation_images++;
        } else if (data->subsets[image->subset].options.is_reg) {
            data->regularisation_images++;
            data->regularisation_uses += image->uses;
        } else {
            data->training_images++;
            data->training_uses += image->uses;
        }
    }
}

lyc_status lyc_data_arrange(lyc_data *data, lyc_error *err)
{
    lyc_data_problems problems = {0};
    choose(&problems, data);
    LYC_TRY(lyc_data_problems_end(&problems, err));
    for (size_t i = 0; i < data->subset_count; i++) {
        LYC_TRY(split_subset(data, &data->subsets[i], err));
    }
    for (size_t i = 0; i < data->dataset_count; i++) {
        LYC_TRY(balance_dataset(data, i, err));
        LYC_TRY(fill_buckets(data, i, err));
    }
    sum_up(data);
    if (data->training_images == 0) {
        const char *reason = data->warning_count > 0 ? data->warnings[0] : NULL;
        return lyc_fail(err, LYC_E_ARGUMENT, "no images to train on%s%s", reason != NULL ? ": " : "",
                        reason != NULL ? reason : "");
    }
    return warn_of_crops(data, err);
}

/* --- fingerprint ---------------------------------------------------------------------------------------------------
 */

static void take_number(lyc_sha256 *hash, double value)
{
    lyc_sha256_update(hash, &value, sizeof value);
}

static void take_text(lyc_sha256 *hash, const char *text)
{
    lyc_sha256_update(hash, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1);
}

static void take_caption_options(lyc_sha256 *hash, const lyc_caption_options *o)
{
    const double numbers[] = {o->shuffle_caption,
                              (double)o->keep_tokens,
                              o->enable_wildcard,
                              o->caption_dropout_rate,
                              (double)o->caption_dropout_every_n_epochs,
                              o->caption_tag_dropout_rate,
                              (double)o->token_warmup_min,
                              o->token_warmup_step};
    const char *const texts[] = {o->caption_separator, o->keep_tokens_separator, o->secondary_separator,
                                 o->caption_prefix, o->caption_suffix};
    lyc_sha256_update(hash, numbers, sizeof numbers);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        take_text(hash, texts[i]);
    }
}

static void take_image(lyc_sha256 *hash, const lyc_data_image *image)
{
    const double numbers[] = {(double)image->uses,
                              image->validation,
                              image->width,
                              image->height,
                              image->choice.bucket.width,
                              image->choice.bucket.height,
                              image->choice.resized.width,
                              image->choice.resized.height,
                              (double)image->line_count,
                              image->mask_path != NULL};
    lyc_sha256_update(hash, numbers, sizeof numbers);
    take_text(hash, image->name);
    take_text(hash, image->content);
    for (size_t i = 0; i < image->line_count; i++) {
        lyc_sha256_update(hash, image->lines[i].text, image->lines[i].length);
        take_text(hash, "");
    }
}

uint64_t lyc_data_fingerprint_make(const lyc_data *data)
{
    lyc_sha256 hash;
    char hex[LYC_SHA256_HEX];
    uint64_t first = 0;
    lyc_sha256_init(&hash);
    take_number(&hash, data->options.prior_loss_weight);
    take_number(&hash, data->options.composite_alpha);
    for (size_t i = 0; i < data->dataset_count; i++) {
        take_number(&hash, (double)data->datasets[i].options.batch_size);
        take_number(&hash, data->datasets[i].options.network_multiplier);
    }
    for (size_t i = 0; i < data->subset_count; i++) {
        const lyc_subset_options *o = &data->subsets[i].options;
        const double numbers[] = {o->is_reg,
                                  o->color_aug,
                                  o->flip_aug,
                                  o->random_crop,
                                  o->alpha_mask,
                                  o->diff_output_preservation,
                                  o->resize_interpolation};
        lyc_sha256_update(&hash, numbers, sizeof numbers);
        take_caption_options(&hash, &o->caption);
    }
    for (size_t i = 0; i < data->image_count; i++) {
        take_image(&hash, &data->images[i]);
    }
    lyc_sha256_finish(hex, &hash);
    for (int i = 0; i < 16; i++) {
        first = first << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    }
    return first;
}
