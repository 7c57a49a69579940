/* networks_file.c - adapter files of a small model
 *
 * A case is an adapter file and the arguments that it was trained with. Checked are: every tensor belongs to a layer;
 * the arguments choose just these layers; the metadata; the outputs of the model with the adapters and without; what is
 * written for them again has the same names, types and numbers.
 *
 * The model is told in words beside cases.json ("text: hidden 16, 2 layers, 2 heads") and as a configuration of
 * diffusers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "networks_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/network.h"
#include "adapter/network_save.h"
#include "base/memory.h"
#include "networks_model.h"
#include "tensor/shape.h"

#ifdef LYCORIS_WITH_DIFFUSION
#include "backend/cpu/default.h"
#include "model/text_runner.h"
#include "model/unet_runner.h"
#endif

static const lyc_tolerance exact = {0};

/* The base model of the cases. */
typedef struct base {
    char config_path[2][128]; /* written for opening */
    lyc_component *unet, *text;
    lyc_inventory inventories[2]; /* text encoder, U-Net */
    lyc_network_part parts[2];
    lyc_selection_part selected[2];
} base;

static void base_close(base *b)
{
    lyc_component_close(b->unet);
    lyc_component_close(b->text);
    lyc_inventory_clear(&b->inventories[0]);
    lyc_inventory_clear(&b->inventories[1]);
    for (int i = 0; i < 2; i++) {
        if (b->config_path[i][0] != '\0') {
            remove(b->config_path[i]);
        }
    }
}

/* Writes a configuration where the reader of checkpoints finds it. */
static lyc_status write_config(char path[128], const json_t *config, lyc_error *err)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, 128, "%.80s/lycoris-config-XXXXXX", folder != NULL ? folder : "/tmp");
    const int descriptor = mkstemp(path);
    if (descriptor < 0 || config == NULL || json_dumpfd(config, descriptor, 0) != 0) {
        return lyc_fail(err, LYC_E_OUTPUT, "cannot write %s", path);
    }
    close(descriptor);
    return LYC_OK;
}

/* "... text: hidden 16, 2 layers, 2 heads, quick_gelu, vocabulary 64)" */
static json_t *text_config(const char *words)
{
    int hidden, layers, heads, vocabulary;
    const char *text = words != NULL ? strstr(words, "text: ") : NULL;
    if (text == NULL || sscanf(text, "text: hidden %d, %d layers, %d heads, quick_gelu, vocabulary %d", &hidden,
                               &layers, &heads, &vocabulary) != 4) {
        return NULL;
    }
    return json_pack("{sssisisisisisssfsi}", "model_type", "clip_text_model", "hidden_size", hidden,
                     "intermediate_size", 4 * hidden, "num_hidden_layers", layers, "num_attention_heads", heads,
                     "vocab_size", vocabulary, "hidden_act", "quick_gelu", "layer_norm_eps", 1e-5,
                     "max_position_embeddings", 77);
}

static lyc_status base_open(base *b, const lyc_case *c, lyc_error *err)
{
    char path[4096], file[128];
    const char *words = json_string_value(json_object_get(c->document, "base"));
    snprintf(file, sizeof file, "%.*s", words != NULL ? (int)strcspn(words, " ") : 0, words != NULL ? words : "");
    LYC_TRY(lyc_case_path(path, sizeof path, c, file, err));
    json_t *text = text_config(words);
    lyc_status status = write_config(b->config_path[0], text, err);
    json_decref(text);
    LYC_TRY(status);
    LYC_TRY(write_config(b->config_path[1], json_object_get(c->document, "unet_config"), err));
    LYC_TRY(lyc_component_open(&b->text, LYC_COMPONENT_TEXT_ENCODER, b->config_path[0], path, err));
    LYC_TRY(lyc_component_open(&b->unet, LYC_COMPONENT_UNET, b->config_path[1], path, err));
    LYC_TRY(lyc_inventory_text(&b->inventories[0], "text_encoder", lyc_component_clip_text(b->text), err));
    LYC_TRY(lyc_inventory_unet(&b->inventories[1], lyc_component_unet(b->unet), LYC_NAMING_TRAINER, err));
    b->parts[0] = (lyc_network_part){&b->inventories[0], b->text};
    b->parts[1] = (lyc_network_part){&b->inventories[1], b->unet};
    b->selected[0] = (lyc_selection_part){&b->inventories[0], "lora_te"};
    b->selected[1] = (lyc_selection_part){&b->inventories[1], "lora_unet"};
    return LYC_OK;
}

