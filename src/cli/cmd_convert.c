/* cmd_convert.c - lycoris convert: adapter files under other names and as other algorithms
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
#include "lycoris/convert.h"
#include "lycoris/text.h"

typedef struct convert_config {
    const char *output, *component, *consumer, *base;
    int scheme, algorithm, paths, dtype;
    int64_t rank, max_rank;
    double energy;
    bool layers, strict, allow_overflow, force, dry_run;
} convert_config;

/* The first of each means: as it is. */
static const lyc_option_choice schemes[] = {{"keep", "as they are"},
                                            {"kohya", "sd-scripts, LyCORIS, A1111, ComfyUI"},
                                            {"wrapper", "LyCORIS' wrapper"},
                                            {"diffusers", NULL},
                                            {"bare", "paths of the model after diffusion_model."},
                                            {"peft", "a folder with adapter_config.json"},
                                            {0}};
static const lyc_option_choice algorithms[] = {
    {"keep", "as they are"}, {"lora", "exactly where that is possible"}, {"full", "the change itself"}, {0}};
static const lyc_option_choice path_kinds[] = {
    {"auto", "original for SDXL, diffusers' for SD 1.x and 2.x"}, {"diffusers", NULL}, {"original", NULL}, {0}};
static const lyc_option_choice dtypes[] = {
    {"keep", "each layer's own"}, {"float", NULL}, {"fp16", NULL}, {"bf16", NULL}, {0}};
static const lyc_dtype dtype_values[] = {LYC_F32, LYC_F32, LYC_F16, LYC_BF16};

#define AT(member) .offset = offsetof(convert_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "the file to write; for --to peft a folder"},
    {.name = "for", .kind = LYC_OPTION_TEXT, AT(consumer), .metavar = "PROGRAM", .help = "what this program needs to load every layer: comfyui, a1111, diffusers, peft, sdcpp, lycoris"},
    {.name = "to", .kind = LYC_OPTION_ENUM, AT(scheme), .standard = "keep", .choices = schemes, .help = "names of tensors"},
    {.name = "algo", .kind = LYC_OPTION_ENUM, AT(algorithm), .standard = "keep", .choices = algorithms, .help = "algorithm of all layers but norms"},
    {.name = "base", .letter = 'b', .kind = LYC_OPTION_PATH, AT(base), .help = "the model that layers are for whose change depends on the weight (DoRA, GLoRA, (IA)^3, OFT, BOFT): a file or a folder"},
    {.name = "rank", .letter = 'r', .kind = LYC_OPTION_INT, AT(rank), .standard = "0", .min = 0, .max = 65536, .help = "ranks of approximations; exact LoRAs of more are approximated too; 0: by --energy"},
    {.name = "energy", .kind = LYC_OPTION_FLOAT, AT(energy), .standard = "0.99", .min = 0, .max = 1, .help = "part of the squared norm that approximations keep"},
    {.name = "max-rank", .kind = LYC_OPTION_INT, AT(max_rank), .standard = "0", .min = 0, .max = 65536, .help = "exact LoRAs of more ranks are approximated; 0: half of a layer's smaller side"},
    {.name = "dtype", .kind = LYC_OPTION_ENUM, AT(dtype), .standard = "keep", .choices = dtypes, .help = "number type of the tensors"},
    {.name = "paths", .kind = LYC_OPTION_ENUM, AT(paths), .standard = "auto", .choices = path_kinds, .help = "how kohya's names call the modules of a U-Net"},
    {.name = "component", .kind = LYC_OPTION_TEXT, AT(component), .metavar = "NAME", .help = "what the layers are of where their names do not say it: unet, text_encoder, text_encoder_2"},
    {.name = "layers", .letter = 'l', .kind = LYC_OPTION_BOOL, AT(layers), .help = "a line for each layer"},
    {.name = "strict", .kind = LYC_OPTION_BOOL, AT(strict), .help = "tensors that belong to no known layer are an error; else they are left out with a warning"},
    {.name = "allow-overflow", .kind = LYC_OPTION_BOOL, AT(allow_overflow), .help = "write numbers that are too large for fp16 as infinite"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace a file that is there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "say what would be done and write nothing"},
    {0},
};
/* clang-format on */

