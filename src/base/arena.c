/* arena.c - blocks of memory that die together
 *
 * A chain of blocks, each at least twice as large as what was dealt out before (from 4 KiB to 1 MiB), so that n things
 * cost O(log n) allocations. A thing larger than a quarter of the next block gets a block of its own, which is put
 * behind the newest one: the rest of that stays usable.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"

enum { ARENA_ALIGNMENT = 16, BLOCK_MIN = 4096, BLOCK_MAX = 1 << 20 };

struct lyc_arena_block {
    lyc_arena_block *older;
    size_t size; /* bytes of data */
    size_t used;
    _Alignas(ARENA_ALIGNMENT) unsigned char data[];
};

static lyc_arena_block *block_new(size_t size)
{
    size_t bytes;
    if (!lyc_size_add(&bytes, size, sizeof(lyc_arena_block))) {
        return NULL;
    }
    lyc_arena_block *block = lyc_alloc(bytes);
    if (block != NULL) {
        *block = (lyc_arena_block){.size = size};
    }
    return block;
}

static size_t next_block_size(const lyc_arena *arena)
{
    size_t size = arena->total_bytes < BLOCK_MAX / 2 ? arena->total_bytes * 2 : BLOCK_MAX;
    size = size < BLOCK_MIN ? BLOCK_MIN : size;
    return size - sizeof(lyc_arena_block);
}

void *lyc_arena_alloc(lyc_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!lyc_size_mul(&bytes, count, size) || !lyc_size_add(&bytes, bytes, ARENA_ALIGNMENT - 1)) {
        return NULL;
    }
    bytes &= ~(size_t)(ARENA_ALIGNMENT - 1);
    if (bytes == 0) {
        bytes = ARENA_ALIGNMENT;
    }
    lyc_arena_block *block = arena->block;
    if (block == NULL || block->size - block->used < bytes) {
        const size_t usual = next_block_size(arena);
        const bool alone = bytes > usual / 4;
        lyc_arena_block *fresh = block_new(alone ? bytes : usual);
        if (fresh == NULL) {
            return NULL;
        }
        if (alone && block != NULL) {
            fresh->older = block->older;
            block->older = fresh;
        } else {
            fresh->older = block;
            arena->block = fresh;
        }
        block = fresh;
    }
    void *thing = block->data + block->used;
    block->used += bytes;
    arena->total_bytes += bytes;
    return memset(thing, 0, bytes);
}

void *lyc_arena_copy(lyc_arena *arena, const void *data, size_t size)
{
    void *copy = lyc_arena_alloc(arena, size, 1);
    if (copy != NULL && size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

char *lyc_arena_text_n(lyc_arena *arena, const char *text, size_t length)
{
    size_t bytes;
    if (!lyc_size_add(&bytes, length, 1)) {
        return NULL;
    }
    char *copy = lyc_arena_alloc(arena, bytes, 1);
    if (copy != NULL && length > 0) {
        memcpy(copy, text, length);
    }
    return copy;
}

char *lyc_arena_text(lyc_arena *arena, const char *text)
{
    return lyc_arena_text_n(arena, text, strlen(text));
}

char *lyc_arena_format(lyc_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return NULL;
    }
    char *text = lyc_arena_alloc(arena, (size_t)length + 1, 1);
    if (text == NULL) {
        return NULL;
    }
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void lyc_arena_clear(lyc_arena *arena)
{
    lyc_arena_block *block = arena->block;
    while (block != NULL) {
        lyc_arena_block *older = block->older;
        lyc_free(block);
        block = older;
    }
    *arena = (lyc_arena){0};
}
