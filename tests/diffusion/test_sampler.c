/* test_sampler.c - what holds for every sampler, on a network whose answer is known
 *
 * The target is a Gaussian of mean `mu` and deviation `tau`: the noise to be expected in x = signal z + noise n is
 * noise (x - signal mu) / (signal^2 tau^2 + noise^2), so that the way from noise to picture is known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "tensor/random.h"

enum { COUNT = 16 };
static const double mu = 0.4;
static const double tau = 0.6;
static const lyc_scheduler_config sd15 = {.train_timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.012};

static lyc_schedule schedule;
static float start[COUNT];

static int set_up(void **state)
{
    lyc_torch_random r;
    (void)state;
    lyc_torch_random_seed(&r, 3);
    lyc_torch_random_normal_f32(&r, start, COUNT);
    return lyc_schedule_init(&schedule, &sd15, NULL) != LYC_OK;
}

static int tear_down(void **state)
{
    (void)state;
    lyc_schedule_clear(&schedule);
    return 0;
}

static void network(float *out, const float *x, lyc_level level, lyc_prediction prediction)
{
    const double variance = level.signal * level.signal * tau * tau + level.noise * level.noise;
    for (int i = 0; i < COUNT; i++) {
        const double off = (double)x[i] - level.signal * mu;
        const double noise = level.noise * off / variance;
        const double picture = mu + level.signal * tau * tau * off / variance;
        out[i] = (float)(prediction == LYC_PREDICTION_EPSILON ? noise
                         : prediction == LYC_PREDICTION_V     ? level.signal * noise - level.noise * picture
                                                              : picture);
    }
}

static void draw(void *context, float *out, size_t n)
{
    lyc_torch_random_normal_f32(context, out, n);
}

static lyc_sampling_request request_of(const lyc_sampler *sampler, int steps, lyc_torch_random *random)
{
    lyc_sampling_request r;
    assert_int_equal(lyc_sampling_request_init(&r, sampler, NULL, NULL), LYC_OK);
    r.steps = steps;
    r.steps_offset = 1;
    r.noise = draw;
    r.noise_context = random;
    lyc_torch_random_seed(random, 7);
    return r;
}

/* Runs to the end; returns the calls of the network. */
static int finish(float *latents, lyc_sampling *s)
{
    float input[COUNT];
    float output[COUNT];
    int calls = 0;
    for (; !lyc_sampling_done(s); calls++) {
        lyc_sampling_input(s, input);
        network(output, input, lyc_sampling_call(s).level, s->request.prediction);
        lyc_sampling_advance(s, output);
    }
    lyc_sampling_latents(s, latents);
    return calls;
}

static void begin(lyc_sampling *s, const lyc_sampler *sampler, const lyc_sampling_request *request)
{
    lyc_error err;
    if (lyc_sampling_init(s, sampler, &schedule, request, COUNT, &err) != LYC_OK) {
        fail_msg("%s: %s", sampler->name, err.message);
    }
    lyc_sampling_begin(s, start);
}

static int sample(float *latents, const lyc_sampler *sampler, const lyc_sampling_request *request)
{
    lyc_sampling s;
    begin(&s, sampler, request);
    const int expected = lyc_sampling_calls_left(&s);
    const int calls = finish(latents, &s);
    assert_int_equal(calls, expected);
    lyc_sampling_clear(&s);
    return calls;
}

static const lyc_sampler *by_name(const char *name)
{
    const lyc_sampler *sampler;
    lyc_sigma_curve curve;
    assert_int_equal(lyc_sampler_find(&sampler, &curve, name, NULL), LYC_OK);
    return sampler;
}

static void expect_close(const char *name, const float *got, const float *want, double tolerance)
{
    for (int i = 0; i < COUNT; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance)) {
            fail_msg("%s: number %d is %.6f, expected %.6f", name, i, (double)got[i], (double)want[i]);
        }
    }
}

/* In y = x / signal the way is y(sigma) = mu + (y0 - mu) sqrt(tau^2 + sigma^2) / sqrt(tau^2 + sigma0^2). The
 * last step, from the spacing's last sigma to 0, is of order 1 and decides the error of the better solvers. */
