/* cmd_svd_merge.c - lycoris svd-merge: several adapters as a LoRA of few ranks, by the options of svd_merge_lora.py
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "cli/command.h"
#include "cli/merge_adapters.h"

typedef struct svd_config {
    const char *output;
    int dtype;
    int64_t rank, conv_rank;
    double clamp_quantile;
    lyc_option_list block_weights;
    bool layers, strict, allow_overflow, force, dry_run;
} svd_config;

#define AT(member) .offset = offsetof(svd_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "the file to write"},
    {.name = "new-rank", .letter = 'r', .kind = LYC_OPTION_INT, AT(rank), .standard = "4", .min = 1, .max = 65536, .help = "ranks of the output"},
    {.name = "new-conv-rank", .kind = LYC_OPTION_INT, AT(conv_rank), .standard = "0", .min = 0, .max = 65536, .help = "the same of convolutions larger than 1x1; 0: as --new-rank"},
    {.name = "lbws", .kind = LYC_OPTION_LIST, AT(block_weights), .metavar = "LIST", .help = "factors by block of a U-Net, 12, 17, 20 or 26 with commas between them; once for each adapter, in their order"},
    {.name = "clamp-quantile", .kind = LYC_OPTION_FLOAT, AT(clamp_quantile), .standard = "0", .min = 0, .max = 1, .help = "cut the factors at this quantile of their numbers, as svd_merge_lora.py does at 0.99; 0: do not"},
    {.name = "save-precision", .kind = LYC_OPTION_ENUM, AT(dtype), .standard = "keep", .choices = lyc_merge_adapters_dtypes, .help = "number type of the tensors"},
    {.name = "layers", .letter = 'l', .kind = LYC_OPTION_BOOL, AT(layers), .help = "a line for each layer"},
    {.name = "strict", .kind = LYC_OPTION_BOOL, AT(strict), .help = "tensors that belong to no known layer are an error; else they are left out with a warning"},
    {.name = "allow-overflow", .kind = LYC_OPTION_BOOL, AT(allow_overflow), .help = "write numbers that are too large for fp16 as infinite"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace a file that is there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "say what would be done and write nothing"},
    {0},
};
/* clang-format on */

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const svd_config *c = config;
    const lyc_merge_adapters_request request = {
        .output = c->output,
        .block_weights = c->block_weights,
        .layers = c->layers,
        .options = {.method = LYC_MERGE_SVD,
                    .rank = c->rank,
                    .conv_rank = c->conv_rank,
                    .clamp_quantile = c->clamp_quantile,
                    .dtype = lyc_merge_adapters_dtype_values[c->dtype],
                    .keep_dtype = c->dtype == 0,
                    .allow_overflow = c->allow_overflow,
                    .strict = c->strict,
                    .force = c->force,
                    .dry_run = c->dry_run},
    };
    return lyc_cli_merge_adapters(cli, &request, operand_count, operands, err);
}

static const lyc_example examples[] = {
    {"lycoris svd-merge --new-rank 16 a.safetensors:0.7 b.safetensors -o small.safetensors", "both in 16 ranks"},
    {"lycoris svd-merge --new_rank 8 --lbws 1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1 a.safetensors b.safetensors -o "
     "c.safetensors",
     "the first without its down blocks"},
    {NULL, NULL},
};

const lyc_command lyc_command_svd_merge = {
    .name = "svd-merge",
    .summary = "make one LoRA of few ranks of several adapters",
    .operands = "ADAPTER[:W[:UNET[:TE]]]...",
    .description = "The same as `lycoris merge-adapters --method svd`, under the names that the options of sd-scripts' "
                   "svd_merge_lora.py have: the LoRA of so many ranks that comes nearest to the sum of the adapters, "
                   "with strengths by block.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = -1,
    .has_json = true,
    .config_size = sizeof(svd_config),
    .run = run,
};
