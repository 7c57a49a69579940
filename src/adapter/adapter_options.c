/* adapter_options.c - options that several algorithms have, and how an option is found by the names in use
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/adapter.h"

typedef struct common_option {
    unsigned bit;
    lyc_option option;
} common_option;

static const common_option common_options[] = {
    {LYC_ADAPTER_RANK,
     {.name = "rank",
      .kind = LYC_OPTION_INT,
      .offset = offsetof(lyc_adapter_config, rank),
      .standard = "4",
      .min = 1,
      .max = LYC_OPTION_UNLIMITED,
      .help = "inner dimension of the factors"}},
    {LYC_ADAPTER_ALPHA,
     {.name = "alpha",
      .kind = LYC_OPTION_FLOAT,
      .offset = offsetof(lyc_adapter_config, alpha),
      .standard = "1",
      .min = 0,
      .max = LYC_OPTION_UNLIMITED,
      .help = "the change is scaled by alpha / rank; 0: not scaled"}},
    {LYC_ADAPTER_RS,
     {.name = "rs_lora",
      .kind = LYC_OPTION_BOOL,
      .offset = offsetof(lyc_adapter_config, rs_lora),
      .help = "scale by alpha / sqrt(rank) (arXiv 2312.03732)"}},
    {LYC_ADAPTER_TUCKER,
     {.name = "use_tucker",
      .kind = LYC_OPTION_BOOL,
      .offset = offsetof(lyc_adapter_config, use_tucker),
      .help = "Tucker decomposition of convolutions whose kernel is larger than 1"}},
    {LYC_ADAPTER_SCALAR,
     {.name = "use_scalar",
      .kind = LYC_OPTION_BOOL,
      .offset = offsetof(lyc_adapter_config, use_scalar),
      .help = "train a factor of the whole change, from 0; it goes into a tensor when saved"}},
    {LYC_ADAPTER_DORA,
     {.name = "weight_decompose",
      .kind = LYC_OPTION_BOOL,
      .offset = offsetof(lyc_adapter_config, weight_decompose),
      .help = "train norms of the weight apart from its direction: DoRA (arXiv 2402.09353)"}},
    {LYC_ADAPTER_DORA,
     {.name = "wd_on_out",
      .kind = LYC_OPTION_BOOL,
      .offset = offsetof(lyc_adapter_config, wd_on_out),
      .standard = "true",
      .help = "norms of DoRA over the inputs of each output; false: over the outputs of each input"}},
    {LYC_ADAPTER_DORA,
     {.name = "wd_norm_constant",
      .kind = LYC_OPTION_BOOL,
      .offset = offsetof(lyc_adapter_config, wd_norm_constant),
      .help = "no gradient through the norms of DoRA, as in its paper, section 4.3"}},
    {LYC_ADAPTER_DROPOUT,
     {.name = "dropout",
      .kind = LYC_OPTION_FLOAT,
      .offset = offsetof(lyc_adapter_config, dropout),
      .min = 0,
      .max = 0.999,
      .help = "elements of the branch's output that are dropped in training, in bypass mode"}},
    {LYC_ADAPTER_DROPOUT,
     {.name = "bypass_mode",
      .kind = LYC_OPTION_BOOL,
      .offset = offsetof(lyc_adapter_config, bypass_mode),
      .help = "dropouts act on the branch beside the layer instead of on the change of the weight"}},
    {LYC_ADAPTER_RANK_DROPOUT,
     {.name = "rank_dropout",
      .kind = LYC_OPTION_FLOAT,
      .offset = offsetof(lyc_adapter_config, rank_dropout),
      .min = 0,
      .max = 0.999,
      .help = "rows of the change (in bypass mode of LoRA: ranks) that are dropped in training"}},
    {LYC_ADAPTER_RANK_DROPOUT,
     {.name = "rank_dropout_scale",
      .kind = LYC_OPTION_BOOL,
      .offset = offsetof(lyc_adapter_config, rank_dropout_scale),
      .help = "divide what rank dropout leaves by the part that is left"}},
    {LYC_ADAPTER_MODULE_DROPOUT,
     {.name = "module_dropout",
      .kind = LYC_OPTION_FLOAT,
      .offset = offsetof(lyc_adapter_config, module_dropout),
      .min = 0,
      .max = 0.999,
      .help = "probability that a step leaves out the whole adapter"}},
};

enum { COMMON_COUNT = sizeof common_options / sizeof common_options[0] };

/* Other names: LyCORIS 1.x to 4.x, its trainers, PEFT. */
static const struct {
    const char *other;
    const char *name;
} other_names[] = {
    {"dim", "rank"},
    {"lora_dim", "rank"},
    {"network_dim", "rank"},
    {"r", "rank"},
    {"network_alpha", "alpha"},
    {"lora_alpha", "alpha"},
    {"use_cp", "use_tucker"},
    {"use_conv_cp", "use_tucker"},
    {"dora_wd", "weight_decompose"},
    {"use_dora", "weight_decompose"},
    {"wd_on_output", "wd_on_out"},
    {"use_rslora", "rs_lora"},
    {"constrain", "constraint"},
    {"unbalanced", "unbalanced_factorization"},
    {"decompose_factor", "factor"},
};

const lyc_option *lyc_adapter_option(const lyc_adapter_algorithm *algorithm, int index)
{
    for (int i = 0; i < COMMON_COUNT; i++) {
        if ((algorithm->common & common_options[i].bit) != 0 && index-- == 0) {
            return &common_options[i].option;
        }
    }
    for (const lyc_option *o = algorithm->options; o != NULL && o->name != NULL; o++) {
        if (index-- == 0) {
            return o;
        }
    }
    return NULL;
}

const lyc_option *lyc_adapter_option_find(const lyc_adapter_algorithm *algorithm, const char *name)
{
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++) {
        if (strcmp(name, other_names[i].other) == 0) {
            name = other_names[i].name;
            break;
        }
    }
    const lyc_option *o;
    for (int i = 0; (o = lyc_adapter_option(algorithm, i)) != NULL; i++) {
        if (strcmp(o->name, name) == 0) {
            return o;
        }
    }
    return NULL;
}
