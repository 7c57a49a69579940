/* bench_models.c - times the networks of a checkpoint: milliseconds, GFLOP/s, share of the ceiling, memory
 *
 *     bench_models CHECKPOINT [--precision f32|bf16|both] [--only unet|keys|vae-encode|vae-decode|clip|clip-2]
 *                  [--size 512] [--batch 2] [--tokens 77] [--runs 3] [--kernels own|onednn] [--profile] [--tsv]
 *
 * CHECKPOINT is what the program takes: a single file or a folder of diffusers (make_checkpoint writes one). Each
 * network is one plan; it runs once to warm up and then --runs times, and the median is printed. The U-Net runs on
 * --batch latents, VAE and text encoders on one picture and one prompt. --profile adds the time of each kind of
 * operation, --tsv prints "network <tab> precision <tab> seconds" for bench/peers/torch_models.py.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "backend/cpu/cpu.h"
#include "backend/onednn/kernels.h"
#include "base/cpu.h"
#include "base/string.h"
#include "base/thread.h"
#include "ceiling.h"
#include "checkpoint/checkpoint.h"
#include "graph/build.h"
#include "graph/plan.h"
#include "model/clip_text.h"
#include "model/unet.h"
#include "model/vae.h"
#include "profile.h"
#include "tensor/dtype.h"

enum { MAX_RUNS = 100 };

typedef struct settings {
    const char *path;
    const char *precision;
    const char *only;
    const char *kernels;
    int size, batch, tokens, runs;
    bool profile, tsv;
} settings;

typedef struct bench {
    settings set;
    bench_ceiling ceiling;
    lyc_precision precision;
    const lyc_component *weights;
    lyc_graph *g;
    lyc_plan *plan;
    void **bound; /* by value id */
} bench;

/* --- the networks ------------------------------------------------------------------------------------------------- */

static lyc_value *build_unet(bench *b, lyc_module *m)
{
    const lyc_unet_config *config = lyc_component_unet(b->weights);
    const int n = b->set.batch;
    lyc_unet_keys keys;
    lyc_unet_key_inputs(&keys, b->g, config, n, b->set.tokens);
    lyc_unet_inputs in = {.keys = &keys};
    in.latents = lyc_graph_input(b->g, "latents", LYC_ACTIVATION,
                                 LYC_SHAPE(n, b->set.size / 8, b->set.size / 8, config->in_channels));
    in.timesteps = lyc_graph_input(b->g, "timesteps", LYC_FLOAT, LYC_SHAPE(n));
    if (config->addition_time_dim > 0) {
        const int pooled = config->addition_input_dim - 6 * config->addition_time_dim;
        in.pooled = lyc_graph_input(b->g, "pooled", LYC_ACTIVATION, LYC_SHAPE(n, pooled));
        in.sizes = lyc_graph_input(b->g, "sizes", LYC_FLOAT, LYC_SHAPE(n, 6));
    }
    if (config->time_cond_dim > 0) {
        in.guidance = lyc_graph_input(b->g, "guidance", LYC_ACTIVATION, LYC_SHAPE(n, config->time_cond_dim));
    }
    return lyc_unet_forward(m, config, &in);
}

static lyc_value *build_keys(bench *b, lyc_module *m)
{
    const lyc_unet_config *config = lyc_component_unet(b->weights);
    const lyc_shape shape = LYC_SHAPE(b->set.batch, b->set.tokens, config->mid_cross_dim);
    lyc_unet_keys keys;
    lyc_unet_context(&keys, m, config, lyc_graph_input(b->g, "states", LYC_ACTIVATION, shape));
    for (int i = 0; i < keys.count; i++) {
        lyc_graph_output(b->g, keys.k[i]);
        lyc_graph_output(b->g, keys.v[i]);
    }
    return keys.count > 0 ? keys.k[0] : NULL;
}

static lyc_value *build_encode(bench *b, lyc_module *m)
{
    const lyc_vae_config *config = lyc_component_vae(b->weights);
    const lyc_shape shape = LYC_SHAPE(1, b->set.size, b->set.size, config->in_channels);
    return lyc_vae_encode(m, config, lyc_graph_input(b->g, "image", LYC_ACTIVATION, shape));
}

static lyc_value *build_decode(bench *b, lyc_module *m)
{
    const lyc_vae_config *config = lyc_component_vae(b->weights);
    const int side = b->set.size / lyc_vae_factor(config);
    const lyc_shape shape = LYC_SHAPE(1, side, side, config->latent_channels);
    return lyc_vae_decode(m, config, lyc_graph_input(b->g, "latents", LYC_ACTIVATION, shape));
}

