/* scheduler_config.c - scheduler_config.json
 *
 * Fields that a scheduler's class has and that say how a sampler works (solver_order, skip_prk_steps, ...) belong to
 * the choice of the sampler, which is the user's; they are known and ignored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/string.h"
#include "checkpoint/config_read.h"

enum { MAX_TIMESTEPS = 1 << 20 };

#define MEMBER(name) offsetof(lyc_scheduler_config, name)

// clang-format off
static const lyc_field fields[] = {
    {"num_train_timesteps", LYC_FIELD_INT, MEMBER(train_timesteps), .min = 1, .max = MAX_TIMESTEPS},
    {"beta_start", LYC_FIELD_DOUBLE, MEMBER(beta_start), .min = 0, .max = 1},
    {"beta_end", LYC_FIELD_DOUBLE, MEMBER(beta_end), .min = 0, .max = 1},
    {"steps_offset", LYC_FIELD_INT, MEMBER(steps_offset), .min = 0, .max = MAX_TIMESTEPS},
    {"set_alpha_to_one", LYC_FIELD_BOOL, MEMBER(set_alpha_to_one)},
    {"rescale_betas_zero_snr", LYC_FIELD_BOOL, MEMBER(rescale_zero_snr)},
    {"clip_sample", LYC_FIELD_BOOL, MEMBER(clip_sample)},
    {"clip_sample_range", LYC_FIELD_DOUBLE, MEMBER(clip_sample_range), .min = 0, .max = 1e6},
    {"use_karras_sigmas", LYC_FIELD_BOOL, MEMBER(karras)},
    {"use_exponential_sigmas", LYC_FIELD_BOOL, MEMBER(exponential)},
    {"use_beta_sigmas", LYC_FIELD_BOOL, MEMBER(beta_sigmas)},

    {"_class_name", LYC_FIELD_ELSEWHERE},
    {"beta_schedule", LYC_FIELD_ELSEWHERE},
    {"prediction_type", LYC_FIELD_ELSEWHERE},
    {"timestep_spacing", LYC_FIELD_ELSEWHERE},
    {"final_sigmas_type", LYC_FIELD_ELSEWHERE},
    {"trained_betas", LYC_FIELD_ELSEWHERE},

    {"thresholding", LYC_FIELD_ONLY_FALSE},

    {"skip_prk_steps", LYC_FIELD_IGNORED}, /* the Runge-Kutta start is never made */
    {"sample_max_value", LYC_FIELD_IGNORED}, /* of thresholding */
    {"dynamic_thresholding_ratio", LYC_FIELD_IGNORED},
    {"variance_type", LYC_FIELD_IGNORED},
    {"interpolation_type", LYC_FIELD_IGNORED},
    {"timestep_type", LYC_FIELD_IGNORED},
    {"sigma_min", LYC_FIELD_IGNORED},
    {"sigma_max", LYC_FIELD_IGNORED},
    {"use_flow_sigmas", LYC_FIELD_ONLY_FALSE},
    {"flow_shift", LYC_FIELD_IGNORED}, /* of flow sigmas */
    {"use_dynamic_shifting", LYC_FIELD_ONLY_FALSE},
    {"time_shift_type", LYC_FIELD_IGNORED},
    {"algorithm_type", LYC_FIELD_IGNORED},
    {"solver_type", LYC_FIELD_IGNORED},
    {"solver_order", LYC_FIELD_IGNORED},
    {"solver_p", LYC_FIELD_IGNORED},
    {"lower_order_final", LYC_FIELD_IGNORED},
    {"euler_at_final", LYC_FIELD_IGNORED},
    {"use_lu_lambdas", LYC_FIELD_IGNORED},
    {"lambda_min_clipped", LYC_FIELD_IGNORED},
    {"predict_x0", LYC_FIELD_IGNORED},
    {"disable_corrector", LYC_FIELD_IGNORED},
    {"original_inference_steps", LYC_FIELD_IGNORED},
    {"timestep_scaling", LYC_FIELD_IGNORED},
    {"_diffusers_version", LYC_FIELD_IGNORED},
    {"_name_or_path", LYC_FIELD_IGNORED},
    {0},
};
// clang-format on

