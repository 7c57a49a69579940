/* test_step.c - losses and gradients of whole steps: against differences, and in properties that must hold
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "models.h"

#include "adapter/network_save.h"
#include "adapter/preset.h"
#include "support/folder.h"

static const lyc_trainable_rates rates = {.unet = 1, .text = {1, 1}};

/* A step with all that belongs to it. */
typedef struct bench {
    model m;
    lyc_network *network;
    lyc_trainables set;
    lyc_step_options options;
    lyc_train_step *step;
} bench;

static void bench_finish(bench *t)
{
    lyc_error err;
    t->options.backend = lyc_backend_default();
    t->options.trainables = &t->set;
    t->options.network = t->network;
    t->options.clip_skip = 1;
    must(lyc_train_step_new(&t->step, &t->m.networks, &t->options, &err), &err);
}

static void bench_open(bench *t, bool xl, const char *preset, const char *const *args, const lyc_step_options *options)
{
    lyc_error err;
    *t = (bench){.options = *options};
    model_open(&t->m, xl);
    t->network = network_open(&t->m, preset, options->text_in_graph, args, 2);
    must(lyc_trainables_add_network(&t->set, t->network, 0, &rates, &err), &err);
    disturb(&t->set, 0.05f);
    bench_finish(t);
}

static void bench_close(bench *t)
{
    lyc_train_step_free(t->step);
    lyc_trainables_clear(&t->set);
    lyc_network_free(t->network);
    model_close(&t->m);
}

static double run(bench *t, const batch *b)
{
    lyc_error err;
    lyc_step_result result;
    lyc_train_step_begin(t->step);
    must(lyc_train_step_run(&result, t->step, &b->input, false, &err), &err);
    assert_true(result.finite);
    return result.loss;
}

/* All gradients one behind the other; zeros where a row has none. */
static float *copy_gradients(const lyc_trainables *set)
{
    float *all = lyc_alloc_zero((size_t)set->numbers, sizeof *all);
    int64_t at = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (set->rows[i].gradient != NULL) {
            memcpy(all + at, set->rows[i].gradient, (size_t)set->rows[i].count * sizeof *all);
        }
        at += set->rows[i].count;
    }
    return all;
}

static void move(const lyc_trainables *set, const float *direction, double by)
{
    for (size_t i = 0; i < set->count; i++) {
        for (int64_t k = 0; k < set->rows[i].count; k++) {
            set->rows[i].value[k] += (float)(by * (double)*direction++);
        }
    }
}

/* The loss along a direction near the gradient, its numbers times 0.5 to 1.5: a wrong gradient of any row shows there.
 * The step changes the loss by about 0.1 %; losses are right to some 1e-7 of themselves, and the error of a central
 * difference falls with h^2; norms over single channels make both larger: 6 %. A factor that is forgotten is 100 %. */
static void check_against_differences(bench *t, const batch *b)
{
    const double loss = run(t, b);
    float *gradient = copy_gradients(&t->set);
    float *direction = lyc_alloc((size_t)t->set.numbers * sizeof *direction);
    const lyc_native_random random = {.seed = 9};
    double slope = 0;
    for (int64_t i = 0; i < t->set.numbers; i++) {
        direction[i] = gradient[i] * (0.5f + lyc_native_random_uniform(&random, (uint64_t)i));
        slope += (double)gradient[i] * (double)direction[i];
    }
    assert_true(slope > 0);
    const double h = 0.0005 * loss / slope;
    move(&t->set, direction, h);
    const double above = run(t, b);
    move(&t->set, direction, -2 * h);
    const double below = run(t, b);
    const double found = (above - below) / (2 * h);
    if (fabs(found - slope) > 0.06 * slope) {
        fail_msg("slope %g by differences, %g by gradients", found, slope);
    }
    lyc_free(gradient);
    lyc_free(direction);
}

/* --- gradients -----------------------------------------------------------------------------------------------------
 */

typedef struct algorithm_case {
    const char *args[6];
    const char *preset;
} algorithm_case;

