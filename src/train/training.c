/* training.c - a training from options to its end
 *
 * Opening finds all that can be wrong and builds everything but the pictures' latents, which take long: the loop asks
 * for its first batch when it runs, and then they are encoded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/system_random.h"
#include "tool/output.h"
#include "train/simple.h"
#include "train/training_internal.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a training");
}

lyc_status lyc_training_note(lyc_training *t, lyc_error *err, const char *format, ...)
{
    char text[sizeof err->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (t->notice_count == t->notice_capacity) {
        const size_t wanted = t->notice_capacity * 2 + 16; /* fits: a few for each option and picture */
        const char **larger = lyc_realloc(t->notices, wanted * sizeof *larger);
        if (larger == NULL) {
            return no_memory(err);
        }
        t->notices = larger;
        t->notice_capacity = wanted;
    }
    t->notices[t->notice_count] = lyc_arena_text(&t->arena, text);
    return t->notices[t->notice_count++] != NULL ? LYC_OK : no_memory(err);
}

/* --- before the model ----------------------------------------------------------------------------------------------
 */

static lyc_status choose_seed(lyc_training *t, lyc_error *err)
{
    char text[24];
    lyc_train_options *o = &t->config->options;
    if (o->seed < 0) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)(lyc_system_random() >> 32));
        return lyc_train_config_give(t->config, lyc_train_option_find("seed"), text, LYC_FROM_USER, err);
    }
    return LYC_OK;
}

static lyc_status name_files(lyc_training *t)
{
    const lyc_train_options *o = &t->config->options;
    char stamp[32] = "";
    const time_t now = (time_t)t->started;
    struct tm local;
    if (localtime_r(&now, &local) != NULL) {
        strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S", &local);
    }
    t->files = (lyc_output_files){.folder = o->output_dir,
                                  .name = o->output_name,
                                  .folders = t->setup.native && !lyc_training_is_file(t->setup.model.model),
                                  .every_epochs = o->save_every_n_epochs,
                                  .every_steps = o->save_every_n_steps,
                                  .keep_epochs = o->save_last_n_epochs,
                                  .keep_steps = o->save_last_n_steps,
                                  .keep_epochs_state = o->save_last_n_epochs_state,
                                  .keep_steps_state = o->save_last_n_steps_state};
    t->log_path = lyc_arena_format(&t->arena, "%s/%s-log", o->output_dir, o->output_name);
    t->sampling.folder = lyc_arena_format(&t->arena, "%s/sample", o->output_dir);
    t->sampling.stamp = lyc_arena_text(&t->arena, stamp);
    const bool events = o->logging_dir != NULL && o->log_with != LYC_LOG_NOWHERE;
    t->event_folder = events ? lyc_arena_format(&t->arena, "%s/%s%s", o->logging_dir,
                                                o->log_prefix != NULL ? o->log_prefix : "", stamp)
                             : NULL;
    return t->log_path != NULL && t->sampling.folder != NULL && (!events || t->event_folder != NULL) ? LYC_OK
                                                                                                     : LYC_E_MEMORY;
}

/* A model that is a folder. */
static lyc_status check_folder(const lyc_tool_output_options *o, lyc_error *err)
{
    lyc_file_id id, input;
    if (lyc_file_id_of(&id, o->path, NULL) != LYC_OK) {
        return LYC_OK;
    }
    for (size_t i = 0; i < o->input_count; i++) {
        if (lyc_file_id_of(&input, o->inputs[i], NULL) == LYC_OK && lyc_file_id_equal(id, input)) {
            return lyc_fail(err, LYC_E_OUTPUT, "%s is the model that is trained: another output_name", o->path);
        }
    }
    return o->force ? LYC_OK : lyc_fail(err, LYC_E_OUTPUT, "%s is there; --force replaces it", o->path);
}

