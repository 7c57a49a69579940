/* table.c - the set of reference kernels
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/reference.h"

static const struct {
    const lyc_op *op;
    size_t (*bytes)(const lyc_problem *problem);
} workspaces[] = {
    {&lyc_op_attention, lyc_reference_attention_workspace},
    {&lyc_op_attention_backward, lyc_reference_attention_backward_workspace},
    {&lyc_op_solve, lyc_reference_solve_workspace},
};

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    for (size_t i = 0; i < sizeof workspaces / sizeof workspaces[0]; i++) {
        if (workspaces[i].op == p->op) {
            return workspaces[i].bytes(p);
        }
    }
    return 0;
}

#define LYC_OP(op_name, arguments)                                                                                     \
    static const lyc_kernel kernel_##op_name = {.name = "reference." #op_name,                                         \
                                                .op = &lyc_op_##op_name,                                               \
                                                .workspace = workspace,                                                \
                                                .run = lyc_reference_##op_name};
#include "graph/ops/list.def"
#undef LYC_OP

static const lyc_kernel *const kernels[] = {
#define LYC_OP(op_name, arguments) &kernel_##op_name,
#include "graph/ops/list.def"
#undef LYC_OP
    NULL,
};

const lyc_kernel_set lyc_reference_kernels = {"reference", kernels};
