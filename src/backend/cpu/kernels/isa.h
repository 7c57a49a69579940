/* isa.h - one source, compiled once for each instruction set
 *
 * Every .c file of this folder is compiled several times, with LYC_KERNEL_ISA set to generic, avx2, avx512 or
 * avx512bf16 and the compiler's flags to match. What such a file exports carries the name of the set:
 *
 *     const lyc_kernel LYC_ISA_SYMBOL(lyc_cpu_softmax) = { ... };      lyc_cpu_softmax_avx2 and so on
 *
 * Everything else in it is static: two copies of one external function, compiled for different processors, would be
 * merged by the linker into whichever came first. For the same reason these files use no inline function of other
 * headers that a compiler might decide to emit as a symbol (static inline is fine).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_ISA_H
#define LYC_BACKEND_CPU_KERNELS_ISA_H

#ifndef LYC_KERNEL_ISA
#define LYC_KERNEL_ISA generic
#endif

#define LYC_ISA_JOIN_(name, isa) name##_##isa
#define LYC_ISA_JOIN(name, isa)  LYC_ISA_JOIN_(name, isa)
#define LYC_ISA_SYMBOL(name)     LYC_ISA_JOIN(name, LYC_KERNEL_ISA)

#define LYC_ISA_TEXT_(isa) #isa
#define LYC_ISA_TEXT(isa)  LYC_ISA_TEXT_(isa)
/* "avx2": for log lines. */
#define LYC_ISA_NAME LYC_ISA_TEXT(LYC_KERNEL_ISA)

#endif
