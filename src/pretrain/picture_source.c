/* picture_source.c - pictures with captions for trainings that take pixels
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pretrain/picture_source.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"

struct lyc_picture_source {
    lyc_data_options options;
    char resolution[24];
    lyc_data *data;
    lyc_loader *loader, *validation;
    int64_t next; /* the step whose batch the loader gives next; -1: none */
    size_t next_validation;
};

static lyc_status set_options(lyc_picture_source *s, const lyc_picture_source_options *options, lyc_error *err)
{
    lyc_data_options *o = &s->options;
    LYC_TRY(lyc_option_reset(o, lyc_data_option_table, err));
    LYC_TRY(lyc_option_reset(&o->dataset, lyc_dataset_option_table, err));
    LYC_TRY(lyc_option_reset(&o->subset, lyc_subset_option_table, err));
    snprintf(s->resolution, sizeof s->resolution, "%" PRId64, options->resolution);
    o->image_dir = options->image_dir;
    o->composite_alpha = true;
    o->seed = options->seed;
    o->dataset.resolution = s->resolution;
    o->dataset.batch_size = options->batch_size;
    o->dataset.validation_split = options->validation_split;
    return LYC_OK;
}

static lyc_status open_loaders(lyc_picture_source *s, const lyc_picture_source_options *options, const lyc_task *task,
                               lyc_error *err)
{
    const lyc_data_model model = {.size_multiple = 8, .factor = 8}; /* pixels are asked for, latents never */
    LYC_TRY(set_options(s, options, err));
    LYC_TRY(lyc_data_open(&s->data, &s->options, &model, task, err));
    LYC_TRY(lyc_loader_new(&s->loader, s->data, NULL, false, err));
    return lyc_loader_new(&s->validation, s->data, NULL, true, err);
}

lyc_status lyc_picture_source_open(lyc_picture_source **out, const lyc_picture_source_options *options,
                                   const lyc_task *task, lyc_error *err)
{
    lyc_picture_source *s = lyc_alloc_zero(1, sizeof *s);
    if (s == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for pictures");
    }
    s->next = -1;
    s->next_validation = SIZE_MAX;
    const lyc_status status = open_loaders(s, options, task, err);
    if (status != LYC_OK) {
        lyc_picture_source_close(s);
        return status;
    }
    *out = s;
    return LYC_OK;
}

void lyc_picture_source_close(lyc_picture_source *s)
{
    if (s == NULL) {
        return;
    }
    lyc_loader_free(s->loader);
    lyc_loader_free(s->validation);
    lyc_data_close(s->data);
    lyc_free(s);
}

const lyc_data *lyc_picture_source_data(const lyc_picture_source *source)
{
    return source->data;
}

lyc_status lyc_picture_source_batch(const lyc_data_batch **out, lyc_picture_source *s, int64_t step, lyc_error *err)
{
    const int64_t count = (int64_t)lyc_epoch_batches(s->data, false);
    if (count == 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: all pictures are left out for measuring", s->options.image_dir);
    }
    if (s->next != step || step % count == 0) {
        LYC_TRY(lyc_loader_begin(s->loader, step / count + 1, (size_t)(step % count), step, 1, step + 1, err));
    }
    s->next = step + 1;
    return lyc_loader_next(out, s->loader, err);
}

lyc_status lyc_picture_source_validation(const lyc_data_batch **out, lyc_picture_source *s, size_t index,
                                         lyc_error *err)
{
    *out = NULL;
    if (index >= lyc_epoch_batches(s->data, true)) {
        return LYC_OK;
    }
    if (s->next_validation != index) {
        LYC_TRY(lyc_loader_begin(s->validation, 0, index, 0, 1, 1, err));
    }
    s->next_validation = index + 1;
    return lyc_loader_next(out, s->validation, err);
}
