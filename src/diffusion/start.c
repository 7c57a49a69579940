/* start.c - what a run of one image starts from: noise, a picture, a mask
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/start.h"

#include <string.h>

#include "base/memory.h"
#include "image/resample.h"

static lyc_image view(const lyc_picture *picture)
{
    return (lyc_image){picture->width, picture->height, picture->channels, picture->data};
}

/* A picture brought to the size of the result, as numbers in [-1,1]. */
static lyc_status read_signed(float **out, const lyc_generation *g, const lyc_picture *picture, lyc_error *err)
{
    const lyc_image given = view(picture);
    lyc_image covered = {0};
    LYC_TRY(lyc_image_cover(&covered, &given, g->width, g->height, err));
    *out = lyc_alloc_zero((size_t)g->width * (size_t)g->height, 3 * sizeof **out);
    if (*out != NULL) {
        lyc_image_to_signed(*out, &covered);
    }
    lyc_image_clear(&covered);
    return *out != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a picture");
}

static lyc_status encode(float **moments, lyc_pipeline *p, const lyc_generation *g, const float *picture,
                         lyc_error *err)
{
    const size_t c = (size_t)p->vae_config->latent_channels;
    *moments = lyc_alloc_zero((size_t)(g->h * g->w), 2 * c * sizeof **moments);
    if (*moments == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the latents of a picture");
    }
    return lyc_vae_runner_encode(*moments, p->vae, picture, 1, g->height, g->width, err);
}

/* The mask at the size of the result, in [0,1]. */
static lyc_status read_mask(float **out, const lyc_generation *g, lyc_error *err)
{
    const lyc_image given = view(g->options->mask);
    lyc_image covered = {0};
    LYC_TRY(lyc_image_cover(&covered, &given, g->width, g->height, err));
    *out = lyc_alloc_zero((size_t)g->width * (size_t)g->height, sizeof **out);
    if (*out != NULL) {
        lyc_image_to_unit(*out, &covered);
    }
    lyc_image_clear(&covered);
    return *out != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a mask");
}

/* At the size of the latents, averaged by area, for each of their channels. */
static lyc_status set_latent_mask(lyc_start_pictures *s, const lyc_pipeline *p, const lyc_generation *g, lyc_error *err)
{
    const lyc_image given = view(g->options->mask);
    const size_t c = (size_t)p->vae_config->latent_channels;
    const size_t pixels = (size_t)(g->h * g->w);
    lyc_image covered = {0};
    float *averages = lyc_alloc_zero(pixels, sizeof *averages);
    s->mask = lyc_alloc_zero(pixels, c * sizeof *s->mask);
    lyc_status status =
        averages != NULL && s->mask != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a mask");
    status = status == LYC_OK ? lyc_image_cover(&covered, &given, g->width, g->height, err) : status;
    status = status == LYC_OK ? lyc_mask_average(averages, (int)g->w, (int)g->h, &covered, err) : status;
    for (size_t i = 0; status == LYC_OK && i < pixels * c; i++) {
        s->mask[i] = averages[i / c];
    }
    lyc_image_clear(&covered);
    lyc_free(averages);
    return status;
}

static bool is_inpainting_model(const lyc_pipeline *p)
{
    return p->unet_config->in_channels > p->vae_config->latent_channels;
}

/* The picture without what is to be changed: grey there. */
static lyc_status encode_masked(lyc_start_pictures *s, lyc_pipeline *p, const lyc_generation *g, float *picture,
                                lyc_error *err)
{
    float *mask = NULL;
    LYC_TRY(read_mask(&mask, g, err));
    for (size_t i = 0; i < (size_t)g->width * (size_t)g->height; i++) {
        if (mask[i] >= 0.5f) {
            memset(picture + 3 * i, 0, 3 * sizeof *picture);
        }
    }
    lyc_free(mask);
    return encode(&s->masked_moments, p, g, picture, err);
}

lyc_status lyc_start_pictures_init(lyc_start_pictures *s, lyc_pipeline *p, const lyc_generation *g, lyc_error *err)
{
    float *picture = NULL;
    *s = (lyc_start_pictures){0};
    if (g->options->image == NULL) {
        return LYC_OK;
    }
    lyc_status status = read_signed(&picture, g, g->options->image, err);
    status = status == LYC_OK ? encode(&s->moments, p, g, picture, err) : status;
    if (status == LYC_OK && g->options->mask != NULL) {
        status = set_latent_mask(s, p, g, err);
    }
    if (status == LYC_OK && is_inpainting_model(p)) {
        status = encode_masked(s, p, g, picture, err);
    }
    lyc_free(picture);
    if (status != LYC_OK) {
        lyc_start_pictures_clear(s);
    }
    return status;
}

void lyc_start_pictures_clear(lyc_start_pictures *s)
{
    lyc_free(s->moments);
    lyc_free(s->masked_moments);
    lyc_free(s->mask);
    *s = (lyc_start_pictures){0};
}