static void test_converge(void **state)
{
    static const struct {
        const char *name;
        int steps;
        double tolerance;
    } rows[] = {
        {"euler", 600, 0.02},
        {"heun", 200, 2e-3},
        {"dpm2", 200, 2e-3},
        {"lms", 100, 2e-3},
        {"dpm++_2m", 200, 1e-2},
        {"dpm++_2s", 200, 1e-2},
        {"unipc", 100, 2e-2},
        {"dpm++_2m_karras", 60, 3e-3},
        {"heun_karras", 60, 1e-3},
        {"unipc_karras", 60, 1e-3},
        {"euler_exponential", 600, 0.02},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        float got[COUNT];
        float want[COUNT];
        lyc_torch_random random;
        const lyc_sampler *sampler;
        lyc_sigma_curve curve;
        lyc_sampling s;
        assert_int_equal(lyc_sampler_find(&sampler, &curve, rows[i].name, NULL), LYC_OK);
        lyc_sampling_request r = request_of(sampler, rows[i].steps, &random);
        r.curve = curve;
        begin(&s, sampler, &r);
        const double sigma = lyc_sampling_sigma(&s, 0);
        for (int k = 0; k < COUNT; k++) {
            const double y = (double)s.x[k] / (sampler->sigma_state ? 1 : lyc_level_of_sigma(sigma).signal);
            want[k] = (float)(mu + (y - mu) * tau / sqrt(tau * tau + sigma * sigma));
        }
        finish(got, &s);
        lyc_sampling_clear(&s);
        expect_close(rows[i].name, got, want, rows[i].tolerance);
    }
}

/* A run's answer does not depend on what the network says it predicts. */
static void test_predictions(void **state)
{
    (void)state;
    for (const lyc_sampler *const *s = lyc_samplers; *s != NULL; s++) {
        float want[COUNT];
        for (int prediction = LYC_PREDICTION_EPSILON; prediction <= LYC_PREDICTION_SAMPLE; prediction++) {
            float got[COUNT];
            lyc_torch_random random;
            lyc_sampling_request r = request_of(*s, 8, &random);
            r.prediction = (lyc_prediction)prediction;
            sample(got, *s, &r);
            if (prediction == LYC_PREDICTION_EPSILON) {
                memcpy(want, got, sizeof want);
            }
            expect_close((*s)->name, got, want, 2e-4);
        }
    }
}

static void count_draw(void *context, float *out, size_t n)
{
    memset(out, 0, n * sizeof *out);
    ++*(int *)context;
}

