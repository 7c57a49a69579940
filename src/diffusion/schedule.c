/* schedule.c - the noise schedule that a model was trained with
 *
 * Betas are computed as torch computes them, in f32, and their products are summed up in double and rounded at every
 * step, as torch.cumprod does on a CPU: both tables agree to the last bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/schedule.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

enum { MAX_TRAIN_TIMESTEPS = 1000000 };

static const double pi = 3.14159265358979323846;

/* Where a_t is 0, sigma has no value: that of the smallest positive number of f16 stands for it, as in diffusers. */
static const double smallest_alpha = 0x1p-24;

/* torch.linspace in f32: from both ends, so that both are exact; products and sums are fused there. */
static float linspace(float start, float end, int n, int i)
{
    const float step = n > 1 ? (end - start) / (float)(n - 1) : 0.0f;
    return i < n / 2 || n == 1 ? fmaf(step, (float)i, start) : fmaf(-step, (float)(n - 1 - i), end);
}

static double cosine(double u)
{
    const double c = cos((u + 0.008) / 1.008 * pi / 2);
    return c * c;
}

static float beta(const lyc_scheduler_config *config, int t)
{
    const int n = config->train_timesteps;
    if (config->trained_betas != NULL) {
        return (float)config->trained_betas[t];
    }
    switch (config->beta_schedule) {
    case LYC_BETA_SCALED_LINEAR: {
        const float root = linspace((float)sqrt(config->beta_start), (float)sqrt(config->beta_end), n, t);
        return root * root;
    }
    case LYC_BETA_LINEAR:
        return linspace((float)config->beta_start, (float)config->beta_end, n, t);
    case LYC_BETA_SQUARED_COS:
        return (float)fmin(1 - cosine((t + 1.0) / n) / cosine((double)t / n), 0.999);
    }
    return 0;
}

static void multiply(lyc_schedule *s)
{
    double product = 1;
    for (int t = 0; t < s->train_timesteps; t++) {
        product *= (double)(1.0f - s->betas[t]);
        s->alphas[t] = (float)product;
    }
}

/* Betas of zero terminal SNR (arXiv 2305.08891, algorithm 1): sqrt(a) is shifted so that the last is 0, and scaled so
 * that the first stays. In f32, as the reference does. */
static void rescale(lyc_schedule *s)
{
    const int last = s->train_timesteps - 1;
    const float first_root = sqrtf(s->alphas[0]);
    const float last_root = sqrtf(s->alphas[last]);
    float before = 1;
    for (int t = 0; t <= last; t++) {
        const float root = (sqrtf(s->alphas[t]) - last_root) * (first_root / (first_root - last_root));
        const float alpha = root * root;
        s->betas[t] = 1.0f - (t == 0 ? alpha : alpha / before);
        before = alpha;
    }
    multiply(s);
}

static lyc_status check_config(const lyc_scheduler_config *config, lyc_error *err)
{
    if (config->train_timesteps < 1 || config->train_timesteps > MAX_TRAIN_TIMESTEPS) {
        return lyc_fail(err, LYC_E_FORMAT, "num_train_timesteps is %d, expected 1 to %d", config->train_timesteps,
                        MAX_TRAIN_TIMESTEPS);
    }
    if (config->rescale_zero_snr && config->train_timesteps < 2) {
        return lyc_fail(err, LYC_E_FORMAT, "rescale_betas_zero_snr needs more than one training timestep");
    }
    for (int t = 0; t < config->train_timesteps; t++) {
        const float b = beta(config, t);
        if (!(b >= 0 && b < 1)) {
            return lyc_fail(err, LYC_E_FORMAT, "beta of timestep %d is %g, expected at least 0 and below 1", t,
                            (double)b);
        }
    }
    if (beta(config, 0) == 0.0f) {
        return lyc_fail(err, LYC_E_FORMAT, "beta of timestep 0 is 0: there would be a timestep without noise");
    }
    return LYC_OK;
}

lyc_status lyc_schedule_init(lyc_schedule *s, const lyc_scheduler_config *config, lyc_error *err)
{
    *s = (lyc_schedule){0};
    LYC_TRY(check_config(config, err));
    const size_t n = (size_t)config->train_timesteps;
    s->train_timesteps = config->train_timesteps;
    s->squared_cos = config->trained_betas == NULL && config->beta_schedule == LYC_BETA_SQUARED_COS;
    s->betas = lyc_alloc_zero(n, sizeof *s->betas);
    s->alphas = lyc_alloc_zero(n, sizeof *s->alphas);
    s->sigmas = lyc_alloc_zero(n, sizeof *s->sigmas);
    s->log_sigmas = lyc_alloc_zero(n, sizeof *s->log_sigmas);
    if (s->betas == NULL || s->alphas == NULL || s->sigmas == NULL || s->log_sigmas == NULL) {
        lyc_schedule_clear(s);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a noise schedule of %zu timesteps", n);
    }
    for (size_t t = 0; t < n; t++) {
        s->betas[t] = beta(config, (int)t);
    }
    multiply(s);
    if (config->rescale_zero_snr) {
        rescale(s);
    }
    for (size_t t = 0; t < n; t++) {
        const double a = s->alphas[t] > 0.0f ? (double)s->alphas[t] : smallest_alpha;
        s->sigmas[t] = (double)(float)sqrt((1 - a) / a);
        s->log_sigmas[t] = (double)(float)log(s->sigmas[t]);
    }
    return LYC_OK;
}

void lyc_schedule_clear(lyc_schedule *s)
{
    lyc_free(s->betas);
    lyc_free(s->alphas);
    lyc_free(s->sigmas);
    lyc_free(s->log_sigmas);
    *s = (lyc_schedule){0};
}

lyc_level lyc_schedule_level(const lyc_schedule *s, int timestep)
{
    const double a = (double)s->alphas[timestep];
    return (lyc_level){sqrt(a), sqrt(1 - a)};
}

double lyc_schedule_snr(const lyc_schedule *s, int timestep)
{
    const double a = (double)s->alphas[timestep];
    return a / (1 - a);
}

lyc_level lyc_level_of_sigma(double sigma)
{
    const double signal = 1 / sqrt(sigma * sigma + 1);
    return (lyc_level){signal, sigma * signal};
}

static double interpolate(const double *table, int n, double at)
{
    if (!(at > 0) || n == 1) {
        return table[0];
    }
    if (at >= n - 1) {
        return table[n - 1];
    }
    const int i = (int)at;
    const double w = at - i;
    return table[i] + w * (table[i + 1] - table[i]);
}

double lyc_schedule_sigma(const lyc_schedule *s, double timestep)
{
    return interpolate(s->sigmas, s->train_timesteps, timestep);
}

double lyc_schedule_sigma_log(const lyc_schedule *s, double timestep)
{
    return exp(interpolate(s->log_sigmas, s->train_timesteps, timestep));
}

double lyc_schedule_timestep(const lyc_schedule *s, double sigma)
{
    const double wanted = log(fmax(sigma, 1e-10));
    int low = 0;
    int high = s->train_timesteps - 1;
    if (high == 0 || wanted <= s->log_sigmas[0]) {
        return 0;
    }
    while (high - low > 1) { /* log_sigmas[low] <= wanted */
        const int middle = low + (high - low) / 2;
        *(s->log_sigmas[middle] <= wanted ? &low : &high) = middle;
    }
    const double w = (wanted - s->log_sigmas[low]) / (s->log_sigmas[high] - s->log_sigmas[low]);
    return low + fmin(fmax(w, 0), 1);
}
