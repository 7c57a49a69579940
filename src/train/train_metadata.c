/* train_metadata.c - what a trained file says of itself
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/train_metadata.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/string.h"
#include "lycoris/version.h"

enum { MOST_ENTRIES = 128, VALUE = 64 };

double lyc_train_time(void)
{
    const char *given = getenv("SOURCE_DATE_EPOCH");
    char *end = NULL;
    const long long seconds = given != NULL ? strtoll(given, &end, 10) : 0;
    return given != NULL && end != given && *end == '\0' ? (double)seconds : lyc_clock_unix_s();
}

/* --- entries -------------------------------------------------------------------------------------------------------
 */

static void add(lyc_train_metadata *m, const char *key, const char *value)
{
    const char *copy = value != NULL && m->count < MOST_ENTRIES ? lyc_arena_text(&m->arena, value) : NULL;
    if (copy == NULL) {
        m->failed = true;
        return;
    }
    m->entries[m->count++] =
        (lyc_metadata_entry){.key = key, .key_length = strlen(key), .value = copy, .value_length = strlen(copy)};
}

static void add_text(lyc_train_metadata *m, const char *key, const char *value)
{
    add(m, key, value != NULL && value[0] != '\0' ? value : "None");
}

static void add_bool(lyc_train_metadata *m, const char *key, bool value)
{
    add(m, key, value ? "True" : "False");
}

static void add_int(lyc_train_metadata *m, const char *key, int64_t value)
{
    char text[VALUE];
    snprintf(text, sizeof text, "%" PRId64, value);
    add(m, key, text);
}

/* 1.0, not 1: as Python prints a float. */
static const char *float_text(char text[VALUE], double value)
{
    char number[LYC_NUMBER];
    if (fabs(value) < 1e15 && floor(value) >= value) {
        snprintf(text, VALUE, "%.1f", value);
    } else {
        snprintf(text, VALUE, "%s", lyc_number_format(number, value));
    }
    return text;
}

static void add_float(lyc_train_metadata *m, const char *key, double value)
{
    char text[VALUE];
    add(m, key, float_text(text, value));
}

/* Options that are switched off by 0, which sd-scripts calls None. */
static void add_int_or_none(lyc_train_metadata *m, const char *key, int64_t value)
{
    if (value == 0) {
        add(m, key, "None");
    } else {
        add_int(m, key, value);
    }
}

static void add_float_or_none(lyc_train_metadata *m, const char *key, double value)
{
    if (value > 0 || value < 0) {
        add_float(m, key, value);
    } else {
        add(m, key, "None");
    }
}

static int append(const char *text, size_t size, void *out)
{
    lyc_strbuf_append_n(out, text, size);
    return 0;
}

/* Takes the tree over. */
static void add_json(lyc_train_metadata *m, const char *key, json_t *tree)
{
    lyc_strbuf text = {0};
    const bool written = tree != NULL && json_dump_callback(tree, append, &text, JSON_COMPACT) == 0 && !text.failed;
    add(m, key, written ? lyc_strbuf_text(&text) : NULL);
    lyc_strbuf_clear(&text);
    json_decref(tree);
}

/* --- the network ---------------------------------------------------------------------------------------------------
 */

static const char *base_version(const lyc_train_model *model)
{
    const bool v = model->scheduler.prediction == LYC_PREDICTION_V;
    switch (lyc_checkpoint_family(model->checkpoint)) {
    case LYC_FAMILY_SDXL:
        return "sdxl_base_v1-0";
    case LYC_FAMILY_SD2:
        return v ? "sd_v2_v" : "sd_v2";
    default:
        return v ? "sd_v1_v" : "sd_v1";
    }
}

