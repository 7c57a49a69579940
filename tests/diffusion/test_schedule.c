/* test_schedule.c - tables, spacings and curves; values of diffusers 0.42
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

#include "diffusion/beta_quantile.h"
#include "diffusion/timeline.h"

static const lyc_scheduler_config sd15 = {.train_timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.012};

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%.9g, expected %.9g", got, want);
    }
}

static void test_table(void **state)
{
    static const struct {
        int t;
        double beta, alpha, sigma, snr;
    } rows[] = {
        {0, 0.00085000, 0.99914998, 0.0291675, 1175.44},
        {20, 0.00094643, 0.98131430, 0.1379910, 52.5169},
        {500, 0.00481495, 0.27633247, 1.6182797, 0.38185},
        {999, 0.01200000, 0.00466010, 14.614647, 0.00468191},
    };
    lyc_schedule s;
    (void)state;
    assert_int_equal(lyc_schedule_init(&s, &sd15, NULL), LYC_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int t = rows[i].t;
        near((double)s.betas[t], rows[i].beta, 1e-8);
        near((double)s.alphas[t], rows[i].alpha, 1e-8);
        near(s.sigmas[t], rows[i].sigma, 2e-6 * rows[i].sigma);
        near(lyc_schedule_snr(&s, t), rows[i].snr, 1e-5 * rows[i].snr);
        near(lyc_schedule_timestep(&s, s.sigmas[t]), t, 1e-3);
    }
    near(lyc_schedule_timestep(&s, 1e9), 999, 0);
    near(lyc_schedule_timestep(&s, 0), 0, 0);
    lyc_schedule_clear(&s);
}

static void test_zero_snr(void **state)
{
    lyc_schedule s;
    lyc_scheduler_config config = sd15;
    (void)state;
    config.rescale_zero_snr = true;
    assert_int_equal(lyc_schedule_init(&s, &config, NULL), LYC_OK);
    assert_true(s.alphas[999] == 0.0f);
    near((double)s.alphas[0], 0.99914998, 1e-7);
    near(s.sigmas[999], 4096, 0.01);
    lyc_schedule_clear(&s);
}

static void test_refused(void **state)
{
    static const struct {
        lyc_scheduler_config config;
        const char *message;
    } rows[] = {
        {{.train_timesteps = 0}, "num_train_timesteps is 0, expected 1 to 1000000"},
        {{.train_timesteps = 10, .beta_start = 0.1, .beta_end = 9, .beta_schedule = LYC_BETA_LINEAR},
         "beta of timestep 1 is 1.08889, expected at least 0 and below 1"},
        {{.train_timesteps = 10, .beta_start = NAN, .beta_end = 0.1},
         "beta of timestep 0 is nan, expected at least 0 and below 1"},
        {{.train_timesteps = 10, .beta_start = 0, .beta_end = 0.1},
         "beta of timestep 0 is 0: there would be a timestep without noise"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lyc_schedule s;
        lyc_error err;
        assert_int_equal(lyc_schedule_init(&s, &rows[i].config, &err), LYC_E_FORMAT);
        assert_string_equal(err.message, rows[i].message);
    }
}

static void expect_timeline(const lyc_timeline_request *request, const double *timesteps, const double *sigmas)
{
    lyc_schedule s;
    lyc_timeline t;
    assert_int_equal(lyc_schedule_init(&s, &sd15, NULL), LYC_OK);
    assert_int_equal(lyc_timeline_init(&t, &s, request, NULL), LYC_OK);
    for (int i = 0; i < request->steps; i++) {
        near(t.timesteps[i], timesteps[i], 1e-3);
        if (sigmas != NULL) {
            near(t.sigmas[i], sigmas[i], 1e-5 * sigmas[i]);
        }
    }
    near(t.sigmas[request->steps], 0, 0);
    lyc_timeline_clear(&t);
    lyc_schedule_clear(&s);
}

static void test_spacings(void **state)
{
    lyc_timeline_request r = {.steps = 5, .kind = LYC_TIMELINE_FRACTIONAL, .spacing = LYC_SPACING_LINSPACE};
    (void)state;
    expect_timeline(&r, (const double[]){999, 749.25, 499.5, 249.75, 0},
                    (const double[]){14.6147, 4.08609, 1.61558, 0.695151, 0.0291675});
    r.curve = LYC_CURVE_KARRAS;
    expect_timeline(&r, (const double[]){999, 785.954, 427.490, 58.8916, 0},
                    (const double[]){14.6147, 4.79655, 1.27411, 0.247952, 0.0291675});
    r = (lyc_timeline_request){.steps = 5, .spacing = LYC_SPACING_LEADING, .steps_offset = 1};
    expect_timeline(&r, (const double[]){801, 601, 401, 201, 1},
                    (const double[]){5.13443, 2.29285, 1.16822, 0.574051, 0.0413145});
    r = (lyc_timeline_request){.steps = 5, .spacing = LYC_SPACING_TRAILING};
    expect_timeline(&r, (const double[]){999, 799, 599, 399, 199}, NULL);
    r = (lyc_timeline_request){.steps = 5, .kind = LYC_TIMELINE_INTERVALS, .spacing = LYC_SPACING_LINSPACE};
    expect_timeline(&r, (const double[]){999, 799, 599, 400, 200}, NULL);
    r = (lyc_timeline_request){.steps = 4, .kind = LYC_TIMELINE_LCM, .lcm_steps = 50};
    expect_timeline(&r, (const double[]){999, 759, 499, 259}, NULL);
    r.steps = 8;
    expect_timeline(&r, (const double[]){999, 879, 759, 639, 499, 379, 259, 139}, NULL);
    r = (lyc_timeline_request){
        .steps = 1, .kind = LYC_TIMELINE_FRACTIONAL, .curve = LYC_CURVE_KARRAS, .spacing = LYC_SPACING_TRAILING};
    expect_timeline(&r, (const double[]){999}, (const double[]){14.614647});
    /* k-diffusion: from the top, whatever the spacing; logarithmic between the timesteps. */
    r = (lyc_timeline_request){.steps = 5, .kind = LYC_TIMELINE_FRACTIONAL, .style = LYC_STYLE_A1111};
    expect_timeline(&r, (const double[]){999, 749.25, 499.5, 249.75, 0},
                    (const double[]){14.6147, 4.08608, 1.61558, 0.695151, 0.0291675});
}

