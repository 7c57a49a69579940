/* ceiling.h - what this machine can do at most, measured: the figures that kernels are compared with
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BENCH_CEILING_H
#define LYC_BENCH_CEILING_H

typedef struct bench_ceiling {
    double f32_gflops;  /* register-only multiply-adds on all threads */
    double bf16_gflops; /* the same with bf16 dot products; f32_gflops where the processor has none */
    double copy_gbs;    /* streaming copy of 256 MiB, bytes read and written */
    double read_gbs;
} bench_ceiling;

/* Takes about a second. */
bench_ceiling bench_ceiling_measure(void);

double bench_seconds(void);

#endif
