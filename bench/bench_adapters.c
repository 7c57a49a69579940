/* bench_adapters.c - layers with adapters: which form is chosen, what both were counted to cost, and what they take
 *
 *     bench_adapters [--file bench/layers.txt] [--adapter "lokr factor=8"] [--only TEXT] [--training] [--runs N]
 * [--plan]
 *
 * Without --adapter a list of usual ones. A line for each layer and adapter: milliseconds of the layer alone, of the
 * structured and of the merged form (the least of N runs, 5 at least), the ratio that was counted, and * at the form
 * that is chosen. Activations in bf16, weights in F16. --training: parameters with gradients, x with one too. --plan:
 * the steps of both forms instead, with their kernels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/compute.h"
#include "adapter/site.h"
#include "backend/cpu/cpu.h"
#include "base/clock.h"
#include "base/string.h"
#include "base/thread.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

typedef struct settings {
    const char *file;
    const char *adapter;
    const char *only;
    bool training;
    bool plan;
    bool merge;
    int runs;
} settings;

enum { MAX_RUNS = 200, MAX_OPTIONS = 8 };

static const char *const usual[] = {
    "lora rank=8",   "lora rank=8 weight_decompose=true",
    "loha rank=4",   "lokr rank=10000 factor=8",
    "lokr factor=8", "diag-oft rank=4",
    "boft rank=16",  "ia3",
    "glora rank=8",  "tlora rank=8",
    "dylora rank=8",
};

/* A layer and its adapter. */
typedef struct subject {
    const settings *settings;
    const char *words; /* of the adapter */
    lyc_layer layer;
    lyc_adapter_target target;
    lyc_shape x;
    void *weight;
    lyc_adapter *adapter;
} subject;

static void stop(const char *what)
{
    fprintf(stderr, "bench_adapters: %s\n", what);
    exit(1);
}

static void *numbers(lyc_dtype dtype, int64_t n)
{
    const size_t element = (size_t)lyc_dtype_bits(dtype) / 8;
    char *data = malloc((size_t)n * element + 1);
    unsigned state = 1;
    for (int64_t i = 0; data != NULL && i < n; i++) {
        state = state * 1664525u + 1013904223u;
        lyc_dtype_store(dtype, data + (size_t)i * element, ((double)(state >> 8) / 8388608.0 - 1.0) * 0.05);
    }
    if (data == NULL) {
        stop("no memory");
    }
    return data;
}

static lyc_shape parse_shape(const char *text)
{
    lyc_shape shape = {0};
    const char *at = text;
    do {
        char *end;
        shape.dims[shape.rank++] = strtoll(at, &end, 10);
        at = *end == 'x' ? end + 1 : NULL;
    } while (at != NULL && shape.rank < LYC_MAX_RANK);
    return shape;
}

static void parse_layer(subject *s, char *line)
{
    const char *weight = strtok(line, " \n");
    const char *x = strtok(NULL, " \n");
    int stride = 1;
    int pad = 0;
    if (weight == NULL || x == NULL) {
        stop("a line is <weight> <x>");
    }
    for (const char *word; (word = strtok(NULL, " \n")) != NULL;) {
        stride = strncmp(word, "stride=", 7) == 0 ? (int)strtol(word + 7, NULL, 10) : stride;
        pad = strncmp(word, "pad=", 4) == 0 ? (int)strtol(word + 4, NULL, 10) : pad;
    }
    s->target = (lyc_adapter_target){.weight = parse_shape(weight), .groups = 1, .has_bias = true};
    s->target.kind = s->target.weight.rank == 2 ? LYC_LAYER_LINEAR : LYC_LAYER_CONV2D;
    s->x = parse_shape(x);
    s->layer = (lyc_layer){.kind = s->target.kind, .component = "", .name = "layer"};
    s->layer.conv = lyc_conv2d_plain(stride, pad);
    s->weight = numbers(LYC_F16, lyc_shape_elements(&s->target.weight));
}

static void make_adapter(subject *s)
{
    char words[256];
    lyc_adapter_setting options[MAX_OPTIONS];
    size_t count = 0;
    lyc_error err;
    snprintf(words, sizeof words, "%s", s->words);
    const lyc_adapter_algorithm *algorithm = lyc_adapter_algorithm_find(strtok(words, " "));
    if (algorithm == NULL) {
        stop("no such algorithm");
    }
    for (char *word; (word = strtok(NULL, " ")) != NULL && count < MAX_OPTIONS;) {
        char *value = strchr(word, '=');
        if (value == NULL) {
            stop("an option is name=value");
        }
        *value = '\0';
        options[count++] = (lyc_adapter_setting){word, value + 1};
    }
    s->adapter = NULL;
    if (lyc_adapter_new(&s->adapter, algorithm, "layer", &s->target, options, count, &err) != LYC_OK) {
        return; /* BOFT does not divide every layer */
    }
    for (int i = 0; i < s->adapter->n_params; i++) {
        lyc_adapter_param *p = &s->adapter->params[i];
        float *data = numbers(LYC_F32, lyc_shape_elements(&p->shape));
        memcpy(p->data, data, (size_t)lyc_shape_elements(&p->shape) * sizeof *data);
        free(data);
    }
}

