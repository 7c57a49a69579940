/* merge_compute.c - a tensor of a model with the changes of all adapters
 *
 *     W' = W + sum of m_k dW_k                                algorithms that add
 *     W' = f_k(m_k, W so far), or with `independent` W' += f_k(m_k, W) - W        the others
 *
 * In f32, or with `precise` sums in f64; the caller rounds once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/compute.h"
#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/merge_internal.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a weight");
}

/* A module at work. */
typedef struct work {
    const lyc_merge_plan *plan;
    const lyc_merge_module *module;
    size_t elements, outputs;
    float *weight; /* [elements], rows [out,in..] */
    float *bias;   /* NULL: not wanted */
    float *base;   /* the model's own weight, where that is asked for beside the sum */
    float *change;
    double *sum, *bias_sum; /* with `precise` */
} work;

/* --- between tensors and modules -----------------------------------------------------------------------------------
 */

static void transpose(float *out, const float *in, int64_t rows, int64_t columns)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            out[c * rows + r] = in[r * columns + c];
        }
    }
}

/* --- changes -------------------------------------------------------------------------------------------------------
 */

static void swap_halves(float *values, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        const float first = values[i];
        values[i] = values[count / 2 + i];
        values[count / 2 + i] = first;
    }
}

/* The shape that the adapter is for: without the input channels that a model for inpainting has more. */
static lyc_shape shape_of(const work *w, const lyc_network_file *file, size_t layer, bool *narrower)
{
    lyc_adapter_target target;
    lyc_shape shape = w->module->base.weight.shape;
    *narrower = lyc_network_file_target(&target, file, layer, NULL) == LYC_OK && target.weight.rank == 4 &&
                shape.rank == 4 && target.weight.dims[1] < shape.dims[1];
    if (*narrower) {
        return target.weight;
    }
    /* 1x1 convolutions and linear layers are the same numbers. */
    if (lyc_network_file_target(&target, file, layer, NULL) == LYC_OK && target.weight.rank != shape.rank &&
        lyc_shape_elements(&target.weight) == lyc_shape_elements(&shape)) {
        return target.weight;
    }
    return shape;
}

/* Adds the change of a narrower weight to the first input channels. */
static void add_narrower(const work *w, const lyc_shape *shape)
{
    const lyc_shape *whole = &w->module->base.weight.shape;
    const int64_t kernel = whole->dims[2] * whole->dims[3];
    const int64_t from = shape->dims[1] * kernel, to = whole->dims[1] * kernel;
    for (int64_t o = 0; o < whole->dims[0]; o++) {
        for (int64_t i = 0; i < from; i++) {
            w->weight[o * to + i] += w->change[o * from + i];
        }
    }
}

static void add(const work *w)
{
    for (size_t i = 0; i < w->elements; i++) {
        if (w->sum != NULL) {
            w->sum[i] += (double)w->change[i];
        } else {
            w->weight[i] += w->change[i];
        }
    }
}

/* What the change of an algorithm depends on: the sum so far, or the model's own weight. */
static lyc_status weight_now(const float **out, const work *w, bool additive, lyc_error *err)
{
    if (w->plan->options->independent && !additive) {
        *out = w->base;
        return LYC_OK;
    }
    if (w->sum != NULL) {
        LYC_TRY(lyc_dtype_convert_parallel(w->weight, LYC_F32, w->sum, LYC_F64, w->elements, err));
    }
    *out = w->weight;
    return LYC_OK;
}

/* LyCORIS' DoRA at a strength m beside 1 adds (1 - m) (W + dW) where the other form adds (1 - m) W, so what is missing
 * is (1 - m) dW, dW without its magnitude. */
