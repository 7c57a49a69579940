/* test_trainer.c - whole runs: every algorithm learns; what stops goes on with the same bits
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pictures.h"

#include "support/folder.h"
#include "train/sampling.h"
#include "train/trainer_internal.h"

/* What hooks saw. */
typedef struct witness {
    double first, last; /* validation losses */
    int64_t stop_at;
    int64_t step;
    int saves[3], samples, warnings;
    char warning[1024];
} witness;

static void report(void *context, const lyc_train_progress *p)
{
    witness *w = context;
    w->step = p->step;
    if (!isnan(p->validation_loss)) {
        w->first = w->first > 0 ? w->first : p->validation_loss;
        w->last = p->validation_loss;
    }
}

static bool stop(void *context)
{
    const witness *w = context;
    return w->stop_at > 0 && w->step >= w->stop_at;
}

static lyc_status count_save(void *context, lyc_trainer *t, lyc_trainer_event event, lyc_error *err)
{
    (void)t;
    (void)err;
    ((witness *)context)->saves[event]++;
    return LYC_OK;
}

static lyc_status count_sample(void *context, lyc_trainer *t, lyc_trainer_event event, lyc_error *err)
{
    (void)t;
    (void)err;
    (void)event;
    ((witness *)context)->samples++;
    return LYC_OK;
}

static void warn(void *context, const char *text)
{
    witness *w = context;
    w->warnings++;
    snprintf(w->warning, sizeof w->warning, "%s", text);
}

static lyc_trainer_hooks hooks_of(witness *w)
{
    return (lyc_trainer_hooks){
        .save = count_save, .sample = count_sample, .report = report, .warn = warn, .stop = stop, .context = w};
}

static lyc_trainer_options options_of_run(int64_t steps)
{
    return (lyc_trainer_options){.seed = 3,
                                 .max_train_steps = steps,
                                 .gradient_accumulation_steps = 1,
                                 .max_grad_norm = 1,
                                 .noise = LYC_BATCH_NOISE_DEFAULT,
                                 .rates = {.unet = 1e-2, .text = {1e-3, 1e-3}},
                                 .validate_every_n_steps = 10,
                                 .max_validation_steps = 1};
}

/* A run with all that it needs. */
typedef struct bench {
    lyc_train_model *model;
    pictures pictures;
    lyc_network *network;
    lyc_trainer *trainer;
} bench;

static void bench_open(bench *b, const char *preset, bool text, const char *const *args,
                       const lyc_trainer_options *options, witness *w)
{
    lyc_error err;
    b->model = open_model(LYC_PRECISION_F32);
    pictures_open(&b->pictures, b->model);
    b->network = args != NULL ? open_adapters(b->model, preset, text ? 0 : b->model->part_count - 1, args) : NULL;
    const lyc_batch_source source = pictures_source(&b->pictures);
    const lyc_trainer_hooks hooks = hooks_of(w);
    must(lyc_trainer_new(&b->trainer, b->model, b->network, options, &source, &hooks, &err), &err);
}

static void bench_close(bench *b)
{
    lyc_trainer_free(b->trainer);
    lyc_network_free(b->network);
    pictures_close(&b->pictures);
    lyc_train_model_close(b->model);
}

/* --- learning ------------------------------------------------------------------------------------------------------
 */

typedef struct algorithm_case {
    const char *args[6];
    const char *preset;
    double rate;
    bool text;
} algorithm_case;

static const algorithm_case algorithms[] = {
    {{"algo=lora", "network_dim=4"}, "attn-mlp", 1e-2, true},
    {{"algo=lora", "network_dim=4", "dora_wd=True"}, "attn-mlp", 1e-2, false},
    {{"algo=loha", "network_dim=4"}, "attn-mlp", 1e-2, false},
    {{"algo=lokr", "network_dim=4", "factor=4"}, "attn-mlp", 1e-2, false},
    {{"algo=ia3"}, "ia3", 5e-2, false},
    {{"algo=full"}, "attn-mlp", 2e-3, false},
    {{"algo=diag-oft", "network_dim=4"}, "attn-mlp", 1e-2, false},
    {{"algo=boft", "network_dim=4"}, "attn-mlp", 1e-2, false},
    {{"algo=glora", "network_dim=4"}, "attn-mlp", 1e-2, false},
    {{"algo=dylora", "network_dim=4", "block_size=2"}, "attn-mlp", 1e-2, false},
    {{"algo=tlora", "network_dim=4"}, "attn-mlp", 1e-2, false},
};

