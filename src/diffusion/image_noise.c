/* image_noise.c - the noise of one image, from one of the generators in use
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/image_noise.h"

#include <assert.h>
#include <math.h>

#include "base/memory.h"

lyc_status lyc_image_noise_init(lyc_image_noise *noise, lyc_noise_kind kind, uint64_t seed, size_t channels,
                                size_t pixels, lyc_error *err)
{
    *noise = (lyc_image_noise){.kind = kind, .seed = seed, .channels = channels, .pixels = pixels};
    noise->scratch = lyc_alloc_zero(channels * pixels, sizeof *noise->scratch);
    if (noise->scratch == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for noise of %zu numbers", channels * pixels);
    }
    lyc_torch_random_seed(&noise->torch, seed);
    return LYC_OK;
}

void lyc_image_noise_clear(lyc_image_noise *noise)
{
    lyc_free(noise->scratch);
    *noise = (lyc_image_noise){0};
}

void lyc_image_noise_draw(void *self, float *out, size_t n)
{
    lyc_image_noise *noise = self;
    assert(n == noise->channels * noise->pixels);
    switch (noise->kind) {
    case LYC_NOISE_CPU:
        lyc_torch_random_normal_f32(&noise->torch, noise->scratch, n);
        break;
    case LYC_NOISE_CUDA:
        lyc_cuda_random_normal(noise->scratch, n, noise->seed, noise->draws);
        break;
    case LYC_NOISE_NATIVE:
        lyc_native_random_normals(&(lyc_native_random){noise->seed, LYC_RANDOM_LATENT, noise->draws}, noise->scratch, 0,
                                  n);
        break;
    }
    noise->draws++;
    for (size_t i = 0; i < n; i++) {
        out[i] = noise->scratch[i % noise->channels * noise->pixels + i / noise->channels];
    }
}

/* Cosine of the angle between two columns of h numbers, stride apart. */
static double cosine(const float *a, const float *b, size_t h, size_t stride)
{
    double product = 0;
    double a_power = 0;
    double b_power = 0;
    for (size_t y = 0; y < h; y++) {
        const double u = (double)a[y * stride];
        const double v = (double)b[y * stride];
        product += u * v;
        a_power += u * u;
        b_power += v * v;
    }
    return product / fmax(sqrt(a_power * b_power), 1e-30);
}

void lyc_noise_mix(float *a, const float *b, size_t h, size_t w, size_t c, double strength)
{
    const size_t columns = w * c;
    double mean = 0;
    for (size_t i = 0; i < columns; i++) {
        mean += cosine(a + i, b + i, h, columns) / (double)columns;
    }
    const bool parallel = fabs(mean) > 0.9995;
    for (size_t i = 0; i < columns; i++) {
        const double angle = acos(fmin(fmax(cosine(a + i, b + i, h, columns), -1), 1));
        const bool straight = parallel || sin(angle) < 1e-6;
        const double of_a = straight ? 1 - strength : sin((1 - strength) * angle) / sin(angle);
        const double of_b = straight ? strength : sin(strength * angle) / sin(angle);
        for (size_t y = 0; y < h; y++) {
            const size_t at = y * columns + i;
            a[at] = (float)(of_a * (double)a[at] + of_b * (double)b[at]);
        }
    }
}
