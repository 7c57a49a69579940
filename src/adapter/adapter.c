/* adapter.c - the table of algorithms, and adapters in memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/adapter.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "adapter/adapter_internal.h"
#include "base/memory.h"
#include "base/size.h"
#include "tensor/shape.h"

const lyc_adapter_algorithm *const lyc_adapter_algorithms[] = {
#define LYC_ADAPTER(name) &lyc_adapter_##name,
#include "adapter/list.def"
#undef LYC_ADAPTER
    NULL,
};

const lyc_adapter_algorithm *lyc_adapter_algorithm_find(const char *name)
{
    for (int i = 0; lyc_adapter_algorithms[i] != NULL; i++) {
        const lyc_adapter_algorithm *algorithm = lyc_adapter_algorithms[i];
        if (strcmp(algorithm->name, name) == 0) {
            return algorithm;
        }
        for (const char *const *alias = algorithm->aliases; alias != NULL && *alias != NULL; alias++) {
            if (strcmp(*alias, name) == 0) {
                return algorithm;
            }
        }
    }
    return NULL;
}

lyc_adapter_target lyc_adapter_target_of(const lyc_layer *layer)
{
    lyc_adapter_target target = {.kind = layer->kind, .groups = 1, .has_bias = layer->bias != NULL};
    if (layer->weight != NULL) {
        target.weight = layer->weight->shape;
    }
    if (layer->transposed) {
        target.weight = LYC_SHAPE(target.weight.dims[1], target.weight.dims[0]);
    }
    if (layer->kind == LYC_LAYER_CONV2D) {
        target.groups = layer->conv.groups;
    }
    return target;
}

static lyc_status check_target(lyc_adapter *a, lyc_error *err)
{
    const lyc_adapter_target *t = &a->target;
    const bool is_norm = t->kind == LYC_LAYER_LAYER_NORM || t->kind == LYC_LAYER_GROUP_NORM;
    const int least = is_norm ? 1 : t->kind == LYC_LAYER_LINEAR ? 2 : 3;
    const int most = is_norm ? 1 : t->kind == LYC_LAYER_LINEAR ? 2 : 5;
    char text[LYC_SHAPE_TEXT];
    size_t bytes;
    if (a->algorithm->for_norms != is_norm) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s adapts %s, and this layer is %s", a->algorithm->name,
                        is_norm ? "weights of layers" : "norms", is_norm ? "a norm" : "none");
    }
    if (t->weight.rank < least || t->weight.rank > most) {
        return lyc_fail(err, LYC_E_SHAPE, "the layer's weight is %s, expected %d%s extents",
                        lyc_shape_text(text, sizeof text, &t->weight), least, least < most ? " to 5" : "");
    }
    LYC_TRY(lyc_shape_bytes(&bytes, &t->weight, LYC_F32, err));
    if (bytes == 0) {
        return lyc_fail(err, LYC_E_SHAPE, "the layer's weight is %s: it has no elements",
                        lyc_shape_text(text, sizeof text, &t->weight));
    }
    a->out = t->weight.dims[0];
    a->in = is_norm ? 1 : t->weight.dims[1];
    a->kernel = lyc_shape_product(&t->weight, is_norm ? 1 : 2, t->weight.rank);
    return LYC_OK;
}

const char *lyc_adapter_layer_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return name[0] >= '0' && name[0] <= '9' && slash != NULL ? slash + 1 : name;
}

lyc_status lyc_adapter_alloc(lyc_adapter **out, const lyc_adapter_algorithm *algorithm, const char *name,
                             const lyc_adapter_target *target, lyc_error *err)
{
    assert(algorithm->config_size >= sizeof(lyc_adapter_config));
    lyc_adapter *a = lyc_alloc_zero(1, sizeof *a);
    if (a == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an adapter");
    }
    a->algorithm = algorithm;
    a->target = *target;
    a->target.groups = target->groups < 1 ? 1 : target->groups;
    a->scale = 1.0;
    a->name = lyc_arena_text(&a->arena, name);
    a->config = lyc_arena_alloc(&a->arena, 1, algorithm->config_size);
    lyc_status status = a->name == NULL || a->config == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for an adapter")
                                                             : check_target(a, err);
    const lyc_option *option;
    for (int i = 0; status == LYC_OK && (option = lyc_adapter_option(algorithm, i)) != NULL; i++) {
        if (option->standard != NULL) {
            status = lyc_option_set(a->config, option, option->standard, err);
        }
    }
    if (status != LYC_OK) {
        lyc_adapter_free(a);
        return status;
    }
    *out = a;
    return LYC_OK;
}

void lyc_adapter_free(lyc_adapter *a)
{
    if (a != NULL) {
        lyc_arena_clear(&a->arena);
        lyc_free(a);
    }
}

lyc_adapter_param *lyc_adapter_add(lyc_adapter *a, const char *name, lyc_shape shape, lyc_adapter_start start)
{
    assert(a->n_params < LYC_ADAPTER_MAX_PARAMS);
    lyc_adapter_param *p = &a->params[a->n_params++];
    *p = (lyc_adapter_param){.name = name, .shape = shape, .start = start, .trainable = true, .saved = true};
    return p;
}

lyc_adapter_param *lyc_adapter_param_find(const lyc_adapter *a, const char *name)
{
    for (int i = 0; i < a->n_params; i++) {
        if (strcmp(a->params[i].name, name) == 0) {
            return (lyc_adapter_param *)&a->params[i];
        }
    }
    return NULL;
}

lyc_shape lyc_adapter_pointwise(const lyc_adapter *a, int64_t rows, int64_t columns)
{
    lyc_shape shape = {.rank = a->target.weight.rank, .dims = {rows, columns}};
    for (int i = 2; i < shape.rank; i++) {
        shape.dims[i] = 1;
    }
    return shape;
}

lyc_shape lyc_adapter_kernel(const lyc_adapter *a, int64_t rows, int64_t columns)
{
    lyc_shape shape = a->target.weight;
    shape.dims[0] = rows;
    shape.dims[1] = columns;
    return shape;
}

/* The shape of dora_scale: one norm for each output, or for each input. */
static lyc_shape dora_shape(const lyc_adapter *a)
{
    const lyc_adapter_config *config = a->config;
    return config->wd_on_out ? lyc_adapter_pointwise(a, a->out, 1) : lyc_adapter_pointwise(a, 1, a->in);
}

