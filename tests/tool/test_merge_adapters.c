/* test_merge_adapters.c - one adapter of several changes weights as they do together
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

#include "lycoris/merge_adapters.h"
#include "support/folder.h"
#include "support/tensor_file.h"
#include "tensor/random.h"

static test_folder folder;

static int set_up(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

#define LINEAR    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
#define POINT     "lora_unet_down_blocks_0_attentions_0_proj_in"
#define CONV      "lora_unet_down_blocks_0_resnets_0_conv1"
#define NORM      "lora_unet_down_blocks_0_resnets_0_norm1"
#define TEXT      "lora_te_text_model_encoder_layers_0_mlp_fc1"
#define DIFFUSERS "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"

enum { OUT = 12, IN = 10, MAX_TENSORS = 16 };

/* A file of random tensors "name:extents", numbers that do not repeat between files; scalars are 2. */
static const char *random_file(const char *name, uint64_t seed, const char *text)
{
    lyc_error err;
    lyc_safetensors_plan *plan;
    lyc_safetensors_writer *writer;
    const char *path = test_folder_path(&folder, name);
    const lyc_safetensors_writer_options options = {.force = true};
    char copy[4096], *names[MAX_TENSORS];
    size_t sizes[MAX_TENSORS], count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "), count++) {
        char *colon = strrchr(word, ':');
        lyc_shape shape = {0};
        size_t n = 1;
        *colon = '\0';
        for (const char *at = colon + 1; *at != '\0' && *at != '-';) {
            char *end;
            shape.dims[shape.rank] = strtol(at, &end, 10);
            n *= (size_t)shape.dims[shape.rank++];
            at = end + (*end == 'x');
        }
        names[count] = word;
        sizes[count] = n;
        assert_int_equal(lyc_safetensors_plan_add(plan, word, LYC_F32, &shape, &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "ss_base_model_version", "sd_v1", &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, path, &options, &err), LYC_OK);
    for (size_t i = 0; i < count; i++) {
        const lyc_native_random random = {.seed = seed, .purpose = LYC_RANDOM_NOISE, .step = (uint32_t)i};
        float *data = calloc(sizes[i], sizeof *data);
        assert_non_null(data);
        lyc_native_random_normals(&random, data, 0, sizes[i]);
        data[0] = sizes[i] == 1 ? 2.0F : data[0];
        assert_int_equal(lyc_safetensors_writer_put(writer, names[i], data, sizes[i] * sizeof *data, &err), LYC_OK);
        free(data);
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    return path;
}

/* --- changes -------------------------------------------------------------------------------------------------------
 */

typedef struct source {
    const char *path;
    double strength;
} source;

/* Adds strength times the change of a module to sum [n]; nothing when the file does not have it. */
static void add_change(float *sum, int64_t n, const char *path, const char *component, const char *module,
                       double strength)
{
    lyc_error err;
    size_t index;
    lyc_network_file *file;
    float *own = calloc((size_t)n, sizeof *own);
    assert_non_null(own);
    if (lyc_network_file_open(&file, path, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    if (lyc_network_file_find(&index, file, component, module)) {
        const lyc_network_layer layer = lyc_network_file_layer(file, index);
        const lyc_base_layer base = {.dtype = LYC_F32, .shape = layer.weight};
        if (lyc_network_file_change(own, NULL, LYC_F32, file, index, &base, strength, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        sum[i] += own[i];
    }
    lyc_network_file_close(file);
    free(own);
}

/* ||out - sum of the sources|| / ||sum|| for a module of n numbers. */
static double distance(const char *out, const source *sources, size_t count, const char *component, const char *module,
                       int64_t n)
{
    float *got = calloc((size_t)n, sizeof *got), *want = calloc((size_t)n, sizeof *want);
    double norm = 0.0, error = 0.0;
    assert_true(got != NULL && want != NULL);
    add_change(got, n, out, component, module, 1.0);
    for (size_t i = 0; i < count; i++) {
        add_change(want, n, sources[i].path, component, module, sources[i].strength);
    }
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)got[i] - (double)want[i];
        norm += (double)want[i] * (double)want[i];
        error += d * d;
    }
    free(got);
    free(want);
    assert_true(norm > 0.0);
    return sqrt(error / norm);
}

static lyc_adapter_merge *merge(const char *out, const source *sources, size_t count, lyc_merge_adapters_options o)
{
    lyc_error err;
    lyc_merge_input inputs[4];
    lyc_adapter_merge *made = NULL;
    o.force = true;
    o.keep_dtype = true;
    for (size_t i = 0; i < count; i++) {
        inputs[i] =
            (lyc_merge_input){.path = sources[i].path, .unet = sources[i].strength, .text = sources[i].strength};
    }
    if (lyc_merge_adapters(&made, out, inputs, count, &o, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return made;
}

static lyc_merged_layer find_layer(const lyc_adapter_merge *m, const char *name)
{
    for (size_t i = 0; i < lyc_adapter_merge_count(m); i++) {
        const lyc_merged_layer l = lyc_adapter_merge_layer(m, i);
        if (strcmp(l.name, name) == 0) {
            return l;
        }
    }
    fail_msg("no layer %s", name);
    return (lyc_merged_layer){0};
}

#define TO_Q    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
#define PROJ_IN "down_blocks.0.attentions.0.proj_in"
#define CONV1   "down_blocks.0.resnets.0.conv1"
#define NORM1   "down_blocks.0.resnets.0.norm1"

static const char *first_lora(void)
{
    return random_file("a.safetensors", 1,
                       LINEAR ".lora_up.weight:12x3 " LINEAR ".lora_down.weight:3x10 " LINEAR ".alpha:- " CONV
                              ".lora_up.weight:12x2x1x1 " CONV ".lora_down.weight:2x10x3x3 " POINT
                              ".lora_up.weight:12x2x1x1 " POINT ".lora_down.weight:2x10x1x1 " TEXT
                              ".lora_up.weight:12x2 " TEXT ".lora_down.weight:2x10");
}

/* Another rank and spelling, a linear layer where the other has a convolution of 1x1, and a layer less. */
static const char *second_lora(void)
{
    return random_file("b.safetensors", 2,
                       LINEAR ".lora_up.weight:12x5 " LINEAR ".lora_down.weight:5x10 " POINT
                              ".lora_up.weight:12x4 " POINT ".lora_down.weight:4x10 " POINT ".alpha:- " TEXT
                              ".lora_up.weight:12x1 " TEXT ".lora_down.weight:1x10");
}

/* --- tests ---------------------------------------------------------------------------------------------------------
 */

static void test_concatenation_is_the_sum(void **state)
{
    const char *out = test_folder_path(&folder, "out.safetensors");
    const source s[] = {{first_lora(), 0.7}, {second_lora(), -0.5}};
    const lyc_merge_adapters_options o = {.method = LYC_MERGE_CONCAT};
    (void)state;
    lyc_adapter_merge *m = merge(out, s, 2, o);
    const lyc_merged_layer linear = find_layer(m, LINEAR), alone = find_layer(m, CONV);
    assert_string_equal(linear.algorithm, "lora");
    assert_int_equal(linear.rank, 8);
    assert_true(linear.alpha == 8.0 && linear.error == 0.0 && linear.departure == 0.0);
    assert_int_equal(linear.inputs, 2);
    assert_int_equal(alone.inputs, 1);
    assert_int_equal(alone.rank, 2);
    assert_true(distance(out, s, 2, "unet", TO_Q, OUT * IN) < 1e-6);
    assert_true(distance(out, s, 2, "unet", PROJ_IN, OUT * IN) < 1e-6);
    assert_true(distance(out, s, 2, "unet", CONV1, OUT * IN * 9) < 1e-6);
    assert_true(distance(out, s, 2, "text_encoder", "text_model.encoder.layers.0.mlp.fc1", OUT * IN) < 1e-6);
    const lyc_merged_input first = lyc_adapter_merge_input(m, 0), second = lyc_adapter_merge_input(m, 1);
    assert_int_equal(first.layers, 4);
    assert_int_equal(first.shared, 3);
    assert_int_equal(second.layers, 3);
    assert_int_equal(second.shared, 3);
    assert_null(lyc_adapter_merge_unmatched(m, 0, 0));
    lyc_adapter_merge_free(m);
}

static void test_shuffling_changes_factors_alone(void **state)
{
    const char *out = test_folder_path(&folder, "out.safetensors");
    const source s[] = {{first_lora(), 0.7}, {second_lora(), -0.5}};
    (void)state;
    lyc_adapter_merge_free(merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_CONCAT}));
    size_t size;
    char *before = test_file_read(out, &size);
    lyc_adapter_merge_free(
        merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_CONCAT, .shuffle = true, .seed = 3}));
    char *after = test_file_read(out, &size);
    assert_true(memcmp(before, after, size) != 0);
    assert_true(distance(out, s, 2, "unet", TO_Q, OUT * IN) < 1e-6);
    free(before);
    free(after);
}

static void test_algorithms_of_all_kinds(void **state)
{
    const char *out = test_folder_path(&folder, "out.safetensors");
    const char *loha = random_file("loha.safetensors", 3,
                                   LINEAR ".hada_w1_a:12x2 " LINEAR ".hada_w1_b:2x10 " LINEAR ".hada_w2_a:12x2 " LINEAR
                                          ".hada_w2_b:2x10 " LINEAR ".alpha:- " NORM ".w_norm:12 " NORM ".b_norm:12");
    const char *full = random_file("full.safetensors", 4, LINEAR ".diff:12x10 " LINEAR ".diff_b:12 " NORM ".w_norm:12");
    const char *tucker = random_file("tucker.safetensors", 5,
                                     CONV ".lora_up.weight:12x3x1x1 " CONV ".lora_mid.weight:3x3x3x3 " CONV
                                          ".lora_down.weight:3x10x1x1");
    const source s[] = {{first_lora(), 1.0}, {loha, 0.5}, {full, -0.25}, {tucker, 2.0}};
    (void)state;
    lyc_adapter_merge *m = merge(out, s, 4, (lyc_merge_adapters_options){.method = LYC_MERGE_CONCAT});
    assert_string_equal(find_layer(m, LINEAR).algorithm, "full");
    assert_int_equal(find_layer(m, CONV).rank, 5);
    assert_string_equal(find_layer(m, NORM).algorithm, "norm");
    assert_true(distance(out, s, 4, "unet", TO_Q, OUT * IN) < 1e-6);
    assert_true(distance(out, s, 4, "unet", CONV1, OUT * IN * 9) < 1e-6);
    assert_true(distance(out, s, 4, "unet", NORM1, OUT) < 1e-6);
    lyc_adapter_merge_free(m);
    /* as singular values through the change, of so many ranks that nothing is lost */
    m = merge(out, s, 3, (lyc_merge_adapters_options){.method = LYC_MERGE_SVD, .rank = 10});
    const lyc_merged_layer linear = find_layer(m, LINEAR);
    assert_int_equal(linear.rank, 10);
    assert_true(linear.error < 1e-6 && linear.energy > 1.0 - 1e-6);
    assert_true(distance(out, s, 3, "unet", TO_Q, OUT * IN) < 1e-5);
    lyc_adapter_merge_free(m);
}

static void test_biases_are_added(void **state)
{
    lyc_error err;
    lyc_safetensors *file;
    lyc_tensor_view bias;
    const char *out = test_folder_path(&folder, "out.safetensors"), *a = test_folder_path(&folder, "a.safetensors"),
               *b = test_folder_path(&folder, "b.safetensors");
    (void)state;
    test_tensor_file(a, LINEAR ".diff:F32:4x4=1 " LINEAR ".diff_b:F32:4=3", NULL);
    test_tensor_file(
        b, LINEAR ".lora_up.weight:F32:4x1=1 " LINEAR ".lora_down.weight:F32:1x4=1 " LINEAR ".diff_b:F32:4=2", NULL);
    const source s[] = {{a, 2.0}, {b, 0.5}};
    lyc_adapter_merge_free(merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_CONCAT}));
    assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
    assert_true(lyc_safetensors_find(&bias, file, LINEAR ".diff_b"));
    for (int i = 0; i < 4; i++) {
        assert_true(fabsf(((const float *)bias.data)[i] - 7.0F) < 1e-6F);
    }
    lyc_safetensors_close(file);
}

