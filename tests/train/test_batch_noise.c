/* test_batch_noise.c - noise, timesteps, targets and weights of a batch: statistics, independence, formulas
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "models.h"

enum { N = 4, H = 16, W = 24, IMAGE = H * W * CHANNELS };

static lyc_schedule schedule;
static float *latents;

static int set_up(void **state)
{
    lyc_error err;
    const lyc_scheduler_config config = {
        .train_timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.012, .beta_schedule = LYC_BETA_SCALED_LINEAR};
    (void)state;
    must(lyc_schedule_init(&schedule, &config, &err), &err);
    latents = numbers(N * IMAGE, 21);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lyc_schedule_clear(&schedule);
    lyc_free(latents);
    return 0;
}

static lyc_batch_noise_request request_of(const lyc_batch_noise_options *options, size_t n)
{
    return (lyc_batch_noise_request){.options = options,
                                     .schedule = &schedule,
                                     .seed = 5,
                                     .step = 9,
                                     .timestep = -1,
                                     .shape = {n, H, W, CHANNELS},
                                     .latents = latents};
}

static void draw(lyc_batch_noise *out, const lyc_batch_noise_request *request)
{
    lyc_error err;
    must(lyc_batch_noise_draw(out, request, &err), &err);
}

/* Sample k of a batch is the batch that begins with it: with all that is drawn for each sample. */
static void samples_do_not_see_each_other(void **state)
{
    lyc_batch_noise_options o = LYC_BATCH_NOISE_DEFAULT;
    lyc_batch_noise all = {0};
    lyc_batch_noise one = {0};
    (void)state;
    o.noise_offset = 0.1;
    o.noise_offset_random_strength = true;
    o.adaptive_noise_scale = 0.2;
    o.ip_noise_gamma = 0.1;
    lyc_batch_noise_request r = request_of(&o, N);
    draw(&all, &r);
    r.shape.n = 1;
    for (uint32_t k = 0; k < N; k++) {
        r.first_sample = k;
        r.latents = latents + k * IMAGE;
        draw(&one, &r);
        assert_memory_equal(one.noisy, all.noisy + k * IMAGE, IMAGE * sizeof(float));
        assert_memory_equal(one.target, all.target + k * IMAGE, IMAGE * sizeof(float));
        assert_true(one.timesteps[0] == all.timesteps[k]);
    }
    r = request_of(&o, N);
    r.step = 10;
    draw(&one, &r);
    assert_true(largest_difference(one.noise, all.noise, N * IMAGE) > 1);
    lyc_batch_noise_clear(&all);
    lyc_batch_noise_clear(&one);
}

static void moments(double *mean, double *deviation, const float *x, size_t n)
{
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    *mean = sum / (double)n;
    *deviation = sqrt(squares / (double)n - *mean * *mean);
}

/* 6144 numbers: a mean is off by 1/78, a deviation by 1/111, in the usual case; five times that is allowed. */
static void noise_is_normal(void **state)
{
    const lyc_batch_noise_options plain = LYC_BATCH_NOISE_DEFAULT;
    lyc_batch_noise_options pyramid = LYC_BATCH_NOISE_DEFAULT;
    lyc_batch_noise b = {0};
    double mean, deviation;
    (void)state;
    lyc_batch_noise_request r = request_of(&plain, N);
    draw(&b, &r);
    moments(&mean, &deviation, b.noise, N * IMAGE);
    assert_true(fabs(mean) < 0.065 && fabs(deviation - 1) < 0.045);
    pyramid.multires_noise_iterations = 6;
    r = request_of(&pyramid, N);
    draw(&b, &r);
    moments(&mean, &deviation, b.noise, N * IMAGE);
    assert_true(fabs(deviation - 1) < 0.02);
    lyc_batch_noise_clear(&b);
}

