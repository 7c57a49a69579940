/* sample_model.c - a model of the layers that samples of the formats are for
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/sample_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lycoris/verify.h"
#include "tensor/dtype.h"
#include "tensor/random.h"
#include "tensor/shape.h"

#define UNET "model.diffusion_model."

static const struct {
    const char *module; /* diffusers' */
    const char *tensor; /* in the file, without .weight */
    lyc_shape weight;
    bool has_bias;
} layers[] = {
    {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
     UNET "input_blocks.1.1.transformer_blocks.0.attn1.to_q",
     {2, {320, 320}},
     false},
    {"down_blocks.0.resnets.0.conv1", UNET "input_blocks.1.0.in_layers.2", {4, {320, 320, 3, 3}}, true},
    {"down_blocks.0.attentions.0.norm", UNET "input_blocks.1.1.norm", {1, {320}}, true},
};
enum { LAYERS = sizeof layers / sizeof layers[0], NAME = 160 };

static void put(lyc_safetensors_writer *writer, const char *name, const lyc_shape *shape, lyc_dtype dtype,
                uint32_t seed)
{
    lyc_error err;
    size_t bytes;
    const size_t n = (size_t)lyc_shape_elements(shape);
    const lyc_native_random random = {.seed = seed, .purpose = LYC_RANDOM_NOISE};
    float *numbers = calloc(n, sizeof *numbers);
    void *stored = calloc(n, sizeof *numbers);
    assert_non_null(numbers);
    assert_non_null(stored);
    lyc_native_random_normals(&random, numbers, 0, n);
    for (size_t i = 0; i < n; i++) {
        numbers[i] *= 0.05F;
    }
    assert_int_equal(lyc_shape_bytes(&bytes, shape, dtype, &err), LYC_OK);
    assert_int_equal(lyc_dtype_convert(stored, dtype, numbers, LYC_F32, n, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(writer, name, stored, bytes, &err), LYC_OK);
    free(numbers);
    free(stored);
}

static const char *name_of(char out[NAME], size_t layer, bool bias)
{
    snprintf(out, NAME, "%s.%s", layers[layer].tensor, bias ? "bias" : "weight");
    return out;
}

void test_sample_model(const char *path, lyc_dtype dtype)
{
    lyc_error err;
    char name[NAME];
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    const lyc_safetensors_writer_options force = {.force = true};
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    for (size_t i = 0; i < 2 * LAYERS; i++) {
        const lyc_shape bias = {1, {layers[i / 2].weight.dims[0]}};
        if (i % 2 == 0 || layers[i / 2].has_bias) {
            assert_int_equal(lyc_safetensors_plan_add(plan, name_of(name, i / 2, i % 2), dtype,
                                                      i % 2 ? &bias : &layers[i / 2].weight, &err),
                             LYC_OK);
        }
    }
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, path, &force, &err), LYC_OK);
    for (size_t i = 0; i < 2 * LAYERS; i++) {
        const lyc_shape bias = {1, {layers[i / 2].weight.dims[0]}};
        if (i % 2 == 0 || layers[i / 2].has_bias) {
            put(writer, name_of(name, i / 2, i % 2), i % 2 ? &bias : &layers[i / 2].weight, dtype, (uint32_t)i + 1);
        }
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
}