static void test_singular_values_lose_what_they_say(void **state)
{
    const char *out = test_folder_path(&folder, "out.safetensors");
    const source s[] = {{first_lora(), 0.8}, {second_lora(), 0.6}};
    (void)state;
    for (int64_t rank = 1; rank <= 8; rank++) {
        lyc_adapter_merge *m = merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_SVD, .rank = rank});
        const lyc_merged_layer l = find_layer(m, LINEAR);
        assert_int_equal(l.rank, rank);
        assert_true(fabs(distance(out, s, 2, "unet", TO_Q, OUT * IN) - l.error) < 1e-5);
        assert_true(fabs(1.0 - l.energy - l.error * l.error) < 1e-5);
        assert_true(rank == 8 ? l.error < 1e-6 : l.error > 1e-3);
        lyc_adapter_merge_free(m);
    }
    lyc_adapter_merge *m =
        merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_SVD, .rank = 3, .clamp_quantile = 0.9});
    const lyc_merged_layer l = find_layer(m, LINEAR); /* what clamping loses is in the error */
    assert_true(fabs(distance(out, s, 2, "unet", TO_Q, OUT * IN) - l.error) < 1e-5);
    assert_true(l.error * l.error > 1.0 - l.energy + 1e-3);
    lyc_adapter_merge_free(m);
}

