/* json_scan.h - JSON read token by token, from memory, with a byte offset in every error
 *
 * RFC 8259, strictly: no comments, no trailing commas, no control characters in strings, UTF-8 throughout, no lone
 * surrogates. Strings are decoded into a place of the caller's; numbers are read as unsigned integers or skipped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_JSON_SCAN_H
#define LYC_TENSOR_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct lyc_json_scan {
    const unsigned char *text;
    size_t size;
    size_t position;
    uint64_t origin; /* offset of text in its file, for messages */
    int depth;       /* of objects and arrays that are open */
    int max_depth;
    void (*progress)(void *context, size_t done); /* told now and then what is not needed again; may be NULL */
    void *context;
    size_t reported; /* to progress */
    lyc_error *err;
} lyc_json_scan;

/* LYC_E_FORMAT with ", at byte <n>" behind the text. */
lyc_status lyc_json_fail(const lyc_json_scan *scan, size_t position, const char *format, ...) LYC_PRINTF(3, 4);

/* The next character that is no white space, without taking it; '\0' at the end. */
char lyc_json_peek(lyc_json_scan *scan);

/* Takes '{' or '['; fails when something else comes or the nesting is too deep. what: "an object" in the message. */
lyc_status lyc_json_open(lyc_json_scan *scan, char bracket, const char *what);

/* In an object or array with the closing bracket `close`: sets *more when another member follows and takes the comma in
 * front of it, or takes the bracket. first: before the first member. */
lyc_status lyc_json_next(bool *more, lyc_json_scan *scan, char close, bool first);

/* Takes a string and writes it, decoded, to out, which must have room for as many bytes as are left in the text;
 * *length gets its length. A NUL is written behind it. */
lyc_status lyc_json_string(char *out, size_t *length, lyc_json_scan *scan);

/* Takes ':'. */
lyc_status lyc_json_colon(lyc_json_scan *scan);

/* Takes an integer from 0 to 2^64 - 1. what: the thing, for the message. */
lyc_status lyc_json_read_unsigned(uint64_t *value, lyc_json_scan *scan, const char *what);

/* Takes any value and forgets it; room as for lyc_json_string. */
lyc_status lyc_json_skip(lyc_json_scan *scan, char *room);

#endif
