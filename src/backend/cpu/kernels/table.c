/* table.c - the own kernels of one instruction set, in the order of list.def
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/isa.h"
#include "graph/backend.h"

#define LYC_KERNEL(name) extern const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_##name);
#include "backend/cpu/kernels/list.def"
#undef LYC_KERNEL

static const lyc_kernel *const kernels[] = {
#define LYC_KERNEL(name) &LYC_ISA_SYMBOL(lyc_kernel_##name),
#include "backend/cpu/kernels/list.def"
#undef LYC_KERNEL
    NULL,
};

extern const lyc_kernel_set LYC_ISA_SYMBOL(lyc_kernels);
const lyc_kernel_set LYC_ISA_SYMBOL(lyc_kernels) = {LYC_ISA_NAME, kernels};
