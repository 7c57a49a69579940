/* network_file_normalise.c - what other tools store in their own way, in the form that the algorithms read
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "adapter/network_file_internal.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the layers of an adapter file");
}

int64_t lyc_file_layer_rank(const lyc_file_layer *layer)
{
    static const struct {
        const char *name;
        int axis; /* from the end when negative */
    } ranks[] = {
        {"lora_down.weight", 0}, {"hada_w1_b", 0},   {"lokr_w1_b", 0},     {"lokr_w2_b", 0},
        {"a2.weight", 0},        {"oft_blocks", -1}, {"lambda_layer", -1},
    };
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        const lyc_tensor_view *tensor = lyc_adapter_group_find(&layer->group, ranks[i].name);
        if (tensor != NULL && tensor->shape.rank > 0) {
            return tensor->shape.dims[ranks[i].axis < 0 ? tensor->shape.rank - 1 : 0];
        }
    }
    return 0;
}

static lyc_tensor_view *find(const lyc_file_layer *layer, const char *name)
{
    return (lyc_tensor_view *)lyc_adapter_group_find(&layer->group, name);
}

/* Adds a tensor of f64 or f32 numbers that belongs to the file's arena. */
static lyc_status add(lyc_file_layer *layer, const char *name, lyc_dtype dtype, lyc_shape shape, const void *data,
                      lyc_error *err)
{
    lyc_tensor_view *tensor = (lyc_tensor_view *)&layer->group.tensors[layer->group.count];
    if (data == NULL) {
        return no_memory(err);
    }
    *tensor = (lyc_tensor_view){.name = name, .dtype = dtype, .shape = shape, .data = data};
    layer->group.count++;
    return lyc_shape_bytes(&tensor->size_bytes, &tensor->shape, dtype, err);
}

static lyc_status add_number(lyc_network_file *file, lyc_file_layer *layer, const char *name, double value,
                             lyc_error *err)
{
    return add(layer, name, LYC_F64, (lyc_shape){0}, lyc_arena_copy(&file->arena, &value, sizeof value), err);
}

/* Numbers of a tensor as f32: factor * x + offset. */
static float *numbers(lyc_network_file *file, const lyc_tensor_view *tensor, double factor, double offset,
                      lyc_error *err)
{
    const size_t n = (size_t)lyc_shape_elements(&tensor->shape);
    float *out = lyc_arena_alloc(&file->arena, n, sizeof *out);
    if (out == NULL || lyc_dtype_convert(out, LYC_F32, tensor->data, tensor->dtype, n, err) != LYC_OK) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)(factor * (double)out[i] + offset); /* fits: no size */
    }
    return out;
}

/* PEFT scales a LoKr of two whole factors too, where everybody else ignores alpha: the scale goes into one of them. */
static lyc_status scale_whole_lokr(lyc_network_file *file, lyc_file_layer *layer, double scale, lyc_error *err)
{
    lyc_tensor_view *w1 = find(layer, "lokr_w1");
    const float *data = numbers(file, w1, scale, 0, err);
    if (data == NULL) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "lokr_w1 of '%s' cannot be read", layer->name);
    }
    w1->dtype = LYC_F32;
    w1->data = data;
    return lyc_shape_bytes(&w1->size_bytes, &w1->shape, LYC_F32, err);
}

/* Alpha, where the file has none: from PEFT's configuration, or from that in diffusers' metadata. */
static lyc_status alpha_from_config(lyc_network_file *file, lyc_file_layer *layer, const lyc_peft_config *config,
                                    lyc_error *err)
{
    bool told;
    double alpha;
    int64_t rank;
    const int64_t stored = lyc_file_layer_rank(layer);
    LYC_TRY(lyc_peft_config_alpha(&told, &alpha, &rank, config, layer->entry->name, stored, err));
    if (!told) {
        return LYC_OK;
    }
    const bool whole = find(layer, "lokr_w1") != NULL && find(layer, "lokr_w2") != NULL;
    if (whole && layer->scheme == LYC_KEY_PEFT) {
        return scale_whole_lokr(file, layer, alpha / (double)rank, err);
    }
    return stored > 0 ? add_number(file, layer, "alpha", alpha, err) : LYC_OK;
}

