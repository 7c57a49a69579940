/* adapter_start.c - start values of parameters
 *
 * A fresh adapter changes nothing: one factor is zero, or what is computed from the base weight makes up for the rest.
 * Numbers come from the native generator and depend on the seed, the layer's name and the parameter's name alone: the
 * same layer starts alike in whatever network it is, and whatever the number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "adapter/adapter_internal.h"
#include "adapter/dora.h"
#include "base/log.h"
#include "base/memory.h"
#include "tensor/random.h"
#include "tensor/shape.h"

/* fan_in as in torch: the second extent times what follows. */
static double bound_of(const lyc_shape *shape)
{
    const int64_t fan_in = lyc_shape_product(shape, shape->rank > 1 ? 1 : 0, shape->rank);
    return 1.0 / sqrt((double)fan_in);
}

/* The numbers of one parameter of one layer. */
static lyc_native_random numbers_of(const lyc_adapter *a, const char *name, uint64_t seed)
{
    return (lyc_native_random){.seed = seed,
                               .purpose = LYC_RANDOM_INIT | lyc_native_random_name(name) << 8,
                               .step = lyc_native_random_name(a->name)};
}

static void start(const lyc_adapter *a, lyc_adapter_param *p, uint64_t seed)
{
    const size_t n = (size_t)lyc_shape_elements(&p->shape);
    const lyc_native_random random = numbers_of(a, p->name, seed);
    double scale = 0.0;
    double shift = 0.0;
    switch (p->start) {
    case LYC_START_ZERO:
    case LYC_START_COMPUTED:
        break;
    case LYC_START_ONE:
        shift = 1.0;
        break;
    case LYC_START_KAIMING:
        lyc_native_random_uniforms(&random, p->data, 0, n);
        scale = 2.0 * bound_of(&p->shape);
        shift = -bound_of(&p->shape);
        break;
    case LYC_START_NORMAL:
        lyc_native_random_normals(&random, p->data, 0, n);
        scale = p->deviation;
        break;
    }
    for (size_t i = 0; i < n; i++) {
        p->data[i] = scale == 0.0 ? (float)shift : (float)(scale * (double)p->data[i] + shift);
    }
}

bool lyc_adapter_needs_weight(const lyc_adapter *a)
{
    bool needed = false;
    for (int i = 0; i < a->n_params; i++) {
        needed |= a->params[i].start == LYC_START_COMPUTED;
    }
    return needed;
}

/* The base weight as f32, which the caller releases. */
static lyc_status load_weight(float **out, const lyc_adapter *a, const lyc_tensor_view *weight, lyc_error *err)
{
    char found[LYC_SHAPE_TEXT];
    char expected[LYC_SHAPE_TEXT];
    if (weight == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "values of the %s adapter of %s come from the base weight, which is not there",
                        a->algorithm->name, a->name);
    }
    if (!lyc_shape_equal(&weight->shape, &a->target.weight)) {
        return lyc_fail(err, LYC_E_SHAPE, "the base weight of %s is %s, expected %s", a->name,
                        lyc_shape_text(found, sizeof found, &weight->shape),
                        lyc_shape_text(expected, sizeof expected, &a->target.weight));
    }
    float *w = lyc_alloc_zero((size_t)lyc_shape_elements(&weight->shape), sizeof *w);
    if (w == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the base weight of %s", a->name);
    }
    const lyc_status status = lyc_adapter_load(w, weight, err);
    if (status != LYC_OK) {
        lyc_free(w);
        return status;
    }
    *out = w;
    return LYC_OK;
}

lyc_status lyc_adapter_initialise(lyc_adapter *a, const lyc_tensor_view *weight, uint64_t seed, lyc_error *err)
{
    for (int i = 0; i < a->n_params; i++) {
        start(a, &a->params[i], seed);
    }
    if (!lyc_adapter_needs_weight(a)) {
        return LYC_OK;
    }
    float *w = NULL;
    lyc_status status = LYC_OK;
    LYC_TRY(load_weight(&w, a, weight, err));
    if (a->algorithm->start != NULL) {
        const lyc_native_random random = numbers_of(a, "", seed);
        status = a->algorithm->start(a, w, &random, err);
    }
    if (status == LYC_OK && lyc_dora_has(a)) {
        status = lyc_dora_start(a, w, err);
    }
    lyc_free(w);
    return status;
}

lyc_status lyc_adapter_restore(lyc_adapter *a, const lyc_tensor_view *weight, lyc_error *err)
{
    if (!a->incomplete) {
        return LYC_OK;
    }
    float *w = NULL;
    LYC_TRY(load_weight(&w, a, weight, err));
    const lyc_status status = a->algorithm->restore(a, w, err);
    lyc_free(w);
    if (status == LYC_OK) {
        a->incomplete = false;
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_GENERAL,
                      "%s: the %s adapter's file has no start values, they were computed from the base weight", a->name,
                      a->algorithm->name);
    }
    return status;
}
