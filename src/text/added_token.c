/* added_token.c - texts that have ids of their own
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/added_token.h"

#include <string.h>

#include "base/memory.h"
#include "base/size.h"

static bool equal_points(const lyc_code_points *a, const lyc_code_points *b)
{
    /* fits: the array is in memory */
    return a->count == b->count && memcmp(a->points, b->points, a->count * sizeof *a->points) == 0;
}

/* The token that would be found instead of this one; NULL when there is none. */
static const lyc_added_token *find_equal(const lyc_added_tokens *list, const lyc_added_token *token)
{
    for (size_t i = 0; i < list->count; i++) {
        const lyc_added_token *other = &list->tokens[i];
        if (other->is_special && token->is_special ? strcmp(other->text, token->text) == 0
                                                   : equal_points(&other->points, &token->points)) {
            return other;
        }
    }
    return NULL;
}

static lyc_status reserve(lyc_added_tokens *list, lyc_error *err)
{
    size_t capacity = 16, bytes = 0;
    lyc_added_token *tokens = NULL;
    if (list->count < list->capacity) {
        return LYC_OK;
    }
    if ((list->capacity == 0 || lyc_size_mul(&capacity, list->capacity, 2)) &&
        lyc_size_mul(&bytes, capacity, sizeof *tokens)) {
        tokens = lyc_realloc(list->tokens, bytes);
    }
    if (tokens == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for added tokens");
    }
    list->tokens = tokens;
    list->capacity = capacity;
    return LYC_OK;
}

/* Puts the token, which is complete, behind those that are as long or longer. */
static void insert(lyc_added_tokens *list, const lyc_added_token *token)
{
    size_t i = list->count++;
    for (; i > 0 && list->tokens[i - 1].points.count < token->points.count; i--) {
        list->tokens[i] = list->tokens[i - 1];
    }
    list->tokens[i] = *token;
}

static lyc_status check(const lyc_added_tokens *list, const lyc_added_token *token, lyc_error *err)
{
    const lyc_added_token *same = find_equal(list, token);
    if (token->points.count == 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "an added token without a name");
    }
    if (same != NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the name %s is taken by an added token with id %d", token->text,
                        same->ids.first);
    }
    return LYC_OK;
}

lyc_status lyc_added_tokens_put(lyc_added_tokens *list, const char *name, lyc_id_range ids, bool is_special,
                                lyc_error *err)
{
    lyc_added_token token = {.length = strlen(name), .ids = ids, .is_special = is_special};
    LYC_TRY(reserve(list, err));
    token.text = lyc_alloc(token.length + 1);
    if (token.text == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for added tokens");
    }
    memcpy(token.text, name, token.length + 1);
    lyc_status status = lyc_unicode_normalise(&token.points, (lyc_span){name, token.length}, err);
    if (status == LYC_OK) {
        status = check(list, &token, err);
    }
    if (status != LYC_OK) {
        lyc_code_points_clear(&token.points);
        lyc_free(token.text);
        return status;
    }
    insert(list, &token);
    return LYC_OK;
}

lyc_added_token *lyc_added_tokens_find(const lyc_added_tokens *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->tokens[i].text, name) == 0) {
            return &list->tokens[i];
        }
    }
    return NULL;
}

void lyc_added_tokens_clear(lyc_added_tokens *list)
{
    for (size_t i = 0; i < list->count; i++) {
        lyc_free(list->tokens[i].text);
        lyc_code_points_clear(&list->tokens[i].points);
    }
    lyc_free(list->tokens);
    *list = (lyc_added_tokens){0};
}

const lyc_added_token *lyc_added_tokens_special_at(const lyc_added_tokens *list, lyc_span text)
{
    for (size_t i = 0; i < list->count; i++) {
        const lyc_added_token *token = &list->tokens[i];
        if (token->is_special && token->length <= text.length && memcmp(token->text, text.text, token->length) == 0) {
            return token;
        }
    }
    return NULL;
}

static bool begins_with(const int32_t *points, size_t count, const lyc_code_points *name)
{
    if (name->count > count || name->points[0] != points[0]) {
        return false;
    }
    return memcmp(name->points, points, name->count * sizeof *points) == 0; /* fits: both are in memory */
}

const lyc_added_token *lyc_added_tokens_at(const lyc_added_tokens *list, const int32_t *points, size_t count)
{
    for (size_t i = 0; i < list->count; i++) {
        const lyc_added_token *token = &list->tokens[i];
        if (!token->is_special && begins_with(points, count, &token->points)) {
            return token;
        }
    }
    return NULL;
}
