/* adapter_read.c - an adapter from the tensors of a layer in a file
 *
 * Shapes decide: ranks, factors and block sizes are taken from the tensors and checked against the layer, never made
 * again from options. A tensor may have its shape in another spelling: extents of 1 more or less ([out,r] for
 * [out,r,1,1]), neighbouring extents in one ([r,in*kernel] for [r,in,k,k]), vectors lying in another direction.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "adapter/adapter_internal.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

const lyc_tensor_view *lyc_adapter_group_find(const lyc_adapter_group *group, const char *name)
{
    for (size_t i = 0; i < group->count; i++) {
        if (strcmp(group->tensors[i].name, name) == 0) {
            return &group->tensors[i];
        }
    }
    return NULL;
}

lyc_status lyc_adapter_need(const lyc_tensor_view **out, const lyc_adapter_group *group, const char *name,
                            lyc_error *err)
{
    char text[LYC_SHAPE_TEXT];
    *out = lyc_adapter_group_find(group, name);
    if (*out == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is missing", name);
    }
    if ((*out)->shape.rank < 1) {
        return lyc_fail(err, LYC_E_SHAPE, "%s is %s, expected a matrix", name,
                        lyc_shape_text(text, sizeof text, &(*out)->shape));
    }
    for (int i = 0; i < (*out)->shape.rank; i++) {
        if ((*out)->shape.dims[i] < 1) {
            return lyc_fail(err, LYC_E_SHAPE, "%s is %s: it has no elements", name,
                            lyc_shape_text(text, sizeof text, &(*out)->shape));
        }
    }
    return LYC_OK;
}

int64_t lyc_adapter_extent(const lyc_adapter_group *group, const char *name, int axis)
{
    const lyc_tensor_view *tensor = lyc_adapter_group_find(group, name);
    if (tensor == NULL || axis >= tensor->shape.rank) {
        return 0;
    }
    if (axis >= 0) {
        return tensor->shape.dims[axis];
    }
    int64_t product = tensor->shape.rank > 1 ? 1 : 0;
    for (int i = 1; i < tensor->shape.rank; i++) {
        if (!lyc_int64_mul(&product, product, tensor->shape.dims[i])) {
            return 0;
        }
    }
    return product;
}

int64_t lyc_adapter_extent_times(int64_t a, int64_t b)
{
    int64_t product;
    return lyc_int64_mul(&product, a, b) ? product : 0;
}

int64_t lyc_adapter_core_kernel(const lyc_adapter_group *group, const char *core)
{
    const int64_t rest = lyc_adapter_extent(group, core, -1);
    const int64_t rank = lyc_adapter_extent(group, core, 1);
    return rank > 0 ? rest / rank : 0;
}

lyc_status lyc_adapter_load(float *out, const lyc_tensor_view *tensor, lyc_error *err)
{
    if (lyc_dtype_convert(out, LYC_F32, tensor->data, tensor->dtype, (size_t)lyc_shape_elements(&tensor->shape), err) !=
        LYC_OK) {
        return lyc_wrap(err, "%s", tensor->name);
    }
    return LYC_OK;
}

lyc_status lyc_adapter_number(double *out, const lyc_adapter_group *group, const char *name, double fallback,
                              lyc_error *err)
{
    const lyc_tensor_view *tensor = lyc_adapter_group_find(group, name);
    char text[LYC_SHAPE_TEXT];
    *out = fallback;
    if (tensor == NULL) {
        return LYC_OK;
    }
    if (lyc_shape_elements(&tensor->shape) != 1) {
        return lyc_fail(err, LYC_E_SHAPE, "%s is %s, expected one number", name,
                        lyc_shape_text(text, sizeof text, &tensor->shape));
    }
    if (!lyc_dtype_computable(tensor->dtype)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s has the type %s", name, lyc_dtype_name(tensor->dtype));
    }
    *out = lyc_dtype_load(tensor->dtype, tensor->data);
    return isfinite(*out) ? LYC_OK : lyc_fail(err, LYC_E_FORMAT, "%s is not finite", name);
}

lyc_status lyc_adapter_expect(const lyc_tensor_view *tensor, int axis, int64_t extent, lyc_error *err)
{
    char text[LYC_SHAPE_TEXT];
    if (axis < tensor->shape.rank && tensor->shape.dims[axis] == extent) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_SHAPE, "%s is %s, expected %lld at extent %d", tensor->name,
                    lyc_shape_text(text, sizeof text, &tensor->shape), (long long)extent, axis + 1);
}

/* The extents that are not 1. */
static lyc_shape squeezed(const lyc_shape *shape)
{
    lyc_shape s = {0};
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] != 1) {
            s.dims[s.rank++] = shape->dims[i];
        }
    }
    return s;
}

