/* new_weights.c - the tensors of a network that is made from nothing
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pretrain/new_weights.h"

#include "pretrain/start_value.h"
#include "tensor/shape.h"

static lyc_trainable *make(lyc_new_weights *w, const char *name, const lyc_shape *shape)
{
    float *values = NULL;
    if (w->status == LYC_OK) {
        w->status = lyc_trainables_add_tensor(&values, w->set, w->component, name, shape, 0, &w->error);
    }
    if (w->status != LYC_OK) {
        return NULL;
    }
    lyc_start_value(values, name, shape, w->seed);
    return &w->set->rows[w->set->count - 1];
}

static bool find(lyc_weight_view *out, const void *context, const char *name, const lyc_shape *shape)
{
    lyc_new_weights *w = (lyc_new_weights *)(uintptr_t)context; /* a source is only read elsewhere */
    lyc_trainable *row = lyc_trainables_find(w->set, w->component, name);
    if (row == NULL && shape != NULL) {
        row = make(w, name, shape);
    }
    if (row == NULL) {
        return false;
    }
    *out = (lyc_weight_view){.name = row->name,
                             .key = row->name,
                             .file = "memory",
                             .dtype = LYC_F32,
                             .shape = row->shape,
                             .data = row->value,
                             .size_bytes = (size_t)row->count * sizeof *row->value};
    return true;
}

lyc_weight_source lyc_new_weights_source(lyc_new_weights *weights)
{
    return (lyc_weight_source){.find = find, .context = weights, .file = "memory"};
}

lyc_status lyc_new_weights_status(const lyc_new_weights *weights, const lyc_graph *g, lyc_error *err)
{
    if (weights->status != LYC_OK) {
        return lyc_fail(err, weights->status, "%s", weights->error.message);
    }
    return lyc_graph_status(g, err);
}