/* All that was said of the adapters, with what follows from other options. */
static json_t *network_arguments(const lyc_train_setup *s, const lyc_network_args *args)
{
    json_t *tree = json_object();
    for (size_t i = 0; i < s->network_arg_count; i++) {
        const char *text = s->network_args[i];
        const char *equals = strchr(text, '=');
        char name[VALUE];
        if (equals == NULL || (size_t)(equals - text) >= sizeof name) {
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
        if (strcmp(name, "network_dim") != 0 && strcmp(name, "network_alpha") != 0) {
            json_object_set_new(tree, name, json_string(equals + 1));
        }
    }
    json_object_set_new(tree, "algo", json_string(args->algorithm->name));
    json_object_set_new(tree, "preset", json_string(args->preset));
    return tree;
}

static void add_network(lyc_train_metadata *m, const lyc_train_facts *f)
{
    const lyc_train_options *o = f->setup->options;
    add(m, "ss_v2", lyc_checkpoint_family(f->model->checkpoint) == LYC_FAMILY_SD2 ? "True" : "False");
    add(m, "ss_base_model_version", base_version(f->model));
    if (f->setup->native) {
        return;
    }
    add(m, "ss_network_module", o->network_module);
    add_int(m, "ss_network_dim", f->args->rank);
    add_float(m, "ss_network_alpha", f->args->alpha);
    add_json(m, "ss_network_args", network_arguments(f->setup, f->args));
    add_float_or_none(m, "ss_network_dropout", o->network_dropout);
}

/* --- the data ------------------------------------------------------------------------------------------------------
 */

static json_t *bucket_info(const lyc_data *data)
{
    json_t *buckets = json_object();
    size_t number = 0;
    double error = 0;
    for (size_t d = 0; d < data->dataset_count; d++) {
        error += data->datasets[d].mean_ratio_error / (double)data->dataset_count;
        for (size_t i = 0; i < data->datasets[d].bucket_count; i++) {
            const lyc_data_bucket *b = &data->datasets[d].buckets[i];
            char name[VALUE];
            snprintf(name, sizeof name, "%zu", number++);
            json_object_set_new(
                buckets, name,
                json_pack("{s[ii]sI}", "resolution", b->size.width, b->size.height, "count", (json_int_t)b->count));
        }
    }
    return json_pack("{sosf}", "buckets", buckets, "mean_img_ar_error", error);
}

static json_t *folders(const lyc_data *data, bool regularisation)
{
    json_t *tree = json_object();
    for (size_t i = 0; i < data->subset_count; i++) {
        const lyc_data_subset *s = &data->subsets[i];
        if (s->options.is_reg == regularisation) {
            json_object_set_new(
                tree, s->name,
                json_pack("{sIsI}", "n_repeats", (json_int_t)s->repeats, "img_count", (json_int_t)s->count));
        }
    }
    return tree;
}

static lyc_status tags(json_t **out, const lyc_data *data, lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_status status = LYC_OK;
    *out = json_object();
    for (size_t i = 0; status == LYC_OK && i < data->subset_count; i++) {
        lyc_tag_count *counts = NULL;
        size_t count = 0;
        status = lyc_data_tags(&counts, &count, &arena, data, i, err);
        json_t *tree = json_object();
        for (size_t k = 0; status == LYC_OK && k < count; k++) {
            json_object_set_new(tree, counts[k].tag, json_integer((json_int_t)counts[k].count));
        }
        json_object_set_new(*out, data->subsets[i].name, tree);
    }
    lyc_arena_clear(&arena);
    return status;
}

static json_t *dataset_description(const lyc_data *data, size_t index)
{
    const lyc_dataset *d = &data->datasets[index];
    const lyc_dataset_options *o = &d->options;
    json_t *subsets = json_array();
    for (size_t i = 0; i < data->subset_count; i++) {
        const lyc_data_subset *s = &data->subsets[i];
        const lyc_caption_options *c = &s->options.caption;
        if (s->dataset == index) {
            json_array_append_new(
                subsets, json_pack("{sI sI sb sb sb sb sI sf sf ss? ss sb}", "img_count", (json_int_t)s->count,
                                   "num_repeats", (json_int_t)s->repeats, "color_aug", (int)s->options.color_aug,
                                   "flip_aug", (int)s->options.flip_aug, "random_crop", (int)s->options.random_crop,
                                   "shuffle_caption", (int)c->shuffle_caption, "keep_tokens",
                                   (json_int_t)c->keep_tokens, "caption_dropout_rate", c->caption_dropout_rate,
                                   "caption_tag_dropout_rate", c->caption_tag_dropout_rate, "class_tokens",
                                   s->options.class_tokens, "image_dir", s->name, "is_reg", (int)s->options.is_reg));
        }
    }
    return json_pack("{sI ss? sb sI sI sI sb so}", "batch_size_per_device", (json_int_t)o->batch_size, "resolution",
                     o->resolution, "enable_bucket", (int)o->enable_bucket, "min_bucket_reso",
                     (json_int_t)o->min_bucket_reso, "max_bucket_reso", (json_int_t)o->max_bucket_reso,
                     "bucket_reso_steps", (json_int_t)o->bucket_reso_steps, "bucket_no_upscale",
                     (int)o->bucket_no_upscale, "subsets", subsets);
}

static void add_captions(lyc_train_metadata *m, const lyc_subset_options *o)
{
    const lyc_caption_options *c = &o->caption;
    add_bool(m, "ss_shuffle_caption", c->shuffle_caption);
    add_int(m, "ss_keep_tokens", c->keep_tokens);
    add_float(m, "ss_caption_dropout_rate", c->caption_dropout_rate);
    add_int(m, "ss_caption_dropout_every_n_epochs", c->caption_dropout_every_n_epochs);
    add_float(m, "ss_caption_tag_dropout_rate", c->caption_tag_dropout_rate);
    add_bool(m, "ss_color_aug", o->color_aug);
    add_bool(m, "ss_flip_aug", o->flip_aug);
    add_bool(m, "ss_random_crop", o->random_crop);
    add(m, "ss_face_crop_aug_range", "None");
}

static lyc_status add_data(lyc_train_metadata *m, const lyc_train_facts *f, lyc_error *err)
{
    const lyc_data *data = f->data;
    const lyc_dataset_options *o = &data->datasets[0].options;
    json_t *frequency = NULL;
    json_t *all = json_array();
    LYC_TRY(tags(&frequency, data, err));
    add_json(m, "ss_tag_frequency", frequency);
    add_int(m, "ss_num_train_images", data->training_uses);
    add_int(m, "ss_num_reg_images", data->regularisation_uses);
    add_int(m, "ss_num_validation_images", data->validation_images);
    add_int(m, "ss_batch_size_per_device", o->batch_size);
    add_int(m, "ss_total_batch_size", o->batch_size);
    add_text(m, "ss_resolution", o->resolution);
    add_bool(m, "ss_enable_bucket", o->enable_bucket);
    add_bool(m, "ss_bucket_no_upscale", o->bucket_no_upscale);
    add_int(m, "ss_min_bucket_reso", o->min_bucket_reso);
    add_int(m, "ss_max_bucket_reso", o->max_bucket_reso);
    add_json(m, "ss_bucket_info", bucket_info(data));
    add_json(m, "ss_dataset_dirs", folders(data, false));
    add_json(m, "ss_reg_dataset_dirs", folders(data, true));
    for (size_t i = 0; i < data->dataset_count; i++) {
        json_array_append_new(all, dataset_description(data, i));
    }
    add_json(m, "ss_datasets", all);
    add_captions(m, &data->options.subset);
    add_float(m, "ss_prior_loss_weight", data->options.prior_loss_weight);
    add_bool(m, "ss_cache_latents", data->options.cache_latents || data->options.cache_latents_to_disk);
    return LYC_OK;
}

/* --- how it was trained --------------------------------------------------------------------------------------------
 */

static const char *optimizer_text(lyc_train_metadata *m, const lyc_train_setup *s)
{
    lyc_strbuf text = {0};
    lyc_strbuf_append(&text, s->trainer.optimizer);
    for (size_t i = 0; i < s->trainer.optimizer_arg_count; i++) {
        lyc_strbuf_format(&text, "%s%s", i == 0 ? "(" : ",", s->trainer.optimizer_args[i]);
    }
    lyc_strbuf_append(&text, s->trainer.optimizer_arg_count > 0 ? ")" : "");
    const char *copy = lyc_arena_text(&m->arena, lyc_strbuf_text(&text));
    lyc_strbuf_clear(&text);
    return copy;
}

static void add_rates(lyc_train_metadata *m, const lyc_train_facts *f)
{
    const lyc_train_setup *s = f->setup;
    const lyc_train_options *o = s->options;
    add_float(m, "ss_learning_rate", o->learning_rate);
    if (o->unet_lr >= 0) {
        add_float(m, "ss_unet_lr", o->unet_lr);
    } else {
        add(m, "ss_unet_lr", "None");
    }
    add_text(m, "ss_text_encoder_lr", o->text_encoder_lr.count > 0 ? o->text_encoder_lr.items[0] : NULL);
    add(m, "ss_optimizer", optimizer_text(m, s));
    add(m, "ss_lr_scheduler", o->lr_scheduler);
    add_float(m, "ss_lr_warmup_steps", o->lr_warmup_steps);
    add_float(m, "ss_max_grad_norm", o->max_grad_norm);
    add_float_or_none(m, "ss_scale_weight_norms", o->scale_weight_norms);
    add_int(m, "ss_gradient_accumulation_steps", o->gradient_accumulation_steps);
    add_bool(m, "ss_gradient_checkpointing", o->gradient_checkpointing);
    add_int_or_none(m, "ss_clip_skip", o->clip_skip);
    add_int_or_none(m, "ss_max_token_length", o->max_token_length);
}

static void add_noise(lyc_train_metadata *m, const lyc_train_options *o)
{
    static const char *const losses[] = {"l2", "l1", "huber", "smooth_l1", "smooth_l1_beta"};
    static const char *const huber_schedules[] = {"constant", "exponential", "snr"};
    add_float_or_none(m, "ss_noise_offset", o->noise_offset);
    add_bool(m, "ss_noise_offset_random_strength", o->noise_offset_random_strength);
    add_float_or_none(m, "ss_adaptive_noise_scale", o->adaptive_noise_scale);
    add_int_or_none(m, "ss_multires_noise_iterations", o->multires_noise_iterations);
    add_float(m, "ss_multires_noise_discount", o->multires_noise_discount);
    add_float_or_none(m, "ss_ip_noise_gamma", o->ip_noise_gamma);
    add_bool(m, "ss_ip_noise_gamma_random_strength", o->ip_noise_gamma_random_strength);
    add_float_or_none(m, "ss_min_snr_gamma", o->min_snr_gamma);
    add_bool(m, "ss_zero_terminal_snr", o->zero_terminal_snr);
    add_bool(m, "ss_debiased_estimation", o->debiased_estimation_loss);
    add(m, "ss_loss_type", losses[o->loss_type]);
    add(m, "ss_huber_schedule", huber_schedules[o->huber_schedule]);
    add_float(m, "ss_huber_c", o->huber_c);
    add_float(m, "ss_huber_scale", o->huber_scale);
}

static void add_precision(lyc_train_metadata *m, const lyc_train_options *o)
{
    static const char *const names[] = {"no", "fp16", "bf16"};
    add(m, "ss_mixed_precision", names[o->mixed_precision]);
    add_bool(m, "ss_full_fp16", o->full_fp16);
    add_bool(m, "ss_fp8_base", false);
    add_bool(m, "ss_lowram", false);
    add_int(m, "ss_seed", o->seed);
}

static void add_progress(lyc_train_metadata *m, const lyc_train_facts *f)
{
    const lyc_train_progress *p = f->progress;
    const lyc_train_options *o = f->setup->options;
    add_int(m, "ss_epoch", p->epoch);
    add_int(m, "ss_steps", p->step);
    add_int(m, "ss_num_epochs", p->epochs);
    add_int(m, "ss_max_train_steps", p->total_steps);
    add_int(m, "ss_num_batches_per_epoch", f->batches_per_epoch);
    add_float(m, "ss_training_started_at", f->started);
    add_float(m, "ss_training_finished_at", lyc_train_time());
    add_int(m, "ss_session_id", (int64_t)(f->data->fingerprint % 4294967296U) ^ (o->seed % 4294967296));
    add_text(m, "ss_output_name", o->output_name);
    add_text(m, "ss_training_comment", o->training_comment);
    add_float(m, "ss_validation_split", o->data.dataset.validation_split);
}

/* --- the model -----------------------------------------------------------------------------------------------------
 */

static void add_base(lyc_train_metadata *m, const lyc_train_facts *f)
{
    const lyc_train_model_options *o = &f->model->options;
    add(m, "ss_sd_model_name", lyc_path_name(o->model).text);
    add_text(m, "ss_vae_name", o->vae != NULL ? lyc_path_name(o->vae).text : NULL);
    if (f->model_hashes != NULL) {
        add(m, "ss_sd_model_hash", f->model_hashes->legacy);
        add(m, "ss_new_sd_model_hash", f->model_hashes->sha256);
    }
}

static void add_given(lyc_train_metadata *m, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        add(m, key, value);
    }
}

