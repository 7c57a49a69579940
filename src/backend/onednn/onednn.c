/* onednn.c - the only file that knows oneDNN's API
 *
 * In 2.x a memory descriptor is a struct filled by dnnl_memory_desc_init_*, and a primitive descriptor is made from an
 * operation descriptor; in 3.x a memory descriptor is a handle made by dnnl_memory_desc_create_*, and one call makes
 * the primitive descriptor. What differs is between the two lines of dashes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/onednn/onednn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <dnnl.h>

#include "base/memory.h"
#include "graph/ops/matmul.h"

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t borrowed_desc;
#define BORROW(desc) (desc)
#else
typedef const dnnl_memory_desc_t *borrowed_desc;
#define BORROW(desc) (&(desc))
#endif

struct lyc_onednn_primitive {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t descriptor;
    dnnl_primitive_t primitive;
    dnnl_memory_t src;
    dnnl_memory_t weights;
    dnnl_memory_t bias;
    dnnl_memory_t dst;
    dnnl_memory_t scratchpad;
    dnnl_exec_arg_t arguments[5];
    int n_arguments;
};

static lyc_status failed(dnnl_status_t status, const char *what, lyc_error *err)
{
    if (status == dnnl_out_of_memory) {
        return lyc_fail(err, LYC_E_MEMORY, "oneDNN: no memory for %s", what);
    }
    return lyc_fail(err, LYC_E_UNSUPPORTED, "oneDNN: %s failed with status %d", what, (int)status);
}

static dnnl_data_type_t data_type(lyc_dtype dtype)
{
    return dtype == LYC_BF16 ? dnnl_bf16 : dnnl_f32;
}

static bool any_layout(const lyc_onednn_tensor *t)
{
    for (int i = 0; i < t->n_dims; i++) {
        if (t->strides[i] != 0) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------------------------ */
#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t make_desc(dnnl_memory_desc_t *out, const lyc_onednn_tensor *t)
{
    *out = NULL;
    if (t->n_dims == 0) {
        return dnnl_success;
    }
    if (any_layout(t)) {
        return dnnl_memory_desc_create_with_tag(out, t->n_dims, t->dims, data_type(t->dtype), dnnl_format_tag_any);
    }
    return dnnl_memory_desc_create_with_strides(out, t->n_dims, t->dims, data_type(t->dtype), t->strides);
}

static void free_desc(dnnl_memory_desc_t desc)
{
    if (desc != NULL) {
        dnnl_memory_desc_destroy(desc);
    }
}

static dnnl_status_t append_activation(dnnl_post_ops_t ops, dnnl_alg_kind_t algorithm, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, algorithm, alpha, 0.0f);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

static dnnl_status_t make_descriptor(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const lyc_onednn_spec *s,
                                     dnnl_memory_desc_t *md, const int64_t *dilation, dnnl_primitive_attr_t attr)
{
    if (s->convolution) {
        return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_inference,
                                                              dnnl_convolution_direct, md[0], md[1], md[2], md[3],
                                                              s->stride, dilation, s->pad_begin, s->pad_end, attr);
    }
    return dnnl_matmul_primitive_desc_create(out, engine, md[0], md[1], md[2], md[3], attr);
}

/* The layout as bytes that tell it from others; *n of them. NULL when the library does not say. */
static const uint8_t *layout_bytes(size_t *n, borrowed_desc desc, uint8_t *scratch, size_t size)
{
    *n = size;
    return dnnl_memory_desc_get_blob(scratch, n, desc) == dnnl_success ? scratch : NULL;
}

#else

static dnnl_status_t make_desc(dnnl_memory_desc_t *out, const lyc_onednn_tensor *t)
{
    memset(out, 0, sizeof *out);
    if (t->n_dims == 0) {
        return dnnl_success;
    }
    if (any_layout(t)) {
        return dnnl_memory_desc_init_by_tag(out, t->n_dims, t->dims, data_type(t->dtype), dnnl_format_tag_any);
    }
    return dnnl_memory_desc_init_by_strides(out, t->n_dims, t->dims, data_type(t->dtype), t->strides);
}

