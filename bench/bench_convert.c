/* bench_convert.c - conversions between element types: GB/s read and written, share of the streaming copy
 *
 *     bench_convert [ELEMENTS]
 *
 * 64 Mi elements by default, far more than the caches hold; the median of 7 runs on all threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/thread.h"
#include "ceiling.h"
#include "tensor/dtype.h"

enum { RUNS = 7 };

static const lyc_dtype pairs[][2] = {
    {LYC_F16, LYC_F32},     {LYC_F32, LYC_F16},     {LYC_BF16, LYC_F32},     {LYC_F32, LYC_BF16},
    {LYC_F16, LYC_BF16},    {LYC_BF16, LYC_F16},    {LYC_F8_E4M3, LYC_F32},  {LYC_F32, LYC_F8_E4M3},
    {LYC_F8_E5M2, LYC_F32}, {LYC_F32, LYC_F8_E5M2}, {LYC_F8_E4M3, LYC_BF16}, {LYC_F64, LYC_F32},
    {LYC_F32, LYC_F64},     {LYC_F64, LYC_F16},     {LYC_U8, LYC_F32},       {LYC_F32, LYC_F32},
};

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_seconds(char *dst, lyc_dtype to, const char *src, lyc_dtype from, size_t n)
{
    double times[RUNS];
    lyc_error err;
    for (int run = -1; run < RUNS; run++) {
        const double start = bench_seconds();
        if (lyc_dtype_convert_parallel(dst, to, src, from, n, &err) != LYC_OK) {
            fprintf(stderr, "bench_convert: %s\n", err.message);
            exit(1);
        }
        if (run >= 0) {
            times[run] = bench_seconds() - start;
        }
    }
    qsort(times, RUNS, sizeof *times, ascending);
    return times[RUNS / 2];
}

int main(int argc, char **argv)
{
    const size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : (size_t)64 << 20;
    char *src = n > 0 && n < (size_t)1 << 40 ? lyc_alloc(n * 8) : NULL;
    char *dst = src != NULL ? lyc_alloc(n * 8) : NULL;
    if (dst == NULL) {
        fprintf(stderr, "bench_convert: no memory for %zu elements\n", n);
        lyc_free(src);
        return 1;
    }
    memset(dst, 0, n * 8);
    for (size_t i = 0; i < n * 8; i++) {
        src[i] = (char)(i * 37 >> 3);
    }
    const bench_ceiling ceiling = bench_ceiling_measure();
    printf("# %s, %s, %d threads, copy %.1f GB/s, %zu elements\n", lyc_cpu_name(), lyc_isa_name(lyc_cpu_isa()),
           lyc_thread_count(), ceiling.copy_gbs, n);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const lyc_dtype from = pairs[i][0];
        const lyc_dtype to = pairs[i][1];
        const double seconds = median_seconds(dst, to, src, from, n);
        const double gbs = 1e-9 * (double)n * (lyc_dtype_bits(from) + lyc_dtype_bits(to)) / 8.0 / seconds;
        printf("%-8s to %-8s %9.3f ms %7.1f GB/s %5.1f %%\n", lyc_dtype_name(from), lyc_dtype_name(to), 1e3 * seconds,
               gbs, 100.0 * gbs / ceiling.copy_gbs);
    }
    lyc_free(src);
    lyc_free(dst);
    return 0;
}