/* The last file and the first are looked for: an earlier run's are not replaced unless it goes on or is told to. */
static lyc_status check_output(const lyc_training *t, uint64_t bytes, lyc_error *err)
{
    const lyc_train_options *o = t->setup.options;
    const char *inputs[] = {o->pretrained_model_name_or_path, o->network_weights};
    const size_t input_count = o->network_weights != NULL ? 2 : 1;
    lyc_file_id id;
    lyc_strbuf path = {0};
    lyc_error own = {0};
    if (lyc_file_id_of(&id, o->output_dir, NULL) != LYC_OK) {
        const lyc_span parent = lyc_path_folder(o->output_dir);
        char *folder = lyc_arena_text_n((lyc_arena *)&t->arena, parent.text, parent.length);
        return folder == NULL ? no_memory(err)
               : folder[0] == '\0' || lyc_file_id_of(&id, folder, NULL) == LYC_OK
                   ? LYC_OK
                   : lyc_fail(err, LYC_E_OUTPUT, "output_dir %s: there is no folder %s", o->output_dir, folder);
    }
    const lyc_trainer_event events[] = {LYC_TRAINER_AT_END, LYC_TRAINER_AT_EPOCH, LYC_TRAINER_AT_STEP};
    const int64_t numbers[] = {0, o->save_every_n_epochs, o->save_every_n_steps};
    lyc_status status = LYC_OK;
    for (size_t i = 0; status == LYC_OK && i < 3; i++) {
        if (i > 0 && numbers[i] == 0) {
            continue;
        }
        lyc_strbuf_clear(&path);
        lyc_output_file(&path, &t->files, events[i], numbers[i]);
        status = lyc_strbuf_check(&path, "the name of a file", err);
        const lyc_tool_output_options options = {.path = path.text,
                                                 .force = o->force || o->resume != NULL || o->plan,
                                                 .inputs = inputs,
                                                 .input_count = input_count};
        if (status == LYC_OK && t->files.folders) {
            status = check_folder(&options, err);
        } else if (status == LYC_OK && lyc_tool_output_check(&options, 2 * bytes, &own) != LYC_OK) {
            status = lyc_fail(err, own.status, "%s", own.message);
        }
    }
    lyc_strbuf_clear(&path);
    return status;
}

/* --- the model and its data ----------------------------------------------------------------------------------------
 */

/* Without a resolution the one that the model was made for. */
static lyc_status choose_resolution(lyc_training *t, lyc_error *err)
{
    const lyc_train_options *o = t->setup.options;
    const int latent = lyc_component_unet(t->model->networks.unet)->sample_size;
    const bool told = lyc_train_config_source(t->config, "resolution") != LYC_FROM_STANDARD;
    char text[16];
    if (told || o->data.dataset_config != NULL) {
        return LYC_OK;
    }
    snprintf(text, sizeof text, "%d", latent > 0 ? latent * t->model->factor : t->model->networks.is_xl ? 1024 : 512);
    LYC_TRY(lyc_train_config_give(t->config, lyc_train_option_find("resolution"), text, LYC_FROM_USER, err));
    t->setup.data.dataset.resolution = o->data.dataset.resolution;
    return lyc_train_config_chose(t->config, err, "resolution %s: the model's", text);
}

/* The standard shortest side of buckets is for models of 512 pixels. */
static lyc_status choose_bucket_sides(lyc_training *t, lyc_error *err)
{
    const lyc_dataset_options *o = &t->setup.options->data.dataset;
    const long long side = o->resolution != NULL ? strtoll(o->resolution, NULL, 10) : 0;
    char text[24];
    if (lyc_train_config_source(t->config, "min_bucket_reso") != LYC_FROM_STANDARD || side < 1 ||
        side >= o->min_bucket_reso) {
        return LYC_OK;
    }
    const long long half = side / 2 / o->bucket_reso_steps * o->bucket_reso_steps;
    snprintf(text, sizeof text, "%lld", half > 0 ? half : (long long)o->bucket_reso_steps);
    LYC_TRY(lyc_train_config_give(t->config, lyc_train_option_find("min_bucket_reso"), text, LYC_FROM_USER, err));
    t->setup.data.dataset.min_bucket_reso = o->min_bucket_reso;
    return LYC_OK;
}

