/* cmd_unbundle.c - lycoris unbundle: a bundle as an adapter and its embeddings
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdio.h>

#include "cli/bundle.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "lycoris/bundle.h"

typedef struct unbundle_config {
    const char *folder;
    int format;
    bool steps, force, dry_run;
} unbundle_config;

static const lyc_option_choice formats[] = {{"safetensors", "the only one: pickles (.pt) are not written"}, {0}};

#define AT(member) .offset = offsetof(unbundle_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "directory", .letter = 'd', .kind = LYC_OPTION_PATH, AT(folder), .help = "the folder to write into; made when it is missing"},
    {.name = "emb-format", .kind = LYC_OPTION_ENUM, AT(format), .standard = "safetensors", .choices = formats, .help = "format of embeddings"},
    {.name = "steps", .kind = LYC_OPTION_BOOL, AT(steps), .help = "-500 or -step500 at the end of the bundle's name is the step of training, which comes into the names of the embeddings' files"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace files that are there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "say what would be done and write nothing"},
    {0},
};
/* clang-format on */

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const unbundle_config *c = config;
    lyc_bundling *bundling = NULL;
    const lyc_task task = lyc_cli_task(cli);
    const lyc_unbundle_options o = {.steps = c->steps, .force = c->force, .dry_run = c->dry_run};
    (void)operand_count;
    if (c->folder == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--directory is missing: where to write");
    }
    LYC_TRY(lyc_unbundle(&bundling, c->folder, operands[0], &o, &task, err));
    lyc_bundling_print(cli, bundling, NULL, true);
    lyc_bundling_free(bundling);
    return LYC_OK;
}

static const lyc_example examples[] = {
    {"lycoris unbundle turtle-bundle.safetensors -d parts", "parts/turtle.safetensors and a file for each embedding"},
    {NULL, NULL},
};

const lyc_command lyc_command_unbundle = {
    .name = "unbundle",
    .summary = "take the adapter and the embeddings out of a bundle",
    .operands = "BUNDLE",
    .description =
        "Writes the adapter of a bundle, under its name without -bundle, and each of its embeddings as a file of its "
        "own, "
        "for programs that want them apart. All tensors are copied byte for byte. Either all files appear or none.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = 1,
    .has_json = true,
    .config_size = sizeof(unbundle_config),
    .run = run,
};