static void free_desc(dnnl_memory_desc_t desc)
{
    (void)desc;
}

static dnnl_status_t append_activation(dnnl_post_ops_t ops, dnnl_alg_kind_t algorithm, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0f, algorithm, alpha, 0.0f);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}

static dnnl_status_t make_descriptor(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const lyc_onednn_spec *s,
                                     dnnl_memory_desc_t *md, const int64_t *dilation, dnnl_primitive_attr_t attr)
{
    const dnnl_memory_desc_t *bias = s->bias.n_dims > 0 ? &md[2] : NULL;
    dnnl_status_t status;
    if (s->convolution) {
        dnnl_convolution_desc_t operation;
        status = dnnl_dilated_convolution_forward_desc_init(&operation, dnnl_forward_inference, dnnl_convolution_direct,
                                                            &md[0], &md[1], bias, &md[3], s->stride, dilation,
                                                            s->pad_begin, s->pad_end);
        return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &operation, attr, engine, NULL);
    }
    dnnl_matmul_desc_t operation;
    status = dnnl_matmul_desc_init(&operation, &md[0], &md[1], bias, &md[3]);
    return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &operation, attr, engine, NULL);
}

static const uint8_t *layout_bytes(size_t *n, borrowed_desc desc, uint8_t *scratch, size_t size)
{
    (void)scratch;
    (void)size;
    *n = sizeof *desc;
    return (const uint8_t *)desc;
}

#endif
/* ------------------------------------------------------------------------------------------------------------------ */

static dnnl_status_t add_activation(dnnl_post_ops_t ops, int activation)
{
    switch ((lyc_activation)activation) {
    case LYC_ACTIVATION_SILU:
        return append_activation(ops, dnnl_eltwise_swish, 1.0f);
    case LYC_ACTIVATION_QUICK_GELU:
        return append_activation(ops, dnnl_eltwise_swish, 1.702f);
    case LYC_ACTIVATION_GELU:
        return append_activation(ops, dnnl_eltwise_gelu_erf, 0.0f);
    case LYC_ACTIVATION_GELU_TANH:
        return append_activation(ops, dnnl_eltwise_gelu_tanh, 0.0f);
    case LYC_ACTIVATION_RELU:
        return append_activation(ops, dnnl_eltwise_relu, 0.0f);
    case LYC_ACTIVATION_NONE:
        break;
    }
    return dnnl_success;
}

static dnnl_status_t make_attributes(dnnl_primitive_attr_t *out, const lyc_onednn_spec *s)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status != dnnl_success) {
        return status;
    }
    status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) {
        status = dnnl_post_ops_create(&ops);
    }
    if (status == dnnl_success) {
        status = add_activation(ops, s->activation);
    }
    if (status == dnnl_success && s->accumulate) {
        status = append_sum(ops);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_attr_set_post_ops(*out, ops);
    }
    if (ops != NULL) {
        dnnl_post_ops_destroy(ops);
    }
    return status;
}

static bool is_reference(dnnl_primitive_desc_t descriptor)
{
    const char *name = "";
    dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &name);
    return strstr(name, "ref") != NULL;
}

static dnnl_status_t describe(lyc_onednn_primitive *p, const lyc_onednn_spec *s)
{
    dnnl_memory_desc_t md[4];
    const lyc_onednn_tensor *tensors[4] = {&s->src, &s->weights, &s->bias, &s->dst};
    dnnl_primitive_attr_t attr = NULL;
    const dnnl_dims_t dilation = {s->dilation[0] - 1, s->dilation[1] - 1};
    dnnl_status_t status = dnnl_success;
    int made = 0;
    for (; made < 4 && status == dnnl_success; made++) {
        status = make_desc(&md[made], tensors[made]);
    }
    if (status == dnnl_success) {
        status = make_attributes(&attr, s);
    }
    if (status == dnnl_success) {
        status = make_descriptor(&p->descriptor, p->engine, s, md, dilation, attr);
    }
    if (attr != NULL) {
        dnnl_primitive_attr_destroy(attr);
    }
    while (made > 0) {
        free_desc(md[--made]);
    }
    return status;
}

