/* test_optimizer.c - every optimiser: the same bits at any number of threads and after its state was loaded; complaints
 *
 * Values are compared with the libraries' by tests/conformance/optimizers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/thread.h"
#include "support/folder.h"
#include "tensor/random.h"
#include "tensor/shape.h"
#include "train/gradient_clip.h"
#include "train/lr_schedule.h"
#include "train/optimizer.h"

enum { PARAMS = 3, STEPS = 6 };

static const lyc_shape shapes[PARAMS] = {
    {.rank = 2, .dims = {130, 257}}, {.rank = 1, .dims = {77}}, {.rank = 4, .dims = {6, 5, 3, 3}}};

typedef struct model {
    lyc_trainable params[PARAMS];
    float *gradients[PARAMS];
    lyc_optimizer *optimizer;
} model;

static void fill(float *out, int64_t n, int stream, double deviation)
{
    const lyc_native_random random = {.seed = 3, .purpose = LYC_RANDOM_INIT, .step = (uint32_t)stream};
    lyc_native_random_normals(&random, out, 0, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        out[i] *= (float)deviation;
    }
}

static void open_model(model *m, const char *name, const char *arg)
{
    static const char *const names[PARAMS] = {"a", "b", "c"};
    lyc_error err;
    for (int i = 0; i < PARAMS; i++) {
        const int64_t n = lyc_shape_elements(&shapes[i]);
        float *value = lyc_alloc_zero((size_t)n, sizeof *value);
        fill(value, n, i, 0.1);
        m->gradients[i] = lyc_alloc_zero((size_t)n, sizeof(float));
        m->params[i] = (lyc_trainable){.name = names[i],
                                       .value = value,
                                       .gradient = m->gradients[i],
                                       .count = n,
                                       .shape = shapes[i],
                                       .group = i == 1};
    }
    const char *args[] = {arg};
    if (lyc_optimizer_new(&m->optimizer, name, args, arg != NULL, m->params, PARAMS, &err) != LYC_OK) {
        fail_msg("%s: %s", name, err.message);
    }
}

static void close_model(model *m)
{
    lyc_optimizer_free(m->optimizer);
    for (int i = 0; i < PARAMS; i++) {
        lyc_free(m->params[i].value);
        lyc_free(m->gradients[i]);
    }
}

/* Steps [first,last), whose gradients depend on the step and the values. */
static void run_model(model *m, int first, int last)
{
    lyc_error err;
    const double rates[] = {0.01, 0.005};
    for (int step = first; step < last; step++) {
        for (int i = 0; i < PARAMS; i++) {
            fill(m->gradients[i], m->params[i].count, 100 + 10 * step + i, 1.0);
            for (int64_t k = 0; k < m->params[i].count; k++) {
                m->gradients[i][k] += m->params[i].value[k];
            }
        }
        lyc_optimizer_set_scale(m->optimizer, 0.5);
        assert_int_equal(lyc_optimizer_step(m->optimizer, rates, &err), LYC_OK);
    }
}

static void assert_same(const model *a, const model *b, const char *name)
{
    for (int i = 0; i < PARAMS; i++) {
        if (memcmp(a->params[i].value, b->params[i].value, (size_t)a->params[i].count * sizeof(float)) != 0) {
            fail_msg("%s: parameter %d differs", name, i);
        }
    }
}

static void same_at_any_number_of_threads(void **state)
{
    (void)state;
    const char *name;
    const int before = lyc_thread_count();
    for (size_t k = 0; (name = lyc_optimizer_name_at(k)) != NULL; k++) {
        model one;
        lyc_thread_set_count(1);
        open_model(&one, name, NULL);
        run_model(&one, 0, STEPS);
        for (int threads = 2; threads <= 3; threads++) {
            model more;
            lyc_thread_set_count(threads);
            open_model(&more, name, NULL);
            run_model(&more, 0, STEPS);
            assert_same(&one, &more, name);
            close_model(&more);
        }
        close_model(&one);
    }
    lyc_thread_set_count(before);
}