/* --- one image --- */

static lyc_status make_noise(lyc_start *s, const lyc_generation *g, size_t c, lyc_error *err)
{
    const size_t pixels = (size_t)(g->h * g->w);
    const lyc_generate_options *o = g->options;
    s->initial = lyc_alloc_zero(pixels * c, sizeof *s->initial);
    if (s->initial == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for noise");
    }
    lyc_image_noise_draw(&s->noise, s->initial, pixels * c);
    if (o->variation_strength <= 0) {
        return LYC_OK;
    }
    lyc_image_noise other;
    float *mixed = lyc_alloc_zero(pixels * c, sizeof *mixed);
    lyc_status status = mixed == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for noise") : LYC_OK;
    /* A1111: the variation's seed goes on with the images too. */
    const uint64_t offset = s->noise.seed - (uint64_t)g->seed;
    if (status == LYC_OK && (status = lyc_image_noise_init(&other, o->noise, (uint64_t)o->variation_seed + offset, c,
                                                           pixels, err)) == LYC_OK) {
        lyc_image_noise_draw(&other, mixed, pixels * c);
        lyc_noise_mix(s->initial, mixed, (size_t)g->h, (size_t)g->w, c, o->variation_strength);
        lyc_image_noise_clear(&other);
    }
    lyc_free(mixed);
    return status;
}

/* A sample of the latents whose moments are given; draws. */
static lyc_status sample_latents(float **out, lyc_start *s, const lyc_pipeline *p, const float *moments, size_t pixels,
                                 lyc_error *err)
{
    const size_t c = (size_t)p->vae_config->latent_channels;
    float *noise = lyc_alloc_zero(pixels * c, sizeof *noise);
    *out = lyc_alloc_zero(pixels * c, sizeof **out);
    if (noise == NULL || *out == NULL) {
        lyc_free(noise);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the latents of a picture");
    }
    lyc_image_noise_draw(&s->noise, noise, pixels * c);
    lyc_vae_latents(*out, moments, noise, (int64_t)pixels, p->vae_config);
    lyc_free(noise);
    return LYC_OK;
}

/* Channels behind the latents: the mask, then the masked picture. */
static lyc_status set_extra(lyc_start *s, const lyc_pipeline *p, const lyc_start_pictures *pictures, size_t pixels,
                            lyc_error *err)
{
    const size_t c = (size_t)p->vae_config->latent_channels;
    float *masked;
    LYC_TRY(sample_latents(&masked, s, p, pictures->masked_moments, pixels, err));
    s->extra = lyc_alloc_zero(pixels * (1 + c), sizeof *s->extra);
    for (size_t i = 0; s->extra != NULL && i < pixels; i++) {
        s->extra[i * (1 + c)] = pictures->mask[i * c] >= 0.5f ? 1 : 0;
        memcpy(s->extra + i * (1 + c) + 1, masked + i * c, c * sizeof *masked);
    }
    lyc_free(masked);
    return s->extra != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a masked picture");
}

static lyc_status fill(lyc_start *s, const lyc_pipeline *p, const lyc_generation *g, const lyc_start_pictures *pictures,
                       int image, lyc_error *err)
{
    const size_t c = (size_t)p->vae_config->latent_channels;
    const size_t pixels = (size_t)(g->h * g->w);
    const uint64_t seed = (uint64_t)g->seed + (uint64_t)image;
    const int64_t delta = g->options->sampler_seed_delta;
    LYC_TRY(lyc_image_noise_init(&s->noise, g->options->noise, seed, c, pixels, err));
    if (delta != 0) {
        LYC_TRY(lyc_image_noise_init(&s->sampler_noise, g->options->noise, seed + (uint64_t)delta, c, pixels, err));
    }
    s->drawn_from = delta != 0 ? &s->sampler_noise : &s->noise;
    if (pictures->moments != NULL) {
        LYC_TRY(sample_latents(&s->latents, s, p, pictures->moments, pixels, err));
    }
    LYC_TRY(make_noise(s, g, c, err));
    return pictures->masked_moments != NULL ? set_extra(s, p, pictures, pixels, err) : LYC_OK;
}

lyc_status lyc_start_init(lyc_start *s, const lyc_pipeline *p, const lyc_generation *g,
                          const lyc_start_pictures *pictures, int image, lyc_error *err)
{
    *s = (lyc_start){0};
    const lyc_status status = fill(s, p, g, pictures, image, err);
    if (status != LYC_OK) {
        lyc_start_clear(s);
    }
    return status;
}

void lyc_start_clear(lyc_start *s)
{
    lyc_image_noise_clear(&s->noise);
    lyc_image_noise_clear(&s->sampler_noise);
    lyc_free(s->latents);
    lyc_free(s->initial);
    lyc_free(s->extra);
    *s = (lyc_start){0};
}
