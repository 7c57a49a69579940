/* adapters.h - the adapters that a pipeline has opened, and those that a request uses
 *
 * All of them are members of one network that the U-Net and the text encoders are built with; a request sets strengths,
 * so that changing adapters changes nothing of the model. A member of strength 0 is in no graph: what is computed
 * without adapters is what a model without them computes, bit for bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_ADAPTERS_H
#define LYC_DIFFUSION_ADAPTERS_H

#include "adapter/network.h"
#include "checkpoint/checkpoint.h"
#include "lycoris/generate.h"

enum { LYC_ADAPTER_HASH = 13 };

typedef struct lyc_opened_adapter {
    char *path;
    char *name; /* of the file, without folder and ending: what prompts and parameters call it */
    char hash[LYC_ADAPTER_HASH];
    size_t member;
} lyc_opened_adapter;

/* {0} is empty. */
typedef struct lyc_pipeline_adapters {
    lyc_network *network;
    lyc_inventory inventories[3];
    lyc_network_part parts[3];
    size_t part_count;
    const char *family;
    lyc_opened_adapter *opened;
    size_t count, capacity;
} lyc_pipeline_adapters;

lyc_status lyc_pipeline_adapters_init(lyc_pipeline_adapters *out, const lyc_checkpoint *checkpoint, lyc_error *err);
void lyc_pipeline_adapters_clear(lyc_pipeline_adapters *adapters);

/* As lyc_pipeline_add_adapter. */
lyc_status lyc_pipeline_adapters_open(size_t *index, lyc_pipeline_adapters *adapters, const char *path, bool strict,
                                      lyc_error *err);

/* Those of a request: what its options name, then what its prompt does. */
typedef struct lyc_adapter_uses {
    lyc_adapter_use uses[LYC_NETWORK_MEMBERS];
    size_t count;
    size_t named; /* of the options: the first ones */
} lyc_adapter_uses;

/* Opens what a prompt names. LYC_E_ARGUMENT: an index or number that makes no sense, a name that is nowhere in the
 * folder, with the nearest one. */
lyc_status lyc_adapter_uses_find(lyc_adapter_uses *out, lyc_pipeline_adapters *adapters,
                                 const lyc_generate_options *options, bool read_prompt, lyc_error *err);

/* Strengths of all members: 0 but for those that are used. */
void lyc_adapter_uses_apply(const lyc_adapter_uses *uses, const lyc_pipeline_adapters *adapters);

/* What the text encoders' states depend on. */
void lyc_adapter_uses_key(lyc_strbuf *key, const lyc_adapter_uses *uses);

#endif
