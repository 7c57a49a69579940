/* adapters.c - one layer with one adapter: outputs, changed weights, gradients
 *
 * Tensors of a case: base.weight, base.bias, x and the fixed loss weights g (images are [n,c,h,w] here); adapter.* as a
 * file has them, param.* as they are while training; for each multiplier m<m>.y, m<m>.grad.*, m<m>.merged_weight or
 * m<m>.effective_weight (which is the one to match where both are there), m<m>.merged_bias, m<m>.diff_weight.
 *
 * Each case runs four times for each multiplier: from the file and from the options, structured and merged. What is
 * written for the adapter is compared with adapter.*.
 *
 * Where the library departs from what is right (its notes and docs/pitfalls.md say why) the case is still computed:
 *   DoRA at m != 1   its weight is ours + (1 - m) ΔW: a second adapter of that strength, without DoRA, on the same
 * layer; DyLoRA           its scale is alpha / blocks in use, ours alpha / ranks in use: a strength of m block_size;
 *   full             its parameters are the changed weight and bias, ours the changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/compute.h"
#include "adapter/site.h"
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "kind.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

enum { MAX_SETTINGS = 24, MAX_GROUP = 24 };

/* The parts of a case. */
typedef struct subject {
    lyc_case *c;
    const lyc_safetensors *file;
    const lyc_adapter_algorithm *algorithm;
    lyc_tensor_view weight, bias, x, loss_weights;
    bool has_bias;
    lyc_layer layer; /* without values */
    lyc_adapter_target target;
    lyc_adapter *from_file;
    lyc_adapter *from_options;
    lyc_adapter *without_dora; /* NULL: the case has no DoRA */
    double active_ranks;       /* of DyLoRA; 0: none */
    double strength_factor;    /* of the multiplier: see above */
    lyc_arena arena;
} subject;

static const json_t *option(const subject *s, const char *name)
{
    return json_object_get(json_object_get(s->c->json, "constructor_options"), name);
}

static lyc_status need(lyc_tensor_view *out, const subject *s, const char *name, lyc_error *err)
{
    if (!lyc_safetensors_find(out, s->file, name)) {
        return lyc_fail(err, LYC_E_FORMAT, "no tensor %s", name);
    }
    return LYC_OK;
}

/* --- the layer -----------------------------------------------------------------------------------------------------
 */

/* The k-th of a list of numbers; a number alone stands for all. */
static int extent_of(const json_t *layer, const char *name, size_t k, int fallback)
{
    const json_t *value = json_object_get(layer, name);
    value = json_is_array(value) ? json_array_get(value, k) : value;
    return json_is_integer(value) ? (int)json_integer_value(value) : fallback;
}

static void read_conv(lyc_conv2d_attr *conv, const json_t *layer)
{
    *conv = lyc_conv2d_plain(1, 0);
    for (size_t k = 0; k < 2; k++) {
        conv->stride[k] = extent_of(layer, "stride", k, 1);
        conv->dilation[k] = extent_of(layer, "dilation", k, 1);
        conv->pad[k] = conv->pad[k + 2] = extent_of(layer, "padding", k, 0);
    }
    conv->groups = extent_of(layer, "groups", 0, 1);
}

static lyc_status read_layer(subject *s, lyc_error *err)
{
    const json_t *layer = json_object_get(s->c->json, "layer");
    const double eps = json_number_value(json_object_get(layer, "eps"));
    LYC_TRY(need(&s->weight, s, "base.weight", err));
    LYC_TRY(need(&s->x, s, "x", err));
    LYC_TRY(need(&s->loss_weights, s, "g", err));
    s->has_bias = lyc_safetensors_find(&s->bias, s->file, "base.bias");
    s->layer = (lyc_layer){.component = "", .name = s->c->name, .eps = (float)eps};
    if (json_object_get(layer, "num_groups") != NULL) {
        s->layer.kind = LYC_LAYER_GROUP_NORM;
        s->layer.groups = extent_of(layer, "num_groups", 0, 1);
    } else if (json_object_get(layer, "normalized_shape") != NULL) {
        s->layer.kind = LYC_LAYER_LAYER_NORM;
    } else if (json_object_get(layer, "kernel_size") != NULL) {
        s->layer.kind = LYC_LAYER_CONV2D;
        read_conv(&s->layer.conv, layer);
    } else {
        s->layer.kind = LYC_LAYER_LINEAR;
    }
    s->target = (lyc_adapter_target){.kind = s->layer.kind, .weight = s->weight.shape, .has_bias = s->has_bias};
    s->target.groups = s->layer.kind == LYC_LAYER_CONV2D ? s->layer.conv.groups : 1;
    return LYC_OK;
}

