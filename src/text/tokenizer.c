/* tokenizer.c - text to the ids of its tokens
 *
 *   1. special tokens, literally, become their ids and split the text;
 *   2. NFC, lower case; added tokens become their ids and split it further;
 *   3. words: matches of <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *      (what is between them, white space, is dropped);
 *   4. each word is encoded by pairs of bytes (bpe.h).
 *
 * Source: CLIPTokenizer of transformers 5. There the words pass another pattern, GPT-2's, which changes only the first
 * two alternatives: they are cut into "<|", the name and "|>". They occur when a special token is written in capitals.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "base/size.h"
#include "text/bpe.h"
#include "text/clip_merges.h"
#include "text/tokenizer_internal.h"

static const char start_of_text[] = "<|startoftext|>";
static const char end_of_text[] = "<|endoftext|>";

/* What is under way while a text is encoded. */
typedef struct encoding {
    lyc_id_list *list;
    const lyc_tokenizer *t;
    lyc_bpe_room *room;
    lyc_strbuf word; /* UTF-8 of the current word */
} encoding;

static lyc_status append_token(encoding *e, const lyc_added_token *token, lyc_error *err)
{
    for (int32_t i = 0; i < token->ids.count; i++) {
        LYC_TRY(lyc_id_list_append(e->list, token->ids.first + i, err));
    }
    return LYC_OK;
}

static lyc_status encode_word(encoding *e, const int32_t *points, size_t count, lyc_error *err)
{
    e->word.length = 0;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        lyc_strbuf_append_n(&e->word, bytes, lyc_utf8_encode(bytes, (uint32_t)points[i]));
    }
    LYC_TRY(lyc_strbuf_check(&e->word, "a word", err));
    return lyc_bpe_encode(e->list, e->room, &e->t->vocabulary, e->word.text, e->word.length, e->t->unknown, err);
}

static bool starts_with(const int32_t *points, size_t count, const char *ascii)
{
    size_t i = 0;
    while (i < count && ascii[i] != '\0' && points[i] == ascii[i]) {
        i++;
    }
    return ascii[i] == '\0';
}

/* Length of the word at the start of points, which is no white space. */
static size_t word_length(const int32_t *points, size_t count)
{
    static const char *const literal[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof literal / sizeof literal[0]; i++) {
        if (starts_with(points, count, literal[i])) {
            return strlen(literal[i]);
        }
    }
    const lyc_unicode_class class = lyc_unicode_class_of(points[0]);
    size_t length = 1;
    while (class != LYC_UNICODE_NUMBER && length < count && lyc_unicode_class_of(points[length]) == class) {
        length++;
    }
    return length;
}

/* "<|", the name, "|>" of a special token in capitals; *taken is 0 when there is none. */
static lyc_status encode_capitals(size_t *taken, encoding *e, const int32_t *points, size_t count, lyc_error *err)
{
    static const char *const names[] = {start_of_text, end_of_text};
    *taken = 0;
    for (size_t i = 0; i < 2; i++) {
        const size_t length = strlen(names[i]);
        if (starts_with(points, count, names[i])) {
            LYC_TRY(encode_word(e, points, 2, err));
            LYC_TRY(encode_word(e, points + 2, length - 4, err));
            LYC_TRY(encode_word(e, points + length - 2, 2, err));
            *taken = length;
        }
    }
    return LYC_OK;
}

static lyc_status encode_words(encoding *e, const int32_t *points, size_t count, lyc_error *err)
{
    for (size_t i = 0, length; i < count; i += length) {
        length = 1;
        if (lyc_unicode_class_of(points[i]) == LYC_UNICODE_SPACE) {
            continue;
        }
        LYC_TRY(encode_capitals(&length, e, points + i, count - i, err));
        if (length == 0) {
            length = word_length(points + i, count - i);
            LYC_TRY(encode_word(e, points + i, length, err));
        }
    }
    return LYC_OK;
}

/* Between special tokens. */
static lyc_status encode_points(encoding *e, const lyc_code_points *text, lyc_error *err)
{
    size_t start = 0;
    for (size_t i = 0; i < text->count;) {
        const lyc_added_token *token = lyc_added_tokens_at(&e->t->added, text->points + i, text->count - i);
        if (token == NULL) {
            i++;
            continue;
        }
        LYC_TRY(encode_words(e, text->points + start, i - start, err));
        LYC_TRY(append_token(e, token, err));
        i += token->points.count;
        start = i;
    }
    return encode_words(e, text->points + start, text->count - start, err);
}

static lyc_status encode_plain(encoding *e, lyc_span text, lyc_error *err)
{
    lyc_code_points points = {0};
    if (text.length == 0) {
        return LYC_OK;
    }
    LYC_TRY(lyc_unicode_normalise(&points, text, err));
    const lyc_status status = encode_points(e, &points, err);
    lyc_code_points_clear(&points);
    return status;
}

static lyc_status encode(encoding *e, lyc_span text, lyc_error *err)
{
    size_t start = 0;
    for (size_t i = 0; i < text.length;) {
        const lyc_span rest = {text.text + i, text.length - i};
        const lyc_added_token *token = lyc_added_tokens_special_at(&e->t->added, rest);
        if (token == NULL) {
            i++;
            continue;
        }
        LYC_TRY(encode_plain(e, (lyc_span){text.text + start, i - start}, err));
        LYC_TRY(append_token(e, token, err));
        i += token->length;
        start = i;
    }
    return encode_plain(e, (lyc_span){text.text + start, text.length - start}, err);
}