static const algorithm_case algorithms[] = {
    {{"algo=lora", "network_dim=4"}, "full"},
    {{"algo=lora", "network_dim=4", "dora_wd=True"}, "attn-mlp"},
    {{"algo=lora", "network_dim=4", "conv_dim=2", "use_tucker=True"}, "full"},
    {{"algo=loha", "network_dim=2", "network_alpha=0.05"}, "full"},
    {{"algo=lokr", "network_dim=2", "factor=4"}, "full"},
    {{"algo=ia3"}, "ia3"},
    {{"algo=full"}, "attn-mlp"},
    {{"algo=diag-oft", "network_dim=4"}, "attn-mlp"},
    {{"algo=boft", "network_dim=4"}, "attn-mlp"},
    {{"algo=glora", "network_dim=2"}, "attn-mlp"},
    {{"algo=dylora", "network_dim=4", "block_size=4"}, "attn-mlp"},
    {{"algo=tlora", "network_dim=4"}, "attn-mlp"},
    {{"algo=lora", "network_dim=4", "train_norm=True"}, "attn-mlp"},
};

static void gradients_of_all_algorithms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        bench t;
        batch b;
        bench_open(&t, false, algorithms[i].preset, algorithms[i].args, &(lyc_step_options){0});
        batch_make(&b, &t.m.networks, 2, 16, 24, 1);
        check_against_differences(&t, &b);
        for (size_t r = 0; r < t.set.count; r++) {
            assert_non_null(t.set.rows[r].gradient);
        }
        batch_clear(&b);
        bench_close(&t);
    }
}

static const char *const lora[] = {"algo=lora", "network_dim=4", NULL};

/* Text encoders in the graph, texts of two sequences, with every loss. */
static void gradients_through_text(void **state)
{
    (void)state;
    for (int loss = 0; loss < LYC_LOSS_COUNT; loss++) {
        bench t;
        batch b;
        bench_open(&t, false, "full", lora, &(lyc_step_options){.text_in_graph = true, .loss = (lyc_loss_kind)loss});
        batch_make(&b, &t.m.networks, 2, 16, 16, 2);
        check_against_differences(&t, &b);
        assert_int_equal(t.set.group_count, 2);
        assert_string_equal(t.set.groups[0].component, "text_encoder");
        assert_string_equal(t.set.groups[1].component, "unet");
        batch_clear(&b);
        bench_close(&t);
    }
}

/* With states that are given, and with both text encoders in the graph. */
static void gradients_of_sdxl(void **state)
{
    (void)state;
    for (int text = 0; text < 2; text++) {
        bench t;
        batch b;
        bench_open(&t, true, "attn-mlp", lora, &(lyc_step_options){.text_in_graph = text});
        batch_make(&b, &t.m.networks, 2, 8, 8, 1 + text);
        check_against_differences(&t, &b);
        assert_int_equal(t.set.group_count, 1 + 2 * text);
        batch_clear(&b);
        bench_close(&t);
    }
}

static void gradients_of_whole_networks(void **state)
{
    bench t = {.options = {.native_unet = true, .native_text = {true, false}, .text_in_graph = true}};
    batch b;
    lyc_error err;
    (void)state;
    model_open(&t.m, false);
    must(lyc_trainables_add_component(&t.set, t.m.networks.text[0], 1, &err), &err);
    must(lyc_trainables_add_component(&t.set, t.m.networks.unet, 1, &err), &err);
    bench_finish(&t);
    batch_make(&b, &t.m.networks, 1, 24, 24, 1);
    check_against_differences(&t, &b);
    assert_int_equal(t.set.numbers,
                     lyc_component_parameters(t.m.networks.text[0]) + lyc_component_parameters(t.m.networks.unet));
    batch_clear(&b);
    bench_close(&t);
}

/* --- properties ----------------------------------------------------------------------------------------------------
 */

/* A batch of two is the sum of its samples, whatever order sums are taken in: 1e-4 of the gradient's size, since
 * norms over single channels make small differences larger. */
static void accumulation_is_a_batch(void **state)
{
    bench t;
    batch b;
    lyc_error err;
    lyc_step_result result;
    (void)state;
    bench_open(&t, false, "full", lora, &(lyc_step_options){0});
    batch_make(&b, &t.m.networks, 2, 8, 8, 1);
    const double loss = run(&t, &b);
    float *whole = copy_gradients(&t.set);
    double sum = 0;
    lyc_train_step_begin(t.step);
    for (int i = 0; i < 2; i++) {
        lyc_step_input one = b.input;
        one.n = 1;
        one.noisy += i * 8 * 8 * CHANNELS;
        one.target += i * 8 * 8 * CHANNELS;
        one.timesteps += i;
        one.weights += i;
        one.states += i * TOKENS * lyc_component_unet(t.m.networks.unet)->mid_cross_dim;
        must(lyc_train_step_run(&result, t.step, &one, i == 0, &err), &err);
        sum += result.loss;
    }
    float *parts = copy_gradients(&t.set);
    assert_true(fabs(sum - loss) < 1e-6 * loss);
    assert_true(relative_difference(parts, whole, (size_t)t.set.numbers) < 1e-4);
    lyc_free(whole);
    lyc_free(parts);
    batch_clear(&b);
    bench_close(&t);
}