static bool channels_second(const subject *s)
{
    return s->layer.kind == LYC_LAYER_CONV2D || s->layer.kind == LYC_LAYER_GROUP_NORM;
}

/* --- the adapters --------------------------------------------------------------------------------------------------
 */

/* The tensors whose names begin with the prefix, without it. */
static void group_of(lyc_adapter_group *group, lyc_tensor_view *tensors, const subject *s, const char *prefix)
{
    *group = (lyc_adapter_group){.tensors = tensors};
    for (size_t i = 0; i < lyc_safetensors_count(s->file) && group->count < MAX_GROUP; i++) {
        lyc_tensor_view tensor = lyc_safetensors_tensor(s->file, i);
        if (strncmp(tensor.name, prefix, strlen(prefix)) == 0) {
            tensor.name += strlen(prefix);
            tensors[group->count++] = tensor;
        }
    }
}

static lyc_status read_file(subject *s, lyc_error *err)
{
    lyc_tensor_view tensors[MAX_GROUP];
    lyc_adapter_group group;
    group_of(&group, tensors, s, "adapter.");
    return lyc_adapter_read(&s->from_file, s->c->name, &s->target, &group, err);
}

/* The options of the library's constructor as settings; DoRA left out for the adapter without it. */
static size_t settings_of(lyc_adapter_setting *settings, subject *s, bool dora)
{
    const char *name;
    json_t *value;
    size_t n = 0;
    json_object_foreach(json_object_get(s->c->json, "constructor_options"), name, value)
    {
        const lyc_option *known = lyc_adapter_option_find(s->algorithm, name);
        if (known == NULL || n == MAX_SETTINGS || (!dora && strcmp(known->name, "weight_decompose") == 0)) {
            continue;
        }
        const char *text = json_is_boolean(value) ? (json_is_true(value) ? "true" : "false")
                                                  : lyc_arena_format(&s->arena, "%.15g", json_number_value(value));
        settings[n++] = (lyc_adapter_setting){known->name, text};
    }
    return n;
}

/* A parameter's values as they are while training. */
static lyc_status fill_param(const subject *s, lyc_adapter_param *p, lyc_error *err)
{
    char name[128];
    lyc_tensor_view tensor;
    const size_t n = (size_t)lyc_shape_elements(&p->shape);
    snprintf(name, sizeof name, "param.%s", p->name);
    if (!lyc_safetensors_find(&tensor, s->file, name)) {
        snprintf(name, sizeof name, "adapter.%s", p->name);
        LYC_TRY(need(&tensor, s, name, err));
    }
    if ((size_t)lyc_shape_elements(&tensor.shape) != n) {
        return lyc_fail(err, LYC_E_SHAPE, "%s has another number of elements", name);
    }
    return lyc_dtype_convert(p->data, LYC_F32, tensor.data, tensor.dtype, n, err);
}

static lyc_status make(lyc_adapter **out, subject *s, bool dora, lyc_error *err)
{
    lyc_adapter_setting settings[MAX_SETTINGS];
    const size_t n = settings_of(settings, s, dora);
    LYC_TRY(lyc_adapter_new(out, s->algorithm, s->c->name, &s->target, settings, n, err));
    for (int i = 0; i < (*out)->n_params; i++) {
        LYC_TRY(fill_param(s, &(*out)->params[i], err));
    }
    return LYC_OK;
}

static lyc_status make_adapters(subject *s, lyc_error *err)
{
    const char *name = lyc_case_text(s->c, "algorithm");
    s->algorithm = name == NULL ? NULL : lyc_adapter_algorithm_find(name);
    if (s->algorithm == NULL) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "no algorithm %s", name != NULL ? name : "is named");
    }
    LYC_TRY(read_file(s, err));
    LYC_TRY(make(&s->from_options, s, true, err));
    if (json_is_true(option(s, "weight_decompose"))) {
        LYC_TRY(make(&s->without_dora, s, false, err));
    }
    s->strength_factor = 1.0;
    const json_t *block = json_object_get(s->c->json, "active_block_index");
    if (block != NULL) {
        s->strength_factor = (double)json_integer_value(option(s, "block_size"));
        s->active_ranks = (double)(json_integer_value(block) + 1) * s->strength_factor;
    }
    return LYC_OK;
}