static void save(const char *path, const model *m)
{
    lyc_error err;
    char name[256];
    lyc_safetensors_plan *plan;
    lyc_safetensors_writer *writer;
    const lyc_safetensors_writer_options force = {.force = true};
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    for (size_t i = 0; i < lyc_optimizer_state_count(m->optimizer); i++) {
        const lyc_tensor_view t = lyc_optimizer_state_at(m->optimizer, i);
        lyc_optimizer_state_name(name, sizeof name, m->optimizer, i);
        assert_int_equal(lyc_safetensors_plan_add(plan, name, t.dtype, &t.shape, &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, path, &force, &err), LYC_OK);
    for (size_t i = 0; i < lyc_optimizer_state_count(m->optimizer); i++) {
        const lyc_tensor_view t = lyc_optimizer_state_at(m->optimizer, i);
        lyc_optimizer_state_name(name, sizeof name, m->optimizer, i);
        assert_int_equal(lyc_safetensors_writer_put(writer, name, t.data, t.size_bytes, &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
}

/* Stopped after each step and gone on with from a file: the same bits. */
static void goes_on_from_its_state(void **state)
{
    (void)state;
    const char *name;
    test_folder folder;
    test_folder_make(&folder);
    for (size_t k = 0; (name = lyc_optimizer_name_at(k)) != NULL; k++) {
        model whole;
        open_model(&whole, name, NULL);
        run_model(&whole, 0, STEPS);
        for (int stop = 1; stop < STEPS; stop += 2) {
            lyc_error err;
            lyc_safetensors *file;
            model first, second;
            const char *path = test_folder_path(&folder, "state.safetensors");
            open_model(&first, name, NULL);
            run_model(&first, 0, stop);
            save(path, &first);
            open_model(&second, name, NULL);
            for (int i = 0; i < PARAMS; i++) {
                memcpy(second.params[i].value, first.params[i].value, (size_t)first.params[i].count * sizeof(float));
            }
            assert_int_equal(lyc_safetensors_open(&file, path, NULL, &err), LYC_OK);
            if (lyc_optimizer_load(second.optimizer, file, &err) != LYC_OK) {
                fail_msg("%s: %s", name, err.message);
            }
            lyc_safetensors_close(file);
            assert_int_equal(lyc_optimizer_steps(second.optimizer), stop);
            run_model(&second, stop, STEPS);
            assert_same(&whole, &second, name);
            close_model(&first);
            close_model(&second);
        }
        close_model(&whole);
    }
    test_folder_remove(&folder);
}

/* The weights for use are an average; those for training come back. */
static void schedule_free_exchanges_weights(void **state)
{
    (void)state;
    lyc_error err;
    model m;
    open_model(&m, "AdamWScheduleFree", "warmup_steps=2");
    run_model(&m, 0, 4);
    float before[77];
    memcpy(before, m.params[1].value, sizeof before);
    lyc_optimizer_evaluate(m.optimizer);
    double moved = 0.0;
    for (int i = 0; i < 77; i++) {
        moved += fabs((double)(before[i] - m.params[1].value[i]));
    }
    assert_true(moved > 1e-3);
    const double rates[] = {0.01, 0.01};
    assert_int_equal(lyc_optimizer_step(m.optimizer, rates, &err), LYC_E_ARGUMENT);
    lyc_optimizer_train(m.optimizer);
    for (int i = 0; i < 77; i++) {
        assert_true(fabs((double)(before[i] - m.params[1].value[i])) < 1e-6);
    }
    close_model(&m);
}

/* Found a rate, and the loss goes down: the distance to a point. */
static void finds_its_own_rate(void **state)
{
    (void)state;
    static const char *const names[] = {"Prodigy", "DAdaptation"};
    for (size_t k = 0; k < 2; k++) {
        lyc_error err;
        float value[4] = {0}, gradient[4];
        lyc_trainable param = {
            .name = "x", .value = value, .gradient = gradient, .count = 4, .shape = {.rank = 1, .dims = {4}}};
        lyc_optimizer *optimizer;
        const double rate = 1.0;
        assert_int_equal(lyc_optimizer_new(&optimizer, names[k], NULL, 0, &param, 1, &err), LYC_OK);
        for (int step = 0; step < 300; step++) {
            for (int i = 0; i < 4; i++) {
                gradient[i] = value[i] - (float)(i + 1);
            }
            assert_int_equal(lyc_optimizer_step(optimizer, &rate, &err), LYC_OK);
        }
        assert_true(lyc_optimizer_effective_rate(optimizer, 1.0) > 1e-4);
        assert_true(fabs((double)value[3] - 4.0) < 2.0);
        lyc_optimizer_free(optimizer);
    }
}

static void complains(void **state)
{
    (void)state;
    static const struct {
        const char *name, *arg;
        lyc_status status;
        const char *message;
    } cases[] = {
        {"AdmaW", NULL, LYC_E_ARGUMENT, "there is no optimiser 'AdmaW'; 'AdamW' is meant?"},
        {"xyz", NULL, LYC_E_ARGUMENT, "there is no optimiser 'xyz'"},
        {"DAdaptLion", NULL, LYC_E_UNSUPPORTED, "the optimiser DAdaptLion is not here; Prodigy does the same"},
        {"AdamW", "weight_decya=0.1", LYC_E_ARGUMENT, "AdamW has no argument 'weight_decya'; 'weight_decay' is meant?"},
        {"AdamW", "betas=0.9", LYC_E_ARGUMENT, "betas of AdamW takes two numbers, found '0.9'"},
        {"AdamW", "betas=(1, 0.99)", LYC_E_ARGUMENT, "betas of 1 and 0.99, expected less than 1"},
        {"AdamW", "eps", LYC_E_ARGUMENT, "argument 'eps' of AdamW is not name=value"},
        {"SGD", "nesterov=True", LYC_E_ARGUMENT, "nesterov needs a momentum above 0"},
        {"Adafactor", "warmup_init=maybe", LYC_E_ARGUMENT, "warmup_init of Adafactor: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_optimizer *optimizer = NULL;
        const char *args[] = {cases[i].arg};
        const lyc_status status =
            lyc_optimizer_new(&optimizer, cases[i].name, args, cases[i].arg != NULL, NULL, 0, &err);
        if (status != cases[i].status || strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0) {
            fail_msg("%s %s: %s", cases[i].name, cases[i].arg, err.message);
        }
        assert_null(optimizer);
    }
}

/* Names and literals as configurations of sd-scripts have them. */
static void knows_names_and_literals(void **state)
{
    (void)state;
    static const char *const known[][2] = {{"adamw8bit", "betas=0.9,0.99"},
                                           {"bitsandbytes.optim.AdamW8bit", "weight_decay=0.1"},
                                           {"prodigy", "safeguard_warmup=True"},
                                           {"AdaFactor", "scale_parameter=False"},
                                           {"Adafactor", "eps=(1e-30, 1e-3)"},
                                           {"Adafactor", "beta1=None"},
                                           {"torch.optim.AdamW", "betas=(0.9, 0.95)"},
                                           {"DAdaptAdamPreprint", "decouple=True"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        model m;
        open_model(&m, known[i][0], known[i][1]);
        close_model(&m);
    }
}

static void norms(void **state)
{
    (void)state;
    model m;
    lyc_gradient_norm norm;
    open_model(&m, "SGD", NULL);
    m.gradients[0][5] = 3.0f;
    m.gradients[1][2] = -4.0f;
    lyc_gradient_norm_compute(&norm, m.params, PARAMS, 0.5);
    assert_true(norm.norm == 2.5 && norm.not_finite == NULL);
    assert_true(lyc_gradient_clip(10.0, 1.0) == 1.0 / (10.0 + 1e-6) && lyc_gradient_clip(0.5, 1.0) == 1.0);
    assert_true(lyc_gradient_clip(10.0, 0.0) == 1.0);
    m.gradients[2][7] = NAN;
    lyc_gradient_norm_compute(&norm, m.params, PARAMS, 1.0);
    assert_string_equal(norm.not_finite, "c");
    assert_false(isfinite(norm.norm));
    close_model(&m);
}

static void schedules(void **state)
{
    (void)state;
    static const struct {
        lyc_lr_request request;
        int64_t step;
        double factor;
    } cases[] = {
        {{.name = "inverse_sqrt", .warmup_steps = 100, .total_steps = 1000}, 300, 0.57735026918962573},
        {{.name = "cosine_with_min_lr", .min_ratio = 0.1, .total_steps = 100}, 50, 0.55},
        {{.name = "warmup_stable_decay", .warmup_steps = 10, .decay_steps = 20, .min_ratio = 0.5, .total_steps = 100},
         5,
         0.75},
        {{.name = "warmup_stable_decay", .warmup_steps = 10, .decay_steps = 20, .min_ratio = 0.5, .total_steps = 100},
         79,
         1.0},
        {{.name = "warmup_stable_decay", .warmup_steps = 10, .decay_steps = 20, .min_ratio = 0.5, .total_steps = 100},
         90,
         0.75},
        {{.name = "piecewise_constant", .step_rules = "1:10,0.1:20,0.01"}, 10, 0.1},
        {{.name = "piecewise_constant", .step_rules = "1:10,0.1:20,0.01"}, 99, 0.01},
        {{.name = "rex", .total_steps = 100}, 50, 0.5 / 0.55},
        {{.name = "linear", .warmup_steps = 0.1, .total_steps = 50}, 1, 0.2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_lr_schedule schedule;
        assert_int_equal(lyc_lr_schedule_init(&schedule, &cases[i].request, &err), LYC_OK);
        const double factor = lyc_lr_schedule_factor(&schedule, cases[i].step);
        if (fabs(factor - cases[i].factor) > 1e-12) {
            fail_msg("case %zu: %.17g", i, factor);
        }
    }
    static const struct {
        lyc_lr_request request;
        const char *message;
    } wrong[] = {
        {{.name = "cosnie"}, "there is no schedule 'cosnie'; 'cosine' is meant?"},
        {{.name = "constant", .warmup_steps = 5},
         "the schedule constant has no warm-up, and lr_warmup_steps is 5; "
         "constant_with_warmup has"},
        {{.name = "piecewise_constant"}, "piecewise_constant needs step_rules like 1:10,0.1:20,0.01"},
        {{.name = "piecewise_constant", .step_rules = "1:10"},
         "step_rules '1:10', expected factor:step, ... and a last factor"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        lyc_error err;
        lyc_lr_schedule schedule;
        assert_int_equal(lyc_lr_schedule_init(&schedule, &wrong[i].request, &err), LYC_E_ARGUMENT);
        assert_string_equal(err.message, wrong[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_at_any_number_of_threads),
        cmocka_unit_test(goes_on_from_its_state),
        cmocka_unit_test(schedule_free_exchanges_weights),
        cmocka_unit_test(finds_its_own_rate),
        cmocka_unit_test(complains),
        cmocka_unit_test(knows_names_and_literals),
        cmocka_unit_test(norms),
        cmocka_unit_test(schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
