/* bpe.c - one word to its pieces
 *
 * Repeat: among neighbouring pairs take the one of the lowest rank and merge all its occurrences from left to right;
 * stop when no pair has a rank. Looking at all pairs each time is quadratic, and a prompt may be one word of a
 * megabyte: pairs wait in a heap instead, by rank and then by place. Pairs that a merge makes are let in when the rank
 * is done with, so that the order is the one above for every vocabulary.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/bpe.h"

#include "base/memory.h"
#include "base/size.h"

static const uint32_t NONE = UINT32_MAX;

/* A place in the word; merged ones point to their neighbours. */
typedef struct symbol {
    uint32_t piece; /* NONE: gone, part of the one before */
    uint32_t before;
    uint32_t next;
} symbol;

/* A pair that has a rank. It is out of date when the symbols are not those pieces any more. */
typedef struct candidate {
    uint32_t rank;
    uint32_t place; /* of the left symbol */
    uint32_t left, right, result;
} candidate;

struct lyc_bpe_room {
    symbol *symbols;
    candidate *heap;    /* [heap_count], the least first */
    candidate *arrived; /* [arrived_count], not in the heap yet */
    size_t capacity;    /* of each */
    size_t heap_count, arrived_count;
};

lyc_status lyc_bpe_room_new(lyc_bpe_room **out, lyc_error *err)
{
    *out = lyc_alloc_zero(1, sizeof **out);
    return *out != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for the tokenizer");
}

static void release(lyc_bpe_room *room)
{
    lyc_free(room->symbols);
    lyc_free(room->heap);
    lyc_free(room->arrived);
    *room = (lyc_bpe_room){0};
}

void lyc_bpe_room_free(lyc_bpe_room *room)
{
    if (room != NULL) {
        release(room);
        lyc_free(room);
    }
}

/* A word of n symbols has n - 1 pairs, and each merge, of which there are at most n - 1, makes two more. */
static lyc_status reserve(lyc_bpe_room *room, size_t length, lyc_error *err)
{
    size_t candidates = 0, bytes = 0, symbol_bytes = 0;
    if (length <= room->capacity) {
        return LYC_OK;
    }
    release(room);
    if (length < UINT32_MAX && lyc_size_mul(&candidates, length, 3) &&
        lyc_size_mul(&bytes, candidates, sizeof(candidate)) && lyc_size_mul(&symbol_bytes, length, sizeof(symbol))) {
        room->symbols = lyc_alloc(symbol_bytes);
        room->heap = lyc_alloc(bytes);
        room->arrived = lyc_alloc(bytes);
    }
    if (room->symbols == NULL || room->heap == NULL || room->arrived == NULL) {
        release(room);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a word of %zu bytes", length);
    }
    room->capacity = length;
    return LYC_OK;
}

static bool is_before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->place < b->place;
}

static void heap_push(lyc_bpe_room *room, candidate new)
{
    size_t i = room->heap_count++;
    while (i > 0 && is_before(&new, &room->heap[(i - 1) / 2])) {
        room->heap[i] = room->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    room->heap[i] = new;
}

static candidate heap_pop(lyc_bpe_room *room)
{
    const candidate top = room->heap[0];
    const candidate last = room->heap[--room->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = i + i + 1;
        if (child + 1 < room->heap_count && is_before(&room->heap[child + 1], &room->heap[child])) {
            child++;
        }
        if (child >= room->heap_count || !is_before(&room->heap[child], &last)) {
            break;
        }
        room->heap[i] = room->heap[child];
        i = child;
    }
    room->heap[i] = last;
    return top;
}

/* Notes the pair of a symbol and its successor when it has a rank. */
static void arrive(lyc_bpe_room *room, const lyc_vocabulary *v, uint32_t place)
{
    if (place == NONE || room->symbols[place].next == NONE) {
        return;
    }
    const uint32_t left = room->symbols[place].piece;
    const uint32_t right = room->symbols[room->symbols[place].next].piece;
    const lyc_merge *merge = lyc_vocabulary_merge(v, left, right);
    if (merge != NULL) {
        room->arrived[room->arrived_count++] = (candidate){merge->rank, place, left, right, merge->piece};
    }
}

static void admit(lyc_bpe_room *room)
{
    for (size_t i = 0; i < room->arrived_count; i++) {
        heap_push(room, room->arrived[i]);
    }
    room->arrived_count = 0;
}

static void merge(lyc_bpe_room *room, const lyc_vocabulary *v, const candidate *c)
{
    symbol *left = &room->symbols[c->place];
    if (left->piece != c->left || left->next == NONE || room->symbols[left->next].piece != c->right) {
        return;
    }
    symbol *right = &room->symbols[left->next];
    left->piece = c->result;
    left->next = right->next;
    right->piece = NONE;
    if (left->next != NONE) {
        room->symbols[left->next].before = c->place;
    }
    arrive(room, v, left->before);
    arrive(room, v, c->place);
}

/* One symbol for each byte. */
static void start(lyc_bpe_room *room, const lyc_vocabulary *v, const char *word, size_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        const int end = i + 1 == length;
        room->symbols[i] = (symbol){
            .piece = v->byte_piece[end][(unsigned char)word[i]],
            .before = i > 0 ? i - 1 : NONE,
            .next = end ? NONE : i + 1,
        };
    }
    room->heap_count = 0;
    room->arrived_count = 0;
    for (uint32_t i = 0; i < length; i++) {
        arrive(room, v, i);
    }
    admit(room);
}

lyc_status lyc_bpe_encode(lyc_id_list *list, lyc_bpe_room *room, const lyc_vocabulary *v, const char *word,
                          size_t length, int32_t unknown, lyc_error *err)
{
    LYC_TRY(reserve(room, length, err));
    start(room, v, word, length);
    while (room->heap_count > 0) {
        const uint32_t rank = room->heap[0].rank;
        while (room->heap_count > 0 && room->heap[0].rank == rank) {
            const candidate next = heap_pop(room);
            merge(room, v, &next);
        }
        admit(room);
    }
    for (uint32_t i = 0; i != NONE; i = room->symbols[i].next) {
        const int32_t id = v->ids[room->symbols[i].piece];
        LYC_TRY(lyc_id_list_append(list, id >= 0 ? id : unknown, err));
    }
    return LYC_OK;
}