/* The validation loss falls by a twentieth at least, on noise that training does not see. */
static void every_algorithm_learns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        bench b;
        witness w = {0};
        lyc_error err;
        lyc_trainer_options o = options_of_run(SANITIZED ? 2 : 60);
        o.rates.unet = algorithms[i].rate;
        o.validate_every_n_steps = 5;
        o.max_validation_steps = 1;
        bench_open(&b, algorithms[i].preset, algorithms[i].text, algorithms[i].args, &o, &w);
        must(lyc_trainer_run(b.trainer, &err), &err);
        if (!SANITIZED && !(w.last < 0.95 * w.first)) {
            fail_msg("%s: validation loss %g, then %g", algorithms[i].args[0], w.first, w.last);
        }
        assert_true(lyc_trainer_finished(b.trainer));
        assert_true(lyc_trainer_progress_get(b.trainer)->movement > 0);
        assert_int_equal(w.saves[LYC_TRAINER_AT_END], 1);
        bench_close(&b);
    }
}

static void whole_networks_learn(void **state)
{
    bench b;
    witness w = {0};
    lyc_error err;
    lyc_trainer_options o = options_of_run(SANITIZED ? 2 : 30);
    (void)state;
    o.native_unet = o.native_text[0] = true;
    o.rates = (lyc_trainable_rates){.unet = 1e-3, .text = {1e-4}};
    o.optimizer = "AdamW8bit";
    bench_open(&b, NULL, true, NULL, &o, &w);
    must(lyc_trainer_run(b.trainer, &err), &err);
    assert_true(SANITIZED || w.last < 0.95 * w.first);
    assert_true(lyc_trainer_progress_get(b.trainer)->movement > 0);
    bench_close(&b);
}

/* The same rates in bf16: to the nearest and by chance. What is lost at small rates is in test_rounding.c. */
static void sixteen_bits_learn(void **state)
{
    (void)state;
    static const char *const args[] = {"algo=lora", "network_dim=4", NULL};
    for (int chance = 0; chance < 2; chance++) {
        bench b;
        witness w = {0};
        lyc_error err;
        lyc_trainer_options o = options_of_run(SANITIZED ? 1 : 40);
        o.full_bf16 = true;
        o.stochastic_rounding = chance;
        bench_open(&b, "attn-mlp", false, args, &o, &w);
        must(lyc_trainer_run(b.trainer, &err), &err);
        assert_true(SANITIZED || w.last < 0.95 * w.first);
        bench_close(&b);
    }
}

/* --- the loop ------------------------------------------------------------------------------------------------------
 */

static const char *const lora[] = {"algo=lora", "network_dim=4", "module_dropout=0.2", NULL};

/* Three batches an epoch, two to a step: the second step of an epoch has one. */
static void turns_come_as_told(void **state)
{
    bench b;
    witness w = {0};
    lyc_error err;
    lyc_trainer_options o = options_of_run(1);
    (void)state;
    o.max_train_epochs = 3;
    o.gradient_accumulation_steps = 2;
    o.save_every_n_epochs = 1;
    o.save_every_n_steps = 4;
    o.sample_every_n_epochs = 2;
    o.sample_at_first = true;
    bench_open(&b, "attn-mlp", false, lora, &o, &w);
    must(lyc_trainer_run(b.trainer, &err), &err);
    const lyc_train_progress *p = lyc_trainer_progress_get(b.trainer);
    assert_int_equal(p->step, 6);
    assert_int_equal(p->total_steps, 6);
    assert_int_equal(p->epochs, 3);
    assert_int_equal(w.saves[LYC_TRAINER_AT_EPOCH], 2); /* the last epoch's file is the end's */
    assert_int_equal(w.saves[LYC_TRAINER_AT_STEP], 1);
    assert_int_equal(w.saves[LYC_TRAINER_AT_END], 1);
    assert_int_equal(w.samples, 2);
    bench_close(&b);
}

