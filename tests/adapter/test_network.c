/* test_network.c - several adapters in one graph: strengths, blocks, ranges; writing; block weights
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

#include "adapter/block_weights.h"
#include "adapter/network.h"
#include "adapter/network_save.h"
#include "backend/cpu/default.h"
#include "base/memory.h"
#include "lycoris/inspect.h"
#include "support/folder.h"
#include "tensor/shape.h"

static const lyc_unet_config config = {
    .in_channels = 4,
    .out_channels = 4,
    .level_count = 2,
    .channels = {8, 16},
    .layers = {1, 1},
    .attention_down = {true, false},
    .attention_up = {true, false},
    .depth = {1, 1},
    .depth_up = {1, 1},
    .cross_dim = {8, 8},
    .mid_depth = 1,
    .mid_cross_dim = 8,
};
static const char *const layer_name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";

static test_folder folder;
static lyc_inventory inventory;
static lyc_network_part part;

static int set_up(void **state)
{
    (void)state;
    lyc_error err;
    test_folder_make(&folder);
    part = (lyc_network_part){&inventory, NULL};
    return lyc_inventory_unet(&inventory, &config, LYC_NAMING_DIFFUSERS, &err);
}

static int tear_down(void **state)
{
    (void)state;
    lyc_inventory_clear(&inventory);
    test_folder_remove(&folder);
    return 0;
}

/* Adds adapters of attention by an algorithm, with random numbers everywhere. */
static size_t add_member(lyc_network *network, const char *algorithm, const char *extra, unsigned seed)
{
    lyc_error err = {0};
    lyc_preset preset;
    lyc_network_args args;
    lyc_selection selection;
    size_t member = 99;
    const char *texts[] = {algorithm, "network_dim=4", "network_alpha=2", extra};
    const lyc_selection_part selected = {&inventory, "lora_unet"};
    assert_int_equal(lyc_preset_built_in(&preset, "attn-mlp", &err), LYC_OK);
    assert_int_equal(lyc_network_args_parse(&args, texts, extra != NULL ? 4 : 3, &err), LYC_OK);
    assert_int_equal(lyc_selection_make(&selection, &selected, 1, &preset, &args, NULL, &err), LYC_OK);
    if (lyc_network_add_selection(&member, network, &selection, &part, 1, seed, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    srand(seed);
    for (size_t i = 0; i < lyc_network_entry_count(network, member); i++) {
        lyc_adapter *a = lyc_network_entry_at(network, member, i)->adapter;
        for (int k = 0; k < a->n_params; k++) {
            const int64_t n = lyc_shape_elements(&a->params[k].shape);
            for (int64_t j = 0; j < n && a->params[k].trainable; j++) {
                a->params[k].data[j] = (float)(rand() % 2001 - 1000) / 2000.0F;
            }
        }
    }
    lyc_selection_clear(&selection);
    lyc_network_args_clear(&args);
    lyc_preset_clear(&preset);
    return member;
}

/* One layer of 8 x 8 in a plan. */
typedef struct bench {
    lyc_graph *graph;
    lyc_plan *plan;
    lyc_value *x, *y;
    float weight[64], input[24];
} bench;

static void bench_open(bench *b, lyc_network *network)
{
    lyc_error err = {0};
    for (int i = 0; i < 64; i++) {
        b->weight[i] = (float)((7 * i + 3) % 11 - 5) / 8.0F;
    }
    for (int i = 0; i < 24; i++) {
        b->input[i] = (float)((5 * i + 1) % 7 - 3) / 4.0F;
    }
    assert_int_equal(lyc_graph_new(&b->graph, &err), LYC_OK);
    const lyc_layer layer = {.kind = LYC_LAYER_LINEAR,
                             .component = "unet",
                             .name = layer_name,
                             .weight = lyc_graph_weight(b->graph, "w", LYC_F32, LYC_SHAPE(8, 8), b->weight)};
    b->x = lyc_graph_input(b->graph, "x", LYC_ACTIVATION, LYC_SHAPE(3, 8));
    b->y = lyc_graph_output(b->graph, lyc_network_apply(network, b->graph, &layer, b->x, LYC_ACTIVATION_NONE, NULL));
    const lyc_plan_options options = {.backend = lyc_backend_default()};
    if (lyc_plan_compile(&b->plan, b->graph, &options, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(lyc_plan_bind(b->plan, b->x, b->input, sizeof b->input, &err), LYC_OK);
    if (network != NULL) {
        assert_int_equal(lyc_network_bind(network, b->graph, b->plan, &err), LYC_OK);
    }
}

static void bench_close(bench *b)
{
    lyc_plan_free(b->plan);
    lyc_graph_free(b->graph);
}

static void bench_run(float out[24], bench *b)
{
    lyc_error err = {0};
    if (lyc_plan_run(b->plan, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    memcpy(out, lyc_plan_data(b->plan, b->y), 24 * sizeof *out);
}

static void expect_near(const float *a, const float *b, double tolerance)
{
    for (int i = 0; i < 24; i++) {
        assert_true(fabs((double)a[i] - (double)b[i]) <= tolerance);
    }
}

static const struct {
    const char *algorithm, *extra;
} kinds[] = {
    {"algo=lora", NULL}, {"algo=loha", NULL},     {"algo=lokr", "factor=2"},
    {"algo=boft", NULL}, {"algo=diag-oft", NULL}, {"algo=lora", "rs_lora=True"},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

/* Adapters take their changes from the base weight: A and B together are the base, what A adds, and what B adds. */
static void members_add_up(void **state)
{
    (void)state;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        lyc_error err;
        lyc_network *network;
        bench b, plain;
        float none[24], first[24], second[24], both[24], want[24], again[24], base[24];
        assert_int_equal(lyc_network_new(&network, LYC_NETWORK_FIXED, &err), LYC_OK);
        add_member(network, kinds[k].algorithm, kinds[k].extra, 1);
        add_member(network, kinds[(k + 1) % KIND_COUNT].algorithm, kinds[(k + 1) % KIND_COUNT].extra, 2);
        bench_open(&b, network);
        bench_open(&plain, NULL);
        bench_run(base, &plain);
        lyc_network_set_strength(network, 0, 1, 1);
        lyc_network_set_strength(network, 1, 0.5, 1);
        bench_run(both, &b);
        lyc_network_set_strength(network, 1, 0, 1);
        bench_run(first, &b);
        lyc_network_set_strength(network, 0, 0, 1);
        bench_run(none, &b);
        lyc_network_set_strength(network, 1, 0.5, 1);
        bench_run(second, &b);
        expect_near(none, base, 2e-6);
        for (int i = 0; i < 24; i++) {
            want[i] = first[i] + second[i] - base[i];
        }
        expect_near(both, want, 4e-6);
        lyc_network_set_strength(network, 0, 1, 1);
        bench_run(again, &b);
        assert_memory_equal(again, both, sizeof both);
        bench_close(&b);
        bench_close(&plain);
        lyc_network_free(network);
    }
}

/* A member at rest leaves no trace in a graph: it is the base's, bit for bit; with it, others are as if they were
 * alone. */
static void members_at_rest_are_not_there(void **state)
{
    (void)state;
    lyc_error err;
    lyc_network *network, *alone;
    bench b, plain;
    float base[24], got[24], want[24];
    assert_int_equal(lyc_network_new(&network, LYC_NETWORK_FIXED, &err), LYC_OK);
    assert_int_equal(lyc_network_new(&alone, LYC_NETWORK_FIXED, &err), LYC_OK);
    add_member(network, "algo=diag-oft", NULL, 1);
    add_member(network, "algo=lora", NULL, 2);
    add_member(alone, "algo=diag-oft", NULL, 1);
    bench_open(&plain, NULL);
    bench_run(base, &plain);
    bench_close(&plain);
    bench_open(&plain, alone);
    bench_run(want, &plain);
    bench_close(&plain);
    assert_true(lyc_network_active(network, "unet") == 3);

    lyc_network_set_strength(network, 1, 0, 1);
    assert_true(lyc_network_active(network, "unet") == 1);
    assert_true(lyc_network_active(network, "text_encoder_2") == 3);
    bench_open(&b, network);
    bench_run(got, &b);
    assert_memory_equal(got, want, sizeof got);
    bench_close(&b);

    lyc_network_set_range(network, 0, 0.5, 1);
    lyc_network_set_step(network, 0, 4);
    assert_true(lyc_network_active(network, "unet") == 0);
    bench_open(&b, network);
    bench_run(got, &b);
    assert_memory_equal(got, base, sizeof got);
    bench_close(&b);
    lyc_network_free(network);
    lyc_network_free(alone);
}

static void strengths_by_block_and_step(void **state)
{
    (void)state;
    lyc_error err;
    lyc_network *network;
    bench b;
    float full[24], half[24], base[24], got[24];
    double blocks[LYC_BLOCK_SLOTS];
    assert_int_equal(lyc_network_new(&network, LYC_NETWORK_EXCHANGEABLE, &err), LYC_OK);
    add_member(network, "algo=lora", NULL, 3);
    bench_open(&b, network);
    bench_run(full, &b);
    lyc_network_set_strength(network, 0, 0.5, 0.25);
    bench_run(half, &b);
    lyc_network_set_strength(network, 0, 0, 1);
    bench_run(base, &b);

    /* down_blocks.0.attentions.0 is IN01, slot 2. */
    const double list[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    assert_int_equal(lyc_block_weights(blocks, list, 12, &err), LYC_OK);
    blocks[2] = 0.5;
    lyc_network_set_strength(network, 0, 1, 1);
    lyc_network_set_blocks(network, 0, blocks);
    bench_run(got, &b);
    assert_memory_equal(got, half, sizeof got);
    blocks[2] = 1;
    lyc_network_set_blocks(network, 0, blocks);

    lyc_network_set_range(network, 0, 0.25, 0.75);
    const uint64_t before = lyc_network_revision(network);
    lyc_network_set_step(network, 1, 8);
    assert_true(lyc_network_revision(network) != before);
    bench_run(got, &b);
    assert_memory_equal(got, base, sizeof got);
    lyc_network_set_step(network, 2, 8);
    bench_run(got, &b);
    assert_memory_equal(got, full, sizeof got);
    const uint64_t inside = lyc_network_revision(network);
    lyc_network_set_step(network, 5, 8);
    assert_true(lyc_network_revision(network) == inside);
    lyc_network_set_step(network, 6, 8);
    bench_run(got, &b);
    assert_memory_equal(got, base, sizeof got);

    /* What is written into an adapter that may be exchanged is seen at once. */
    lyc_network_set_step(network, 3, 8);
    const lyc_network_entry *entry = lyc_network_find(network, 0, "unet", layer_name);
    lyc_adapter_param *up = lyc_adapter_param_find(entry->adapter, "lora_up.weight");
    memset(up->data, 0, (size_t)lyc_shape_elements(&up->shape) * sizeof(float));
    bench_run(got, &b);
    expect_near(got, base, 0);
    bench_close(&b);
    lyc_network_free(network);
}

static void max_norm_limits(void **state)
{
    (void)state;
    lyc_error err;
    lyc_network *network;
    lyc_network_norms norms;
    assert_int_equal(lyc_network_new(&network, LYC_NETWORK_TRAINED, &err), LYC_OK);
    add_member(network, "algo=lora", NULL, 4);
    assert_int_equal(lyc_network_max_norm(&norms, network, 0.125, &err), LYC_OK);
    assert_int_equal(norms.scaled, lyc_network_entry_count(network, 0));
    assert_true(fabs(norms.max - 0.125) < 1e-5);
    assert_int_equal(lyc_network_max_norm(&norms, network, 100, &err), LYC_OK);
    lyc_network_free(network);
}

static void save(const char *path, const lyc_network *network, lyc_key_scheme scheme, lyc_dtype dtype)
{
    lyc_error err = {0};
    const lyc_metadata_entry metadata[] = {{"ss_network_dim", 14, "4", 1}, {"modelspec.title", 15, "x", 1}};
    const lyc_network_save_options options = {
        .scheme = scheme, .dtype = dtype, .force = true, .metadata = metadata, .metadata_count = 2};
    if (lyc_network_save(path, network, 0, &options, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
}

/* What every scheme writes reads back as the same change. */
static void written_files_read_back(void **state)
{
    (void)state;
    static const struct {
        lyc_key_scheme scheme;
        const char *algorithm, *extra;
    } cases[] = {
        {LYC_KEY_KOHYA, "algo=lora", NULL},     {LYC_KEY_KOHYA, "algo=loha", NULL},
        {LYC_KEY_KOHYA, "algo=diag-oft", NULL}, {LYC_KEY_WRAPPER, "algo=lokr", "factor=2"},
        {LYC_KEY_DIFFUSERS, "algo=lora", NULL}, {LYC_KEY_DIFFUSERS, "algo=lora", "dora_wd=False"},
        {LYC_KEY_BARE, "algo=lora", NULL},      {LYC_KEY_PEFT, "algo=lora", NULL},
        {LYC_KEY_PEFT, "algo=loha", NULL},      {LYC_KEY_PEFT, "algo=lokr", "factor=2"},
        {LYC_KEY_HCP, "algo=lora", NULL},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        lyc_error err = {0};
        lyc_network *network, *again;
        lyc_network_file *file;
        bench a, b;
        float want[24], got[24];
        const bool peft = cases[k].scheme == LYC_KEY_PEFT;
        const char *path = peft ? folder.path : test_folder_path(&folder, "out.safetensors");
        assert_int_equal(lyc_network_new(&network, LYC_NETWORK_FIXED, &err), LYC_OK);
        add_member(network, cases[k].algorithm, cases[k].extra, 5);
        save(path, network, cases[k].scheme, LYC_F32);
        const lyc_network_file_options strict = {.strict = true, .component = "unet"};
        if (lyc_network_file_open(&file, path, &strict, &err) != LYC_OK) {
            fail_msg("case %zu: %s", k, err.message);
        }
        assert_int_equal(lyc_network_new(&again, LYC_NETWORK_FIXED, &err), LYC_OK);
        if (lyc_network_add_file(NULL, again, file, &part, 1, &err) != LYC_OK) {
            fail_msg("case %zu: %s", k, err.message);
        }
        assert_int_equal(lyc_network_entry_count(again, 0), lyc_network_entry_count(network, 0));
        bench_open(&a, network);
        bench_open(&b, again);
        bench_run(want, &a);
        bench_run(got, &b);
        expect_near(got, want, 1e-6);
        bench_close(&a);
        bench_close(&b);
        lyc_network_free(network);
        lyc_network_free(again);
        lyc_network_file_close(file);
    }
}

static void hashes_are_those_of_the_file(void **state)
{
    (void)state;
    lyc_error err = {0};
    lyc_network *network;
    lyc_safetensors *file;
    lyc_file_hashes hashes;
    const char *path = test_folder_path(&folder, "hash.safetensors");
    assert_int_equal(lyc_network_new(&network, LYC_NETWORK_FIXED, &err), LYC_OK);
    add_member(network, "algo=lora", NULL, 6);
    save(path, network, LYC_KEY_KOHYA, LYC_BF16);
    assert_int_equal(lyc_safetensors_open(&file, path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_inspect_hashes(&hashes, path, file, NULL, &err), LYC_OK);
    assert_string_equal(lyc_safetensors_metadata(file, "sshs_model_hash"), hashes.model);
    assert_string_equal(lyc_safetensors_metadata(file, "sshs_legacy_hash"), hashes.model_legacy);
    assert_string_equal(lyc_safetensors_metadata(file, "modelspec.title"), "x");
    lyc_safetensors_close(file);
    lyc_network_free(network);
}

static void refuses_to_write(void **state)
{
    (void)state;
    static const struct {
        const char *algorithm, *extra;
        lyc_key_scheme scheme;
        lyc_dtype dtype;
        float number; /* put into the first adapter; 0: none */
        const char *message;
    } cases[] = {
        {"algo=loha", NULL, LYC_KEY_DIFFUSERS, LYC_F16, 0,
         "down_blocks.0.attentions.0.proj_in: loha has no form in the files of diffusers"},
        {"algo=boft", NULL, LYC_KEY_PEFT, LYC_F16, 0,
         "down_blocks.0.attentions.0.proj_in: boft has no form in the files of peft"},
        {"algo=lora", NULL, LYC_KEY_KOHYA, LYC_F64, 0, "adapters are written as F32, F16 or BF16, not as F64"},
        {"algo=lora", NULL, LYC_KEY_KOHYA, LYC_F32, NAN,
         "lora_up.weight of down_blocks.0.attentions.0.proj_in in unet has a number that is not finite"},
        {"algo=lora", NULL, LYC_KEY_KOHYA, LYC_F16, 1e6F,
         "'lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight' has a number that is too large for F16; BF16 "
         "and "
         "F32 hold it"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        lyc_error err = {0};
        lyc_network *network;
        const char *path = test_folder_path(&folder, "refused.safetensors");
        assert_int_equal(lyc_network_new(&network, LYC_NETWORK_FIXED, &err), LYC_OK);
        add_member(network, cases[k].algorithm, cases[k].extra, 7);
        if (cases[k].number != 0) {
            lyc_adapter_param_find(lyc_network_entry_at(network, 0, 0)->adapter, "lora_up.weight")->data[1] =
                cases[k].number;
        }
        const lyc_network_save_options options = {.scheme = cases[k].scheme, .dtype = cases[k].dtype};
        assert_int_not_equal(lyc_network_save(path, network, 0, &options, &err), LYC_OK);
        assert_string_equal(err.message, cases[k].message);
        assert_null(test_file_read(path, NULL));
        lyc_network_free(network);
    }
}

static void other_models_files_are_refused(void **state)
{
    (void)state;
    lyc_error err = {0};
    lyc_network *network, *other;
    lyc_network_file *file;
    lyc_inventory text;
    const lyc_clip_text_config clip = {.hidden_size = 8, .intermediate_size = 8, .layers = 1};
    const char *path = test_folder_path(&folder, "other.safetensors");
    assert_int_equal(lyc_network_new(&network, LYC_NETWORK_FIXED, &err), LYC_OK);
    assert_int_equal(lyc_network_new(&other, LYC_NETWORK_FIXED, &err), LYC_OK);
    add_member(network, "algo=lora", NULL, 8);
    save(path, network, LYC_KEY_KOHYA, LYC_F32);
    assert_int_equal(lyc_network_file_open(&file, path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_inventory_text(&text, "text_encoder", &clip, &err), LYC_OK);
    const lyc_network_part text_part = {&text, NULL};
    assert_int_equal(lyc_network_add_file(NULL, other, file, &text_part, 1, &err), LYC_E_UNSUPPORTED);
    assert_non_null(
        strstr(err.message, "is of this model ('lora_unet_down_blocks_0_attentions_0_proj_in' is of the unet)"));
    assert_int_equal(lyc_network_member_count(other), 0);

    lyc_unet_config wide = config;
    wide.channels[0] = 16;
    lyc_inventory other_unet;
    assert_int_equal(lyc_inventory_unet(&other_unet, &wide, LYC_NAMING_DIFFUSERS, &err), LYC_OK);
    const lyc_network_part wide_part = {&other_unet, NULL};
    assert_int_equal(lyc_network_add_file(NULL, other, file, &wide_part, 1, &err), LYC_E_SHAPE);
    assert_non_null(strstr(err.message, "expected"));
    lyc_inventory_clear(&other_unet);
    lyc_inventory_clear(&text);
    lyc_network_file_close(file);
    lyc_network_free(network);
    lyc_network_free(other);
}

static void slots_of_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *component, *module;
        int slot;
    } cases[] = {
        {"text_encoder_2", "text_model.encoder.layers.0.mlp.fc1", 0},
        {"unet", "conv_in", -1},
        {"unet", "down_blocks.0.attentions.0.proj_in", 2},
        {"unet", "down_blocks.0.downsamplers.0.conv", 4},
        {"unet", "down_blocks.3.resnets.1.conv1", 12},
        {"unet", "mid_block.resnets.0.conv1", 13},
        {"unet", "up_blocks.0.resnets.0.conv1", 14},
        {"unet", "up_blocks.0.upsamplers.0.conv", 16},
        {"unet", "up_blocks.3.attentions.2.proj_in", 25},
        {"unet", "up_blocks.x.attentions.2", -1},
        {"unet", "up_blocks.1.other.2", -1},
        {"unet", "down_blocks.", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(lyc_block_slot(cases[i].component, cases[i].module), cases[i].slot);
    }
    lyc_error err = {0};
    double out[LYC_BLOCK_SLOTS], list[26];
    for (int i = 0; i < 26; i++) {
        list[i] = i + 2;
    }
    assert_int_equal(lyc_block_weights(out, list, 17, &err), LYC_OK);
    assert_true(out[0] == 2 && out[1] == 1 && out[2] == 3 && out[13] == 9 && out[25] == 18);
    assert_int_equal(lyc_block_weights(out, list, 13, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "13 block weights; expected 12, 17, 20 or 26");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_add_up),
        cmocka_unit_test(members_at_rest_are_not_there),
        cmocka_unit_test(strengths_by_block_and_step),
        cmocka_unit_test(max_norm_limits),
        cmocka_unit_test(written_files_read_back),
        cmocka_unit_test(hashes_are_those_of_the_file),
        cmocka_unit_test(refuses_to_write),
        cmocka_unit_test(other_models_files_are_refused),
        cmocka_unit_test(slots_of_blocks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
