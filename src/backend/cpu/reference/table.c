/* table.c - the set of reference kernels
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/reference.h"

#define LYC_OP(op_name, arguments)                                                                                     \
    static const lyc_kernel kernel_##op_name = {                                                                       \
        .name = "reference." #op_name, .op = &lyc_op_##op_name, .run = lyc_reference_##op_name};
#include "graph/ops/list.def"
#undef LYC_OP

static const lyc_kernel *const kernels[] = {
#define LYC_OP(op_name, arguments) &kernel_##op_name,
#include "graph/ops/list.def"
#undef LYC_OP
    NULL,
};

const lyc_kernel_set lyc_reference_kernels = {"reference", kernels};