/* --- a run ---------------------------------------------------------------------------------------------------------
 */

/* The layer with the adapter in a graph. */
typedef struct trial {
    lyc_graph *g;
    lyc_plan *plan;
    lyc_adapter_site sites[2];
    int site_count;
    lyc_value *multipliers[2];
    lyc_value *ranks;
    lyc_value *x, *y, *loss_weights;
    float strengths[2];
    float active;
} trial;

/* The second site has the parameters of the first. */
static void share_params(lyc_adapter_site *site, const lyc_adapter *a, const lyc_adapter_site *with)
{
    *site = (lyc_adapter_site){.adapter = a};
    for (int i = 0; i < a->n_params; i++) {
        site->params[i] = lyc_site_param(with, a->params[i].name);
        site->frozen[i] = site->params[i];
    }
}

static void build_sites(trial *t, const subject *s, const lyc_adapter *a, double multiplier)
{
    lyc_adapter_site_init(&t->sites[0], t->g, a, LYC_VALUE_PARAM);
    t->strengths[0] = (float)(multiplier * s->strength_factor);
    t->strengths[1] = (float)(1.0 - multiplier);
    t->site_count = 1;
    if (s->without_dora != NULL && multiplier != 1.0) {
        share_params(&t->sites[1], s->without_dora, &t->sites[0]);
        t->site_count = 2;
    }
    for (int k = 0; k < t->site_count; k++) {
        t->multipliers[k] = lyc_graph_input(t->g, k == 0 ? "multiplier" : "remainder", LYC_FLOAT, LYC_SHAPE(1));
        t->sites[k].multiplier = t->multipliers[k];
    }
    if (s->active_ranks > 0.0) {
        t->active = (float)s->active_ranks;
        t->ranks = lyc_graph_input(t->g, "ranks", LYC_FLOAT, LYC_SHAPE(1));
        t->sites[0].ranks = t->ranks;
    }
}

static void build(trial *t, const subject *s, const lyc_adapter *a, double multiplier, lyc_adapter_form form)
{
    static const int to_last[] = {0, 2, 3, 1};
    static const int to_second[] = {0, 3, 1, 2};
    lyc_layer layer = s->layer;
    layer.weight = lyc_graph_weight(t->g, "base.weight", s->weight.dtype, s->weight.shape, s->weight.data);
    layer.bias = s->has_bias ? lyc_graph_weight(t->g, "base.bias", s->bias.dtype, s->bias.shape, s->bias.data) : NULL;
    build_sites(t, s, a, multiplier);
    t->x = lyc_graph_param(t->g, "x", LYC_FLOAT, LYC_F32, s->x.shape);
    t->loss_weights = lyc_graph_input(t->g, "g", LYC_FLOAT, s->loss_weights.shape);
    const bool images = channels_second(s);
    lyc_value *x = images ? lyc_transpose(t->g, t->x, 4, to_last) : t->x;
    lyc_value *y = lyc_adapter_apply(t->g, &layer, t->sites, t->site_count, x, LYC_ACTIVATION_NONE, NULL, form);
    t->y = lyc_graph_output(t->g, images ? lyc_transpose(t->g, y, 4, to_second) : y);
}

static lyc_status bind(const trial *t, const subject *s, const lyc_adapter *a, float *x, float *g, lyc_error *err)
{
    LYC_TRY(lyc_dtype_convert(x, LYC_F32, s->x.data, s->x.dtype, (size_t)lyc_shape_elements(&s->x.shape), err));
    LYC_TRY(lyc_dtype_convert(g, LYC_F32, s->loss_weights.data, s->loss_weights.dtype,
                              (size_t)lyc_shape_elements(&s->loss_weights.shape), err));
    LYC_TRY(lyc_plan_bind(t->plan, t->x, x, lyc_plan_bytes(t->plan, t->x), err));
    LYC_TRY(lyc_plan_bind(t->plan, t->loss_weights, g, lyc_plan_bytes(t->plan, t->loss_weights), err));
    for (int k = 0; k < t->site_count; k++) {
        LYC_TRY(lyc_plan_bind(t->plan, t->multipliers[k], (void *)&t->strengths[k], sizeof(float), err));
    }
    if (t->ranks != NULL) {
        LYC_TRY(lyc_plan_bind(t->plan, t->ranks, (void *)&t->active, sizeof t->active, err));
    }
    return lyc_adapter_site_bind(&t->sites[0], t->plan, a, err);
}