static void timesteps_fill_their_range(void **state)
{
    lyc_batch_noise_options o = LYC_BATCH_NOISE_DEFAULT;
    lyc_batch_noise b = {0};
    bool seen[20] = {false};
    (void)state;
    o.min_timestep = 100;
    o.max_timestep = 120;
    lyc_batch_noise_request r = request_of(&o, N);
    for (r.step = 0; r.step < 100; r.step++) {
        draw(&b, &r);
        for (int i = 0; i < N; i++) {
            assert_true(b.timesteps[i] >= 100 && b.timesteps[i] < 120);
            seen[(int)b.timesteps[i] - 100] = true;
        }
    }
    for (int i = 0; i < 20; i++) {
        assert_true(seen[i]);
    }
    o.max_timestep = 100; /* equal: that one */
    draw(&b, &r);
    assert_true(b.timesteps[0] == 100 && b.timesteps[3] == 100);
    lyc_batch_noise_clear(&b);
}

/* The target keeps the noise without the perturbation; v mixes it with the latents. */
static void targets_follow_their_formulas(void **state)
{
    lyc_batch_noise_options o = LYC_BATCH_NOISE_DEFAULT;
    lyc_batch_noise b = {0};
    (void)state;
    o.ip_noise_gamma = 0.5;
    lyc_batch_noise_request r = request_of(&o, N);
    r.timestep = 300;
    draw(&b, &r);
    assert_memory_equal(b.target, b.noise, N * IMAGE * sizeof(float));
    const lyc_level level = lyc_schedule_level(&schedule, 300);
    double squares = 0;
    for (int i = 0; i < N * IMAGE; i++) {
        const double without = level.signal * (double)latents[i] + level.noise * (double)b.noise[i];
        squares += ((double)b.noisy[i] - without) * ((double)b.noisy[i] - without);
    }
    assert_true(fabs(sqrt(squares / (N * IMAGE)) - 0.5 * level.noise) < 0.05 * 0.5 * level.noise);
    r.prediction = LYC_PREDICTION_V;
    draw(&b, &r);
    for (int i = 0; i < N * IMAGE; i++) {
        const double v = level.signal * (double)b.noise[i] - level.noise * (double)latents[i];
        assert_true(fabs((double)b.target[i] - v) < 1e-6);
    }
    lyc_batch_noise_clear(&b);
}

/* All weights at once, at t = 100 of the usual schedule: SNR 8.454. */
static void weights_multiply(void **state)
{
    lyc_batch_noise_options o = LYC_BATCH_NOISE_DEFAULT;
    lyc_batch_noise b = {0};
    const double snr = lyc_schedule_snr(&schedule, 100);
    (void)state;
    assert_true(fabs(snr - 8.454) < 1e-3);
    lyc_batch_noise_request r = request_of(&o, 1);
    r.timestep = 100;
    draw(&b, &r);
    assert_true(b.weights[0] == 1.0f);
    o.min_snr_gamma = 5;
    o.v_pred_like_loss = 0.5;
    o.debiased_estimation_loss = true;
    draw(&b, &r);
    const double expected = 5 / snr * (1 + 0.5 * (snr + 1) / snr) / sqrt(snr);
    assert_true(fabs((double)b.weights[0] - expected) < 1e-6);
    r.prediction = LYC_PREDICTION_V;
    o.v_pred_like_loss = 0;
    o.scale_v_pred_loss_like_noise_pred = true;
    draw(&b, &r);
    const double velocity = 5 / (snr + 1) * snr / (snr + 1) / (snr + 1);
    assert_true(fabs((double)b.weights[0] - velocity) < 1e-6);
    lyc_batch_noise_clear(&b);
}

static void validation_timesteps(void **state)
{
    const lyc_batch_noise_options o = LYC_BATCH_NOISE_DEFAULT;
    (void)state;
    for (int k = 0; k < 4; k++) {
        assert_int_equal(lyc_validation_timestep(&o, &schedule, k, 4), 200 * (k + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_do_not_see_each_other),
        cmocka_unit_test(noise_is_normal),
        cmocka_unit_test(timesteps_fill_their_range),
        cmocka_unit_test(targets_follow_their_formulas),
        cmocka_unit_test(weights_multiply),
        cmocka_unit_test(validation_timesteps),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
