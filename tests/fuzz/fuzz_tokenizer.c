/* fuzz_tokenizer.c - any text becomes ids of the vocabulary, or is refused
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

/* One for all inputs: making it takes longer than using it. */
static lyc_tokenizer *shared_tokenizer(void)
{
    static lyc_tokenizer *t;
    if (t == NULL) {
        require(lyc_tokenizer_embedded(&t, 49407, NULL) == LYC_OK);
        require(lyc_tokenizer_add(t, "<token>", 49408, 2, NULL) == LYC_OK);
    }
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const lyc_tokenizer *t = shared_tokenizer();
    lyc_id_list list = {0};
    const lyc_span text = {(const char *)data, size};
    if (lyc_tokenizer_encode_span(&list, t, text, NULL) == LYC_OK) {
        for (size_t i = 0; i < list.count; i++) {
            require(list.ids[i] >= 0 && list.ids[i] < lyc_tokenizer_vocab_size(t));
        }
        /* Each byte is at most one token, but for the name of two and a character of two bytes whose lower case has
         * three (U+0130). */
        require(list.count <= 2 * size);
    } else {
        require(lyc_utf8_valid_prefix(text.text, text.length) < text.length || size > LYC_TOKENIZER_MAX_TEXT);
    }
    lyc_id_list_clear(&list);
    return 0;
}
