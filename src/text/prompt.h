/* prompt.h - a prompt taken apart: adapters, conditions, weights, breaks
 *
 *     <lora:style:0.8> a (red:1.3) fox AND snow :0.5
 *
 * names one adapter and two conditions, the first of three stretches of text. Making token sequences of a condition is
 * in sequence.h, weighing the states that the text encoder gives in state_weight.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_PROMPT_H
#define LYC_TEXT_PROMPT_H

#include "text/prompt_network.h"
#include "text/prompt_weight.h"

enum {
    LYC_PROMPT_MAX_TEXT = 1 << 16, /* bytes */
    LYC_PROMPT_MAX_CONDITIONS = 16
};

/* Which parts of the syntax are read; what is not read is text. */
typedef struct lyc_prompt_options {
    bool weights;    /* ( ) [ ] and \ */
    bool breaks;     /* BREAK */
    bool conditions; /* AND */
    bool networks;   /* <lora:...> */
} lyc_prompt_options;

/* As A1111 reads a prompt; a negative prompt has one condition and names no adapters. */
#define LYC_PROMPT_POSITIVE ((lyc_prompt_options){true, true, true, true})
#define LYC_PROMPT_NEGATIVE ((lyc_prompt_options){.weights = true, .breaks = true})

/* Conditions add up: guided = unconditional + sum of scale * weight * (conditional - unconditional). */
typedef struct lyc_prompt_condition {
    lyc_prompt_items items;
    double weight;
} lyc_prompt_condition;

typedef struct lyc_prompt {
    lyc_prompt_condition *conditions; /* at least one */
    size_t condition_count;
    lyc_prompt_networks networks;
    lyc_arena arena; /* all of it */
} lyc_prompt;

/* LYC_E_ARGUMENT: too long, too many conditions, an adapter without name or number; LYC_E_FORMAT: not UTF-8. options
 * may be NULL: plain text. */
lyc_status lyc_prompt_parse(lyc_prompt *out, lyc_span text, const lyc_prompt_options *options, lyc_error *err);
void lyc_prompt_clear(lyc_prompt *prompt);

#endif
