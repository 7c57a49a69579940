/* cmd_merge.c - lycoris merge: adapters into the weights of a model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/strength.h"
#include "lycoris/merge.h"
#include "lycoris/text.h"

enum { MAX_ADAPTERS = 64, PATH_SIZE = 4096, MOST_NAMES = 10 };

typedef struct merge_config {
    const char *output;
    int names, dtype;
    bool independent, dora_lycoris, precise, allow_overflow, strict, force, dry_run;
} merge_config;

static const lyc_option_choice names[] = {{"known", "layers of Stable Diffusion, Flux.1 and SD3 in any naming"},
                                          {"exact", "layers are called as the model's tensors, of whatever model"},
                                          {0}};
static const lyc_option_choice dtypes[] = {
    {"keep", "each tensor's own"}, {"float", NULL}, {"fp16", NULL}, {"bf16", NULL}, {"float64", NULL}, {0}};
static const lyc_dtype dtype_values[] = {LYC_F32, LYC_F32, LYC_F16, LYC_BF16, LYC_F64};

#define AT(member) .offset = offsetof(merge_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "the file to write; for a diffusers folder or shards a folder"},
    {.name = "dtype", .kind = LYC_OPTION_ENUM, AT(dtype), .standard = "keep", .choices = dtypes, .help = "number type of all tensors"},
    {.name = "names", .kind = LYC_OPTION_ENUM, AT(names), .standard = "known", .choices = names, .help = "how adapters call layers"},
    {.name = "precise", .kind = LYC_OPTION_BOOL, AT(precise), .help = "add in f64 instead of f32; one rounding in both"},
    {.name = "independent", .kind = LYC_OPTION_BOOL, AT(independent), .help = "adapters that depend on the weight (DoRA, OFT, (IA)^3) see the model's own, not what those before made of it"},
    {.name = "dora-lycoris", .kind = LYC_OPTION_BOOL, AT(dora_lycoris), .help = "DoRA at strengths other than 1 as LyCORIS merges it, not as ComfyUI and A1111"},
    {.name = "allow-overflow", .kind = LYC_OPTION_BOOL, AT(allow_overflow), .help = "write numbers that are too large for fp16 as infinite"},
    {.name = "strict", .kind = LYC_OPTION_BOOL, AT(strict), .help = "layers of adapters that the model has not are an error"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace a file that is there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "say what would be done and write nothing"},
    {0},
};
/* clang-format on */

/* --- the report ----------------------------------------------------------------------------------------------------
 */

static void warn_of_unmatched(lyc_cli *cli, const lyc_merge_report *report, size_t index)
{
    const lyc_merged_adapter a = lyc_merge_report_adapter(report, index);
    const char *name;
    for (size_t i = 0; i < MOST_NAMES && (name = lyc_merge_report_unmatched(report, index, i)) != NULL; i++) {
        lyc_cli_warn(cli, "%s: the model has no %s", a.path, name);
    }
    if (a.unmatched > MOST_NAMES) {
        lyc_cli_warn(cli, "%s: and %zu more", a.path, a.unmatched - MOST_NAMES);
    }
    if (a.embeddings > 0) {
        lyc_cli_warn(cli, "%s is a bundle: its embeddings are no part of a model (`lycoris unbundle`)", a.path);
    }
}

static void print_report(lyc_cli *cli, const lyc_merge_report *report, bool dry_run)
{
    for (size_t i = 0; i < lyc_merge_report_count(report); i++) {
        const lyc_merged_adapter a = lyc_merge_report_adapter(report, i);
        char shown[PATH_SIZE];
        lyc_text_printable(shown, sizeof shown, a.path, strlen(a.path));
        fprintf(cli->out, "%s: %zu of %zu layers\n", shown, a.merged, a.layers);
    }
    if (!dry_run) {
        fprintf(cli->out, "%zu tensors changed, %zu copied\n", lyc_merge_report_changed(report),
                lyc_merge_report_copied(report));
    }
}

