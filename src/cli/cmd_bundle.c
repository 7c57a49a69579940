/* cmd_bundle.c - lycoris bundle: an adapter and its embeddings in one file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/bundle.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "lycoris/bundle.h"

enum { MAX_EMBEDDINGS = 256, NAME_SIZE = 256 };

typedef struct bundle_config {
    const char *output;
    bool steps, force, dry_run;
} bundle_config;

#define AT(member) .offset = offsetof(bundle_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "the file to write"},
    {.name = "steps", .kind = LYC_OPTION_BOOL, AT(steps), .help = "-500 or -step500 at the end of a file's name is the step of training: it must be the adapter's, and is no part of the embedding's name"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace a file that is there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "say what would be done and write nothing"},
    {0},
};
/* clang-format on */

/* "NAME=FILE" or "FILE": a name has no '/', so that paths with '=' in a folder are paths. */
static lyc_status read_word(lyc_bundle_embedding *out, char name[NAME_SIZE], const char *word, lyc_error *err)
{
    const char *equals = strchr(word, '=');
    *out = (lyc_bundle_embedding){.path = word};
    if (equals == NULL || memchr(word, '/', (size_t)(equals - word)) != NULL) {
        return LYC_OK;
    }
    if (equals == word || equals - word >= NAME_SIZE) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "'%s' is no embedding, expected FILE or NAME=FILE", word);
    }
    memcpy(name, word, (size_t)(equals - word));
    name[equals - word] = '\0';
    *out = (lyc_bundle_embedding){.path = equals + 1, .name = name};
    return LYC_OK;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    char names[MAX_EMBEDDINGS][NAME_SIZE];
    lyc_bundle_embedding embeddings[MAX_EMBEDDINGS];
    const bundle_config *c = config;
    const int count = operand_count - 1;
    lyc_bundling *bundling = NULL;
    const lyc_task task = lyc_cli_task(cli);
    if (c->output == NULL && !c->dry_run) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--output is missing: where to write");
    }
    if (count > MAX_EMBEDDINGS) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "%d embeddings, expected at most %d", count, MAX_EMBEDDINGS);
    }
    for (int i = 0; i < count; i++) {
        LYC_TRY(read_word(&embeddings[i], names[i], operands[i + 1], err));
    }
    const lyc_bundle_options o = {.embeddings = embeddings,
                                  .embedding_count = (size_t)count,
                                  .steps = c->steps,
                                  .force = c->force,
                                  .dry_run = c->dry_run};
    LYC_TRY(lyc_bundle(&bundling, c->output, operands[0], &o, &task, err));
    lyc_bundling_print(cli, bundling, c->dry_run ? NULL : c->output, false);
    lyc_bundling_free(bundling);
    return LYC_OK;
}

static const lyc_example examples[] = {
    {"lycoris bundle turtle.safetensors sks.safetensors -o turtle-bundle.safetensors",
     "an adapter and the embedding for the word sks"},
    {"lycoris bundle turtle.safetensors sks=embedding_final.safetensors -o turtle-bundle.safetensors",
     "the same with another name than the file's"},
    {NULL, NULL},
};

const lyc_command lyc_command_bundle = {
    .name = "bundle",
    .summary = "put an adapter and its embeddings into one file",
    .operands = "ADAPTER [NAME=]EMBEDDING...",
    .description =
        "Writes an adapter file that has embeddings (textual inversion) in it too, as AUTOMATIC1111's web UI loads "
        "them "
        "together: the name of an embedding is the word that stands for it in prompts. All tensors are copied byte for "
        "byte. `lycoris unbundle` is the way back.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 2,
    .max_operands = -1,
    .has_json = true,
    .config_size = sizeof(bundle_config),
    .run = run,
};
