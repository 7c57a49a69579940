/* activations.c - functions of one value, and the gradients of those whose gradient is an operation
 *
 * The formulas are those of backend/cpu/reference; the errors of what lies below are in simd_math.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/map.h"
#include "backend/cpu/kernels/simd_math.h"
#include "graph/ops/affine.h"
#include "graph/ops/clamp_min.h"

static lyc_vf same(lyc_map_point p)
{
    return p.x;
}

static void same_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(same, 1, m, first, last);
}

static lyc_vf affine(lyc_map_point p)
{
    const lyc_affine_attr *attr = p.attr;
    return lyc_vset(attr->scale) * p.x + attr->shift;
}

static void affine_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(affine, 1, m, first, last);
}

static lyc_vf clamp_min(lyc_map_point p)
{
    const lyc_vf floor = lyc_vset(((const lyc_clamp_min_attr *)p.attr)->floor);
    return lyc_vselect(p.x < floor, floor, p.x); /* NaN stays */
}

static void clamp_min_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(clamp_min, 1, m, first, last);
}

static lyc_vf square_root(lyc_map_point p)
{
    return lyc_vsqrt(p.x);
}

static void sqrt_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(square_root, 1, m, first, last);
}

static lyc_vf exponential(lyc_map_point p)
{
    return lyc_vexp(p.x);
}

static void exp_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(exponential, 1, m, first, last);
}

static lyc_vf sigmoid(lyc_map_point p)
{
    return lyc_vsigmoid(p.x);
}

static void sigmoid_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(sigmoid, 1, m, first, last);
}

static lyc_vf hyperbolic_tangent(lyc_map_point p)
{
    return lyc_vtanh(p.x);
}

static void tanh_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(hyperbolic_tangent, 1, m, first, last);
}

static lyc_vf relu(lyc_map_point p)
{
    return lyc_vselect(p.x <= lyc_vset(0.0f), lyc_vset(0.0f), p.x); /* NaN stays */
}

static void relu_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(relu, 1, m, first, last);
}

static lyc_vf relu_backward(lyc_map_point p)
{
    return p.y * lyc_vselect(p.x <= lyc_vset(0.0f), lyc_vset(0.0f), lyc_vset(1.0f));
}

static void relu_backward_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(relu_backward, 2, m, first, last);
}

/* x s(k x), and its slope s + k x s (1 - s). */
static lyc_vf gated(lyc_vf x, float k)
{
    return x * lyc_vsigmoid(k * x);
}

static lyc_vf gated_slope(lyc_vf x, float k)
{
    const lyc_vf s = lyc_vsigmoid(k * x);
    return s * lyc_vfma(k * x, 1.0f - s, lyc_vset(1.0f));
}

static lyc_vf silu(lyc_map_point p)
{
    return gated(p.x, 1.0f);
}

static void silu_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(silu, 1, m, first, last);
}

static lyc_vf silu_backward(lyc_map_point p)
{
    return p.y * gated_slope(p.x, 1.0f);
}

static void silu_backward_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(silu_backward, 2, m, first, last);
}

static lyc_vf quick_gelu(lyc_map_point p)
{
    return gated(p.x, 1.702f);
}

static void quick_gelu_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(quick_gelu, 1, m, first, last);
}

static lyc_vf quick_gelu_backward(lyc_map_point p)
{
    return p.y * gated_slope(p.x, 1.702f);
}

static void quick_gelu_backward_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(quick_gelu_backward, 2, m, first, last);
}

static lyc_vf gelu(lyc_map_point p)
{
    return p.x * lyc_vnormal_cdf(p.x);
}

static void gelu_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(gelu, 1, m, first, last);
}

static lyc_vf gelu_backward(lyc_map_point p)
{
    return p.y * lyc_vgelu_slope(p.x);
}

static void gelu_backward_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(gelu_backward, 2, m, first, last);
}

/* gelu_tanh(x) = x s(2 u), u = sqrt(2/pi) (x + 0.044715 x³): the tangent as a logistic function keeps the lower tail.
 */