/* Where a sample's target is what the model says without adapters, new adapters, which change nothing, have no loss. */
static void preservation_keeps_predictions(void **state)
{
    static const bool preserve[2][BATCH] = {{true, true}, {true, false}};
    static const char *const args[] = {"algo=lora", "network_dim=4", NULL};
    (void)state;
    for (int half = 0; half < 2; half++) {
        bench b;
        witness w = {0};
        lyc_error err;
        lyc_trainer_options o = options_of_run(1);
        o.validate_every_n_steps = 1000;
        bench_open(&b, "attn-mlp", true, args, &o, &w);
        b.pictures.preserve = preserve[half];
        must(lyc_trainer_run(b.trainer, &err), &err);
        const double loss = lyc_trainer_progress_get(b.trainer)->loss;
        assert_true(half ? loss > 0.1 : loss < 1e-9);
        bench_close(&b);
    }
}

static void bad_numbers_are_told(void **state)
{
    bench b;
    witness w = {0};
    lyc_error err;
    const lyc_trainer_options o = options_of_run(50);
    (void)state;
    bench_open(&b, "attn-mlp", false, lora, &o, &w);
    b.pictures.latents[0][3] = INFINITY;
    b.pictures.latents[2][3] = INFINITY;
    b.pictures.latents[4][3] = INFINITY;
    assert_int_equal(lyc_trainer_run(b.trainer, &err), LYC_E_NUMERIC);
    assert_int_equal(w.warnings, 20);
    assert_non_null(strstr(w.warning, "is left out: "));
    assert_int_equal(strncmp(err.message, "20 steps in a row were left out: ", 33), 0);
    assert_int_equal(w.saves[LYC_TRAINER_AT_END], 0);
    bench_close(&b);
}

/* A weight that is not finite: whatever else happens, nothing is saved. */
static void bad_weights_are_not_saved(void **state)
{
    bench b;
    witness w = {0};
    lyc_error err;
    const lyc_trainer_options o = options_of_run(1);
    (void)state;
    bench_open(&b, "attn-mlp", false, lora, &o, &w);
    lyc_trainer_trainables(b.trainer)->rows[0].value[0] = INFINITY;
    assert_int_equal(lyc_trainer_run(b.trainer, &err), LYC_E_NUMERIC);
    assert_string_equal(err.message, "weights of the unet are not finite: nothing is saved");
    assert_int_equal(w.saves[LYC_TRAINER_AT_END], 0);
    bench_close(&b);
}

/* What was trained, and the optimiser's tensors. */
static float *copy_numbers(const lyc_trainer *t)
{
    const lyc_trainables *set = lyc_trainer_trainables(t);
    float *all = lyc_alloc((size_t)set->numbers * sizeof *all);
    float *at = all;
    for (size_t i = 0; i < set->count; i++) {
        memcpy(at, set->rows[i].value, (size_t)set->rows[i].count * sizeof *at);
        at += set->rows[i].count;
    }
    return all;
}

/* One batch of three has a number that is not finite: the schedule is where the steps that were made are. */
static void steps_left_out_do_not_count(void **state)
{
    bench b;
    witness w = {0};
    lyc_error err;
    enum { STEPS = SANITIZED ? 3 : 6, LEFT_OUT = STEPS / 3 };
    lyc_trainer_options o = options_of_run(STEPS);
    (void)state;
    o.schedule = (lyc_lr_request){.name = "linear"};
    o.validate_every_n_steps = 1000;
    bench_open(&b, "attn-mlp", false, lora, &o, &w);
    b.pictures.latents[0][3] = INFINITY;
    b.pictures.latents[1][3] = INFINITY;
    must(lyc_trainer_run(b.trainer, &err), &err);
    assert_int_equal(lyc_trainer_progress_get(b.trainer)->step, STEPS);
    assert_int_equal(lyc_trainer_progress_get(b.trainer)->skipped, LEFT_OUT);
    assert_int_equal(w.warnings, LEFT_OUT);
    /* The last one that was made has all but itself and those left out before it. */
    assert_true(fabs(b.trainer->rates[0] - 1e-2 * (LEFT_OUT + 1) / STEPS) < 1e-9);
    bench_close(&b);
}

