/* bench_ops.c - times operations by their problem lines: milliseconds, GFLOP/s or GB/s, share of the ceiling
 *
 *     bench_ops [--precision f32|bf16|both] [--only TEXT] [--file bench/sd15.txt] [--kernels own|onednn|reference]
 *               [--runs N] [--tsv]
 *
 * Each line is run as a plan of one step, once to warm up and then at least N (5) times and 0.2 seconds; the median is
 * printed. Work with more than 8 FLOP a byte is compared with the multiply-add ceiling, other work with the streaming
 * copy (operands in the cache may exceed it). --tsv prints "line <tab> precision <tab> seconds" for bench/peers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#ifdef LYCORIS_WITH_DIFFUSION
#include "backend/onednn/kernels.h"
#endif
#include "base/string.h"
#include "base/thread.h"
#include "ceiling.h"
#include "graph/build.h"
#include "graph/plan.h"
#include "graph/problem_text.h"
#include "tensor/dtype.h"

typedef struct settings {
    const char *precision;
    const char *only;
    const char *file;
    const char *kernels;
    int runs;
    bool tsv;
} settings;

enum { MAX_RUNS = 1000 };

typedef struct bench {
    const settings *settings;
    bench_ceiling ceiling;
    lyc_precision precision;
    lyc_graph *g;
    lyc_plan *plan;
    lyc_value *inputs[LYC_MAX_INPUTS];
    void *data[LYC_MAX_INPUTS];
} bench;

static void *numbers(lyc_dtype dtype, int64_t n)
{
    const size_t element = (size_t)lyc_dtype_bits(dtype) / 8;
    char *data = malloc((size_t)n * element);
    unsigned state = 1;
    for (int64_t i = 0; data != NULL && i < n; i++) {
        state = state * 1664525u + 1013904223u;
        lyc_dtype_store(dtype, data + (size_t)i * element,
                        dtype == LYC_I32 ? (double)(state >> 20) : (double)(state >> 8) / 8388608.0 - 1.0);
    }
    return data;
}

static lyc_value *make_operand(void *context, lyc_graph *g, int input, const char *name, const lyc_operand *o)
{
    bench *b = context;
    if (o->frozen) {
        b->data[input] = numbers(o->dtype, lyc_shape_elements(&o->shape));
        b->inputs[input] = NULL;
        return lyc_graph_weight(g, name, o->dtype, o->shape, b->data[input]);
    }
    const bool vector = o->shape.rank < 2 || strcmp(name, "lse") == 0 || strcmp(name, "mean") == 0 ||
                        strcmp(name, "rstd") == 0; /* statistics stay in f32 */
    const lyc_value_type type = o->dtype == LYC_I32 ? LYC_INDEX : vector ? LYC_FLOAT : LYC_ACTIVATION;
    return b->inputs[input] = lyc_graph_input(g, name, type, o->shape);
}

static const lyc_backend *backend_of(const settings *s)
{
#ifdef LYCORIS_WITH_DIFFUSION
    if (strcmp(s->kernels, "onednn") == 0) {
        return lyc_backend_onednn_everywhere();
    }
    if (strcmp(s->kernels, "best") == 0) {
        return lyc_backend_onednn();
    }
#endif
    return lyc_backend_cpu();
}

static lyc_status open_problem(bench *b, const char *line, lyc_error *err)
{
    lyc_problem_text text;
    LYC_TRY(lyc_problem_text_parse(&text, line, err));
    LYC_TRY(lyc_graph_new(&b->g, err));
    lyc_graph_output(b->g, lyc_problem_text_build(b->g, &text, make_operand, b));
    LYC_TRY(lyc_graph_status(b->g, err));
    lyc_value *y = lyc_graph_node(b->g, 0)->outputs[0];
    for (int k = 1; k < y->node->n_outputs; k++) {
        lyc_graph_output(b->g, y->node->outputs[k]);
    }
    const lyc_plan_options options = {.precision = b->precision,
                                      .backend = backend_of(b->settings),
                                      .reference_only = strcmp(b->settings->kernels, "reference") == 0};
    LYC_TRY(lyc_plan_compile(&b->plan, b->g, &options, err));
    for (int i = 0; i < LYC_MAX_INPUTS; i++) {
        if (b->inputs[i] != NULL) {
            b->data[i] = numbers(lyc_plan_dtype(b->plan, b->inputs[i]), lyc_shape_elements(&b->inputs[i]->shape));
            LYC_TRY(lyc_plan_bind(b->plan, b->inputs[i], b->data[i], lyc_plan_bytes(b->plan, b->inputs[i]), err));
        }
    }
    return LYC_OK;
}