static lyc_value *build_clip(bench *b, lyc_module *m)
{
    const lyc_clip_text_config *config = lyc_component_clip_text(b->weights);
    const lyc_clip_text_request request = {.final_norm = true};
    lyc_value *ids = lyc_graph_input(b->g, "ids", LYC_INDEX, LYC_SHAPE(1, config->max_positions));
    return lyc_clip_text(m, config, ids, NULL, &request).state;
}

static const struct {
    const char *name;
    lyc_component_kind kind;
    lyc_value *(*build)(bench *b, lyc_module *m);
} networks[] = {
    {"unet", LYC_COMPONENT_UNET, build_unet},         {"keys", LYC_COMPONENT_UNET, build_keys},
    {"vae-encode", LYC_COMPONENT_VAE, build_encode},  {"vae-decode", LYC_COMPONENT_VAE, build_decode},
    {"clip", LYC_COMPONENT_TEXT_ENCODER, build_clip}, {"clip-2", LYC_COMPONENT_TEXT_ENCODER_2, build_clip},
};

/* --- measuring ---------------------------------------------------------------------------------------------------- */

/* Numbers in [-1,1); ids are small. */
static lyc_status bind_numbers(bench *b, const lyc_value *v, lyc_error *err)
{
    const lyc_dtype dtype = lyc_plan_dtype(b->plan, v);
    const size_t bytes = lyc_plan_bytes(b->plan, v);
    const size_t element = (size_t)lyc_dtype_bits(dtype) / 8;
    unsigned state = 1;
    char *data = calloc(1, bytes + 1);
    if (data == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", v->name);
    }
    for (size_t i = 0; i < bytes / element; i++) {
        state = state * 1664525u + 1013904223u;
        lyc_dtype_store(dtype, data + i * element,
                        dtype == LYC_I32 ? (double)(state >> 24) : (double)(state >> 8) / 8388608.0 - 1.0);
    }
    b->bound[v->id] = data;
    return lyc_plan_bind(b->plan, v, data, bytes, err);
}

static lyc_status bind_inputs(bench *b, lyc_error *err)
{
    const int count = lyc_graph_value_count(b->g);
    b->bound = calloc((size_t)count + 1, sizeof *b->bound);
    if (b->bound == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for inputs");
    }
    for (int i = 0; i < count; i++) {
        const lyc_value *v = lyc_graph_value(b->g, i);
        if (v->kind == LYC_VALUE_INPUT) {
            LYC_TRY(bind_numbers(b, v, err));
        }
    }
    return LYC_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double peak_mib(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024.0 : 0.0;
}

static void print_result(const bench *b, const char *name, double seconds, double compile)
{
    const bool bf16 = b->precision == LYC_PRECISION_BF16;
    const lyc_plan_memory memory = lyc_plan_memory_get(b->plan);
    const double gflops = lyc_plan_flops(b->plan) / seconds * 1e-9;
    const double ceiling = bf16 ? b->ceiling.bf16_gflops : b->ceiling.f32_gflops;
    if (b->set.tsv) {
        printf("%s\t%s\t%.6f\n", name, bf16 ? "bf16" : "f32", seconds);
    } else {
        printf(
            "%-11s %-5s %10.1f ms %8.1f GFLOP/s %5.1f %% of the ceiling; plan %.1f s, weights %.0f MiB, arena %.0f MiB "
            "(alive %.0f), peak of the process %.0f MiB\n",
            name, bf16 ? "bf16" : "f32", 1e3 * seconds, gflops, 100.0 * gflops / ceiling, compile,
            (double)memory.weights / 1048576.0, (double)memory.arena / 1048576.0,
            (double)memory.activations / 1048576.0, peak_mib());
    }
    fflush(stdout);
}

static lyc_status measure(bench *b, const char *name, double compile, lyc_error *err)
{
    double times[MAX_RUNS];
    double *steps = calloc((size_t)lyc_plan_step_count(b->plan) + 1, sizeof *steps);
    if (steps == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for times");
    }
    lyc_status status = lyc_plan_run(b->plan, err);
    for (int i = 0; i < b->set.runs && status == LYC_OK; i++) {
        const double start = bench_seconds();
        status = b->set.profile ? lyc_plan_run_timed(steps, b->plan, err) : lyc_plan_run(b->plan, err);
        times[i] = bench_seconds() - start;
    }
    if (status == LYC_OK) {
        qsort(times, (size_t)b->set.runs, sizeof times[0], compare_doubles);
        print_result(b, name, times[b->set.runs / 2], compile);
        if (b->set.profile && !b->set.tsv) {
            bench_profile_print(b->plan, steps, b->set.runs);
        }
    }
    free(steps);
    return status;
}

static void release_pages(void *context, size_t bytes)
{
    static _Atomic size_t read;
    read += bytes;
    if (read > (size_t)32 << 20) {
        read = 0;
        lyc_component_release_pages(context);
    }
}

static void clear(bench *b)
{
    for (int i = 0; b->bound != NULL && i < lyc_graph_value_count(b->g); i++) {
        free(b->bound[i]);
    }
    free(b->bound);
    lyc_plan_free(b->plan);
    lyc_graph_free(b->g);
    b->bound = NULL;
    b->plan = NULL;
    b->g = NULL;
}

static const lyc_backend *backend_of(const settings *set)
{
    return strcmp(set->kernels, "onednn") == 0 ? lyc_backend_onednn_everywhere() : lyc_backend_cpu();
}

static lyc_status run_network(bench *b, size_t index, lyc_error *err)
{
    const lyc_plan_options options = {.precision = b->precision,
                                      .backend = backend_of(&b->set),
                                      .weights_read = release_pages,
                                      .weights_context = (void *)(uintptr_t)b->weights};
    LYC_TRY(lyc_graph_new(&b->g, err));
    lyc_module m = {.graph = b->g, .weights = b->weights, .component = ""};
    lyc_graph_output(b->g, networks[index].build(b, &m));
    const double start = bench_seconds();
    LYC_TRY(lyc_plan_compile(&b->plan, b->g, &options, err));
    lyc_component_release_pages(b->weights);
    const double compile = bench_seconds() - start;
    LYC_TRY(bind_inputs(b, err));
    return measure(b, networks[index].name, compile, err);
}

static lyc_status run_all(bench *b, const lyc_checkpoint *checkpoint, lyc_error *err)
{
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
        b->weights = lyc_checkpoint_component(checkpoint, networks[i].kind);
        if (b->weights == NULL || (b->set.only != NULL && strcmp(b->set.only, networks[i].name) != 0)) {
            continue;
        }
        for (int p = 0; p < 2; p++) {
            b->precision = p == 0 ? LYC_PRECISION_F32 : LYC_PRECISION_BF16;
            if (strcmp(b->set.precision, "both") == 0 || (strcmp(b->set.precision, "bf16") == 0) == (p == 1)) {
                const lyc_status status = run_network(b, i, err);
                clear(b);
                LYC_TRY(status);
            }
        }
    }
    return LYC_OK;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static bool take_option(settings *set, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        int *number;
    } options[] = {{"--precision", &set->precision, NULL},
                   {"--only", &set->only, NULL},
                   {"--kernels", &set->kernels, NULL},
                   {"--size", NULL, &set->size},
                   {"--batch", NULL, &set->batch},
                   {"--tokens", NULL, &set->tokens},
                   {"--runs", NULL, &set->runs}};
    for (size_t i = 0; value != NULL && i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(name, options[i].name) == 0) {
            if (options[i].text != NULL) {
                *options[i].text = value;
            } else {
                *options[i].number = atoi(value);
            }
            return true;
        }
    }
    return false;
}