/* Calls and draws of 6 steps: progress is right, and the generator stands where it would in other programs. */
static void test_calls_and_draws(void **state)
{
    static const struct {
        const char *name;
        double eta;
        int calls;
        int draws;
    } rows[] = {
        {"ddim", 0, 6, 0},      {"ddim", 1, 6, 6},     {"ddpm", 0, 6, 6},        {"pndm", 0, 7, 0},
        {"lms", 0, 6, 0},       {"euler", 0, 6, 0},    {"euler_a", 1, 6, 6},     {"heun", 0, 11, 0},
        {"dpm2", 0, 11, 0},     {"dpm2_a", 1, 11, 5},  {"dpm++_2m", 0, 6, 0},    {"dpm++_2m_sde", 0, 6, 6},
        {"dpmsolver", 0, 6, 0}, {"dpm++_2s", 0, 6, 0}, {"dpm++_sde", 1, 11, 10}, {"unipc", 0, 6, 0},
        {"lcm", 0, 6, 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        float latents[COUNT];
        int draws = 0;
        lyc_torch_random random;
        const lyc_sampler *sampler = by_name(rows[i].name);
        lyc_sampling_request r = request_of(sampler, 6, &random);
        r.options.eta = rows[i].eta;
        r.noise = count_draw;
        r.noise_context = &draws;
        const int calls = sample(latents, sampler, &r);
        if (calls != rows[i].calls || draws != rows[i].draws) {
            fail_msg("%s: %d calls and %d draws", rows[i].name, calls, draws);
        }
    }
}

/* One step that ends at sigma 0 returns what the network says the picture is. */
static void test_one_step(void **state)
{
    (void)state;
    for (const lyc_sampler *const *s = lyc_samplers; *s != NULL; s++) {
        float got[COUNT];
        float input[COUNT];
        float want[COUNT];
        lyc_torch_random random;
        lyc_sampling run;
        lyc_sampling_request r = request_of(*s, 1, &random);
        r.set_alpha_to_one = true;
        r.prediction = LYC_PREDICTION_SAMPLE;
        begin(&run, *s, &r);
        lyc_sampling_input(&run, input);
        network(want, input, lyc_sampling_call(&run).level, LYC_PREDICTION_SAMPLE);
        lyc_sampling_advance(&run, want);
        assert_true(lyc_sampling_done(&run));
        lyc_sampling_latents(&run, got);
        /* dpmsolver ends above 0, and lcm's boundary condition is not exact. */
        const bool near = strcmp((*s)->name, "dpmsolver") == 0 || strcmp((*s)->name, "lcm") == 0;
        expect_close((*s)->name, got, want, near ? 0.1 : 1e-5);
        lyc_sampling_clear(&run);
    }
}

/* In y, DDIM with eta 0 is Euler's method. */
static void test_ddim_is_euler(void **state)
{
    float ddim[COUNT];
    float euler[COUNT];
    lyc_torch_random random;
    lyc_sampling s;
    (void)state;
    lyc_sampling_request r = request_of(by_name("ddim"), 10, &random);
    r.spacing = LYC_SPACING_LEADING;
    r.set_alpha_to_one = true;
    r.steps_offset = 0;
    sample(ddim, by_name("ddim"), &r);
    r = request_of(by_name("euler"), 10, &random);
    r.spacing = LYC_SPACING_LEADING;
    r.steps_offset = 0;
    begin(&s, by_name("euler"), &r);
    for (int i = 0; i < COUNT; i++) { /* DDIM starts at the noise itself, in VP */
        s.x[i] = start[i] / (float)lyc_level_of_sigma(lyc_sampling_sigma(&s, 0)).signal;
    }
    finish(euler, &s);
    lyc_sampling_clear(&s);
    expect_close("ddim", ddim, euler, 1e-5);
}

static void test_euler_a_without_noise_is_euler(void **state)
{
    float a[COUNT];
    float euler[COUNT];
    lyc_torch_random random;
    (void)state;
    lyc_sampling_request r = request_of(by_name("euler_a"), 10, &random);
    r.options.eta = 0;
    sample(a, by_name("euler_a"), &r);
    r = request_of(by_name("euler"), 10, &random);
    sample(euler, by_name("euler"), &r);
    expect_close("euler_a", a, euler, 1e-5);
}

/* img2img: nothing left to do returns the latents; a later start adds the noise of its level. */
static void test_later_start(void **state)
{
    (void)state;
    for (const lyc_sampler *const *sampler = lyc_samplers; *sampler != NULL; sampler++) {
        float latents[COUNT];
        float got[COUNT];
        lyc_torch_random random;
        lyc_sampling s;
        lyc_sampling_request r = request_of(*sampler, 10, &random);
        for (int i = 0; i < COUNT; i++) {
            latents[i] = 0.1f * (float)i;
        }
        r.first = 10;
        begin(&s, *sampler, &r);
        lyc_sampling_begin_at(&s, latents, start);
        assert_true(lyc_sampling_done(&s));
        assert_int_equal(lyc_sampling_calls_left(&s), 0);
        lyc_sampling_latents(&s, got);
        assert_memory_equal(got, latents, sizeof got);
        lyc_sampling_clear(&s);

        r.first = 4;
        begin(&s, *sampler, &r);
        lyc_sampling_begin_at(&s, latents, start);
        const lyc_level level = lyc_sampling_call(&s).level;
        lyc_sampling_input(&s, got);
        for (int i = 0; i < COUNT; i++) {
            const double want = level.signal * (double)latents[i] + level.noise * (double)start[i];
            assert_true(fabs((double)got[i] - want) < 1e-5);
        }
        finish(got, &s);
        for (int i = 0; i < COUNT; i++) {
            assert_true(isfinite(got[i]) && fabsf(got[i]) < 5);
        }
        lyc_sampling_clear(&s);
    }
}

/* Inpainting: what the mask keeps ends at the latents; what it does not is as without. */
static void test_keep(void **state)
{
    float mask[COUNT];
    float latents[COUNT];
    float input[COUNT];
    float output[COUNT];
    float got[COUNT];
    lyc_torch_random random;
    lyc_sampling s;
    (void)state;
    const lyc_sampling_request r = request_of(by_name("euler"), 8, &random);
    for (int i = 0; i < COUNT; i++) {
        mask[i] = i < COUNT / 2 ? 1 : 0;
        latents[i] = 2.0f + (float)i;
    }
    begin(&s, by_name("euler"), &r);
    while (!lyc_sampling_done(&s)) {
        lyc_sampling_input(&s, input);
        network(output, input, lyc_sampling_call(&s).level, LYC_PREDICTION_EPSILON);
        lyc_sampling_advance(&s, output);
        lyc_sampling_keep(&s, mask, latents, start);
    }
    lyc_sampling_latents(&s, got);
    lyc_sampling_clear(&s);
    sample(output, by_name("euler"), &r);
    for (int i = 0; i < COUNT; i++) {
        assert_true(i < COUNT / 2 ? got[i] == output[i] : got[i] == latents[i]);
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        const char *sampler;
        lyc_sigma_curve curve;
    } rows[] = {
        {"euler", "euler", LYC_CURVE_NONE},
        {"Euler a", "euler_a", LYC_CURVE_NONE},
        {"k_euler_a", "euler_a", LYC_CURVE_NONE},
        {"EulerAncestralDiscreteScheduler", "euler_a", LYC_CURVE_NONE},
        {"PLMS", "pndm", LYC_CURVE_NONE},
        {"k_dpm_2_a", "dpm2_a", LYC_CURVE_NONE},
        {"dpm_2", "dpm2", LYC_CURVE_NONE},
        {"dpmsolver++", "dpm++_2m", LYC_CURVE_NONE},
        {"DPM++ 2M Karras", "dpm++_2m", LYC_CURVE_KARRAS},
        {"dpm++_2m_sde_karras", "dpm++_2m_sde", LYC_CURVE_KARRAS},
        {"DPM++ SDE Karras", "dpm++_sde", LYC_CURVE_KARRAS},
        {"Euler exponential", "euler", LYC_CURVE_EXPONENTIAL},
        {"heun_beta", "heun", LYC_CURVE_BETA},
        {"dpmsingle", "dpm++_2s", LYC_CURVE_NONE},
        {"UniPC", "unipc", LYC_CURVE_NONE},
    };
    static const struct {
        const char *name;
        const char *message;
    } refused[] = {
        {"eular", "there is no sampler 'eular'; did you mean 'euler'?"},
        {"dpm++ 2n", "there is no sampler 'dpm++ 2n'; did you mean 'dpm++_2m'?"},
        {"zzzzzzzz", "there is no sampler 'zzzzzzzz'"},
        {"", "there is no sampler ''"},
        {"karras", "there is no sampler 'karras'"},
        {"ddim_karras", "karras sigmas are not defined for the sampler ddim"},
        {"lcm exponential", "exponential sigmas are not defined for the sampler lcm"},
    };
    const lyc_sampler *sampler;
    lyc_sigma_curve curve;
    lyc_error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (lyc_sampler_find(&sampler, &curve, rows[i].name, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
        assert_string_equal(sampler->name, rows[i].sampler);
        assert_int_equal(curve, rows[i].curve);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(lyc_sampler_find(&sampler, &curve, refused[i].name, &err), LYC_E_ARGUMENT);
        assert_string_equal(err.message, refused[i].message);
    }
}

/* Noise cannot be taken from a picture that is all noise. */
static void test_zero_snr_refused(void **state)
{
    lyc_schedule zero;
    lyc_scheduler_config config = sd15;
    lyc_torch_random random;
    lyc_sampling s;
    lyc_error err;
    float latents[COUNT];
    (void)state;
    config.rescale_zero_snr = true;
    assert_int_equal(lyc_schedule_init(&zero, &config, NULL), LYC_OK);
    lyc_sampling_request r = request_of(by_name("ddim"), 5, &random);
    r.spacing = LYC_SPACING_TRAILING;
    assert_int_equal(lyc_sampling_init(&s, by_name("ddim"), &zero, &r, COUNT, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message,
                        "the sampler ddim cannot start at zero terminal SNR with a model that predicts noise");
    r.prediction = LYC_PREDICTION_V;
    assert_int_equal(lyc_sampling_init(&s, by_name("ddim"), &zero, &r, COUNT, &err), LYC_OK);
    lyc_sampling_begin(&s, start);
    finish(latents, &s);
    assert_true(isfinite(latents[0]));
    lyc_sampling_clear(&s);
    lyc_schedule_clear(&zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_converge),      cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_one_step),      cmocka_unit_test(test_calls_and_draws),
        cmocka_unit_test(test_ddim_is_euler), cmocka_unit_test(test_euler_a_without_noise_is_euler),
        cmocka_unit_test(test_later_start),   cmocka_unit_test(test_keep),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_zero_snr_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