/* With the loss scale of fp16: nothing of what is learned depends on it. Where gradients are too large it is halved
 * until they fit, the steps until then are left out, and it is in the state. */
static void loss_scale_changes_no_bit(void **state)
{
    float *numbers_of[2];
    size_t count = 0;
    (void)state;
    for (int scaled = 0; scaled < 2; scaled++) {
        bench b;
        witness w = {0};
        lyc_error err;
        enum { STEPS = SANITIZED ? 2 : 4 };
        lyc_trainer_options o = options_of_run(STEPS);
        o.loss_scaling = scaled;
        o.validate_every_n_steps = 1000;
        bench_open(&b, "attn-mlp", false, lora, &o, &w);
        b.trainer->scaler.scale = scaled ? 4 : 1;
        must(lyc_trainer_run(b.trainer, &err), &err);
        assert_int_equal(w.warnings, 0);
        assert_true(b.trainer->scaler.scale == (scaled ? 4 : 1));
        assert_int_equal(b.trainer->scaler.good_steps, STEPS);
        numbers_of[scaled] = copy_numbers(b.trainer);
        count = (size_t)lyc_trainer_trainables(b.trainer)->numbers;
        bench_close(&b);
    }
    assert_memory_equal(numbers_of[0], numbers_of[1], count * sizeof(float));
    lyc_free(numbers_of[0]);
    lyc_free(numbers_of[1]);
}

static void loss_scale_finds_its_size(void **state)
{
    bench b;
    witness w = {.stop_at = SANITIZED ? 2 : 8};
    lyc_error err;
    test_folder folder;
    char states[256];
    lyc_trainer_options o = options_of_run(20);
    (void)state;
    test_folder_make(&folder);
    snprintf(states, sizeof states, "%s/state", folder.path);
    o.loss_scaling = o.full_fp16 = true;
    o.state_folder = states;
    o.validate_every_n_steps = 1000;
    bench_open(&b, "attn-mlp", false, lora, &o, &w);
    b.trainer->scaler.scale = 0x1p30;
    must(lyc_trainer_run(b.trainer, &err), &err);
    const int64_t skipped = lyc_trainer_progress_get(b.trainer)->skipped;
    const double scale = b.trainer->scaler.scale;
    assert_true(skipped >= (SANITIZED ? 2 : 4));
    assert_true(scale == ldexp(1, 30 - (int)skipped));
    assert_int_equal(w.warnings, skipped);
    assert_non_null(strstr(w.warning, " are too large for fp16; it is halved"));
    bench_close(&b);
    w = (witness){0};
    bench_open(&b, "attn-mlp", false, lora, &o, &w);
    must(lyc_trainer_resume(b.trainer, states, false, &err), &err);
    assert_true(b.trainer->scaler.scale == scale);
    assert_int_equal(lyc_trainer_progress_get(b.trainer)->skipped, skipped);
    bench_close(&b);
    test_folder_remove(&folder);
}

static void are_bf16(const float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        assert_int_equal(bits & 0xFFFF, 0);
    }
}

