/* json.h - writes JSON, indented, member by member
 *
 * Text may come from files: what is not UTF-8 becomes U+FFFD, and whatever a terminal would obey (control characters,
 * bidirectional marks) is written as \uXXXX, so that the output can be looked at as well as parsed.
 *
 * key is the member's name in an object and NULL in an array.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_JSON_H
#define LYC_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct lyc_json {
    FILE *out;
    bool on_one_line;
    int depth;
    bool has_members; /* the innermost object or array has some */
    char closing[16]; /* of each level */
} lyc_json;

/* Objects and arrays, at most 16 deep; one at the top ends with a newline. */
void lyc_json_begin_object(lyc_json *json, const char *key);
void lyc_json_begin_array(lyc_json *json, const char *key);
void lyc_json_end(lyc_json *json);

void lyc_json_text(lyc_json *json, const char *key, const char *text); /* text NULL: null */
void lyc_json_text_n(lyc_json *json, const char *key, size_t key_length, const char *text, size_t length);
void lyc_json_unsigned(lyc_json *json, const char *key, uint64_t value);
void lyc_json_integer(lyc_json *json, const char *key, int64_t value);
void lyc_json_bool(lyc_json *json, const char *key, bool value);

/* The shortest form that reads back as the same value; NaN and infinities, which JSON lacks, become null. */
void lyc_json_number(lyc_json *json, const char *key, double value);

#endif