void test_sample_adapter(const char *path, const char *title)
{
    lyc_error err;
    size_t row = 0;
    while (lyc_format_title_at(row) != NULL && strcmp(lyc_format_title_at(row), title) != 0) {
        row++;
    }
    if (lyc_format_title_at(row) == NULL) {
        fail_msg("no format is called '%s'", title);
    }
    if (lyc_format_write_sample(path, row, true, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
}

/* --- changes -------------------------------------------------------------------------------------------------------
 */

static lyc_network_file *open_adapter(const char *path)
{
    lyc_error err;
    lyc_network_file *file = NULL;
    if (lyc_network_file_open(&file, path, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(lyc_network_file_count(file), 1);
    return file;
}

static size_t layer_of(const lyc_network_file *file)
{
    const char *module = lyc_network_file_layer(file, 0).module;
    for (size_t i = 0; i < LAYERS; i++) {
        if (strcmp(layers[i].module, module) == 0) {
            return i;
        }
    }
    fail_msg("the sample model has no %s", module);
    return 0;
}

static lyc_tensor_view tensor_of(const lyc_safetensors *model, size_t layer, bool bias)
{
    char name[NAME];
    lyc_tensor_view view = {0};
    assert_true(lyc_safetensors_find(&view, model, name_of(name, layer, bias)));
    return view;
}

static float *numbers_of(const lyc_tensor_view *view)
{
    lyc_error err;
    const size_t n = (size_t)lyc_shape_elements(&view->shape);
    float *out = calloc(n, sizeof *out);
    assert_non_null(out);
    assert_int_equal(lyc_dtype_convert(out, LYC_F32, view->data, view->dtype, n, &err), LYC_OK);
    return out;
}

void test_change_of(test_change *out, const char *adapter, const char *model, double strength)
{
    lyc_error err;
    lyc_safetensors *tensors = NULL;
    lyc_network_file *file = open_adapter(adapter);
    const size_t layer = layer_of(file);
    assert_int_equal(lyc_safetensors_open(&tensors, model, NULL, &err), LYC_OK);
    const lyc_tensor_view weight = tensor_of(tensors, layer, false);
    float *numbers = numbers_of(&weight), *bias = NULL;
    if (layers[layer].has_bias) {
        const lyc_tensor_view view = tensor_of(tensors, layer, true);
        bias = numbers_of(&view);
    }
    *out = (test_change){.count = (size_t)lyc_shape_elements(&weight.shape), .outputs = (size_t)weight.shape.dims[0]};
    out->weight = calloc(out->count, sizeof *out->weight);
    out->merged = calloc(out->count, sizeof *out->merged);
    out->bias = calloc(out->outputs, sizeof *out->bias);
    const lyc_base_layer base = {.dtype = LYC_F32, .shape = weight.shape, .weight = numbers, .bias = bias};
    if (lyc_network_file_change(out->weight, out->bias, LYC_F32, file, 0, &base, strength, &err) != LYC_OK ||
        lyc_network_file_merge(out->merged, NULL, file, 0, &base, strength, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    free(numbers);
    free(bias);
    lyc_safetensors_close(tensors);
    lyc_network_file_close(file);
}

void test_change_clear(test_change *change)
{
    free(change->weight);
    free(change->bias);
    free(change->merged);
}

double test_change_distance(const char *first, const char *second, const char *model)
{
    test_change a, b;
    double off = 0.0, size = 0.0;
    test_change_of(&a, first, model, 1.0);
    test_change_of(&b, second, model, 1.0);
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count + a.outputs; i++) {
        const double x = (double)(i < a.count ? a.weight[i] : a.bias[i - a.count]);
        const double y = (double)(i < a.count ? b.weight[i] : b.bias[i - a.count]);
        off += (x - y) * (x - y);
        size += x * x;
    }
    test_change_clear(&a);
    test_change_clear(&b);
    assert_true(size > 0.0);
    return sqrt(off / size);
}

float *test_sample_weight(size_t *count, const char *adapter, const char *model)
{
    lyc_error err;
    lyc_safetensors *tensors = NULL;
    lyc_network_file *file = open_adapter(adapter);
    assert_int_equal(lyc_safetensors_open(&tensors, model, NULL, &err), LYC_OK);
    const lyc_tensor_view view = tensor_of(tensors, layer_of(file), false);
    float *numbers = numbers_of(&view);
    *count = (size_t)lyc_shape_elements(&view.shape);
    lyc_safetensors_close(tensors);
    lyc_network_file_close(file);
    return numbers;
}

bool test_has_tensors_of(const char *file, const char *other)
{
    lyc_error err;
    lyc_safetensors *has = NULL, *of = NULL;
    assert_int_equal(lyc_safetensors_open(&has, file, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_open(&of, other, NULL, &err), LYC_OK);
    bool same = lyc_safetensors_count(of) > 0;
    for (size_t i = 0; i < lyc_safetensors_count(of) && same; i++) {
        const lyc_tensor_view a = lyc_safetensors_tensor(of, i);
        lyc_tensor_view b;
        same = lyc_safetensors_find(&b, has, a.name) && a.dtype == b.dtype && lyc_shape_equal(&a.shape, &b.shape) &&
               memcmp(a.data, b.data, a.size_bytes) == 0;
    }
    lyc_safetensors_close(has);
    lyc_safetensors_close(of);
    return same;
}
