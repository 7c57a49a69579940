/* network.h - the set of adapted layers of a model: several adapters, each with strengths of its own
 *
 *     lyc_network_new(&network, LYC_NETWORK_FIXED, err);
 *     lyc_network_add_file(&member, network, file, &part, 1, err);           or lyc_network_add_selection, to train
 *     lyc_network_set_strength(network, member, 0.8, 0.5);                   U-Net, text encoders
 *     ... builders call lyc_network_apply (layer.h) for each layer; then, once for each plan:
 *     lyc_network_bind(network, graph, plan, err);
 *
 * Strengths, block weights, step ranges, and ranks by timestep are inputs of the graph that live in the network:
 * changing them needs no new plan. A layer's inputs are found by their names, so the network keeps nothing of a graph.
 *
 * A graph holds the members that are active when it is built (lyc_network_active). Plans by that set cost nothing for
 * members that take no part, and where none does they are those of the model alone, bit for bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_NETWORK_H
#define LYC_ADAPTER_NETWORK_H

#include "adapter/network_file.h"
#include "adapter/selection.h"
#include "adapter/site.h"
#include "checkpoint/component.h"

enum { LYC_NETWORK_MEMBERS = 64 }; /* at most; LYC_ADAPTER_MAX_SITES of them in one layer */

typedef struct lyc_network lyc_network;

typedef enum lyc_network_use {
    LYC_NETWORK_FIXED,        /* numbers do not change: packed once, as frozen weights are */
    LYC_NETWORK_EXCHANGEABLE, /* numbers may be written anew between runs */
    LYC_NETWORK_TRAINED,      /* parameters with gradients, dropouts */
} lyc_network_use;

/* A network of the model: its modules, and its weights for adapters that start from them (NULL: not at hand). */
typedef struct lyc_network_part {
    const lyc_inventory *inventory;
    const lyc_component *weights;
} lyc_network_part;

lyc_status lyc_network_new(lyc_network **out, lyc_network_use use, lyc_error *err);

/* Graphs that are built from now on have the adapters in this use: a network in training is EXCHANGEABLE in graphs of
 * validation and samples, which have no dropouts, over the same numbers. Not for FIXED ones. */
void lyc_network_set_use(lyc_network *network, lyc_network_use use);

/* Plans built with the network must be freed before. */
void lyc_network_free(lyc_network *network);

/* Adds the layers of a file that are of these parts; *member is its number. Nothing of the file is borrowed. Layers of
 * other parts are passed over; LYC_E_UNSUPPORTED when none is left, LYC_E_SHAPE for another model's. */
lyc_status lyc_network_add_file(size_t *member, lyc_network *network, const lyc_network_file *file,
                                const lyc_network_part *parts, size_t part_count, lyc_error *err);

/* Adds new adapters for the layers of a selection, with start values by seed. */
lyc_status lyc_network_add_selection(size_t *member, lyc_network *network, const lyc_selection *selection,
                                     const lyc_network_part *parts, size_t part_count, uint64_t seed, lyc_error *err);

/* Adds a member without layers, for adapters that come from elsewhere, and such an adapter, which it takes over, also
 * when it fails; key: its name in files. */
lyc_status lyc_network_add_empty(size_t *member, lyc_network *network, lyc_error *err);
lyc_status lyc_network_adopt(lyc_network *network, size_t member, lyc_adapter *adapter, const char *component,
                             const char *module, const char *key, lyc_error *err);

/* A member that does not learn beside others that do: its numbers are packed once. Before graphs are built. */
void lyc_network_freeze(lyc_network *network, size_t member);

/* Takes the last member away again. */
void lyc_network_remove(lyc_network *network, size_t member);

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

typedef struct lyc_network_entry {
    lyc_adapter *adapter;
    const char *component;
    const char *module; /* diffusers' name */
    const char *key;    /* its name in files, as it was read or as the selection says */
} lyc_network_entry;

size_t lyc_network_member_count(const lyc_network *network);
size_t lyc_network_entry_count(const lyc_network *network, size_t member);
const lyc_network_entry *lyc_network_entry_at(const lyc_network *network, size_t member, size_t index);

/* NULL: the member has none for that layer. */
const lyc_network_entry *lyc_network_find(const lyc_network *network, size_t member, const char *component,
                                          const char *module);

/* Trainable elements of all members. */
int64_t lyc_network_parameter_count(const lyc_network *network);

/* Limits the norm of each change as LyCORIS' scale_weight_norms; norms are those afterwards, over the layers that take
 * part; all are 0 when none was scaled. */
typedef struct lyc_network_norms {
    size_t scaled;
    double mean, max;
} lyc_network_norms;
lyc_status lyc_network_max_norm(lyc_network_norms *out, lyc_network *network, double limit, lyc_error *err);

/* --- strengths -----------------------------------------------------------------------------------------------------
 */

enum { LYC_NETWORK_BLOCKS = 26 }; /* BASE, IN00 to IN11, MID, OUT00 to OUT11: block_weights.h */

void lyc_network_set_strength(lyc_network *network, size_t member, double unet, double text);
void lyc_network_set_blocks(lyc_network *network, size_t member, const double weights[LYC_NETWORK_BLOCKS]);

/* The member acts from this part of the steps to that one: [from,to) of [0,1); the whole by default. It is for the
 * U-Net alone. */
void lyc_network_set_range(lyc_network *network, size_t member, double from, double to);

/* The step that is going to be made. */
void lyc_network_set_step(lyc_network *network, int step, int steps);

/* Timesteps of the samples of the next run, for adapters whose ranks depend on them, and a number of [0,1) by which
 * others draw theirs. samples of graphs that are built later: lyc_network_set_samples. */
void lyc_network_set_timesteps(lyc_network *network, const float *timesteps, size_t count, double draw);

/* Samples that have ranks of their own in graphs that are built from now on; 1 (the start value): all have the same.
 * Once there are adapters at most as many as before. */
lyc_status lyc_network_set_samples(lyc_network *network, size_t samples, lyc_error *err);

/* Key of the dropouts in training: seed and step. */
void lyc_network_set_key(lyc_network *network, uint32_t seed, uint32_t step);

/* Members that take part in a network of the model now, one bit each: those whose strength there is not 0. All of them
 * while they are trained. */
uint64_t lyc_network_active(const lyc_network *network, const char *component);

/* Changes whenever one of the functions above changed something that a run sees: what was computed once for many steps
 * (keys and values of a prompt) is then to be made again. */
uint64_t lyc_network_revision(const lyc_network *network);

/* --- graphs --------------------------------------------------------------------------------------------------------
 */

/* Binds all that lyc_network_apply put into the graph. */
lyc_status lyc_network_bind(lyc_network *network, const lyc_graph *g, lyc_plan *plan, lyc_error *err);

#endif