static borrowed_desc query(const lyc_onednn_primitive *p, dnnl_query_t what, int index)
{
    return dnnl_primitive_desc_query_md(p->descriptor, what, index);
}

/* A memory object whose pointer is set at every run, as the next argument of execution. */
static dnnl_status_t add_argument(lyc_onednn_primitive *p, dnnl_memory_t *memory, borrowed_desc desc, int argument)
{
    dnnl_status_t status = dnnl_memory_create(memory, desc, p->engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success) {
        p->arguments[p->n_arguments++] = (dnnl_exec_arg_t){.arg = argument, .memory = *memory};
    }
    return status;
}

static dnnl_status_t add_arguments(lyc_onednn_primitive *p, bool bias)
{
    dnnl_status_t status = add_argument(p, &p->src, query(p, dnnl_query_src_md, 0), DNNL_ARG_SRC);
    if (status == dnnl_success) {
        status = add_argument(p, &p->weights, query(p, dnnl_query_weights_md, 0), DNNL_ARG_WEIGHTS);
    }
    if (status == dnnl_success) {
        status = add_argument(p, &p->dst, query(p, dnnl_query_dst_md, 0), DNNL_ARG_DST);
    }
    if (status == dnnl_success && bias) {
        status = add_argument(p, &p->bias, query(p, dnnl_query_weights_md, 1), DNNL_ARG_BIAS);
    }
    if (status == dnnl_success && lyc_onednn_workspace_bytes(p) > 0) {
        status = add_argument(p, &p->scratchpad, query(p, dnnl_query_scratchpad_md, 0), DNNL_ARG_SCRATCHPAD);
    }
    return status;
}

lyc_status lyc_onednn_primitive_new(lyc_onednn_primitive **out, const lyc_onednn_spec *spec, lyc_error *err)
{
    lyc_onednn_primitive *p = lyc_alloc_zero(1, sizeof *p);
    if (p == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a oneDNN primitive");
    }
    const char *what = "an engine";
    dnnl_status_t status = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    if (status == dnnl_success) {
        status = dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
    }
    if (status == dnnl_success) {
        what = spec->convolution ? "a convolution" : "a matrix product";
        status = describe(p, spec);
    }
    if (status == dnnl_success && is_reference(p->descriptor)) {
        status = dnnl_unimplemented;
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_create(&p->primitive, p->descriptor);
    }
    if (status == dnnl_success) {
        status = add_arguments(p, spec->bias.n_dims > 0);
    }
    if (status != dnnl_success) {
        lyc_onednn_primitive_free(p);
        return failed(status, what, err);
    }
    *out = p;
    return LYC_OK;
}

void lyc_onednn_primitive_free(lyc_onednn_primitive *p)
{
    if (p == NULL) {
        return;
    }
    for (int i = 0; i < p->n_arguments; i++) {
        dnnl_memory_destroy(p->arguments[i].memory);
    }
    if (p->primitive != NULL) {
        dnnl_primitive_destroy(p->primitive);
    }
    if (p->descriptor != NULL) {
        dnnl_primitive_desc_destroy(p->descriptor);
    }
    if (p->stream != NULL) {
        dnnl_stream_destroy(p->stream);
    }
    if (p->engine != NULL) {
        dnnl_engine_destroy(p->engine);
    }
    lyc_free(p);
}

size_t lyc_onednn_workspace_bytes(const lyc_onednn_primitive *p)
{
    return dnnl_memory_desc_get_size(query(p, dnnl_query_scratchpad_md, 0));
}

size_t lyc_onednn_weights_bytes(const lyc_onednn_primitive *p)
{
    return dnnl_memory_desc_get_size(query(p, dnnl_query_weights_md, 0));
}

