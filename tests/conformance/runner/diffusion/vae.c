/* vae.c - an AutoencoderKL both ways: moments of a picture, picture of latents
 *
 * mean, logvar (clamped to [-30,20]) and std of `image`; `decoded` from `latents_to_decode`, which come behind the
 * division by the scaling factor.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "kind.h"
#include "model/vae_runner.h"
#include "network.h"
#include "tensor/shape.h"

/* Compares picture-like numbers [n,h,w,c] with a tensor [n,c,h,w] of the case, if it is there. */
static lyc_status compare(lyc_result *result, const lyc_network_case *n, const char *name, const float *got,
                          lyc_error *err)
{
    float *want = NULL;
    lyc_shape shape;
    if (!lyc_network_case_has(n, name)) {
        return LYC_OK;
    }
    LYC_TRY(lyc_network_case_floats(&want, &shape, n, name, LYC_LAYOUT_PICTURE, err));
    lyc_compare_values(result, name, &shape, (lyc_values){got, LYC_F32}, (lyc_values){want, LYC_F32},
                       (lyc_tolerance){n->c->absolute_tolerance, n->c->relative_tolerance});
    lyc_free(want);
    return LYC_OK;
}

typedef struct moments {
    float *all; /* [pixels,2 c] */
    float *mean;
    float *logvar;
    float *std;
} moments;

static void split(moments *m, int64_t pixels, int c)
{
    for (int64_t p = 0; p < pixels; p++) {
        for (int k = 0; k < c; k++) {
            const float logvar = m->all[p * 2 * c + c + k];
            m->mean[p * c + k] = m->all[p * 2 * c + k];
            m->logvar[p * c + k] = fminf(fmaxf(logvar, -30.0f), 20.0f);
            m->std[p * c + k] = expf(0.5f * m->logvar[p * c + k]);
        }
    }
}

static lyc_status encode(lyc_result *result, const lyc_network_case *n, lyc_vae_runner *runner,
                         const lyc_vae_config *config, lyc_error *err)
{
    lyc_shape shape;
    float *image = NULL;
    LYC_TRY(lyc_network_case_floats(&image, &shape, n, "image", LYC_LAYOUT_PICTURE, err));
    const int64_t f = lyc_vae_factor(config);
    const int64_t pixels = shape.dims[0] * (shape.dims[1] / f) * (shape.dims[2] / f);
    const size_t count = (size_t)(pixels * config->latent_channels);
    float *memory = lyc_alloc(5 * count * sizeof *memory);
    lyc_status status = memory == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for moments") : LYC_OK;
    if (status == LYC_OK) {
        moments m = {memory, memory + 2 * count, memory + 3 * count, memory + 4 * count};
        status = lyc_vae_runner_encode(m.all, runner, image, shape.dims[0], shape.dims[1], shape.dims[2], err);
        if (status == LYC_OK) {
            split(&m, pixels, config->latent_channels);
            status = compare(result, n, "mean", m.mean, err);
        }
        status = status == LYC_OK ? compare(result, n, "logvar", m.logvar, err) : status;
        status = status == LYC_OK ? compare(result, n, "std", m.std, err) : status;
    }
    lyc_free(memory);
    lyc_free(image);
    return status;
}

static lyc_status decode(lyc_result *result, const lyc_network_case *n, lyc_vae_runner *runner,
                         const lyc_vae_config *config, lyc_error *err)
{
    lyc_shape shape;
    float *latents = NULL;
    LYC_TRY(lyc_network_case_floats(&latents, &shape, n, "latents_to_decode", LYC_LAYOUT_PICTURE, err));
    const int64_t f = lyc_vae_factor(config);
    const int64_t pixels = shape.dims[0] * shape.dims[1] * f * shape.dims[2] * f;
    for (int64_t i = 0; i < lyc_shape_elements(&shape); i++) {
        latents[i] = (latents[i] - config->shift_factor) * config->scaling_factor; /* as a U-Net leaves them */
    }
    float *image = lyc_alloc((size_t)(pixels * config->out_channels) * sizeof *image);
    lyc_status status =
        image == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for a picture")
                      : lyc_vae_runner_decode(image, runner, latents, shape.dims[0], shape.dims[1], shape.dims[2], err);
    if (status == LYC_OK) {
        status = compare(result, n, "decoded", image, err);
    }
    lyc_free(image);
    lyc_free(latents);
    return status;
}

static lyc_status run_both(lyc_result *result, lyc_network_case *n, lyc_error *err)
{
    lyc_component *vae = NULL;
    lyc_vae_runner *runner = NULL;
    const lyc_runner_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_cpu()};
    LYC_TRY(lyc_network_case_component(&vae, n, LYC_COMPONENT_VAE, err));
    const lyc_vae_config *config = lyc_component_vae(vae);
    lyc_status status = lyc_vae_runner_new(&runner, vae, &options, NULL, err);
    if (status == LYC_OK && lyc_network_case_has(n, "image")) {
        status = encode(result, n, runner, config, err);
    }
    if (status == LYC_OK && lyc_network_case_has(n, "latents_to_decode")) {
        status = decode(result, n, runner, config, err);
    }
    lyc_vae_runner_free(runner);
    return status;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_network_case n;
    LYC_TRY(lyc_network_case_init(&n, c, err));
    const lyc_status status = run_both(result, &n, err);
    lyc_network_case_clear(&n);
    return status;
}

const lyc_kind lyc_kind_vae = {.name = "vae", .run = run};
