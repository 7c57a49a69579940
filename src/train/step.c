/* step.c - one training step: its plans, and running them
 *
 * Plans of all shapes share packed weights and one arena.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/step.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "model/runner.h"
#include "train/step_internal.h"

/* Between two calls of lyc_component_release_pages, as in model/runner.c. */
static const size_t release_every_bytes = (size_t)32 << 20;

/* --- plans ---------------------------------------------------------------------------------------------------------
 */

static void release_pages(const lyc_train_step *step)
{
    lyc_component_release_pages(step->model.unet);
    for (int i = 0; i < 2; i++) {
        if (step->model.text[i] != NULL) {
            lyc_component_release_pages(step->model.text[i]);
        }
    }
}

static void count_read(void *context, size_t bytes)
{
    lyc_train_step *step = context;
    if (atomic_fetch_add(&step->unreleased_bytes, bytes) + bytes >= release_every_bytes) {
        atomic_store(&step->unreleased_bytes, 0);
        release_pages(step);
    }
}

/* Native parameters are the set's; those of adapters are the network's. */
static lyc_status bind_parameters(const lyc_train_step *step, const lyc_cached_plan *plan, lyc_error *err)
{
    const lyc_step_handles *h = plan->handles;
    for (int i = 0; i < h->parameter_count; i++) {
        const lyc_step_parameter *p = &h->parameters[i];
        LYC_TRY(lyc_plan_bind(plan->plan, p->value, p->row->value, lyc_plan_bytes(plan->plan, p->value), err));
    }
    lyc_network *network = step->options.network;
    return network != NULL ? lyc_network_bind(network, plan->graph, plan->plan, err) : LYC_OK;
}

static lyc_status bind_inputs(const lyc_cached_plan *plan, const lyc_step_input *in, lyc_error *err)
{
    const lyc_step_handles *h = plan->handles;
    const struct {
        const lyc_value *value;
        const void *data;
    } inputs[] = {{h->noisy, in->noisy},     {h->target, in->target}, {h->timesteps, in->timesteps},
                  {h->weights, in->weights}, {h->huber, in->huber},   {h->mask, in->mask},
                  {h->sizes, in->sizes},     {h->states, in->states}, {h->pooled, in->pooled},
                  {h->ids[0], in->ids[0]},   {h->ids[1], in->ids[1]}, {h->eos[0], in->eos[0]},
                  {h->eos[1], in->eos[1]}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        if (inputs[i].value != NULL && inputs[i].data == NULL) {
            return lyc_fail(err, LYC_E_ARGUMENT, "a step without %s", inputs[i].value->name);
        }
        LYC_TRY(lyc_runner_bind(plan, inputs[i].value, inputs[i].data, err));
    }
    return LYC_OK;
}

/* What adapters take from a batch. */
static void set_network(const lyc_train_step *step, const lyc_step_input *in, lyc_step_aim purpose)
{
    lyc_network *network = step->options.network;
    if (network == NULL) {
        return;
    }
    const lyc_native_random random = {.seed = in->seed, .purpose = LYC_RANDOM_DROPOUT, .step = in->step};
    lyc_network_set_use(network, purpose == LYC_STEP_TRAIN ? LYC_NETWORK_TRAINED : LYC_NETWORK_EXCHANGEABLE);
    if (lyc_network_set_samples(network, (size_t)in->n, NULL) != LYC_OK) {
        lyc_network_set_samples(network, 1, NULL); /* it was made for one number of ranks in a batch */
    }
    lyc_network_set_key(network, (uint32_t)in->seed, in->step);
    lyc_network_set_timesteps(network, in->timesteps, (size_t)in->n, (double)lyc_native_random_uniform(&random, 0));
}

/* A graph holds the adapters that are active when it is built. */
static uint64_t active(const lyc_train_step *step, const char *component)
{
    return step->options.network != NULL ? lyc_network_active(step->options.network, component) : 0;
}

static lyc_status check_input(const lyc_train_step *step, const lyc_step_input *in, lyc_error *err)
{
    if (in->n < 1 || in->h < 1 || in->w < 1) {
        return lyc_fail(err, LYC_E_SHAPE, "a batch of %" PRId64 " latents of %" PRId64 " x %" PRId64, in->n, in->h,
                        in->w);
    }
    if (step->options.text_in_graph && (in->chunks < 1 || in->chunks > LYC_STEP_MAX_CHUNKS)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "texts of %" PRId64 " sequences, expected 1 to %d", in->chunks,
                        (int)LYC_STEP_MAX_CHUNKS);
    }
    return LYC_OK;
}

/* The plan of an input's shape, everything bound. */
static lyc_status prepare(const lyc_cached_plan **out, lyc_train_step *step, const lyc_step_input *in,
                          lyc_step_aim purpose, lyc_error *err)
{
    static const char *const names[] = {"train", "measure", "predict"};
    char key[160];
    lyc_step_request r = {step, in, purpose};
    LYC_TRY(check_input(step, in, err));
    const int64_t texts = step->options.text_in_graph ? in->chunks : in->tokens;
    set_network(step, in, purpose);
    snprintf(key, sizeof key, "%s %" PRId64 "x%" PRId64 "x%" PRId64 " text=%" PRId64 " adapters=%" PRIx64 ",%" PRIx64,
             names[purpose], in->n, in->h, in->w, texts, active(step, "text_encoder"), active(step, "unet"));
    const int before = lyc_plan_cache_count(step->cache);
    LYC_TRY(lyc_plan_cache_get(out, step->cache, key, lyc_step_build, &r, err));
    if (lyc_plan_cache_count(step->cache) != before) {
        release_pages(step);
        LYC_TRY(bind_parameters(step, *out, err));
    }
    return bind_inputs(*out, in, err);
}

