/* bench_train.c - times training steps of a checkpoint: seconds, memory, where the time goes
 *
 *     bench_train CHECKPOINT [--algo lora] [--rank 8] [--preset attn-mlp] [--native] [--size 512] [--batch 1]
 *                 [--precision bf16|f32] [--optimizer AdamW] [--memory BYTES] [--chunks 1] [--text] [--runs 3]
 *                 [--profile] [--tsv]
 *
 * A step is gradients by lyc_train_step_run, their norm, and the optimiser. It runs once to warm up and then --runs
 * times; the median is printed, and what the optimiser's part of it is. --text trains the text encoders too, --native
 * all weights of the U-Net. Texts that do not learn are states that are given, as in a run whose captions are known.
 * --tsv prints "<algo> <tab> seconds <tab> peak MiB" for bench/peers/torch_train.py.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/default.h"
#include "base/memory.h"
#include "ceiling.h"
#include "profile.h"
#include "train/gradient_clip.h"
#include "train/train_model.h"

enum { MAX_RUNS = 100 };

typedef struct settings {
    const char *path, *algo, *preset, *precision, *optimizer;
    int rank, size, batch, chunks, runs;
    double memory;
    bool native, text, profile, tsv;
} settings;

typedef struct bench {
    settings set;
    lyc_train_model *model;
    lyc_network *network;
    lyc_trainables trainables;
    lyc_optimizer *optimizer;
    lyc_train_step *step;
    lyc_step_input input;
    lyc_arena arena;
} bench;

/* --- what is trained ---------------------------------------------------------------------------------------------- */

static lyc_status make_network(bench *b, lyc_error *err)
{
    char algo[64], dim[64];
    lyc_preset preset = {0};
    lyc_network_args args = {0};
    lyc_selection selection = {0};
    const char *texts[] = {algo, dim};
    const size_t first = b->set.text ? 0 : b->model->part_count - 1;
    snprintf(algo, sizeof algo, "algo=%.50s", b->set.algo);
    snprintf(dim, sizeof dim, "network_dim=%d", b->set.rank);
    lyc_status status = lyc_preset_built_in(&preset, b->set.preset, err);
    status = status != LYC_OK ? status : lyc_network_args_parse(&args, texts, 2, err);
    status = status != LYC_OK ? status
                              : lyc_selection_make(&selection, b->model->selected + first, b->model->part_count - first,
                                                   &preset, &args, NULL, err);
    status = status != LYC_OK ? status : lyc_network_new(&b->network, LYC_NETWORK_TRAINED, err);
    status = status != LYC_OK ? status : lyc_network_set_samples(b->network, (size_t)b->set.batch, err);
    status = status != LYC_OK ? status
                              : lyc_network_add_selection(NULL, b->network, &selection, b->model->parts,
                                                          b->model->part_count, 1, err);
    lyc_selection_clear(&selection);
    lyc_network_args_clear(&args);
    lyc_preset_clear(&preset);
    return status;
}

static lyc_status make_trainables(bench *b, lyc_error *err)
{
    const lyc_trainable_rates rates = {.unet = 1e-4, .text = {1e-4, 1e-4}};
    if (!b->set.native) {
        LYC_TRY(make_network(b, err));
        LYC_TRY(lyc_trainables_add_network(&b->trainables, b->network, 0, &rates, err));
    } else {
        LYC_TRY(lyc_trainables_add_component(&b->trainables, b->model->networks.unet, 1e-5, err));
    }
    return lyc_optimizer_new(&b->optimizer, b->set.optimizer, NULL, 0, b->trainables.rows, b->trainables.count, err);
}

/* --- a batch ------------------------------------------------------------------------------------------------------ */

static float *numbers(bench *b, int64_t count)
{
    float *x = lyc_arena_alloc(&b->arena, (size_t)count, sizeof *x);
    const lyc_native_random random = {.seed = b->arena.total_bytes};
    if (x != NULL) {
        lyc_native_random_normals(&random, x, 0, (size_t)count);
    }
    return x;
}

