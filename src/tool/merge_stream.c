/* merge_stream.c - the usual tensor of a merge: all of one module, a few rows at a time
 *
 * Pieces of about a million numbers stay in the cache, from the model's file to the new one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/compute.h"
#include "adapter/rows.h"
#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/merge_internal.h"

enum { NUMBERS = 1 << 20 };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a merged tensor");
}

/* The module that the tensor is, no more and no less; NULL where it is anything else. */
static const lyc_merge_module *whole_module(const lyc_merge_plan *p, const lyc_merge_piece *piece,
                                            const lyc_tensor_view *view)
{
    const lyc_merge_module *m = piece->module;
    const bool plain = piece->next == NULL && !piece->is_bias && m->base.weight.count == 1 && !m->base.transposed &&
                       view->shape.rank > 1 && lyc_shape_equal(&view->shape, &m->base.weight.shape) &&
                       !p->options->precise && !p->options->independent && !p->options->dora_lycoris;
    for (const lyc_merge_change *c = m->changes; plain && c != NULL; c = c->next) {
        lyc_adapter_target target;
        const bool told = lyc_network_file_target(&target, p->sources[c->source].file, c->layer, NULL) == LYC_OK;
        if (c->swapped || (told && !lyc_shape_equal(&target.weight, &view->shape))) {
            return NULL;
        }
    }
    return plain ? m : NULL;
}

static int64_t common_multiple(int64_t a, int64_t b)
{
    int64_t x = a, y = b;
    while (y != 0) {
        const int64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

/* As many rows as make a piece, in steps that all adapters have parts of. */
static int64_t choose_step(const lyc_merge_stream *s)
{
    const int64_t rows = s->base.shape.dims[0], width = lyc_shape_elements(&s->base.shape) / rows;
    int64_t least = 1;
    for (size_t i = 0; i < s->count; i++) {
        const int64_t step = lyc_adapter_row_step(s->adapters[i]);
        if (step == 0) {
            return rows;
        }
        least = common_multiple(least, step);
    }
    const int64_t wanted = NUMBERS / width / least * least;
    const int64_t step = wanted > 0 ? wanted : least;
    return step < rows ? step : rows;
}

static lyc_status open_adapters(lyc_merge_stream *s, lyc_error *err)
{
    size_t count = 0;
    for (const lyc_merge_change *c = s->module->changes; c != NULL; c = c->next) {
        count++;
    }
    s->adapters = lyc_alloc_zero(count, sizeof(lyc_adapter *));
    s->strengths = lyc_alloc_zero(count, sizeof *s->strengths);
    if (s->adapters == NULL || s->strengths == NULL) {
        return no_memory(err);
    }
    for (const lyc_merge_change *c = s->module->changes; c != NULL; c = c->next) {
        const lyc_merge_source *source = &s->plan->sources[c->source];
        const lyc_base_layer base = {.dtype = s->base.dtype, .shape = s->base.shape, .weight = s->base.data};
        const double strength = s->module->text ? source->adapter->text : source->adapter->unet;
        if (strength > 0 || strength < 0) {
            s->strengths[s->count] = strength;
            LYC_TRY(lyc_network_file_open_adapter(&s->adapters[s->count], source->file, c->layer, &base, err));
            s->count++;
        }
    }
    return LYC_OK;
}

lyc_status lyc_merge_stream_open(lyc_merge_stream *out, bool *possible, const lyc_merge_plan *plan, size_t file,
                                 size_t tensor, lyc_error *err)
{
    const lyc_tensor_view view = lyc_safetensors_tensor(lyc_base_model_file(plan->model, file)->tensors, tensor);
    *out = (lyc_merge_stream){.plan = plan, .base = view};
    out->module = whole_module(plan, lyc_merge_plan_pieces(plan, file, tensor), &view);
    *possible = out->module != NULL;
    if (!*possible) {
        return LYC_OK;
    }
    lyc_status status = open_adapters(out, err);
    if (status == LYC_OK) {
        const int64_t width = lyc_shape_elements(&view.shape) / view.shape.dims[0];
        out->step = choose_step(out);
        out->before = out->count > 1 ? lyc_alloc((size_t)(out->step * width) * sizeof *out->before) : NULL;
        status = out->count > 1 && out->before == NULL ? no_memory(err) : LYC_OK;
    }
    if (status != LYC_OK) {
        lyc_merge_stream_close(out);
    }
    return status;
}

void lyc_merge_stream_close(lyc_merge_stream *stream)
{
    for (size_t i = 0; i < stream->count; i++) {
        lyc_adapter_free(stream->adapters[i]);
    }
    lyc_free(stream->adapters);
    lyc_free(stream->strengths);
    lyc_free(stream->before);
    *stream = (lyc_merge_stream){0};
}

/* One adapter on rows: all of it when they are all rows. */
static lyc_status change_rows(float *out, const lyc_adapter *a, const lyc_tensor_view *rows, double strength,
                              int64_t first, int64_t all, lyc_error *err)
{
    lyc_adapter_change change = {.weight = out, .merged = true};
    lyc_adapter *part = NULL;
    if (rows->shape.dims[0] == all) {
        return lyc_adapter_compute(&change, a, rows, strength, err);
    }
    LYC_TRY(lyc_adapter_rows(&part, a, first, rows->shape.dims[0], err));
    const lyc_status status = lyc_adapter_compute(&change, part, rows, strength, err);
    lyc_adapter_rows_free(part);
    return status;
}

lyc_status lyc_merge_stream_rows(float *out, lyc_merge_stream *s, int64_t first, int64_t count, lyc_error *err)
{
    const int64_t all = s->base.shape.dims[0], width = lyc_shape_elements(&s->base.shape) / all;
    lyc_tensor_view rows = s->base;
    const size_t numbers = (size_t)(count * width);
    rows.shape.dims[0] = count;
    rows.size_bytes = s->base.size_bytes / (size_t)all * (size_t)count;
    rows.data = (const char *)s->base.data + s->base.size_bytes / (size_t)all * (size_t)first;
    if (s->count == 0) {
        return lyc_dtype_convert_parallel(out, LYC_F32, rows.data, rows.dtype, numbers, err);
    }
    for (size_t i = 0; i < s->count; i++) {
        LYC_TRY(change_rows(out, s->adapters[i], &rows, s->strengths[i], first, all, err));
        if (i + 1 < s->count) {
            memcpy(s->before, out, numbers * sizeof *out); /* fits: of the largest piece */
            rows.dtype = LYC_F32;
            rows.data = s->before;
            rows.size_bytes = numbers * sizeof *out;
        }
    }
    return LYC_OK;
}