/* "m0.7": numbers as Python writes them. */
static const char *prefix_of(char *text, size_t size, double multiplier)
{
    snprintf(text, size, "m%.15g", multiplier);
    if (strpbrk(text, ".e") == NULL) {
        snprintf(text, size, "m%.15g.0", multiplier);
    }
    return text;
}

static void compare(lyc_result *result, const lyc_tensor_view *want, const float *got, const char *label,
                    lyc_tolerance tolerance)
{
    lyc_compare_values(result, label, &want->shape, (lyc_values){got, LYC_F32}, (lyc_values){want->data, want->dtype},
                       tolerance);
}

/* The columns [first, first + count) of a matrix [rows,columns], or as many rows of them. */
static void compare_block(lyc_result *result, const lyc_tensor_view *want, const float *got, const lyc_shape *whole,
                          int64_t block, bool columns, lyc_tolerance tolerance)
{
    const int64_t rows = whole->dims[0];
    const int64_t width = lyc_shape_elements(whole) / rows;
    const int64_t n = lyc_shape_elements(&want->shape);
    const int64_t step = columns ? n / rows : n;
    float *part = lyc_alloc_zero((size_t)n, sizeof *part);
    if (part == NULL) {
        lyc_result_complain(result, "no memory for %s", want->name);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = columns ? i / step * width + block * step + i % step : block * n + i;
        part[i] = at < rows * width ? got[at] : 0.0f;
    }
    compare(result, want, part, want->name, tolerance);
    lyc_free(part);
}

/* The library's name of a gradient, and what it has of ours. */
static void compare_gradient(lyc_result *result, const trial *t, const lyc_tensor_view *want, const char *name,
                             lyc_tolerance tolerance)
{
    static const struct {
        const char *library, *ours;
        bool columns;
    } blocks[] = {{"up_list.", "lora_up.weight", true}, {"down_list.", "lora_down.weight", false}};
    const bool is_full = strcmp(t->sites[0].adapter->algorithm->name, "full") == 0;
    const lyc_value *v = NULL;
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        if (strncmp(name, blocks[i].library, strlen(blocks[i].library)) == 0) {
            v = lyc_site_param(&t->sites[0], blocks[i].ours);
            const float *got = v == NULL ? NULL : lyc_plan_data(t->plan, lyc_graph_gradient(t->g, v));
            if (got == NULL) {
                lyc_result_complain(result, "no gradient %s", name);
                return;
            }
            const long block = strtol(name + strlen(blocks[i].library), NULL, 10);
            compare_block(result, want, got, &v->shape, block, blocks[i].columns, tolerance);
            return;
        }
    }
    if (is_full) {
        name = strcmp(name, "weight") == 0 ? "diff" : strcmp(name, "bias") == 0 ? "diff_b" : name;
    }
    v = strcmp(name, "x") == 0 ? t->x : lyc_site_param(&t->sites[0], name);
    const lyc_value *gradient = v == NULL ? NULL : lyc_graph_gradient(t->g, v);
    if (gradient == NULL || lyc_shape_elements(&gradient->shape) != lyc_shape_elements(&want->shape)) {
        lyc_result_complain(result, "no gradient %s", name);
        return;
    }
    compare(result, want, lyc_plan_data(t->plan, gradient), want->name, tolerance);
}

static void compare_run(lyc_result *result, const trial *t, const subject *s, double multiplier, bool gradients,
                        const char *way)
{
    char prefix[48];
    char label[192];
    lyc_tensor_view want;
    const lyc_tolerance values = {s->c->absolute_tolerance, s->c->relative_tolerance};
    const lyc_tolerance slopes = {json_number_value(json_object_get(s->c->json, "gradient_absolute_tolerance")),
                                  json_number_value(json_object_get(s->c->json, "gradient_relative_tolerance"))};
    prefix_of(prefix, sizeof prefix, multiplier);
    snprintf(label, sizeof label, "%s.y", prefix);
    if (lyc_safetensors_find(&want, s->file, label)) {
        snprintf(label, sizeof label, "%s.y (%s)", prefix, way);
        compare(result, &want, lyc_plan_data(t->plan, t->y), label, values);
    }
    snprintf(label, sizeof label, "%s.grad.", prefix);
    for (size_t i = 0; gradients && i < lyc_safetensors_count(s->file); i++) {
        want = lyc_safetensors_tensor(s->file, i);
        if (strncmp(want.name, label, strlen(label)) == 0) {
            compare_gradient(result, t, &want, want.name + strlen(label), slopes);
        }
    }
}

