/* adapter_case.h - a line of properties.txt: a layer, an adapter of it, and running both in a graph
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_ADAPTER_ADAPTER_CASE_H
#define TESTS_ADAPTER_ADAPTER_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/compute.h"
#include "adapter/site.h"
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "support/table.h"
#include "tensor/shape.h"

enum { MAX_SETTINGS = 12, MAX_ADAPTERS = 2 };

/* A line, with the base weight and the input that go with it. */
typedef struct adapter_case {
    char line[512];
    const lyc_adapter_algorithm *algorithm;
    lyc_adapter_target target;
    lyc_layer layer;
    int64_t count; /* of trainable numbers; 0: not said */
    lyc_adapter_setting settings[MAX_SETTINGS];
    size_t n_settings;
    lyc_shape x_shape;
    float *weight, *bias;
    lyc_tensor_view weight_view;
} adapter_case;

/* Numbers near 0 that depend on their place alone. */
static inline void case_fill(float *out, int64_t n, int stream, double deviation)
{
    const lyc_native_random random = {.seed = 17, .purpose = LYC_RANDOM_INIT, .step = (uint32_t)stream};
    lyc_native_random_normals(&random, out, 0, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        out[i] *= (float)deviation;
    }
}

static inline lyc_shape case_shape(const char *text)
{
    lyc_shape shape = {0};
    char *end = NULL;
    for (const char *at = text; end == NULL || *end == 'x'; at = end + 1) {
        shape.dims[shape.rank] = strtoll(at, &end, 10);
        shape.rank++;
    }
    return shape;
}

/* "key=value" before the bar. */
static inline void case_word(adapter_case *c, const char *word)
{
    const char *value = strchr(word, '=');
    assert_non_null(value);
    const int number = (int)strtol(value + 1, NULL, 10);
    lyc_conv2d_attr *conv = &c->layer.conv;
    const bool one_dimension = c->target.weight.rank == 3;
    if (strncmp(word, "stride=", 7) == 0) {
        conv->stride[0] = one_dimension ? 1 : number;
        conv->stride[1] = number;
    } else if (strncmp(word, "pad=", 4) == 0) {
        conv->pad[0] = conv->pad[2] = one_dimension ? 0 : number;
        conv->pad[1] = conv->pad[3] = number;
    } else if (strncmp(word, "dilation=", 9) == 0) {
        conv->dilation[0] = conv->dilation[1] = number;
    } else if (strcmp(word, "kind=group") == 0) {
        c->layer.kind = LYC_LAYER_GROUP_NORM;
    } else if (strncmp(word, "groups=", 7) == 0) {
        c->layer.groups = number;
        conv->groups = number;
    } else if (strncmp(word, "count=", 6) == 0) {
        c->count = number;
    } else {
        fail_msg("%s: what is %s?", c->line, word);
    }
}

/* Small images; the last extent is that of the inputs. */
static inline lyc_shape case_input(const adapter_case *c)
{
    const int64_t *w = c->target.weight.dims;
    switch (c->layer.kind) {
    case LYC_LAYER_LINEAR:
        return LYC_SHAPE(2, 3, w[1]);
    case LYC_LAYER_CONV2D:
        return LYC_SHAPE(2, c->target.weight.rank == 3 ? 1 : 6, 5, w[1] * c->layer.conv.groups);
    case LYC_LAYER_LAYER_NORM:
        return LYC_SHAPE(3, 4, w[0]);
    case LYC_LAYER_GROUP_NORM:
        break;
    }
    return LYC_SHAPE(2, 3, 2, w[0]);
}