static const float twice_root = 1.5957691216057308f; /* 2 sqrt(2/pi) */
static const float cubic = 0.044715f;

static lyc_vf gelu_tanh(lyc_map_point p)
{
    return p.x * lyc_vsigmoid(twice_root * p.x * lyc_vfma(p.x * p.x, lyc_vset(cubic), lyc_vset(1.0f)));
}

static void gelu_tanh_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(gelu_tanh, 1, m, first, last);
}

static lyc_vf gelu_tanh_backward(lyc_map_point p)
{
    const lyc_vf square = p.x * p.x;
    const lyc_vf s = lyc_vsigmoid(twice_root * p.x * lyc_vfma(square, lyc_vset(cubic), lyc_vset(1.0f)));
    const lyc_vf inner = twice_root * lyc_vfma(square, lyc_vset(3.0f * cubic), lyc_vset(1.0f));
    return p.y * s * lyc_vfma(p.x * (1.0f - s), inner, lyc_vset(1.0f));
}

static void gelu_tanh_backward_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(gelu_tanh_backward, 2, m, first, last);
}

static const lyc_map_entry entries[] = {
    {&lyc_op_cast, same_span, 150},
    {&lyc_op_reshape, same_span, 150},
    {&lyc_op_affine, affine_span, 150},
    {&lyc_op_clamp_min, clamp_min_span, 150},
    {&lyc_op_sqrt, sqrt_span, 300},
    {&lyc_op_exp, exp_span, 500},
    {&lyc_op_sigmoid, sigmoid_span, 700},
    {&lyc_op_tanh, tanh_span, 1000},
    {&lyc_op_relu, relu_span, 150},
    {&lyc_op_relu_backward, relu_backward_span, 200},
    {&lyc_op_silu, silu_span, 700},
    {&lyc_op_silu_backward, silu_backward_span, 800},
    {&lyc_op_quick_gelu, quick_gelu_span, 700},
    {&lyc_op_quick_gelu_backward, quick_gelu_backward_span, 800},
    {&lyc_op_gelu, gelu_span, 1200},
    {&lyc_op_gelu_backward, gelu_backward_span, 1400},
    {&lyc_op_gelu_tanh, gelu_tanh_span, 800},
    {&lyc_op_gelu_tanh_backward, gelu_tanh_backward_span, 900},
    {0},
};

static lyc_status prepare(void **state, const lyc_problem *p, lyc_error *err)
{
    (void)err;
    *state = lyc_map_find(entries, p->op);
    return LYC_OK;
}

static lyc_status run(const lyc_call *call)
{
    return lyc_map_run(call);
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_cast) = LYC_MAP_KERNEL(cast);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_reshape) = LYC_MAP_KERNEL(reshape);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_affine) = LYC_MAP_KERNEL(affine);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_clamp_min) = LYC_MAP_KERNEL(clamp_min);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_sqrt) = LYC_MAP_KERNEL(sqrt);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_exp) = LYC_MAP_KERNEL(exp);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_sigmoid) = LYC_MAP_KERNEL(sigmoid);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_tanh) = LYC_MAP_KERNEL(tanh);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_relu) = LYC_MAP_KERNEL(relu);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_relu_backward) = LYC_MAP_KERNEL(relu_backward);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_silu) = LYC_MAP_KERNEL(silu);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_silu_backward) = LYC_MAP_KERNEL(silu_backward);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_quick_gelu) = LYC_MAP_KERNEL(quick_gelu);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_quick_gelu_backward) = LYC_MAP_KERNEL(quick_gelu_backward);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_gelu) = LYC_MAP_KERNEL(gelu);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_gelu_backward) = LYC_MAP_KERNEL(gelu_backward);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_gelu_tanh) = LYC_MAP_KERNEL(gelu_tanh);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_gelu_tanh_backward) = LYC_MAP_KERNEL(gelu_tanh_backward);