static bool parse(settings *set, int argc, char **argv)
{
    *set = (settings){.precision = "both", .kernels = "own", .size = 512, .batch = 2, .tokens = 77, .runs = 3};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--profile") == 0) {
            set->profile = true;
        } else if (strcmp(argv[i], "--tsv") == 0) {
            set->tsv = true;
        } else if (argv[i][0] != '-' && set->path == NULL) {
            set->path = argv[i];
        } else if (take_option(set, argv[i], argv[i + 1])) {
            i++;
        } else {
            return false;
        }
    }
    return set->path != NULL && set->size >= 64 && set->size % 64 == 0 && set->batch > 0 && set->tokens > 0 &&
           set->runs > 0 && set->runs <= MAX_RUNS;
}

int main(int argc, char **argv)
{
    bench b = {0};
    lyc_error err;
    lyc_checkpoint *checkpoint = NULL;
    const lyc_checkpoint_options options = {.allow_missing = true};
    if (!parse(&b.set, argc, argv)) {
        fputs("usage: bench_models CHECKPOINT [--precision f32|bf16|both] [--only NETWORK] [--size 512] [--batch 2]\n"
              "                    [--tokens 77] [--runs 3] [--kernels own|onednn] [--profile] [--tsv]\n",
              stderr);
        return 1;
    }
    lyc_status status = lyc_checkpoint_open(&checkpoint, b.set.path, &options, &err);
    if (status == LYC_OK) {
        if (!b.set.tsv) {
            b.ceiling = bench_ceiling_measure();
            printf("# %s, %s, %d threads; ceiling f32 %.1f GFLOP/s, bf16 %.1f, copy %.1f GB/s\n", lyc_cpu_name(),
                   lyc_isa_name(lyc_cpu_isa()), lyc_thread_count(), b.ceiling.f32_gflops, b.ceiling.bf16_gflops,
                   b.ceiling.copy_gbs);
        }
        status = run_all(&b, checkpoint, &err);
    }
    lyc_checkpoint_close(checkpoint);
    if (status != LYC_OK) {
        fprintf(stderr, "bench_models: %s\n", err.message);
    }
    return status != LYC_OK;
}