static lyc_status add_direction(work *w, const lyc_file_layer *layer, const lyc_base_layer *base, double strength,
                                lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_adapter *a = NULL;
    lyc_tensor_view *tensors = lyc_arena_alloc(&arena, layer->group.count, sizeof *tensors);
    lyc_adapter_group group = {.tensors = tensors};
    for (size_t i = 0; tensors != NULL && i < layer->group.count; i++) {
        if (strcmp(layer->group.tensors[i].name, "dora_scale") != 0) {
            tensors[group.count++] = layer->group.tensors[i];
        }
    }
    const lyc_adapter_target target = {.kind = base->shape.rank == 2 ? LYC_LAYER_LINEAR : LYC_LAYER_CONV2D,
                                       .weight = base->shape,
                                       .groups = 1,
                                       .has_bias = base->bias != NULL};
    lyc_status status = tensors != NULL ? lyc_adapter_read(&a, layer->name, &target, &group, err) : no_memory(err);
    if (status == LYC_OK) {
        lyc_adapter_change change = {.weight = w->change};
        status = lyc_adapter_compute(&change, a, NULL, 1 - strength, err);
        lyc_adapter_free(a);
    }
    lyc_arena_clear(&arena);
    if (status == LYC_OK) {
        add(w);
    }
    return status;
}

static lyc_status apply(work *w, const lyc_merge_change *change, lyc_error *err)
{
    const lyc_merge_source *s = &w->plan->sources[change->source];
    const lyc_file_layer *layer = lyc_network_file_at(s->file, change->layer);
    const double strength = w->module->text ? s->adapter->text : s->adapter->unet;
    bool narrower;
    const float *now;
    if (!(strength > 0 || strength < 0)) {
        return LYC_OK;
    }
    const bool additive = layer->algorithm->additive && lyc_adapter_group_find(&layer->group, "dora_scale") == NULL;
    LYC_TRY(weight_now(&now, w, additive, err));
    float *const rows = (float *)now;
    if (change->swapped) {
        swap_halves(rows, w->elements);
    }
    const lyc_base_layer base = {.dtype = LYC_F32,
                                 .shape = shape_of(w, s->file, change->layer, &narrower),
                                 .weight = narrower ? NULL : now,
                                 .bias = w->bias};
    lyc_status status = lyc_network_file_change(w->change, w->bias != NULL ? w->bias : NULL, LYC_F32, s->file,
                                                change->layer, &base, strength, err);
    if (change->swapped) {
        swap_halves(rows, w->elements);
        swap_halves(w->change, w->elements);
    }
    if (status == LYC_OK && narrower) {
        add_narrower(w, &base.shape);
    } else if (status == LYC_OK) {
        add(w);
    }
    const bool is_dora = lyc_adapter_group_find(&layer->group, "dora_scale") != NULL;
    return status == LYC_OK && is_dora && w->plan->options->dora_lycoris ? add_direction(w, layer, &base, strength, err)
                                                                         : status;
}

/* The bias with all changes: w->bias takes each change, and is added to the sum. */
static lyc_status merge_bias(float *out, work *w, const lyc_merge_change *change, lyc_error *err)
{
    const lyc_merge_source *s = &w->plan->sources[change->source];
    const double strength = w->module->text ? s->adapter->text : s->adapter->unet;
    const lyc_base_layer base = {
        .dtype = LYC_F32, .shape = w->module->base.weight.shape, .weight = w->weight, .bias = out};
    if (!(strength > 0 || strength < 0)) {
        return LYC_OK;
    }
    LYC_TRY(lyc_network_file_change(w->change, w->bias, LYC_F32, s->file, change->layer, &base, strength, err));
    if (change->swapped) {
        swap_halves(w->bias, w->outputs);
    }
    for (size_t i = 0; i < w->outputs; i++) {
        out[i] += w->bias[i];
    }
    return LYC_OK;
}

/* --- modules -------------------------------------------------------------------------------------------------------
 */

static lyc_status begin(work *w, lyc_error *err)
{
    const lyc_merge_options *o = w->plan->options;
    w->elements = (size_t)lyc_shape_elements(&w->module->base.weight.shape);
    w->outputs = (size_t)w->module->base.weight.shape.dims[0];
    w->weight = lyc_alloc_zero(w->elements, sizeof *w->weight);
    w->change = lyc_alloc_zero(w->elements, sizeof *w->change);
    w->sum = o->precise ? lyc_alloc_zero(w->elements, sizeof *w->sum) : NULL;
    w->base = o->independent ? lyc_alloc_zero(w->elements, sizeof *w->base) : NULL;
    if (w->weight == NULL || w->change == NULL || (o->precise && w->sum == NULL) ||
        (o->independent && w->base == NULL)) {
        return no_memory(err);
    }
    LYC_TRY(lyc_base_weight_read(w->weight, w->plan->model, &w->module->base, err));
    if (w->base != NULL) {
        memcpy(w->base, w->weight, w->elements * sizeof *w->base);
    }
    return w->sum != NULL ? lyc_dtype_convert_parallel(w->sum, LYC_F64, w->weight, LYC_F32, w->elements, err) : LYC_OK;
}