/* Stops after a step, in another object goes on, for every optimiser that has a state of its own kind. */
static void goes_on_with_the_same_bits(void **state)
{
    static const char *const optimizers[] = {"AdamW", "AdamW8bit", "Prodigy", "AdamWScheduleFree", "Lion"};
    const int64_t stop_at = SANITIZED ? 1 : 5;
    (void)state;
    for (size_t i = 0; i < (SANITIZED ? 2 : sizeof optimizers / sizeof *optimizers); i++) {
        float *numbers_of[2];
        size_t count = 0;
        double average[2];
        for (int stopping = 0; stopping < 2; stopping++) {
            lyc_error err;
            test_folder folder;
            char states[256];
            lyc_trainer_options o = options_of_run(SANITIZED ? 3 : 9);
            test_folder_make(&folder);
            snprintf(states, sizeof states, "%s/state", folder.path);
            o.optimizer = optimizers[i];
            o.full_bf16 = o.stochastic_rounding = i % 2 == 1; /* with and without an exchange of weights */
            o.full_fp16 = o.loss_scaling = i == 4;
            o.gradient_accumulation_steps = 2;
            o.ema_decay = i % 2 == 0 ? 0.99 : 0;
            o.schedule = (lyc_lr_request){.name = "cosine"};
            o.state_folder = states;
            for (int part = !stopping; part < 2; part++) {
                bench b;
                witness w = {.stop_at = part == 0 ? stop_at : 0};
                bench_open(&b, "attn-mlp", true, lora, &o, &w);
                if (part == 1 && stopping) {
                    must(lyc_trainer_resume(b.trainer, states, false, &err), &err);
                    assert_int_equal(lyc_trainer_progress_get(b.trainer)->step, stop_at);
                }
                must(lyc_trainer_run(b.trainer, &err), &err);
                assert_int_equal(lyc_trainer_finished(b.trainer), part == 1);
                if (part == 1) {
                    numbers_of[stopping] = copy_numbers(b.trainer);
                    count = (size_t)lyc_trainer_trainables(b.trainer)->numbers;
                    average[stopping] = lyc_trainer_progress_get(b.trainer)->average_loss;
                }
                bench_close(&b);
            }
            test_folder_remove(&folder);
        }
        assert_memory_equal(numbers_of[0], numbers_of[1], count * sizeof(float));
        assert_true(average[0] == average[1]);
        if (i % 2 == 1) {
            are_bf16(numbers_of[0], count);
        }
        lyc_free(numbers_of[0]);
        lyc_free(numbers_of[1]);
    }
}

/* What samples of a run need; pictures of 64 x 64 in two steps. */
typedef struct sampler {
    witness seen; /* first: hooks of a witness look at it */
    const lyc_train_model *model;
    lyc_network *network;
    char folder[200], prompts[256];
    int made;
} sampler;

static lyc_status make_samples(void *context, lyc_trainer *t, lyc_trainer_event event, lyc_error *err)
{
    sampler *s = context;
    char when[16];
    lyc_train_sampling o = {.prompts = s->prompts, .folder = s->folder, .name = "run"};
    (void)event;
    o.standard = lyc_train_sampling_standard(s->model);
    o.standard.width = o.standard.height = 64;
    o.standard.steps = 2;
    snprintf(when, sizeof when, "%06d", (int)lyc_trainer_progress_get(t)->step);
    LYC_TRY(lyc_train_sampling_check(&o, err));
    s->made++;
    return lyc_train_sample(&o, s->model, s->network, when, t, err);
}

/* Sample pictures change with what is learned, and change nothing of it. */
static void samples_change_no_bit(void **state)
{
    static const char prompts[] = "a red disc --d 7\na green square --d 8\n";
    float *numbers_of[2];
    size_t count = 0;
    test_folder folder;
    (void)state;
    test_folder_make(&folder);
    test_file_write(test_folder_path(&folder, "prompts.txt"), prompts, sizeof prompts - 1);
    for (int sampling = 0; sampling < 2; sampling++) {
        bench b;
        lyc_error err;
        sampler s = {.made = 0};
        lyc_trainer_options o = options_of_run(6);
        o.sample_every_n_steps = 3;
        o.sample_at_first = true;
        o.event_folder = test_folder_path(&folder, "events");
        bench_open(&b, "attn-mlp", true, lora, &o, &s.seen);
        s.model = b.model;
        s.network = b.network;
        snprintf(s.folder, sizeof s.folder, "%s/sample", folder.path);
        snprintf(s.prompts, sizeof s.prompts, "%s/prompts.txt", folder.path);
        lyc_trainer_free(b.trainer);
        const lyc_batch_source source = pictures_source(&b.pictures);
        const lyc_trainer_hooks hooks = {.sample = sampling ? make_samples : NULL, .context = &s};
        must(lyc_trainer_new(&b.trainer, b.model, b.network, &o, &source, &hooks, &err), &err);
        must(lyc_trainer_run(b.trainer, &err), &err);
        assert_int_equal(s.made, 3 * sampling);
        numbers_of[sampling] = copy_numbers(b.trainer);
        count = (size_t)lyc_trainer_trainables(b.trainer)->numbers;
        bench_close(&b);
    }
    assert_memory_equal(numbers_of[0], numbers_of[1], count * sizeof(float));
    size_t size[2];
    char *png[2] = {test_file_read(test_folder_path(&folder, "sample/run_000000_00_7.png"), &size[0]),
                    test_file_read(test_folder_path(&folder, "sample/run_000006_00_7.png"), &size[1])};
    assert_non_null(png[0]);
    assert_non_null(png[1]);
    assert_true(size[0] != size[1] || memcmp(png[0], png[1], size[0]) != 0);
    free(png[0]);
    free(png[1]);
    png[0] = test_file_read(test_folder_path(&folder, "sample/run_000003_01_8.png"), &size[0]);
    assert_non_null(png[0]);
    free(png[0]);
    lyc_free(numbers_of[0]);
    lyc_free(numbers_of[1]);
    test_folder_remove(&folder);
}

