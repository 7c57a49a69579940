/* pattern.h - patterns of preset files: regular expressions and shell globs
 *
 * A preset comes from a stranger as often as not, so a regular expression runs under limits of steps and memory; one
 * that reaches them is an error, not a wait.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_PATTERN_H
#define LYC_ADAPTER_PATTERN_H

#include <stdbool.h>

#include "base/error.h"

typedef struct lyc_pattern lyc_pattern;

typedef enum lyc_pattern_kind {
    LYC_PATTERN_REGEX,   /* from the start of the text; the end is free (Python's re.match) */
    LYC_PATTERN_FULL,    /* a regular expression that is the whole text (re.fullmatch) */
    LYC_PATTERN_FNMATCH, /* * ? [abc] [!abc]; * crosses dots (Python's fnmatch) */
} lyc_pattern_kind;

/* LYC_E_FORMAT: not a regular expression, with what is wrong and where. Copies text. */
lyc_status lyc_pattern_new(lyc_pattern **out, const char *text, lyc_pattern_kind kind, lyc_error *err);
void lyc_pattern_free(lyc_pattern *p);

/* LYC_E_FORMAT when the limits were reached. One thread at a time. */
lyc_status lyc_pattern_match(bool *matches, lyc_pattern *p, const char *text, lyc_error *err);

#endif
