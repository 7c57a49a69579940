/* vocabulary_part.h - the part of CLIP's vocabulary that a small model needs, as the files of a tokenizer folder
 *
 * A table of 49,408 tokens would be larger than all else in a small model. Kept are the merges that the words of a text
 * need, with those that these are built of, and the most frequent ones beside them. A word of the text then splits
 * exactly as with the whole table: byte-pair encoding never undoes a merge, so every merge that it makes on the way to
 * the final pieces is kept, and others do not apply.
 *
 *     ids: 256 bytes, 256 bytes at the end of a word, kept merges by rank, <|startoftext|>, <|endoftext|>
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_PRETRAIN_VOCABULARY_PART_H
#define LYC_PRETRAIN_VOCABULARY_PART_H

#include "base/error.h"
#include "base/string.h"

typedef struct lyc_vocabulary_part {
    lyc_strbuf merges; /* merges.txt */
    lyc_strbuf vocab;  /* vocab.json */
    int merge_count, size;
    int bos, eos;
} lyc_vocabulary_part;

/* words: any text; frequent: the first so many merges are kept whether the text needs them or not. */
lyc_status lyc_vocabulary_part_make(lyc_vocabulary_part *out, lyc_span words, int frequent, lyc_error *err);
void lyc_vocabulary_part_clear(lyc_vocabulary_part *part);

#endif
