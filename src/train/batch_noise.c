/* batch_noise.c - what a batch of latents is trained on
 *
 *     n = normal, + offset, pyramid; t uniform; x = sqrt(a_t) z + sqrt(1 - a_t) (n + perturbation)
 *     target n, or sqrt(a_t) n - sqrt(1 - a_t) z; weights: min-SNR, velocity as noise, velocity-like, debiased
 *
 * Streams: a purpose has a place within it in its upper bits (random.h), so that the offset, each level of the pyramid
 * and the perturbation are streams of their own. Trap: the target keeps the noise without the perturbation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/batch_noise.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"
#include "base/string.h"
#include "tensor/random.h"

/* Places within LYC_RANDOM_NOISE. */
enum { PLACE_NOISE, PLACE_OFFSET, PLACE_STRENGTH, PLACE_PERTURBATION, PLACE_RATIO, PLACE_LEVEL };

/* The least SNR that a weight divides by: that of a = 2^-24, where a schedule ends with zero terminal SNR. */
static const double least_snr = 0x1p-24;

typedef struct drawing {
    lyc_batch_noise *out;
    const lyc_batch_noise_request *r;
    size_t image; /* elements of a sample */
    size_t count; /* of the batch */
} drawing;

static int end_of_timesteps(const lyc_batch_noise_options *o, const lyc_schedule *schedule)
{
    return o->max_timestep > 0 ? o->max_timestep : schedule->train_timesteps;
}

/* --- checking ------------------------------------------------------------------------------------------------------
 */

static void check_timesteps(lyc_strbuf *text, const lyc_batch_noise_options *o, const lyc_schedule *schedule)
{
    const int end = end_of_timesteps(o, schedule);
    if (o->min_timestep < 0 || end > schedule->train_timesteps || o->min_timestep > end ||
        o->min_timestep >= schedule->train_timesteps) {
        lyc_strbuf_format(text, "min_timestep %d, max_timestep %d: expected 0 to %d, the first below the second; ",
                          o->min_timestep, end, schedule->train_timesteps);
    }
}

static void check_noise(lyc_strbuf *text, const lyc_batch_noise_options *o)
{
    if ((o->adaptive_noise_scale < 0 || o->adaptive_noise_scale > 0) && !(o->noise_offset > 0)) {
        lyc_strbuf_append(text, "adaptive_noise_scale without noise_offset: it adapts that offset; ");
    }
    if (o->multires_noise_iterations < 0 || !(o->multires_noise_discount >= 0)) {
        lyc_strbuf_format(text,
                          "multires_noise_iterations %d, multires_noise_discount %g: expected 0 or more of both; ",
                          o->multires_noise_iterations, o->multires_noise_discount);
    }
    if (!(o->ip_noise_gamma >= 0) || !(o->min_snr_gamma >= 0) || !(o->v_pred_like_loss >= 0)) {
        lyc_strbuf_format(
            text, "ip_noise_gamma %g, min_snr_gamma %g, v_pred_like_loss %g: expected 0 (off) or more of each; ",
            o->ip_noise_gamma, o->min_snr_gamma, o->v_pred_like_loss);
    }
    if (!(o->huber_c > 0) || !(o->huber_scale > 0)) {
        lyc_strbuf_format(text, "huber_c %g, huber_scale %g: expected more than 0; ", o->huber_c, o->huber_scale);
    }
}

static void check_prediction(lyc_strbuf *text, const lyc_batch_noise_options *o, lyc_prediction prediction)
{
    if (prediction == LYC_PREDICTION_SAMPLE) {
        lyc_strbuf_append(text, "a model that predicts the sample itself cannot be trained; ");
    }
    if (o->scale_v_pred_loss_like_noise_pred && prediction != LYC_PREDICTION_V) {
        lyc_strbuf_append(text, "scale_v_pred_loss_like_noise_pred is for models of v-prediction, this one predicts "
                                "noise; ");
    }
    if (o->v_pred_like_loss > 0 && prediction == LYC_PREDICTION_V) {
        lyc_strbuf_append(text, "v_pred_like_loss is for models that predict noise, this one predicts v; ");
    }
}

lyc_status lyc_batch_noise_check(const lyc_batch_noise_options *options, const lyc_schedule *schedule,
                                 lyc_prediction prediction, lyc_error *err)
{
    lyc_strbuf text = {0};
    check_timesteps(&text, options, schedule);
    check_noise(&text, options);
    check_prediction(&text, options, prediction);
    lyc_status status = lyc_strbuf_check(&text, "what is wrong with options", err);
    if (status == LYC_OK && text.length > 0) {
        status = lyc_fail(err, LYC_E_ARGUMENT, "%.*s", (int)text.length - 2, text.text);
    }
    lyc_strbuf_clear(&text);
    return status;
}

