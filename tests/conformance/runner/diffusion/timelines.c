/* timelines.c - the timesteps and sigmas that a scheduler works through
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "timelines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compare_tensor.h"

static void no_noise(void *context, float *out, size_t n)
{
    (void)context;
    memset(out, 0, n * sizeof *out);
}

static lyc_status reserve(lyc_numbers *out, size_t count, lyc_error *err)
{
    *out = (lyc_numbers){lyc_alloc_zero(count, sizeof *out->values), 0};
    return out->values != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for %zu numbers", count);
}

lyc_status lyc_call_timesteps(lyc_numbers *out, const lyc_sampler *sampler, const lyc_schedule *schedule,
                              const lyc_sampling_request *request, lyc_error *err)
{
    lyc_sampling s;
    lyc_sampling_request quiet = *request;
    const float zero = 0;
    float input;
    quiet.noise = no_noise;
    LYC_TRY(reserve(out, 2 * (size_t)request->steps + 16, err));
    LYC_TRY(lyc_sampling_init(&s, sampler, schedule, &quiet, 1, err));
    for (lyc_sampling_begin(&s, &zero); !lyc_sampling_done(&s); lyc_sampling_advance(&s, &zero)) {
        out->values[out->count++] = lyc_sampling_input(&s, &input);
    }
    lyc_sampling_clear(&s);
    return LYC_OK;
}

lyc_status lyc_scheduler_sigmas(lyc_numbers *out, const lyc_sampling *s, lyc_error *err)
{
    const int n = s->timeline.steps;
    const bool last_twice = strncmp(s->sampler->name, "dpm2", 4) == 0;
    LYC_TRY(reserve(out, 2 * (size_t)n + 4, err));
    for (int i = 0; i <= n; i++) {
        const bool twice = s->sampler->second_call && i > 0 && (i < n || last_twice);
        for (int k = 0; k < 1 + twice + (i == n && last_twice); k++) {
            out->values[out->count++] = s->timeline.sigmas[i];
        }
    }
    if (s->request.log_linear) { /* the reference appends a 0 that its runs do not come to */
        out->values[out->count++] = 0;
    }
    return LYC_OK;
}

/* One tensor's name, in parts. */
typedef struct parts {
    char scheduler[32];
    lyc_spacing spacing;
    bool has_spacing;
    lyc_sigma_curve curve;
    int offset;
    int steps;
    bool sigmas; /* else timesteps */
} parts;

static bool parse_part(parts *p, const char *part)
{
    static const struct {
        const char *name;
        lyc_spacing spacing;
    } spacings[] = {
        {"leading", LYC_SPACING_LEADING}, {"linspace", LYC_SPACING_LINSPACE}, {"trailing", LYC_SPACING_TRAILING}};
    for (int i = 0; i < 3; i++) {
        if (strcmp(part, spacings[i].name) == 0) {
            p->spacing = spacings[i].spacing;
            p->has_spacing = true;
            return true;
        }
    }
    for (int curve = 1; curve < LYC_CURVE_COUNT; curve++) {
        if (strncmp(part, "use_", 4) == 0 && strstr(part, lyc_sigma_curve_name((lyc_sigma_curve)curve)) == part + 4) {
            p->curve = (lyc_sigma_curve)curve;
            return true;
        }
    }
    p->sigmas = p->sigmas || strcmp(part, "sigmas") == 0;
    return sscanf(part, "offset%d", &p->offset) == 1 || sscanf(part, "steps%d", &p->steps) == 1 ||
           strcmp(part, "sigmas") == 0 || strcmp(part, "timesteps") == 0;
}

static bool parse(parts *p, const char *name)
{
    char copy[256];
    char *rest = NULL;
    *p = (parts){0};
    snprintf(copy, sizeof copy, "%s", name);
    snprintf(p->scheduler, sizeof p->scheduler, "%s", strtok_r(copy, ".", &rest));
    for (const char *part = strtok_r(NULL, ".", &rest); part != NULL; part = strtok_r(NULL, ".", &rest)) {
        if (!parse_part(p, part)) {
            return false;
        }
    }
    return p->steps > 0;
}

static lyc_status compute(lyc_numbers *out, const parts *p, const lyc_schedule *schedule, lyc_error *err)
{
    const lyc_sampler *sampler;
    lyc_sigma_curve curve;
    lyc_sampling_request r;
    lyc_sampling s;
    LYC_TRY(lyc_sampler_find(&sampler, &curve, p->scheduler, err));
    LYC_TRY(lyc_sampling_request_init(&r, sampler, NULL, err));
    r.steps = p->steps;
    r.spacing = p->has_spacing ? p->spacing : sampler->spacing;
    r.steps_offset = p->offset;
    r.curve = p->curve;
    r.options.runge_kutta = true; /* PNDMScheduler without skip_prk_steps */
    r.noise = no_noise;
    if (!p->sigmas) {
        return lyc_call_timesteps(out, sampler, schedule, &r, err);
    }
    LYC_TRY(lyc_sampling_init(&s, sampler, schedule, &r, 1, err));
    const lyc_status status = lyc_scheduler_sigmas(out, &s, err);
    lyc_sampling_clear(&s);
    return status;
}

lyc_status lyc_compare_timelines(lyc_result *result, lyc_case *c, lyc_error *err)
{
    const lyc_safetensors *file;
    lyc_schedule schedule;
    lyc_status status = LYC_OK;
    LYC_TRY(lyc_case_open(&file, c, err));
    LYC_TRY(lyc_schedule_init(
        &schedule, &(lyc_scheduler_config){.train_timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.012}, err));
    for (size_t i = 0; status == LYC_OK && i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        lyc_numbers numbers = {0};
        parts p;
        if (!parse(&p, tensor.name)) {
            status = lyc_fail(err, LYC_E_UNSUPPORTED, "the name of tensor %s is not understood", tensor.name);
        } else if ((status = compute(&numbers, &p, &schedule, err)) != LYC_OK) {
            status = lyc_wrap(err, "%s", tensor.name);
        } else {
            status = lyc_compare_tensor(result, c, &tensor, numbers.values, LYC_F64, numbers.count, err);
        }
        lyc_free(numbers.values);
    }
    lyc_schedule_clear(&schedule);
    return status;
}
