/* compute.c - changes of weights outside of a network's graph
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/compute.h"

#include <math.h>
#include <string.h>

#include "adapter/adapter_internal.h"
#include "adapter/site.h"
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "graph/build.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

bool lyc_adapter_depends_on_weight(const lyc_adapter *a)
{
    return !a->algorithm->additive || ((const lyc_adapter_config *)a->config)->weight_decompose;
}

bool lyc_adapter_changes_bias(const lyc_adapter *a)
{
    return lyc_adapter_bias(a) != NULL;
}

/* A graph of the change, and where its results are. */
typedef struct change_graph {
    lyc_graph *g;
    lyc_layer layer;
    lyc_adapter_site site;
    lyc_value *multiplier;
    lyc_value *weight;
    lyc_value *bias;
} change_graph;

/* The layer and the adapter beside it. */
static void start_graph(change_graph *c, const lyc_adapter *a, const lyc_tensor_view *weight)
{
    lyc_graph *g = c->g;
    c->layer = (lyc_layer){.kind = a->target.kind, .component = "", .name = a->name, .conv = lyc_conv2d_plain(1, 0)};
    c->layer.weight = weight != NULL ? lyc_graph_weight(g, "weight", weight->dtype, weight->shape, weight->data)
                                     : lyc_graph_input(g, "weight", LYC_FLOAT, a->target.weight);
    lyc_adapter_site_init(&c->site, g, a, LYC_VALUE_INPUT);
    c->multiplier = lyc_graph_input(g, "multiplier", LYC_FLOAT, LYC_SHAPE(1));
    c->site.multiplier = c->multiplier;
}

static void build(change_graph *c, const lyc_adapter_change *wanted)
{
    lyc_graph *g = c->g;
    if (wanted->weight != NULL) {
        c->weight = (wanted->merged ? lyc_adapter_changed : lyc_adapter_delta)(g, &c->layer, &c->site);
        lyc_graph_output(g, c->weight);
    }
    if (wanted->bias != NULL) {
        c->bias = lyc_adapter_delta_bias(g, &c->layer, &c->site);
        c->bias = c->bias == NULL ? NULL : lyc_graph_output(g, c->bias);
    }
}

static lyc_status run(lyc_adapter_change *out, const change_graph *c, const lyc_adapter *a, float multiplier,
                      lyc_error *err)
{
    lyc_plan *plan = NULL;
    const lyc_plan_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_cpu()};
    LYC_TRY(lyc_plan_compile(&plan, c->g, &options, err));
    lyc_status status = lyc_adapter_site_bind(&c->site, plan, a, err);
    status = status != LYC_OK ? status : lyc_plan_bind(plan, c->multiplier, &multiplier, sizeof multiplier, err);
    status = status != LYC_OK ? status : lyc_plan_run(plan, err);
    if (status == LYC_OK && c->weight != NULL) {
        memcpy(out->weight, lyc_plan_data(plan, c->weight), lyc_plan_bytes(plan, c->weight));
    }
    if (status == LYC_OK && c->bias != NULL) {
        memcpy(out->bias, lyc_plan_data(plan, c->bias), lyc_plan_bytes(plan, c->bias));
    }
    lyc_plan_free(plan);
    return status;
}

lyc_status lyc_adapter_compute(lyc_adapter_change *out, const lyc_adapter *a, const lyc_tensor_view *weight,
                               double multiplier, lyc_error *err)
{
    char found[LYC_SHAPE_TEXT];
    char expected[LYC_SHAPE_TEXT];
    lyc_error own;
    err = err != NULL ? err : &own;
    if (a->incomplete) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: the %s adapter's start values are missing", a->name,
                        a->algorithm->name);
    }
    if (weight == NULL && (lyc_adapter_depends_on_weight(a) || out->merged)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: %s changes a weight by what it is, and the base weight is not there",
                        a->name, a->algorithm->name);
    }
    if (weight != NULL && !lyc_shape_equal(&weight->shape, &a->target.weight)) {
        return lyc_fail(err, LYC_E_SHAPE, "%s: the base weight is %s, the adapter is for %s", a->name,
                        lyc_shape_text(found, sizeof found, &weight->shape),
                        lyc_shape_text(expected, sizeof expected, &a->target.weight));
    }
    if (out->bias != NULL) {
        memset(out->bias, 0, (size_t)a->out * sizeof *out->bias);
    }
    change_graph c = {0};
    LYC_TRY(lyc_graph_new(&c.g, err));
    start_graph(&c, a, weight);
    build(&c, out);
    lyc_status status = lyc_graph_status(c.g, err);
    if (status == LYC_OK && (c.weight != NULL || c.bias != NULL)) {
        status = run(out, &c, a, (float)multiplier, err);
    }
    lyc_graph_free(c.g);
    return status == LYC_OK ? LYC_OK
                            : lyc_wrap(err, "%s adapter of %s", a->algorithm->name, lyc_adapter_layer_name(a->name));
}

/* --- as a product --------------------------------------------------------------------------------------------------
 */

typedef struct product_graph {
    change_graph c;
    lyc_value *up, *down;
} product_graph;

static lyc_status open_product(product_graph *p, const lyc_adapter *a, lyc_error *err)
{
    *p = (product_graph){0};
    LYC_TRY(lyc_graph_new(&p->c.g, err));
    start_graph(&p->c, a, NULL);
    p->c.site.layer = &p->c.layer;
    a->algorithm->product(&p->up, &p->down, p->c.g, &p->c.site);
    return lyc_graph_status(p->c.g, err);
}