static lyc_status open_model(lyc_training *t, lyc_error *err)
{
    const lyc_train_options *o = t->setup.options;
    LYC_TRY(lyc_train_model_open(&t->model, &t->setup.model, err));
    const lyc_family family = lyc_checkpoint_family(t->model->checkpoint);
    if (o->v2 && family != LYC_FAMILY_SD2) {
        return lyc_fail(err, LYC_E_ARGUMENT, "--v2, but %s is %s", t->setup.model.model, lyc_family_name(family));
    }
    LYC_TRY(lyc_batch_noise_check(&t->setup.trainer.noise, &t->model->schedule, t->model->scheduler.prediction, err));
    if (o->zero_terminal_snr && t->model->scheduler.prediction != LYC_PREDICTION_V) {
        LYC_TRY(lyc_training_note(t, err, "zero_terminal_snr is for models that predict v; this one predicts epsilon"));
    }
    LYC_TRY(choose_resolution(t, err));
    return choose_bucket_sides(t, err);
}

static lyc_status open_data(lyc_training *t, lyc_error *err)
{
    const lyc_data_model needs = lyc_data_source_model(t->model);
    LYC_TRY(lyc_data_open(&t->data, &t->setup.data, &needs, &t->task, err));
    for (size_t i = 0; i < t->data->warning_count; i++) {
        LYC_TRY(lyc_training_note(t, err, "%s", t->data->warnings[i]));
    }
    return LYC_OK;
}

static lyc_status check_samples(lyc_training *t, lyc_error *err)
{
    const lyc_train_options *o = t->setup.options;
    if (o->sample_prompts == NULL) {
        return LYC_OK;
    }
    t->sampling.prompts = o->sample_prompts;
    t->sampling.name = o->output_name;
    t->sampling.task = &t->task;
    t->sampling.standard = lyc_train_sampling_standard(t->model);
    t->sampling.standard.sampler = o->sample_sampler;
    return lyc_train_sampling_check(&t->sampling, err);
}

/* --- batches -------------------------------------------------------------------------------------------------------
 */

static size_t count_batches(void *context, int64_t epoch, bool validation)
{
    const lyc_training *t = context;
    (void)epoch;
    return lyc_epoch_batches(t->data, validation);
}

static lyc_status begin_batches(void *context, int64_t epoch, bool validation, size_t first, int64_t step,
                                lyc_error *err)
{
    lyc_training *t = context;
    if (t->source == NULL) {
        const lyc_data_source_options options = {.gradient_accumulation_steps =
                                                     t->setup.trainer.gradient_accumulation_steps,
                                                 .max_train_steps = lyc_trainer_progress_get(t->trainer)->total_steps};
        LYC_TRY(lyc_data_source_new(&t->source, t->data, t->model, &options, &t->task, err));
    }
    const lyc_batch_source source = lyc_data_source_batches(t->source);
    return source.begin(source.context, epoch, validation, first, step, err);
}

static lyc_status next_batch(const lyc_trainer_batch **out, void *context, bool validation, lyc_error *err)
{
    const lyc_training *t = context;
    const lyc_batch_source source = lyc_data_source_batches(t->source);
    return source.next(out, source.context, validation, err);
}

