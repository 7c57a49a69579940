/* network_args.h - the arguments that describe a network to train: "algo=lokr", "network_dim=8", "factor=16" ...
 *
 * Names and meanings are those of lycoris.kohya and of sd-scripts' --network_dim and --network_alpha, so that a
 * configuration written for them is understood. What belongs to an algorithm is passed on to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_NETWORK_ARGS_H
#define LYC_ADAPTER_NETWORK_ARGS_H

#include "adapter/adapter.h"

typedef struct lyc_network_args {
    const lyc_adapter_algorithm *algorithm;
    const char *preset;      /* a built-in one, or a path */
    int64_t rank, conv_rank; /* conv_rank 0: no convolutions larger than 1x1 unless a preset gives them a rank */
    double alpha, conv_alpha;
    bool train_norm;
    bool train_t5xxl, train_llm_adapter;                             /* for trainers */
    double loraplus_ratio, loraplus_unet_ratio, loraplus_text_ratio; /* 0: none */

    /* Of algorithms, under the names that their options have. */
    lyc_adapter_setting *settings;
    size_t count;
    lyc_arena arena;
} lyc_network_args;

/* texts: "key=value". LYC_E_ARGUMENT names an unknown key, a value that is none. The texts are copied. */
lyc_status lyc_network_args_parse(lyc_network_args *out, const char *const *texts, size_t count, lyc_error *err);
void lyc_network_args_clear(lyc_network_args *args);

/* Name, standard value (NULL: none) and help of the arguments that are the network's own; false past the last. */
bool lyc_network_args_describe(const char **name, const char **standard, const char **help, size_t index);

#endif
