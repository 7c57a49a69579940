/* test_photographs_long.c - every algorithm learns from photographs what helps with others
 *
 * Three photographs are trained and two are measured, at the same timesteps and noise each time: 200 steps lower that
 * loss by a twentieth at least, since the small model of random weights knows nothing about pictures. A run goes the
 * whole way of `lycoris train`: files, pictures cut to size, cached latents.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../data/data_folder.h"
#include "adapter/adapter.h"
#include "pictures.h"

enum { STEPS = SANITIZED ? 2 : 200, MEASURE = SANITIZED ? 1 : 10, MAX_ARGS = 5 };

typedef struct algorithm_case {
    const char *algorithm; /* as in list.def */
    const char *args[MAX_ARGS];
    const char *rate;
} algorithm_case;

static const algorithm_case cases[] = {
    {"lora", {"algo=lora", "preset=attn-mlp"}, "1e-2"},
    {"lora", {"algo=lora", "preset=attn-mlp", "dora_wd=True"}, "1e-2"},
    {"loha", {"algo=loha", "preset=attn-mlp"}, "1e-2"},
    {"lokr", {"algo=lokr", "preset=attn-mlp", "factor=4"}, "1e-2"},
    {"ia3", {"algo=ia3", "preset=ia3"}, "5e-2"},
    {"full", {"algo=full", "preset=attn-mlp"}, "2e-3"},
    {"norm", {"algo=lora", "preset=full", "train_norm=True"}, "5e-3"},
    {"diag-oft", {"algo=diag-oft", "preset=attn-mlp"}, "1e-2"},
    {"boft", {"algo=boft", "preset=attn-mlp"}, "1e-2"},
    {"glora", {"algo=glora", "preset=attn-mlp"}, "1e-2"},
    {"dylora", {"algo=dylora", "preset=attn-mlp", "block_size=2"}, "1e-2"},
    {"tlora", {"algo=tlora", "preset=attn-mlp"}, "1e-2"},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static test_folder folder;
static lyc_error err;

typedef struct losses {
    double first, last;
} losses;

static void report(void *context, const lyc_train_progress *p)
{
    losses *l = context;
    if (!isnan(p->validation_loss)) {
        l->first = l->first > 0 ? l->first : p->validation_loss;
        l->last = p->validation_loss;
    }
}

static void set(lyc_train_config *config, const char *name, const char *value)
{
    if (lyc_train_config_set(config, name, value, &err) != LYC_OK) {
        fail_msg("%s: %s", name, err.message);
    }
}

static void set_number(lyc_train_config *config, const char *name, int value)
{
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    set(config, name, text);
}

static lyc_train_config *configure(const algorithm_case *c)
{
    static const char *const common[][2] = {{"model", SD15},
                                            {"image_dir", "tests/data/photographs"},
                                            {"class_tokens", "a photograph"},
                                            {"resolution", "64"},
                                            {"min_bucket_reso", "64"},
                                            {"cache_latents", "true"},
                                            {"validation_split", "0.4"},
                                            {"network_dim", "4"},
                                            {"network_alpha", "4"},
                                            {"network_train_unet_only", "true"},
                                            {"seed", "23"},
                                            {"force", "true"}};
    lyc_train_config *config = NULL;
    must(lyc_train_config_new(&config, &err), &err);
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        set(config, common[i][0], common[i][1]);
    }
    for (int i = 0; i < MAX_ARGS && c->args[i] != NULL; i++) {
        set(config, "network_args", c->args[i]);
    }
    set(config, "learning_rate", c->rate);
    set(config, "output_dir", test_folder_path(&folder, "out"));
    set_number(config, "max_train_steps", STEPS);
    set_number(config, "validate_every_n_steps", MEASURE);
    return config;
}

static losses train(const algorithm_case *c)
{
    losses l = {0};
    lyc_train_config *config = configure(c);
    lyc_training *training = NULL;
    const char *state = NULL;
    const lyc_train_hooks hooks = {.report = report, .context = &l};
    must(lyc_training_open(&training, config, &hooks, NULL, &err), &err);
    assert_int_equal(lyc_training_plan(training)->images, 3);
    assert_int_equal(lyc_training_plan(training)->validation_images, 2);
    must(lyc_training_run(&state, training, &err), &err);
    lyc_training_close(training);
    lyc_train_config_free(config);
    return l;
}

static void photographs_are_learned(void **state)
{
    (void)state;
    test_folder_make(&folder);
    for (int i = 0; i < CASES; i++) {
        const losses l = train(&cases[i]);
        print_message("%-8s %-20s %.4f -> %.4f\n", cases[i].algorithm, cases[i].args[2] != NULL ? cases[i].args[2] : "",
                      l.first, l.last);
        if (!SANITIZED && !(l.last < 0.95 * l.first)) {
            fail_msg("%s: validation loss %g, then %g", cases[i].algorithm, l.first, l.last);
        }
    }
    test_folder_remove(&folder);
}

static void no_algorithm_is_forgotten(void **state)
{
    (void)state;
    for (size_t i = 0; lyc_adapter_algorithms[i] != NULL; i++) {
        bool found = false;
        for (int k = 0; k < CASES; k++) {
            found = found || strcmp(lyc_adapter_algorithms[i]->name, cases[k].algorithm) == 0;
        }
        if (!found) {
            fail_msg("%s is not among the cases", lyc_adapter_algorithms[i]->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_algorithm_is_forgotten),
        cmocka_unit_test(photographs_are_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
