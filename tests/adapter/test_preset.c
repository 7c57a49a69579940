/* test_preset.c - presets, patterns, and the layers they choose
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "adapter/selection.h"

static const lyc_unet_config small = {
    .in_channels = 4,
    .out_channels = 4,
    .level_count = 2,
    .channels = {32, 64},
    .layers = {1, 1},
    .attention_down = {true, false},
    .attention_up = {true, false},
    .depth = {1, 1},
    .depth_up = {1, 1},
    .cross_dim = {16, 16},
    .mid_depth = 1,
    .mid_cross_dim = 16,
};
static const lyc_clip_text_config text = {.hidden_size = 16, .intermediate_size = 64, .layers = 1};

typedef struct model {
    lyc_inventory inventories[2];
    lyc_selection_part parts[2];
} model;

static void open_model(model *m)
{
    lyc_error err;
    assert_int_equal(lyc_inventory_text(&m->inventories[0], "text_encoder", &text, &err), LYC_OK);
    assert_int_equal(lyc_inventory_unet(&m->inventories[1], &small, LYC_NAMING_DIFFUSERS, &err), LYC_OK);
    m->parts[0] = (lyc_selection_part){&m->inventories[0], "lora_te"};
    m->parts[1] = (lyc_selection_part){&m->inventories[1], "lora_unet"};
}

static void close_model(model *m)
{
    lyc_inventory_clear(&m->inventories[0]);
    lyc_inventory_clear(&m->inventories[1]);
}

/* Chooses by a preset written as JSON with ' for ". */
static lyc_status choose(lyc_selection *out, const model *m, const char *json, const char *argument,
                         const lyc_selection_options *options, lyc_error *err)
{
    char copy[1024];
    strncpy(copy, json, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    for (char *c = copy; *c != '\0'; c++) {
        *c = (char)(*c == '\'' ? '"' : *c);
    }
    lyc_preset preset = {0};
    lyc_network_args args = {0};
    *out = (lyc_selection){0};
    lyc_status status;
    if (json[0] == '{' || json[0] == '[') {
        json_t *tree = json_loads(copy, 0, NULL);
        assert_non_null(tree);
        status = lyc_preset_parse(&preset, "p.toml", tree, err);
        json_decref(tree);
    } else {
        status = lyc_preset_built_in(&preset, json, err);
    }
    const char *texts[] = {"algo=lora", argument};
    if (status == LYC_OK) {
        status = lyc_network_args_parse(&args, texts, argument != NULL ? 2 : 1, err);
    }
    if (status == LYC_OK) {
        status = lyc_selection_make(out, m->parts, 2, &preset, &args, options, err);
    }
    lyc_preset_clear(&preset);
    lyc_network_args_clear(&args);
    return status;
}

static void refuses_presets(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"[1]", "preset 'p.toml': a list where a table of keys was expected"},
        {"{'unet_target_modul': []}",
         "preset 'p.toml': unknown key 'unet_target_modul'; 'unet_target_module' is meant?"},
        {"{'colour': 1}", "preset 'p.toml': unknown key 'colour'"},
        {"{'enable_conv': 1}", "preset 'p.toml': enable_conv is a number; expected true or false"},
        {"{'unet_target_name': 'a'}", "preset 'p.toml': unet_target_name is a text; expected a list of texts"},
        {"{'unet_target_name': [3]}", "preset 'p.toml': unet_target_name is a number; expected a text"},
        {"{'unet_target_name': ['(']}",
         "preset 'p.toml': pattern '(' is no regular expression: missing closing parenthesis (at character 2)"},
        {"{'module_algo_map': []}", "preset 'p.toml': module_algo_map is a list; expected a table of tables"},
        {"{'module_algo_map': {'A': 1}}", "preset 'p.toml': module_algo_map: 'A' is a number; expected a table"},
        {"{'name_algo_map': {'a': {'algo': 'lorra'}}}",
         "preset 'p.toml': name_algo_map: 'a': algorithm 'lorra' is unknown"},
        {"{'name_algo_map': {'a': {'dimm': 2}}}",
         "preset 'p.toml': name_algo_map: 'a': no algorithm has an option 'dimm'"},
        {"{'name_algo_map': {'a': {'dim': []}}}",
         "preset 'p.toml': name_algo_map: 'a': dim is a list; expected a number, a text, true or false"},
        {"{'unet_target_name': ['conv_inn']}",
         "preset 'p.toml': unet_target_name: 'conv_inn' matches no layer of the model"},
        {"{'text_encoder_target_name': ['conv_in']}",
         "preset 'p.toml': text_encoder_target_name: 'conv_in' matches no layer of the model"},
        {"{'unet_target_name': ['conv_in'], 'name_algo_map': {'conv_inn': {'dim': 2}}}",
         "preset 'p.toml': name_algo_map: 'conv_inn' matches no layer of the model"},
        {"{'unet_target_module': ['Transfromer2DModel']}",
         "preset 'p.toml': unet_target_module: no network has a class 'Transfromer2DModel'"},
        {"{'unet_target_module': ['WanAttentionBlock']}", "preset 'p.toml' chooses no layer of the model"},
        {"everything",
         "no preset 'everything'; there are full, full-lin, attn-mlp, attn-only, unet-only, unet-transformer-only, "
         "unet-convblock-only, ia3"},
        {"{'unet_target_name': ['(a+)+$|(((((d|[a-z_.0-9])+)+)+)+)+!']}",
         "preset 'p.toml': pattern '(a+)+$|(((((d|[a-z_.0-9])+)+)+)+)+!' on module 'conv_in': match limit exceeded"},
    };
    model m;
    open_model(&m);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err = {0};
        lyc_selection selection;
        assert_int_not_equal(choose(&selection, &m, cases[i].json, NULL, NULL, &err), LYC_OK);
        assert_string_equal(err.message, cases[i].message);
    }
    close_model(&m);
}