static void test_steps_refused(void **state)
{
    static const struct {
        lyc_timeline_request request;
        const char *message;
    } rows[] = {
        {{.steps = 0}, "0 steps, expected 1 to 1000"},
        {{.steps = 1001}, "1001 steps, expected 1 to 1000"},
        {{.steps = 51, .kind = LYC_TIMELINE_LCM, .lcm_steps = 50}, "51 steps, but the model was distilled on 50"},
        {{.steps = 1000, .kind = LYC_TIMELINE_INTERVALS}, "1000 steps with spacing leading, expected at most 999"},
    };
    lyc_schedule s;
    (void)state;
    assert_int_equal(lyc_schedule_init(&s, &sd15, NULL), LYC_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lyc_timeline t;
        lyc_error err;
        assert_int_equal(lyc_timeline_init(&t, &s, &rows[i].request, &err), LYC_E_ARGUMENT);
        assert_string_equal(err.message, rows[i].message);
    }
    lyc_schedule_clear(&s);
}

/* Beta(1, 1) is uniform, Beta(1, b) has a formula, and a = b is symmetric. */
static void test_beta_quantile(void **state)
{
    (void)state;
    near(lyc_beta_quantile(0.5, 0.6, 0.6), 0.5, 1e-12);
    near(lyc_beta_quantile(0.3, 1, 1), 0.3, 1e-12);
    near(lyc_beta_quantile(0.9, 1, 3), 1 - cbrt(0.1), 1e-12);
    near(lyc_beta_quantile(0.1, 0.6, 0.6) + lyc_beta_quantile(0.9, 0.6, 0.6), 1, 1e-12);
    near(lyc_beta_quantile(0, 0.6, 0.6), 0, 0);
    near(lyc_beta_quantile(1, 0.6, 0.6), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),    cmocka_unit_test(test_zero_snr),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_spacings), cmocka_unit_test(test_steps_refused), cmocka_unit_test(test_beta_quantile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
