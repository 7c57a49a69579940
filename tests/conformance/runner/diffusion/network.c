/* network.c - a network built for one case
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

lyc_status lyc_network_case_init(lyc_network_case *n, lyc_case *c, lyc_error *err)
{
    *n = (lyc_network_case){.c = c};
    LYC_TRY(lyc_case_open(&n->file, c, err));
    return lyc_graph_new(&n->graph, err);
}

void lyc_network_case_clear(lyc_network_case *n)
{
    lyc_plan_free(n->plan);
    lyc_graph_free(n->graph);
    for (int i = 0; i < n->bound_count; i++) {
        lyc_free(n->bound[i].data);
    }
    lyc_component_close(n->component);
    lyc_component_close(n->second);
}

/* --- weights --------------------------------------------------------------------------------------------------- */

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* "tiny_sdxl_1_text": the first or second encoder of a model that has two. */
static lyc_component_kind kind_of_case(const lyc_case *c, lyc_component_kind kind)
{
    const bool second = strstr(c->name, "_2_text") != NULL;
    return kind == LYC_COMPONENT_TEXT_ENCODER && second ? LYC_COMPONENT_TEXT_ENCODER_2 : kind;
}

enum { PART_SIZE = 2048, PATH_SIZE = PART_SIZE + 64 };

lyc_status lyc_network_case_component(lyc_component **out, lyc_network_case *n, lyc_component_kind kind, lyc_error *err)
{
    char part[PART_SIZE];
    char file[PATH_SIZE];
    char config[PATH_SIZE];
    const char *model = lyc_case_text(n->c, "model");
    if (model == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no member \"model\"");
    }
    kind = kind_of_case(n->c, kind);
    if (snprintf(part, sizeof part, "%s/%s/%s", n->c->folder, model, lyc_component_kind_name(kind)) >= PART_SIZE) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the path of %s is too long", model);
    }
    lyc_component **place = n->component == NULL ? &n->component : &n->second;
    if (exists(part)) {
        LYC_TRY(lyc_component_open(place, kind, NULL, part, err));
    } else {
        snprintf(file, sizeof file, "%s.safetensors", part);
        snprintf(config, sizeof config, "%s_config.json", part);
        if (!exists(config)) {
            *strrchr(part, '/') = '\0';
            snprintf(config, sizeof config, "%s/config.json", part);
        }
        LYC_TRY(lyc_component_open(place, kind, config, file, err));
    }
    *out = *place;
    return LYC_OK;
}

/* --- numbers --------------------------------------------------------------------------------------------------- */

bool lyc_network_case_has(const lyc_network_case *n, const char *tensor)
{
    lyc_tensor_view view;
    return lyc_safetensors_find(&view, n->file, tensor);
}

static lyc_status find(lyc_tensor_view *view, const lyc_network_case *n, const char *tensor, lyc_error *err)
{
    return lyc_safetensors_find(view, n->file, tensor) ? LYC_OK : lyc_fail(err, LYC_E_FORMAT, "no tensor %s", tensor);
}

/* [n,c,h,w] to [n,h,w,c], or back. */
static void permute(float *out, const float *in, const lyc_shape *nchw, bool back)
{
    const int64_t channels = nchw->dims[1];
    const int64_t pixels = nchw->dims[2] * nchw->dims[3];
    for (int64_t i = 0; i < nchw->dims[0]; i++) {
        for (int64_t c = 0; c < channels; c++) {
            for (int64_t p = 0; p < pixels; p++) {
                const int64_t planar = (i * channels + c) * pixels + p;
                const int64_t last = (i * pixels + p) * channels + c;
                out[back ? planar : last] = in[back ? last : planar];
            }
        }
    }
}

lyc_status lyc_network_case_floats(float **out, lyc_shape *shape, const lyc_network_case *n, const char *tensor,
                                   lyc_layout layout, lyc_error *err)
{
    lyc_tensor_view view;
    LYC_TRY(find(&view, n, tensor, err));
    const size_t count = (size_t)lyc_shape_elements(&view.shape);
    float *plain = lyc_alloc(count * sizeof(float));
    float *result = lyc_alloc(count * sizeof(float));
    lyc_status status = plain == NULL || result == NULL
                            ? lyc_fail(err, LYC_E_MEMORY, "no memory for %s", tensor)
                            : lyc_dtype_convert(plain, LYC_F32, view.data, view.dtype, count, err);
    if (status != LYC_OK) {
        lyc_free(plain);
        lyc_free(result);
        return status;
    }
    *shape = view.shape;
    if (layout == LYC_LAYOUT_PICTURE && shape->rank == 4) {
        permute(result, plain, &view.shape, false);
        *shape = LYC_SHAPE(view.shape.dims[0], view.shape.dims[2], view.shape.dims[3], view.shape.dims[1]);
    } else {
        memcpy(result, plain, count * sizeof(float));
    }
    lyc_free(plain);
    *out = result;
    return LYC_OK;
}