/* What does not fit is computed again: the same bits. */
static void budget_changes_no_bit(void **state)
{
    bench t[2];
    batch b;
    lyc_error err;
    lyc_plan *plan = NULL;
    float *gradients[2];
    size_t bytes[2];
    (void)state;
    bench_open(&t[0], false, "full", lora, &(lyc_step_options){0});
    batch_make(&b, &t[0].m.networks, 2, 16, 16, 1);
    must(lyc_train_step_plan(&plan, t[0].step, &b.input, &err), &err);
    const lyc_plan_memory all = lyc_plan_memory_get(plan);
    bench_open(&t[1], false, "full", lora, &(lyc_step_options){.budget_bytes = all.total - all.arena * 2 / 5});
    for (int i = 0; i < 2; i++) {
        run(&t[i], &b);
        gradients[i] = copy_gradients(&t[i].set);
        must(lyc_train_step_plan(&plan, t[i].step, &b.input, &err), &err);
        bytes[i] = lyc_plan_memory_get(plan).total;
        assert_int_equal(lyc_plan_recomputed_count(plan) > 0, i == 1);
    }
    assert_true(bytes[1] <= t[1].options.budget_bytes);
    assert_memory_equal(gradients[0], gradients[1], (size_t)t[0].set.numbers * sizeof(float));
    for (int i = 0; i < 2; i++) {
        lyc_free(gradients[i]);
        bench_close(&t[i]);
    }
    batch_clear(&b);
}

/* Dropouts act in training alone; measuring has none and leaves gradients as they are. */
static void measuring_has_no_dropout(void **state)
{
    static const char *const args[] = {"algo=lora", "network_dim=4", "module_dropout=0.5", "rank_dropout=0.5", NULL};
    bench t;
    batch b;
    lyc_error err;
    lyc_step_result result;
    (void)state;
    bench_open(&t, false, "full", args, &(lyc_step_options){0});
    batch_make(&b, &t.m.networks, 2, 8, 8, 1);
    const double first = run(&t, &b);
    assert_true(run(&t, &b) == first); /* the same key */
    must(lyc_train_step_measure(&result, t.step, &b.input, &err), &err);
    const double measured = result.loss;
    b.input.step = 2;
    assert_true(fabs(run(&t, &b) - first) > 1e-6);
    must(lyc_train_step_measure(&result, t.step, &b.input, &err), &err);
    assert_true(result.loss == measured);
    batch_clear(&b);
    bench_close(&t);
}

/* Strength 0 is the model without adapters. */
static void strength_zero_is_the_model(void **state)
{
    bench t, plain = {0};
    batch b;
    lyc_error err;
    float out[2][2 * 8 * 8 * CHANNELS];
    (void)state;
    bench_open(&t, false, "full", lora, &(lyc_step_options){0});
    model_open(&plain.m, false);
    bench_finish(&plain);
    batch_make(&b, &t.m.networks, 2, 8, 8, 1);
    must(lyc_train_step_predict(out[0], plain.step, &b.input, &err), &err);
    must(lyc_train_step_predict(out[1], t.step, &b.input, &err), &err);
    assert_true(relative_difference(out[1], out[0], 2 * 8 * 8 * CHANNELS) > 1e-3);
    lyc_network_set_strength(t.network, 0, 0, 0);
    must(lyc_train_step_predict(out[1], t.step, &b.input, &err), &err);
    assert_true(relative_difference(out[1], out[0], 2 * 8 * 8 * CHANNELS) < 1e-6);
    batch_clear(&b);
    bench_close(&t);
    bench_close(&plain);
}

