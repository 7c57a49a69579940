/* objective.c - what a diffusion model is trained to predict, on which noise, and how timesteps are weighted
 *
 * Weights: min-SNR (arXiv 2303.09556, equations 5 and 10). Pyramid noise: levels of ever coarser noise are added up,
 * and the sum is brought back to a deviation of 1. SNR is bounded by 1000 where a weight divides by it, as trainers do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/objective.h"

#include <math.h>

static const double largest_snr = 1000;

void lyc_noise_add_offset(float *noise, const lyc_latent_shape *s, const float *offset, const float *draw)
{
    const size_t image = s->h * s->w * s->c;
    for (size_t i = 0; i < s->n * image; i++) {
        const size_t at = i / image * s->c + i % s->c;
        noise[i] += offset[at] * draw[at];
    }
}

void lyc_noise_adapt_offset(float *out, const float *latents, const lyc_latent_shape *s, double offset, double scale)
{
    const size_t pixels = s->h * s->w;
    for (size_t i = 0; i < s->n * s->c; i++) {
        const float *first = latents + i / s->c * pixels * s->c + i % s->c;
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) {
            sum += (double)first[p * s->c];
        }
        out[i] = (float)fmax(0, offset + scale * fabs(sum / (double)pixels));
    }
}

size_t lyc_noise_level_side(size_t side, double ratio, int level)
{
    return (size_t)fmax(1, floor((double)side / pow(ratio, level)));
}

/* Where row i of n lies among m, by the centres of pixels: torch's bilinear resize without align_corners. */
typedef struct place {
    size_t low, high;
    double weight; /* of high */
} place;

static place place_of(size_t i, size_t n, size_t m)
{
    const double at = fmax(((double)i + 0.5) * (double)m / (double)n - 0.5, 0);
    const size_t low = (size_t)at < m - 1 ? (size_t)at : m - 1;
    return (place){low, low + 1 < m ? low + 1 : low, at - (double)low};
}

void lyc_noise_add_level(float *noise, const lyc_latent_shape *s, const float *draw, size_t level_h, size_t level_w,
                         double factor)
{
    const size_t row = level_w * s->c;
    for (size_t y = 0; y < s->n * s->h; y++) {
        const place v = place_of(y % s->h, s->h, level_h);
        const float *image = draw + y / s->h * level_h * row;
        for (size_t x = 0; x < s->w; x++) {
            const place u = place_of(x, s->w, level_w);
            for (size_t c = 0; c < s->c; c++) {
                const float *upper = image + v.low * row + c;
                const float *lower = image + v.high * row + c;
                const double top =
                    (1 - u.weight) * (double)upper[u.low * s->c] + u.weight * (double)upper[u.high * s->c];
                const double end =
                    (1 - u.weight) * (double)lower[u.low * s->c] + u.weight * (double)lower[u.high * s->c];
                noise[(y * s->w + x) * s->c + c] += (float)(factor * ((1 - v.weight) * top + v.weight * end));
            }
        }
    }
}

void lyc_noise_normalise(float *noise, size_t count)
{
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)noise[i];
    }
    const double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        squares += ((double)noise[i] - mean) * ((double)noise[i] - mean);
    }
    const double deviation = sqrt(squares / (double)(count - 1));
    for (size_t i = 0; i < count; i++) {
        noise[i] = (float)((double)noise[i] / deviation);
    }
}

void lyc_noise_perturb(float *out, const float *noise, const float *draw, size_t count, double strength)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)((double)noise[i] + strength * (double)draw[i]);
    }
}

void lyc_add_noise(float *out, const float *latents, const float *noise, size_t count, lyc_level level)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)(level.signal * (double)latents[i] + level.noise * (double)noise[i]);
    }
}

void lyc_velocity(float *out, const float *latents, const float *noise, size_t count, lyc_level level)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)(level.signal * (double)noise[i] - level.noise * (double)latents[i]);
    }
}

double lyc_huber_c(lyc_huber_schedule kind, double c, double scale, int timestep, const lyc_schedule *schedule)
{
    switch (kind) {
    case LYC_HUBER_CONSTANT:
        return c * scale;
    case LYC_HUBER_EXPONENTIAL:
        return exp(timestep * log(c) / schedule->train_timesteps) * scale;
    case LYC_HUBER_SNR: {
        const double sigma = schedule->sigmas[timestep];
        return (1 - c) / ((1 + sigma) * (1 + sigma)) + c;
    }
    }
    return c;
}

double lyc_min_snr_weight(double snr, double gamma, lyc_prediction prediction)
{
    return fmin(snr, gamma) / (prediction == LYC_PREDICTION_V ? snr + 1 : snr);
}

double lyc_debiased_weight(double snr, lyc_prediction prediction)
{
    const double bounded = fmin(snr, largest_snr);
    return prediction == LYC_PREDICTION_V ? 1 / (bounded + 1) : 1 / sqrt(bounded);
}

double lyc_velocity_as_noise_weight(double snr)
{
    const double bounded = fmin(snr, largest_snr);
    return bounded / (bounded + 1);
}
