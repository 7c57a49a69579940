/* vocabulary.c - the pieces of a byte-pair encoding
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/vocabulary.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"

enum {
    BYTE_COUNT = 256,
    ID_MAX = 1 << 24,   /* ids below it: no text encoder has more rows */
    PIECE_MAX = 1 << 16 /* bytes of a piece's text */
};

static const char word_end[] = "</w>";

/* An array that has room for another element afterwards. */
static void *grow(void *array, size_t *capacity, size_t count, size_t size)
{
    size_t wanted = *capacity, bytes;
    if (count < *capacity) {
        return array;
    }
    wanted = *capacity == 0 ? BYTE_COUNT : wanted;
    if ((*capacity != 0 && !lyc_size_mul(&wanted, *capacity, 2)) || !lyc_size_mul(&bytes, wanted, size)) {
        return NULL;
    }
    void *grown = lyc_realloc(array, bytes);
    *capacity = grown != NULL ? wanted : *capacity;
    return grown;
}

/* The index of a piece, which is added without an id when it is new. */
static lyc_status intern(uint32_t *index, lyc_vocabulary *v, lyc_span text, lyc_error *err)
{
    lyc_hashmap_entry *entry = lyc_hashmap_find(&v->pieces, text);
    if (entry != NULL) {
        *index = (uint32_t)(entry - v->pieces.entries);
        return LYC_OK;
    }
    if (text.length == 0 || text.length > PIECE_MAX) {
        return lyc_fail(err, LYC_E_FORMAT, "a piece of %zu bytes; the limits are 1 and %d", text.length, PIECE_MAX);
    }
    const size_t count = v->pieces.count;
    int32_t *ids = grow(v->ids, &v->ids_capacity, count, sizeof *ids);
    v->ids = ids != NULL ? ids : v->ids;
    if (ids == NULL || !lyc_hashmap_put(&v->pieces, text, NULL)) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the vocabulary");
    }
    v->ids[count] = -1;
    *index = (uint32_t)count;
    return LYC_OK;
}

lyc_status lyc_vocabulary_add(lyc_vocabulary *v, lyc_span text, uint64_t id, lyc_error *err)
{
    uint32_t index = 0;
    char brief[LYC_BRIEF];
    if (id >= ID_MAX) {
        return lyc_fail(err, LYC_E_FORMAT, "id %llu of piece '%s'; the limit is %d", (unsigned long long)id,
                        lyc_text_brief(brief, sizeof brief, text), ID_MAX - 1);
    }
    LYC_TRY(intern(&index, v, text, err));
    if (v->ids[index] >= 0 && v->ids[index] != (int32_t)id) {
        return lyc_fail(err, LYC_E_FORMAT, "piece '%s' has the ids %d and %d",
                        lyc_text_brief(brief, sizeof brief, text), v->ids[index], (int)id);
    }
    v->ids[index] = (int32_t)id;
    if (v->id_end <= (int32_t)id) {
        v->id_end = (int32_t)id + 1;
    }
    return LYC_OK;
}

/* left and right behind one another. */
static lyc_status concatenate(lyc_span *out, char *room, size_t size, lyc_span left, lyc_span right, lyc_error *err)
{
    if (left.length == 0 || right.length == 0 || left.length > size || right.length > size - left.length) {
        return lyc_fail(err, LYC_E_FORMAT, "a merge of pieces of %zu and %zu bytes", left.length, right.length);
    }
    memcpy(room, left.text, left.length);
    memcpy(room + left.length, right.text, right.length);
    *out = (lyc_span){room, left.length + right.length};
    return LYC_OK;
}

lyc_status lyc_vocabulary_add_merge(lyc_vocabulary *v, lyc_span left, lyc_span right, bool number, lyc_error *err)
{
    char room[1024];
    lyc_span text = {0};
    uint32_t parts[2] = {0}, result = 0;
    LYC_TRY(concatenate(&text, room, sizeof room, left, right, err));
    if (number) {
        LYC_TRY(lyc_vocabulary_add(v, text, (uint64_t)v->id_end, err));
    } else if (lyc_vocabulary_id(v, text) < 0 || lyc_vocabulary_id(v, left) < 0 || lyc_vocabulary_id(v, right) < 0) {
        return LYC_OK;
    }
    LYC_TRY(intern(&parts[0], v, left, err));
    LYC_TRY(intern(&parts[1], v, right, err));
    LYC_TRY(intern(&result, v, text, err));
    lyc_merge *list = grow(v->list, &v->list_capacity, v->merge_count, sizeof *list);
    if (list == NULL || v->merge_count >= ID_MAX) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the merges of the vocabulary");
    }
    v->list = list;
    v->list[v->merge_count] =
        (lyc_merge){.pair = (uint64_t)parts[0] << 32 | parts[1], .rank = (uint32_t)v->merge_count, .piece = result};
    v->merge_count++;
    return LYC_OK;
}

/* Cuts the first line off the text. */
static lyc_span take_line(lyc_span *text)
{
    const char *end = memchr(text->text, '\n', text->length);
    lyc_span line = {text->text, end != NULL ? (size_t)(end - text->text) : text->length};
    const size_t taken = end != NULL ? line.length + 1 : line.length;
    text->text += taken;
    text->length -= taken;
    if (line.length > 0 && line.text[line.length - 1] == '\r') {
        line.length--;
    }
    return line;
}

