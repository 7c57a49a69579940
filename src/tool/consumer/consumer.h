/* consumer.h - a program that reads adapters: what it knows, what it drops, what it does in another way
 *
 * One file for each program, which ends in its entry, and a line in list.def. A rule says for which layers something
 * happens; the facts are those of the program's own source, which the file names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_CONSUMER_CONSUMER_H
#define LYC_TOOL_CONSUMER_CONSUMER_H

#include "adapter/key_names.h"
#include "lycoris/verify.h"

/* What rules are about. */
typedef struct lyc_consumer_layer {
    lyc_network_layer layer;
    lyc_key_scheme scheme;
    int64_t kernel; /* positions of a convolution's kernel; 1 of other layers; 0: not known */
} lyc_consumer_layer;

typedef struct lyc_consumer_rule {
    const char *algorithm;                             /* NULL: any */
    const char *tensor;                                /* that the layer has; NULL: does not matter */
    bool (*when)(const lyc_consumer_layer *candidate); /* NULL: always */
    lyc_verdict verdict;
    const char *reason;
} lyc_consumer_rule;

typedef struct lyc_consumer {
    lyc_consumer_info info;

    /* Bit 1 << scheme for each naming that it reads: of U-Nets, of text encoders, of transformers (Flux.1, SD3). */
    unsigned unet, text, transformer;
    lyc_key_scheme writes;         /* the naming in which files for it are best written */
    bool refuses;                  /* a file with anything that it does not know is refused as a whole */
    const char *const *algorithms; /* that it reads, NULL-terminated */

    const lyc_consumer_rule *rules; /* ends with a reason of NULL */
} lyc_consumer;

/* All of them; NULL-terminated. */
extern const lyc_consumer *const lyc_consumers[];

/* What it makes of a layer. reasons: NULL, or place for all reasons, with *count. The verdict is the worst. */
enum { LYC_CONSUMER_REASONS = 8 };
lyc_verdict lyc_consumer_judge(const char *reasons[LYC_CONSUMER_REASONS], lyc_verdict verdicts[LYC_CONSUMER_REASONS],
                               int *count, const lyc_consumer *consumer, const lyc_consumer_layer *candidate);

/* --- for rules -----------------------------------------------------------------------------------------------------
 */

const lyc_tensor_view *lyc_consumer_tensor(const lyc_consumer_layer *candidate, const char *name);

/* DoRA's norms are over the inputs of each output, or over the outputs for each input: [out,1..] or [1,in,1..]. */
bool lyc_consumer_dora_on_outputs(const lyc_consumer_layer *candidate);
bool lyc_consumer_dora_on_inputs(const lyc_consumer_layer *candidate);

/* The file says alpha, and it is not 0: of OFT and BOFT the constraint. */
bool lyc_consumer_has_constraint(const lyc_consumer_layer *candidate);
bool lyc_consumer_lacks_alpha(const lyc_consumer_layer *candidate);

/* Extents of the two matrices of a LoKr as they lie, the second's inputs perhaps with the kernel in them, and the
 * longest extent of each. False: it is none that is whole. */
bool lyc_consumer_lokr(int64_t first[2], int64_t second[2], int64_t longest[2], const lyc_consumer_layer *candidate);

/* Every consumer's entry: lyc_consumer_comfyui and so on. */
#define LYC_CONSUMER(name) extern const lyc_consumer lyc_consumer_##name;
#include "tool/consumer/list.def"
#undef LYC_CONSUMER

#endif