void lyc_scheduler_config_default(lyc_scheduler_config *config)
{
    *config = (lyc_scheduler_config){
        .train_timesteps = 1000,
        .beta_start = 0.00085, /* scheduler_config.json of SD 1.5 */
        .beta_end = 0.012,
        .beta_schedule = LYC_BETA_SCALED_LINEAR,
        .prediction = LYC_PREDICTION_EPSILON,
        .spacing = LYC_SPACING_LEADING,
        .clip_sample_range = 1,
    };
}

void lyc_scheduler_config_file_default(lyc_scheduler_config *config, const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "_class_name"));
    const bool is_ddim = name != NULL && strcmp(name, "DDIMScheduler") == 0;
    const bool is_ddpm = name != NULL && strcmp(name, "DDPMScheduler") == 0;
    lyc_scheduler_config_default(config);
    config->beta_start = 0.0001;
    config->beta_end = 0.02;
    config->beta_schedule = LYC_BETA_LINEAR;
    config->set_alpha_to_one = is_ddim;
    config->clip_sample = is_ddim || is_ddpm;
}

static lyc_status read_betas(lyc_scheduler_config *config, lyc_arena *arena, const json_t *json, lyc_error *err)
{
    const json_t *list = json_object_get(json, "trained_betas");
    if (list == NULL || json_is_null(list)) {
        return LYC_OK;
    }
    const size_t count = json_array_size(list);
    if (count == 0 || count > MAX_TIMESTEPS) {
        return lyc_json_complain("trained_betas", list, "a list of numbers", err);
    }
    double *betas = lyc_arena_alloc(arena, count, sizeof *betas);
    if (betas == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %zu betas", count);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        betas[i] = json_number_value(item);
        if (!json_is_number(item) || !(betas[i] >= 0 && betas[i] <= 1)) {
            return lyc_json_complain("trained_betas", item, "numbers from 0 to 1", err);
        }
    }
    config->trained_betas = betas;
    config->train_timesteps = (int)count;
    return LYC_OK;
}

static lyc_status read_class(lyc_scheduler_config *config, const json_t *json, lyc_error *err)
{
    const json_t *value = json_object_get(json, "_class_name");
    const char *text = json_string_value(value);
    if (text != NULL && strncmp(text, "FlowMatch", 9) == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "'_class_name' is a scheduler of flow matching, which only models of "
                        "other families use");
    }
    if (text != NULL && strlen(text) < sizeof config->class_name) {
        memcpy(config->class_name, text, strlen(text) + 1);
    }
    return LYC_OK;
}

/* Whether the field is there and says something. */
static bool is_told(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return value != NULL && !json_is_null(value);
}

lyc_status lyc_scheduler_config_apply(lyc_scheduler_config *config, lyc_arena *arena, const json_t *json,
                                      const char *file, lyc_error *err)
{
    static const char *const schedules[] = {"scaled_linear", "linear", "squaredcos_cap_v2", NULL};
    static const char *const predictions[] = {"epsilon", "v_prediction", "sample", NULL};
    static const char *const spacings[] = {"leading", "linspace", "trailing", NULL};
    static const char *const finals[] = {"zero", "sigma_min", NULL};
    int schedule = (int)config->beta_schedule;
    int prediction = (int)config->prediction;
    int spacing = (int)config->spacing;
    int final = config->sigma_min_final ? 1 : 0;
    LYC_TRY(lyc_fields_read(config, fields, json, file, err));
    LYC_TRY(read_class(config, json, err));
    LYC_TRY(lyc_field_choice(&schedule, json, "beta_schedule", schedules, err));
    LYC_TRY(lyc_field_choice(&prediction, json, "prediction_type", predictions, err));
    LYC_TRY(lyc_field_choice(&spacing, json, "timestep_spacing", spacings, err));
    LYC_TRY(lyc_field_choice(&final, json, "final_sigmas_type", finals, err));
    config->beta_schedule = (lyc_beta_schedule)schedule;
    config->prediction = (lyc_prediction)prediction;
    config->prediction_told = config->prediction_told || is_told(json, "prediction_type");
    config->spacing = (lyc_spacing)spacing;
    config->spacing_told = config->spacing_told || is_told(json, "timestep_spacing");
    config->sigma_min_final = final == 1;
    if (config->beta_start > config->beta_end) {
        return lyc_json_complain("beta_start", json_object_get(json, "beta_start"), "at most 'beta_end'", err);
    }
    return read_betas(config, arena, json, err);
}
