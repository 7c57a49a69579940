/* test_vae_runner.c - a VAE by tiles and whole, batches, and the estimate of its memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/vae_runner.h"
#include "model/vae_tiles.h"
#include "networks.h"

static lyc_vae_runner *open_vae(lyc_component **vae, const lyc_vae_tile_options *tiles)
{
    lyc_error err;
    lyc_vae_runner *runner = NULL;
    const lyc_runner_options options = options_of(LYC_PRECISION_F32);
    *vae = open_component(LYC_COMPONENT_VAE, NULL, SD15 "vae");
    must(lyc_vae_runner_new(&runner, *vae, &options, tiles, &err), &err);
    return runner;
}

/* Norms see one tile instead of the picture, so tiles differ a little from the whole. */
static void tiles_are_close(void **state)
{
    (void)state;
    lyc_error err;
    lyc_component *vae;
    const lyc_vae_tile_options tiles = {.tile = 16, .overlap = 4, .limit_bytes = 1};
    lyc_vae_runner *whole = open_vae(&vae, NULL);
    lyc_component *again;
    lyc_vae_runner *parts = open_vae(&again, &tiles);
    enum { H = 24, W = 36, PIXELS = H * W * 64 };
    float *latents = numbers(H * W * 4, 1);
    float *a = numbers(PIXELS * 3, 2);
    float *b = numbers(PIXELS * 3, 3);
    must(lyc_vae_runner_decode(a, whole, latents, 1, H, W, &err), &err);
    must(lyc_vae_runner_decode(b, parts, latents, 1, H, W, &err), &err);
    assert_true(relative_difference(b, a, PIXELS * 3) < 0.25);
    assert_true(relative_difference(b, a, PIXELS * 3) > 1e-5);
    float *moments = numbers(H * W * 8, 4);
    float *by_tiles = numbers(H * W * 8, 5);
    must(lyc_vae_runner_encode(moments, whole, a, 1, H * 8, W * 8, &err), &err);
    must(lyc_vae_runner_encode(by_tiles, parts, a, 1, H * 8, W * 8, &err), &err);
    assert_true(relative_difference(by_tiles, moments, H * W * 8) < 0.25);
    lyc_free(latents);
    lyc_free(a);
    lyc_free(b);
    lyc_free(moments);
    lyc_free(by_tiles);
    lyc_vae_runner_free(whole);
    lyc_vae_runner_free(parts);
    lyc_component_close(vae);
    lyc_component_close(again);
}

/* Twice the input, pixel by pixel: blending must give exactly that back, whatever the size. */
static lyc_status enlarge(float *out, const float *in, int64_t h, int64_t w, void *context, lyc_error *err)
{
    (void)err;
    ++*(int *)context;
    for (int64_t y = 0; y < 2 * h; y++) {
        for (int64_t x = 0; x < 2 * w; x++) {
            out[y * 2 * w + x] = 2.0f * in[y / 2 * w + x / 2];
        }
    }
    return LYC_OK;
}

static void tiles_cover(void **state)
{
    (void)state;
    static const int sizes[][2] = {{16, 16}, {17, 16}, {64, 16}, {5, 70}, {33, 47}, {28, 29}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        lyc_error err;
        int calls = 0;
        const int64_t h = sizes[i][0];
        const int64_t w = sizes[i][1];
        const lyc_tiling t = {.h = h,
                              .w = w,
                              .tile = 16,
                              .overlap = 4,
                              .in_scale = 1,
                              .out_scale = 2,
                              .in_channels = 1,
                              .out_channels = 1};
        float *in = numbers((size_t)(h * w), 7);
        float *out = numbers((size_t)(h * w * 4), 8);
        must(lyc_tiles_run(out, in, &t, enlarge, &calls, &err), &err);
        assert_int_equal(calls, lyc_tiles_count(h, 16, 4) * lyc_tiles_count(w, 16, 4));
        for (int64_t y = 0; y < 2 * h; y++) {
            for (int64_t x = 0; x < 2 * w; x++) {
                assert_true(fabsf(out[y * 2 * w + x] - 2.0f * in[y / 2 * w + x / 2]) < 1e-5f);
            }
        }
        lyc_free(in);
        lyc_free(out);
    }
}

static void tiles_overlap(void **state)
{
    (void)state;
    for (int64_t size = 1; size < 300; size++) {
        const int64_t count = lyc_tiles_count(size, 64, 16);
        const int64_t tile = size < 64 ? size : 64;
        assert_int_equal(lyc_tiles_start(size, 64, 16, 0), 0);
        assert_int_equal(lyc_tiles_start(size, 64, 16, count - 1) + tile, size);
        for (int64_t i = 1; i < count; i++) {
            const int64_t step = lyc_tiles_start(size, 64, 16, i) - lyc_tiles_start(size, 64, 16, i - 1);
            assert_in_range(step, 1, 48);
        }
    }
}

static void batch_is_its_pictures(void **state)
{
    (void)state;
    lyc_error err;
    lyc_component *vae;
    lyc_vae_runner *runner = open_vae(&vae, NULL);
    float *latents = numbers(2 * 6 * 4 * 4, 1);
    float *both = numbers(2 * 48 * 32 * 3, 2);
    float *one = numbers(48 * 32 * 3, 3);
    must(lyc_vae_runner_decode(both, runner, latents, 2, 6, 4, &err), &err);
    must(lyc_vae_runner_decode(one, runner, latents + 6 * 4 * 4, 1, 6, 4, &err), &err);
    assert_memory_equal(both + 48 * 32 * 3, one, 48 * 32 * 3 * sizeof *one);
    assert_int_equal(lyc_vae_runner_encode(one, runner, both, 1, 48, 30, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "a picture of 30 x 48 pixels, both must be multiples of 8");
    lyc_free(latents);
    lyc_free(both);
    lyc_free(one);
    lyc_vae_runner_free(runner);
    lyc_component_close(vae);
}

static void latents_of_moments(void **state)
{
    (void)state;
    const lyc_vae_config config = {.latent_channels = 2, .scaling_factor = 0.5f, .shift_factor = 1.0f};
    const float moments[] = {3.0f, -1.0f, 0.0f, 100.0f};
    const float noise[] = {2.0f, 0.0f};
    float latents[2];
    lyc_vae_latents(latents, moments, noise, 1, &config);
    assert_true(fabsf(latents[0] - 2.0f) < 1e-6f && fabsf(latents[1] + 1.0f) < 1e-6f);
    lyc_vae_latents(latents, moments, NULL, 1, &config);
    assert_true(fabsf(latents[0] - 1.0f) < 1e-6f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_are_close),       cmocka_unit_test(tiles_cover),        cmocka_unit_test(tiles_overlap),
        cmocka_unit_test(batch_is_its_pictures), cmocka_unit_test(latents_of_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