static lyc_status run_trial(lyc_result *result, const subject *s, const lyc_adapter *a, double multiplier,
                            lyc_adapter_form form, lyc_error *err)
{
    trial t = {0};
    float *x = NULL;
    const bool gradients = a == s->from_options;
    const lyc_plan_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_cpu()};
    LYC_TRY(lyc_graph_new(&t.g, err));
    build(&t, s, a, multiplier, form);
    lyc_status status = lyc_graph_differentiate(t.g, 1, &t.y, &t.loss_weights, err);
    status = status != LYC_OK ? status : lyc_plan_compile(&t.plan, t.g, &options, err);
    if (status == LYC_OK) {
        const size_t n = (size_t)lyc_shape_elements(&s->x.shape);
        x = lyc_alloc((n + (size_t)lyc_shape_elements(&s->loss_weights.shape)) * sizeof *x);
        status = x == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for x") : bind(&t, s, a, x, x + n, err);
    }
    status = status != LYC_OK ? status : lyc_plan_run(t.plan, err);
    if (status == LYC_OK) {
        compare_run(result, &t, s, multiplier, gradients, form == LYC_ADAPTER_MERGED ? "merged" : "structured");
    }
    lyc_plan_free(t.plan);
    lyc_graph_free(t.g);
    lyc_free(x);
    return status;
}

/* --- weights and files ---------------------------------------------------------------------------------------------
 */

/* Adds (1 - m) ΔW: what the library has more. */
static lyc_status add_remainder(float *weight, const subject *s, double multiplier, lyc_error *err)
{
    const size_t n = (size_t)lyc_shape_elements(&s->weight.shape);
    float *more = lyc_alloc_zero(n, sizeof *more);
    if (more == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a change");
    }
    const lyc_status status =
        lyc_adapter_compute(&(lyc_adapter_change){.weight = more}, s->without_dora, NULL, 1.0 - multiplier, err);
    for (size_t i = 0; i < n; i++) {
        weight[i] += more[i];
    }
    lyc_free(more);
    return status;
}

static lyc_status compare_weight(lyc_result *result, const subject *s, const lyc_adapter *a, double multiplier,
                                 const char *name, bool merged, lyc_error *err)
{
    char label[192];
    char prefix[48];
    lyc_tensor_view want;
    const lyc_tolerance tolerance = {s->c->absolute_tolerance, s->c->relative_tolerance};
    snprintf(label, sizeof label, "%s.%s", prefix_of(prefix, sizeof prefix, multiplier), name);
    if (!lyc_safetensors_find(&want, s->file, label)) {
        return LYC_OK;
    }
    const bool is_bias = want.shape.rank == 1 && strstr(name, "bias") != NULL;
    float *got = lyc_alloc_zero((size_t)lyc_shape_elements(&want.shape), sizeof *got);
    if (got == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", label);
    }
    lyc_adapter_change change = {.merged = merged && !is_bias};
    *(is_bias ? &change.bias : &change.weight) = got;
    lyc_status status = lyc_adapter_compute(&change, a, &s->weight, multiplier * s->strength_factor, err);
    if (status == LYC_OK && s->without_dora != NULL && multiplier != 1.0 && !is_bias) {
        status = add_remainder(got, s, multiplier, err);
    }
    for (int64_t i = 0; is_bias && merged && i < want.shape.dims[0]; i++) {
        const size_t bytes = (size_t)lyc_dtype_bits(s->bias.dtype) / 8;
        got[i] += (float)lyc_dtype_load(s->bias.dtype, (const char *)s->bias.data + (size_t)i * bytes);
    }
    if (status == LYC_OK) {
        compare(result, &want, got, label, tolerance);
    }
    lyc_free(got);
    return status;
}

/* LoHa and LoKr: the library's own merge has the scale twice; the weight that its forward pass uses is stored too. */
static lyc_status compare_weights(lyc_result *result, const subject *s, const lyc_adapter *a, double multiplier,
                                  lyc_error *err)
{
    char name[64];
    char prefix[48];
    lyc_tensor_view effective;
    snprintf(name, sizeof name, "%s.effective_weight", prefix_of(prefix, sizeof prefix, multiplier));
    if (lyc_safetensors_find(&effective, s->file, name)) {
        return compare_weight(result, s, a, multiplier, "effective_weight", true, err);
    }
    if (s->active_ranks > 0.0) {
        return LYC_OK; /* merging has no active block */
    }
    LYC_TRY(compare_weight(result, s, a, multiplier, "merged_weight", true, err));
    LYC_TRY(compare_weight(result, s, a, multiplier, "merged_bias", true, err));
    LYC_TRY(compare_weight(result, s, a, multiplier, "diff_bias", false, err));
    return s->without_dora != NULL ? LYC_OK : compare_weight(result, s, a, multiplier, "diff_weight", false, err);
}