static bool is_product(const lyc_adapter *a)
{
    return a->algorithm->product != NULL && !lyc_adapter_depends_on_weight(a);
}

lyc_status lyc_adapter_product_rank(int64_t *rank, const lyc_adapter *a, lyc_error *err)
{
    *rank = 0;
    if (!is_product(a)) {
        return LYC_OK;
    }
    product_graph p;
    const lyc_status status = open_product(&p, a, err);
    if (status == LYC_OK) {
        *rank = p.up->shape.dims[1];
    }
    lyc_graph_free(p.c.g);
    return status == LYC_OK ? LYC_OK
                            : lyc_wrap(err, "%s adapter of %s", a->algorithm->name, lyc_adapter_layer_name(a->name));
}

static lyc_status run_product(float *up, float *down, product_graph *p, const lyc_adapter *a, float multiplier,
                              lyc_error *err)
{
    lyc_plan *plan = NULL;
    const lyc_plan_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_cpu()};
    lyc_value *v[] = {lyc_graph_output(p->c.g, p->up), lyc_graph_output(p->c.g, p->down)};
    LYC_TRY(lyc_plan_compile(&plan, p->c.g, &options, err));
    lyc_status status = lyc_adapter_site_bind(&p->c.site, plan, a, err);
    status = status != LYC_OK ? status : lyc_plan_bind(plan, p->c.multiplier, &multiplier, sizeof multiplier, err);
    status = status != LYC_OK ? status : lyc_plan_run(plan, err);
    if (status == LYC_OK) {
        memcpy(up, lyc_plan_data(plan, v[0]), lyc_plan_bytes(plan, v[0]));
        memcpy(down, lyc_plan_data(plan, v[1]), lyc_plan_bytes(plan, v[1]));
    }
    lyc_plan_free(plan);
    return status;
}

lyc_status lyc_adapter_product(float *up, float *down, const lyc_adapter *a, double multiplier, lyc_error *err)
{
    if (!is_product(a) || a->incomplete) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: the change of this %s adapter %s", a->name, a->algorithm->name,
                        is_product(a) ? "is not known without its start values" : "is no product of two matrices");
    }
    product_graph p;
    lyc_status status = open_product(&p, a, err);
    if (status == LYC_OK) {
        status = run_product(up, down, &p, a, (float)multiplier, err);
    }
    lyc_graph_free(p.c.g);
    return status == LYC_OK ? LYC_OK
                            : lyc_wrap(err, "%s adapter of %s", a->algorithm->name, lyc_adapter_layer_name(a->name));
}

/* --- max norm ------------------------------------------------------------------------------------------------------
 */

/* ||ΔW||, of multiplier 1 and without DoRA; the sum in f64. */
static lyc_status change_norm(double *norm, const lyc_adapter *a, lyc_error *err)
{
    const size_t n = (size_t)lyc_shape_elements(&a->target.weight);
    float *numbers = lyc_alloc(n * sizeof *numbers);
    change_graph c = {0};
    if (numbers == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the change of %s", a->name);
    }
    lyc_adapter_change change = {.weight = numbers};
    lyc_status status = lyc_graph_new(&c.g, err);
    if (status == LYC_OK) {
        start_graph(&c, a, NULL);
        c.site.layer = &c.layer;
        c.weight = lyc_graph_output(c.g, a->algorithm->delta(c.g, &c.site));
        status = run(&change, &c, a, 1.0f, err);
    }
    double sum = 0.0;
    for (size_t i = 0; status == LYC_OK && i < n; i++) {
        sum += (double)numbers[i] * (double)numbers[i];
    }
    *norm = sqrt(sum);
    lyc_graph_free(c.g);
    lyc_free(numbers);
    return status;
}

static void scale_param(lyc_adapter_param *p, double ratio)
{
    const int64_t n = lyc_shape_elements(&p->shape);
    for (int64_t i = 0; i < n; i++) {
        p->data[i] = (float)((double)p->data[i] * ratio);
    }
}

/* Through the scalar where there is one: the factors keep their balance. */
static void shrink(lyc_adapter *a, double ratio)
{
    lyc_adapter_param *scalar = lyc_adapter_param_find(a, "scalar");
    if (a->algorithm->shrink != NULL) {
        a->algorithm->shrink(a, ratio);
    } else if (scalar != NULL) {
        scale_param(scalar, ratio);
    } else {
        for (int i = 0; i < 2 && a->algorithm->proportional[i] != NULL; i++) {
            lyc_adapter_param *p = lyc_adapter_param_find(a, a->algorithm->proportional[i]);
            if (p != NULL) {
                scale_param(p, ratio);
            }
        }
    }
}

lyc_status lyc_adapter_max_norm(double *norm, bool *scaled, lyc_adapter *a, double limit, lyc_error *err)
{
    *norm = 0.0;
    *scaled = false;
    if (!a->algorithm->max_norm) {
        return LYC_OK;
    }
    if (!(limit > 0.0)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a max norm of %g, expected more than 0", limit);
    }
    if (a->algorithm->norm != NULL) {
        *norm = a->algorithm->norm(a);
    } else {
        LYC_TRY(change_norm(norm, a, err));
    }
    const double above = fmax(*norm, limit / 2.0);
    const double ratio = fmin(above, limit) / above;
    if (ratio < 1.0) {
        shrink(a, ratio);
        *norm *= ratio;
        *scaled = true;
    }
    return LYC_OK;
}
