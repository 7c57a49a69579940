/* vocabulary_part.c - the part of CLIP's vocabulary that a small model needs
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pretrain/vocabulary_part.h"

#include <string.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "text/clip_merges.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

enum { BYTES = 512 };

/* A line of the table: token BYTES + rank is left and right together. */
typedef struct merge {
    lyc_span line, left, right;
    bool kept;
} merge;

typedef struct table {
    merge *merges;
    int count;
    lyc_hashmap pieces; /* left and right together: rank + 1 */
    lyc_arena arena;
} table;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a vocabulary");
}

/* --- the whole table -----------------------------------------------------------------------------------------------
 */

static lyc_status add_line(table *t, lyc_span line, lyc_error *err)
{
    const char *blank = memchr(line.text, ' ', line.length);
    if (blank == NULL) {
        return LYC_OK;
    }
    const size_t first = (size_t)(blank - line.text);
    merge *m = &t->merges[t->count++];
    *m = (merge){.line = line, .left = {line.text, first}, .right = {blank + 1, line.length - first - 1}};
    char *piece =
        lyc_arena_format(&t->arena, "%.*s%.*s", (int)m->left.length, m->left.text, (int)m->right.length, m->right.text);
    return piece != NULL && lyc_hashmap_put(&t->pieces, lyc_span_of(piece), (void *)(uintptr_t)t->count)
               ? LYC_OK
               : no_memory(err);
}

static lyc_status read_table(table *t, lyc_error *err)
{
    const lyc_span text = lyc_clip_merges();
    size_t lines = 1;
    for (size_t i = 0; i < text.length; i++) {
        lines += text.text[i] == '\n';
    }
    t->merges = lyc_alloc_zero(lines, sizeof *t->merges);
    if (t->merges == NULL) {
        return no_memory(err);
    }
    for (size_t at = 0; at < text.length;) {
        const char *end = memchr(text.text + at, '\n', text.length - at);
        const size_t length = end != NULL ? (size_t)(end - text.text) - at : text.length - at;
        if (text.text[at] != '#' || at > 0) { /* the version line */
            LYC_TRY(add_line(t, (lyc_span){text.text + at, length}, err));
        }
        at += length + 1;
    }
    return LYC_OK;
}

/* --- what is kept --------------------------------------------------------------------------------------------------
 */

static void keep(table *t, int rank);

static void keep_piece(table *t, lyc_span piece)
{
    const uintptr_t found = (uintptr_t)lyc_hashmap_get(&t->pieces, piece);
    if (found != 0) {
        keep(t, (int)found - 1);
    }
}

/* As deep as a piece has characters. */
static void keep(table *t, int rank) // NOLINT(misc-no-recursion)
{
    merge *m = &t->merges[rank];
    if (!m->kept) {
        m->kept = true;
        keep_piece(t, m->left);
        keep_piece(t, m->right);
    }
}

static lyc_status keep_words(table *t, lyc_span words, lyc_error *err)
{
    lyc_tokenizer *whole = NULL;
    lyc_id_list list = {0};
    LYC_TRY(lyc_tokenizer_embedded(&whole, 0, err));
    lyc_status status = LYC_OK;
    for (size_t at = 0; at < words.length && status == LYC_OK;) {
        const char *end = memchr(words.text + at, '\n', words.length - at);
        const size_t length = end != NULL ? (size_t)(end - words.text) - at : words.length - at;
        list.count = 0;
        status = lyc_tokenizer_encode_span(&list, whole, (lyc_span){words.text + at, length}, err);
        for (size_t i = 0; i < list.count && status == LYC_OK; i++) {
            if (list.ids[i] >= BYTES && list.ids[i] - BYTES < t->count) {
                keep(t, list.ids[i] - BYTES);
            }
        }
        at += length + 1;
    }
    lyc_id_list_clear(&list);
    lyc_tokenizer_free(whole);
    return status;
}

/* --- the files -----------------------------------------------------------------------------------------------------
 */

static void add_piece(lyc_vocabulary_part *out, lyc_span piece, int id)
{
    lyc_strbuf_append(&out->vocab, id > 0 ? "," : "{");
    lyc_json_write_string(&out->vocab, piece);
    lyc_strbuf_format(&out->vocab, ":%d", id);
}

/* The pieces that are bytes; the map has them in the order of their ids. */
static lyc_status add_bytes(lyc_vocabulary_part *out, lyc_error *err)
{
    lyc_vocabulary v = {0};
    const lyc_status status = lyc_vocabulary_add_bytes(&v, err);
    for (size_t i = 0; status == LYC_OK && i < v.pieces.count; i++) {
        add_piece(out, v.pieces.entries[i].key, v.ids[i]);
    }
    lyc_vocabulary_clear(&v);
    return status;
}

static void add_merge(lyc_vocabulary_part *out, const merge *m, lyc_strbuf *piece)
{
    lyc_strbuf_append_n(&out->merges, m->line.text, m->line.length);
    lyc_strbuf_append_char(&out->merges, '\n');
    piece->length = 0;
    lyc_strbuf_append_n(piece, m->left.text, m->left.length);
    lyc_strbuf_append_n(piece, m->right.text, m->right.length);
    add_piece(out, (lyc_span){lyc_strbuf_text(piece), piece->length}, BYTES + out->merge_count++);
}

static lyc_status write_files(lyc_vocabulary_part *out, const table *t, lyc_error *err)
{
    lyc_strbuf piece = {0};
    LYC_TRY(add_bytes(out, err));
    lyc_strbuf_append(&out->merges, "#version: 0.2\n");
    for (int rank = 0; rank < t->count; rank++) {
        if (t->merges[rank].kept) {
            add_merge(out, &t->merges[rank], &piece);
        }
    }
    out->bos = BYTES + out->merge_count;
    out->eos = out->bos + 1;
    out->size = out->bos + 2;
    add_piece(out, lyc_span_of("<|startoftext|>"), out->bos);
    add_piece(out, lyc_span_of("<|endoftext|>"), out->eos);
    lyc_strbuf_append(&out->vocab, "}\n");
    const lyc_status status = lyc_strbuf_check(&piece, "a vocabulary", err);
    lyc_strbuf_clear(&piece);
    LYC_TRY(status);
    LYC_TRY(lyc_strbuf_check(&out->vocab, "a vocabulary", err));
    return lyc_strbuf_check(&out->merges, "a vocabulary", err);
}

lyc_status lyc_vocabulary_part_make(lyc_vocabulary_part *out, lyc_span words, int frequent, lyc_error *err)
{
    table t = {0};
    *out = (lyc_vocabulary_part){0};
    lyc_status status = read_table(&t, err);
    status = status == LYC_OK ? keep_words(&t, words, err) : status;
    for (int rank = 0; status == LYC_OK && rank < frequent && rank < t.count; rank++) {
        keep(&t, rank);
    }
    status = status == LYC_OK ? write_files(out, &t, err) : status;
    lyc_hashmap_clear(&t.pieces);
    lyc_arena_clear(&t.arena);
    lyc_free(t.merges);
    if (status != LYC_OK) {
        lyc_vocabulary_part_clear(out);
    }
    return status;
}

void lyc_vocabulary_part_clear(lyc_vocabulary_part *part)
{
    lyc_strbuf_clear(&part->merges);
    lyc_strbuf_clear(&part->vocab);
}