lyc_status lyc_tokenizer_encode_span(lyc_id_list *list, const lyc_tokenizer *t, lyc_span text, lyc_error *err)
{
    encoding e = {.list = list, .t = t};
    if (text.length > LYC_TOKENIZER_MAX_TEXT) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a text of %zu bytes; the limit is %d", text.length,
                        LYC_TOKENIZER_MAX_TEXT);
    }
    const size_t valid = lyc_utf8_valid_prefix(text.text, text.length);
    if (valid < text.length) {
        return lyc_fail(err, LYC_E_FORMAT, "the text is not UTF-8 at byte %zu", valid);
    }
    LYC_TRY(lyc_bpe_room_new(&e.room, err));
    const lyc_status status = encode(&e, text, err);
    lyc_bpe_room_free(e.room);
    lyc_strbuf_clear(&e.word);
    return status;
}

lyc_status lyc_tokenizer_encode(lyc_id_list *list, const lyc_tokenizer *t, const char *text, lyc_error *err)
{
    return lyc_tokenizer_encode_span(list, t, lyc_span_of(text), err);
}

lyc_status lyc_tokenizer_add_special(lyc_tokenizer *t, const char *name, int32_t id, lyc_error *err)
{
    lyc_added_token *known = lyc_added_tokens_find(&t->added, name);
    if (known != NULL && known->ids.first != id) {
        return lyc_fail(err, LYC_E_FORMAT, "the token %s has the ids %d and %d", name, known->ids.first, id);
    }
    t->id_end = id >= t->id_end ? id + 1 : t->id_end;
    if (known != NULL) {
        known->is_special = true;
        return LYC_OK;
    }
    return lyc_added_tokens_put(&t->added, name, (lyc_id_range){id, 1}, true, err);
}

/* The padding token is a special one like the others: where it is "!" (SD 2.x), each "!" of a text becomes its id. */
static lyc_status add_embedded_specials(lyc_tokenizer *t, int32_t pad_id, lyc_error *err)
{
    const lyc_vocabulary *v = &t->vocabulary;
    t->bos = v->id_end;
    t->eos = v->id_end + 1;
    t->unknown = t->eos;
    t->pad = pad_id;
    LYC_TRY(lyc_tokenizer_add_special(t, start_of_text, t->bos, err));
    LYC_TRY(lyc_tokenizer_add_special(t, end_of_text, t->eos, err));
    if (pad_id == t->bos || pad_id == t->eos) {
        return LYC_OK;
    }
    for (size_t i = 0; i < v->pieces.count; i++) {
        if (v->ids[i] == pad_id) {
            return lyc_tokenizer_add_special(t, v->pieces.entries[i].key.text, pad_id, err);
        }
    }
    return lyc_fail(err, LYC_E_ARGUMENT, "padding with id %d; the vocabulary ends at %d", pad_id, t->eos);
}

static lyc_status make_embedded(lyc_tokenizer *t, int32_t pad_id, lyc_error *err)
{
    lyc_vocabulary *v = &t->vocabulary;
    LYC_TRY(lyc_vocabulary_add_bytes(v, err));
    LYC_TRY(lyc_vocabulary_read_merges(v, lyc_clip_merges(), true, err));
    LYC_TRY(lyc_vocabulary_finish(v, err));
    return add_embedded_specials(t, pad_id, err);
}

static lyc_status new_tokenizer(lyc_tokenizer **out, lyc_error *err)
{
    *out = lyc_alloc_zero(1, sizeof **out);
    return *out != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for the tokenizer");
}

lyc_status lyc_tokenizer_embedded(lyc_tokenizer **out, int32_t pad_id, lyc_error *err)
{
    lyc_tokenizer *t = NULL;
    *out = NULL;
    LYC_TRY(new_tokenizer(&t, err));
    const lyc_status status = make_embedded(t, pad_id, err);
    if (status != LYC_OK) {
        lyc_tokenizer_free(t);
        return status;
    }
    *out = t;
    return LYC_OK;
}

lyc_status lyc_tokenizer_open(lyc_tokenizer **out, const char *folder, lyc_error *err)
{
    lyc_tokenizer *t = NULL;
    *out = NULL;
    LYC_TRY(new_tokenizer(&t, err));
    const lyc_status status = lyc_tokenizer_read_folder(t, folder, err);
    if (status != LYC_OK) {
        lyc_tokenizer_free(t);
        return status;
    }
    *out = t;
    return LYC_OK;
}

void lyc_tokenizer_free(lyc_tokenizer *t)
{
    if (t != NULL) {
        lyc_vocabulary_clear(&t->vocabulary);
        lyc_added_tokens_clear(&t->added);
        lyc_free(t);
    }
}

int32_t lyc_tokenizer_bos(const lyc_tokenizer *t)
{
    return t->bos;
}

int32_t lyc_tokenizer_eos(const lyc_tokenizer *t)
{
    return t->eos;
}

int32_t lyc_tokenizer_pad(const lyc_tokenizer *t)
{
    return t->pad;
}

int32_t lyc_tokenizer_vocab_size(const lyc_tokenizer *t)
{
    return t->id_end;
}

lyc_status lyc_tokenizer_add(lyc_tokenizer *t, const char *name, int32_t first_id, int32_t id_count, lyc_error *err)
{
    int32_t end = 0;
    if (first_id < 0 || id_count < 1 || __builtin_add_overflow(first_id, id_count, &end)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d ids from %d on for the token %s", id_count, first_id, name);
    }
    LYC_TRY(lyc_added_tokens_put(&t->added, name, (lyc_id_range){first_id, id_count}, false, err));
    t->id_end = end > t->id_end ? end : t->id_end;
    return LYC_OK;
}
