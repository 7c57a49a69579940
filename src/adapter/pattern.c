/* pattern.c - regular expressions by PCRE2 under limits; globs by hand
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "adapter/pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/memory.h"

enum {
    MAX_PATTERN = 4096,   /* bytes */
    MATCH_LIMIT = 200000, /* steps of backtracking for one module name: some milliseconds */
    HEAP_LIMIT_KIB = 1024,
    DEPTH_LIMIT = 2000,
};

struct lyc_pattern {
    lyc_pattern_kind kind;
    char *text;
    pcre2_general_context *memory;
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *match;
};

static void *take(size_t size, void *data)
{
    (void)data;
    return lyc_alloc(size);
}

static void give(void *block, void *data)
{
    (void)data;
    lyc_free(block);
}

void lyc_pattern_free(lyc_pattern *p)
{
    if (p == NULL) {
        return;
    }
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->limits);
    pcre2_code_free(p->code);
    pcre2_general_context_free(p->memory);
    lyc_free(p->text);
    lyc_free(p);
}

static lyc_status compile(lyc_pattern *p, lyc_error *err)
{
    int error = 0;
    PCRE2_SIZE offset = 0;
    p->memory = pcre2_general_context_create(take, give, NULL);
    pcre2_compile_context *compile_limits = p->memory != NULL ? pcre2_compile_context_create(p->memory) : NULL;
    if (compile_limits == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for pattern '%s'", p->text);
    }
    const uint32_t flags =
        PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_ANCHORED | (p->kind == LYC_PATTERN_FULL ? PCRE2_ENDANCHORED : 0);
    pcre2_set_parens_nest_limit(compile_limits, 50);
    p->code = pcre2_compile((PCRE2_SPTR)p->text, strlen(p->text), flags, &error, &offset, compile_limits);
    pcre2_compile_context_free(compile_limits);
    if (p->code == NULL) {
        char message[128] = "";
        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
        return lyc_fail(err, LYC_E_FORMAT, "pattern '%s' is no regular expression: %s (at character %zu)", p->text,
                        message, (size_t)offset + 1);
    }
    p->limits = pcre2_match_context_create(p->memory);
    p->match = pcre2_match_data_create_from_pattern(p->code, p->memory);
    if (p->limits == NULL || p->match == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for pattern '%s'", p->text);
    }
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    return LYC_OK;
}

lyc_status lyc_pattern_new(lyc_pattern **out, const char *text, lyc_pattern_kind kind, lyc_error *err)
{
    *out = NULL;
    const size_t length = strlen(text);
    if (length > MAX_PATTERN) {
        return lyc_fail(err, LYC_E_FORMAT, "a pattern of %zu bytes; at most %d are accepted", length, (int)MAX_PATTERN);
    }
    lyc_pattern *p = lyc_alloc_zero(1, sizeof *p);
    char *copy = lyc_alloc(length + 1);
    if (p == NULL || copy == NULL) {
        lyc_free(p);
        lyc_free(copy);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for pattern '%s'", text);
    }
    memcpy(copy, text, length + 1);
    p->text = copy;
    p->kind = kind;
    const lyc_status status = kind == LYC_PATTERN_FNMATCH ? LYC_OK : compile(p, err);
    if (status != LYC_OK) {
        lyc_pattern_free(p);
        return status;
    }
    *out = p;
    return LYC_OK;
}

/* Whether the class that begins at p ("[a-z]", "[!ab]") holds c, and in *end what follows it; NULL: it never closes. */
static bool class_holds(const char **end, const char *p, char c)
{
    const bool negated = p[1] == '!';
    const char *q = p + (negated ? 2 : 1);
    bool holds = false;
    const char *first = q;
    while (*q != '\0' && (*q != ']' || q == first)) {
        if (q[1] == '-' && q[2] != ']' && q[2] != '\0') {
            holds = holds || (q[0] <= c && c <= q[2]);
            q += 3;
        } else {
            holds = holds || *q == c;
            q++;
        }
    }
    *end = *q == ']' ? q + 1 : NULL;
    return holds != negated;
}

/* After a mismatch the last star takes one character more: no recursion, at most length * length steps. */
static bool glob(const char *p, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text != '\0' || *p != '\0') {
        const char *next = p + 1;
        bool matches = false;
        if (*p == '*') {
            star = p++;
            resume = text;
            continue;
        }
        if (*text != '\0' && *p != '\0') {
            if (*p == '?') {
                matches = true;
            } else if (*p == '[') {
                matches = class_holds(&next, p, *text);
                if (next == NULL) { /* an open bracket alone is a letter */
                    next = p + 1;
                    matches = *text == '[';
                }
            } else {
                matches = *p == *text;
            }
        }
        if (matches) {
            p = next;
            text++;
        } else if (star != NULL && *resume != '\0') {
            p = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    return true;
}

lyc_status lyc_pattern_match(bool *matches, lyc_pattern *p, const char *text, lyc_error *err)
{
    if (p->kind == LYC_PATTERN_FNMATCH) {
        *matches = glob(p->text, text);
        return LYC_OK;
    }
    const int found = pcre2_match(p->code, (PCRE2_SPTR)text, strlen(text), 0, 0, p->match, p->limits);
    *matches = found >= 0;
    if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
        char message[128] = "";
        pcre2_get_error_message(found, (PCRE2_UCHAR *)message, sizeof message);
        return lyc_fail(err, LYC_E_FORMAT, "pattern '%s' on module '%s': %s", p->text, text, message);
    }
    return LYC_OK;
}
