/* training_plan.c - what a training is going to do, and how long it takes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/dtype.h"
#include "train/training_internal.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the plan of a training");
}

/* --- lists ---------------------------------------------------------------------------------------------------------
 */

static lyc_status list_buckets(lyc_training *t, lyc_error *err)
{
    size_t count = 0;
    for (size_t d = 0; d < t->data->dataset_count; d++) {
        count += t->data->datasets[d].bucket_count;
    }
    lyc_train_bucket *buckets = lyc_arena_alloc(&t->arena, count + 1, sizeof *buckets);
    if (buckets == NULL) {
        return no_memory(err);
    }
    for (size_t d = 0; d < t->data->dataset_count; d++) {
        const lyc_dataset *set = &t->data->datasets[d];
        for (size_t i = 0; i < set->bucket_count; i++) {
            const lyc_data_bucket *b = &set->buckets[i];
            buckets[t->plan.bucket_count++] =
                (lyc_train_bucket){.width = b->size.width, .height = b->size.height, .count = b->count};
        }
    }
    t->plan.buckets = buckets;
    return LYC_OK;
}

static bool has_rank(const lyc_adapter *a)
{
    return (a->algorithm->common & LYC_ADAPTER_RANK) != 0;
}

/* 0: the algorithm has none, or the factors are whole here. */
static int64_t rank_of(const lyc_adapter *a)
{
    const bool whole = lyc_adapter_param_find(a, "lokr_w2") != NULL;
    return has_rank(a) && !whole ? ((const lyc_adapter_config *)a->config)->rank : 0;
}

static lyc_status list_layers(lyc_training *t, lyc_error *err)
{
    const size_t count = t->network != NULL ? lyc_network_entry_count(t->network, 0) : 0;
    lyc_train_layer *layers = lyc_arena_alloc(&t->arena, count + 1, sizeof *layers);
    if (layers == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const lyc_network_entry *e = lyc_network_entry_at(t->network, 0, i);
        const lyc_adapter *a = e->adapter;
        layers[i] = (lyc_train_layer){.name = e->key,
                                      .component = e->component,
                                      .algorithm = a->algorithm->name,
                                      .weight = a->target.weight,
                                      .rank = rank_of(a),
                                      .parameters = lyc_adapter_parameter_count(a)};
    }
    t->plan.layers = layers;
    t->plan.layer_count = count;
    return LYC_OK;
}

/* --- factors of LoKr -----------------------------------------------------------------------------------------------
 */

/* Parameters of the same layers with another factor. */
static lyc_status count_with_factor(int64_t *parameters, const lyc_training *t, int64_t factor, lyc_error *err)
{
    lyc_network_args args;
    lyc_selection selection;
    char text[32];
    const size_t count = t->setup.network_arg_count;
    const char **texts = lyc_alloc_zero(count + 1, sizeof *texts);
    if (texts == NULL) {
        return no_memory(err);
    }
    memcpy(texts, t->setup.network_args, count * sizeof *texts); /* fits: they are in memory */
    snprintf(text, sizeof text, "factor=%lld", (long long)factor);
    texts[count] = text;
    lyc_status status = lyc_network_args_parse(&args, texts, count + 1, err);
    lyc_free(texts);
    LYC_TRY(status);
    status = lyc_train_network_select(&selection, &t->setup, t->model, &args, err);
    *parameters = 0;
    for (size_t i = 0; status == LYC_OK && i < selection.count; i++) {
        const lyc_selected_layer *layer = &selection.layers[i];
        const lyc_network_entry *e = lyc_network_find(t->network, 0, layer->inventory->component, layer->entry->name);
        lyc_adapter *a = NULL;
        if (e != NULL) {
            status = lyc_adapter_new(&a, layer->algorithm, layer->key, &e->adapter->target, layer->settings,
                                     layer->count, err);
            *parameters += status == LYC_OK ? lyc_adapter_parameter_count(a) : 0;
            lyc_adapter_free(a);
        }
    }
    lyc_selection_clear(&selection);
    lyc_network_args_clear(&args);
    return status;
}

