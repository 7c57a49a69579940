/* tokenizer.c - texts and the ids of their tokens
 *
 *     {"text": "a cat", "ids": [49406, 320, 2368, 49407], "ids_truncated_to_77": [...]}
 *
 * The vocabulary is CLIP's, the one that the library holds. ids have their start and end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "kind.h"
#include "text/tokenizer.h"

enum { PAD_SD1 = 49407, LENGTH = 77 };

static void compare_ids(lyc_result *result, const char *name, const lyc_id_list *got, const json_t *want)
{
    const size_t count = json_array_size(want);
    if (got->count != count) {
        lyc_result_complain(result, "%s: %zu ids, expected %zu", name, got->count, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char place[64];
        snprintf(place, sizeof place, "%s[%zu]", name, i);
        lyc_compare_number(result, place, got->ids[i], (double)json_integer_value(json_array_get(want, i)),
                           (lyc_tolerance){0});
    }
}

/* [BOS] ids [EOS], of all ids or of as many as fit. */
static lyc_status encode(lyc_id_list *list, const lyc_tokenizer *t, lyc_span text, size_t length, lyc_error *err)
{
    LYC_TRY(lyc_id_list_append(list, lyc_tokenizer_bos(t), err));
    LYC_TRY(lyc_tokenizer_encode_span(list, t, text, err));
    if (length != 0 && list->count > length - 1) {
        list->count = length - 1;
    }
    return lyc_id_list_append(list, lyc_tokenizer_eos(t), err);
}

static lyc_status check(lyc_result *result, const lyc_tokenizer *t, lyc_case *c, const char *member, size_t length,
                        lyc_error *err)
{
    lyc_id_list list = {0};
    const json_t *text = json_object_get(c->json, "text");
    const lyc_span span = {json_string_value(text), json_string_length(text)};
    const lyc_status status = encode(&list, t, span, length, err);
    if (status == LYC_OK) {
        compare_ids(result, member, &list, json_object_get(c->json, member));
    }
    lyc_id_list_clear(&list);
    return status;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_tokenizer *t = NULL;
    LYC_TRY(lyc_tokenizer_embedded(&t, PAD_SD1, err));
    lyc_status status = check(result, t, c, "ids", 0, err);
    if (status == LYC_OK && lyc_case_has(c, "ids_truncated_to_77")) {
        status = check(result, t, c, "ids_truncated_to_77", LENGTH, err);
    }
    lyc_tokenizer_free(t);
    return status;
}

static bool recognise(lyc_case *c)
{
    return lyc_case_text(c, "text") != NULL && json_is_array(json_object_get(c->json, "ids"));
}

const lyc_kind lyc_kind_tokenizer = {
    .name = "tokenizer",
    .folder = "tokenizer",
    .recognise = recognise,
    .run = run,
};