/* --- what was done -------------------------------------------------------------------------------------------------
 */

/* Layers of which the same was done. */
typedef struct group {
    const char *from, *to;
    bool copied, exact;
    size_t count;
    int64_t least, most; /* ranks */
    double worst;
} group;
enum { MAX_GROUPS = 64 };

static size_t group_layers(group groups[MAX_GROUPS], const lyc_conversion *conversion)
{
    size_t count = 0;
    for (size_t i = 0; i < lyc_conversion_count(conversion); i++) {
        const lyc_converted_layer layer = lyc_conversion_layer(conversion, i);
        const bool exact = !(layer.error > 0.0);
        size_t k = 0;
        while (k < count && (strcmp(groups[k].from, layer.from) != 0 || strcmp(groups[k].to, layer.to) != 0 ||
                             groups[k].copied != layer.copied || groups[k].exact != exact)) {
            k++;
        }
        if (k == MAX_GROUPS) {
            continue;
        }
        if (k == count) {
            groups[count++] = (group){
                .from = layer.from, .to = layer.to, .copied = layer.copied, .exact = exact, .least = layer.rank};
        }
        groups[k].count++;
        groups[k].least = layer.rank < groups[k].least ? layer.rank : groups[k].least;
        groups[k].most = layer.rank > groups[k].most ? layer.rank : groups[k].most;
        groups[k].worst = layer.error > groups[k].worst ? layer.error : groups[k].worst;
    }
    return count;
}

/* "lokr to lora of rank 8, exactly" */
static void print_what(FILE *out, const group *g)
{
    if (strcmp(g->from, g->to) == 0) {
        fprintf(out, "%s, %s\n", g->from, g->copied ? "copied" : "rewritten");
        return;
    }
    fprintf(out, "%s to %s", g->from, g->to);
    if (g->most > 0 && g->least == g->most) {
        fprintf(out, " of rank %" PRId64, g->least);
    } else if (g->most > 0) {
        fprintf(out, " of ranks %" PRId64 " to %" PRId64, g->least, g->most);
    }
    if (g->exact) {
        fputs(", exactly\n", out);
    } else {
        fprintf(out, ", relative error %s%.3g\n", g->count > 1 ? "at most " : "", g->worst);
    }
}

static const char *shown(char out[256], const char *name)
{
    lyc_text_printable(out, 256, name, strlen(name));
    return out;
}

static void print_layer(const lyc_cli *cli, const lyc_converted_layer *layer)
{
    char name[256];
    fprintf(cli->out, "  %s  ", shown(name, layer->written));
    print_what(cli->out, &(group){.from = layer->from,
                                  .to = layer->to,
                                  .copied = layer->copied,
                                  .exact = !(layer->error > 0.0),
                                  .count = 1,
                                  .least = layer->rank,
                                  .most = layer->rank,
                                  .worst = layer->error});
}

static void print_text(const lyc_cli *cli, const convert_config *config, const lyc_conversion *conversion)
{
    group groups[MAX_GROUPS];
    const size_t count = group_layers(groups, conversion);
    for (size_t i = 0; config->layers && i < lyc_conversion_count(conversion); i++) {
        const lyc_converted_layer layer = lyc_conversion_layer(conversion, i);
        print_layer(cli, &layer);
    }
    if (config->output != NULL) {
        char name[256];
        fprintf(cli->out, "%s\n", shown(name, config->output));
    }
    for (size_t i = 0; i < count; i++) {
        fprintf(cli->out, "  %zu layer%s ", groups[i].count, groups[i].count == 1 ? "" : "s");
        print_what(cli->out, &groups[i]);
    }
}

static void print_json(const lyc_cli *cli, const convert_config *config, const lyc_conversion *conversion)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_object(&json, NULL);
    lyc_json_text(&json, "output", config->dry_run ? NULL : config->output);
    lyc_json_begin_array(&json, "layers");
    for (size_t i = 0; i < lyc_conversion_count(conversion); i++) {
        const lyc_converted_layer layer = lyc_conversion_layer(conversion, i);
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "name", layer.name);
        lyc_json_text(&json, "written", layer.written);
        lyc_json_text(&json, "from", layer.from);
        lyc_json_text(&json, "to", layer.to);
        lyc_json_bool(&json, "copied", layer.copied);
        lyc_json_integer(&json, "rank", layer.rank);
        lyc_json_number(&json, "error", layer.error);
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    lyc_json_end(&json);
}