/* --- what is wrong -------------------------------------------------------------------------------------------------
 */

static void refuses_options(void **state)
{
    lyc_error err;
    lyc_trainer *t = NULL;
    lyc_train_model *m = open_model(LYC_PRECISION_F32);
    pictures p = {0};
    const lyc_batch_source source = pictures_source(&p);
    lyc_trainer_options o = options_of_run(0);
    (void)state;
    o.gradient_accumulation_steps = 0;
    assert_int_equal(lyc_trainer_new(&t, m, NULL, &o, &source, NULL, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "gradient_accumulation_steps 0: expected 1 or more; "
                                     "max_train_steps 0: expected 1 or more; "
                                     "nothing is trained: neither adapters nor a whole network");
    o = options_of_run(3);
    o.native_unet = true;
    o.noise.adaptive_noise_scale = 0.1;
    o.noise.scale_v_pred_loss_like_noise_pred = true;
    o.noise.min_timestep = 900;
    o.noise.max_timestep = 100;
    assert_int_equal(lyc_trainer_new(&t, m, NULL, &o, &source, NULL, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message,
                        "min_timestep 900, max_timestep 100: expected 0 to 1000, the first below the second; "
                        "adaptive_noise_scale without noise_offset: it adapts that offset; "
                        "scale_v_pred_loss_like_noise_pred is for models of v-prediction, this one predicts noise");
    lyc_train_model_close(m);
}

static void refuses_the_state_of_another_run(void **state)
{
    bench b;
    witness w = {.stop_at = 1};
    lyc_error err;
    test_folder folder;
    char states[256];
    lyc_trainer_options o = options_of_run(4);
    (void)state;
    test_folder_make(&folder);
    snprintf(states, sizeof states, "%s/state", folder.path);
    o.state_folder = states;
    bench_open(&b, "attn-mlp", false, lora, &o, &w);
    must(lyc_trainer_run(b.trainer, &err), &err);
    bench_close(&b);
    o.max_grad_norm = 0.5;
    o.max_train_steps = 6; /* may change */
    bench_open(&b, "attn-mlp", false, lora, &o, &w);
    assert_int_equal(lyc_trainer_resume(b.trainer, states, false, &err), LYC_E_ARGUMENT);
    assert_non_null(strstr(err.message, "max_grad_norm"));
    assert_null(strstr(err.message, "max_train_steps"));
    must(lyc_trainer_resume(b.trainer, states, true, &err), &err);
    assert_int_equal(lyc_trainer_progress_get(b.trainer)->step, 1);
    bench_close(&b);
    test_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_learns),
        cmocka_unit_test(whole_networks_learn),
        cmocka_unit_test(sixteen_bits_learn),
        cmocka_unit_test(turns_come_as_told),
        cmocka_unit_test(preservation_keeps_predictions),
        cmocka_unit_test(bad_numbers_are_told),
        cmocka_unit_test(bad_weights_are_not_saved),
        cmocka_unit_test(steps_left_out_do_not_count),
        cmocka_unit_test(loss_scale_changes_no_bit),
        cmocka_unit_test(loss_scale_finds_its_size),
        cmocka_unit_test(goes_on_with_the_same_bits),
        cmocka_unit_test(samples_change_no_bit),
        cmocka_unit_test(refuses_options),
        cmocka_unit_test(refuses_the_state_of_another_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