static void test_sums_of_factors_say_how_far_they_are_off(void **state)
{
    const char *out = test_folder_path(&folder, "out.safetensors");
    const char *a = random_file("a.safetensors", 6, LINEAR ".lora_up.weight:12x3 " LINEAR ".lora_down.weight:3x10");
    const char *b = random_file("b.safetensors", 7, LINEAR ".lora_up.weight:12x3 " LINEAR ".lora_down.weight:3x10");
    const source s[] = {{a, 0.5}, {b, 0.25}}, same[] = {{a, 0.5}, {a, 0.5}};
    (void)state;
    lyc_adapter_merge *m = merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_SUM});
    lyc_merged_layer l = find_layer(m, LINEAR);
    assert_int_equal(l.rank, 3);
    assert_true(l.departure > 0.1 && fabs(distance(out, s, 2, "unet", TO_Q, OUT * IN) - l.departure) < 1e-5);
    lyc_adapter_merge_free(m);
    /* (2 sqrt(1/2) B) (2 sqrt(1/2) A) = 2 B A, where the sum is B A */
    m = merge(out, same, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_SUM});
    assert_true(fabs(find_layer(m, LINEAR).departure - 1.0) < 1e-5);
    lyc_adapter_merge_free(m);
    /* sd-scripts: half of each, (1/2 B + 1/2 B) (1/2 A + 1/2 A) = B A */
    m = merge(out, same, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_SUM, .sd_scripts = true});
    assert_true(find_layer(m, LINEAR).departure < 1e-6);
    lyc_adapter_merge_free(m);
    /* side by side: 1/4 + 1/4 of the sum, and the old alpha of twice the ranks: a quarter */
    m = merge(out, same, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_CONCAT, .sd_scripts = true});
    assert_true(fabs(find_layer(m, LINEAR).departure - 0.75) < 1e-5);
    assert_true(fabs(distance(out, same, 2, "unet", TO_Q, OUT * IN) - 0.75) < 1e-5);
    lyc_adapter_merge_free(m);
}

