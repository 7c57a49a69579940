/* cmd_extract.c - lycoris extract: adapters from the difference of two models
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "lycoris/extract.h"
#include "lycoris/text.h"

typedef struct extract_config {
    const char *output;
    int mode, algorithm, dtype, names;
    int64_t rank, conv_rank, factor;
    double value, conv_value, sparsity;
    bool tucker, norms, bias, sparse, without_text, layers, allow_overflow, force, dry_run;
} extract_config;

static const lyc_option_choice modes[] = {{"fixed", "--rank"},
                                          {"threshold", "singular values above --value"},
                                          {"ratio", "above --value times the largest"},
                                          {"quantile", "until their sum reaches that part of all"},
                                          {"full", "the differences themselves, of norms and embeddings too"},
                                          {0}};
static const lyc_option_choice algorithms[] = {
    {"lora", NULL}, {"loha", "fitted, takes long"}, {"lokr", "the nearest Kronecker product"}, {0}};
static const lyc_option_choice dtypes[] = {{"fp16", NULL}, {"bf16", NULL}, {"float", NULL}, {0}};
static const lyc_dtype dtype_values[] = {LYC_F16, LYC_BF16, LYC_F32};
static const lyc_option_choice namings[] = {
    {"auto", "those of known models"}, {"exact", "the names of the tensors, for other models"}, {0}};

#define AT(member) .offset = offsetof(extract_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "the file to write"},
    {.name = "mode", .kind = LYC_OPTION_ENUM, AT(mode), .standard = "fixed", .choices = modes, .help = "how the ranks of a layer are chosen"},
    {.name = "rank", .letter = 'r', .kind = LYC_OPTION_INT, AT(rank), .standard = "16", .min = 1, .max = 65536, .help = "ranks of linear layers and 1x1 convolutions"},
    {.name = "conv-rank", .kind = LYC_OPTION_INT, AT(conv_rank), .standard = "0", .min = 0, .max = 65536, .help = "ranks of other convolutions; 0: as --rank"},
    {.name = "value", .kind = LYC_OPTION_FLOAT, AT(value), .standard = "0.5", .min = 0, .max = 1e9, .help = "of the other modes, for linear layers and 1x1 convolutions"},
    {.name = "conv-value", .kind = LYC_OPTION_FLOAT, AT(conv_value), .standard = "-1", .min = -1, .max = 1e9, .help = "the same for other convolutions; -1: as --value"},
    {.name = "algo", .kind = LYC_OPTION_ENUM, AT(algorithm), .standard = "lora", .choices = algorithms, .help = "algorithm of low-rank layers"},
    {.name = "factor", .kind = LYC_OPTION_INT, AT(factor), .standard = "0", .min = 0, .max = 65536, .help = "of lokr: how extents are divided; 0: as square as possible"},
    {.name = "cp", .kind = LYC_OPTION_BOOL, AT(tucker), .help = "cores for convolutions: smaller, with a further loss"},
    {.name = "norms", .kind = LYC_OPTION_BOOL, AT(norms), .help = "differences of norms too"},
    {.name = "bias", .kind = LYC_OPTION_BOOL, AT(bias), .help = "differences of biases too; with --mode full in any case"},
    {.name = "sparse-bias", .kind = LYC_OPTION_BOOL, AT(sparse), .help = "keep the largest elements of what is left over, which A1111 reads"},
    {.name = "sparsity", .kind = LYC_OPTION_FLOAT, AT(sparsity), .standard = "0.98", .min = 0, .max = 1, .help = "part of these elements that is left out"},
    {.name = "no-text", .kind = LYC_OPTION_BOOL, AT(without_text), .help = "leave text encoders out"},
    {.name = "names", .kind = LYC_OPTION_ENUM, AT(names), .standard = "auto", .choices = namings, .help = "what layers are called"},
    {.name = "dtype", .kind = LYC_OPTION_ENUM, AT(dtype), .standard = "fp16", .choices = dtypes, .help = "number type of the tensors"},
    {.name = "layers", .letter = 'l', .kind = LYC_OPTION_BOOL, AT(layers), .help = "a line for each layer"},
    {.name = "allow-overflow", .kind = LYC_OPTION_BOOL, AT(allow_overflow), .help = "write numbers that are too large for fp16 as infinite"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace a file that is there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "say what would be done and write nothing"},
    {0},
};
/* clang-format on */

/* --- what was done -------------------------------------------------------------------------------------------------
 */

enum { NAME = 256 };

/* Layers of one algorithm. */
typedef struct group {
    const char *algorithm;
    size_t count;
    int64_t least, most;  /* ranks */
    double energy, error; /* sums */
    double least_energy, worst;
} group;
enum { MAX_GROUPS = 8 };

static size_t group_layers(group groups[MAX_GROUPS], size_t *same, const lyc_extraction *extraction)
{
    size_t count = 0;
    *same = 0;
    for (size_t i = 0; i < lyc_extraction_count(extraction); i++) {
        const lyc_extracted_layer layer = lyc_extraction_layer(extraction, i);
        size_t k = 0;
        if (layer.algorithm == NULL) {
            ++*same;
            continue;
        }
        while (k < count && strcmp(groups[k].algorithm, layer.algorithm) != 0) {
            k++;
        }
        if (k == count) {
            groups[count++] = (group){.algorithm = layer.algorithm, .least = layer.rank, .least_energy = 1.0};
        }
        group *g = &groups[k];
        g->count++;
        g->least = layer.rank < g->least ? layer.rank : g->least;
        g->most = layer.rank > g->most ? layer.rank : g->most;
        g->energy += layer.energy;
        g->error += layer.error;
        g->least_energy = layer.energy < g->least_energy ? layer.energy : g->least_energy;
        g->worst = layer.error > g->worst ? layer.error : g->worst;
    }
    return count;
}

