/* added_token.h - texts that have ids of their own and split what stands around them
 *
 * Special tokens are looked for in the text as it is, the others in normalised text. Of those that begin at one place
 * the longest counts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_ADDED_TOKEN_H
#define LYC_TEXT_ADDED_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "text/unicode.h"

typedef struct lyc_id_range {
    int32_t first;
    int32_t count;
} lyc_id_range;

typedef struct lyc_added_token {
    char *text;             /* as it was added, NUL-terminated */
    size_t length;          /* of text */
    lyc_code_points points; /* normalised */
    lyc_id_range ids;
    bool is_special;
} lyc_added_token;

/* {0} is empty. Longest first. */
typedef struct lyc_added_tokens {
    lyc_added_token *tokens;
    size_t count, capacity;
} lyc_added_tokens;

/* Copies the name. LYC_E_ARGUMENT: it is empty, or taken. */
lyc_status lyc_added_tokens_put(lyc_added_tokens *list, const char *name, lyc_id_range ids, bool is_special,
                                lyc_error *err);

/* The token of this very name; NULL when there is none. */
lyc_added_token *lyc_added_tokens_find(const lyc_added_tokens *list, const char *name);
void lyc_added_tokens_clear(lyc_added_tokens *list);

/* The special token that begins at the start of text, the other token that begins at the start of points; NULL when
 * there is none. */
const lyc_added_token *lyc_added_tokens_special_at(const lyc_added_tokens *list, lyc_span text);
const lyc_added_token *lyc_added_tokens_at(const lyc_added_tokens *list, const int32_t *points, size_t count);

#endif
