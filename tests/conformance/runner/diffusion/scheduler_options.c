/* scheduler_options.c - a scheduler of diffusers by its class and options, as a sampler and a request
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scheduler_options.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static bool text(const json_t *options, const char *name, const char *value)
{
    const char *found = json_string_value(json_object_get(options, name));
    return found != NULL && strcmp(found, value) == 0;
}

static bool flag(const json_t *options, const char *name, bool standard)
{
    const json_t *value = json_object_get(options, name);
    return json_is_boolean(value) ? json_is_true(value) : standard;
}

static double number(const json_t *options, const char *name, double standard)
{
    const json_t *value = json_object_get(options, name);
    return json_is_number(value) ? json_number_value(value) : standard;
}

/* The index of a text among names that a NULL ends; -1 for another, the standard where there is none. */
static int choice(const json_t *options, const char *name, const char *const *names, int standard)
{
    const char *found = json_string_value(json_object_get(options, name));
    for (int i = 0; found != NULL && names[i] != NULL; i++) {
        if (strcmp(found, names[i]) == 0) {
            return i;
        }
    }
    return found == NULL ? standard : -1;
}

/* Members that were read; all others must say nothing. */
static const char *const known[] = {
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "clip_sample",
    "clip_sample_range",
    "set_alpha_to_one",
    "steps_offset",
    "prediction_type",
    "timestep_spacing",
    "rescale_betas_zero_snr",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "final_sigmas_type",
    "interpolation_type",
    "solver_order",
    "solver_type",
    "algorithm_type",
    "lower_order_final",
    "euler_at_final",
    "skip_prk_steps",
    "original_inference_steps",
    "dynamic_thresholding_ratio",
    "sample_max_value",
};

/* Of these a value is the standard; it says nothing. */
static const struct {
    const char *name;
    const char *value;
} standards[] = {
    {"timestep_type", "discrete"},
    {"variance_type", "fixed_small"},
};

static lyc_status check_members(const json_t *options, lyc_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)options, name, value)
    {
        bool fine = name[0] == '_' || json_is_null(value) || json_is_false(value);
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            fine = fine || strcmp(name, known[i]) == 0;
        }
        for (size_t i = 0; i < sizeof standards / sizeof standards[0]; i++) {
            fine = fine || (strcmp(name, standards[i].name) == 0 && text(options, name, standards[i].value));
        }
        fine = fine || (strcmp(name, "predict_x0") == 0 && json_is_true(value)) ||
               (strcmp(name, "timestep_scaling") == 0 && json_number_value(value) == 10.0) || json_is_array(value);
        if (!fine) {
            return lyc_fail(err, LYC_E_UNSUPPORTED, "scheduler option %s is not known here", name);
        }
    }
    return LYC_OK;
}

static lyc_status find_sampler(lyc_scheduler_case *s, const char *class_name, const json_t *options, lyc_error *err)
{
    lyc_sigma_curve curve;
    const bool sde = text(options, "algorithm_type", "sde-dpmsolver++");
    const char *name = text(options, "algorithm_type", "dpmsolver") ? "dpmsolver" : sde ? "dpm++_2m_sde" : class_name;
    if (text(options, "algorithm_type", "sde-dpmsolver")) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "algorithm_type sde-dpmsolver is not known here");
    }
    return lyc_sampler_find(&s->sampler, &curve, name, err);
}