/* An adapter that was trained before acts and rests; the one beside it learns from where both are. */
static void frozen_members_do_not_learn(void **state)
{
    bench t, first;
    batch b;
    test_folder folder;
    lyc_error err;
    lyc_network_file *file = NULL;
    const char *path;
    size_t member = 0;
    (void)state;
    test_folder_make(&folder);
    path = test_folder_path(&folder, "first.safetensors");
    bench_open(&first, false, "attn-mlp", lora, &(lyc_step_options){0});
    const lyc_network_save_options options = {.scheme = LYC_KEY_KOHYA, .dtype = LYC_F32};
    must(lyc_network_save(path, first.network, 0, &options, &err), &err);
    must(lyc_network_file_open(&file, path, NULL, &err), &err);
    bench_open(&t, false, "attn-mlp", lora, &(lyc_step_options){0});
    must(lyc_network_add_file(&member, t.network, file, t.m.parts, t.m.count, &err), &err);
    lyc_network_file_close(file);
    lyc_network_freeze(t.network, member);
    batch_make(&b, &t.m.networks, 2, 16, 16, 1);
    check_against_differences(&t, &b);
    const double both = run(&t, &b);
    lyc_network_set_strength(t.network, member, 0, 0);
    const double one = run(&t, &b);
    assert_true(fabs(both - one) > 1e-5);
    assert_int_equal(t.set.count, first.set.count);
    batch_clear(&b);
    bench_close(&t);
    bench_close(&first);
    test_folder_remove(&folder);
}

/* bf16 has 8 bits; gradients pass twice as many layers as predictions do (0.03 in model/test_unet_runner.c). */
static void bf16_is_close(void **state)
{
    bench t[2];
    batch b;
    float *gradients[2];
    double loss[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        bench_open(&t[i], false, "full", lora,
                   &(lyc_step_options){.precision = i == 0 ? LYC_PRECISION_F32 : LYC_PRECISION_BF16});
        if (i == 0) {
            batch_make(&b, &t[0].m.networks, 2, 16, 16, 1);
        }
        loss[i] = run(&t[i], &b);
        gradients[i] = copy_gradients(&t[i].set);
    }
    assert_true(fabs(loss[1] - loss[0]) < 0.01 * loss[0]);
    assert_true(relative_difference(gradients[1], gradients[0], (size_t)t[0].set.numbers) < 0.1);
    for (int i = 0; i < 2; i++) {
        lyc_free(gradients[i]);
        bench_close(&t[i]);
    }
    batch_clear(&b);
}

/* --- what is wrong -------------------------------------------------------------------------------------------------
 */

static void explains_where_numbers_break(void **state)
{
    bench t;
    batch b;
    lyc_error err;
    lyc_step_result result;
    (void)state;
    bench_open(&t, false, "attn-mlp", lora, &(lyc_step_options){0});
    batch_make(&b, &t.m.networks, 1, 8, 8, 1);
    must(lyc_train_step_explain(t.step, &b.input, &err), &err);
    lyc_trainable *row = lyc_trainables_find(
        &t.set, "unet", "0/unet/mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_down.weight");
    assert_non_null(row);
    row->value[0] = NAN;
    must(lyc_train_step_run(&result, t.step, &b.input, false, &err), &err);
    assert_false(result.finite);
    assert_int_equal(lyc_train_step_explain(t.step, &b.input, &err), LYC_E_NUMERIC);
    if (strstr(err.message, "mid_block.attentions.0.transformer_blocks.0.attn1.to_q") == NULL) {
        fail_msg("%s", err.message);
    }
    batch_clear(&b);
    bench_close(&t);
}

static void refuses_inputs_that_are_not_there(void **state)
{
    bench t;
    batch b;
    lyc_error err;
    lyc_step_result result;
    (void)state;
    bench_open(&t, false, "attn-mlp", lora, &(lyc_step_options){0});
    batch_make(&b, &t.m.networks, 1, 8, 8, 1);
    lyc_step_input input = b.input;
    input.states = NULL;
    assert_int_equal(lyc_train_step_run(&result, t.step, &input, false, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "a step without states");
    input.n = 0;
    assert_int_equal(lyc_train_step_run(&result, t.step, &input, false, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "a batch of 0 latents of 8 x 8");
    batch_clear(&b);
    bench_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_all_algorithms),
        cmocka_unit_test(gradients_through_text),
        cmocka_unit_test(gradients_of_sdxl),
        cmocka_unit_test(gradients_of_whole_networks),
        cmocka_unit_test(accumulation_is_a_batch),
        cmocka_unit_test(budget_changes_no_bit),
        cmocka_unit_test(measuring_has_no_dropout),
        cmocka_unit_test(strength_zero_is_the_model),
        cmocka_unit_test(frozen_members_do_not_learn),
        cmocka_unit_test(bf16_is_close),
        cmocka_unit_test(explains_where_numbers_break),
        cmocka_unit_test(refuses_inputs_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
