/* cmd_resize.c - lycoris resize: LoRAs of fewer ranks
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "lycoris/resize.h"
#include "lycoris/text.h"

typedef struct resize_config {
    const char *output;
    int64_t rank, conv_rank;
    int method, dtype;
    double parameter;
    bool exact, allow_grow, layers, allow_overflow, force, dry_run;
} resize_config;

static const lyc_option_choice methods[] = {{"fixed", "--rank"},
                                            {"sv_ratio", "singular values of more than the largest divided by --param"},
                                            {"sv_cumulative", "that part of the sum of singular values"},
                                            {"sv_fro", "that part of the Frobenius norm"},
                                            {0}};
static const lyc_option_choice dtypes[] = {
    {"keep", "each layer's own"}, {"float", NULL}, {"fp16", NULL}, {"bf16", NULL}, {0}};
static const lyc_dtype dtype_values[] = {LYC_F32, LYC_F32, LYC_F16, LYC_BF16};

#define AT(member) .offset = offsetof(resize_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "the file to write"},
    {.name = "rank", .letter = 'r', .kind = LYC_OPTION_INT, AT(rank), .standard = "4", .min = 1, .max = 65536, .help = "ranks of linear layers; at most that many with another --method"},
    {.name = "conv-rank", .kind = LYC_OPTION_INT, AT(conv_rank), .standard = "0", .min = 0, .max = 65536, .help = "the same of convolutions; 0: as --rank"},
    {.name = "method", .kind = LYC_OPTION_ENUM, AT(method), .standard = "fixed", .choices = methods, .help = "how the ranks of a layer are chosen"},
    {.name = "param", .kind = LYC_OPTION_FLOAT, AT(parameter), .standard = "0", .min = 0, .max = 1e9, .help = "of the method"},
    {.name = "exact", .kind = LYC_OPTION_BOOL, AT(exact), .help = "as many ranks as the method says; else one more, as sd-scripts keeps"},
    {.name = "allow-grow", .kind = LYC_OPTION_BOOL, AT(allow_grow), .help = "fill layers of fewer ranks up with zeros"},
    {.name = "dtype", .kind = LYC_OPTION_ENUM, AT(dtype), .standard = "keep", .choices = dtypes, .help = "number type of the tensors"},
    {.name = "layers", .letter = 'l', .kind = LYC_OPTION_BOOL, AT(layers), .help = "a line for each layer"},
    {.name = "allow-overflow", .kind = LYC_OPTION_BOOL, AT(allow_overflow), .help = "write numbers that are too large for fp16 as infinite"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace a file that is there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "say what would be done and write nothing"},
    {0},
};
/* clang-format on */

/* --- what was done -------------------------------------------------------------------------------------------------
 */

typedef struct summary {
    size_t resized, kept, others, dora;
    int64_t least, most;  /* ranks of resized layers */
    double energy, error; /* means */
    double least_energy, worst;
} summary;

static summary summarise(const lyc_resizing *resizing)
{
    summary s = {.least_energy = 1.0};
    for (size_t i = 0; i < lyc_resizing_count(resizing); i++) {
        const lyc_resized_layer layer = lyc_resizing_layer(resizing, i);
        if (!layer.resized) {
            *(layer.before > 0 ? &s.kept : &s.others) += 1;
            continue;
        }
        s.least = s.resized == 0 || layer.rank < s.least ? layer.rank : s.least;
        s.most = layer.rank > s.most ? layer.rank : s.most;
        s.energy += layer.energy;
        s.error += layer.error;
        s.least_energy = layer.energy < s.least_energy ? layer.energy : s.least_energy;
        s.worst = layer.error > s.worst ? layer.error : s.worst;
        s.dora += layer.dora;
        s.resized++;
    }
    if (s.resized > 0) {
        s.energy /= (double)s.resized;
        s.error /= (double)s.resized;
    }
    return s;
}

enum { NAME = 256 };

static void print_layer(const lyc_cli *cli, const lyc_resized_layer *layer)
{
    char shown[NAME];
    lyc_text_printable(shown, NAME, layer->name, strlen(layer->name));
    fprintf(cli->out, "  %s  ", shown);
    if (layer->resized) {
        fprintf(cli->out, "rank %" PRId64 " to %" PRId64 ", %.4g%% of the energy kept, relative error %.3g\n",
                layer->before, layer->rank, 100.0 * layer->energy, layer->error);
    } else if (layer->before > 0) {
        fprintf(cli->out, "rank %" PRId64 ", copied\n", layer->before);
    } else {
        lyc_text_printable(shown, NAME, layer->algorithm, strlen(layer->algorithm));
        fprintf(cli->out, "%s, copied\n", shown);
    }
}

