/* unicode.h - text as code points, normalised and classified as the tokenizer needs them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_UNICODE_H
#define LYC_TEXT_UNICODE_H

#include <stdint.h>

#include "base/error.h"
#include "base/string.h"

typedef struct lyc_code_points {
    int32_t *points;
    size_t count;
} lyc_code_points;

/* The classes of the pattern that splits text into words: \s, \p{L}, \p{N}, everything else. */
typedef enum lyc_unicode_class {
    LYC_UNICODE_SPACE,
    LYC_UNICODE_LETTER,
    LYC_UNICODE_NUMBER,
    LYC_UNICODE_OTHER
} lyc_unicode_class;

/* Code points in Unicode's form NFC, in lower case. LYC_E_FORMAT names the byte when the text is no UTF-8. */
lyc_status lyc_unicode_normalise(lyc_code_points *out, lyc_span text, lyc_error *err);
void lyc_code_points_clear(lyc_code_points *points);

lyc_unicode_class lyc_unicode_class_of(int32_t point);

#endif