/* A graph of the layer in one form; count 0: alone. */
typedef struct trial {
    lyc_graph *g;
    lyc_plan *plan;
    lyc_adapter_site site;
    lyc_value *x, *y, *seed;
    void *x_data, *seed_data;
} trial;

static void check(lyc_status status, const lyc_error *err)
{
    if (status != LYC_OK) {
        stop(err->message);
    }
}

static void open_trial(trial *t, const subject *s, lyc_adapter_form form, int count)
{
    lyc_error err;
    lyc_layer layer = s->layer;
    *t = (trial){0};
    check(lyc_graph_new(&t->g, &err), &err);
    layer.weight = lyc_graph_weight(t->g, "weight", LYC_F16, s->target.weight, s->weight);
    t->x = lyc_graph_input(t->g, "x", LYC_ACTIVATION, s->x);
    lyc_value *x = t->x;
    lyc_value *shift = NULL;
    if (s->settings->training) { /* something below x is trained, as in all layers but the first */
        shift = lyc_graph_param(t->g, "shift", LYC_FLOAT, LYC_F32, LYC_SHAPE(1));
        x = lyc_add(t->g, t->x, shift);
    }
    lyc_adapter_site_init(&t->site, t->g, s->adapter, s->settings->training ? LYC_VALUE_PARAM : LYC_VALUE_WEIGHT);
    t->y = lyc_graph_output(t->g, lyc_adapter_apply(t->g, &layer, &t->site, count, x, LYC_ACTIVATION_NONE, NULL, form));
    check(lyc_graph_status(t->g, &err), &err);
    if (s->settings->training) {
        t->seed = lyc_graph_input(t->g, "seed", LYC_ACTIVATION, t->y->shape);
        check(lyc_graph_differentiate(t->g, 1, &t->y, &t->seed, &err), &err);
    }
    const lyc_plan_options options = {.precision = LYC_PRECISION_BF16, .backend = lyc_backend_cpu()};
    check(lyc_plan_compile(&t->plan, t->g, &options, &err), &err);
    t->x_data = numbers(LYC_BF16, lyc_shape_elements(&s->x));
    check(lyc_plan_bind(t->plan, t->x, t->x_data, lyc_plan_bytes(t->plan, t->x), &err), &err);
    if (t->seed != NULL) {
        static float zero[1];
        t->seed_data = numbers(LYC_BF16, lyc_shape_elements(&t->y->shape));
        check(lyc_plan_bind(t->plan, t->seed, t->seed_data, lyc_plan_bytes(t->plan, t->seed), &err), &err);
        check(lyc_plan_bind(t->plan, shift, zero, sizeof zero, &err), &err);
    }
    check(lyc_adapter_site_bind(&t->site, t->plan, s->adapter, &err), &err);
}

static void print_plan(const subject *s, lyc_adapter_form form)
{
    trial t;
    lyc_strbuf text = {0};
    open_trial(&t, s, form, 1);
    lyc_plan_print(&text, t.plan, true);
    printf("%s, %s\n%s\n", s->words, form == LYC_ADAPTER_MERGED ? "merged" : "structured", lyc_strbuf_text(&text));
    lyc_strbuf_clear(&text);
    lyc_plan_free(t.plan);
    lyc_graph_free(t.g);
    free(t.x_data);
    free(t.seed_data);
}

/* The least of the runs in milliseconds; with one thread, of its processor time, which a busy machine leaves alone. */
static double milliseconds(const subject *s, lyc_adapter_form form, int count)
{
    trial t;
    lyc_error err;
    double least = (double)INFINITY;
    double (*const now)(void) = lyc_thread_count() == 1 ? lyc_clock_thread_s : lyc_clock_s;
    open_trial(&t, s, form, count);
    check(lyc_plan_run(t.plan, &err), &err);
    double sum = 0.0;
    for (int n = 0; n < MAX_RUNS && (n < s->settings->runs || sum < 0.05); n++) {
        const double start = now();
        check(lyc_plan_run(t.plan, &err), &err);
        const double time = now() - start;
        least = time < least ? time : least;
        sum += time;
    }
    lyc_plan_free(t.plan);
    lyc_graph_free(t.g);
    free(t.x_data);
    free(t.seed_data);
    return least * 1e3;
}