static const float *numbers(const lyc_safetensors *file, const char *name)
{
    lyc_tensor_view view;
    if (!lyc_safetensors_find(&view, file, name)) {
        fail_msg("no tensor %s", name);
    }
    return view.data;
}

/* The elements of two differences by the definition, as whole differences. */
static void test_ties_by_hand(void **state)
{
    lyc_error err;
    lyc_safetensors *a, *b, *made;
    const char *out = test_folder_path(&folder, "out.safetensors");
    const source s[] = {{random_file("a.safetensors", 8, LINEAR ".diff:6x5"), 1.0},
                        {random_file("b.safetensors", 9, LINEAR ".diff:6x5"), 0.5}};
    (void)state;
    lyc_adapter_merge *m =
        merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_TIES, .density = 1.0, .full = true});
    assert_int_equal(lyc_safetensors_open(&a, s[0].path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_open(&b, s[1].path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_open(&made, out, NULL, &err), LYC_OK);
    for (int i = 0; i < 30; i++) {
        const float x = numbers(a, LINEAR ".diff")[i], y = 0.5F * numbers(b, LINEAR ".diff")[i];
        const bool agree = (x > 0.0F) == (y > 0.0F);
        const float want = agree ? (x + y) / 2.0F : fabsf(x) > fabsf(y) ? x : y;
        assert_true(fabsf(numbers(made, LINEAR ".diff")[i] - want) < 1e-6F);
    }
    assert_true(fabs(find_layer(m, LINEAR).departure - distance(out, s, 2, "unet", TO_Q, 30)) < 1e-5);
    lyc_safetensors_close(a);
    lyc_safetensors_close(b);
    lyc_safetensors_close(made);
    lyc_adapter_merge_free(m);
}

static void test_dare_of_everything_is_the_sum(void **state)
{
    const char *out = test_folder_path(&folder, "out.safetensors"), *again = test_folder_path(&folder, "2.safetensors");
    const source s[] = {{first_lora(), 0.8}, {second_lora(), 0.6}};
    size_t size, other;
    (void)state;
    lyc_adapter_merge *m = merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_DARE, .density = 1.0});
    assert_int_equal(find_layer(m, LINEAR).rank, 8); /* the ranks of both together */
    assert_true(find_layer(m, LINEAR).departure == 0.0 && find_layer(m, LINEAR).error < 1e-5);
    assert_true(distance(out, s, 2, "unet", TO_Q, OUT * IN) < 1e-5);
    lyc_adapter_merge_free(m);
    /* the same seed, the same bytes; another seed, others */
    const lyc_merge_adapters_options o = {.method = LYC_MERGE_DARE_TIES, .density = 0.5, .seed = 1};
    lyc_merge_adapters_options seeded = o;
    seeded.seed = 2;
    lyc_adapter_merge_free(merge(out, s, 2, o));
    lyc_adapter_merge_free(merge(again, s, 2, o));
    char *x = test_file_read(out, &size), *y = test_file_read(again, &other);
    lyc_adapter_merge_free(merge(again, s, 2, seeded));
    char *z = test_file_read(again, &other);
    /* titles differ: the numbers behind the headers are compared */
    assert_true(memcmp(x + size - 512, y + size - 512, 512) == 0);
    assert_true(memcmp(x + size - 512, z + other - 512, 512) != 0);
    free(x);
    free(y);
    free(z);
}

