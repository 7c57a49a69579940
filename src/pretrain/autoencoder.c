/* autoencoder.c - AutoencoderKL from pictures
 *
 *     mean, logvar = encode(x);  z = mean + exp(logvar / 2) noise;  y = decode(z)
 *     loss = |y - x| + |edges y - edges x| / 2 + (y - x)^2 + kl_weight (mean^2 + exp(logvar) - 1 - logvar) / 2
 *
 * each a mean over its numbers; edges are differences of neighbours, which blur does not get for little (Mathieu et
 * al., arXiv 1511.05440). Rombach et al. (arXiv 2112.10752) without perceptual and adversarial terms, which need
 * networks that a model from nothing does not have.
 *
 * Latents come out with a mean and a spread of their own in each channel, and a denoiser would have to learn these as
 * an offset. quant_conv and post_quant_conv are linear, so the file has them with the statistics of the pictures folded
 * in: latents of mean 0 and deviation 1, the same pictures, and a scaling factor of 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/build.h"
#include "graph/ops/sample_loss.h"
#include "model/runner.h"
#include "model/vae.h"
#include "pretrain/fit.h"
#include "pretrain/stages.h"
#include "pretrain/weights_file.h"
#include "tensor/random.h"

static const char component[] = "vae";
enum { MOST_MEASURED = 16 /* batches */, MAX_LATENTS = 64 };

typedef struct autoencoder {
    const lyc_pretrain_options *options;
    lyc_picture_source *pictures;
    const lyc_vae_config *config;
    lyc_fit *fit;
    const lyc_data_batch *batch;
    int64_t n, side; /* of the step that is built or fed */
    float *crops, *noise;
    size_t crop_room, noise_room;
    char key[64];
} autoencoder;

/* --- graphs --------------------------------------------------------------------------------------------------------
 */

typedef struct handles {
    lyc_value *x, *noise, *y, *mean;
} handles;

static lyc_value *moments_of(handles *h, lyc_module *m, const autoencoder *a)
{
    h->x = lyc_graph_input(m->graph, "x", LYC_FLOAT, LYC_SHAPE(a->n, a->side, a->side, a->config->in_channels));
    return lyc_vae_encode(m, a->config, lyc_cast(m->graph, h->x, LYC_ACTIVATION));
}

/* Between -30 and 20, as diffusers. */
static lyc_value *clamp(lyc_graph *g, lyc_value *x)
{
    x = lyc_clamp_min(g, x, -30.0f);
    return lyc_affine(g, lyc_clamp_min(g, lyc_affine(g, x, -1.0f, 0.0f), -20.0f), -1.0f, 0.0f);
}

/* Neighbours along an axis of pixels, the later minus the former. */
static lyc_value *edges(lyc_graph *g, lyc_value *x, int axis, int64_t side)
{
    return lyc_sub(g, lyc_slice(g, x, axis, 1, side - 1), lyc_slice(g, x, axis, 0, side - 1));
}

static lyc_value *distance(lyc_graph *g, const autoencoder *a, lyc_value *y, lyc_value *x)
{
    lyc_value *loss = lyc_add(g, lyc_sample_loss(g, y, x, NULL, NULL, LYC_LOSS_L1),
                              lyc_sample_loss(g, y, x, NULL, NULL, LYC_LOSS_L2));
    for (int axis = 1; axis <= 2; axis++) {
        lyc_value *e =
            lyc_sample_loss(g, edges(g, y, axis, a->side), edges(g, x, axis, a->side), NULL, NULL, LYC_LOSS_L1);
        loss = lyc_add(g, loss, lyc_affine(g, e, 0.5f, 0.0f));
    }
    return loss;
}

/* (mean^2 + exp(logvar) - 1 - logvar) / 2, over all but the first axis. */
static lyc_value *divergence(lyc_graph *g, lyc_value *mean, lyc_value *logvar)
{
    lyc_value *sum = lyc_add(g, lyc_mul(g, mean, mean), lyc_sub(g, lyc_exp(g, logvar), logvar));
    return lyc_affine(g, lyc_reduce_mean(g, sum, 0xe, false, true), 0.5f, -0.5f);
}