static void print_text(const lyc_cli *cli, const resize_config *config, const lyc_resizing *resizing)
{
    char shown[NAME];
    const summary s = summarise(resizing);
    for (size_t i = 0; config->layers && i < lyc_resizing_count(resizing); i++) {
        const lyc_resized_layer layer = lyc_resizing_layer(resizing, i);
        print_layer(cli, &layer);
    }
    if (config->output != NULL) {
        lyc_text_printable(shown, NAME, config->output, strlen(config->output));
        fprintf(cli->out, "%s\n", shown);
    }
    if (s.resized > 0) {
        fprintf(cli->out, "  %zu layer%s resized to rank%s %" PRId64, s.resized, s.resized == 1 ? "" : "s",
                s.least == s.most ? "" : "s", s.least);
        if (s.least != s.most) {
            fprintf(cli->out, " to %" PRId64, s.most);
        }
        fprintf(cli->out, "\n    energy kept: %.4g%% on average, %.4g%% at least; relative error %.3g, at most %.3g\n",
                100.0 * s.energy, 100.0 * s.least_energy, s.error, s.worst);
    }
    if (s.kept > 0) {
        fprintf(cli->out, "  %zu layer%s had no more ranks, copied\n", s.kept, s.kept == 1 ? "" : "s");
    }
    if (s.others > 0) {
        fprintf(cli->out, "  %zu layer%s no LoRA, copied\n", s.others, s.others == 1 ? " is" : "s are");
    }
}

static void print_json(const lyc_cli *cli, const resize_config *config, const lyc_resizing *resizing)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_object(&json, NULL);
    lyc_json_text(&json, "output", config->dry_run ? NULL : config->output);
    lyc_json_begin_array(&json, "layers");
    for (size_t i = 0; i < lyc_resizing_count(resizing); i++) {
        const lyc_resized_layer layer = lyc_resizing_layer(resizing, i);
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "name", layer.name);
        lyc_json_text(&json, "algorithm", layer.algorithm);
        lyc_json_bool(&json, "resized", layer.resized);
        lyc_json_integer(&json, "before", layer.before);
        lyc_json_integer(&json, "rank", layer.rank);
        lyc_json_number(&json, "alpha", layer.alpha);
        lyc_json_number(&json, "sum", layer.sum);
        lyc_json_number(&json, "energy", layer.energy);
        lyc_json_number(&json, "error", layer.error);
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    lyc_json_end(&json);
}

/* --- the command ---------------------------------------------------------------------------------------------------
 */

static lyc_status resize(lyc_cli *cli, const resize_config *config, const lyc_network_file *file, lyc_error *err)
{
    lyc_resizing *resizing = NULL;
    const lyc_task task = lyc_cli_task(cli);
    const lyc_resize_options o = {
        .rank = config->rank,
        .conv_rank = config->conv_rank,
        .method = methods[config->method].name,
        .parameter = config->parameter,
        .exact = config->exact,
        .allow_grow = config->allow_grow,
        .dtype = dtype_values[config->dtype],
        .keep_dtype = config->dtype == 0,
        .allow_overflow = config->allow_overflow,
        .force = config->force,
        .dry_run = config->dry_run,
    };
    LYC_TRY(lyc_resize(&resizing, config->output, file, &o, &task, err));
    const summary s = summarise(resizing);
    if (s.dora > 0) {
        lyc_cli_warn(cli, "%zu layer%s magnitudes (DoRA), which stay those of the larger LoRA", s.dora,
                     s.dora == 1 ? " has" : "s have");
    }
    if (cli->json) {
        print_json(cli, config, resizing);
    } else {
        print_text(cli, config, resizing);
    }
    lyc_resizing_free(resizing);
    return LYC_OK;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const resize_config *c = config;
    (void)operand_count;
    if (c->output == NULL && !c->dry_run) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--output is missing: where to write");
    }
    lyc_network_file *file = NULL;
    LYC_TRY(lyc_network_file_open(&file, operands[0], NULL, err));
    const lyc_status status = resize(cli, c, file, err);
    lyc_network_file_close(file);
    return status;
}

static const lyc_example examples[] = {
    {"lycoris resize --rank 8 style.safetensors -o small.safetensors", "8 ranks in every layer"},
    {"lycoris resize --rank 32 --method sv_fro --param 0.95 style.safetensors -o small.safetensors",
     "as many as 95% of the norm take, at most 32"},
    {"lycoris resize --rank 8 --dry-run --layers style.safetensors", "what would be lost, layer by layer"},
    {NULL, NULL},
};

const lyc_command lyc_command_resize = {
    .name = "resize",
    .summary = "make the LoRAs of a file smaller",
    .operands = "FILE",
    .description =
        "Every LoRA becomes the nearest one of fewer ranks: a fixed number of them, or as many as a rule finds worth "
        "keeping. Strengths stay as they were. Layers that have no more ranks, and what is no LoRA, are copied.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = 1,
    .has_json = true,
    .config_size = sizeof(resize_config),
    .run = run,
};
