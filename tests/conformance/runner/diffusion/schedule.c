/* schedule.c - noise schedules: betas, their products, and what follows
 *
 * The case's name ends in the schedule ("schedule_scaled_linear") unless it has a member beta_schedule. Tensors:
 * betas, alphas_cumprod, sigmas, snr, zero_terminal_snr_betas, zero_terminal_snr_alphas_cumprod, and
 * min_snr_weight_<epsilon|velocity>_gamma_<gamma>.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compare_tensor.h"
#include "diffusion/objective.h"
#include "kind.h"
#include "tensor/shape.h"

static lyc_status read_config(lyc_scheduler_config *config, const lyc_case *c, lyc_error *err)
{
    static const char *const names[] = {"scaled_linear", "linear", "squaredcos_cap_v2"};
    const char *name = lyc_case_text(c, "beta_schedule");
    name = name != NULL ? name : c->name + strlen("schedule_");
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *config = (lyc_scheduler_config){
                .beta_schedule = (lyc_beta_schedule)i,
                .train_timesteps = (int)json_integer_value(json_object_get(c->json, "timesteps")),
                .beta_start = json_number_value(json_object_get(c->json, "beta_start")),
                .beta_end = json_number_value(json_object_get(c->json, "beta_end")),
            };
            return LYC_OK;
        }
    }
    return lyc_fail(err, LYC_E_UNSUPPORTED, "no schedule %s here", name);
}

static lyc_status compare_weights(lyc_result *result, lyc_case *c, const lyc_schedule *s, lyc_error *err)
{
    static const char prefix[] = "min_snr_weight_";
    const lyc_safetensors *file;
    double *weights = lyc_alloc_zero((size_t)s->train_timesteps, sizeof *weights);
    lyc_status status = weights == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory") : lyc_case_open(&file, c, err);
    for (size_t i = 0; status == LYC_OK && i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        const char *gamma = strstr(tensor.name, "_gamma_");
        if (strncmp(tensor.name, prefix, strlen(prefix)) != 0 || gamma == NULL) {
            continue;
        }
        const bool epsilon = strncmp(tensor.name + strlen(prefix), "epsilon", 7) == 0;
        for (int t = 0; t < s->train_timesteps; t++) {
            weights[t] = lyc_min_snr_weight(lyc_schedule_snr(s, t), strtod(gamma + 7, NULL),
                                            epsilon ? LYC_PREDICTION_EPSILON : LYC_PREDICTION_V);
        }
        status = lyc_compare_tensor(result, c, &tensor, weights, LYC_F64, (size_t)s->train_timesteps, err);
    }
    lyc_free(weights);
    return status;
}

static lyc_status compare_snr(lyc_result *result, lyc_case *c, const lyc_schedule *s, lyc_error *err)
{
    const size_t n = (size_t)s->train_timesteps;
    double *snr = lyc_alloc_zero(n, sizeof *snr);
    if (snr == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory");
    }
    for (size_t t = 0; t < n; t++) {
        snr[t] = lyc_schedule_snr(s, (int)t);
    }
    const lyc_status status = lyc_compare_named(result, c, "snr", snr, LYC_F64, n, err);
    lyc_free(snr);
    return status;
}

/* Betas of zero terminal SNR are 1 - a_t / a_{t-1}. The reference's square roots are not correctly rounded (0.75 units
 * in the last place, and by processor), so that its betas are off by several units of 1, more than the tolerance of a
 * small beta. What the table stands for, the ratio of neighbours, is compared instead. */
static lyc_status compare_ratios(lyc_result *result, lyc_case *c, const lyc_schedule *s, lyc_error *err)
{
    const size_t n = (size_t)s->train_timesteps;
    float *want;
    lyc_tensor_view view;
    lyc_status status = lyc_case_floats(&want, &view, c, "zero_terminal_snr_betas", err);
    if (status == LYC_OK && lyc_shape_elements(&view.shape) != (int64_t)n) {
        status = lyc_fail(err, LYC_E_SHAPE, "zero_terminal_snr_betas has not %zu numbers", n);
    }
    for (size_t t = 0; status == LYC_OK && t < n; t++) {
        char name[64];
        snprintf(name, sizeof name, "1 - zero_terminal_snr_betas[%zu]", t);
        lyc_compare_number(result, name, (double)(1.0f - s->betas[t]), (double)(1.0f - want[t]),
                           (lyc_tolerance){c->absolute_tolerance, c->relative_tolerance});
    }
    lyc_free(want);
    return status;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_scheduler_config config;
    lyc_schedule s = {0};
    LYC_TRY(read_config(&config, c, err));
    const size_t n = (size_t)config.train_timesteps;
    lyc_status status;
    if ((status = lyc_schedule_init(&s, &config, err)) != LYC_OK ||
        (status = lyc_compare_named(result, c, "betas", s.betas, LYC_F32, n, err)) != LYC_OK ||
        (status = lyc_compare_named(result, c, "alphas_cumprod", s.alphas, LYC_F32, n, err)) != LYC_OK ||
        (status = lyc_compare_named(result, c, "sigmas", s.sigmas, LYC_F64, n, err)) != LYC_OK ||
        (status = compare_snr(result, c, &s, err)) != LYC_OK ||
        (status = compare_weights(result, c, &s, err)) != LYC_OK) {
        goto done;
    }
    lyc_schedule_clear(&s);
    config.rescale_zero_snr = true;
    if ((status = lyc_schedule_init(&s, &config, err)) == LYC_OK &&
        (status = compare_ratios(result, c, &s, err)) == LYC_OK) {
        status = lyc_compare_named(result, c, "zero_terminal_snr_alphas_cumprod", s.alphas, LYC_F32, n, err);
    }
done:
    lyc_schedule_clear(&s);
    return status;
}

const lyc_kind lyc_kind_schedule = {.name = "schedule", .folder = "diffusion", .prefix = "schedule", .run = run};