/* --- numbers -------------------------------------------------------------------------------------------------------
 */

static lyc_native_random stream_of(const drawing *d, lyc_random_purpose purpose, uint32_t place)
{
    return (lyc_native_random){.seed = d->r->seed, .purpose = (uint32_t)purpose | place << 8, .step = d->r->step};
}

/* Normal numbers [n,size]; a sample's begin at a multiple of 4, where streams can be cut. */
static void normals(float *out, const drawing *d, uint32_t place, size_t size)
{
    const lyc_native_random random = stream_of(d, LYC_RANDOM_NOISE, place);
    const uint64_t stride = (size + 3) & ~(size_t)3;
    for (size_t i = 0; i < d->r->shape.n; i++) {
        lyc_native_random_normals(&random, out + i * size, (d->r->first_sample + i) * stride, size);
    }
}

/* One number in [0,1) for the batch. */
static double uniform(const drawing *d, uint32_t place, uint64_t index)
{
    const lyc_native_random random = stream_of(d, LYC_RANDOM_NOISE, place);
    return (double)lyc_native_random_uniform(&random, index);
}

static lyc_status reserve(lyc_batch_noise *out, size_t count, size_t n, size_t channels, lyc_error *err)
{
    float **const images[] = {&out->noise, &out->noisy, &out->target, &out->scratch};
    float **const rows[] = {&out->timesteps, &out->weights, &out->huber};
    const size_t size = count > 2 * n * channels ? count : 2 * n * channels; /* scratch also holds offsets and draws */
    bool complete = true;
    if (size > out->capacity || n > out->batch_capacity) {
        lyc_batch_noise_clear(out);
        for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
            *images[i] = lyc_alloc_zero(size, sizeof(float));
            complete = complete && *images[i] != NULL;
        }
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            *rows[i] = lyc_alloc_zero(n, sizeof(float));
            complete = complete && *rows[i] != NULL;
        }
        out->capacity = complete ? size : 0;
        out->batch_capacity = complete ? n : 0;
    }
    return complete ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for the noise of a batch");
}

/* --- noise ---------------------------------------------------------------------------------------------------------
 */

static void add_offset(const drawing *d)
{
    const lyc_batch_noise_options *o = d->r->options;
    const lyc_latent_shape *s = &d->r->shape;
    float *draw = d->out->scratch;
    float *offset = draw + s->n * s->c;
    const double strength = o->noise_offset * (o->noise_offset_random_strength ? uniform(d, PLACE_STRENGTH, 0) : 1.0);
    lyc_noise_adapt_offset(offset, d->r->latents, s, strength, o->adaptive_noise_scale);
    normals(draw, d, PLACE_OFFSET, s->c);
    lyc_noise_add_offset(d->out->noise, s, offset, draw);
}

/* Levels of ever coarser noise; ends with one whose side is 1. */
static void add_pyramid(const drawing *d)
{
    const lyc_batch_noise_options *o = d->r->options;
    const lyc_latent_shape *s = &d->r->shape;
    for (int i = 0; i < o->multires_noise_iterations; i++) {
        const double ratio = 2 + 2 * uniform(d, PLACE_RATIO, (uint64_t)i);
        const size_t h = lyc_noise_level_side(s->h, ratio, i);
        const size_t w = lyc_noise_level_side(s->w, ratio, i);
        normals(d->out->scratch, d, PLACE_LEVEL + (uint32_t)i, h * w * s->c);
        lyc_noise_add_level(d->out->noise, s, d->out->scratch, h, w, pow(o->multires_noise_discount, i));
        if (h == 1 || w == 1) {
            break;
        }
    }
    lyc_noise_normalise(d->out->noise, d->count);
}

static void make_noise(const drawing *d)
{
    normals(d->out->noise, d, PLACE_NOISE, d->image);
    if (d->r->options->noise_offset > 0) {
        add_offset(d);
    }
    if (d->r->options->multires_noise_iterations > 0) {
        add_pyramid(d);
    }
}

/* --- samples -------------------------------------------------------------------------------------------------------
 */