static lyc_status build(lyc_value **losses, void **out, lyc_module *m, lyc_arena *arena, void *context, lyc_error *err)
{
    const autoencoder *a = context;
    lyc_graph *g = m->graph;
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    const int64_t c = a->config->latent_channels;
    const int64_t latent = a->side / lyc_vae_factor(a->config);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an autoencoder");
    }
    lyc_value *moments = moments_of(h, m, a);
    lyc_value *mean = lyc_slice(g, moments, 3, 0, c);
    lyc_value *logvar = clamp(g, lyc_slice(g, moments, 3, c, c));
    h->noise = lyc_graph_input(g, "noise", LYC_FLOAT, LYC_SHAPE(a->n, latent, latent, c));
    lyc_value *deviation = lyc_exp(g, lyc_affine(g, logvar, 0.5f, 0.0f));
    lyc_value *z = lyc_add(g, mean, lyc_mul(g, deviation, lyc_cast(g, h->noise, LYC_ACTIVATION)));
    lyc_value *y = lyc_cast(g, lyc_vae_decode(m, a->config, z), LYC_FLOAT);
    lyc_value *kl = lyc_affine(g, divergence(g, mean, logvar), (float)a->options->kl_weight, 0.0f);
    *losses = lyc_add(g, distance(g, a, y, h->x), kl);
    *out = h;
    return LYC_OK;
}

/* Pictures to latents and back, without noise. */
static lyc_status build_plain(void **out, lyc_module *m, lyc_arena *arena, void *context, lyc_error *err)
{
    const autoencoder *a = context;
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an autoencoder");
    }
    lyc_value *mean = lyc_slice(m->graph, moments_of(h, m, a), 3, 0, a->config->latent_channels);
    h->mean = lyc_runner_float_output(m->graph, mean);
    h->y = lyc_runner_float_output(m->graph, lyc_vae_decode(m, a->config, mean));
    *out = h;
    return LYC_OK;
}

/* --- steps ---------------------------------------------------------------------------------------------------------
 */

/* Crops show as much of edges and textures for a quarter of the work; whole pictures come last. */
static int64_t side_of(const autoencoder *a, int64_t step)
{
    const lyc_pretrain_options *o = a->options;
    return o->crop > 0 && o->crop < o->resolution && 4 * step < 3 * o->steps ? o->crop : o->resolution;
}

static lyc_status reserve(float **room, size_t *have, size_t count, lyc_error *err)
{
    if (count > *have) {
        lyc_free(*room);
        *room = lyc_alloc_zero(count, sizeof **room);
        *have = *room != NULL ? count : 0;
    }
    return *room != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a batch of pictures");
}

static lyc_status begin_step(void *context, int64_t step, lyc_error *err)
{
    autoencoder *a = context;
    LYC_TRY(lyc_picture_source_batch(&a->batch, a->pictures, step, err));
    a->n = a->batch->n;
    a->side = side_of(a, step);
    return LYC_OK;
}

static const char *key(void *context, int64_t step)
{
    autoencoder *a = context;
    (void)step;
    snprintf(a->key, sizeof a->key, "train %" PRId64 "x%" PRId64, a->n, a->side);
    return a->key;
}

/* A place of its own for each picture. */
static void crop(autoencoder *a, int64_t step)
{
    const lyc_data_batch *b = a->batch;
    const lyc_native_random random = {.seed = a->options->seed, .purpose = LYC_RANDOM_AUGMENT, .step = (uint32_t)step};
    const int64_t left_over = b->width - a->side;
    for (int64_t i = 0; i < a->n; i++) {
        const int64_t x = (int64_t)(lyc_native_random_bits(&random, (uint64_t)(2 * i)) % (uint32_t)(left_over + 1));
        const int64_t y = (int64_t)(lyc_native_random_bits(&random, (uint64_t)(2 * i + 1)) % (uint32_t)(left_over + 1));
        for (int64_t row = 0; row < a->side; row++) {
            memcpy(a->crops + (i * a->side + row) * a->side * 3,
                   b->images + ((i * b->height + y + row) * b->width + x) * 3, (size_t)a->side * 3 * sizeof(float));
        }
    }
}

