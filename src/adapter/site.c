/* site.c - the values of an adapter in a graph, and what algorithms build from them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/site.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/build.h"
#include "tensor/shape.h"

/* Places of dropouts in the stream numbers of an adapter. */
enum { STREAM_BRANCH, STREAM_RANKS, STREAM_MODULE };

static const lyc_adapter_config *config_of(const lyc_adapter_site *site)
{
    return site->adapter->config;
}

static lyc_value *make_value(lyc_graph *g, const char *name, const lyc_adapter_param *p, lyc_value_kind kind)
{
    switch (kind) {
    case LYC_VALUE_WEIGHT:
        return lyc_graph_weight(g, name, LYC_F32, p->shape, p->data);
    case LYC_VALUE_PARAM:
        return p->trainable ? lyc_graph_param(g, name, LYC_FLOAT, LYC_F32, p->shape)
                            : lyc_graph_input(g, name, LYC_FLOAT, p->shape);
    default:
        return lyc_graph_input(g, name, LYC_FLOAT, p->shape);
    }
}

/* Whether numbers are needed beside their parameters, out of reach of the gradient. */
static bool wants_frozen(const lyc_adapter *a)
{
    return a->algorithm->wants_frozen || ((const lyc_adapter_config *)a->config)->wd_norm_constant;
}

void lyc_adapter_site_init(lyc_adapter_site *site, lyc_graph *g, const lyc_adapter *a, lyc_value_kind kind)
{
    *site = (lyc_adapter_site){.adapter = a};
    for (int i = 0; i < a->n_params; i++) {
        char name[512];
        snprintf(name, sizeof name, "%s.%s", a->name, a->params[i].name);
        site->params[i] = make_value(g, name, &a->params[i], kind);
        if (wants_frozen(a) && kind == LYC_VALUE_PARAM) {
            snprintf(name, sizeof name, "%s.%s.frozen", a->name, a->params[i].name);
            site->frozen[i] = make_value(g, name, &a->params[i], LYC_VALUE_INPUT);
        } else {
            site->frozen[i] = site->params[i];
        }
    }
}

lyc_status lyc_adapter_site_bind(const lyc_adapter_site *site, lyc_plan *plan, const lyc_adapter *a, lyc_error *err)
{
    for (int i = 0; i < site->adapter->n_params; i++) {
        const lyc_adapter_param *p = lyc_adapter_param_find(a, site->adapter->params[i].name);
        if (p == NULL || !lyc_shape_equal(&p->shape, &site->adapter->params[i].shape)) {
            return lyc_fail(err, LYC_E_SHAPE, "%s of %s: the adapter that takes its place has none of that shape",
                            site->adapter->params[i].name, site->adapter->name);
        }
        const size_t bytes = (size_t)lyc_shape_elements(&p->shape) * sizeof(float);
        for (int k = 0; k < 2; k++) {
            const lyc_value *v = k == 0 ? site->params[i] : site->frozen[i];
            if (v->kind != LYC_VALUE_WEIGHT && (k == 0 || v != site->params[i])) {
                LYC_TRY(lyc_plan_bind(plan, v, p->data, bytes, err));
            }
        }
    }
    return LYC_OK;
}

static lyc_value *find(const lyc_adapter_site *site, lyc_value *const *values, const char *name)
{
    for (int i = 0; i < site->adapter->n_params; i++) {
        if (strcmp(site->adapter->params[i].name, name) == 0) {
            return values[i];
        }
    }
    return NULL;
}

lyc_value *lyc_site_param(const lyc_adapter_site *site, const char *name)
{
    return find(site, site->params, name);
}

lyc_value *lyc_site_frozen(const lyc_adapter_site *site, const char *name)
{
    return find(site, site->frozen, name);
}

lyc_value *lyc_site_matrix(lyc_graph *g, const lyc_adapter_site *site, const char *name, int64_t rows, int64_t columns)
{
    lyc_value *v = lyc_site_param(site, name);
    assert(v != NULL);
    return lyc_site_as_matrix(g, v, rows, columns);
}

lyc_value *lyc_site_as_matrix(lyc_graph *g, lyc_value *v, int64_t rows, int64_t columns)
{
    if (lyc_value_failed(v) || (v->shape.rank == 2 && v->shape.dims[0] == rows && v->shape.dims[1] == columns)) {
        return v;
    }
    return lyc_reshape(g, v, LYC_SHAPE(rows, columns));
}

lyc_value *lyc_site_weight(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    lyc_value *w = site->layer->weight;
    if (site->layer->transposed) {
        return lyc_transpose(g, w, 2, (int[]){1, 0});
    }
    return a->algorithm->for_norms ? w : lyc_site_as_matrix(g, w, a->out, a->in * a->kernel);
}

/* n numbers that are 0 with probability p, else 1. */
static lyc_value *mask(lyc_graph *g, const lyc_adapter_site *site, int64_t n, double p, int stream)
{
    lyc_value *ones = lyc_broadcast(g, lyc_graph_scalar(g, 1.0f), LYC_SHAPE(n));
    lyc_value *kept = lyc_dropout(g, ones, site->key, (float)p, site->stream + stream);
    return lyc_affine(g, kept, (float)(1.0 - p), 0.0f);
}

bool lyc_site_drops_ranks(const lyc_adapter_site *site)
{
    return site->key != NULL && config_of(site)->rank_dropout > 0.0;
}