static void test_block_weights_are_by_block(void **state)
{
    lyc_error err;
    lyc_adapter_merge *m = NULL;
    const char *out = test_folder_path(&folder, "out.safetensors");
    double blocks[17] = {0.5, 2}; /* text encoders, IN01; all others 0 */
    const lyc_merge_adapters_options o = {.keep_dtype = true, .force = true};
    lyc_merge_input input = {.path = first_lora(), .unet = 1.0, .text = 1.0, .blocks = blocks, .block_count = 17};
    const source text = {input.path, 0.5}, unet = {input.path, 2.0};
    (void)state;
    assert_int_equal(lyc_merge_adapters(&m, out, &input, 1, &o, NULL, &err), LYC_OK);
    assert_true(distance(out, &unet, 1, "unet", TO_Q, OUT * IN) < 1e-6);
    assert_true(distance(out, &text, 1, "text_encoder", "text_model.encoder.layers.0.mlp.fc1", OUT * IN) < 1e-6);
    lyc_adapter_merge_free(m);
    blocks[1] = 0;
    assert_int_equal(lyc_merge_adapters(&m, out, &input, 1, &o, NULL, &err), LYC_OK);
    assert_int_equal(lyc_adapter_merge_count(m), 1); /* of strength 0 nothing is written */
    lyc_adapter_merge_free(m);
    input.block_count = 16;
    assert_int_equal(lyc_merge_adapters(&m, out, &input, 1, &o, NULL, &err), LYC_E_ARGUMENT);
    assert_non_null(strstr(err.message, "16 block weights; expected 12, 17, 20 or 26"));
}