static void chooses(void **state)
{
    (void)state;
    static const struct {
        const char *json, *argument;
        bool wrapper, strict;
        size_t count;
        const char *first, *last;
    } cases[] = {
        {"attn-mlp", NULL, false, false, 54, "lora_te_text_model_encoder_layers_0_self_attn_k_proj",
         "lora_unet_mid_block_attentions_0_proj_out"},
        {"ia3", NULL, false, true, 0, NULL, NULL},
        {"ia3", NULL, false, false, 23, "lora_te_text_model_encoder_layers_0_self_attn_k_proj",
         "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_2"},
        {"{'unet_target_name': ['conv_in'], 'enable_conv': false, 'name_algo_map': {'conv_in': {'dim': 2}}}", NULL,
         false, false, 1, "lora_unet_conv_in", "lora_unet_conv_in"},
        {"{'unet_target_module': ['Downsample2D'], 'unet_target_name': ['conv_out']}", "conv_dim=0", false, false, 0,
         NULL, NULL},
        {"{'unet_target_module': ['FeedForward'], 'exclude_name': ['.*net.2']}", NULL, false, false, 4,
         "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_0_proj",
         "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj"},
        {"{'unet_target_name': ['*ff.net.[!0]'], 'use_fnmatch': true}", NULL, false, false, 4,
         "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_2",
         "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_2"},
        {"{'target_name': ['to_q']}", NULL, true, false, 8,
         "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
         "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_q"},
        {"{'unet_target_module': ['ResnetBlock2D']}", "train_norm=True", false, false, 45,
         "lora_unet_down_blocks_0_resnets_0_norm1", "lora_unet_mid_block_resnets_1_conv2"},
    };
    model m;
    open_model(&m);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err = {0};
        lyc_selection selection;
        const lyc_selection_options options = {.wrapper = cases[i].wrapper, .strict_names = cases[i].strict};
        const lyc_status status = choose(&selection, &m, cases[i].json, cases[i].argument, &options, &err);
        assert_int_equal(selection.count, cases[i].count);
        if (cases[i].count == 0) {
            assert_int_equal(status, cases[i].strict ? LYC_OK : LYC_E_ARGUMENT);
        } else {
            assert_string_equal(selection.layers[0].key, cases[i].first);
            assert_string_equal(selection.layers[selection.count - 1].key, cases[i].last);
        }
        lyc_selection_clear(&selection);
    }
    close_model(&m);
}

static const char *setting(const lyc_selected_layer *layer, const char *name)
{
    for (size_t i = 0; i < layer->count; i++) {
        if (strcmp(layer->settings[i].name, name) == 0) {
            return layer->settings[i].value;
        }
    }
    return "";
}

static void maps_give_options(void **state)
{
    (void)state;
    model m;
    open_model(&m);
    lyc_error err = {0};
    lyc_selection selection;
    const char *json = "{'unet_target_module': ['BasicTransformerBlock'], 'unet_target_name': ['conv_in'],"
                       " 'module_algo_map': {'FeedForward': {'algo': 'lokr', 'dim': 2, 'factor': 4, 'dropout': 0.5}},"
                       " 'name_algo_map': {'conv_in': {'algo': 'loha', 'dim': 3, 'alpha': 0}}}";
    assert_int_equal(choose(&selection, &m, json, "rank_dropout=0.1", NULL, &err), LYC_OK);
    size_t lokr = 0;
    for (size_t i = 0; i < selection.count; i++) {
        const lyc_selected_layer *layer = &selection.layers[i];
        if (strcmp(layer->key, "lora_unet_conv_in") == 0) {
            assert_string_equal(layer->algorithm->name, "loha");
            assert_string_equal(setting(layer, "rank"), "3");
            assert_string_equal(setting(layer, "alpha"), "1");
        } else if (strstr(layer->key, "_ff_net_") != NULL) {
            assert_string_equal(layer->algorithm->name, "lokr");
            assert_string_equal(setting(layer, "rank"), "2");
            assert_string_equal(setting(layer, "factor"), "4");
            assert_string_equal(setting(layer, "dropout"), "");
            assert_string_equal(setting(layer, "rank_dropout"), "0.1");
            lokr++;
        } else {
            assert_string_equal(layer->algorithm->name, "lora");
            assert_string_equal(setting(layer, "rank"), "4");
        }
    }
    assert_int_equal(lokr, 8);
    lyc_selection_clear(&selection);
    close_model(&m);
}