void lyc_onednn_weights_key(char *key, size_t size, const lyc_onednn_primitive *p)
{
    uint8_t scratch[4096];
    size_t n;
    const uint8_t *bytes = layout_bytes(&n, query(p, dnnl_query_weights_md, 0), scratch, sizeof scratch);
    uint64_t hash[2] = {0xCBF29CE484222325u, 0x9E3779B97F4A7C15u}; /* FNV-1a forwards and backwards */
    for (size_t i = 0; bytes != NULL && i < n; i++) {
        hash[0] = (hash[0] ^ bytes[i]) * 0x100000001B3u;
        hash[1] = (hash[1] ^ bytes[n - 1 - i]) * 0x100000001B3u;
    }
    snprintf(key, size, "onednn %016" PRIx64 "%016" PRIx64, hash[0], hash[1]);
}

static dnnl_status_t reorder(const lyc_onednn_primitive *p, borrowed_desc from, dnnl_memory_t from_memory,
                             borrowed_desc to, dnnl_memory_t to_memory)
{
    dnnl_primitive_desc_t descriptor = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_status_t status = dnnl_reorder_primitive_desc_create(&descriptor, from, p->engine, to, p->engine, NULL);
    if (status == dnnl_success) {
        status = dnnl_primitive_create(&primitive, descriptor);
    }
    if (status == dnnl_success) {
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from_memory}, {DNNL_ARG_TO, to_memory}};
        status = dnnl_primitive_execute(primitive, p->stream, 2, arguments);
    }
    if (status == dnnl_success) {
        status = dnnl_stream_wait(p->stream);
    }
    if (primitive != NULL) {
        dnnl_primitive_destroy(primitive);
    }
    if (descriptor != NULL) {
        dnnl_primitive_desc_destroy(descriptor);
    }
    return status;
}

lyc_status lyc_onednn_pack_weights(void *dst, const lyc_onednn_primitive *p, const lyc_onednn_tensor *plain,
                                   const void *src, lyc_error *err)
{
    dnnl_memory_desc_t from;
    dnnl_memory_t from_memory = NULL;
    dnnl_memory_t to_memory = NULL;
    borrowed_desc to = query(p, dnnl_query_weights_md, 0);
    dnnl_status_t status = make_desc(&from, plain);
    if (status != dnnl_success) {
        return failed(status, "a weight's layout", err);
    }
    status = dnnl_memory_create(&from_memory, BORROW(from), p->engine, (void *)(uintptr_t)src);
    if (status == dnnl_success) {
        status = dnnl_memory_create(&to_memory, to, p->engine, dst);
    }
    if (status == dnnl_success) {
        status = reorder(p, BORROW(from), from_memory, to, to_memory);
    }
    if (to_memory != NULL) {
        dnnl_memory_destroy(to_memory);
    }
    if (from_memory != NULL) {
        dnnl_memory_destroy(from_memory);
    }
    free_desc(from);
    return status == dnnl_success ? LYC_OK : failed(status, "packing a weight", err);
}

static dnnl_status_t point(dnnl_memory_t memory, const void *data)
{
    return memory == NULL ? dnnl_success : dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data);
}

lyc_status lyc_onednn_run(lyc_onednn_primitive *p, const void *src, const void *weights, const void *bias, void *dst,
                          void *workspace, lyc_error *err)
{
    const dnnl_memory_t memories[] = {p->src, p->weights, p->bias, p->dst, p->scratchpad};
    const void *const data[] = {src, weights, bias, dst, workspace};
    dnnl_status_t status = dnnl_success;
    for (size_t i = 0; i < sizeof data / sizeof *data && status == dnnl_success; i++) {
        status = point(memories[i], data[i]);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_execute(p->primitive, p->stream, p->n_arguments, p->arguments);
    }
    if (status == dnnl_success) {
        status = dnnl_stream_wait(p->stream);
    }
    return status == dnnl_success ? LYC_OK : failed(status, "running a primitive", err);
}

void lyc_onednn_version(char *text, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, size, "%d.%d.%d", v->major, v->minor, v->patch);
}
