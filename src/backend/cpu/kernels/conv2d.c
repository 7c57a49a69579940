/* conv2d.c - convolutions and their two gradients by the product engine
 *
 *     y = activation(conv(x, weight) + bias) + residual
 *     d_x = conv(d_y, turned weight) + residual
 *     d_weight = correlation of x and d_y
 *
 * Operands f32 or bf16, sums in f32. conv.h says how they become products. Frozen weights are packed once, for the
 * forward convolution and for its gradient each in their own way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/conv2d.h"

#include <stdio.h>

#include "backend/cpu/conv.h"
#include "backend/cpu/kernels/gemm_isa.h"
#include "base/memory.h"
#include "base/thread.h"
#include "graph/backend.h"

extern const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_conv2d);
extern const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_conv2d_backward_data);
extern const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_conv2d_backward_weights);

static bool is_number(const lyc_operand *o)
{
    return !o->present || o->dtype == LYC_F32 || o->dtype == LYC_BF16;
}

static bool accepts(const lyc_problem *p)
{
    for (int i = 0; i < p->n_inputs; i++) {
        if (!is_number(&p->in[i])) {
            return false;
        }
    }
    return is_number(&p->out[0]);
}

static lyc_conv_shape shape_of(const lyc_shape *x, const lyc_shape *y, const lyc_shape *weight)
{
    return (lyc_conv_shape){
        .images = x->dims[0],
        .x = {x->dims[1], x->dims[2]},
        .y = {y->dims[1], y->dims[2]},
        .kernel = {weight->dims[2], weight->dims[3]},
        .x_channels = x->dims[3],
        .y_channels = y->dims[3],
    };
}

static void release(void *state)
{
    lyc_free(state);
}

/* ---- forward and backward by data: the same but for the places of the operands ---- */

enum { X = 0, WEIGHT = 1, BIAS = 2, RESIDUAL = 3 };        /* inputs of conv2d */
enum { DATA_WEIGHT = 0, DATA_D_Y = 1, DATA_RESIDUAL = 2 }; /* of conv2d_backward_data */

static bool is_backward(const lyc_problem *p)
{
    return p->op == &lyc_op_conv2d_backward_data;
}

static const lyc_operand *weight_of(const lyc_problem *p)
{
    return &p->in[is_backward(p) ? DATA_WEIGHT : WEIGHT];
}

static const lyc_operand *source_of(const lyc_problem *p)
{
    return &p->in[is_backward(p) ? DATA_D_Y : X];
}

static const lyc_conv2d_attr *attr_of(const lyc_problem *p)
{
    return is_backward(p) ? &((const lyc_conv2d_backward_data_attr *)p->attr)->conv : p->attr;
}

static lyc_status prepare(void **state, const lyc_problem *p, lyc_error *err)
{
    const bool backward = is_backward(p);
    const lyc_shape *x = backward ? &p->out[0].shape : &p->in[X].shape;
    const lyc_shape *y = backward ? &p->in[DATA_D_Y].shape : &p->out[0].shape;
    const lyc_conv_shape shape = shape_of(x, y, &weight_of(p)->shape);
    return lyc_conv_new((lyc_conv **)state, &shape, attr_of(p), backward, err);
}

static lyc_dtype panel_dtype(const lyc_problem *p)
{
    return lyc_gemm_weight_dtype(weight_of(p)->dtype, weight_of(p)->stored);
}

/* Everything but the places of the operands. */
static lyc_conv_call call_of(const lyc_problem *p)
{
    const lyc_gemm_isa *isa = &LYC_ISA_SYMBOL(lyc_gemm_isa);
    const lyc_operand *weight = weight_of(p);
    const lyc_operand *source = source_of(p);
    return (lyc_conv_call){
        .isa = isa,
        .form = weight->frozen ? lyc_gemm_packed_form(isa, source->dtype, panel_dtype(p))
                               : lyc_gemm_choose_form(isa, source->dtype, weight->dtype),
        .source_dtype = source->dtype,
        .prepacked = weight->frozen,
        .weight_dtype = weight->dtype,
    };
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    const lyc_conv_call call = call_of(p);
    return lyc_conv_workspace(state, &call, lyc_thread_count());
}

