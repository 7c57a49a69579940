/* test_adapters.c - pictures with adapters: as the merged model's, switched on and off without a trace, named in
 * prompts
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/generate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../train/pictures.h"
#include "adapter/network_save.h"
#include "base/arena.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "lycoris/adapter.h"
#include "support/folder.h"
#include "tensor/random.h"

enum { SIDE = 64, BYTES = SIDE * SIDE * 3 };

static test_folder folder;
static lyc_arena paths;
static lyc_error err;

static const char *at(const char *name)
{
    return lyc_arena_text(&paths, test_folder_path(&folder, name));
}

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

static void fill_with_noise(lyc_network *network, double size)
{
    uint32_t number = 0;
    for (size_t i = 0; i < lyc_network_entry_count(network, 0); i++) {
        lyc_adapter *a = lyc_network_entry_at(network, 0, i)->adapter;
        for (int p = 0; p < a->n_params; p++) {
            const int64_t count = lyc_shape_elements(&a->params[p].shape);
            for (int64_t k = 0; a->params[p].trainable && k < count; k++) {
                uint32_t words[4];
                lyc_philox(words, (const uint32_t[]){number++, 0, 0, 0}, (const uint32_t[]){1, 2});
                a->params[p].data[k] += (float)(size * ((double)words[0] / 0x1p32 - 0.5));
            }
        }
    }
}

/* An adapter of noise for the whole model. */
static const char *make_adapter(const char *name, const char *preset, const char *const *args, double size)
{
    char file[64];
    snprintf(file, sizeof file, "adapters/%s.safetensors", name);
    lyc_train_model *m = open_model(LYC_PRECISION_F32);
    lyc_network *network = open_adapters(m, preset, 0, args);
    const char *path = at(file);
    fill_with_noise(network, size);
    must(lyc_network_save(path, network, 0,
                          &(lyc_network_save_options){.scheme = LYC_KEY_KOHYA, .dtype = LYC_F32, .force = true}, &err),
         &err);
    lyc_network_free(network);
    lyc_train_model_close(m);
    return path;
}

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    assert_int_equal(mkdir(at("adapters"), 0777), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    lyc_arena_clear(&paths);
    return 0;
}

/* --- pictures ------------------------------------------------------------------------------------------------------
 */

static lyc_pipeline *open_pipeline(const char *model)
{
    lyc_pipeline *p = NULL;
    must(lyc_pipeline_open(&p, &(lyc_pipeline_options){.model = model}, &err), &err);
    return p;
}

static lyc_generate_options request(const char *prompt)
{
    lyc_generate_options o = LYC_GENERATE_DEFAULT;
    o.prompt = prompt;
    o.width = o.height = SIDE;
    o.seed = 3;
    o.steps = 3;
    o.sampler = "ddim";
    return o;
}

static void make(unsigned char out[BYTES], lyc_pipeline *p, const lyc_generate_options *o)
{
    lyc_generated g = {0};
    must(lyc_pipeline_generate(&g, p, o, NULL, &err), &err);
    memcpy(out, g.picture.data, BYTES);
    lyc_generated_clear(&g);
}

static void make_with(unsigned char out[BYTES], lyc_pipeline *p, const lyc_adapter_use *uses, size_t count)
{
    lyc_generate_options o = request("a red fox");
    o.adapters = uses;
    o.adapter_count = count;
    make(out, p, &o);
}

static int farthest(const unsigned char *a, const unsigned char *b)
{
    int largest = 0;
    for (int i = 0; i < BYTES; i++) {
        largest = abs(a[i] - b[i]) > largest ? abs(a[i] - b[i]) : largest;
    }
    return largest;
}

/* --- the merged model ----------------------------------------------------------------------------------------------
 */

/* A component's file with the changes of an adapter in its weights. */
static void merge_component(const char *model, const char *component, const char *file_name,
                            const lyc_network_file *adapter)
{
    char from[256], to[256];
    lyc_safetensors *file = NULL;
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    size_t merged = 0;
    snprintf(from, sizeof from, "%s%s/%s", SD15, component, file_name);
    snprintf(to, sizeof to, "%s/%s/%s", model, component, file_name);
    must(lyc_safetensors_open(&file, from, NULL, &err), &err);
    must(lyc_safetensors_plan_new(&plan, &err), &err);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        must(lyc_safetensors_plan_add(plan, t.name, t.dtype, &t.shape, &err), &err);
    }
    must(lyc_safetensors_writer_open(&writer, plan, to, &(lyc_safetensors_writer_options){.force = true}, &err), &err);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        char module[256];
        size_t index;
        const size_t length = strlen(t.name);
        void *weight = lyc_alloc(t.size_bytes);
        memcpy(weight, t.data, t.size_bytes);
        snprintf(module, sizeof module, "%.*s", length > 7 ? (int)length - 7 : 0, t.name);
        if (length > 7 && strcmp(t.name + length - 7, ".weight") == 0 &&
            lyc_network_file_find(&index, adapter, component, module)) {
            const lyc_base_layer base = {.dtype = t.dtype, .shape = t.shape, .weight = t.data};
            must(lyc_network_file_merge(weight, NULL, adapter, index, &base, 1, &err), &err);
            merged++;
        }
        must(lyc_safetensors_writer_put(writer, t.name, weight, t.size_bytes, &err), &err);
        lyc_free(weight);
    }
    must(lyc_safetensors_writer_commit(writer, &err), &err);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    lyc_safetensors_close(file);
    assert_true(merged > 5);
}

