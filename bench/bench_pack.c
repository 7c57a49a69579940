/* bench_pack.c - how long the frozen weights of a model take to come into the kernels' form
 *
 *     bench_pack [--dtype F16|BF16|F32|F8_E4M3] [--precision f32|bf16] [--backward] [--shapes] [FILE]
 *
 * Makes random weights of the shapes of FILE (bench/sd15_weights.txt) and compiles a plan that uses each once, as a
 * model that starts does: allocation of the packed forms is counted. --backward: for the gradient by data. --shapes: a
 * line for each shape instead, which says where the time goes. Wall and processor seconds, GB/s read and written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cpu/default.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/thread.h"
#include "ceiling.h"
#include "graph/build.h"
#include "graph/ops/conv2d.h"
#include "graph/ops/matmul.h"
#include "graph/plan.h"
#include "tensor/dtype.h"

enum { SHAPES_MAX = 256 };

typedef struct weight_shape {
    int count;
    lyc_shape shape;
} weight_shape;

typedef struct settings {
    const char *file;
    lyc_dtype dtype;
    lyc_precision precision;
    bool backward;
    bool by_shape;
} settings;

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int read_shapes(weight_shape *shapes, const char *path)
{
    char line[256];
    int n = 0;
    FILE *file = fopen(path, "r");
    while (file != NULL && n < SHAPES_MAX && fgets(line, sizeof line, file) != NULL) {
        int64_t d[4];
        const int read = sscanf(line, "%d %" SCNd64 "x%" SCNd64 "x%" SCNd64 "x%" SCNd64, &shapes[n].count, &d[0], &d[1],
                                &d[2], &d[3]);
        if (line[0] != '#' && (read == 3 || read == 5)) {
            shapes[n].shape = (lyc_shape){.rank = read - 1};
            memcpy(shapes[n++].shape.dims, d, (size_t)(read - 1) * sizeof *d);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return n;
}

/* Numbers below 2 in any type of 8 bits or more: their exponents' first bit is not set. */
static char *random_weight(lyc_dtype dtype, int64_t n)
{
    const size_t bytes = (size_t)n * (size_t)lyc_dtype_bits(dtype) / 8;
    const size_t element = (size_t)lyc_dtype_bits(dtype) / 8;
    char *data = malloc(bytes + sizeof(uint64_t));
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; data != NULL && i < bytes; i += sizeof x) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        const uint64_t bits = element == 2 ? x & 0xBFFFBFFFBFFFBFFFu : x & 0xBFBFBFBFBFBFBFBFu;
        memcpy(data + i, &bits, sizeof bits);
    }
    return data;
}

/* The node that uses a weight; activations are small, they are not computed. */
static void add_use(lyc_graph *g, lyc_value *w, bool backward)
{
    const lyc_shape *s = &w->shape;
    lyc_value *y;
    if (s->rank == 2) {
        lyc_value *x = lyc_graph_input(g, "x", LYC_ACTIVATION, LYC_SHAPE(8, s->dims[backward ? 0 : 1]));
        y = lyc_matmul(g, x, w, NULL, NULL, &(lyc_matmul_attr){.trans_b = !backward, .alpha = 1.0f});
    } else {
        const int pad = (int)s->dims[2] / 2;
        const lyc_conv2d_attr attr = lyc_conv2d_plain(1, pad);
        lyc_value *x = lyc_graph_input(g, "x", LYC_ACTIVATION, LYC_SHAPE(1, 8, 8, s->dims[backward ? 0 : 1]));
        y = backward ? lyc_conv2d_backward_data(g, w, x, NULL,
                                                &(lyc_conv2d_backward_data_attr){.conv = attr, .size = {8, 8}})
                     : lyc_conv2d(g, x, w, NULL, NULL, &attr);
    }
    lyc_graph_output(g, y);
}

typedef struct measure {
    double wall, processor;
    size_t read, written;
} measure;