/* --- the command ---------------------------------------------------------------------------------------------------
 */

static void warn_unmatched(lyc_cli *cli, const lyc_network_file *file)
{
    char name[256];
    const size_t count = lyc_network_file_unmatched_count(file);
    if (count > 0) {
        lyc_cli_warn(cli, "%zu tensor%s belong%s to no known layer and %s left out, '%s' first", count,
                     count == 1 ? "" : "s", count == 1 ? "s" : "", count == 1 ? "is" : "are",
                     shown(name, lyc_network_file_unmatched(file, 0)));
    }
}

static const char *chosen(const lyc_option_choice *choices, int index)
{
    return index == 0 ? NULL : choices[index].name;
}

static lyc_status convert(lyc_cli *cli, const convert_config *config, const lyc_network_file *file, lyc_error *err)
{
    lyc_conversion *conversion = NULL;
    const lyc_task task = lyc_cli_task(cli);
    const lyc_convert_options o = {
        .scheme = chosen(schemes, config->scheme),
        .algorithm = chosen(algorithms, config->algorithm),
        .consumer = config->consumer,
        .base = config->base,
        .paths = chosen(path_kinds, config->paths),
        .rank = config->rank,
        .energy = config->energy,
        .max_rank = config->max_rank,
        .dtype = dtype_values[config->dtype],
        .keep_dtype = config->dtype == 0,
        .allow_overflow = config->allow_overflow,
        .strict = config->strict,
        .force = config->force,
        .dry_run = config->dry_run,
    };
    LYC_TRY(lyc_convert(&conversion, config->output, file, &o, &task, err));
    if (!o.strict) {
        warn_unmatched(cli, file);
    }
    if (cli->json) {
        print_json(cli, config, conversion);
    } else {
        print_text(cli, config, conversion);
    }
    lyc_conversion_free(conversion);
    return LYC_OK;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const convert_config *c = config;
    (void)operand_count;
    if (c->output == NULL && !c->dry_run) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--output is missing: where to write");
    }
    if (c->consumer == NULL && c->scheme == 0 && c->algorithm == 0 && c->dtype == 0 && c->paths == 0) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "nothing to convert: none of --for, --to, --algo, --dtype, --paths");
    }
    lyc_network_file *file = NULL;
    const lyc_network_file_options open_options = {.component = c->component};
    LYC_TRY(lyc_network_file_open(&file, operands[0], &open_options, err));
    const lyc_status status = convert(cli, c, file, err);
    lyc_network_file_close(file);
    return status;
}

static const lyc_example examples[] = {
    {"lycoris convert --for diffusers style.safetensors -o style.diffusers.safetensors", "LoHa and LoKr become LoRAs"},
    {"lycoris convert --to kohya pytorch_lora_weights.safetensors -o style.safetensors", "for A1111 and ComfyUI"},
    {"lycoris convert --algo lora --rank 16 style.safetensors -o small.safetensors", "a LoRA of every layer"},
    {"lycoris convert --algo full --base sd15.safetensors dora.safetensors -o difference.safetensors",
     "the change that a DoRA is for this model"},
    {"lycoris convert --dtype fp16 style.safetensors -o half.safetensors", "half the size"},
    {NULL, NULL},
};

const lyc_command lyc_command_convert = {
    .name = "convert",
    .summary = "write an adapter file under other names or as another algorithm",
    .operands = "FILE",
    .description =
        "Renames the tensors of an adapter file, changes their number type, or makes every layer a LoRA or a plain "
        "difference. Layers that stay what they are are copied byte for byte. LoHa and LoKr are LoRAs of more ranks "
        "and "
        "become such exactly; what is no low-rank product is approximated, and the error is told.\n\n"
        "With --for a program is named instead: layers that it loads stay, the others take the nearest form that it "
        "does load (`lycoris verify` says which).",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = 1,
    .has_json = true,
    .config_size = sizeof(convert_config),
    .run = run,
};
