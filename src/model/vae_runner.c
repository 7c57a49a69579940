/* vae_runner.c - a VAE in use
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/vae_runner.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "model/vae_tiles.h"

struct lyc_vae_runner {
    lyc_runner base;
    const lyc_vae_config *config;
    lyc_vae_tile_options tiles;
};

typedef struct handles {
    lyc_value *in;
    lyc_value *out;
} handles;

/* One direction, for one picture or tile of h x w latent pixels. */
typedef struct pass {
    lyc_vae_runner *runner;
    bool decode;
    int64_t h;
    int64_t w;
} pass;

lyc_status lyc_vae_runner_new(lyc_vae_runner **out, const lyc_component *vae, const lyc_runner_options *options,
                              const lyc_vae_tile_options *tiles, lyc_error *err)
{
    lyc_vae_tile_options chosen = tiles != NULL ? *tiles : (lyc_vae_tile_options){0};
    chosen.tile = chosen.tile == 0 ? 64 : chosen.tile;
    chosen.overlap = chosen.overlap != 0 ? chosen.overlap : chosen.tile < 64 ? chosen.tile / 4 : 16;
    if (chosen.tile < 1 || chosen.overlap < 0 || chosen.overlap >= chosen.tile) {
        return lyc_fail(err, LYC_E_ARGUMENT, "tiles of %d latent pixels that overlap by %d", chosen.tile,
                        chosen.overlap);
    }
    lyc_vae_runner *runner = lyc_alloc_zero(1, sizeof *runner);
    if (runner == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a VAE");
    }
    runner->config = lyc_component_vae(vae);
    runner->tiles = chosen;
    const lyc_status status = lyc_runner_init(&runner->base, vae, options, err);
    if (status != LYC_OK) {
        lyc_free(runner);
        return status;
    }
    *out = runner;
    return LYC_OK;
}

void lyc_vae_runner_free(lyc_vae_runner *runner)
{
    if (runner != NULL) {
        lyc_runner_clear(&runner->base);
        lyc_free(runner);
    }
}

static lyc_status build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    const pass *p = context;
    const lyc_vae_config *config = p->runner->config;
    const int f = lyc_vae_factor(config);
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a VAE");
    }
    lyc_module m = lyc_runner_module(&p->runner->base, g);
    if (p->decode) {
        const lyc_shape size = LYC_SHAPE(1, p->h, p->w, config->latent_channels);
        h->in = lyc_graph_input(g, "latents", LYC_FLOAT, size);
        lyc_value *x = lyc_affine(g, h->in, 1.0f / config->scaling_factor, config->shift_factor);
        x = lyc_cast(g, x, LYC_ACTIVATION);
        h->out = lyc_runner_float_output(g, lyc_vae_decode(&m, config, x));
    } else {
        const lyc_shape size = LYC_SHAPE(1, p->h * f, p->w * f, config->in_channels);
        lyc_value *x = lyc_runner_float_input(&h->in, g, "image", size);
        h->out = lyc_runner_float_output(g, lyc_vae_encode(&m, config, x));
    }
    *out = h;
    return LYC_OK;
}