lyc_status lyc_vocabulary_read_merges(lyc_vocabulary *v, lyc_span text, bool number, lyc_error *err)
{
    for (size_t line_number = 1; text.length > 0; line_number++) {
        const lyc_span line = take_line(&text);
        if (line.length == 0 || (line_number == 1 && lyc_span_starts_with(line, "#version"))) {
            continue;
        }
        const char *blank = memchr(line.text, ' ', line.length);
        const lyc_span left = {line.text, blank != NULL ? (size_t)(blank - line.text) : 0};
        const lyc_span right = {line.text + left.length + 1, blank != NULL ? line.length - left.length - 1 : 0};
        if (left.length == 0 || right.length == 0 || memchr(right.text, ' ', right.length) != NULL) {
            char brief[LYC_BRIEF];
            return lyc_fail(err, LYC_E_FORMAT, "line %zu: expected two pieces with a blank between them, found '%s'",
                            line_number, lyc_text_brief(brief, sizeof brief, line));
        }
        if (lyc_vocabulary_add_merge(v, left, right, number, err) != LYC_OK) {
            return lyc_wrap(err, "line %zu", line_number);
        }
    }
    return LYC_OK;
}

/* Whether a byte's character has the byte's own number; the others have numbers from 256 on. */
static bool is_printable_byte(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

/* The text of a byte's piece. */
static size_t byte_text(char out[16], const uint32_t character[BYTE_COUNT], size_t byte, bool end)
{
    size_t length = lyc_utf8_encode(out, character[byte]);
    if (end) {
        memcpy(out + length, word_end, strlen(word_end));
        length += strlen(word_end);
    }
    return length;
}

static void byte_characters(uint32_t character[BYTE_COUNT])
{
    uint32_t next = BYTE_COUNT;
    for (int byte = 0; byte < BYTE_COUNT; byte++) {
        character[byte] = is_printable_byte(byte) ? (uint32_t)byte : next++;
    }
}

lyc_status lyc_vocabulary_add_bytes(lyc_vocabulary *v, lyc_error *err)
{
    uint32_t character[BYTE_COUNT];
    byte_characters(character);
    /* Printable bytes have the lower ids, hence two passes over each kind. */
    for (int pass = 0; pass < 4; pass++) {
        for (int byte = 0; byte < BYTE_COUNT; byte++) {
            char text[16];
            if (is_printable_byte(byte) == (pass % 2 == 0)) {
                const size_t length = byte_text(text, character, (size_t)byte, pass >= 2);
                LYC_TRY(lyc_vocabulary_add(v, (lyc_span){text, length}, (uint64_t)v->id_end, err));
            }
        }
    }
    return LYC_OK;
}

/* The slot of a pair, or the free one where it belongs. */
static lyc_merge *find_slot(const lyc_vocabulary *v, uint64_t pair)
{
    const size_t mask = v->slot_count - 1;
    size_t slot = (size_t)lyc_hash(&pair, sizeof pair) & mask;
    while (v->merges[slot].rank != UINT32_MAX && v->merges[slot].pair != pair) {
        slot = (slot + 1) & mask;
    }
    return &v->merges[slot];
}

static lyc_status fill_slots(lyc_vocabulary *v, lyc_error *err)
{
    size_t slot_count = 2;
    while (slot_count / 2 < v->merge_count + 1) {
        slot_count <<= 1; /* at most 2 * ID_MAX * 2 */
    }
    v->merges = lyc_alloc_zero(slot_count, sizeof *v->merges);
    if (v->merges == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the merges of the vocabulary");
    }
    v->slot_count = slot_count;
    for (size_t i = 0; i < slot_count; i++) {
        v->merges[i].rank = UINT32_MAX;
    }
    for (size_t i = 0; i < v->merge_count; i++) {
        lyc_merge *slot = find_slot(v, v->list[i].pair);
        if (slot->rank == UINT32_MAX) { /* of a pair that comes twice the first rank counts */
            *slot = v->list[i];
        }
    }
    lyc_free(v->list);
    v->list = NULL;
    v->list_capacity = 0;
    return LYC_OK;
}

lyc_status lyc_vocabulary_finish(lyc_vocabulary *v, lyc_error *err)
{
    uint32_t character[BYTE_COUNT];
    byte_characters(character);
    for (size_t byte = 0; byte < BYTE_COUNT; byte++) {
        for (int end = 0; end < 2; end++) {
            char text[16];
            const size_t length = byte_text(text, character, byte, end == 1);
            LYC_TRY(intern(&v->byte_piece[end][byte], v, (lyc_span){text, length}, err));
        }
    }
    return fill_slots(v, err);
}

void lyc_vocabulary_clear(lyc_vocabulary *v)
{
    lyc_hashmap_clear(&v->pieces);
    lyc_free(v->ids);
    lyc_free(v->merges);
    lyc_free(v->list);
    *v = (lyc_vocabulary){0};
}

const lyc_merge *lyc_vocabulary_merge(const lyc_vocabulary *v, uint32_t left, uint32_t right)
{
    assert(v->slot_count > 0);
    const lyc_merge *slot = find_slot(v, (uint64_t)left << 32 | right);
    return slot->rank != UINT32_MAX ? slot : NULL;
}

int32_t lyc_vocabulary_id(const lyc_vocabulary *v, lyc_span text)
{
    const lyc_hashmap_entry *entry = lyc_hashmap_find(&v->pieces, text);
    return entry != NULL ? v->ids[entry - v->pieces.entries] : -1;
}