static lyc_status pack(measure *m, const weight_shape *shapes, int n, const settings *s, char **data, lyc_error *err)
{
    lyc_graph *g = NULL;
    lyc_plan *plan = NULL;
    int used = 0;
    *m = (measure){0};
    LYC_TRY(lyc_graph_new(&g, err));
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < shapes[i].count; c++) {
            const int64_t elements = lyc_shape_elements(&shapes[i].shape);
            data[used] = random_weight(s->dtype, elements);
            add_use(g, lyc_graph_weight(g, "w", s->dtype, shapes[i].shape, data[used++]), s->backward);
            m->read += (size_t)(elements * lyc_dtype_bits(s->dtype) / 8);
        }
    }
    const lyc_plan_options options = {.backend = lyc_backend_default(), .precision = s->precision};
    const double wall = bench_seconds();
    const double processor = processor_seconds();
    const lyc_status status = lyc_plan_compile(&plan, g, &options, err);
    m->wall = bench_seconds() - wall;
    m->processor = processor_seconds() - processor;
    if (status == LYC_OK) {
        m->written = lyc_plan_memory_get(plan).weights;
    }
    lyc_plan_free(plan);
    lyc_graph_free(g);
    while (used > 0) {
        free(data[--used]);
    }
    return status;
}

static void report(const measure *m, const char *name)
{
    printf("%8.1f ms %8.1f ms of processor time, %6.1f MB to %6.1f MB, %5.1f GB/s a thread  %s\n", 1e3 * m->wall,
           1e3 * m->processor, 1e-6 * (double)m->read, 1e-6 * (double)m->written,
           1e-9 * (double)(m->read + m->written) / m->processor, name);
}

static lyc_status pack_all(const settings *s, lyc_error *err)
{
    static weight_shape shapes[SHAPES_MAX];
    static char *data[SHAPES_MAX * 64];
    const int n = read_shapes(shapes, s->file);
    measure m;
    for (int i = 0; i < n && s->by_shape; i++) {
        char name[LYC_SHAPE_TEXT];
        LYC_TRY(pack(&m, &shapes[i], 1, s, data, err));
        report(&m, lyc_shape_text(name, sizeof name, &shapes[i].shape));
    }
    if (!s->by_shape) {
        for (int run = 0; run < 3; run++) {
            LYC_TRY(pack(&m, shapes, n, s, data, err));
            report(&m, s->file);
        }
    }
    return n > 0 ? LYC_OK : lyc_fail(err, LYC_E_IO, "no shapes in %s", s->file);
}

static lyc_dtype dtype_of(const char *name)
{
    static const lyc_dtype types[] = {LYC_F32, LYC_BF16, LYC_F8_E4M3};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(name, lyc_dtype_name(types[i])) == 0) {
            return types[i];
        }
    }
    return LYC_F16;
}

static bool parse_arguments(settings *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--backward") == 0) {
            s->backward = true;
        } else if (strcmp(argv[i], "--shapes") == 0) {
            s->by_shape = true;
        } else if (strcmp(argv[i], "--dtype") == 0) {
            s->dtype = dtype_of(value);
            i++;
        } else if (strcmp(argv[i], "--precision") == 0) {
            s->precision = strcmp(value, "bf16") == 0 ? LYC_PRECISION_BF16 : LYC_PRECISION_F32;
            i++;
        } else if (argv[i][0] != '-') {
            s->file = argv[i];
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    settings s = {.file = "bench/sd15_weights.txt", .dtype = LYC_F16};
    lyc_error err;
    if (!parse_arguments(&s, argc, argv)) {
        fprintf(
            stderr,
            "usage: bench_pack [--dtype F16|BF16|F32|F8_E4M3] [--precision f32|bf16] [--backward] [--shapes] [FILE]\n");
        return 1;
    }
    printf("# %s, %s, %d threads\n", lyc_cpu_name(), lyc_isa_name(lyc_cpu_isa()), lyc_thread_count());
    if (pack_all(&s, &err) != LYC_OK) {
        fprintf(stderr, "bench_pack: %s\n", err.message);
        return 1;
    }
    return 0;
}