/* What files have beside a product for the change of a bias. */
static const char OTHER_BIAS[] = "diff_b";

const char *lyc_adapter_bias(const lyc_adapter *a)
{
    const char *name = a->algorithm->bias != NULL ? a->algorithm->bias : OTHER_BIAS;
    return lyc_adapter_param_find(a, name) != NULL ? name : NULL;
}

lyc_status lyc_adapter_complete(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    const lyc_adapter_config *config = a->config;
    if ((a->algorithm->common & LYC_ADAPTER_ALPHA) != 0) {
        const double rank = (double)config->rank;
        /* As files have it: the scale is the same when the adapter is read back. */
        const double alpha = config->alpha == 0.0 ? rank : (double)(float)config->alpha;
        a->scale = alpha / (config->rs_lora ? sqrt(rank) : rank);
    }
    if (config->weight_decompose && config->bypass_mode) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "weight_decompose and bypass_mode exclude each other: DoRA changes the "
                        "whole weight");
    }
    a->algorithm->params(a);
    if (config->weight_decompose) {
        lyc_adapter_add(a, "dora_scale", dora_shape(a), LYC_START_COMPUTED);
    }
    if (config->use_scalar) {
        lyc_adapter_add(a, "scalar", LYC_SHAPE(1), LYC_START_ZERO)->saved = false;
    }
    const bool takes_bias = a->algorithm->additive && a->algorithm->bias == NULL && !a->algorithm->for_norms;
    if (group != NULL && takes_bias && lyc_adapter_group_find(group, OTHER_BIAS) != NULL) {
        lyc_adapter_add(a, OTHER_BIAS, LYC_SHAPE(a->out), LYC_START_ZERO);
    }
    for (int i = 0; i < a->n_params; i++) {
        lyc_adapter_param *p = &a->params[i];
        size_t bytes;
        LYC_TRY(lyc_shape_bytes(&bytes, &p->shape, LYC_F32, err));
        if (group != NULL && p->saved) {
            LYC_TRY(lyc_adapter_check_param(p, group, err));
        }
        p->data = lyc_arena_alloc(&a->arena, 1, bytes);
        if (p->data == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for %s: %zu bytes", p->name, bytes);
        }
    }
    return LYC_OK;
}

static lyc_status set_options(lyc_adapter *a, const lyc_adapter_setting *settings, size_t count, lyc_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const lyc_option *option = lyc_adapter_option_find(a->algorithm, settings[i].name);
        if (option == NULL) {
            return lyc_fail(err, LYC_E_ARGUMENT, "%s has no option %s", a->algorithm->name, settings[i].name);
        }
        if (lyc_option_set(a->config, option, settings[i].value, err) != LYC_OK) {
            return lyc_wrap(err, "%s", settings[i].name);
        }
    }
    return LYC_OK;
}

lyc_status lyc_adapter_new(lyc_adapter **out, const lyc_adapter_algorithm *algorithm, const char *name,
                           const lyc_adapter_target *target, const lyc_adapter_setting *settings, size_t count,
                           lyc_error *err)
{
    lyc_error own;
    lyc_adapter *a = NULL;
    err = err != NULL ? err : &own;
    lyc_status status = lyc_adapter_alloc(&a, algorithm, name, target, err);
    status = status != LYC_OK ? status : set_options(a, settings, count, err);
    status = status != LYC_OK || algorithm->prepare == NULL ? status : algorithm->prepare(a, err);
    status = status != LYC_OK ? status : lyc_adapter_complete(a, NULL, err);
    if (status != LYC_OK) {
        lyc_adapter_free(a);
        return lyc_wrap(err, "adapter of %s", lyc_adapter_layer_name(name));
    }
    *out = a;
    return LYC_OK;
}

int64_t lyc_adapter_parameter_count(const lyc_adapter *a)
{
    int64_t count = 0;
    for (int i = 0; i < a->n_params; i++) {
        count += a->params[i].trainable ? lyc_shape_elements(&a->params[i].shape) : 0;
    }
    return count;
}