/* Whether one is the other with neighbouring extents multiplied together. */
static bool shapes_agree(const lyc_shape *a, const lyc_shape *b)
{
    const lyc_shape x = squeezed(a);
    const lyc_shape y = squeezed(b);
    const lyc_shape *fine = x.rank >= y.rank ? &x : &y;
    const lyc_shape *coarse = x.rank >= y.rank ? &y : &x;
    int i = 0;
    for (int k = 0; k < coarse->rank; k++) {
        int64_t product = 1;
        while (i < fine->rank && product < coarse->dims[k] && lyc_int64_mul(&product, product, fine->dims[i])) {
            i++;
        }
        if (product != coarse->dims[k]) {
            return false;
        }
    }
    return i == fine->rank;
}

static const char *name_in_file(const lyc_adapter_param *p)
{
    return p->read_as != NULL ? p->read_as : p->name;
}

static bool is_left_out(const lyc_adapter_param *p, const lyc_adapter_group *group)
{
    return p->optional && lyc_adapter_group_find(group, name_in_file(p)) == NULL;
}

lyc_status lyc_adapter_check_param(const lyc_adapter_param *p, const lyc_adapter_group *group, lyc_error *err)
{
    const lyc_tensor_view *tensor;
    char found[LYC_SHAPE_TEXT];
    char expected[LYC_SHAPE_TEXT];
    if (is_left_out(p, group)) {
        return LYC_OK;
    }
    LYC_TRY(lyc_adapter_need(&tensor, group, name_in_file(p), err));
    if (!shapes_agree(&p->shape, &tensor->shape)) {
        return lyc_fail(err, LYC_E_SHAPE, "%s is %s, expected %s", tensor->name,
                        lyc_shape_text(found, sizeof found, &tensor->shape),
                        lyc_shape_text(expected, sizeof expected, &p->shape));
    }
    return LYC_OK;
}

/* Alpha of a file is that of alpha / rank, whatever it was trained with; 0 or none stands for the rank. */
static lyc_status recover_common(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    lyc_adapter_config *config = a->config;
    if ((a->algorithm->common & LYC_ADAPTER_ALPHA) != 0) {
        LYC_TRY(lyc_adapter_number(&config->alpha, group, "alpha", 0.0, err));
    }
    const lyc_tensor_view *dora = lyc_adapter_group_find(group, "dora_scale");
    if (dora == NULL) {
        return LYC_OK;
    }
    if ((a->algorithm->common & LYC_ADAPTER_DORA) == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "dora_scale: DoRA does not go with %s", a->algorithm->name);
    }
    /* The axis shows in the shape: [out,1..] or [1,in..]; PEFT's [out] and [1,out,1,1] have as many outputs. */
    const int64_t n = lyc_shape_elements(&dora->shape);
    const bool outputs_first = dora->shape.rank > 0 && dora->shape.dims[0] == a->out;
    const bool inputs_second = dora->shape.rank > 1 && dora->shape.dims[1] == a->in && dora->shape.dims[0] == 1;
    config->weight_decompose = true;
    config->wd_on_out = n == a->out && (outputs_first || !inputs_second);
    return LYC_OK;
}

const lyc_adapter_algorithm *lyc_adapter_detect(const lyc_adapter_group *group)
{
    for (int i = 0; lyc_adapter_algorithms[i] != NULL; i++) {
        const lyc_adapter_algorithm *algorithm = lyc_adapter_algorithms[i];
        if (algorithm->detect != NULL && algorithm->detect(group)) {
            return algorithm;
        }
    }
    return NULL;
}

static lyc_status read_as(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    LYC_TRY(recover_common(a, group, err));
    if (a->algorithm->recover != NULL) {
        LYC_TRY(a->algorithm->recover(a, group, err));
    }
    LYC_TRY(lyc_adapter_complete(a, group, err));
    for (int i = 0; i < a->n_params; i++) {
        const lyc_adapter_param *p = &a->params[i];
        if (is_left_out(p, group)) {
            a->incomplete = true;
        } else if (p->saved) {
            LYC_TRY(lyc_adapter_load(p->data, lyc_adapter_group_find(group, name_in_file(p)), err));
        }
    }
    return LYC_OK;
}

lyc_status lyc_adapter_read(lyc_adapter **out, const char *name, const lyc_adapter_target *target,
                            const lyc_adapter_group *group, lyc_error *err)
{
    lyc_error own;
    lyc_adapter *a = NULL;
    err = err != NULL ? err : &own;
    const lyc_adapter_algorithm *algorithm = lyc_adapter_detect(group);
    if (algorithm == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "adapter of %s: no algorithm has these tensors (%s ...)",
                        lyc_adapter_layer_name(name), group->count > 0 ? group->tensors[0].name : "none");
    }
    lyc_status status = lyc_adapter_alloc(&a, algorithm, name, target, err);
    status = status != LYC_OK ? status : read_as(a, group, err);
    if (status != LYC_OK) {
        lyc_adapter_free(a);
        return lyc_wrap(err, "%s adapter of %s", algorithm->name, lyc_adapter_layer_name(name));
    }
    *out = a;
    return LYC_OK;
}
