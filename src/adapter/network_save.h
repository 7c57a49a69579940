/* network_save.h - writing adapter files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_NETWORK_SAVE_H
#define LYC_ADAPTER_NETWORK_SAVE_H

#include "adapter/key_names.h"
#include "adapter/network.h"

typedef struct lyc_network_save_options {
    /* KOHYA and WRAPPER: every algorithm, under the keys that the network has, or new ones for WRAPPER; DIFFUSERS,
     * BARE: LoRA alone, its scale multiplied into lora_B; PEFT: a folder, of one of LoRA, LoHa, LoKr, and of one
     * component. */
    lyc_key_scheme scheme;
    lyc_dtype dtype; /* F32, F16 or BF16 */
    bool force;      /* replace a file that exists */
    const lyc_metadata_entry *metadata;
    size_t metadata_count;
} lyc_network_save_options;

/* Brings what was written of an adapter into the form that a scheme has: scales multiplied in, alpha left out,
 * magnitudes of DoRA as vectors. module is for messages. LYC_E_UNSUPPORTED: the scheme has no form for it. */
lyc_status lyc_network_save_adjust(lyc_adapter_file *written, const lyc_adapter *a, const char *module,
                                   lyc_key_scheme scheme, lyc_error *err);

/* Writes a member of a network, with the hashes of sd-scripts in its metadata. LYC_E_NUMERIC: a number is not finite,
 * or too large for the type: nothing is written. LYC_E_UNSUPPORTED: the scheme has no form for an algorithm. */
lyc_status lyc_network_save(const char *path, const lyc_network *network, size_t member,
                            const lyc_network_save_options *options, lyc_error *err);

#endif
