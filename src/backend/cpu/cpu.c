/* cpu.c - which kernels this processor gets
 *
 * The kernels of backend/cpu/kernels are compiled once for each instruction set; every build of them has one table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/cpu.h"

#include <string.h>

#include "backend/cpu/reference/reference.h"
#include "base/memory.h"

void *lyc_cpu_alloc(size_t bytes)
{
    return lyc_alloc(bytes);
}

void lyc_cpu_release(void *memory)
{
    lyc_free(memory);
}

lyc_status lyc_cpu_copy(void *dst, const void *src, size_t bytes, lyc_error *err)
{
    (void)err;
    memcpy(dst, src, bytes);
    return LYC_OK;
}

const lyc_kernel_set *lyc_kernels_of_isa(lyc_isa isa)
{
    static const lyc_kernel_set *const sets[LYC_ISA_COUNT] = {
        [LYC_ISA_GENERIC] = &lyc_kernels_generic,
#if defined(__x86_64__)
        [LYC_ISA_AVX2] = &lyc_kernels_avx2,
        [LYC_ISA_AVX512] = &lyc_kernels_avx512,
        [LYC_ISA_AVX512BF16] = &lyc_kernels_avx512bf16,
#endif
    };
    return sets[isa];
}

#define CPU_BACKEND(isa)                                                                                               \
    {                                                                                                                  \
        .name = "cpu." #isa,                                                                                           \
        .sets = (const lyc_kernel_set *const[]){&lyc_kernels_##isa, &lyc_reference_kernels, NULL},                     \
        .alloc = lyc_cpu_alloc, .release = lyc_cpu_release, .upload = lyc_cpu_copy, .download = lyc_cpu_copy           \
    }

static const lyc_backend backends[LYC_ISA_COUNT] = {
    [LYC_ISA_GENERIC] = CPU_BACKEND(generic),
#if defined(__x86_64__)
    [LYC_ISA_AVX2] = CPU_BACKEND(avx2),
    [LYC_ISA_AVX512] = CPU_BACKEND(avx512),
    [LYC_ISA_AVX512BF16] = CPU_BACKEND(avx512bf16),
#endif
};

const lyc_backend *lyc_backend_cpu_isa(lyc_isa isa)
{
    return backends[isa].name != NULL ? &backends[isa] : NULL;
}

const lyc_backend *lyc_backend_cpu(void)
{
    return lyc_backend_cpu_isa(lyc_cpu_isa());
}
