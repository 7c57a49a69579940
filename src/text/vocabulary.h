/* vocabulary.h - the pieces of a byte-pair encoding: their ids, and which two become which third
 *
 * A piece is text in "byte characters": each byte of UTF-8 is written as a character of its own, printable ones as
 * themselves, so that vocabulary files are readable text. A piece that ends a word has "</w>" behind it. Pieces are
 * known by their index here; ids are what the text encoder's table is indexed with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_VOCABULARY_H
#define LYC_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hashmap.h"

typedef struct lyc_merge {
    uint64_t pair;  /* left index << 32 | right index */
    uint32_t rank;  /* the lowest goes first */
    uint32_t piece; /* index of the result */
} lyc_merge;

/* {0} is empty. */
typedef struct lyc_vocabulary {
    lyc_hashmap pieces; /* texts; a piece's index is that of its entry */
    int32_t *ids;       /* [pieces.count]; -1: no id */
    size_t ids_capacity;
    lyc_merge *merges; /* [slot_count], open addressing; a rank of UINT32_MAX is a free slot */
    size_t slot_count; /* a power of two, at most half in use; 0: not finished */
    lyc_merge *list;   /* [merge_count], in order of rank, until they are in slots */
    size_t merge_count, list_capacity;
    int32_t id_end;              /* the largest id + 1 */
    uint32_t byte_piece[2][256]; /* index of each byte's piece, [1] at the end of a word */
} lyc_vocabulary;

/* Adds a piece. LYC_E_FORMAT: the text has two ids, or the id is out of range. */
lyc_status lyc_vocabulary_add(lyc_vocabulary *v, lyc_span text, uint64_t id, lyc_error *err);

/* Adds merges from the text of a merges.txt, in order of rank: a version line, then `left right` lines. Merges that
 * lead to a piece without id are left out (published files have more lines than ids), unless the ids are given by the
 * order of the merges (number: the next one gets the next id). */
lyc_status lyc_vocabulary_read_merges(lyc_vocabulary *v, lyc_span text, bool number, lyc_error *err);
lyc_status lyc_vocabulary_add_merge(lyc_vocabulary *v, lyc_span left, lyc_span right, bool number, lyc_error *err);

/* To be called when all pieces and merges are there, before the functions below. */
lyc_status lyc_vocabulary_finish(lyc_vocabulary *v, lyc_error *err);

/* Adds the 256 byte characters with ids from 0, and those that end a word with ids from 256, as CLIP numbers them. */
lyc_status lyc_vocabulary_add_bytes(lyc_vocabulary *v, lyc_error *err);

void lyc_vocabulary_clear(lyc_vocabulary *v);

/* The merge of two neighbours; NULL when there is none. */
const lyc_merge *lyc_vocabulary_merge(const lyc_vocabulary *v, uint32_t left, uint32_t right);

/* The id of a piece by its text; -1 when there is none. */
int32_t lyc_vocabulary_id(const lyc_vocabulary *v, lyc_span text);

#endif
