/* test_adapter.c - making adapters: options, what is refused and how, start values
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter_case.h"

static const lyc_adapter_target linear = {
    .kind = LYC_LAYER_LINEAR, .weight = {.rank = 2, .dims = {24, 40}}, .groups = 1, .has_bias = true};
static const lyc_adapter_target norm = {
    .kind = LYC_LAYER_LAYER_NORM, .weight = {.rank = 1, .dims = {24}}, .groups = 1, .has_bias = true};

typedef struct refusal {
    const char *algorithm;
    const lyc_adapter_target *target;
    lyc_adapter_setting settings[2];
    lyc_status status;
    const char *message;
} refusal;

static const refusal refusals[] = {
    {"lora", &linear, {{"factor", "8"}}, LYC_E_ARGUMENT, "adapter of layer: lora has no option factor"},
    {"lora",
     &linear,
     {{"rank", "0"}},
     LYC_E_ARGUMENT,
     "adapter of layer: rank: '0' is out of range: expected at least 1"},
    {"lora", &linear, {{"rank", "4.5"}}, LYC_E_ARGUMENT, "adapter of layer: rank: '4.5' is not a whole number"},
    {"lora", &linear, {{"alpha", "nan"}}, LYC_E_ARGUMENT, "adapter of layer: alpha: 'nan' is not a number"},
    {"lora",
     &linear,
     {{"weight_decompose", "true"}, {"bypass_mode", "true"}},
     LYC_E_ARGUMENT,
     "adapter of layer: weight_decompose and bypass_mode exclude each other: DoRA changes the whole weight"},
    {"lora",
     &linear,
     {{"init", "pissa"}, {"use_scalar", "true"}},
     LYC_E_ARGUMENT,
     "adapter of layer: init from the base weight does not go with use_scalar"},
    {"glora",
     &linear,
     {{"weight_decompose", "true"}},
     LYC_E_ARGUMENT,
     "adapter of layer: glora has no option weight_decompose"},
    {"dylora",
     &linear,
     {{"rank", "6"}, {"block_size", "4"}},
     LYC_E_ARGUMENT,
     "adapter of layer: a rank of 6 is not a multiple of block_size, 4"},
    {"boft",
     &linear,
     {{"rank", "2"}},
     LYC_E_ARGUMENT,
     "adapter of layer: 24 outputs are no even number of at most 2 (the rank) times a power of two"},
    {"lora", &norm, {{0}}, LYC_E_ARGUMENT, "adapter of layer: lora adapts weights of layers, and this layer is a norm"},
    {"norm", &linear, {{0}}, LYC_E_ARGUMENT, "adapter of layer: norm adapts norms, and this layer is none"},
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const refusal *r = &refusals[i];
        lyc_adapter *a = NULL;
        lyc_error err = {0};
        size_t count = 0;
        while (count < 2 && r->settings[count].name != NULL) {
            count++;
        }
        const lyc_status status =
            lyc_adapter_new(&a, lyc_adapter_algorithm_find(r->algorithm), "layer", r->target, r->settings, count, &err);
        assert_null(a);
        assert_string_equal(err.message, r->message);
        assert_int_equal(status, r->status);
    }
}

static void finds_algorithms_and_options_by_their_names(void **state)
{
    (void)state;
    assert_ptr_equal(lyc_adapter_algorithm_find("locon"), lyc_adapter_algorithm_find("lora"));
    assert_ptr_equal(lyc_adapter_algorithm_find("diag_oft"), lyc_adapter_algorithm_find("diag-oft"));
    assert_null(lyc_adapter_algorithm_find("lorra"));
    const lyc_adapter_algorithm *lokr = lyc_adapter_algorithm_find("lokr");
    assert_string_equal(lyc_adapter_option_find(lokr, "network_dim")->name, "rank");
    assert_string_equal(lyc_adapter_option_find(lokr, "dora_wd")->name, "weight_decompose");
    assert_string_equal(lyc_adapter_option_find(lokr, "factor")->name, "factor");
    assert_null(lyc_adapter_option_find(lokr, "block_size"));
    assert_null(lyc_adapter_option_find(lyc_adapter_algorithm_find("ia3"), "rank"));
}

/* Names are unique, every row has help and a legal standard value, and no algorithm lacks words about itself. */
static void entries_are_complete(void **state)
{
    (void)state;
    for (int i = 0; lyc_adapter_algorithms[i] != NULL; i++) {
        const lyc_adapter_algorithm *algorithm = lyc_adapter_algorithms[i];
        assert_ptr_equal(lyc_adapter_algorithm_find(algorithm->name), algorithm);
        assert_true(algorithm->summary != NULL && algorithm->formula != NULL && algorithm->source != NULL);
        assert_non_null(algorithm->params);
        assert_true((algorithm->delta != NULL) != (algorithm->changed != NULL));
        assert_true(algorithm->delta != NULL || !algorithm->additive);
        const lyc_option *o;
        for (int k = 0; (o = lyc_adapter_option(algorithm, k)) != NULL; k++) {
            assert_ptr_equal(lyc_adapter_option_find(algorithm, o->name), o);
            assert_true(o->help != NULL && o->offset < algorithm->config_size);
        }
    }
}