static lyc_status make_input(bench *b, lyc_error *err)
{
    const int64_t n = b->set.batch, side = b->set.size / b->model->factor, latent = side * side * b->model->channels;
    const lyc_unet_config *unet = lyc_component_unet(b->model->networks.unet);
    lyc_step_input *in = &b->input;
    float *times = numbers(b, n), *weights = numbers(b, n), *sizes = numbers(b, 6 * n);
    const char **captions = lyc_arena_alloc(&b->arena, (size_t)n, sizeof *captions);
    *in = (lyc_step_input){.n = n, .h = side, .w = side, .tokens = b->model->tokens, .chunks = b->set.chunks};
    in->noisy = numbers(b, n * latent);
    in->target = numbers(b, n * latent);
    in->states = numbers(b, n * in->tokens * unet->mid_cross_dim);
    in->pooled = numbers(b, n * (int64_t)b->model->encoders.pooled_width + 1);
    if (times == NULL || weights == NULL || sizes == NULL || captions == NULL || in->noisy == NULL ||
        in->target == NULL || in->states == NULL || in->pooled == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a batch");
    }
    for (int64_t i = 0; i < n; i++) {
        times[i] = 500;
        weights[i] = 1.0f / (float)n;
        captions[i] = "a photo of a dog";
    }
    in->timesteps = times;
    in->weights = weights;
    in->sizes = sizes;
    for (int i = 0; b->set.text && i < b->model->encoders.count; i++) {
        const int64_t rows = n * b->set.chunks;
        int32_t *ids = lyc_arena_alloc(&b->arena, (size_t)(rows * lyc_train_model_length(b->model, i)), sizeof *ids);
        int32_t *eos = lyc_arena_alloc(&b->arena, (size_t)rows, sizeof *eos);
        in->ids[i] = ids;
        in->eos[i] = eos;
        LYC_TRY(ids != NULL && eos != NULL ? lyc_train_model_ids(ids, eos, b->model, i, captions, n, err)
                                           : lyc_fail(err, LYC_E_MEMORY, "no memory for a batch"));
    }
    return LYC_OK;
}

static lyc_status open_bench(bench *b, lyc_error *err)
{
    const lyc_precision precision = strcmp(b->set.precision, "f32") == 0 ? LYC_PRECISION_F32 : LYC_PRECISION_BF16;
    LYC_TRY(lyc_train_model_open(
        &b->model, &(lyc_train_model_options){.model = b->set.path, .precision = precision, .chunks = b->set.chunks},
        err));
    LYC_TRY(make_trainables(b, err));
    const lyc_step_options options = {
        .backend = lyc_backend_default(),
        .precision = precision,
        .budget_bytes = (size_t)b->set.memory,
        .optimiser_bytes_per_param =
            (size_t)(lyc_optimizer_bytes_per_number(lyc_optimizer_entry_of(b->optimizer)) + 0.999),
        .trainables = &b->trainables,
        .network = b->network,
        .native_unet = b->set.native,
        .text_in_graph = b->set.text,
        .clip_skip = 1,
    };
    LYC_TRY(lyc_train_step_new(&b->step, &b->model->networks, &options, err));
    return make_input(b, err);
}

static void close_bench(bench *b)
{
    lyc_train_step_free(b->step);
    lyc_optimizer_free(b->optimizer);
    lyc_trainables_clear(&b->trainables);
    lyc_network_free(b->network);
    lyc_train_model_close(b->model);
    lyc_arena_clear(&b->arena);
}

/* --- timing ------------------------------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of this program alone: what getrusage says begins with the memory of the process that started it. */
static double peak_mib(void)
{
    char line[128];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtod(line + 6, NULL);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib / 1024.0;
}

/* One step; *update: seconds of norm and optimiser. */
static lyc_status run(double *update, bench *b, lyc_error *err)
{
    const double rates[LYC_TRAIN_GROUPS] = {1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4};
    lyc_step_result result;
    lyc_gradient_norm norm;
    LYC_TRY(lyc_train_step_run(&result, b->step, &b->input, false, err));
    const double start = bench_seconds();
    lyc_gradient_norm_compute(&norm, b->trainables.rows, b->trainables.count, 1);
    lyc_optimizer_set_scale(b->optimizer, lyc_gradient_clip(norm.norm, 1));
    LYC_TRY(lyc_optimizer_step(b->optimizer, rates, err));
    *update = bench_seconds() - start;
    return LYC_OK;
}

static lyc_status profile(const bench *b, lyc_plan *plan, lyc_error *err)
{
    double *seconds = calloc((size_t)lyc_plan_step_count(plan), sizeof *seconds);
    const lyc_status status = seconds == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for a profile")
                                              : lyc_plan_run_timed(seconds, plan, err);
    if (status == LYC_OK && !b->set.tsv) {
        bench_profile_print(plan, seconds, 1);
    }
    free(seconds);
    return status;
}