static lyc_status alpha_from_metadata(lyc_network_file *file, lyc_file_layer *layer, lyc_error *err)
{
    const char *text = lyc_safetensors_metadata(file->tensors, "lora_adapter_metadata");
    if (text == NULL) {
        return LYC_OK;
    }
    lyc_peft_config config;
    LYC_TRY(lyc_peft_config_metadata(&config, text, layer->component, err));
    const lyc_status status = alpha_from_config(file, layer, &config, err);
    lyc_peft_config_clear(&config);
    return status;
}

/* `scale` of some converters stands for alpha / rank and comes before it. */
static lyc_status alpha_from_scale(lyc_network_file *file, lyc_file_layer *layer, lyc_error *err)
{
    double scale;
    LYC_TRY(lyc_adapter_number(&scale, &layer->group, "scale", 1, err));
    const double alpha = scale * (double)lyc_file_layer_rank(layer); /* fits: no size */
    lyc_tensor_view *old = find(layer, "alpha");
    if (old == NULL) {
        return add_number(file, layer, "alpha", alpha, err);
    }
    old->data = lyc_arena_copy(&file->arena, &alpha, sizeof alpha);
    old->dtype = LYC_F64;
    old->shape = (lyc_shape){0};
    old->size_bytes = sizeof alpha;
    return old->data != NULL ? LYC_OK : no_memory(err);
}

/* [out] or [1,out,1,1] of PEFT as [out,1..], of as many extents as the layer's weight has. */
static void name_magnitude(lyc_file_layer *layer)
{
    lyc_tensor_view *magnitude = find(layer, "lora_magnitude_vector");
    const lyc_tensor_view *down = find(layer, "lora_down.weight");
    if (magnitude == NULL || find(layer, "dora_scale") != NULL) {
        return;
    }
    const int64_t n = lyc_shape_elements(&magnitude->shape);
    magnitude->name = "dora_scale";
    magnitude->shape = (lyc_shape){.rank = down != NULL && down->shape.rank > 2 ? down->shape.rank : 2, .dims = {n}};
    for (int i = 1; i < magnitude->shape.rank; i++) {
        magnitude->shape.dims[i] = 1;
    }
}

/* PEFT's (IA)3 multiplies by a vector, [out,1] or, before the layer, [1,in]; the others multiply by 1 + w. */
static lyc_status additive_ia3(lyc_network_file *file, lyc_file_layer *layer, lyc_error *err)
{
    lyc_tensor_view *l = find(layer, "ia3_l");
    if (l == NULL || l->shape.rank < 2 || find(layer, "weight") != NULL) {
        return LYC_OK;
    }
    const int64_t on_input = l->shape.dims[0] == 1 && l->shape.dims[1] != 1;
    const float *data = numbers(file, l, 1, -1, err);
    if (data == NULL) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "ia3_l of '%s' cannot be read", layer->name);
    }
    l->name = "weight";
    l->data = data;
    l->dtype = LYC_F32;
    l->shape = LYC_SHAPE(lyc_shape_elements(&l->shape));
    LYC_TRY(lyc_shape_bytes(&l->size_bytes, &l->shape, LYC_F32, err));
    return add(layer, "on_input", LYC_I64, (lyc_shape){0}, lyc_arena_copy(&file->arena, &on_input, sizeof on_input),
               err);
}

lyc_status lyc_file_layer_normalise(lyc_network_file *file, lyc_file_layer *layer, lyc_error *err)
{
    name_magnitude(layer);
    if (find(layer, "scale") != NULL && lyc_file_layer_rank(layer) > 0) {
        LYC_TRY(alpha_from_scale(file, layer, err));
    }
    LYC_TRY(additive_ia3(file, layer, err));
    if (find(layer, "alpha") == NULL && file->config.tree != NULL) {
        return alpha_from_config(file, layer, &file->config, err);
    }
    if (find(layer, "alpha") == NULL && layer->scheme == LYC_KEY_DIFFUSERS) {
        return alpha_from_metadata(file, layer, err);
    }
    return LYC_OK;
}