static int timestep_of(const drawing *d, size_t i)
{
    const lyc_batch_noise_options *o = d->r->options;
    const int end = end_of_timesteps(o, d->r->schedule);
    if (d->r->timestep >= 0) {
        return d->r->timestep;
    }
    const uint64_t range = end > o->min_timestep ? (uint64_t)(end - o->min_timestep) : 1;
    const lyc_native_random random = stream_of(d, LYC_RANDOM_TIMESTEP, 0);
    const uint64_t bits = lyc_native_random_bits(&random, d->r->first_sample + i);
    return o->min_timestep + (int)(bits * range >> 32);
}

static double weight_of(const drawing *d, int timestep)
{
    const lyc_batch_noise_options *o = d->r->options;
    const lyc_prediction prediction = d->r->prediction;
    const double snr = fmax(lyc_schedule_snr(d->r->schedule, timestep), least_snr);
    double weight = 1;
    if (o->min_snr_gamma > 0) {
        weight *= lyc_min_snr_weight(snr, o->min_snr_gamma, prediction);
    }
    if (o->scale_v_pred_loss_like_noise_pred) {
        weight *= lyc_velocity_as_noise_weight(snr);
    }
    if (o->v_pred_like_loss > 0) {
        weight *= 1 + o->v_pred_like_loss / lyc_velocity_as_noise_weight(snr);
    }
    if (o->debiased_estimation_loss) {
        weight *= lyc_debiased_weight(snr, prediction);
    }
    return weight;
}

/* The noise that goes into the input: noise itself, or perturbed in scratch. */
static const float *input_noise(const drawing *d)
{
    const lyc_batch_noise_options *o = d->r->options;
    if (!(o->ip_noise_gamma > 0)) {
        return d->out->noise;
    }
    const double strength =
        o->ip_noise_gamma * (o->ip_noise_gamma_random_strength ? uniform(d, PLACE_STRENGTH, 1) : 1.0);
    normals(d->out->scratch, d, PLACE_PERTURBATION, d->image);
    lyc_noise_perturb(d->out->scratch, d->out->noise, d->out->scratch, d->count, strength);
    return d->out->scratch;
}

static void make_sample(const drawing *d, size_t i, const float *noise)
{
    const lyc_batch_noise_options *o = d->r->options;
    const lyc_schedule *schedule = d->r->schedule;
    const int timestep = timestep_of(d, i);
    const lyc_level level = lyc_schedule_level(schedule, timestep);
    const size_t first = i * d->image;
    lyc_add_noise(d->out->noisy + first, d->r->latents + first, noise + first, d->image, level);
    if (d->r->prediction == LYC_PREDICTION_V) {
        lyc_velocity(d->out->target + first, d->r->latents + first, d->out->noise + first, d->image, level);
    } else {
        memcpy(d->out->target + first, d->out->noise + first, d->image * sizeof(float));
    }
    d->out->timesteps[i] = (float)timestep;
    d->out->weights[i] = (float)weight_of(d, timestep);
    d->out->huber[i] = (float)lyc_huber_c(o->huber_schedule, o->huber_c, o->huber_scale, timestep, schedule);
}

lyc_status lyc_batch_noise_draw(lyc_batch_noise *out, const lyc_batch_noise_request *request, lyc_error *err)
{
    const lyc_latent_shape *s = &request->shape;
    drawing d = {.out = out, .r = request};
    if (!lyc_size_mul(&d.image, s->h, s->w) || !lyc_size_mul(&d.image, d.image, s->c) ||
        !lyc_size_mul(&d.count, d.image, s->n)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a batch of %zu latents of %zu x %zu", s->n, s->h, s->w);
    }
    LYC_TRY(reserve(out, d.count, s->n, s->c, err));
    make_noise(&d);
    const float *noise = input_noise(&d);
    for (size_t i = 0; i < s->n; i++) {
        make_sample(&d, i, noise);
    }
    return LYC_OK;
}

void lyc_batch_noise_clear(lyc_batch_noise *noise)
{
    lyc_free(noise->noise);
    lyc_free(noise->noisy);
    lyc_free(noise->target);
    lyc_free(noise->timesteps);
    lyc_free(noise->weights);
    lyc_free(noise->huber);
    lyc_free(noise->scratch);
    *noise = (lyc_batch_noise){0};
}

int lyc_validation_timestep(const lyc_batch_noise_options *options, const lyc_schedule *schedule, int k, int count)
{
    const int first = options->min_timestep;
    const int last = end_of_timesteps(options, schedule);
    const int at = first + (int)((int64_t)(last - first) * (k + 1) / (count + 1));
    return at < schedule->train_timesteps ? at : schedule->train_timesteps - 1;
}