static const char *merge(const char *adapter)
{
    char command[1024];
    const char *model = at("merged");
    lyc_network_file *file = NULL;
    snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", model, SD15, model);
    assert_int_equal(system(command), 0);
    must(lyc_network_file_open(&file, adapter, NULL, &err), &err);
    merge_component(model, "unet", "diffusion_pytorch_model.safetensors", file);
    merge_component(model, "text_encoder", "model.safetensors", file);
    lyc_network_file_close(file);
    return model;
}

/* --- tests ---------------------------------------------------------------------------------------------------------
 */

static void same_as_merged(void **state)
{
    static const char *const lora[] = {"algo=lora", "network_dim=4", "network_alpha=4", "conv_dim=4", NULL};
    static const char *const loha[] = {"algo=loha", "network_dim=4", "network_alpha=4", "conv_dim=2", NULL};
    static const char *const lokr[] = {"algo=lokr", "network_dim=4", "network_alpha=4", "factor=4", NULL};
    static const char *const ia3[] = {"algo=ia3", NULL};
    static const char *const dora[] = {"algo=lora", "network_dim=2", "network_alpha=2", "dora_wd=True", NULL};
    static const char *const boft[] = {"algo=boft", "network_dim=4", NULL};
    static const struct {
        const char *name;
        const char *const *args;
        double size;
    } cases[] = {{"lora", lora, 0.3}, {"loha", loha, 0.6}, {"lokr", lokr, 0.2},
                 {"ia3", ia3, 0.3},   {"dora", dora, 0.2}, {"boft", boft, 0.1}};
    unsigned char plain[BYTES], with[BYTES], merged[BYTES];
    (void)state;
    for (size_t i = 0; i < (SANITIZED ? 2 : sizeof cases / sizeof cases[0]); i++) {
        lyc_adapter_use use = {.unet = 1, .text = 1};
        const char *path = make_adapter(cases[i].name, "full", cases[i].args, cases[i].size);
        lyc_pipeline *p = open_pipeline(SD15);
        make_with(plain, p, NULL, 0);
        must(lyc_pipeline_add_adapter(&use.adapter, p, path, true, &err), &err);
        make_with(with, p, &use, 1);
        lyc_pipeline_close(p);
        p = open_pipeline(merge(path));
        make_with(merged, p, NULL, 0);
        lyc_pipeline_close(p);
        if (farthest(with, merged) > 2 || farthest(with, plain) < 8) {
            fail_msg("%s: %d from the merged model, %d from the plain one", cases[i].name, farthest(with, merged),
                     farthest(with, plain));
        }
    }
}

static const char *const small[] = {"algo=lora", "network_dim=2", "network_alpha=2", NULL};
static const char *const other[] = {"algo=lokr", "network_dim=2", "network_alpha=2", "factor=2", NULL};

static void switching_leaves_no_trace(void **state)
{
    unsigned char plain[BYTES], first[BYTES], both[BYTES], again[BYTES];
    lyc_adapter_use uses[2] = {{.unet = 1, .text = 1}, {.unet = 0.5, .text = 0}};
    size_t same;
    (void)state;
    const char *a = make_adapter("a", "attn-mlp", small, 0.5), *b = make_adapter("b", "attn-mlp", other, 0.5);
    lyc_pipeline *p = open_pipeline(SD15);
    make_with(plain, p, NULL, 0);
    must(lyc_pipeline_add_adapter(&uses[0].adapter, p, a, false, &err), &err);
    must(lyc_pipeline_add_adapter(&uses[1].adapter, p, b, false, &err), &err);
    must(lyc_pipeline_add_adapter(&same, p, a, false, &err), &err);
    assert_int_equal(same, uses[0].adapter);
    assert_string_equal(lyc_pipeline_adapter_name(p, 1), "b");
    assert_null(lyc_pipeline_adapter_name(p, 2));
    make_with(again, p, NULL, 0); /* opened, and not used */
    assert_memory_equal(again, plain, BYTES);
    make_with(first, p, uses, 1);
    make_with(both, p, uses, 2);
    assert_true(farthest(first, plain) > 4 && farthest(first, both) > 4);
    make_with(again, p, uses, 1);
    assert_memory_equal(again, first, BYTES);
    lyc_adapter_use off[1] = {{.adapter = 0, .unet = 0, .text = 0}};
    make_with(again, p, off, 1);
    assert_memory_equal(again, plain, BYTES);
    make_with(again, p, NULL, 0);
    assert_memory_equal(again, plain, BYTES);
    lyc_pipeline_close(p);
}