static lyc_value *keep(lyc_network_case *n, lyc_value *v, void *data, size_t bytes)
{
    if (n->bound_count == LYC_NETWORK_MAX) {
        lyc_free(data);
        return lyc_graph_fail(n->graph, LYC_E_ARGUMENT, "more than %d inputs", LYC_NETWORK_MAX);
    }
    n->bound[n->bound_count].value = v;
    n->bound[n->bound_count].data = data;
    n->bound[n->bound_count++].bytes = bytes;
    return v;
}

lyc_value *lyc_network_case_take(lyc_network_case *n, const char *name, lyc_value_type type, lyc_shape shape,
                                 void *data)
{
    return keep(n, lyc_graph_input(n->graph, name, type, shape), data, (size_t)lyc_shape_elements(&shape) * 4);
}

lyc_value *lyc_network_case_input(lyc_network_case *n, const char *tensor, lyc_layout layout)
{
    float *data = NULL;
    lyc_shape shape;
    lyc_error err;
    if (lyc_network_case_floats(&data, &shape, n, tensor, layout, &err) != LYC_OK) {
        return lyc_graph_fail(n->graph, err.status, "%s", err.message);
    }
    return lyc_network_case_take(n, tensor, LYC_FLOAT, shape, data);
}

lyc_value *lyc_network_case_param(lyc_network_case *n, const char *tensor, lyc_layout layout)
{
    float *data = NULL;
    lyc_shape shape;
    lyc_error err;
    if (lyc_network_case_floats(&data, &shape, n, tensor, layout, &err) != LYC_OK) {
        return lyc_graph_fail(n->graph, err.status, "%s", err.message);
    }
    lyc_value *v = lyc_graph_param(n->graph, tensor, LYC_FLOAT, LYC_F32, shape);
    return keep(n, v, data, (size_t)lyc_shape_elements(&shape) * 4);
}

lyc_value *lyc_network_case_ids(lyc_network_case *n, const char *tensor)
{
    lyc_tensor_view view;
    lyc_error err;
    if (find(&view, n, tensor, &err) != LYC_OK) {
        return lyc_graph_fail(n->graph, err.status, "%s", err.message);
    }
    const size_t count = (size_t)lyc_shape_elements(&view.shape);
    int32_t *data = lyc_alloc(count * sizeof *data);
    if (data == NULL || lyc_dtype_convert(data, LYC_I32, view.data, view.dtype, count, &err) != LYC_OK) {
        lyc_free(data);
        return lyc_graph_fail(n->graph, LYC_E_FORMAT, "%s cannot be read", tensor);
    }
    return lyc_network_case_take(n, tensor, LYC_INDEX, view.shape, data);
}

/* --- results --------------------------------------------------------------------------------------------------- */

void lyc_network_case_expect(lyc_network_case *n, lyc_value *v, const char *tensor, lyc_layout layout)
{
    if (v == NULL || n->expected_count == LYC_NETWORK_MAX) {
        lyc_graph_fail(n->graph, LYC_E_ARGUMENT, "nothing to compare with %s", tensor);
        return;
    }
    lyc_graph_output(n->graph, v);
    n->expected[n->expected_count].value = v;
    n->expected[n->expected_count].layout = layout;
    snprintf(n->expected[n->expected_count++].name, sizeof n->expected[0].name, "%s", tensor);
}

void lyc_network_case_expect_norm(lyc_network_case *n, lyc_value *v, const char *tensor, int64_t index)
{
    lyc_network_case_expect(n, v, tensor, LYC_LAYOUT_PLAIN);
    n->expected[n->expected_count - 1].norm = true;
    n->expected[n->expected_count - 1].index = index;
}

void lyc_network_case_expect_rows(lyc_network_case *n, lyc_value *v, const char *tensor, const char *row_ids)
{
    lyc_network_case_expect(n, v, tensor, LYC_LAYOUT_PLAIN);
    n->expected[n->expected_count - 1].rows = true;
    snprintf(n->expected[n->expected_count - 1].row_ids, sizeof n->expected[0].row_ids, "%s", row_ids);
}

lyc_value *lyc_network_case_layer(const lyc_network_case *n, const char *layer)
{
    const size_t length = strlen(layer);
    for (int i = lyc_graph_node_count(n->graph) - 1; i >= 0; i--) {
        const lyc_node *node = lyc_graph_node(n->graph, i);
        if (strncmp(node->layer, layer, length) == 0 && (node->layer[length] == '\0' || node->layer[length] == '.')) {
            return node->outputs[0];
        }
    }
    return NULL;
}

/* The trained weights of a component start as they are in its file. */
static lyc_status bind_weights(lyc_network_case *n, const lyc_value *v, lyc_error *err)
{
    lyc_weight_view view;
    const bool found = (n->component != NULL && lyc_component_find(&view, n->component, v->name)) ||
                       (n->second != NULL && lyc_component_find(&view, n->second, v->name));
    if (!found) {
        return LYC_OK; /* an input of the case */
    }
    const size_t count = (size_t)lyc_shape_elements(&view.shape);
    float *data = lyc_alloc(count * sizeof *data);
    if (data == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", v->name);
    }
    keep(n, (lyc_value *)(uintptr_t)v, data, count * sizeof *data);
    LYC_TRY(lyc_graph_status(n->graph, err));
    return lyc_dtype_convert(data, LYC_F32, view.data, view.dtype, count, err);
}

