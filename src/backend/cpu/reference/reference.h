/* reference.h - plain kernels: the definition of every operation
 *
 * One file for each operation of graph/ops/list.def with `lyc_status lyc_reference_<name>(const lyc_call *call)`, as in
 * the formula, in double, for every dtype through lyc_ref_get and lyc_ref_set. Everything faster is compared with
 * these; they accept every problem and are the last in the list. Gradients are checked through them in f64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_REFERENCE_REFERENCE_H
#define LYC_BACKEND_CPU_REFERENCE_REFERENCE_H

#include "graph/backend.h"
#include "tensor/dtype.h"

#define LYC_OP(name, arguments) lyc_status lyc_reference_##name(const lyc_call *call);
#include "graph/ops/list.def"
#undef LYC_OP

/* Bytes of workspace of the few that need some: table.c lists them. */
size_t lyc_reference_attention_workspace(const lyc_problem *problem);
size_t lyc_reference_attention_backward_workspace(const lyc_problem *problem);
size_t lyc_reference_solve_workspace(const lyc_problem *problem);

/* The reference kernels in the order of list.def. */
extern const lyc_kernel_set lyc_reference_kernels;

/* Element `index` of an input, as double; 0 where the input is absent (a bias, say). */
static inline double lyc_ref_get(const lyc_call *call, int input, int64_t index)
{
    const lyc_operand *o = &call->problem->in[input];
    if (!o->present) {
        return 0.0;
    }
    switch (o->dtype) { /* the four that appear; the general function is ten times slower */
    case LYC_F64:
        return ((const double *)call->in[input])[index];
    case LYC_F32:
        return (double)((const float *)call->in[input])[index];
    case LYC_I32:
        return (double)((const int32_t *)call->in[input])[index];
    default:
        return lyc_dtype_load(o->dtype, (const char *)call->in[input] + index * (lyc_dtype_bits(o->dtype) / 8));
    }
}

/* Rounds to the output's dtype. */
static inline void lyc_ref_set(const lyc_call *call, int output, int64_t index, double value)
{
    const lyc_operand *o = &call->problem->out[output];
    switch (o->dtype) {
    case LYC_F64:
        ((double *)call->out[output])[index] = value;
        break;
    case LYC_F32:
        ((float *)call->out[output])[index] = (float)value;
        break;
    default:
        lyc_dtype_store(o->dtype, (char *)call->out[output] + index * (lyc_dtype_bits(o->dtype) / 8), value);
    }
}

static inline const lyc_shape *lyc_ref_shape(const lyc_call *call, int input)
{
    return &call->problem->in[input].shape;
}

static inline int64_t lyc_ref_count(const lyc_call *call, int input)
{
    return lyc_shape_elements(&call->problem->in[input].shape);
}

#endif
