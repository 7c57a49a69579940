/* cmd_split_dylora.c - lycoris split-dylora: the LoRAs of fewer ranks that a DyLoRA is
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "lycoris/split_dylora.h"
#include "lycoris/text.h"

typedef struct split_config {
    const char *output;
    int64_t unit;
    bool keep_scale, force, dry_run;
} split_config;

#define AT(member) .offset = offsetof(split_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "where to write: for out.safetensors the files out-0004.safetensors, out-0008.safetensors ..."},
    {.name = "unit", .letter = 'u', .kind = LYC_OPTION_INT, AT(unit), .standard = "0", .min = 0, .max = 65536, .help = "ranks of the first file, and how many each next one has more; 0: those of a block in training, as the file says"},
    {.name = "keep-scale", .kind = LYC_OPTION_BOOL, AT(keep_scale), .help = "divide alpha by the same as the rank; else it stays, as sd-scripts leaves it, and scales are larger"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace files that are there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "say what would be done and write nothing"},
    {0},
};
/* clang-format on */

static void print_text(const lyc_cli *cli, const lyc_splitting *s)
{
    char shown[1024];
    const size_t layers = lyc_splitting_layers(s);
    for (size_t i = 0; i < lyc_splitting_count(s); i++) {
        const lyc_split_part part = lyc_splitting_part(s, i);
        lyc_text_printable(shown, sizeof shown, part.path, strlen(part.path));
        fprintf(cli->out, "%s: the first %" PRId64 " of %" PRId64 " ranks\n", shown, part.rank, lyc_splitting_rank(s));
    }
    fprintf(cli->out, "  %zu layer%s\n", layers, layers == 1 ? "" : "s");
}

static void print_json(const lyc_cli *cli, const lyc_splitting *s)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_object(&json, NULL);
    lyc_json_integer(&json, "rank", lyc_splitting_rank(s));
    lyc_json_unsigned(&json, "layers", lyc_splitting_layers(s));
    lyc_json_begin_array(&json, "files");
    for (size_t i = 0; i < lyc_splitting_count(s); i++) {
        const lyc_split_part part = lyc_splitting_part(s, i);
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "path", part.path);
        lyc_json_integer(&json, "rank", part.rank);
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    lyc_json_end(&json);
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const split_config *c = config;
    lyc_splitting *splitting = NULL;
    const lyc_task task = lyc_cli_task(cli);
    const lyc_split_options o = {
        .unit = c->unit, .keep_scale = c->keep_scale, .force = c->force, .dry_run = c->dry_run};
    (void)operand_count;
    if (c->output == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--output is missing: where to write");
    }
    LYC_TRY(lyc_split_dylora(&splitting, c->output, operands[0], &o, &task, err));
    if (cli->json) {
        print_json(cli, splitting);
    } else {
        print_text(cli, splitting);
    }
    lyc_splitting_free(splitting);
    return LYC_OK;
}

static const lyc_example examples[] = {
    {"lycoris split-dylora turtle.safetensors -o turtle.safetensors",
     "turtle-0004.safetensors, turtle-0008.safetensors ..."},
    {"lycoris split-dylora --unit 16 --keep-scale turtle.safetensors -o small.safetensors",
     "parts of 16, 32 ... ranks, as strong as they are in the whole"},
    {NULL, NULL},
};

const lyc_command lyc_command_split_dylora = {
    .name = "split-dylora",
    .summary = "write the LoRAs of fewer ranks that a DyLoRA is",
    .operands = "FILE",
    .description =
        "A DyLoRA is trained so that its first ranks are a LoRA of their own, for each number of blocks. This writes a "
        "file "
        "for each, bit for bit what the whole has, as sd-scripts' extract_lora_from_dylora.py does. Either all files "
        "appear or none.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = 1,
    .has_json = true,
    .config_size = sizeof(split_config),
    .run = run,
};