static void test_names_stay_or_become_kohyas(void **state)
{
    lyc_error err;
    lyc_safetensors *file;
    lyc_tensor_view view;
    const char *out = test_folder_path(&folder, "out.safetensors");
    const char *a = random_file("a.safetensors", 1, DIFFUSERS ".lora_A.weight:3x10 " DIFFUSERS ".lora_B.weight:12x3");
    const source diffusers[] = {{a, 0.5}, {a, 0.25}}, mixed[] = {{a, 0.5}, {second_lora(), 1.0}};
    (void)state;
    lyc_adapter_merge_free(merge(out, diffusers, 2, (lyc_merge_adapters_options){0}));
    assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_count(file), 2); /* without alpha */
    assert_true(lyc_safetensors_find(&view, file, DIFFUSERS ".lora_A.weight"));
    lyc_safetensors_close(file);
    assert_true(distance(out, diffusers, 2, "unet", TO_Q, OUT * IN) < 1e-6);
    lyc_adapter_merge_free(merge(out, mixed, 2, (lyc_merge_adapters_options){0}));
    assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
    assert_true(lyc_safetensors_find(&view, file, LINEAR ".lora_down.weight"));
    lyc_safetensors_close(file);
    assert_true(distance(out, mixed, 2, "unet", TO_Q, OUT * IN) < 1e-6);
}

static void test_metadata_says_what_it_is_of(void **state)
{
    lyc_error err;
    lyc_safetensors *file;
    const char *out = test_folder_path(&folder, "both.safetensors");
    const source s[] = {{first_lora(), 0.7}, {second_lora(), -0.5}};
    (void)state;
    lyc_adapter_merge_free(merge(out, s, 2, (lyc_merge_adapters_options){.method = LYC_MERGE_SVD, .rank = 2}));
    assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
    assert_string_equal(lyc_safetensors_metadata(file, "ss_network_module"), "networks.lora");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_network_dim"), "2");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_network_alpha"), "2");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_network_args"),
                        "{\"conv_dim\": \"2\", \"conv_alpha\": \"2\"}");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_base_model_version"), "sd_v1");
    assert_string_equal(lyc_safetensors_metadata(file, "modelspec.merged_from"), "a, b");
    assert_string_equal(lyc_safetensors_metadata(file, "modelspec.title"), "both");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_training_comment"), "merged by svd: a 0.7, b -0.5");
    assert_int_equal(strlen(lyc_safetensors_metadata(file, "sshs_model_hash")), 64);
    lyc_safetensors_close(file);
}