static void end(work *w)
{
    lyc_free(w->weight);
    lyc_free(w->change);
    lyc_free(w->sum);
    lyc_free(w->base);
    lyc_free(w->bias);
}

/* The merged weight, as it is stored. */
static lyc_status merge_weight(work *w, lyc_error *err)
{
    const lyc_shape *shape = &w->module->base.weight.shape;
    for (const lyc_merge_change *c = w->module->changes; c != NULL; c = c->next) {
        LYC_TRY(apply(w, c, err));
    }
    if (w->sum != NULL) {
        LYC_TRY(lyc_dtype_convert_parallel(w->weight, LYC_F32, w->sum, LYC_F64, w->elements, err));
    }
    if (w->module->base.transposed) {
        transpose(w->change, w->weight, shape->dims[0], shape->dims[1]);
        float *stored = w->change;
        w->change = w->weight;
        w->weight = stored;
    }
    return LYC_OK;
}

/* Writes a piece of a module into its rows of the tensor. */
static lyc_status put_weight(float *out, const lyc_merge_plan *p, const lyc_merge_piece *piece, lyc_error *err)
{
    work w = {.plan = p, .module = piece->module};
    const lyc_base_pieces *pieces = &piece->module->base.weight;
    const int64_t all = piece->module->base.transposed ? pieces->shape.dims[1] : pieces->shape.dims[0];
    int64_t before = 0;
    lyc_status status = begin(&w, err);
    status = status == LYC_OK ? merge_weight(&w, err) : status;
    for (int i = 0; i < piece->piece; i++) {
        before += pieces->pieces[i].count;
    }
    if (status == LYC_OK) {
        const lyc_base_rows *rows = &pieces->pieces[piece->piece];
        const size_t width = w.elements / (size_t)all;
        memcpy(out + (size_t)rows->row * width, w.weight + (size_t)before * width,
               (size_t)rows->count * width * sizeof *out);
    }
    end(&w);
    return status;
}

static lyc_status put_bias(float *out, const lyc_merge_plan *p, const lyc_merge_piece *piece, lyc_error *err)
{
    work w = {.plan = p, .module = piece->module};
    const lyc_base_pieces *pieces = &piece->module->base.bias;
    int64_t before = 0;
    lyc_status status = begin(&w, err);
    float *sum = lyc_alloc_zero(w.outputs, sizeof *sum);
    w.bias = lyc_alloc_zero(w.outputs, sizeof *w.bias);
    status = status == LYC_OK && (sum == NULL || w.bias == NULL) ? no_memory(err) : status;
    status = status == LYC_OK ? lyc_base_pieces_read(sum, p->model, pieces, err) : status;
    for (const lyc_merge_change *c = piece->module->changes; status == LYC_OK && c != NULL; c = c->next) {
        status = merge_bias(sum, &w, c, err);
    }
    for (int i = 0; i < piece->piece; i++) {
        before += pieces->pieces[i].count;
    }
    if (status == LYC_OK) {
        const lyc_base_rows *rows = &pieces->pieces[piece->piece];
        memcpy(out + rows->row, sum + before, (size_t)rows->count * sizeof *out);
    }
    lyc_free(sum);
    end(&w);
    return status;
}

lyc_status lyc_merge_tensor(float *out, const lyc_merge_plan *plan, size_t file, size_t tensor, lyc_error *err)
{
    const lyc_tensor_view view = lyc_safetensors_tensor(lyc_base_model_file(plan->model, file)->tensors, tensor);
    const size_t count = (size_t)lyc_shape_elements(&view.shape);
    LYC_TRY(lyc_dtype_convert_parallel(out, LYC_F32, view.data, view.dtype, count, err));
    for (const lyc_merge_piece *piece = lyc_merge_plan_pieces(plan, file, tensor); piece != NULL; piece = piece->next) {
        LYC_TRY(piece->is_bias ? put_bias(out, plan, piece, err) : put_weight(out, plan, piece, err));
    }
    return LYC_OK;
}