static lyc_status list_factors(lyc_training *t, lyc_error *err)
{
    static const int64_t factors[] = {-1, 4, 8, 12, 16, 24, 32};
    enum { COUNT = sizeof factors / sizeof factors[0] };
    if (t->network == NULL || strcmp(t->args.algorithm->name, "lokr") != 0 || t->setup.options->dim_from_weights) {
        return LYC_OK;
    }
    lyc_train_factor *rows = lyc_arena_alloc(&t->arena, COUNT, sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < COUNT; i++) {
        rows[i].factor = factors[i];
        LYC_TRY(count_with_factor(&rows[i].parameters, t, factors[i], err));
    }
    t->plan.factors = rows;
    t->plan.factor_count = COUNT;
    return LYC_OK;
}

/* --- what looks wrong ----------------------------------------------------------------------------------------------
 */

static lyc_status note_ranks(lyc_training *t, lyc_error *err)
{
    size_t large = 0, full = 0;
    const char *first = NULL;
    for (size_t i = 0; i < t->plan.layer_count; i++) {
        const lyc_adapter *a = lyc_network_entry_at(t->network, 0, i)->adapter;
        const int64_t columns = a->in * a->kernel;
        const int64_t smaller = a->out < columns ? a->out : columns;
        const bool product = strcmp(a->algorithm->name, "lora") == 0 || strcmp(a->algorithm->name, "locon") == 0;
        const bool is_large = product && t->plan.layers[i].rank > smaller;
        first = is_large && large == 0 ? t->plan.layers[i].name : first;
        large += is_large;
        full += strcmp(a->algorithm->name, "lokr") == 0 && lyc_adapter_param_find(a, "lokr_w1") != NULL &&
                lyc_adapter_param_find(a, "lokr_w2") != NULL;
    }
    if (large > 0) {
        LYC_TRY(lyc_training_note(t, err,
                                  "network_dim is larger than the smaller side of %zu layers (%s ...), where a "
                                  "full difference would be smaller",
                                  large, first));
    }
    return full > 0 && lyc_train_config_source(t->config, "network_alpha") > LYC_FROM_CHOICE
               ? lyc_training_note(t, err,
                                   "network_alpha has no effect in %zu of %zu layers: LoKr's factors are not "
                                   "decomposed there",
                                   full, t->plan.layer_count)
               : LYC_OK;
}

static lyc_status note_steps(lyc_training *t, lyc_error *err)
{
    const lyc_train_options *o = t->setup.options;
    const double total = (double)t->plan.total_steps;
    if (o->lr_warmup_steps >= 1 && o->lr_warmup_steps >= total && o->minutes <= 0) {
        LYC_TRY(lyc_training_note(t, err, "lr_warmup_steps %g of %lld steps: the full rate is never reached",
                                  o->lr_warmup_steps, (long long)t->plan.total_steps));
    }
    if (o->save_every_n_steps > t->plan.total_steps) {
        LYC_TRY(lyc_training_note(t, err, "save_every_n_steps %lld of %lld steps: only the last file is written",
                                  (long long)o->save_every_n_steps, (long long)t->plan.total_steps));
    }
    return LYC_OK;
}

/* --- the plan ------------------------------------------------------------------------------------------------------
 */

static void fill_counts(lyc_training *t)
{
    const lyc_data *data = t->data;
    const lyc_train_progress *p = lyc_trainer_progress_get(t->trainer);
    lyc_train_plan *plan = &t->plan;
    plan->family = lyc_family_name(lyc_checkpoint_family(t->model->checkpoint));
    plan->prediction = t->model->scheduler.prediction == LYC_PREDICTION_V ? "v_prediction" : "epsilon";
    plan->optimizer = t->setup.trainer.optimizer;
    plan->images = data->training_images;
    plan->uses = data->training_uses;
    plan->regularisation_images = data->regularisation_images;
    plan->validation_images = data->validation_images;
    plan->batch_size = data->datasets[0].options.batch_size;
    plan->batches_per_epoch = (int64_t)lyc_epoch_batches(data, false);
    plan->steps_per_epoch = lyc_trainer_steps_per_epoch(t->trainer);
    plan->epochs = p->epochs;
    plan->total_steps = p->total_steps;
    plan->seed = t->setup.trainer.seed;
    plan->parameters = lyc_trainer_trainables(t->trainer)->numbers;
    plan->file_bytes = (uint64_t)plan->parameters * (uint64_t)lyc_dtype_bits(t->setup.save_dtype) / 8;
}

