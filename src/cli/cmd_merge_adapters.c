/* cmd_merge_adapters.c - lycoris merge-adapters: several adapter files into one
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "cli/command.h"
#include "cli/merge_adapters.h"

typedef struct merge_config {
    const char *output;
    int method, algorithm, dtype;
    int64_t rank, conv_rank, seed;
    double density, clamp_quantile;
    lyc_option_list block_weights;
    bool sd_scripts, shuffle, layers, strict, allow_overflow, force, dry_run;
} merge_config;

/* In the order of lyc_merge_method. */
static const lyc_option_choice methods[] = {{"concat", "the sum, exactly: factors side by side"},
                                            {"sum", "factors added, of LoRAs of one rank; not the sum of the changes"},
                                            {"svd", "the sum, of --rank ranks"},
                                            {"ties", "the mean of what agrees in sign, of the largest numbers"},
                                            {"dare", "the sum of numbers that stay by chance"},
                                            {"dare-ties", "the mean of what agrees in sign, of these"},
                                            {0}};
static const lyc_option_choice algorithms[] = {
    {"lora", "factors, where there are any"}, {"full", "the change itself"}, {0}};

#define AT(member) .offset = offsetof(merge_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "the file to write"},
    {.name = "method", .letter = 'm', .kind = LYC_OPTION_ENUM, AT(method), .standard = "concat", .choices = methods, .help = "what the output is of the adapters"},
    {.name = "rank", .letter = 'r', .kind = LYC_OPTION_INT, AT(rank), .standard = "0", .min = 0, .max = 65536, .help = "ranks of svd, ties and dare; 0: svd the largest that an adapter has in the layer, the others all together"},
    {.name = "conv-rank", .kind = LYC_OPTION_INT, AT(conv_rank), .standard = "0", .min = 0, .max = 65536, .help = "the same of convolutions larger than 1x1; 0: as --rank"},
    {.name = "density", .kind = LYC_OPTION_FLOAT, AT(density), .standard = "0.5", .min = 1e-6, .max = 1, .help = "part of the numbers of each adapter that ties and dare keep"},
    {.name = "block-weights", .kind = LYC_OPTION_LIST, AT(block_weights), .metavar = "LIST", .help = "factors by block of a U-Net, 12, 17, 20 or 26 with commas between them; once for each adapter, in their order"},
    {.name = "algo", .kind = LYC_OPTION_ENUM, AT(algorithm), .standard = "lora", .choices = algorithms, .help = "how changes are written"},
    {.name = "seed", .kind = LYC_OPTION_INT, AT(seed), .standard = "0", .min = 0, .max = 9007199254740991, .help = "of chance, in dare and --shuffle"},
    {.name = "compat-sd-scripts", .kind = LYC_OPTION_BOOL, AT(sd_scripts), .help = "concat and sum as merge_lora.py has them: strengths squared, the first adapter's alpha"},
    {.name = "shuffle", .kind = LYC_OPTION_BOOL, AT(shuffle), .help = "ranks in random order"},
    {.name = "clamp-quantile", .kind = LYC_OPTION_FLOAT, AT(clamp_quantile), .standard = "0", .min = 0, .max = 1, .help = "cut the factors of svd at this quantile of their numbers, as svd_merge_lora.py does at 0.99; 0: do not"},
    {.name = "dtype", .kind = LYC_OPTION_ENUM, AT(dtype), .standard = "keep", .choices = lyc_merge_adapters_dtypes, .help = "number type of the tensors"},
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
    const merge_config *c = config;
    const lyc_merge_adapters_request request = {
        .output = c->output,
        .block_weights = c->block_weights,
        .layers = c->layers,
        .options = {.method = (lyc_merge_method)c->method,
                    .full = c->algorithm == 1,
                    .rank = c->rank,
                    .conv_rank = c->conv_rank,
                    .density = c->density,
                    .seed = (uint64_t)c->seed,
                    .sd_scripts = c->sd_scripts,
                    .shuffle = c->shuffle,
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
    {"lycoris merge-adapters style.safetensors:0.7 turtle.safetensors -o both.safetensors", "both at once, exactly"},
    {"lycoris merge-adapters --method svd --rank 16 a.safetensors:0.7 b.safetensors -o small.safetensors",
     "the same in 16 ranks, with what that loses"},
    {"lycoris merge-adapters --method ties --density 0.2 a.safetensors b.safetensors c.safetensors -o ties.safetensors",
     "where adapters contradict each other"},
    {NULL, NULL},
};

const lyc_command lyc_command_merge_adapters = {
    .name = "merge-adapters",
    .summary = "make one adapter of several",
    .operands = "ADAPTER[:W[:UNET[:TE]]]...",
    .description =
        "Writes one adapter file with the changes of several, each at its strength: as many algorithms, namings and "
        "ranks as there are. The standard method is exact; what the others lose is said, layer by layer with "
        "--layers.\n\n"
        "Layers that one adapter alone has take part as well. Changes that depend on the base weight (DoRA, OFT, "
        "(IA)^3) cannot be added and are refused.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = -1,
    .has_json = true,
    .config_size = sizeof(merge_config),
    .run = run,
};