static lyc_status run_whole(float *out, const float *in, int64_t h, int64_t w, void *context, lyc_error *err)
{
    char key[96];
    pass p = *(const pass *)context;
    const lyc_cached_plan *plan = NULL;
    p.h = h;
    p.w = w;
    snprintf(key, sizeof key, "%s %" PRId64 "x%" PRId64, p.decode ? "decode" : "encode", h, w);
    LYC_TRY(lyc_runner_plan(&plan, &p.runner->base, key, build, &p, err));
    const handles *values = plan->handles;
    LYC_TRY(lyc_runner_bind(plan, values->in, in, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    lyc_runner_take(out, plan, values->out);
    return LYC_OK;
}

static lyc_status run_picture(float *out, const float *in, pass *p, const lyc_tiling *tiling, lyc_error *err)
{
    const lyc_vae_runner *runner = p->runner;
    const size_t limit = runner->tiles.limit_bytes;
    const bool small = tiling->h <= tiling->tile && tiling->w <= tiling->tile;
    if (limit == 0 || small ||
        lyc_vae_activation_bytes(runner->config, tiling->h, tiling->w, runner->base.options.precision) <= limit) {
        return run_whole(out, in, tiling->h, tiling->w, p, err);
    }
    return lyc_tiles_run(out, in, tiling, run_whole, p, err);
}

static lyc_status run(float *out, const float *in, pass *p, const lyc_tiling *tiling, int64_t n, lyc_error *err)
{
    const int64_t pixels = tiling->h * tiling->w;
    const int64_t in_size = pixels * tiling->in_scale * tiling->in_scale * tiling->in_channels;
    const int64_t out_size = pixels * tiling->out_scale * tiling->out_scale * tiling->out_channels;
    for (int64_t i = 0; i < n; i++) {
        LYC_TRY(run_picture(out + i * out_size, in + i * in_size, p, tiling, err));
    }
    return LYC_OK;
}

lyc_status lyc_vae_runner_encode(float *moments, lyc_vae_runner *runner, const float *images, int64_t n, int64_t h,
                                 int64_t w, lyc_error *err)
{
    const int f = lyc_vae_factor(runner->config);
    if (h < f || w < f || h % f != 0 || w % f != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "a picture of %" PRId64 " x %" PRId64 " pixels, both must be multiples of %d",
                        w, h, f);
    }
    pass p = {.runner = runner, .decode = false};
    const lyc_tiling tiling = {.h = h / f,
                               .w = w / f,
                               .tile = runner->tiles.tile,
                               .overlap = runner->tiles.overlap,
                               .in_scale = f,
                               .out_scale = 1,
                               .in_channels = runner->config->in_channels,
                               .out_channels = 2 * (int64_t)runner->config->latent_channels};
    return run(moments, images, &p, &tiling, n, err);
}

lyc_status lyc_vae_runner_decode(float *images, lyc_vae_runner *runner, const float *latents, int64_t n, int64_t h,
                                 int64_t w, lyc_error *err)
{
    pass p = {.runner = runner, .decode = true};
    const lyc_tiling tiling = {.h = h,
                               .w = w,
                               .tile = runner->tiles.tile,
                               .overlap = runner->tiles.overlap,
                               .in_scale = 1,
                               .out_scale = lyc_vae_factor(runner->config),
                               .in_channels = runner->config->latent_channels,
                               .out_channels = runner->config->out_channels};
    return run(images, latents, &p, &tiling, n, err);
}

/* In a ResBlock that changes its channels from a to b, x, its norm and the first convolution's result are alive:
 * 2 a + b. The decoder enters a level with the channels of the one below. */
size_t lyc_vae_activation_bytes(const lyc_vae_config *config, int64_t h, int64_t w, lyc_precision precision)
{
    const double element = precision == LYC_PRECISION_BF16 ? 2.0 : 4.0;
    double most = 0.0;
    for (int level = 0; level < config->level_count; level++) {
        const int below = level + 1 < config->level_count ? level + 1 : level;
        const double pixels = (double)h * (double)w * pow(4.0, config->level_count - 1 - level);
        most = fmax(most, pixels * (2.0 * config->channels[below] + config->channels[level]));
    }
    return (size_t)(most * element);
}

size_t lyc_vae_runner_bytes(const lyc_vae_runner *runner)
{
    return lyc_plan_cache_bytes(runner->base.cache);
}

void lyc_vae_latents(float *latents, const float *moments, const float *noise, int64_t pixels,
                     const lyc_vae_config *config)
{
    const int c = config->latent_channels;
    for (int64_t p = 0; p < pixels; p++) {
        for (int k = 0; k < c; k++) {
            const float mean = moments[p * 2 * c + k];
            const float logvar = fminf(fmaxf(moments[p * 2 * c + c + k], -30.0f), 20.0f);
            const float z = noise != NULL ? mean + expf(0.5f * logvar) * noise[p * c + k] : mean;
            latents[p * c + k] = (z - config->shift_factor) * config->scaling_factor;
        }
    }
}
