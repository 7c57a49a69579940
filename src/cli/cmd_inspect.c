/* cmd_inspect.c - lycoris inspect: what is in model and adapter files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/progress.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
static const lyc_option options[] = {
    {.name = "keys", .letter = 'k', .kind = LYC_OPTION_BOOL, .offset = offsetof(lyc_inspect_config, keys),
     .help = "a line for each tensor: name, number type, shape, bytes"},
    {.name = "stats", .letter = 's', .kind = LYC_OPTION_BOOL, .offset = offsetof(lyc_inspect_config, stats),
     .help = "the same with mean and largest magnitude, smallest value, and how many values are NaN or infinite"},
    {.name = "key", .kind = LYC_OPTION_LIST, .offset = offsetof(lyc_inspect_config, patterns), .metavar = "PATTERN",
     .help = "only tensors whose name matches the pattern of a shell (* ? [...]); without --stats it means --keys"},
    {.name = "layers", .letter = 'l', .kind = LYC_OPTION_BOOL, .offset = offsetof(lyc_inspect_config, layers),
     .help = "of an adapter: a line for each layer with its algorithm, rank, alpha and the weight that it is for"},
    {.name = "meta", .letter = 'm', .kind = LYC_OPTION_BOOL, .offset = offsetof(lyc_inspect_config, meta),
     .help = "the metadata"},
    {.name = "hash", .kind = LYC_OPTION_BOOL, .offset = offsetof(lyc_inspect_config, hash),
     .help = "hashes of the file and of its tensors, compared with those that it says it has"},
    {.name = "all", .letter = 'a', .kind = LYC_OPTION_BOOL, .offset = offsetof(lyc_inspect_config, all),
     .help = "show long lists and values whole, as is always done when the output is no terminal"},
    {.name = "lenient", .kind = LYC_OPTION_BOOL, .offset = offsetof(lyc_inspect_config, lenient),
     .help = "accept bytes behind the last tensor"},
    {0},
};
/* clang-format on */

/* What may help, by what the message says is there instead of a file that can be read. */
static void add_hint(lyc_cli *cli, const lyc_error *err)
{
    if (strstr(err->message, "PyTorch checkpoint") != NULL) {
        lyc_cli_hint(cli,
                     "where it is trusted: python3 -c \"import sys, torch; from safetensors.torch import save_file; "
                     "d = torch.load(sys.argv[1], weights_only=True); save_file(d.get('state_dict', d), "
                     "sys.argv[2])\" IN OUT.safetensors");
    } else if (strstr(err->message, "a folder") != NULL) {
        lyc_cli_hint(cli, "name the files in it: FOLDER/*.safetensors");
    }
}

static lyc_status inspect_file(lyc_inspection *in, const char *path, lyc_error *err)
{
    lyc_safetensors *file = NULL;
    const lyc_safetensors_options read_options = {.lenient = in->config->lenient};
    lyc_status status = lyc_safetensors_open(&file, path, &read_options, err);
    in->path = path;
    in->file = file;
    if (in->cli->json) {
        status = status == LYC_OK ? lyc_inspect_print_json(in, err) : lyc_inspect_print_json_error(in, err);
    } else if (status == LYC_OK) {
        status = lyc_inspect_print_text(in, err);
    }
    lyc_safetensors_close(file);
    return status;
}

/* A file that cannot be read does not keep the others from being shown; the first error decides the exit status. */
static lyc_status inspect_files(lyc_inspection *in, int count, char **paths, lyc_error *err)
{
    lyc_error first = {0};
    for (int i = 0; i < count && first.status != LYC_E_CANCELLED; i++) {
        lyc_error own = {0};
        if (inspect_file(in, paths[i], &own) == LYC_OK) {
            continue;
        }
        add_hint(in->cli, &own);
        lyc_cli_report(in->cli, &own);
        in->cli->hint[0] = '\0';
        first = first.status == LYC_OK || own.status == LYC_E_CANCELLED ? own : first;
    }
    *err = first;
    return first.status;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    lyc_inspection in = {
        .cli = cli,
        .config = config,
        .json = {.out = cli->out},
        .task = lyc_cli_task(cli),
    };
    if (cli->json) {
        lyc_json_begin_object(&in.json, NULL);
        lyc_json_begin_array(&in.json, "files");
    }
    const lyc_status status = inspect_files(&in, operand_count, operands, err);
    if (cli->json) {
        lyc_json_end(&in.json);
        lyc_json_end(&in.json);
    }
    return status;
}

static const lyc_example examples[] = {
    {"lycoris inspect adapter.safetensors", "sizes and number types"},
    {"lycoris inspect --keys --key '*attn2*' adapter.safetensors", "the tensors of the cross attention"},
    {"lycoris inspect --stats model.safetensors | grep -v ' 0  *0$'", "tensors with NaN or infinite values"},
    {"lycoris inspect --hash --json *.safetensors", "for a catalogue"},
    {NULL, NULL},
};

const lyc_command lyc_command_inspect = {
    .name = "inspect",
    .summary = "show what is in model and adapter files",
    .operands = "FILE...",
    .description =
        "Shows size, tensors and number types of safetensors files, and on request every tensor, statistics of the "
        "values, metadata and hashes. The whole header is checked; a file that is damaged is refused with the place of "
        "the first fault. Files are only mapped: a checkpoint of any size needs little memory.\n\n"
        "PyTorch checkpoints (.ckpt, .pt, .bin) can run programs when they are read and are refused.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = -1,
    .has_json = true,
    .config_size = sizeof(lyc_inspect_config),
    .run = run,
};