static lyc_status feed(void *context, const lyc_cached_plan *plan, void *own, int64_t step, lyc_error *err)
{
    autoencoder *a = context;
    const handles *h = own;
    const int64_t latent = a->side / lyc_vae_factor(a->config);
    const size_t count = (size_t)(a->n * latent * latent * a->config->latent_channels);
    LYC_TRY(reserve(&a->crops, &a->crop_room, (size_t)(a->n * a->side * a->side * 3), err));
    LYC_TRY(reserve(&a->noise, &a->noise_room, count, err));
    crop(a, step);
    const lyc_native_random random = {.seed = a->options->seed, .purpose = LYC_RANDOM_LATENT, .step = (uint32_t)step};
    lyc_native_random_normals(&random, a->noise, 0, count);
    LYC_TRY(lyc_runner_bind(plan, h->x, a->crops, err));
    return lyc_runner_bind(plan, h->noise, a->noise, err);
}

/* --- measuring -----------------------------------------------------------------------------------------------------
 */

static lyc_status run_plain(const lyc_cached_plan **plan, const handles **h, autoencoder *a, const lyc_data_batch *b,
                            lyc_error *err)
{
    void *own;
    a->n = b->n;
    a->side = b->width;
    snprintf(a->key, sizeof a->key, "plain %" PRId64, a->n);
    LYC_TRY(lyc_fit_plan(plan, &own, a->fit, a->key, build_plain, a, err));
    *h = own;
    LYC_TRY(lyc_runner_bind(*plan, (*h)->x, b->images, err));
    return lyc_plan_run((*plan)->plan, err);
}

/* Mean over pictures of 10 log10(4 / mean squared error): the range is [-1,1]; values beyond are cut. */
static lyc_status measure(lyc_fit_quality *out, void *context, lyc_error *err)
{
    autoencoder *a = context;
    double sum = 0;
    int64_t count = 0;
    for (size_t index = 0; index < MOST_MEASURED; index++) {
        const lyc_data_batch *b = NULL;
        const lyc_cached_plan *plan;
        const handles *h;
        LYC_TRY(lyc_picture_source_validation(&b, a->pictures, index, err));
        if (b == NULL) {
            break;
        }
        LYC_TRY(run_plain(&plan, &h, a, b, err));
        const float *y = lyc_plan_data(plan->plan, h->y);
        const int64_t size = b->width * b->height * 3;
        for (int64_t i = 0; i < b->n; i++) {
            double error = 0;
            for (int64_t k = i * size; k < (i + 1) * size; k++) {
                const double d = fmin(fmax((double)y[k], -1.0), 1.0) - (double)b->images[k];
                error += d * d;
            }
            sum += 10.0 * log10(4.0 * (double)size / fmax(error, 1e-12));
        }
        count += b->n;
    }
    out->first = count > 0 ? sum / (double)count : (double)NAN;
    return LYC_OK;
}

/* --- latents of mean 0 and deviation 1 -----------------------------------------------------------------------------
 */

typedef struct statistics {
    double mean[MAX_LATENTS], deviation[MAX_LATENTS];
} statistics;

static lyc_status measure_latents(statistics *out, autoencoder *a, lyc_error *err)
{
    const int c = a->config->latent_channels;
    double sums[MAX_LATENTS] = {0}, squares[MAX_LATENTS] = {0};
    double places = 0;
    const int64_t all = (int64_t)lyc_epoch_batches(lyc_picture_source_data(a->pictures), false);
    for (int64_t step = 0; step < (all < MOST_MEASURED ? all : MOST_MEASURED); step++) {
        const lyc_data_batch *b = NULL;
        const lyc_cached_plan *plan;
        const handles *h;
        LYC_TRY(lyc_picture_source_batch(&b, a->pictures, step, err));
        LYC_TRY(run_plain(&plan, &h, a, b, err));
        const float *mean = lyc_plan_data(plan->plan, h->mean);
        const int64_t count = lyc_shape_elements(&h->mean->shape);
        for (int64_t i = 0; i < count; i++) {
            sums[i % c] += (double)mean[i];
            squares[i % c] += (double)mean[i] * (double)mean[i];
        }
        places += (double)count / (double)c;
    }
    for (int i = 0; i < c; i++) {
        out->mean[i] = sums[i] / places;
        out->deviation[i] = sqrt(fmax(squares[i] / places - out->mean[i] * out->mean[i], 1e-12));
    }
    return LYC_OK;
}