static lyc_status bind_all(lyc_network_case *n, lyc_error *err)
{
    for (int i = 0; i < lyc_graph_value_count(n->graph); i++) {
        const lyc_value *v = lyc_graph_value(n->graph, i);
        if (v->kind == LYC_VALUE_PARAM) {
            LYC_TRY(bind_weights(n, v, err));
        }
    }
    for (int i = 0; i < n->bound_count; i++) {
        LYC_TRY(lyc_plan_bind(n->plan, n->bound[i].value, n->bound[i].data, n->bound[i].bytes, err));
    }
    return LYC_OK;
}

static void compare_norm(lyc_result *result, const float *got, const lyc_shape *shape, const lyc_tensor_view *want,
                         int64_t index, lyc_tolerance tolerance)
{
    double sum = 0.0;
    for (int64_t i = 0; i < lyc_shape_elements(shape); i++) {
        sum += (double)got[i] * (double)got[i];
    }
    const size_t element = (size_t)lyc_dtype_bits(want->dtype) / 8;
    char name[192];
    snprintf(name, sizeof name, "%.160s[%lld]", want->name, (long long)index);
    lyc_compare_number(result, name, sqrt(sum),
                       lyc_dtype_load(want->dtype, (const char *)want->data + (size_t)index * element), tolerance);
}

static lyc_status compare_rows(lyc_result *result, const lyc_network_case *n, int at, const float *got,
                               const lyc_tensor_view *want, lyc_tolerance tolerance, lyc_error *err)
{
    lyc_tensor_view ids;
    LYC_TRY(find(&ids, n, n->expected[at].row_ids, err));
    const int64_t width = want->shape.dims[1];
    for (int64_t r = 0; r < want->shape.dims[0]; r++) {
        char name[192];
        const lyc_shape row = LYC_SHAPE(width);
        const int64_t id =
            (int64_t)lyc_dtype_load(ids.dtype, (const char *)ids.data + r * lyc_dtype_bits(ids.dtype) / 8);
        const char *data = (const char *)want->data + r * width * lyc_dtype_bits(want->dtype) / 8;
        snprintf(name, sizeof name, "%.160s[%lld]", want->name, (long long)r);
        lyc_compare_values(result, name, &row, (lyc_values){got + id * width, LYC_F32}, (lyc_values){data, want->dtype},
                           tolerance);
    }
    return LYC_OK;
}

static lyc_status compare_picture(lyc_result *result, const float *got, const lyc_tensor_view *want,
                                  lyc_tolerance tolerance, lyc_error *err)
{
    float *planar = lyc_alloc((size_t)lyc_shape_elements(&want->shape) * sizeof *planar);
    if (planar == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", want->name);
    }
    permute(planar, got, &want->shape, true);
    lyc_compare_values(result, want->name, &want->shape, (lyc_values){planar, LYC_F32},
                       (lyc_values){want->data, want->dtype}, tolerance);
    lyc_free(planar);
    return LYC_OK;
}

static lyc_status compare(lyc_result *result, const lyc_network_case *n, int at, lyc_error *err)
{
    lyc_tensor_view want;
    const lyc_value *v = n->expected[at].value;
    const float *got = lyc_plan_data(n->plan, v);
    const lyc_tolerance tolerance = {n->c->absolute_tolerance, n->c->relative_tolerance};
    LYC_TRY(find(&want, n, n->expected[at].name, err));
    if (n->expected[at].norm) {
        compare_norm(result, got, &v->shape, &want, n->expected[at].index, tolerance);
        return LYC_OK;
    }
    if (n->expected[at].rows) {
        return compare_rows(result, n, at, got, &want, tolerance, err);
    }
    if (lyc_shape_elements(&v->shape) != lyc_shape_elements(&want.shape)) {
        lyc_result_complain(result, "%s has another number of elements than was computed", want.name);
        return LYC_OK;
    }
    if (n->expected[at].layout == LYC_LAYOUT_PICTURE && want.shape.rank == 4) {
        return compare_picture(result, got, &want, tolerance, err);
    }
    lyc_compare_values(result, want.name, &want.shape, (lyc_values){got, LYC_F32}, (lyc_values){want.data, want.dtype},
                       tolerance);
    return LYC_OK;
}

lyc_status lyc_network_case_run(lyc_result *result, lyc_network_case *n, lyc_error *err)
{
    const lyc_plan_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_cpu()};
    LYC_TRY(lyc_plan_compile(&n->plan, n->graph, &options, err));
    LYC_TRY(bind_all(n, err));
    LYC_TRY(lyc_plan_run(n->plan, err));
    for (int i = 0; i < n->expected_count; i++) {
        LYC_TRY(compare(result, n, i, err));
    }
    return LYC_OK;
}