static void print_json(lyc_cli *cli, const lyc_merge_report *report, const char *output)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_object(&json, NULL);
    lyc_json_text(&json, "output", output);
    lyc_json_begin_array(&json, "adapters");
    for (size_t i = 0; i < lyc_merge_report_count(report); i++) {
        const lyc_merged_adapter a = lyc_merge_report_adapter(report, i);
        const char *name;
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "path", a.path);
        lyc_json_unsigned(&json, "layers", a.layers);
        lyc_json_unsigned(&json, "merged", a.merged);
        lyc_json_begin_array(&json, "unmatched");
        for (size_t k = 0; (name = lyc_merge_report_unmatched(report, i, k)) != NULL; k++) {
            lyc_json_text(&json, NULL, name);
        }
        lyc_json_end(&json);
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    lyc_json_unsigned(&json, "changed", lyc_merge_report_changed(report));
    lyc_json_unsigned(&json, "copied", lyc_merge_report_copied(report));
    lyc_json_end(&json);
}

/* --- the command ---------------------------------------------------------------------------------------------------
 */

static lyc_status read_adapters(lyc_merge_adapter *adapters, char (*paths)[PATH_SIZE], int count, char **words,
                                lyc_error *err)
{
    if (count > MAX_ADAPTERS) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "at most %d adapters", MAX_ADAPTERS);
    }
    for (int i = 0; i < count; i++) {
        lyc_strength strength;
        LYC_TRY(lyc_strength_read(&strength, paths[i], PATH_SIZE, words[i], err));
        adapters[i] = (lyc_merge_adapter){.path = paths[i], .unet = strength.unet, .text = strength.text};
    }
    return LYC_OK;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    char paths[MAX_ADAPTERS][PATH_SIZE];
    const merge_config *c = config;
    lyc_merge_adapter adapters[MAX_ADAPTERS];
    lyc_merge_report *report = NULL;
    const lyc_task task = lyc_cli_task(cli);
    if (c->output == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "no output: --output names the file to write");
    }
    LYC_TRY(read_adapters(adapters, paths, operand_count - 1, operands + 1, err));
    const lyc_merge_options o = {.base = operands[0],
                                 .output = c->output,
                                 .adapters = adapters,
                                 .adapter_count = (size_t)(operand_count - 1),
                                 .exact_names = c->names == 1,
                                 .independent = c->independent,
                                 .dora_lycoris = c->dora_lycoris,
                                 .precise = c->precise,
                                 .convert = c->dtype != 0,
                                 .dtype = dtype_values[c->dtype],
                                 .allow_overflow = c->allow_overflow,
                                 .strict = c->strict,
                                 .force = c->force,
                                 .dry_run = c->dry_run};
    LYC_TRY(lyc_merge(&report, &o, &task, err));
    for (size_t i = 0; i < lyc_merge_report_count(report); i++) {
        warn_of_unmatched(cli, report, i);
    }
    if (cli->json) {
        print_json(cli, report, c->output);
    } else {
        print_report(cli, report, c->dry_run);
    }
    lyc_merge_report_free(report);
    return LYC_OK;
}

static const lyc_example examples[] = {
    {"lycoris merge sd15.safetensors turtle.safetensors:0.8 -o turtle-sd15.safetensors", "an adapter at 0.8"},
    {"lycoris merge sdxl/ a.safetensors:0.7 b.safetensors:1:1:0 -o mixed/",
     "two into a folder, the second without text encoders"},
    {"lycoris merge sd15.safetensors a.safetensors --dtype float --precise -o exact.safetensors", "as exact as can be"},
    {NULL, NULL},
};

const lyc_command lyc_command_merge = {
    .name = "merge",
    .summary = "put adapters into the weights of a model",
    .operands = "MODEL ADAPTER[:W[:UNET[:TE]]]...",
    .description =
        "Writes a model whose weights have the changes of adapters in them, for programs that load none: single files, "
        "shards and diffusers folders of SD 1.x, 2.x, XL, Flux.1 and SD3, and any model by exact names.\n\n"
        "All adapters are added in their order and the sum is rounded once. What no adapter changes is copied byte for "
        "byte; memory does not grow with the model. The output appears when it is complete.",
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 2,
    .max_operands = -1,
    .has_json = true,
    .options = options,
    .examples = examples,
    .config_size = sizeof(merge_config),
    .run = run,
};