/* --- steps ---------------------------------------------------------------------------------------------------------
 */

static lyc_status check_model(const lyc_step_model *model, lyc_error *err)
{
    const lyc_unet_config *config = lyc_component_unet(model->unet);
    if (config->in_channels != config->out_channels) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "a U-Net of %d input and %d output channels: models for inpainting cannot be trained",
                        config->in_channels, config->out_channels);
    }
    if (config->time_cond_dim > 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "a distilled model that takes the guidance as an input cannot be "
                        "trained");
    }
    return LYC_OK;
}

lyc_status lyc_train_step_new(lyc_train_step **out, const lyc_step_model *model, const lyc_step_options *options,
                              lyc_error *err)
{
    LYC_TRY(check_model(model, err));
    lyc_train_step *step = lyc_alloc_zero(1, sizeof *step);
    if (step == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a training step");
    }
    step->model = *model;
    step->options = *options;
    atomic_init(&step->unreleased_bytes, 0);
    const lyc_plan_options plan = {
        .precision = options->precision,
        .backend = options->backend,
        .budget_bytes = options->budget_bytes,
        .optimiser_bytes_per_param = options->optimiser_bytes_per_param,
        .check_finite = options->check_finite,
        .weights_read = count_read,
        .weights_context = step,
    };
    const lyc_status status = lyc_plan_cache_new(&step->cache, &plan, err);
    if (status != LYC_OK) {
        lyc_free(step);
        return status;
    }
    *out = step;
    return LYC_OK;
}

void lyc_train_step_free(lyc_train_step *step)
{
    if (step != NULL) {
        lyc_plan_cache_free(step->cache);
        lyc_step_free_sums(step);
        lyc_free(step->losses);
        lyc_free(step);
    }
}

static lyc_status take_losses(lyc_step_result *out, lyc_train_step *step, const lyc_cached_plan *plan,
                              const lyc_step_input *in, lyc_error *err)
{
    const lyc_step_handles *h = plan->handles;
    if (in->n > step->loss_capacity) {
        lyc_free(step->losses);
        step->losses = lyc_alloc_zero((size_t)in->n, sizeof *step->losses);
        step->loss_capacity = step->losses != NULL ? in->n : 0;
    }
    if (step->losses == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for losses");
    }
    lyc_runner_take(step->losses, plan, h->losses);
    *out = (lyc_step_result){.losses = step->losses, .finite = true};
    for (int64_t i = 0; i < in->n; i++) {
        out->loss += (in->weights != NULL ? (double)in->weights[i] : 1.0) * (double)step->losses[i];
        out->finite = out->finite && isfinite(step->losses[i]);
    }
    return LYC_OK;
}

lyc_status lyc_train_step_run(lyc_step_result *out, lyc_train_step *step, const lyc_step_input *input, bool more,
                              lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    LYC_TRY(prepare(&plan, step, input, LYC_STEP_TRAIN, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    LYC_TRY(take_losses(out, step, plan, input, err));
    return lyc_step_take_gradients(step, plan, more, err);
}

void lyc_train_step_begin(lyc_train_step *step)
{
    step->summing = false;
    lyc_step_forget_gradients(step);
}

lyc_status lyc_train_step_measure(lyc_step_result *out, lyc_train_step *step, const lyc_step_input *input,
                                  lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    LYC_TRY(prepare(&plan, step, input, LYC_STEP_MEASURE, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    return take_losses(out, step, plan, input, err);
}

lyc_status lyc_train_step_predict(float *out, lyc_train_step *step, const lyc_step_input *input, lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    LYC_TRY(prepare(&plan, step, input, LYC_STEP_PREDICT, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    lyc_runner_take(out, plan, ((const lyc_step_handles *)plan->handles)->prediction);
    return LYC_OK;
}

lyc_status lyc_train_step_explain(lyc_train_step *step, const lyc_step_input *input, lyc_error *err)
{
    lyc_train_step *careful = NULL;
    const lyc_cached_plan *plan = NULL;
    lyc_step_options options = step->options;
    options.check_finite = true;
    LYC_TRY(lyc_train_step_new(&careful, &step->model, &options, err));
    lyc_status status = prepare(&plan, careful, input, LYC_STEP_TRAIN, err);
    status = status == LYC_OK ? lyc_plan_run(plan->plan, err) : status;
    lyc_train_step_free(careful);
    return status;
}

lyc_status lyc_train_step_plan(lyc_plan **out, lyc_train_step *step, const lyc_step_input *input, lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    LYC_TRY(prepare(&plan, step, input, LYC_STEP_TRAIN, err));
    *out = plan->plan;
    return LYC_OK;
}

size_t lyc_train_step_bytes(const lyc_train_step *step)
{
    const size_t sums = step->sums != NULL ? (size_t)step->options.trainables->numbers * sizeof(float) : 0;
    return lyc_plan_cache_bytes(step->cache) + sums;
}