/* --- layers and metadata -------------------------------------------------------------------------------------------
 */

static void compare_metadata(lyc_result *result, const lyc_case *c, const lyc_safetensors *tensors)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(c->json, "metadata_stored"), key, value)
    {
        const char *got = lyc_safetensors_metadata(tensors, key);
        lyc_result_count(result);
        if (got == NULL || strcmp(got, json_string_value(value)) != 0) {
            lyc_result_complain(result, "metadata %s is %s, expected %s", key, got != NULL ? got : "missing",
                                json_string_value(value));
        }
    }
}

static lyc_status compare_selection(lyc_result *result, const lyc_case *c, const base *b, const lyc_network_file *file,
                                    lyc_error *err)
{
    lyc_selection selection = {0};
    LYC_TRY(lyc_networks_select(&selection, c, b->selected, 2, err));
    const size_t count = file != NULL ? lyc_network_file_count(file) : 0;
    lyc_compare_number(result, "layers", (double)selection.count, json_number_value(json_object_get(c->json, "layers")),
                       exact);
    lyc_compare_number(result, "layers of the file", (double)count, (double)selection.count, exact);
    for (size_t i = 0; i < selection.count && file != NULL; i++) {
        const lyc_selected_layer *s = &selection.layers[i];
        size_t index;
        if (!lyc_network_file_find(&index, file, s->inventory->component, s->entry->name)) {
            lyc_result_complain(result, "the file has no %s", s->key);
            continue;
        }
        const lyc_network_layer layer = lyc_network_file_layer(file, index);
        lyc_result_count(result);
        if (strcmp(layer.name, s->key) != 0 || strcmp(layer.algorithm, s->algorithm->name) != 0) {
            lyc_result_complain(result, "%s is %s, expected %s of %s", layer.name, layer.algorithm, s->algorithm->name,
                                s->key);
        }
    }
    lyc_selection_clear(&selection);
    return LYC_OK;
}

/* --- written again -------------------------------------------------------------------------------------------------
 */

/* Whether the number means nothing: alpha of a LoKr of two whole factors. */
static bool is_idle(const lyc_network_file *file, const char *name)
{
    lyc_tensor_view tensor;
    char other[2][512];
    const size_t length = strlen(name);
    if (length < 6 || length > 400 || strcmp(name + length - 6, ".alpha") != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        snprintf(other[i], sizeof other[i], "%.*s.lokr_w%d", (int)(length - 6), name, i + 1);
    }
    return lyc_safetensors_find(&tensor, lyc_network_file_tensors(file), other[0]) &&
           lyc_safetensors_find(&tensor, lyc_network_file_tensors(file), other[1]);
}

static lyc_status compare_written(lyc_result *result, const lyc_network *network, const lyc_network_file *file,
                                  lyc_error *err)
{
    char path[160];
    const char *folder = getenv("TMPDIR");
    const lyc_safetensors *want = lyc_network_file_tensors(file);
    lyc_safetensors *got = NULL;
    snprintf(path, sizeof path, "%.80s/lycoris-written-%d.safetensors", folder != NULL ? folder : "/tmp",
             (int)getpid());
    const lyc_network_save_options options = {.scheme = LYC_KEY_KOHYA, .dtype = LYC_F16, .force = true};
    LYC_TRY(lyc_network_save(path, network, 0, &options, err));
    lyc_status status = lyc_safetensors_open(&got, path, NULL, err);
    remove(path);
    LYC_TRY(status);
    lyc_compare_number(result, "tensors written", (double)lyc_safetensors_count(got),
                       (double)lyc_safetensors_count(want), exact);
    for (size_t i = 0; i < lyc_safetensors_count(want); i++) {
        const lyc_tensor_view a = lyc_safetensors_tensor(want, i);
        lyc_tensor_view w;
        const bool flag = strstr(a.name, ".on_input") != NULL; /* a whole number here, of the file's type there */
        if (!lyc_safetensors_find(&w, got, a.name) || (w.dtype != a.dtype && !flag) ||
            !lyc_shape_equal(&w.shape, &a.shape)) {
            lyc_result_complain(result, "%s is not written, or of another type or shape", a.name);
        } else if (flag) {
            lyc_compare_values(result, a.name, &a.shape, (lyc_values){w.data, w.dtype}, (lyc_values){a.data, a.dtype},
                               exact);
        } else if (!is_idle(file, a.name)) {
            lyc_compare_bits(result, a.name, &a.shape, w.data, a.data, a.dtype);
        }
    }
    lyc_safetensors_close(got);
    return LYC_OK;
}