static lyc_status measure(bench *b, lyc_error *err)
{
    double times[MAX_RUNS], updates[MAX_RUNS], compile = bench_seconds();
    lyc_plan *plan = NULL;
    LYC_TRY(lyc_train_step_plan(&plan, b->step, &b->input, err));
    compile = bench_seconds() - compile;
    LYC_TRY(run(updates, b, err));
    for (int i = 0; i < b->set.runs; i++) {
        const double start = bench_seconds();
        LYC_TRY(run(&updates[i], b, err));
        times[i] = bench_seconds() - start;
    }
    qsort(times, (size_t)b->set.runs, sizeof times[0], compare_doubles);
    qsort(updates, (size_t)b->set.runs, sizeof updates[0], compare_doubles);
    const double seconds = times[b->set.runs / 2];
    const char *what = b->set.native ? "native" : b->set.algo;
    if (b->set.tsv) {
        printf("%s\t%.4f\t%.0f\n", what, seconds, peak_mib());
        return LYC_OK;
    }
    const lyc_plan_memory m = lyc_plan_memory_get(plan);
    printf("%s, %s, %d px, batch %d, %lld numbers in %zu tensors\n", what, b->set.precision, b->set.size, b->set.batch,
           (long long)b->trainables.numbers, b->trainables.count);
    printf("%.3f s a step, of which %.1f ms are the update; %.1f GFLOP/s; %.1f s to compile and pack\n", seconds,
           1e3 * updates[b->set.runs / 2], lyc_plan_flops(plan) / seconds * 1e-9, compile);
    printf(
        "memory in MB: weights %.0f, arena %.0f (values %.0f), parameters %.0f, optimiser %.0f, peak of process %.0f; "
        "%d of %d steps are repeated\n",
        (double)m.weights / 1e6, (double)m.arena / 1e6, (double)m.activations / 1e6, (double)m.params / 1e6,
        (double)m.optimiser / 1e6, peak_mib() * 1.048576, lyc_plan_recomputed_count(plan), lyc_plan_step_count(plan));
    return b->set.profile ? profile(b, plan, err) : LYC_OK;
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */

static bool take_option(settings *set, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        int *number;
    } options[] = {{"--algo", &set->algo, NULL},
                   {"--preset", &set->preset, NULL},
                   {"--precision", &set->precision, NULL},
                   {"--optimizer", &set->optimizer, NULL},
                   {"--rank", NULL, &set->rank},
                   {"--size", NULL, &set->size},
                   {"--batch", NULL, &set->batch},
                   {"--chunks", NULL, &set->chunks},
                   {"--runs", NULL, &set->runs}};
    if (value != NULL && strcmp(name, "--memory") == 0) {
        set->memory = strtod(value, NULL);
        return set->memory > 0;
    }
    for (size_t i = 0; value != NULL && i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].name, name) == 0 && options[i].text != NULL) {
            *options[i].text = value;
            return true;
        }
        if (strcmp(options[i].name, name) == 0) {
            *options[i].number = (int)strtol(value, NULL, 10);
            return *options[i].number > 0;
        }
    }
    return false;
}

static bool parse(settings *set, int argc, char **argv)
{
    *set = (settings){.algo = "lora",
                      .preset = "attn-mlp",
                      .precision = "bf16",
                      .optimizer = "AdamW",
                      .rank = 8,
                      .size = 512,
                      .batch = 1,
                      .chunks = 1,
                      .runs = 3};
    for (int i = 1; i < argc; i++) {
        const struct {
            const char *name;
            bool *flag;
        } flags[] = {
            {"--native", &set->native}, {"--text", &set->text}, {"--profile", &set->profile}, {"--tsv", &set->tsv}};
        bool *flag = NULL;
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++) {
            flag = strcmp(argv[i], flags[k].name) == 0 ? flags[k].flag : flag;
        }
        if (flag != NULL) {
            *flag = true;
        } else if (argv[i][0] != '-' && set->path == NULL) {
            set->path = argv[i];
        } else if (take_option(set, argv[i], argv[i + 1])) {
            i++;
        } else {
            return false;
        }
    }
    return set->path != NULL && set->size % 64 == 0 && set->runs <= MAX_RUNS;
}

int main(int argc, char **argv)
{
    bench b = {0};
    lyc_error err;
    if (!parse(&b.set, argc, argv)) {
        fprintf(stderr, "usage: bench_train CHECKPOINT [options], see the beginning of bench_train.c\n");
        return 2;
    }
    lyc_status status = open_bench(&b, &err);
    status = status == LYC_OK ? measure(&b, &err) : status;
    close_bench(&b);
    if (status != LYC_OK) {
        fprintf(stderr, "bench_train: %s\n", err.message);
        return 1;
    }
    return 0;
}