/* What we write for the adapter against what the library writes. */
static lyc_status compare_file(lyc_result *result, const subject *s, lyc_error *err)
{
    lyc_tensor_view tensors[MAX_GROUP];
    lyc_adapter_group want;
    lyc_adapter_file file;
    const lyc_adapter_config *config = s->from_options->config;
    const lyc_tolerance tolerance = {1e-6, 1e-6};
    group_of(&want, tensors, s, "adapter.");
    LYC_TRY(lyc_adapter_write(&file, s->from_options, err));
    const lyc_adapter_group got = {file.tensors, (size_t)file.count};
    /* The library forgets the square root of the rank in GLoRA's alpha. */
    const bool wrong_alpha = strcmp(s->algorithm->name, "glora") == 0 && config->rs_lora;
    for (size_t i = 0; i < want.count; i++) {
        const lyc_tensor_view *w = &want.tensors[i];
        const lyc_tensor_view *g = lyc_adapter_group_find(&got, w->name);
        if (g == NULL || lyc_shape_elements(&g->shape) != lyc_shape_elements(&w->shape)) {
            lyc_result_complain(result, "%s is not written as the library does", w->name);
        } else if (!(wrong_alpha && strcmp(w->name, "alpha") == 0)) {
            lyc_compare_values(result, w->name, &w->shape, (lyc_values){g->data, g->dtype},
                               (lyc_values){w->data, w->dtype}, tolerance);
        }
    }
    if (got.count != want.count) {
        lyc_result_complain(result, "%zu tensors are written, the library writes %zu", got.count, want.count);
    }
    lyc_adapter_file_clear(&file);
    return LYC_OK;
}

static lyc_status run_multiplier(lyc_result *result, const subject *s, double multiplier, lyc_error *err)
{
    const lyc_adapter *adapters[] = {s->from_file, s->from_options};
    const lyc_layer *layer = &s->layer;
    for (int i = 0; i < 2; i++) {
        const lyc_adapter *a = adapters[i];
        /* A file of GLoRA with rs_lora has another scale; DyLoRA's is read as LoRA. */
        if (a == s->from_file && (a->algorithm != s->algorithm || a->scale != s->from_options->scale) &&
            (s->active_ranks > 0.0 || strcmp(s->algorithm->name, "glora") == 0)) {
            continue;
        }
        const lyc_adapter_site site = {.adapter = a};
        LYC_TRY(run_trial(result, s, a, multiplier, LYC_ADAPTER_MERGED, err));
        if (lyc_adapter_structure_known(layer, &site, 1)) {
            LYC_TRY(run_trial(result, s, a, multiplier, LYC_ADAPTER_STRUCTURED, err));
        }
        LYC_TRY(compare_weights(result, s, a, multiplier, err));
    }
    return LYC_OK;
}

static lyc_status run_subject(lyc_result *result, subject *s, lyc_error *err)
{
    LYC_TRY(lyc_case_open(&s->file, s->c, err));
    LYC_TRY(read_layer(s, err));
    LYC_TRY(make_adapters(s, err));
    LYC_TRY(compare_file(result, s, err));
    const json_t *multipliers = json_object_get(s->c->json, "multipliers");
    for (size_t i = 0; i < json_array_size(multipliers); i++) {
        LYC_TRY(run_multiplier(result, s, json_number_value(json_array_get(multipliers, i)), err));
    }
    return LYC_OK;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    subject s = {.c = c};
    const lyc_status status = run_subject(result, &s, err);
    lyc_adapter_free(s.from_file);
    lyc_adapter_free(s.from_options);
    lyc_adapter_free(s.without_dora);
    lyc_arena_clear(&s.arena);
    return status;
}

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "algorithm") && lyc_case_has(c, "layer") && lyc_case_has(c, "constructor_options");
}

const lyc_kind lyc_kind_adapters = {
    .name = "adapters",
    .folder = "adapters",
    .recognise = recognise,
    .run = run,
};
