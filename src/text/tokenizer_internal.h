/* tokenizer_internal.h - what a tokenizer is made of
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_TOKENIZER_INTERNAL_H
#define LYC_TEXT_TOKENIZER_INTERNAL_H

#include "text/added_token.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

struct lyc_tokenizer {
    lyc_vocabulary vocabulary;
    lyc_added_tokens added;
    int32_t bos, eos, pad, unknown;
    int32_t id_end; /* the largest id of the vocabulary or of an added token + 1 */
};

/* Makes a name a special token; LYC_E_FORMAT when it is there with another id. */
lyc_status lyc_tokenizer_add_special(lyc_tokenizer *t, const char *name, int32_t id, lyc_error *err);

/* Reads vocabulary, added tokens and roles of a folder. */
lyc_status lyc_tokenizer_read_folder(lyc_tokenizer *t, const char *folder, lyc_error *err);

#endif
