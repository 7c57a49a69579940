/* ceiling.c - register-only multiply-adds, dot products and streaming copies on all threads
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ceiling.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/thread.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CHAINS = 12, ROUNDS = 5 };
static const int64_t ITERATIONS = 4000000;
static const size_t COPY_BYTES = 256u << 20;

double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Each loop keeps CHAINS independent sums in registers and returns one number, so that nothing is left out. */
typedef float (*fma_loop)(int64_t iterations);

static float fma_generic(int64_t iterations)
{
    typedef float vector __attribute__((vector_size(16)));
    vector sum[CHAINS] = {{0}};
    const vector a = {0.5f, 0.5f, 0.5f, 0.5f};
    for (int64_t i = 0; i < iterations; i++) {
#pragma GCC unroll 12 /* or the sums would live in memory */
        for (int c = 0; c < CHAINS; c++) {
            sum[c] = sum[c] * a + a;
            __asm__ volatile("" : "+x"(sum[c]));
        }
    }
#pragma GCC unroll 12
    for (int c = 1; c < CHAINS; c++) {
        sum[0] += sum[c];
    }
    return sum[0][0];
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float fma_avx2(int64_t iterations)
{
    __m256 sum[CHAINS];
    const __m256 a = _mm256_set1_ps(0.5f);
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++) {
        sum[c] = a;
    }
    for (int64_t i = 0; i < iterations; i++) {
#pragma GCC unroll 12 /* or the sums would live in memory */
        for (int c = 0; c < CHAINS; c++) {
            sum[c] = _mm256_fmadd_ps(sum[c], a, a);
            __asm__ volatile("" : "+x"(sum[c]));
        }
    }
#pragma GCC unroll 12
    for (int c = 1; c < CHAINS; c++) {
        sum[0] = _mm256_add_ps(sum[0], sum[c]);
    }
    return sum[0][0];
}

__attribute__((target("avx512f"))) static float fma_avx512(int64_t iterations)
{
    __m512 sum[CHAINS];
    const __m512 a = _mm512_set1_ps(0.5f);
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++) {
        sum[c] = a;
    }
    for (int64_t i = 0; i < iterations; i++) {
#pragma GCC unroll 12 /* or the sums would live in memory */
        for (int c = 0; c < CHAINS; c++) {
            sum[c] = _mm512_fmadd_ps(sum[c], a, a);
            __asm__ volatile("" : "+v"(sum[c]));
        }
    }
#pragma GCC unroll 12
    for (int c = 1; c < CHAINS; c++) {
        sum[0] = _mm512_add_ps(sum[0], sum[c]);
    }
    return sum[0][0];
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) static float dot_avx512bf16(int64_t iterations)
{
    __m512 sum[CHAINS];
    const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f));
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++) {
        sum[c] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < iterations; i++) {
#pragma GCC unroll 12 /* or the sums would live in memory */
        for (int c = 0; c < CHAINS; c++) {
            sum[c] = _mm512_dpbf16_ps(sum[c], a, a);
            __asm__ volatile("" : "+v"(sum[c]));
        }
    }
#pragma GCC unroll 12
    for (int c = 1; c < CHAINS; c++) {
        sum[0] = _mm512_add_ps(sum[0], sum[c]);
    }
    return sum[0][0];
}
#endif

typedef struct loop_context {
    fma_loop loop;
    volatile float sink;
} loop_context;

static void run_loop(void *context, int64_t first, int64_t last, int thread)
{
    loop_context *c = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        c->sink = c->loop(ITERATIONS);
    }
}

static double loop_gflops(fma_loop loop, int flops_per_chain)
{
    double best = 0.0;
    const int threads = lyc_thread_count();
    for (int round = 0; round < ROUNDS; round++) {
        loop_context context = {.loop = loop};
        const double start = bench_seconds();
        lyc_parallel_for(threads, run_loop, &context);
        const double gflops =
            1e-9 * threads * CHAINS * flops_per_chain * (double)ITERATIONS / (bench_seconds() - start);
        best = gflops > best ? gflops : best;
    }
    return best;
}

typedef struct copy_context {
    char *dst;
    const char *src;
    volatile uint64_t sink;
} copy_context;

/* Non-temporal stores where there are such: the destination is not read first. */
static void run_copy(void *context, int64_t first, int64_t last, int thread)
{
    copy_context *c = context;
    (void)thread;
#if defined(__x86_64__)
    for (int64_t i = first; i < last; i++) {
        const __m128i *src = (const __m128i *)(const void *)(c->src + i * 4096);
        __m128i *dst = (__m128i *)(void *)(c->dst + i * 4096);
        for (int k = 0; k < 256; k++) {
            _mm_stream_si128(dst + k, _mm_load_si128(src + k));
        }
    }
    _mm_sfence();
#else
    memcpy(c->dst + first * 4096, c->src + first * 4096, (size_t)(last - first) * 4096);
#endif
}

static void run_read(void *context, int64_t first, int64_t last, int thread)
{
    copy_context *c = context;
    (void)thread;
    typedef uint64_t vector __attribute__((vector_size(32)));
    vector sum[4] = {{0}};
    const vector *src = (const vector *)(const void *)(c->src + first * 4096);
    for (int64_t k = 0; k < (last - first) * 128; k += 4) {
        for (int j = 0; j < 4; j++) {
            sum[j] += src[k + j];
        }
    }
    sum[0] += sum[1] + sum[2] + sum[3];
    c->sink = sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
}

static double memory_gbs(lyc_parallel_body body, copy_context *context, double bytes)
{
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = bench_seconds();
        lyc_parallel_for((int64_t)(COPY_BYTES / 4096), body, context);
        const double gbs = 1e-9 * bytes / (bench_seconds() - start);
        best = gbs > best ? gbs : best;
    }
    return best;
}

bench_ceiling bench_ceiling_measure(void)
{
    bench_ceiling c = {0};
    const lyc_isa isa = lyc_cpu_isa();
    c.f32_gflops = loop_gflops(fma_generic, 8);
#if defined(__x86_64__)
    if (isa >= LYC_ISA_AVX512) {
        c.f32_gflops = loop_gflops(fma_avx512, 32);
    } else if (isa >= LYC_ISA_AVX2) {
        c.f32_gflops = loop_gflops(fma_avx2, 16);
    }
    c.bf16_gflops = isa >= LYC_ISA_AVX512BF16 ? loop_gflops(dot_avx512bf16, 64) : c.f32_gflops;
#else
    (void)isa;
    c.bf16_gflops = c.f32_gflops;
#endif
    copy_context context = {.dst = lyc_alloc(COPY_BYTES), .src = lyc_alloc_zero(1, COPY_BYTES)};
    if (context.dst != NULL && context.src != NULL) {
        memset(context.dst, 1, COPY_BYTES);
        c.copy_gbs = memory_gbs(run_copy, &context, 2.0 * (double)COPY_BYTES);
        c.read_gbs = memory_gbs(run_read, &context, (double)COPY_BYTES);
    }
    lyc_free(context.dst);
    lyc_free((void *)(uintptr_t)context.src);
    return c;
}