static lyc_status read_config(lyc_scheduler_case *s, const char *class_name, const json_t *options, lyc_error *err)
{
    static const char *const schedules[] = {"scaled_linear", "linear", "squaredcos_cap_v2", NULL};
    static const char *const predictions[] = {"epsilon", "v_prediction", "sample", NULL};
    static const char *const spacings[] = {"leading", "linspace", "trailing", NULL};
    const bool lcm = strcmp(class_name, "LCMScheduler") == 0;
    const bool clips = strcmp(class_name, "DDIMScheduler") == 0 || strcmp(class_name, "DDPMScheduler") == 0;
    const int schedule = choice(options, "beta_schedule", schedules, lcm ? 0 : 1);
    const int prediction = choice(options, "prediction_type", predictions, 0);
    const int spacing = choice(options, "timestep_spacing", spacings, (int)s->sampler->spacing);
    if (schedule < 0 || prediction < 0 || spacing < 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "beta_schedule, prediction_type or timestep_spacing is not known here");
    }
    s->config = (lyc_scheduler_config){
        .train_timesteps = (int)number(options, "num_train_timesteps", 1000),
        .beta_start = number(options, "beta_start", lcm ? 0.00085 : 0.0001),
        .beta_end = number(options, "beta_end", lcm ? 0.012 : 0.02),
        .beta_schedule = (lyc_beta_schedule)schedule,
        .prediction = (lyc_prediction)prediction,
        .spacing = (lyc_spacing)spacing,
        .spacing_told = true,
        .steps_offset = (int)number(options, "steps_offset", 0),
        .set_alpha_to_one = flag(options, "set_alpha_to_one", strcmp(class_name, "PNDMScheduler") != 0),
        .rescale_zero_snr = flag(options, "rescale_betas_zero_snr", false),
        .clip_sample = flag(options, "clip_sample", clips),
        .clip_sample_range = number(options, "clip_sample_range", 1),
        .sigma_min_final = text(options, "final_sigmas_type", "sigma_min"),
    };
    const json_t *betas = json_object_get(options, "trained_betas");
    if (json_is_array(betas) && json_array_size(betas) > 0) {
        const size_t n = json_array_size(betas);
        s->config.trained_betas = s->trained_betas = lyc_alloc_zero(n, sizeof *s->trained_betas);
        if (s->trained_betas == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for %zu betas", n);
        }
        s->config.train_timesteps = (int)n;
        for (size_t i = 0; i < n; i++) {
            s->trained_betas[i] = json_number_value(json_array_get(betas, i));
        }
    }
    return LYC_OK;
}

static void read_request(lyc_scheduler_case *s, const json_t *options)
{
    lyc_sampling_request *r = &s->request;
    lyc_sampler_options *o = &r->options;
    r->curve = flag(options, "use_karras_sigmas", false)        ? LYC_CURVE_KARRAS
               : flag(options, "use_exponential_sigmas", false) ? LYC_CURVE_EXPONENTIAL
               : flag(options, "use_beta_sigmas", false)        ? LYC_CURVE_BETA
                                                                : LYC_CURVE_NONE;
    r->log_linear = text(options, "interpolation_type", "log_linear");
    o->order = (int64_t)number(options, "solver_order", (double)o->order);
    if (text(options, "solver_type", "heun") || text(options, "solver_type", "bh2")) {
        o->solver = 1;
    } else if (json_object_get(options, "solver_type") != NULL) {
        o->solver = 0;
    }
    o->lower_order_final = flag(options, "lower_order_final", o->lower_order_final);
    o->euler_final = flag(options, "euler_at_final", o->euler_final);
    o->runge_kutta = !flag(options, "skip_prk_steps", false);
    o->lcm_steps = (int64_t)number(options, "original_inference_steps", (double)o->lcm_steps);
}

lyc_status lyc_scheduler_case_init(lyc_scheduler_case *s, const char *class_name, const json_t *options, lyc_error *err)
{
    *s = (lyc_scheduler_case){0};
    LYC_TRY(check_members(options, err));
    LYC_TRY(find_sampler(s, class_name, options, err));
    LYC_TRY(read_config(s, class_name, options, err));
    LYC_TRY(lyc_sampling_request_init(&s->request, s->sampler, &s->config, err));
    read_request(s, options);
    return LYC_OK;
}

void lyc_scheduler_case_clear(lyc_scheduler_case *s)
{
    lyc_free(s->trained_betas);
    *s = (lyc_scheduler_case){0};
}
