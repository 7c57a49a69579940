/* training_output.c - what a run writes: adapters or models, states, pictures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapter/network_save.h"
#include "train/model_save.h"
#include "train/training_internal.h"

/* --- files ---------------------------------------------------------------------------------------------------------
 */

bool lyc_training_is_file(const char *path)
{
    const size_t length = strlen(path);
    return length > 12 && strcmp(path + length - 12, ".safetensors") == 0;
}

/* Once in a run: a large file takes seconds. */
static lyc_status hash_model(lyc_training *t, lyc_error *err)
{
    const char *path = t->setup.model.model;
    if (t->hashed || t->setup.options->no_metadata || !lyc_training_is_file(path)) {
        return LYC_OK;
    }
    const lyc_status status = lyc_inspect_hashes(&t->model_hashes, path, NULL, NULL, err);
    t->hashed = true;
    t->has_model_hashes = status == LYC_OK;
    return status;
}

static lyc_status write_file(lyc_training *t, const char *path, const lyc_train_metadata *m, lyc_error *err)
{
    if (t->setup.native) {
        const lyc_model_save_options options = {.as_stored = t->setup.save_as_stored,
                                                .dtype = t->setup.save_dtype,
                                                .force = true,
                                                .metadata = m->entries,
                                                .metadata_count = m->count};
        const char *source = t->setup.model.model;
        const lyc_trainables *trained = lyc_trainer_trainables(t->trainer);
        return t->files.folders ? lyc_model_save_folder(path, source, t->model, trained, &options, err)
                                : lyc_model_save(path, source, t->model, trained, &options, err);
    }
    const lyc_network_save_options options = {.scheme = LYC_KEY_KOHYA,
                                              .dtype = t->setup.save_dtype,
                                              .force = true,
                                              .metadata = m->entries,
                                              .metadata_count = m->count};
    return lyc_network_save(path, t->network, 0, &options, err);
}

/* Files that were all zero would be of no use to anybody, and a sign that nothing was learned. */
static void warn_of_nothing(lyc_training *t, const char *path)
{
    char text[1024];
    const lyc_train_progress *p = lyc_trainer_progress_get(t->trainer);
    if (t->hooks.notice != NULL && !(p->movement > 0)) {
        snprintf(text, sizeof text, "%s: the model is the same with it as without: nothing was learned", path);
        t->hooks.notice(t->hooks.context, text);
    }
}

static int64_t number_of(const lyc_trainer *trainer, lyc_trainer_event event)
{
    const lyc_train_progress *p = lyc_trainer_progress_get(trainer);
    return event == LYC_TRAINER_AT_EPOCH ? p->epoch : p->step;
}

static lyc_status save_file(void *context, lyc_trainer *trainer, lyc_trainer_event event, lyc_error *err)
{
    lyc_training *t = context;
    lyc_train_metadata metadata = {0};
    lyc_strbuf path = {0};
    const int64_t number = number_of(trainer, event);
    LYC_TRY(hash_model(t, err));
    const lyc_train_facts facts = {.setup = &t->setup,
                                   .model = t->model,
                                   .data = t->data,
                                   .args = &t->args,
                                   .progress = lyc_trainer_progress_get(trainer),
                                   .batches_per_epoch = t->plan.batches_per_epoch,
                                   .started = t->started,
                                   .model_hashes = t->has_model_hashes ? &t->model_hashes : NULL};
    lyc_output_file(&path, &t->files, event, number);
    lyc_status status = lyc_strbuf_check(&path, "the name of a file", err);
    status = status == LYC_OK ? lyc_train_metadata_make(&metadata, &facts, err) : status;
    if (status == LYC_OK) {
        status = write_file(t, path.text, &metadata, err);
        lyc_train_metadata_clear(&metadata);
    }
    if (status == LYC_OK) {
        warn_of_nothing(t, path.text);
        if (t->hooks.wrote != NULL) {
            t->hooks.wrote(t->hooks.context, path.text);
        }
        status = lyc_output_rotate_file(&t->files, event, number, err);
    }
    lyc_strbuf_clear(&path);
    return status;
}

/* --- states --------------------------------------------------------------------------------------------------------
 */

static lyc_status save_state(void *context, lyc_trainer *trainer, lyc_trainer_event event, lyc_error *err)
{
    lyc_training *t = context;
    const lyc_train_options *o = t->setup.options;
    const int64_t number = number_of(trainer, event);
    const bool wanted =
        event == LYC_TRAINER_AT_STOP || o->save_state || (event == LYC_TRAINER_AT_END && o->save_state_on_train_end);
    if (!wanted) {
        return LYC_OK;
    }
    lyc_strbuf_clear(&t->state);
    lyc_output_state(&t->state, &t->files, event, number);
    LYC_TRY(lyc_strbuf_check(&t->state, "the name of a folder", err));
    LYC_TRY(lyc_trainer_save_state(trainer, t->state.text, err));
    if (t->hooks.wrote != NULL) {
        t->hooks.wrote(t->hooks.context, t->state.text);
    }
    return lyc_output_rotate_state(&t->files, event, number, err);
}

/* --- pictures ------------------------------------------------------------------------------------------------------
 */

static lyc_status sample(void *context, lyc_trainer *trainer, lyc_trainer_event event, lyc_error *err)
{
    lyc_training *t = context;
    char when[32];
    snprintf(when, sizeof when, event == LYC_TRAINER_AT_EPOCH ? "e%06" PRId64 : "%06" PRId64,
             number_of(trainer, event));
    const lyc_status status = lyc_train_sample(&t->sampling, t->model, t->network, when, trainer, err);
    return status == LYC_E_CANCELLED ? LYC_OK : status; /* the loop asks too, and saves a state */
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */

static void report(void *context, const lyc_train_progress *progress)
{
    const lyc_training *t = context;
    if (t->hooks.report != NULL) {
        t->hooks.report(t->hooks.context, progress);
    }
}

static void warn(void *context, const char *text)
{
    const lyc_training *t = context;
    if (t->hooks.notice != NULL) {
        t->hooks.notice(t->hooks.context, text);
    }
}

static bool stop(void *context)
{
    const lyc_training *t = context;
    return t->hooks.stop != NULL && t->hooks.stop(t->hooks.context);
}

lyc_trainer_hooks lyc_training_hooks(lyc_training *t)
{
    return (lyc_trainer_hooks){.save = save_file,
                               .sample = t->setup.options->sample_prompts != NULL ? sample : NULL,
                               .state = save_state,
                               .report = report,
                               .warn = warn,
                               .stop = stop,
                               .context = t};
}