static void add_modelspec(lyc_train_metadata *m, const lyc_train_facts *f)
{
    const lyc_train_options *o = f->setup->options;
    const lyc_family family = lyc_checkpoint_family(f->model->checkpoint);
    const bool v = f->model->scheduler.prediction == LYC_PREDICTION_V;
    const char *architecture = family == LYC_FAMILY_SDXL  ? "stable-diffusion-xl-v1-base"
                               : family == LYC_FAMILY_SD2 ? v ? "stable-diffusion-v2-768-v" : "stable-diffusion-v2-512"
                                                          : "stable-diffusion-v1";
    char text[2 * VALUE];
    const time_t now = (time_t)lyc_train_time();
    struct tm utc;
    add(m, "modelspec.sai_model_spec", "1.0.1");
    snprintf(text, sizeof text, "%s%s", architecture, f->setup->native ? "" : "/lora");
    add(m, "modelspec.architecture", text);
    add(m, "modelspec.implementation", "https://github.com/Stability-AI/generative-models");
    add(m, "modelspec.title", o->metadata_title != NULL ? o->metadata_title : o->output_name);
    if (gmtime_r(&now, &utc) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc) > 0) {
        add(m, "modelspec.date", text);
    }
    add(m, "modelspec.resolution",
        family == LYC_FAMILY_SDXL       ? "1024x1024"
        : v && family == LYC_FAMILY_SD2 ? "768x768"
                                        : "512x512");
    add(m, "modelspec.prediction_type", v ? "v" : "epsilon");
    add_given(m, "modelspec.author", o->metadata_author);
    add_given(m, "modelspec.description", o->metadata_description);
    add_given(m, "modelspec.license", o->metadata_license);
    add_given(m, "modelspec.tags", o->metadata_tags);
    if (f->model->options.clip_skip > 1) {
        snprintf(text, sizeof text, "%d", f->model->options.clip_skip);
        add(m, "modelspec.encoder_layer", text);
    }
}