lyc_status lyc_training_make_plan(lyc_training *t, lyc_error *err)
{
    fill_counts(t);
    LYC_TRY(list_buckets(t, err));
    LYC_TRY(list_layers(t, err));
    LYC_TRY(list_factors(t, err));
    LYC_TRY(note_ranks(t, err));
    return note_steps(t, err);
}

const lyc_train_plan *lyc_training_plan(const lyc_training *training)
{
    lyc_training *t = (lyc_training *)training; /* the list may have moved */
    t->plan.notices = t->notices;
    t->plan.notice_count = t->notice_count;
    return &t->plan;
}

/* --- measuring -----------------------------------------------------------------------------------------------------
 */

/* A batch of nothing, of the size that most pictures have. */
static lyc_status time_step(lyc_training *t, const lyc_train_bucket *bucket, lyc_error *err)
{
    const lyc_train_model *m = t->model;
    const int64_t n = t->plan.batch_size, h = bucket->height / m->factor, w = bucket->width / m->factor;
    float *latents = lyc_alloc_zero((size_t)(n * h * w * m->channels), sizeof *latents);
    float *sizes = lyc_alloc_zero((size_t)n * 6, sizeof *sizes);
    const char **captions = lyc_alloc_zero((size_t)n, sizeof *captions);
    lyc_status status = latents != NULL && sizes != NULL && captions != NULL ? LYC_OK : no_memory(err);
    for (int64_t i = 0; status == LYC_OK && i < n; i++) {
        captions[i] = "";
    }
    if (status == LYC_OK) {
        const lyc_trainer_batch batch = {.n = n,
                                         .h = h,
                                         .w = w,
                                         .latents = latents,
                                         .captions = captions,
                                         .sizes = m->networks.is_xl ? sizes : NULL};
        status = lyc_trainer_time_step(&t->plan.seconds_per_step, t->trainer, &batch, err);
    }
    lyc_free(latents);
    lyc_free(sizes);
    lyc_free(captions);
    return status;
}

/* As many steps as fit; written into the options, so that going on means the same number. */
static lyc_status choose_steps(lyc_training *t, lyc_error *err)
{
    const lyc_train_options *o = t->setup.options;
    char text[32];
    if (o->minutes <= 0) {
        return LYC_OK;
    }
    const double fitting = floor(o->minutes * 60 / t->plan.seconds_per_step);
    const int64_t steps = fitting < 1 ? 1 : fitting > 1e9 ? 1000000000 : (int64_t)fitting;
    snprintf(text, sizeof text, "%lld", (long long)steps);
    LYC_TRY(lyc_train_config_give(t->config, lyc_train_option_find("max_train_steps"), text, LYC_FROM_USER, err));
    LYC_TRY(lyc_train_config_give(t->config, lyc_train_option_find("max_train_epochs"), "0", LYC_FROM_USER, err));
    LYC_TRY(lyc_train_config_give(t->config, lyc_train_option_find("minutes"), "0", LYC_FROM_USER, err));
    LYC_TRY(lyc_trainer_set_steps(t->trainer, steps, err));
    fill_counts(t);
    return note_steps(t, err);
}

lyc_status lyc_training_measure(lyc_training *t, lyc_error *err)
{
    size_t largest = 0;
    for (size_t i = 1; i < t->plan.bucket_count; i++) {
        if (t->plan.buckets[i].count > t->plan.buckets[largest].count) {
            largest = i;
        }
    }
    if (t->plan.bucket_count == 0) {
        return LYC_OK;
    }
    LYC_TRY(time_step(t, &t->plan.buckets[largest], err));
    t->plan.memory_bytes = lyc_trainer_bytes(t->trainer);
    return choose_steps(t, err);
}
