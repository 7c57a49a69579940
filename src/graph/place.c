/* place.c - offsets in one arena for buffers with known lives
 *
 * Dynamic storage allocation with all lives known in advance. Each buffer goes to the lowest offset that is free during
 * its whole life; several orders are tried (by size, by size times length of life, by first use) and the smallest arena
 * wins. For networks the first order is almost always within a few per cent of the bytes alive, which no arena can
 * undercut (Pisarchyk and Lee, arXiv 2001.03288, compare such orders).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "graph/program.h"

typedef struct entry {
    lyc_buffer *buffer;
    double key;
    int index; /* ties keep the order of the list: the same plan every time */
} entry;

static int by_key(const void *a, const void *b)
{
    const entry *x = a;
    const entry *y = b;
    if (x->key != y->key) {
        return x->key > y->key ? -1 : 1;
    }
    return x->index - y->index;
}

static bool lives_together(const lyc_buffer *a, const lyc_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Places entries[count] above or between those placed before, which are sorted by offset in placed[]. */
static void place_one(lyc_buffer **placed, int n_placed, lyc_buffer *buffer)
{
    size_t offset = 0;
    for (int i = 0; i < n_placed; i++) {
        const lyc_buffer *other = placed[i];
        if (!lives_together(buffer, other) || other->offset + other->bytes <= offset) {
            continue;
        }
        if (other->offset >= offset + buffer->bytes) {
            break; /* the gap before this one is large enough, and later ones lie higher */
        }
        offset = other->offset + other->bytes;
    }
    buffer->offset = offset;
    int at = n_placed;
    while (at > 0 && placed[at - 1]->offset > offset) {
        placed[at] = placed[at - 1];
        at--;
    }
    placed[at] = buffer;
}

static size_t place_in_order(const entry *entries, int count, lyc_buffer **placed)
{
    size_t end = 0;
    for (int i = 0; i < count; i++) {
        place_one(placed, i, entries[i].buffer);
        const size_t top = entries[i].buffer->offset + entries[i].buffer->bytes;
        end = top > end ? top : end;
    }
    return end;
}

static double key_of(const lyc_buffer *b, int order)
{
    switch (order) {
    case 0:
        return (double)b->bytes;
    case 1:
        return (double)b->bytes * (double)(b->last - b->first + 1);
    case 2:
        return -(double)b->first;
    default:
        return (double)(b->last - b->first);
    }
}

enum { ORDERS = 4 };

lyc_status lyc_buffers_place(size_t *arena_bytes, lyc_buffer *buffers, int count, lyc_error *err)
{
    entry *entries = lyc_alloc(((size_t)count + 1) * sizeof *entries);
    lyc_buffer **placed = lyc_alloc(((size_t)count + 1) * sizeof(lyc_buffer *));
    size_t *best = lyc_alloc(((size_t)count + 1) * sizeof *best);
    lyc_status status = LYC_OK;
    if (entries == NULL || placed == NULL || best == NULL) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
        goto done;
    }
    *arena_bytes = SIZE_MAX;
    for (int order = 0; order < ORDERS; order++) {
        for (int i = 0; i < count; i++) {
            entries[i] = (entry){&buffers[i], key_of(&buffers[i], order), i};
        }
        qsort(entries, (size_t)count, sizeof *entries, by_key);
        const size_t bytes = place_in_order(entries, count, placed);
        if (bytes < *arena_bytes) {
            *arena_bytes = bytes;
            for (int i = 0; i < count; i++) {
                best[i] = buffers[i].offset;
            }
        }
    }
    for (int i = 0; i < count; i++) {
        buffers[i].offset = best[i];
    }
done:
    lyc_free(entries);
    lyc_free(placed);
    lyc_free(best);
    return status;
}