/* Text strengths change the states of a prompt that was asked before; step ranges act in their steps alone. */
static void strengths_and_ranges(void **state)
{
    unsigned char plain[BYTES], whole[BYTES], text[BYTES], early[BYTES], never[BYTES], all[BYTES];
    lyc_adapter_use use = {.unet = 1, .text = 1};
    (void)state;
    const char *a = make_adapter("a", "attn-mlp", small, 0.5);
    lyc_pipeline *p = open_pipeline(SD15);
    must(lyc_pipeline_add_adapter(&use.adapter, p, a, false, &err), &err);
    make_with(plain, p, NULL, 0);
    make_with(whole, p, &use, 1);
    use.unet = 0;
    make_with(text, p, &use, 1);
    use.unet = 1;
    use.start = 0.9; /* three steps: 0, 1/3, 2/3 */
    use.end = 1;
    make_with(never, p, &use, 1);
    assert_memory_equal(never, text, BYTES);
    use.start = 0;
    use.end = 0.5;
    make_with(early, p, &use, 1);
    use.end = 1;
    make_with(all, p, &use, 1);
    assert_memory_equal(all, whole, BYTES);
    assert_true(farthest(text, plain) > 0 && farthest(text, whole) > 4);
    assert_true(farthest(early, whole) > 0 && farthest(early, text) > 4);
    double blocks[26];
    for (int i = 0; i < 26; i++) {
        blocks[i] = i == 0 ? 1 : 0; /* text encoders alone */
    }
    use.blocks = blocks;
    make_with(all, p, &use, 1);
    assert_memory_equal(all, text, BYTES);
    lyc_pipeline_close(p);
}

static void prompts_name_adapters(void **state)
{
    unsigned char named[BYTES], given[BYTES];
    lyc_generated g = {0};
    lyc_adapter_use use = {.unet = 0.5, .text = 0.25};
    (void)state;
    const char *path = make_adapter("style", "attn-mlp", small, 0.5);
    lyc_pipeline *p = open_pipeline(SD15);
    lyc_generate_options o = request("a red fox <lora:style:0.5:0.25>");
    assert_int_equal(lyc_pipeline_check(p, &o, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "the prompt names the adapter 'style', and no folder of adapters was given");
    o.adapter_folder = at(".");
    make(named, p, &o);
    must(lyc_pipeline_add_adapter(&use.adapter, p, path, false, &err), &err);
    make_with(given, p, &use, 1);
    assert_memory_equal(named, given, BYTES);
    must(lyc_pipeline_parameters(&g, p, &o, 0, &err), &err);
    assert_non_null(strstr(g.parameters, "a red fox <lora:style:0.5:0.25>\n"));
    assert_non_null(strstr(g.parameters, ", Lora hashes: \"style: "));
    lyc_generated_clear(&g);
    lyc_generate_options explicit = request("a red fox");
    explicit.adapters = &use;
    explicit.adapter_count = 1;
    must(lyc_pipeline_parameters(&g, p, &explicit, 0, &err), &err);
    assert_non_null(strstr(g.parameters, "a red fox <lora:style:0.5:0.25>\n"));
    lyc_generated_clear(&g);
    char message[512];
    o.prompt = "<lora:stile:1> a fox";
    assert_int_equal(lyc_pipeline_check(p, &o, &err), LYC_E_ARGUMENT);
    snprintf(message, sizeof message,
             "the prompt names the adapter 'stile': there is no stile.safetensors in %s; did you mean 'style'?",
             at("."));
    assert_string_equal(err.message, message);
    lyc_pipeline_close(p);
}

static void wrong_adapters(void **state)
{
    size_t index;
    (void)state;
    lyc_pipeline *p = open_pipeline(SD15);
    assert_int_equal(lyc_pipeline_add_adapter(&index, p, "nothing.safetensors", false, &err), LYC_E_IO);
    assert_int_equal(lyc_pipeline_add_adapter(&index, p, "examples/adapter/adapter.safetensors", false, &err),
                     LYC_E_SHAPE);
    assert_memory_equal(err.message, "examples/adapter/adapter.safetensors: ", 38);
    lyc_adapter_use use = {.adapter = 3, .unet = 1};
    lyc_generate_options o = request("a fox");
    o.adapters = &use;
    o.adapter_count = 1;
    assert_int_equal(lyc_pipeline_check(p, &o, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "adapter 3, but 0 were opened");
    const char *path = make_adapter("a", "attn-mlp", small, 0.1);
    must(lyc_pipeline_add_adapter(&use.adapter, p, path, false, &err), &err);
    use.end = 2;
    assert_int_equal(lyc_pipeline_check(p, &o, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "strength, start or end of the adapter a is out of range");
    lyc_pipeline_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_as_merged, setup, teardown),
        cmocka_unit_test_setup_teardown(switching_leaves_no_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(strengths_and_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(prompts_name_adapters, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_adapters, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
