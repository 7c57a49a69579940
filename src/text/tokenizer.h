/* tokenizer.h - CLIP's byte-pair encoding: text to the ids of its tokens
 *
 * A tokenizer does not change after it was made, but for lyc_tokenizer_add; threads may share it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_TOKENIZER_H
#define LYC_TEXT_TOKENIZER_H

#include <stdint.h>

#include "base/error.h"
#include "base/string.h"
#include "text/id_list.h"

/* Bytes of one text: a caption is a few hundred. */
enum { LYC_TOKENIZER_MAX_TEXT = 1 << 20 };

typedef struct lyc_tokenizer lyc_tokenizer;

/* From a tokenizer folder: vocab.json and merges.txt, or tokenizer.json; special_tokens_map.json, tokenizer_config.json
 * and added_tokens.json where they are. */
lyc_status lyc_tokenizer_open(lyc_tokenizer **out, const char *folder, lyc_error *err);

/* The embedded vocabulary of CLIP, for single files. pad_id: 49407 (SD 1.x, SDXL encoder 1) or 0 (SD 2.x, SDXL encoder
 * 2). */
lyc_status lyc_tokenizer_embedded(lyc_tokenizer **out, int32_t pad_id, lyc_error *err);
void lyc_tokenizer_free(lyc_tokenizer *t);

int32_t lyc_tokenizer_bos(const lyc_tokenizer *t);
int32_t lyc_tokenizer_eos(const lyc_tokenizer *t);
int32_t lyc_tokenizer_pad(const lyc_tokenizer *t);

/* The largest id + 1, added tokens included. */
int32_t lyc_tokenizer_vocab_size(const lyc_tokenizer *t);

/* Ids of a text without BOS and EOS, appended to the list. LYC_E_FORMAT: not UTF-8; LYC_E_ARGUMENT: too long. The first
 * form ends at a NUL, which may stand inside of a span. */
lyc_status lyc_tokenizer_encode(lyc_id_list *list, const lyc_tokenizer *t, const char *text, lyc_error *err);
lyc_status lyc_tokenizer_encode_span(lyc_id_list *list, const lyc_tokenizer *t, lyc_span text, lyc_error *err);

/* Adds a name that stands for id_count ids from first_id on, as a textual-inversion embedding needs it. It is found
 * wherever it occurs in a text, in upper or lower case, and splits it. LYC_E_ARGUMENT: the name is empty, no UTF-8, or
 * taken. */
lyc_status lyc_tokenizer_add(lyc_tokenizer *t, const char *name, int32_t first_id, int32_t id_count, lyc_error *err);

#endif
