/* cmd_hash.c - lycoris hash: the hashes by which files are known
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <string.h>

#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "lycoris/inspect.h"
#include "lycoris/text.h"

typedef struct hash_config {
    bool check;
} hash_config;

static const lyc_option options[] = {
    {.name = "check",
     .letter = 'c',
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(hash_config, check),
     .help = "compare with the hashes that the files say they have; the exit status is 2 when one has another"},
    {0},
};

typedef struct hash_run {
    lyc_cli *cli;
    lyc_json json;
    bool check;
    size_t different;
} hash_run;

static const char *word_of(lyc_hash_verdict verdict)
{
    static const char *const words[] = {[LYC_HASH_NOT_STORED] = "not stored",
                                        [LYC_HASH_SAME] = "as stored",
                                        [LYC_HASH_DIFFERENT] = "another one is stored",
                                        [LYC_HASH_UNKNOWN] = "LyCORIS' own is stored"};
    return words[verdict];
}

static void print_stored(hash_run *r, const lyc_safetensors *file, const char *key, const char *shown_hash)
{
    const lyc_hash_verdict verdict = lyc_inspect_compare_hash(file, key, shown_hash);
    r->different += verdict == LYC_HASH_DIFFERENT;
    if (r->cli->json) {
        lyc_json_begin_object(&r->json, key);
        lyc_json_text(&r->json, "hash", shown_hash);
        lyc_json_text(&r->json, "stored", word_of(verdict));
        lyc_json_end(&r->json);
    } else {
        fprintf(r->cli->out, "  %-17s %s%s%s\n", key, shown_hash, r->check ? "  " : "",
                r->check ? word_of(verdict) : "");
    }
}

static lyc_status hash_file(hash_run *r, const char *path, const lyc_safetensors *file, lyc_error *err)
{
    lyc_file_hashes hashes;
    const lyc_task task = lyc_cli_task(r->cli);
    LYC_TRY(lyc_inspect_hashes(&hashes, path, file, &task, err));
    if (r->cli->json) {
        lyc_json_begin_object(&r->json, NULL);
        lyc_json_text(&r->json, "file", path);
        lyc_json_text(&r->json, "sha256", hashes.sha256);
        lyc_json_text(&r->json, "legacy", hashes.legacy);
    } else {
        char shown_path[512];
        lyc_text_printable(shown_path, sizeof shown_path, path, strlen(path));
        fprintf(r->cli->out, "%s\n", shown_path);
        const char *shown_sha256 = hashes.sha256, *shown_legacy = hashes.legacy;
        fprintf(r->cli->out, "  %-17s %s\n  %-17s %s\n", "sha256", shown_sha256, "legacy", shown_legacy);
    }
    print_stored(r, file, "sshs_model_hash", hashes.model);
    print_stored(r, file, "sshs_legacy_hash", hashes.model_legacy);
    if (r->cli->json) {
        lyc_json_end(&r->json);
    }
    return LYC_OK;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    hash_run r = {.cli = cli, .json = {.out = cli->out}, .check = ((const hash_config *)config)->check};
    if (cli->json) {
        lyc_json_begin_array(&r.json, NULL);
    }
    lyc_status status = LYC_OK;
    for (int i = 0; i < operand_count && status == LYC_OK; i++) {
        lyc_safetensors *file = NULL;
        status = lyc_safetensors_open(&file, operands[i], NULL, err);
        status = status != LYC_OK ? status : hash_file(&r, operands[i], file, err);
        lyc_safetensors_close(file);
    }
    if (cli->json) {
        lyc_json_end(&r.json);
    }
    if (status == LYC_OK && r.check && r.different > 0) {
        return lyc_cli_fail(err, LYC_E_FORMAT, "%zu stored hash%s not that of the tensors: they were changed since",
                            r.different, r.different == 1 ? " is" : "es are");
    }
    return status;
}

static const lyc_example examples[] = {
    {"lycoris hash model.safetensors", "as catalogues and pictures name it"},
    {"lycoris hash --check *.safetensors", "whether tensors were changed after the file was made"},
    {NULL, NULL},
};

const lyc_command lyc_command_hash = {
    .name = "hash",
    .summary = "print the hashes by which files are known",
    .operands = "FILE...",
    .description =
        "Prints the SHA-256 of the whole file, the old hash of 8 digits, and the hashes of the tensors alone "
        "(sshs_model_hash, sshs_legacy_hash), which do not depend on titles and other metadata.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = -1,
    .has_json = true,
    .config_size = sizeof(hash_config),
    .run = run,
};
