/* network_internal.h - shared by the files that make a network
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_NETWORK_INTERNAL_H
#define LYC_ADAPTER_NETWORK_INTERNAL_H

#include "adapter/network.h"

enum { LYC_NETWORK_NAME = 512 };

typedef struct lyc_member_layer {
    lyc_network_entry entry;
    int slot;     /* block_weights.h; -1: none */
    float *ranks; /* [samples]; NULL: all ranks always */
} lyc_member_layer;

/* One adapter file, or one set of new adapters. It does not move: graphs are bound to its strengths. */
typedef struct lyc_member {
    lyc_member_layer *layers;
    size_t count, capacity;
    lyc_hashmap by_module; /* "component/module": index in layers + 1 */
    bool frozen;
    double unet, text;
    double from, to;                            /* of the steps */
    double blocks[LYC_NETWORK_BLOCKS + 1];      /* the last one: modules in no block */
    float strengths[2][LYC_NETWORK_BLOCKS + 1]; /* in effect: of the U-Net, of text encoders */
    lyc_arena arena;
} lyc_member;

struct lyc_network {
    lyc_network_use use;
    lyc_member *members[LYC_NETWORK_MEMBERS];
    size_t count;
    lyc_hashmap inputs;              /* by their names in graphs: where their numbers are */
    size_t samples, sample_capacity; /* of graphs that are built now, and of ranks */
    float timestep;                  /* of the first sample; ranks of new layers begin with it */
    double draw;
    int step, steps;
    int32_t key[2];
    uint64_t revision;
};

lyc_member_layer *lyc_member_find(const lyc_member *m, const char *component, const char *module);

/* Whether the strength of text encoders holds for it. */
bool lyc_network_is_text(const char *component);

/* Strengths in effect, from what was set. */
void lyc_network_fill_strengths(lyc_network *network);

/* Ranks of a layer at the network's timestep. */
void lyc_network_fill_ranks(const lyc_network *network, lyc_member_layer *layer);

#endif