static void close_problem(bench *b)
{
    lyc_plan_free(b->plan);
    lyc_graph_free(b->g);
    b->plan = NULL;
    b->g = NULL;
    for (int i = 0; i < LYC_MAX_INPUTS; i++) {
        free(b->data[i]);
        b->data[i] = NULL;
        b->inputs[i] = NULL;
    }
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static lyc_status median_seconds(double *seconds, bench *b, lyc_error *err)
{
    double times[MAX_RUNS];
    int n = 0;
    LYC_TRY(lyc_plan_run(b->plan, err));
    const double begin = bench_seconds();
    while (n < MAX_RUNS && (n < b->settings->runs || bench_seconds() - begin < 0.2)) {
        const double start = bench_seconds();
        LYC_TRY(lyc_plan_run(b->plan, err));
        times[n++] = bench_seconds() - start;
    }
    qsort(times, (size_t)n, sizeof *times, ascending);
    *seconds = times[n / 2];
    return LYC_OK;
}

static void report(const bench *b, const char *line, double seconds)
{
    const char *precision = b->precision == LYC_PRECISION_BF16 ? "bf16" : "f32";
    if (b->settings->tsv) {
        printf("%s\t%s\t%.9f\n", line, precision, seconds);
        return;
    }
    const double flops = lyc_plan_flops(b->plan);
    const double bytes = lyc_plan_bytes_moved(b->plan);
    const double ceiling = b->precision == LYC_PRECISION_BF16 ? b->ceiling.bf16_gflops : b->ceiling.f32_gflops;
    const bool compute = flops > 8.0 * bytes;
    const double rate = 1e-9 * (compute ? flops : bytes) / seconds;
    printf("%-4s %10.3f ms %8.1f %-7s %5.1f %%  %-24s %s\n", precision, 1e3 * seconds, rate,
           compute ? "GFLOP/s" : "GB/s", 100.0 * rate / (compute ? ceiling : b->ceiling.copy_gbs),
           lyc_plan_kernel_name(b->plan, 0), line);
}

static int time_line(bench *b, const char *line)
{
    lyc_error err;
    double seconds = 0.0;
    lyc_status status = open_problem(b, line, &err);
    if (status == LYC_OK) {
        status = median_seconds(&seconds, b, &err);
    }
    if (status == LYC_OK) {
        report(b, line, seconds);
    } else {
        fprintf(stderr, "bench_ops: %s: %s\n", line, err.message);
    }
    close_problem(b);
    fflush(stdout);
    return status != LYC_OK;
}

static int time_file(bench *b)
{
    char line[1024];
    int failures = 0;
    FILE *file = fopen(b->settings->file, "r");
    if (file == NULL) {
        fprintf(stderr, "bench_ops: cannot open %s\n", b->settings->file);
        return 1;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' && !b->settings->tsv && b->settings->only == NULL) {
            printf("%s\n", line);
        } else if (line[0] != '\0' && line[0] != '#' &&
                   (b->settings->only == NULL || strstr(line, b->settings->only) != NULL)) {
            failures += time_line(b, line);
        }
    }
    fclose(file);
    return failures;
}

static bool parse_arguments(settings *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--tsv") == 0) {
            s->tsv = true;
            continue;
        }
        if (value == NULL) {
            return false;
        }
        if (strcmp(argv[i], "--precision") == 0) {
            s->precision = value;
        } else if (strcmp(argv[i], "--only") == 0) {
            s->only = value;
        } else if (strcmp(argv[i], "--file") == 0) {
            s->file = value;
        } else if (strcmp(argv[i], "--kernels") == 0) {
            s->kernels = value;
        } else if (strcmp(argv[i], "--runs") == 0) {
            s->runs = atoi(value);
        } else {
            return false;
        }
        i++;
    }
    return s->runs > 0 && s->runs <= MAX_RUNS;
}

int main(int argc, char **argv)
{
    settings s = {.precision = "both", .file = "bench/sd15.txt", .kernels = "best", .runs = 5};
    if (!parse_arguments(&s, argc, argv)) {
        fprintf(stderr, "usage: bench_ops [--precision f32|bf16|both] [--only TEXT] [--file FILE] "
                        "[--kernels best|own|onednn|reference] [--runs N] [--tsv]\n");
        return 1;
    }
    bench b = {.settings = &s};
    if (!s.tsv) {
        b.ceiling = bench_ceiling_measure();
        printf("# %s, %s, %d threads: %.0f GFLOP/s f32, %.0f GFLOP/s bf16, copy %.1f GB/s, read %.1f GB/s\n",
               lyc_cpu_name(), lyc_isa_name(lyc_cpu_isa()), lyc_thread_count(), b.ceiling.f32_gflops,
               b.ceiling.bf16_gflops, b.ceiling.copy_gbs, b.ceiling.read_gbs);
    }
    int failures = 0;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        if (strcmp(s.precision, bf16 ? "f32" : "bf16") != 0) {
            b.precision = bf16 ? LYC_PRECISION_BF16 : LYC_PRECISION_F32;
            failures += time_file(&b);
        }
    }
    return failures != 0;
}