static inline void case_parse(adapter_case *c, const char *line)
{
    static char text[512];
    *c = (adapter_case){0};
    assert_true(strlen(line) < sizeof text);
    memcpy(c->line, line, strlen(line) + 1);
    memcpy(text, line, strlen(line) + 1);
    char *options = strchr(text, '|');
    assert_non_null(options);
    *options++ = '\0';
    c->algorithm = lyc_adapter_algorithm_find(strtok(text, " "));
    assert_non_null(c->algorithm);
    c->target.weight = case_shape(strtok(NULL, " "));
    c->layer = (lyc_layer){.component = "", .name = "layer", .conv = lyc_conv2d_plain(1, 0), .groups = 1, .eps = 1e-5f};
    c->layer.kind = c->target.weight.rank == 1   ? LYC_LAYER_LAYER_NORM
                    : c->target.weight.rank == 2 ? LYC_LAYER_LINEAR
                                                 : LYC_LAYER_CONV2D;
    for (char *word; (word = strtok(NULL, " ")) != NULL;) {
        case_word(c, word);
    }
    for (char *word = strtok(options, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(c->n_settings < MAX_SETTINGS);
        char *value = strchr(word, '=');
        assert_non_null(value);
        *value = '\0';
        c->settings[c->n_settings++] = (lyc_adapter_setting){word, value + 1};
    }
    c->target.kind = c->layer.kind;
    c->target.groups = c->layer.kind == LYC_LAYER_CONV2D ? c->layer.conv.groups : 1;
    c->target.has_bias = true;
    c->x_shape = case_input(c);
    const int64_t n = lyc_shape_elements(&c->target.weight);
    c->weight = lyc_alloc_zero((size_t)n, sizeof(float));
    c->bias = lyc_alloc_zero((size_t)c->target.weight.dims[0], sizeof(float));
    case_fill(c->weight, n, 1, 0.3);
    case_fill(c->bias, c->target.weight.dims[0], 2, 0.3);
    c->weight_view = (lyc_tensor_view){.name = "weight",
                                       .dtype = LYC_F32,
                                       .shape = c->target.weight,
                                       .data = c->weight,
                                       .size_bytes = (size_t)n * sizeof(float)};
}

static inline void case_clear(adapter_case *c)
{
    lyc_free(c->weight);
    lyc_free(c->bias);
}

static inline const char *case_setting(const adapter_case *c, const char *name)
{
    for (size_t i = 0; i < c->n_settings; i++) {
        if (strcmp(c->settings[i].name, name) == 0) {
            return c->settings[i].value;
        }
    }
    return NULL;
}

/* Three dimensions are for merging alone. */
static inline bool case_runs(const adapter_case *c)
{
    return c->target.weight.rank != 5;
}

/* With start values, or with other values everywhere that stand for what was learned. */
static inline lyc_adapter *case_adapter(const adapter_case *c, bool learned, int stream)
{
    lyc_adapter *a = NULL;
    lyc_error err;
    if (lyc_adapter_new(&a, c->algorithm, "layer", &c->target, c->settings, c->n_settings, &err) != LYC_OK ||
        lyc_adapter_initialise(a, &c->weight_view, 5, &err) != LYC_OK) {
        fail_msg("%s: %s", c->line, err.message);
    }
    for (int i = 0; learned && i < a->n_params; i++) {
        lyc_adapter_param *p = &a->params[i];
        const int64_t n = lyc_shape_elements(&p->shape);
        float *more = lyc_alloc_zero((size_t)n, sizeof *more);
        case_fill(more, n, 10 * stream + i + 3, 0.3);
        for (int64_t k = 0; p->trainable && k < n; k++) {
            p->data[k] += more[k];
        }
        lyc_free(more);
    }
    return a;
}

/* --- runs in f64 ---------------------------------------------------------------------------------------------------
 */

typedef struct case_run {
    lyc_graph *g;
    lyc_plan *plan;
    lyc_adapter_site sites[MAX_ADAPTERS];
    lyc_value *multipliers[MAX_ADAPTERS];
    lyc_value *x, *y, *seed, *key;
    double strengths[MAX_ADAPTERS];
    int32_t key_words[2];
    double *numbers[MAX_ADAPTERS][LYC_ADAPTER_MAX_PARAMS];
    double *frozen[MAX_ADAPTERS][LYC_ADAPTER_MAX_PARAMS]; /* the same, out of reach of what is changed */
    double *x_numbers, *seed_numbers;
    int count;
} case_run;

static inline double *case_doubles(const float *from, int64_t n)
{
    double *out = lyc_alloc_zero((size_t)n, sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        out[i] = (double)from[i];
    }
    return out;
}

static inline void case_check(const adapter_case *c, lyc_status status, const lyc_error *err)
{
    if (status != LYC_OK) {
        fail_msg("%s: %s", c->line, err->message);
    }
}

static inline void case_bind(const adapter_case *c, const case_run *r, const lyc_value *v, void *data)
{
    lyc_error err;
    case_check(c, lyc_plan_bind(r->plan, v, data, lyc_plan_bytes(r->plan, v), &err), &err);
}

static inline void case_build(case_run *r, const adapter_case *c, lyc_adapter *const *adapters, lyc_adapter_form form,
                              bool training)
{
    lyc_graph *g = r->g;
    lyc_layer layer = c->layer;
    layer.weight = lyc_graph_weight(g, "weight", LYC_F32, c->target.weight, c->weight);
    layer.bias = lyc_graph_weight(g, "bias", LYC_F32, LYC_SHAPE(c->target.weight.dims[0]), c->bias);
    r->x = lyc_graph_param(g, "x", LYC_FLOAT, LYC_F32, c->x_shape);
    r->key = training ? lyc_graph_input(g, "key", LYC_INDEX, LYC_SHAPE(2)) : NULL;
    for (int k = 0; k < r->count; k++) {
        lyc_adapter_site_init(&r->sites[k], g, adapters[k], LYC_VALUE_PARAM);
        r->multipliers[k] = lyc_graph_input(g, "multiplier", LYC_FLOAT, LYC_SHAPE(1));
        r->sites[k].multiplier = r->multipliers[k];
        r->sites[k].key = r->key;
        r->sites[k].stream = k * LYC_ADAPTER_STREAMS;
    }
    lyc_value *y = lyc_adapter_apply(g, &layer, r->sites, r->count, r->x, LYC_ACTIVATION_NONE, NULL, form);
    r->y = lyc_graph_output(g, y);
    lyc_error err;
    case_check(c, lyc_graph_status(g, &err), &err);
    r->seed = lyc_graph_input(g, "seed", LYC_FLOAT, y->shape);
    case_check(c, lyc_graph_differentiate(g, 1, &r->y, &r->seed, &err), &err);
}

/* Builds and compiles; every number can be changed between runs. */
static inline void case_open(case_run *r, const adapter_case *c, lyc_adapter *const *adapters, int count,
                             lyc_adapter_form form, bool training)
{
    lyc_error err;
    *r = (case_run){.count = count, .key_words = {11, 3}};
    case_check(c, lyc_graph_new(&r->g, &err), &err);
    case_build(r, c, adapters, form, training);
    const lyc_plan_options options = {.precision = LYC_PRECISION_F64, .backend = lyc_backend_cpu()};
    case_check(c, lyc_plan_compile(&r->plan, r->g, &options, &err), &err);
    for (int k = 0; k < count; k++) {
        r->strengths[k] = 1.0;
        case_bind(c, r, r->multipliers[k], &r->strengths[k]);
        for (int i = 0; i < adapters[k]->n_params; i++) {
            const lyc_adapter_param *p = &adapters[k]->params[i];
            r->numbers[k][i] = case_doubles(p->data, lyc_shape_elements(&p->shape));
            case_bind(c, r, r->sites[k].params[i], r->numbers[k][i]);
            if (r->sites[k].frozen[i] != r->sites[k].params[i]) {
                r->frozen[k][i] = case_doubles(p->data, lyc_shape_elements(&p->shape));
                case_bind(c, r, r->sites[k].frozen[i], r->frozen[k][i]);
            }
        }
    }
    const int64_t n_x = lyc_shape_elements(&r->x->shape);
    const int64_t n_y = lyc_shape_elements(&r->seed->shape);
    float *drawn = lyc_alloc_zero((size_t)(n_x + n_y), sizeof *drawn);
    case_fill(drawn, n_x + n_y, 90, 1.0);
    r->x_numbers = case_doubles(drawn, n_x);
    r->seed_numbers = case_doubles(drawn + n_x, n_y);
    lyc_free(drawn);
    case_bind(c, r, r->x, r->x_numbers);
    case_bind(c, r, r->seed, r->seed_numbers);
    if (r->key != NULL) {
        case_bind(c, r, r->key, r->key_words);
    }
}

/* The output, valid until the next run. */
static inline const double *case_go(const adapter_case *c, case_run *r)
{
    lyc_error err;
    case_check(c, lyc_plan_run(r->plan, &err), &err);
    return lyc_plan_data(r->plan, r->y);
}

static inline int64_t case_size(const case_run *r)
{
    return lyc_shape_elements(&r->y->shape);
}

static inline void case_close(case_run *r)
{
    for (int k = 0; k < r->count; k++) {
        for (int i = 0; i < LYC_ADAPTER_MAX_PARAMS; i++) {
            lyc_free(r->numbers[k][i]);
            lyc_free(r->frozen[k][i]);
        }
    }
    lyc_free(r->x_numbers);
    lyc_free(r->seed_numbers);
    lyc_plan_free(r->plan);
    lyc_graph_free(r->g);
}

/* Fails when got and want differ by more than tolerance times the largest of want. */
static inline void case_same(const adapter_case *c, const char *what, const double *got, const double *want, int64_t n,
                             double tolerance)
{
    double largest = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(want[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs(got[i] - want[i]) <= tolerance * largest)) {
            fail_msg("%s: %s[%lld] is %.9g, expected %.9g", c->line, what, (long long)i, got[i], want[i]);
        }
    }
}

/* The change of the weight at a strength, or the changed weight; the caller releases it. */
static inline float *case_change(const adapter_case *c, const lyc_adapter *a, double multiplier, bool merged)
{
    float *out = lyc_alloc_zero((size_t)lyc_shape_elements(&c->target.weight), sizeof *out);
    lyc_error err;
    lyc_adapter_change change = {.weight = out, .merged = merged};
    case_check(c, lyc_adapter_compute(&change, a, &c->weight_view, multiplier, &err), &err);
    return out;
}

static inline double case_norm(const float *v, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)v[i] * (double)v[i];
    }
    return sqrt(sum);
}

#endif
