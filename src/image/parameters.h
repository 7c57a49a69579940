/* parameters.h - the text that says how a picture was made, as A1111 writes it and galleries read it
 *
 *     <prompt>
 *     Negative prompt: <negative>                                          left out when empty
 *     Steps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 42, Size: 512x512, ...
 *
 * A value with a comma, a colon or a newline is written as a JSON string. The parameter line is the last line with at
 * least three `key: value` pairs; a picture made by other means may have any text here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_PARAMETERS_H
#define LYC_IMAGE_PARAMETERS_H

#include <stddef.h>

#include "base/string.h"

typedef struct lyc_parameter {
    char *key;
    char *value;
} lyc_parameter;

typedef struct lyc_parameters {
    char *prompt;   /* "" when absent, once read */
    char *negative; /* the same */
    lyc_parameter *items;
    size_t count;
} lyc_parameters;

/* Sets prompt and negative prompt (NULL: ""); copies both. */
lyc_status lyc_parameters_prompts(lyc_parameters *p, const char *prompt, const char *negative, lyc_error *err);

/* Adds "key: value" at the end; copies both. {0} is empty. */
lyc_status lyc_parameters_add(lyc_parameters *p, const char *key, const char *value, lyc_error *err);

/* The value of a key, borrowed; NULL when there is none. */
const char *lyc_parameters_get(const lyc_parameters *p, const char *key);

/* Appends the text. prompt and negative may be NULL. */
void lyc_parameters_write(lyc_strbuf *text, const lyc_parameters *p);

/* Fails for lack of memory alone: text without a parameter line is all prompt. */
lyc_status lyc_parameters_read(lyc_parameters *p, const char *text, lyc_error *err);

void lyc_parameters_clear(lyc_parameters *p);

#endif