/* The numbers of a layer depend on the seed and its name, not on what was made before. */
static void start_values_have_their_rules(void **state)
{
    (void)state;
    lyc_adapter *a[3];
    lyc_error err;
    static const char *const names[] = {"one", "one", "two"};
    for (int i = 0; i < 3; i++) {
        const lyc_adapter_setting rank = {"rank", "8"};
        assert_int_equal(lyc_adapter_new(&a[i], &lyc_adapter_lora, names[i], &linear, &rank, 1, &err), LYC_OK);
        assert_false(lyc_adapter_needs_weight(a[i]));
        assert_int_equal(lyc_adapter_initialise(a[i], NULL, 42, &err), LYC_OK);
    }
    const float *down = lyc_adapter_param_find(a[0], "lora_down.weight")->data;
    const float *up = lyc_adapter_param_find(a[0], "lora_up.weight")->data;
    double largest = 0.0;
    double mean = 0.0;
    for (int i = 0; i < 8 * 40; i++) {
        largest = fmax(largest, fabs((double)down[i]));
        mean += (double)down[i] / (8 * 40);
    }
    /* Uniform in +-1/sqrt(40); the mean of 320 numbers is within 4 deviations. */
    assert_true(largest <= 1.0 / sqrt(40.0) && largest > 0.95 / sqrt(40.0));
    assert_true(fabs(mean) < 4.0 / sqrt(40.0 * 3.0 * 320.0));
    for (int i = 0; i < 24 * 8; i++) {
        assert_true(up[i] == 0.0f);
    }
    assert_memory_equal(down, lyc_adapter_param_find(a[1], "lora_down.weight")->data, 8 * 40 * sizeof(float));
    assert_memory_not_equal(down, lyc_adapter_param_find(a[2], "lora_down.weight")->data, 8 * 40 * sizeof(float));
    for (int i = 0; i < 3; i++) {
        lyc_adapter_free(a[i]);
    }
}

/* PiSSA and OLoRA give a weight of that rank back whole. */
static void start_values_from_the_weight(void **state)
{
    static const char *const lines[] = {"lora 24x40 | rank=3 alpha=6 init=pissa",
                                        "lora 24x40 | rank=3 alpha=3 init=olora"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        adapter_case c;
        float factors[3 * 64];
        case_parse(&c, lines[i]);
        case_fill(factors, 3 * 64, 7, 1.0);
        for (int o = 0; o < 24; o++) {
            for (int k = 0; k < 40; k++) {
                double sum = 0.0;
                for (int r = 0; r < 3; r++) {
                    sum += (double)factors[r * 64 + o] * (double)factors[r * 64 + 24 + k];
                }
                c.weight[o * 40 + k] = (float)sum;
            }
        }
        lyc_adapter *a = case_adapter(&c, false, 0);
        const float *up = lyc_adapter_param_find(a, "lora_up.weight")->data;
        const float *down = lyc_adapter_param_find(a, "lora_down.weight")->data;
        double *got = lyc_alloc_zero(24 * 40, sizeof *got);
        double *want = case_doubles(c.weight, 24 * 40);
        for (int o = 0; o < 24; o++) {
            for (int k = 0; k < 40; k++) {
                for (int r = 0; r < 3; r++) {
                    got[o * 40 + k] += a->scale * (double)up[o * 3 + r] * (double)down[r * 40 + k];
                }
            }
        }
        case_same(&c, "the start", got, want, 24 * 40, 1e-5);
        lyc_free(got);
        lyc_free(want);
        lyc_adapter_free(a);
        case_clear(&c);
    }
}

static void weights_are_asked_for(void **state)
{
    adapter_case c;
    lyc_error err;
    (void)state;
    case_parse(&c, "lora 24x40 | weight_decompose=true");
    lyc_adapter *a = case_adapter(&c, false, 0);
    assert_true(lyc_adapter_needs_weight(a));
    assert_int_equal(lyc_adapter_initialise(a, NULL, 1, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message,
                        "values of the lora adapter of layer come from the base weight, which is not there");
    float change[24 * 40];
    lyc_adapter_change wanted = {.weight = change};
    assert_int_equal(lyc_adapter_compute(&wanted, a, NULL, 1.0, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "layer: lora changes a weight by what it is, and the base weight is not there");
    lyc_tensor_view other = c.weight_view;
    other.shape = LYC_SHAPE(40, 24);
    assert_int_equal(lyc_adapter_compute(&wanted, a, &other, 1.0, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "layer: the base weight is 40x24, the adapter is for 24x40");
    lyc_adapter_free(a);
    case_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(finds_algorithms_and_options_by_their_names),
        cmocka_unit_test(entries_are_complete),
        cmocka_unit_test(start_values_have_their_rules),
        cmocka_unit_test(start_values_from_the_weight),
        cmocka_unit_test(weights_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