static void print_layer(const lyc_cli *cli, const lyc_extracted_layer *layer)
{
    char shown[NAME], shown_algorithm[NAME];
    const char *algorithm = layer->algorithm != NULL ? layer->algorithm : "no difference";
    lyc_text_printable(shown, NAME, layer->name, strlen(layer->name));
    lyc_text_printable(shown_algorithm, NAME, algorithm, strlen(algorithm));
    fprintf(cli->out, "  %s  %s", shown, shown_algorithm);
    if (layer->rank > 0) {
        fprintf(cli->out, " of rank %" PRId64 ", %.4g%% of the energy kept, relative error %.3g", layer->rank,
                100.0 * layer->energy, layer->error);
    }
    fputc('\n', cli->out);
}

static void print_group(const lyc_cli *cli, const group *g)
{
    char shown[NAME];
    const double n = (double)g->count;
    lyc_text_printable(shown, NAME, g->algorithm, strlen(g->algorithm));
    fprintf(cli->out, "  %zu layer%s as %s", g->count, g->count == 1 ? "" : "s", shown);
    if (g->most == 0) {
        fputs(", exactly\n", cli->out);
        return;
    }
    fprintf(cli->out, " of rank%s %" PRId64, g->least == g->most ? "" : "s", g->least);
    if (g->least != g->most) {
        fprintf(cli->out, " to %" PRId64, g->most);
    }
    fprintf(cli->out, "\n    energy kept: %.4g%% on average, %.4g%% at least; relative error %.3g, at most %.3g\n",
            100.0 * g->energy / n, 100.0 * g->least_energy, g->error / n, g->worst);
}

static void print_text(const lyc_cli *cli, const extract_config *config, const lyc_extraction *extraction)
{
    char shown[NAME];
    size_t same;
    group groups[MAX_GROUPS];
    const size_t count = group_layers(groups, &same, extraction);
    for (size_t i = 0; config->layers && i < lyc_extraction_count(extraction); i++) {
        const lyc_extracted_layer layer = lyc_extraction_layer(extraction, i);
        print_layer(cli, &layer);
    }
    if (config->output != NULL) {
        lyc_text_printable(shown, NAME, config->output, strlen(config->output));
        fprintf(cli->out, "%s\n", shown);
    }
    for (size_t i = 0; i < count; i++) {
        print_group(cli, &groups[i]);
    }
    if (same > 0) {
        fprintf(cli->out, "  %zu layer%s not differ\n", same, same == 1 ? " does" : "s do");
    }
}

static void print_json(const lyc_cli *cli, const extract_config *config, const lyc_extraction *extraction)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_object(&json, NULL);
    lyc_json_text(&json, "output", config->dry_run ? NULL : config->output);
    lyc_json_begin_array(&json, "layers");
    for (size_t i = 0; i < lyc_extraction_count(extraction); i++) {
        const lyc_extracted_layer layer = lyc_extraction_layer(extraction, i);
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "name", layer.name);
        lyc_json_text(&json, "component", layer.component);
        lyc_json_text(&json, "algorithm", layer.algorithm);
        lyc_json_integer(&json, "rank", layer.rank);
        lyc_json_number(&json, "energy", layer.energy);
        lyc_json_number(&json, "error", layer.error);
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    lyc_json_end(&json);
}

/* --- the command ---------------------------------------------------------------------------------------------------
 */

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const extract_config *c = config;
    lyc_extraction *extraction = NULL;
    const lyc_task task = lyc_cli_task(cli);
    (void)operand_count;
    if (c->output == NULL && !c->dry_run) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--output is missing: where to write");
    }
    const lyc_extract_options o = {
        .mode = modes[c->mode].name,
        .algorithm = algorithms[c->algorithm].name,
        .rank = c->rank,
        .conv_rank = c->conv_rank,
        .value = c->value,
        .conv_value = c->conv_value,
        .factor = c->factor,
        .tucker = c->tucker,
        .norms = c->norms,
        .bias = c->bias || strcmp(modes[c->mode].name, "full") == 0,
        .sparse = c->sparse,
        .sparsity = c->sparsity,
        .exact_names = c->names == 1,
        .without_text = c->without_text,
        .dtype = dtype_values[c->dtype],
        .allow_overflow = c->allow_overflow,
        .force = c->force,
        .dry_run = c->dry_run,
    };
    LYC_TRY(lyc_extract(&extraction, c->output, operands[0], operands[1], &o, &task, err));
    if (cli->json) {
        print_json(cli, c, extraction);
    } else {
        print_text(cli, c, extraction);
    }
    lyc_extraction_free(extraction);
    return LYC_OK;
}

static const lyc_example examples[] = {
    {"lycoris extract base.safetensors tuned.safetensors --rank 32 -o style.safetensors", "a LoRA"},
    {"lycoris extract base.safetensors tuned.safetensors --mode quantile --value 0.6 -o style.safetensors",
     "as many ranks as 60% of the singular values' sum take"},
    {"lycoris extract base/ tuned/ --mode full -o style.safetensors", "all that differs, exactly"},
    {NULL, NULL},
};

const lyc_command lyc_command_extract = {
    .name = "extract",
    .summary = "make an adapter of the difference of two models",
    .operands = "BASE TUNED",
    .description =
        "Makes an adapter that turns the model BASE into TUNED, which was tuned from it: a low-rank product for every "
        "layer that differs, or the difference itself. Both are files, indices of shards or folders of diffusers, of "
        "Stable Diffusion 1.x, 2.x, XL, 3, Flux.1, or of any model with --names exact.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 2,
    .max_operands = 2,
    .has_json = true,
    .config_size = sizeof(extract_config),
    .run = run,
};