static void measure(const subject *s, const char *line)
{
    trial t;
    lyc_adapter_choice choice;
    lyc_error err;
    lyc_layer layer = s->layer;
    open_trial(&t, s, LYC_ADAPTER_MERGED, 1);
    layer.weight = lyc_graph_weight(t.g, "weight", LYC_F16, s->target.weight, s->weight);
    lyc_value x = *t.x;
    x.needs_grad = s->settings->training;
    check(lyc_adapter_choose(&choice, &layer, &t.site, 1, &x, &err), &err);
    lyc_plan_free(t.plan);
    lyc_graph_free(t.g);
    free(t.x_data);
    free(t.seed_data);
    if (s->settings->plan) {
        print_plan(s, LYC_ADAPTER_MERGED);
        if (choice.structured_known) {
            print_plan(s, LYC_ADAPTER_STRUCTURED);
        }
        return;
    }
    const double alone = milliseconds(s, LYC_ADAPTER_MERGED, 0);
    const double merged = milliseconds(s, LYC_ADAPTER_MERGED, 1);
    const double structured = choice.structured_known ? milliseconds(s, LYC_ADAPTER_STRUCTURED, 1) : (double)NAN;
    const bool chose_structured = choice.form == LYC_ADAPTER_STRUCTURED;
    printf("%-32s %-36s alone %8.3f  structured %8.3f%s  merged %8.3f%s  counted %5.2f  measured %5.2f%s\n", line,
           s->words, alone, structured, chose_structured ? "*" : " ", merged, chose_structured ? " " : "*",
           choice.structured.work / choice.merged.work, structured / merged,
           (structured < merged) == chose_structured ? "" : "  other form");
    fflush(stdout);
}

/* The changed weight in f32, with building and compiling its graph. */
static void measure_merge(const subject *s, const char *line)
{
    const int64_t n = lyc_shape_elements(&s->target.weight);
    const lyc_tensor_view weight = {
        .name = "weight", .dtype = LYC_F16, .shape = s->target.weight, .data = s->weight, .size_bytes = (size_t)n * 2};
    lyc_adapter_change change = {.weight = numbers(LYC_F32, n), .merged = true};
    lyc_error err;
    double least = (double)INFINITY;
    double (*const now)(void) = lyc_thread_count() == 1 ? lyc_clock_thread_s : lyc_clock_s;
    for (int i = 0; i < s->settings->runs; i++) {
        const double start = now();
        check(lyc_adapter_compute(&change, s->adapter, &weight, 1.0, &err), &err);
        least = fmin(least, now() - start);
    }
    printf("%-32s %-36s merged in %8.3f ms, %6.2f ns per number\n", line, s->words, least * 1e3,
           least * 1e9 / (double)n);
    free(change.weight);
}

static void run_layer(subject *s, const char *line)
{
    const size_t n = s->settings->adapter != NULL ? 1 : sizeof usual / sizeof usual[0];
    for (size_t i = 0; i < n; i++) {
        s->words = s->settings->adapter != NULL ? s->settings->adapter : usual[i];
        make_adapter(s);
        if (s->adapter != NULL) {
            (s->settings->merge ? measure_merge : measure)(s, line);
        }
        lyc_adapter_free(s->adapter);
    }
}

int main(int argc, char **argv)
{
    settings set = {.file = "bench/layers.txt", .runs = 5};
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--training") == 0) {
            set.training = true;
        } else if (strcmp(argv[i], "--merge") == 0) {
            set.merge = true;
        } else if (strcmp(argv[i], "--plan") == 0) {
            set.plan = true;
        } else if (strcmp(argv[i], "--file") == 0 && has_value) {
            set.file = argv[++i];
        } else if (strcmp(argv[i], "--adapter") == 0 && has_value) {
            set.adapter = argv[++i];
        } else if (strcmp(argv[i], "--only") == 0 && has_value) {
            set.only = argv[++i];
        } else if (strcmp(argv[i], "--runs") == 0 && has_value) {
            set.runs = (int)strtol(argv[++i], NULL, 10);
        } else {
            stop("unknown argument; see the top of bench/bench_adapters.c");
        }
    }
    FILE *file = fopen(set.file, "r");
    if (file == NULL) {
        stop("cannot open the file of layers");
    }
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0' || (set.only != NULL && strstr(line, set.only) == NULL)) {
            continue;
        }
        char words[256];
        memcpy(words, line, sizeof words);
        subject s = {.settings = &set};
        parse_layer(&s, words);
        run_layer(&s, line);
        free(s.weight);
    }
    fclose(file);
    return 0;
}
