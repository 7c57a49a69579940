/* layout.h - how the tensors of a component are called in each kind of file
 *
 * The library knows tensors by their names in diffusers. A layout says how a file calls them: the beginning that all
 * keys have, and a table of rules. One table serves both directions: a name is looked up in the table; a key is found
 * by walking through the names that the configuration has.
 *
 *     {"down_blocks.#.resnets.#", "input_blocks.#.0", .number = input_block, .inside = resnet}
 *
 * # stands for a number; a pattern ends where a part of the name ends; what follows is looked up in the table `inside`,
 * or stays as it is. `number` turns the numbers of the name into those of the key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_LAYOUT_H
#define LYC_CHECKPOINT_LAYOUT_H

#include <stdbool.h>

#include "checkpoint/component.h"
#include "checkpoint/source.h"
#include "checkpoint/tensor_list.h"

typedef struct lyc_name_rule lyc_name_rule;
struct lyc_name_rule {
    const char *name; /* NULL ends a table */
    const char *key;
    bool (*number)(int out[2], const int in[2], const void *config); /* NULL: they are the same. false: no such block */
    const lyc_name_rule *inside;
    int part;         /* 1, 2, 3: the rows are this third of the key's */
    bool transposed;  /* the key's matrix is [in,out] */
    bool convolution; /* the key's matrix is [out,in,1,1] */
};

typedef struct lyc_layout {
    const char *name; /* what people call it */
    lyc_component_kind kind;
    const char *prefix;         /* of all keys */
    const char *probe;          /* behind the prefix: a file with such a key has this layout */
    const char *drop;           /* beginning of names that is not in keys; NULL: none */
    const lyc_name_rule *rules; /* NULL: keys are names */
    bool penultimate;           /* text encoder of which the last layer is left out */
    bool openclip;              /* text encoder: exact GELU */
} lyc_layout;

extern const lyc_name_rule lyc_rules_unet[]; /* and ControlNet */
extern const lyc_name_rule lyc_rules_vae[];
extern const lyc_name_rule lyc_rules_vae_old[]; /* diffusers before 0.18: query, key, value, proj_attn */
extern const lyc_name_rule lyc_rules_openclip[];

enum { LYC_KEY = 256 };

typedef struct lyc_key {
    char text[LYC_KEY];
    int part;
    bool transposed;
    bool convolution;
} lyc_key;

/* The key of a tensor; config is that of the component (levels and layers at least up to the named one). False when
 * the layout has no such tensor. */
bool lyc_layout_key(lyc_key *out, const lyc_layout *layout, const void *config, const char *name);

/* The shape in the file of a tensor that diffusers has with `shape`. */
lyc_shape lyc_key_shape(const lyc_key *key, const lyc_shape *shape);

/* The tensors of a component: lyc_unet_tensors and so on. config is that of the kind. */
lyc_status lyc_component_tensors(lyc_component_kind kind, const void *config, lyc_tensor_visit visit, void *context,
                                 lyc_error *err);

/* The tensors that a file of this layout has for a component: its keys, its shapes, a stacked matrix once. */
lyc_status lyc_layout_tensors(const lyc_layout *layout, const void *config, lyc_tensor_visit visit, void *context,
                              lyc_error *err);

/* The layout of a kind whose keys have that prefix: "model.diffusion_model.", "" for the files of a diffusers folder.
 * NULL: none. */
const lyc_layout *lyc_layout_of_prefix(lyc_component_kind kind, const char *prefix);

/* The layout in which a component of this kind is in the source; NULL: it is not. */
const lyc_layout *lyc_layout_find(const lyc_source *source, lyc_component_kind kind);

/* Whether files carry the key though it is of no use: averaged weights, tables of the schedule, ids of positions. */
bool lyc_key_is_ignored(const char *key);

#endif