/* --- outputs -------------------------------------------------------------------------------------------------------
 */

#ifdef LYCORIS_WITH_DIFFUSION
/* Inputs and outputs of the model. */
typedef struct outputs {
    lyc_safetensors *file;
    lyc_tensor_view ids, timesteps, latents;
    float *states, *sample, *got; /* sample and got [n,h,w,c] */
} outputs;

static void outputs_close(outputs *o)
{
    lyc_safetensors_close(o->file);
    lyc_free(o->states);
    lyc_free(o->sample);
    lyc_free(o->got);
}

static lyc_status outputs_open(outputs *o, const lyc_case *c, lyc_error *err)
{
    char path[4096];
    const char *name = lyc_case_text(c, "outputs");
    if (name == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no member \"outputs\"");
    }
    LYC_TRY(lyc_case_path(path, sizeof path, c, name, err));
    LYC_TRY(lyc_safetensors_open(&o->file, path, NULL, err));
    if (!lyc_safetensors_find(&o->ids, o->file, "input_ids") ||
        !lyc_safetensors_find(&o->timesteps, o->file, "timesteps") ||
        !lyc_safetensors_find(&o->latents, o->file, "latents")) {
        return lyc_fail(err, LYC_E_FORMAT, "%s lacks an input", path);
    }
    return LYC_OK;
}

/* [n,c,h,w] as [n,h,w,c], or back. */
static void turn(float *out, const float *in, const int64_t dims[4], bool back)
{
    const int64_t n = dims[0], ch = dims[1], area = dims[2] * dims[3];
    for (int64_t b = 0; b < n; b++) {
        for (int64_t k = 0; k < ch; k++) {
            for (int64_t i = 0; i < area; i++) {
                const int64_t planar = (b * ch + k) * area + i, packed = (b * area + i) * ch + k;
                out[back ? planar : packed] = in[back ? packed : planar];
            }
        }
    }
}

static lyc_status encode(outputs *o, const base *b, lyc_network *network, lyc_error *err)
{
    const int64_t n = o->ids.shape.dims[0], tokens = o->ids.shape.dims[1];
    const int64_t hidden = lyc_component_clip_text(b->text)->hidden_size;
    const lyc_runner_options options = {.backend = lyc_backend_default(), .network = network};
    lyc_text_runner *runner = NULL;
    int32_t *ids = lyc_alloc((size_t)(n * tokens) * sizeof *ids);
    o->states = lyc_alloc((size_t)(n * tokens * hidden) * sizeof *o->states);
    for (int64_t i = 0; i < n * tokens; i++) {
        ids[i] = (int32_t)((const int64_t *)o->ids.data)[i];
    }
    lyc_status status = lyc_text_runner_new(&runner, b->text, &options, err);
    if (status == LYC_OK) {
        const lyc_clip_text_request request = {.final_norm = true};
        status = lyc_text_runner_encode(o->states, NULL, runner, ids, NULL, n, tokens, &request, err);
    }
    lyc_text_runner_free(runner);
    lyc_free(ids);
    return status;
}

static lyc_status denoise(outputs *o, const base *b, lyc_network *network, lyc_error *err)
{
    const int64_t *dims = o->latents.shape.dims;
    const lyc_runner_options options = {.backend = lyc_backend_default(), .network = network};
    lyc_unet_runner *runner = NULL;
    lyc_unet_text *text = NULL;
    const float timestep = (float)((const int64_t *)o->timesteps.data)[0];
    float timesteps[16];
    for (int i = 0; i < 16; i++) {
        timesteps[i] = timestep;
    }
    o->sample = lyc_alloc(o->latents.size_bytes);
    o->got = lyc_alloc(o->latents.size_bytes);
    turn(o->sample, o->latents.data, dims, false);
    lyc_status status = lyc_unet_runner_new(&runner, b->unet, &options, err);
    status =
        status != LYC_OK ? status : lyc_unet_text_new(&text, runner, o->states, dims[0], o->ids.shape.dims[1], err);
    if (status == LYC_OK) {
        const lyc_unet_call call = {
            .n = dims[0], .h = dims[2], .w = dims[3], .latents = o->sample, .timesteps = timesteps, .text = text};
        status = lyc_unet_runner_forward(o->got, runner, &call, err);
    }
    turn(o->sample, o->got, dims, true);
    lyc_unet_text_free(text);
    lyc_unet_runner_free(runner);
    return status;
}