static void reads_arguments(void **state)
{
    (void)state;
    const char *texts[] = {"algo=lokr",
                           "network_dim=10000000000000",
                           "conv_dim=",
                           "decompose_both=False",
                           "use_cp=True",
                           "disable_conv_cp=True",
                           "dora_wd=true",
                           "network_alpha=None",
                           "loraplus_lr_ratio=16",
                           "loraplus_unet_lr_ratio=4"};
    lyc_network_args args;
    lyc_error err = {0};
    assert_int_equal(lyc_network_args_parse(&args, texts, sizeof texts / sizeof texts[0], &err), LYC_OK);
    assert_string_equal(args.algorithm->name, "lokr");
    assert_int_equal(args.rank, 10000000000000);
    assert_int_equal(args.conv_rank, 10000000000000);
    assert_true(args.alpha == 1 && args.conv_alpha == 1);
    assert_true(args.loraplus_text_ratio == 16 && args.loraplus_unet_ratio == 4);
    assert_int_equal(args.count, 3);
    assert_string_equal(args.settings[0].name, "decompose_both");
    assert_string_equal(args.settings[0].value, "false");
    assert_string_equal(args.settings[1].name, "use_tucker");
    assert_string_equal(args.settings[1].value, "false");
    assert_string_equal(args.settings[2].name, "weight_decompose");
    lyc_network_args_clear(&args);
}

static void refuses_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"factr=8", "network argument 'factr' is unknown; 'factor' is meant?"},
        {"conv_dims=8", "network argument 'conv_dims' is unknown; 'conv_dim' is meant?"},
        {"xyz=8", "network argument 'xyz' is unknown"},
        {"algo", "network argument 'algo'; expected key=value"},
        {"algo=lorra", "algorithm 'lorra' is unknown"},
        {"network_dim=x", "network argument network_dim: 'x' is not a whole number"},
        {"use_tucker=maybe", "network argument use_tucker: 'maybe' is neither true nor false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_network_args args;
        lyc_error err = {0};
        assert_int_equal(lyc_network_args_parse(&args, &cases[i].text, 1, &err), LYC_E_ARGUMENT);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void matches_patterns(void **state)
{
    (void)state;
    static const struct {
        lyc_pattern_kind kind;
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {LYC_PATTERN_REGEX, "a.c", "abcd", true},      {LYC_PATTERN_REGEX, "b", "abc", false},
        {LYC_PATTERN_FULL, "a.c", "abcd", false},      {LYC_PATTERN_FULL, "a.*", "abcd", true},
        {LYC_PATTERN_FNMATCH, "a*d", "a.b.c.d", true}, {LYC_PATTERN_FNMATCH, "a*b*c", "axbxbxc", true},
        {LYC_PATTERN_FNMATCH, "a*b", "axbx", false},   {LYC_PATTERN_FNMATCH, "a[0-3]?", "a2x", true},
        {LYC_PATTERN_FNMATCH, "a[!0-3]", "a2", false}, {LYC_PATTERN_FNMATCH, "[]]", "]", true},
        {LYC_PATTERN_FNMATCH, "[a", "[a", true},       {LYC_PATTERN_FNMATCH, "", "", true},
        {LYC_PATTERN_FNMATCH, "*", "", true},          {LYC_PATTERN_FNMATCH, "", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_pattern *p = NULL;
        bool matches = false;
        assert_int_equal(lyc_pattern_new(&p, cases[i].pattern, cases[i].kind, NULL), LYC_OK);
        assert_int_equal(lyc_pattern_match(&matches, p, cases[i].text, NULL), LYC_OK);
        assert_int_equal(matches, cases[i].matches);
        lyc_pattern_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_presets), cmocka_unit_test(chooses),           cmocka_unit_test(maps_give_options),
        cmocka_unit_test(reads_arguments), cmocka_unit_test(refuses_arguments), cmocka_unit_test(matches_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
