/* prompt_weight.h - the brackets of a prompt: which words count how much
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_PROMPT_WEIGHT_H
#define LYC_TEXT_PROMPT_WEIGHT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/string.h"

/* A stretch of a prompt; it is tokenised by itself, so that its ends are also ends of words. */
typedef struct lyc_prompt_item {
    lyc_span text;
    double weight;
    bool is_break; /* no text: the sequence ends here */
} lyc_prompt_item;

typedef struct lyc_prompt_items {
    lyc_prompt_item *items; /* at least one */
    size_t count;
} lyc_prompt_items;

/* Reads a prompt with its weights; breaks: the word BREAK ends a sequence. Every text is accepted: a bracket that
 * closes nothing is text, one that is not closed reaches to the end. The result lives in the arena. */
lyc_status lyc_prompt_weight_parse(lyc_prompt_items *out, lyc_arena *arena, lyc_span text, bool breaks, lyc_error *err);

/* One item with the text as it is. */
lyc_status lyc_prompt_weight_plain(lyc_prompt_items *out, lyc_arena *arena, lyc_span text, lyc_error *err);

#endif