static size_t largest_batch(const lyc_data *data)
{
    size_t largest = 1;
    for (size_t i = 0; i < data->dataset_count; i++) {
        const size_t size = (size_t)data->datasets[i].options.batch_size;
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* --- opening -------------------------------------------------------------------------------------------------------
 */

static lyc_status make_network(lyc_training *t, lyc_error *err)
{
    size_t left_out = 0;
    if (t->setup.native) {
        return LYC_OK;
    }
    LYC_TRY(lyc_network_args_parse(&t->args, t->setup.network_args, t->setup.network_arg_count, err));
    t->has_args = true;
    t->setup.trainer.rates.unet_plus_ratio = t->args.loraplus_unet_ratio;
    t->setup.trainer.rates.text_plus_ratio = t->args.loraplus_text_ratio;
    LYC_TRY(lyc_train_network_make(&t->network, &left_out, &t->setup, t->model, &t->args, largest_batch(t->data), err));
    return left_out > 0 ? lyc_training_note(t, err,
                                            "%s: %zu of its layers are not trained here and will not be in the "
                                            "result",
                                            t->setup.options->network_weights, left_out)
                        : LYC_OK;
}

/* So many files by epochs in all. */
static void choose_intervals(lyc_training *t)
{
    const lyc_train_options *o = t->setup.options;
    const int64_t steps = lyc_data_source_epoch_steps(t->data, o->gradient_accumulation_steps);
    const int64_t epochs = o->max_train_epochs > 0 ? o->max_train_epochs
                           : steps > 0             ? (o->max_train_steps + steps - 1) / steps
                                                   : 1;
    if (o->save_n_epoch_ratio > 0) {
        const int64_t every = epochs / o->save_n_epoch_ratio;
        t->setup.trainer.save_every_n_epochs = t->files.every_epochs = every > 0 ? every : 1;
    }
}

static lyc_status make_trainer(lyc_training *t, lyc_error *err)
{
    const lyc_train_options *o = t->setup.options;
    const lyc_batch_source source = {count_batches, begin_batches, next_batch, t, t->data->fingerprint};
    const lyc_trainer_hooks hooks = lyc_training_hooks(t);
    choose_intervals(t);
    t->setup.trainer.log_path = t->log_path;
    t->setup.trainer.event_folder = t->event_folder;
    LYC_TRY(lyc_trainer_new(&t->trainer, t->model, t->network, &t->setup.trainer, &source, &hooks, err));
    return o->resume != NULL ? lyc_trainer_resume(t->trainer, o->resume, o->resume_anyway, err) : LYC_OK;
}

static lyc_status open_all(lyc_training *t, lyc_error *err)
{
    t->started = lyc_train_time();
    LYC_TRY(lyc_train_simple_choose(t->config, err));
    LYC_TRY(choose_seed(t, err));
    LYC_TRY(lyc_train_setup_make(&t->setup, t->config, err));
    LYC_TRY(name_files(t) == LYC_OK ? LYC_OK : no_memory(err));
    LYC_TRY(check_output(t, 0, err));
    LYC_TRY(open_model(t, err));
    LYC_TRY(open_data(t, err));
    LYC_TRY(check_samples(t, err));
    LYC_TRY(make_network(t, err));
    LYC_TRY(make_trainer(t, err));
    LYC_TRY(lyc_training_make_plan(t, err));
    return check_output(t, t->plan.file_bytes, err);
}

lyc_status lyc_training_open(lyc_training **out, lyc_train_config *config, const lyc_train_hooks *hooks,
                             const lyc_task *task, lyc_error *err)
{
    lyc_training *t = lyc_alloc_zero(1, sizeof *t);
    if (t == NULL) {
        return no_memory(err);
    }
    t->config = config;
    t->hooks = hooks != NULL ? *hooks : (lyc_train_hooks){0};
    t->task = task != NULL ? *task : (lyc_task){0};
    const lyc_status status = open_all(t, err);
    if (status != LYC_OK) {
        lyc_training_close(t);
        return status;
    }
    *out = t;
    return LYC_OK;
}

void lyc_training_close(lyc_training *t)
{
    if (t == NULL) {
        return;
    }
    lyc_trainer_free(t->trainer);
    lyc_data_source_free(t->source);
    lyc_network_free(t->network);
    if (t->has_args) {
        lyc_network_args_clear(&t->args);
    }
    lyc_data_close(t->data);
    lyc_train_model_close(t->model);
    lyc_train_setup_clear(&t->setup);
    lyc_strbuf_clear(&t->state);
    lyc_free(t->notices);
    lyc_arena_clear(&t->arena);
    lyc_free(t);
}

/* --- running -------------------------------------------------------------------------------------------------------
 */

lyc_status lyc_training_run(const char **state, lyc_training *t, lyc_error *err)
{
    *state = NULL;
    if (t->setup.options->minutes > 0 && t->plan.seconds_per_step <= 0) {
        LYC_TRY(lyc_training_measure(t, err));
    }
    LYC_TRY(lyc_path_make_folder(t->files.folder, err));
    if (t->event_folder != NULL) {
        LYC_TRY(lyc_path_make_folder(t->setup.options->logging_dir, err));
    }
    LYC_TRY(lyc_trainer_run(t->trainer, err));
    *state = lyc_trainer_finished(t->trainer) ? NULL : lyc_strbuf_text(&t->state);
    return LYC_OK;
}
