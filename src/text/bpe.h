/* bpe.h - one word to its pieces
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_BPE_H
#define LYC_TEXT_BPE_H

#include "text/id_list.h"
#include "text/vocabulary.h"

/* Memory that is kept from word to word; {0} before the first. */
typedef struct lyc_bpe_room lyc_bpe_room;
lyc_status lyc_bpe_room_new(lyc_bpe_room **out, lyc_error *err);
void lyc_bpe_room_free(lyc_bpe_room *room);

/* Appends the ids of the word's pieces; unknown ones become the id `unknown`. The time is that of sorting, whatever the
 * word. length > 0. */
lyc_status lyc_bpe_encode(lyc_id_list *list, lyc_bpe_room *room, const lyc_vocabulary *v, const char *word,
                          size_t length, int32_t unknown, lyc_error *err);

#endif