/* mean' = (mean - m) / s, logvar' = logvar - 2 log s, z = s z' + m. */
static void fold(const autoencoder *a, const lyc_trainables *set, const statistics *s)
{
    const int c = a->config->latent_channels;
    const lyc_trainable *quant = lyc_trainables_find(set, component, "quant_conv.weight");
    const lyc_trainable *quant_bias = lyc_trainables_find(set, component, "quant_conv.bias");
    const lyc_trainable *post = lyc_trainables_find(set, component, "post_quant_conv.weight");
    const lyc_trainable *post_bias = lyc_trainables_find(set, component, "post_quant_conv.bias");
    for (int i = 0; i < c; i++) {
        for (int k = 0; k < 2 * c; k++) {
            quant->value[i * 2 * c + k] = (float)((double)quant->value[i * 2 * c + k] / s->deviation[i]);
        }
        quant_bias->value[i] = (float)(((double)quant_bias->value[i] - s->mean[i]) / s->deviation[i]);
        quant_bias->value[c + i] = (float)((double)quant_bias->value[c + i] - 2.0 * log(s->deviation[i]));
    }
    for (int o = 0; o < c; o++) {
        for (int i = 0; i < c; i++) {
            post_bias->value[o] += (float)((double)post->value[o * c + i] * s->mean[i]);
            post->value[o * c + i] = (float)((double)post->value[o * c + i] * s->deviation[i]);
        }
    }
}

static lyc_status finish(autoencoder *a, const lyc_trainables *set, lyc_error *err)
{
    statistics s;
    char path[4096];
    const lyc_weights_form form = {.dtype = a->options->half ? LYC_F16 : LYC_F32, .force = true};
    LYC_TRY(measure_latents(&s, a, err));
    fold(a, set, &s);
    snprintf(path, sizeof path, "%s/vae/diffusion_pytorch_model.safetensors", a->options->model);
    return lyc_weights_write(path, set, component, &form, err);
}

/* --- the stage -----------------------------------------------------------------------------------------------------
 */

static lyc_status check(const lyc_vae_config *c, const lyc_pretrain_options *o, lyc_error *err)
{
    const int factor = lyc_vae_factor(c);
    if (!c->quant_conv || !c->post_quant_conv || c->latent_channels > MAX_LATENTS) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "a VAE without quant_conv and post_quant_conv, or of more than %d latent channels",
                        (int)MAX_LATENTS);
    }
    if (o->resolution % factor != 0 || o->crop % factor != 0) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "resolution %" PRId64 " and crops of %" PRId64 " pixels: expected multiples of %d",
                        o->resolution, o->crop, factor);
    }
    return LYC_OK;
}

static lyc_status train(bool *finished, autoencoder *a, lyc_trainables *set, lyc_error *err)
{
    const lyc_fit_problem problem = {.name = "autoencoder",
                                     .set = set,
                                     .component = component,
                                     .fingerprint = lyc_picture_source_data(a->pictures)->fingerprint,
                                     .key = key,
                                     .build = build,
                                     .feed = feed,
                                     .measure = measure,
                                     .begin_step = begin_step,
                                     .context = a};
    lyc_status status = lyc_fit_new(&a->fit, &problem, a->options, err);
    status = status == LYC_OK ? lyc_fit_run(finished, a->fit, err) : status;
    status = status == LYC_OK && *finished ? finish(a, set, err) : status;
    lyc_fit_free(a->fit);
    return status;
}

lyc_status lyc_pretrain_autoencoder(bool *finished, const lyc_pretrain_options *options, lyc_picture_source *pictures,
                                    lyc_error *err)
{
    char path[4096];
    lyc_component *vae = NULL;
    lyc_trainables set = {0};
    autoencoder a = {.options = options, .pictures = pictures};
    snprintf(path, sizeof path, "%s/vae", options->model);
    LYC_TRY(lyc_component_open(&vae, LYC_COMPONENT_VAE, NULL, path, err));
    a.config = lyc_component_vae(vae);
    lyc_status status = check(a.config, options, err);
    status = status == LYC_OK ? lyc_trainables_add_component(&set, vae, 0, err) : status;
    status = status == LYC_OK ? train(finished, &a, &set, err) : status;
    lyc_trainables_clear(&set);
    lyc_component_close(vae);
    lyc_free(a.crops);
    lyc_free(a.noise);
    return status;
}