static lyc_status fill(lyc_train_metadata *m, const lyc_train_facts *f, lyc_error *err)
{
    add_network(m, f);
    if (!f->setup->options->no_metadata) {
        add_base(m, f);
        LYC_TRY(add_data(m, f, err));
        add_rates(m, f);
        add_noise(m, f->setup->options);
        add_precision(m, f->setup->options);
        add_progress(m, f);
        add_modelspec(m, f);
        add(m, "ss_sd_scripts_commit_hash", "lycoris " LYCORIS_VERSION);
    }
    return m->failed ? lyc_fail(err, LYC_E_MEMORY, "no memory for the metadata of a file") : LYC_OK;
}

lyc_status lyc_train_metadata_make(lyc_train_metadata *out, const lyc_train_facts *facts, lyc_error *err)
{
    *out = (lyc_train_metadata){0};
    out->entries = lyc_arena_alloc(&out->arena, MOST_ENTRIES, sizeof *out->entries);
    const lyc_status status = out->entries != NULL
                                  ? fill(out, facts, err)
                                  : lyc_fail(err, LYC_E_MEMORY, "no memory for the metadata of a file");
    if (status != LYC_OK) {
        lyc_train_metadata_clear(out);
    }
    return status;
}

void lyc_train_metadata_clear(lyc_train_metadata *metadata)
{
    lyc_arena_clear(&metadata->arena);
    *metadata = (lyc_train_metadata){0};
}