static void test_what_cannot_be_added_is_refused(void **state)
{
    const char *a = first_lora(), *b = second_lora(), *out = test_folder_path(&folder, "none.safetensors");
    const char *dora =
        random_file("dora.safetensors", 3,
                    LINEAR ".lora_up.weight:12x3 " LINEAR ".lora_down.weight:3x10 " LINEAR ".dora_scale:12x1");
    const char *ia3 = random_file("ia3.safetensors", 3, LINEAR ".weight:12 " LINEAR ".on_input:-");
    const char *wide =
        random_file("wide.safetensors", 3, LINEAR ".lora_up.weight:12x3 " LINEAR ".lora_down.weight:3x9");
    const struct {
        const char *path;
        lyc_merge_adapters_options options;
        double strength;
        lyc_status status;
        const char *message;
    } cases[] = {
        {dora, {0}, 1, LYC_E_UNSUPPORTED, "is lora with magnitudes (DoRA), whose change depends on the base weight"},
        {ia3, {0}, 1, LYC_E_UNSUPPORTED, "is ia3, whose change depends on the base weight"},
        {wide, {0}, 1, LYC_E_SHAPE, "is for a weight 12x9, in "},
        {b, {.method = LYC_MERGE_SUM}, 1, LYC_E_SHAPE, "only factors of LoRAs of one rank can be added"},
        {b, {.method = LYC_MERGE_TIES}, 1, LYC_E_ARGUMENT, "a density of 0, expected more than 0 and at most 1"},
        {b, {.rank = 4}, 1, LYC_E_ARGUMENT, "ranks are chosen for svd, ties and dare"},
        {b, {.method = LYC_MERGE_SVD, .full = true}, 1, LYC_E_ARGUMENT, "svd makes factors, not the change itself"},
        {b, {.method = LYC_MERGE_SVD, .shuffle = true}, 1, LYC_E_ARGUMENT, "shuffling ranks is for concat and sum"},
        {b, {.clamp_quantile = 0.9}, 1, LYC_E_ARGUMENT, "a quantile of 0.9 to cut at, expected 0 to 1, of svd"},
        {b, {.method = LYC_MERGE_SVD, .rank = -1}, 1, LYC_E_ARGUMENT, "a rank of -1, expected at least 1, or 0"},
        {b, {0}, (double)NAN, LYC_E_ARGUMENT, "a strength is not finite"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_adapter_merge *m = NULL;
        lyc_merge_adapters_options o = cases[i].options;
        o.keep_dtype = true;
        const lyc_merge_input inputs[] = {{a, 1, 1, NULL, 0}, {cases[i].path, cases[i].strength, 1, NULL, 0}};
        assert_int_equal(lyc_merge_adapters(&m, out, inputs, 2, &o, NULL, &err), cases[i].status);
        if (strstr(err.message, cases[i].message) == NULL) {
            fail_msg("case %zu says '%s', expected '%s'", i, err.message, cases[i].message);
        }
        assert_null(test_file_read(out, &(size_t){0}));
    }
    const lyc_merge_input nothing = {a, 0, 0, NULL, 0};
    lyc_error err;
    lyc_adapter_merge *m = NULL;
    const lyc_merge_adapters_options o = {.keep_dtype = true};
    assert_int_equal(lyc_merge_adapters(&m, out, &nothing, 1, &o, NULL, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "all strengths are 0: there is nothing to merge");
    assert_int_equal(lyc_merge_adapters(&m, a, (lyc_merge_input[]){{a, 1, 1, NULL, 0}}, 1,
                                        &(lyc_merge_adapters_options){.keep_dtype = true, .force = true}, NULL, &err),
                     LYC_E_OUTPUT);
}

static void test_two_namings_of_transformers_are_refused(void **state)
{
    lyc_error err;
    lyc_adapter_merge *m = NULL;
    const lyc_merge_adapters_options o = {.keep_dtype = true};
#define FUSED "lora_unet_double_blocks_0_img_attn_qkv"
#define PART  "transformer.transformer_blocks.0.attn.to_q"
    const char *a = random_file("a.safetensors", 1, FUSED ".lora_up.weight:36x2 " FUSED ".lora_down.weight:2x12");
    const char *b = random_file("b.safetensors", 1, PART ".lora_B.weight:12x2 " PART ".lora_A.weight:2x12");
    const lyc_merge_input inputs[] = {{a, 1, 1, NULL, 0}, {b, 1, 1, NULL, 0}};
    (void)state;
    assert_int_equal(lyc_merge_adapters(&m, test_folder_path(&folder, "none"), inputs, 2, &o, NULL, &err),
                     LYC_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "`lycoris convert --to kohya` makes them alike"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_concatenation_is_the_sum),
        cmocka_unit_test(test_shuffling_changes_factors_alone),
        cmocka_unit_test(test_algorithms_of_all_kinds),
        cmocka_unit_test(test_biases_are_added),
        cmocka_unit_test(test_singular_values_lose_what_they_say),
        cmocka_unit_test(test_sums_of_factors_say_how_far_they_are_off),
        cmocka_unit_test(test_ties_by_hand),
        cmocka_unit_test(test_dare_of_everything_is_the_sum),
        cmocka_unit_test(test_block_weights_are_by_block),
        cmocka_unit_test(test_names_stay_or_become_kohyas),
        cmocka_unit_test(test_metadata_says_what_it_is_of),
        cmocka_unit_test(test_what_cannot_be_added_is_refused),
        cmocka_unit_test(test_two_namings_of_transformers_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
