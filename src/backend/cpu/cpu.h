/* cpu.h - the CPU backend: own kernels for the best instruction set of this processor, then the reference kernels
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_CPU_H
#define LYC_BACKEND_CPU_CPU_H

#include "base/cpu.h"
#include "graph/backend.h"

/* For this processor (lyc_cpu_isa). */
const lyc_backend *lyc_backend_cpu(void);

/* With the kernels of one instruction set, which the processor must have; NULL when they were not compiled. */
const lyc_backend *lyc_backend_cpu_isa(lyc_isa isa);

/* The own kernels compiled for an instruction set; NULL when there are none. Other backends put it into their lists. */
const lyc_kernel_set *lyc_kernels_of_isa(lyc_isa isa);

/* The same by name, for other backends' tables. */
extern const lyc_kernel_set lyc_kernels_generic;
#if defined(__x86_64__)
extern const lyc_kernel_set lyc_kernels_avx2;
extern const lyc_kernel_set lyc_kernels_avx512;
extern const lyc_kernel_set lyc_kernels_avx512bf16;
#endif

/* Memory functions, for backends that share the CPU's. */
void *lyc_cpu_alloc(size_t bytes);
void lyc_cpu_release(void *memory);
lyc_status lyc_cpu_copy(void *dst, const void *src, size_t bytes, lyc_error *err);

#endif