static lyc_status compare_output(lyc_result *result, const lyc_case *c, const base *b, lyc_network *network,
                                 const char *name, lyc_error *err)
{
    outputs o = {0};
    lyc_tensor_view want = {0};
    lyc_status status = outputs_open(&o, c, err);
    if (status == LYC_OK && !lyc_safetensors_find(&want, o.file, name)) {
        status = lyc_fail(err, LYC_E_FORMAT, "no tensor %s", name);
    }
    status = status != LYC_OK ? status : encode(&o, b, network, err);
    status = status != LYC_OK ? status : denoise(&o, b, network, err);
    if (status == LYC_OK) {
        lyc_compare_values(result, name, &want.shape, (lyc_values){o.sample, LYC_F32},
                           (lyc_values){want.data, want.dtype},
                           (lyc_tolerance){c->absolute_tolerance, c->relative_tolerance});
    }
    outputs_close(&o);
    return status;
}
#else
static lyc_status compare_output(lyc_result *result, const lyc_case *c, const base *b, lyc_network *network,
                                 const char *name, lyc_error *err)
{
    (void)result, (void)c, (void)b, (void)network, (void)name, (void)err;
    return LYC_OK;
}
#endif

/* Strengths change without a new plan: 0 gives the model as it is, 1 the adapted one again. */
static lyc_status compare_outputs(lyc_result *result, const lyc_case *c, const base *b, lyc_network *network,
                                  lyc_error *err)
{
    LYC_TRY(compare_output(result, c, b, network, "output_with_adapter_multiplier_1", err));
    LYC_TRY(compare_output(result, c, b, NULL, "output_without_adapter", err));
    if (network != NULL) {
        lyc_network_set_strength(network, 0, 0, 0);
        LYC_TRY(compare_output(result, c, b, network, "output_without_adapter", err));
        lyc_network_set_strength(network, 0, 1, 1);
    }
    return LYC_OK;
}

/* --- a case --------------------------------------------------------------------------------------------------------
 */

/* A file without layers is refused; its case is the model alone. */
static lyc_status run_empty(lyc_result *result, const lyc_case *c, const base *b, const char *path, lyc_error *err)
{
    lyc_network_file *file = NULL;
    lyc_error refused;
    lyc_result_count(result);
    if (lyc_network_file_open(&file, path, NULL, &refused) == LYC_OK) {
        lyc_network_file_close(file);
        lyc_result_complain(result, "a file without layers is not refused");
    }
    LYC_TRY(compare_selection(result, c, b, NULL, err));
    return compare_outputs(result, c, b, NULL, err);
}

static lyc_status run_file(lyc_result *result, const lyc_case *c, const base *b, const char *path, lyc_error *err)
{
    const lyc_network_file_options strict = {.strict = true};
    lyc_network_file *file = NULL;
    lyc_network *network = NULL;
    size_t member;
    LYC_TRY(lyc_network_file_open(&file, path, &strict, err));
    const lyc_safetensors *tensors = lyc_network_file_tensors(file);
    lyc_compare_number(result, "keys", (double)lyc_safetensors_count(tensors),
                       json_number_value(json_object_get(c->json, "keys")), exact);
    compare_metadata(result, c, tensors);
    lyc_status status = compare_selection(result, c, b, file, err);
    status = status != LYC_OK ? status : lyc_network_new(&network, LYC_NETWORK_FIXED, err);
    status = status != LYC_OK ? status : lyc_network_add_file(&member, network, file, b->parts, 2, err);
    status = status != LYC_OK ? status : compare_written(result, network, file, err);
    status = status != LYC_OK ? status : compare_outputs(result, c, b, network, err);
    lyc_network_free(network);
    lyc_network_file_close(file);
    return status;
}

lyc_status lyc_networks_file_run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char path[4096];
    base b = {0};
    LYC_TRY(lyc_case_path(path, sizeof path, c, lyc_case_text(c, "file"), err));
    lyc_status status = base_open(&b, c, err);
    if (status == LYC_OK) {
        const bool empty = json_number_value(json_object_get(c->json, "keys")) == 0;
        status = empty ? run_empty(result, c, &b, path, err) : run_file(result, c, &b, path, err);
    }
    base_close(&b);
    return status;
}