/* Phases of the gradient by data depend on strides, padding and dilation; the forward order of taps does not. */
static size_t pack_bytes(char *key, const lyc_problem *p, const void *state, int input)
{
    if (&p->in[input] != weight_of(p)) {
        return 0;
    }
    const lyc_gemm_isa *isa = &LYC_ISA_SYMBOL(lyc_gemm_isa);
    const lyc_conv2d_attr *a = attr_of(p);
    const lyc_shape *w = &weight_of(p)->shape;
    const int n =
        snprintf(key, LYC_PACK_KEY, "conv %d lanes %s %lldx%lldx%lldx%lld groups %d from %s", isa->lanes,
                 lyc_dtype_name(panel_dtype(p)), (long long)w->dims[0], (long long)w->dims[1], (long long)w->dims[2],
                 (long long)w->dims[3], a->groups, lyc_dtype_name(weight_of(p)->stored));
    if (is_backward(p)) {
        snprintf(key + n, (size_t)(LYC_PACK_KEY - n), " turned %dx%d pad %dx%d dilation %dx%d", a->stride[0],
                 a->stride[1], a->pad[0], a->pad[1], a->dilation[0], a->dilation[1]);
    }
    return lyc_conv_packed_bytes(state, isa, panel_dtype(p));
}

static lyc_status pack(void *dst, const lyc_problem *p, const void *state, int input, const void *src, lyc_error *err)
{
    return lyc_conv_pack(dst, state, &LYC_ISA_SYMBOL(lyc_gemm_isa), panel_dtype(p), src, p->in[input].stored, err);
}

static lyc_status run(const lyc_call *call)
{
    const lyc_problem *p = call->problem;
    const bool backward = is_backward(p);
    const int residual = backward ? DATA_RESIDUAL : RESIDUAL;
    lyc_conv_call c = call_of(p);
    c.source = call->in[backward ? DATA_D_Y : X];
    c.weight = call->in[backward ? DATA_WEIGHT : WEIGHT];
    c.finish = (lyc_gemm_finish){
        .alpha = 1.0f,
        .activation = backward ? LYC_ACTIVATION_NONE : attr_of(p)->activation,
        .bias = !backward && p->in[BIAS].present ? call->in[BIAS] : NULL,
        .bias_dtype = backward ? LYC_F32 : p->in[BIAS].dtype,
        .residual = p->in[residual].present ? call->in[residual] : NULL,
        .residual_dtype = p->in[residual].dtype,
        .out = call->out[0],
        .out_dtype = p->out[0].dtype,
    };
    return lyc_conv_run(call->state, &c, call->workspace, call->err);
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_conv2d) = {
    .name = LYC_ISA_NAME ".conv2d",
    .op = &lyc_op_conv2d,
    .accepts = accepts,
    .prepare = prepare,
    .release = release,
    .workspace = workspace,
    .pack_bytes = pack_bytes,
    .pack = pack,
    .run = run,
};

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_conv2d_backward_data) = {
    .name = LYC_ISA_NAME ".conv2d_backward_data",
    .op = &lyc_op_conv2d_backward_data,
    .accepts = accepts,
    .prepare = prepare,
    .release = release,
    .workspace = workspace,
    .pack_bytes = pack_bytes,
    .pack = pack,
    .run = run,
};

/* ---- backward by weights ---- */

enum { WEIGHTS_X = 0, WEIGHTS_D_Y = 1 };

static bool accepts_weights(const lyc_problem *p)
{
    return accepts(p) && p->out[0].dtype == LYC_F32;
}

static lyc_status prepare_weights(void **state, const lyc_problem *p, lyc_error *err)
{
    const lyc_conv2d_backward_weights_attr *attr = p->attr;
    const lyc_conv_shape shape = shape_of(&p->in[WEIGHTS_X].shape, &p->in[WEIGHTS_D_Y].shape, &p->out[0].shape);
    return lyc_conv_new((lyc_conv **)state, &shape, &attr->conv, false, err);
}

static lyc_conv_weights_call weights_call_of(const lyc_problem *p)
{
    const lyc_gemm_isa *isa = &LYC_ISA_SYMBOL(lyc_gemm_isa);
    const lyc_dtype x = p->in[WEIGHTS_X].dtype;
    const lyc_dtype d_y = p->in[WEIGHTS_D_Y].dtype;
    return (lyc_conv_weights_call){
        .isa = isa, .form = lyc_gemm_choose_form(isa, d_y, x), .x_dtype = x, .d_y_dtype = d_y};
}

static size_t workspace_weights(const lyc_problem *p, const void *state)
{
    const lyc_conv_weights_call call = weights_call_of(p);
    return lyc_conv_weights_workspace(state, &call, lyc_thread_count());
}

static lyc_status run_weights(const lyc_call *call)
{
    lyc_conv_weights_call c = weights_call_of(call->problem);
    c.x = call->in[WEIGHTS_X];
    c.d_y = call->in[WEIGHTS_D_Y];
    c.d_weight = call->out[0];
    lyc_conv_weights_run(call->state, &c, call->workspace);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_conv2d_backward_weights) = {
    .name = LYC_ISA_NAME ".conv2d_backward_weights",
    .op = &lyc_op_conv2d_backward_weights,
    .accepts = accepts_weights,
    .prepare = prepare_weights,
    .release = release,
    .workspace = workspace_weights,
    .run = run_weights,
};