lyc_value *lyc_site_rank_mask(lyc_graph *g, const lyc_adapter_site *site, int64_t n)
{
    const lyc_adapter_config *config = config_of(site);
    if (!lyc_site_drops_ranks(site)) {
        return NULL;
    }
    lyc_value *m = mask(g, site, n, config->rank_dropout, STREAM_RANKS);
    if (!config->rank_dropout_scale) {
        return m;
    }
    /* All dropped: 0 / 0 is left at 0. */
    lyc_value *mean = lyc_reduce_mean(g, m, 1, true, true);
    return lyc_div(g, m, lyc_clamp_min(g, mean, 0.5f / (float)n));
}

lyc_value *lyc_site_drop_rows(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v)
{
    const lyc_adapter *a = site->adapter;
    if (config_of(site)->bypass_mode) {
        return v;
    }
    lyc_value *m = lyc_site_rank_mask(g, site, a->out);
    if (m == NULL || lyc_value_failed(v)) {
        return v;
    }
    lyc_shape column = v->shape;
    for (int i = 1; i < column.rank; i++) {
        column.dims[i] = 1;
    }
    return lyc_mul(g, v, lyc_reshape(g, m, column));
}

lyc_value *lyc_site_drop_channels(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v)
{
    lyc_value *m = config_of(site)->bypass_mode ? NULL : lyc_site_rank_mask(g, site, site->adapter->out);
    return m == NULL ? v : lyc_mul(g, v, m);
}

lyc_value *lyc_site_drop_elements(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v)
{
    return lyc_site_drops_ranks(site)
               ? lyc_dropout(g, v, site->key, (float)config_of(site)->rank_dropout, site->stream + STREAM_RANKS)
               : v;
}

/* The product of multiplier, scalar and module dropout, [1]; NULL when there are none. */
static lyc_value *strength(lyc_graph *g, const lyc_adapter_site *site)
{
    lyc_value *factors[3] = {site->multiplier, lyc_site_param(site, "scalar"), NULL};
    const double p = config_of(site)->module_dropout;
    if (site->key != NULL && p > 0.0) {
        factors[2] = mask(g, site, 1, p, STREAM_MODULE);
    }
    lyc_value *product = NULL;
    for (int i = 0; i < 3; i++) {
        if (factors[i] != NULL) {
            product = product == NULL ? factors[i] : lyc_mul(g, product, factors[i]);
        }
    }
    return product;
}

lyc_value *lyc_site_strengthen(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v)
{
    lyc_value *s = strength(g, site);
    return s == NULL ? v : lyc_mul(g, v, s);
}

bool lyc_site_drops_branch(const lyc_adapter_site *site)
{
    return site->key != NULL && config_of(site)->bypass_mode && config_of(site)->dropout > 0.0;
}

/* What is left of a branch beside the layer in training. */
static lyc_value *drop_branch(lyc_graph *g, const lyc_adapter_site *site, lyc_value *branch)
{
    return lyc_dropout(g, branch, site->key, (float)config_of(site)->dropout, site->stream + STREAM_BRANCH);
}

lyc_value *lyc_site_add_product(lyc_graph *g, const lyc_adapter_site *site, lyc_value *h, lyc_value *weight,
                                lyc_value *y, double alpha)
{
    if (!lyc_site_drops_branch(site)) {
        return lyc_site_pointwise(g, h, weight, y, alpha);
    }
    return lyc_add(g, y, drop_branch(g, site, lyc_site_pointwise(g, h, weight, NULL, alpha)));
}

lyc_value *lyc_site_add(lyc_graph *g, const lyc_adapter_site *site, lyc_value *branch, lyc_value *y)
{
    return lyc_add(g, y, lyc_site_drops_branch(site) ? drop_branch(g, site, branch) : branch);
}

bool lyc_site_is_pointwise(const lyc_adapter_site *site)
{
    const lyc_layer *layer = site->layer;
    if (layer->kind == LYC_LAYER_LINEAR) {
        return true;
    }
    const lyc_conv2d_attr *c = &layer->conv;
    return site->adapter->kernel == 1 && c->groups == 1 && c->stride[0] == 1 && c->stride[1] == 1 &&
           (c->pad[0] | c->pad[1] | c->pad[2] | c->pad[3]) == 0;
}

lyc_value *lyc_site_pointwise(lyc_graph *g, lyc_value *x, lyc_value *weight, lyc_value *y, double alpha)
{
    return lyc_matmul(g, x, weight, NULL, y, &(lyc_matmul_attr){.alpha = (float)alpha, .trans_b = true});
}

lyc_value *lyc_site_convolve(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *weight)
{
    const lyc_shape *w = &site->layer->weight->shape;
    if (lyc_value_failed(weight)) {
        return weight;
    }
    const int64_t rows = weight->shape.dims[0];
    const int64_t columns = lyc_shape_elements(&weight->shape) / rows / site->adapter->kernel;
    if (lyc_site_is_pointwise(site)) {
        return lyc_site_pointwise(g, x, lyc_site_as_matrix(g, weight, rows, columns), NULL, 1.0);
    }
    lyc_conv2d_attr attr = site->layer->conv;
    attr.activation = LYC_ACTIVATION_NONE;
    return lyc_conv2d(g, x, lyc_reshape(g, weight, LYC_SHAPE(rows, columns, w->dims[2], w->dims[3])), NULL, NULL,
                      &attr);
}

lyc_value *lyc_site_identity(lyc_graph *g, int64_t size)
{
    float *numbers = lyc_alloc_zero((size_t)(size * size), sizeof *numbers);
    if (numbers == NULL) {
        return lyc_graph_fail(g, LYC_E_MEMORY, "no memory for a block");
    }
    for (int64_t i = 0; i < size; i++) {
        numbers[i * size + i] = 1.0f;
    }
    lyc_value *v = lyc_graph_constant(g, LYC_SHAPE(size, size), numbers);
    lyc_free(numbers);
    return v;
}
