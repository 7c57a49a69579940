/* arena.h - blocks of memory that die together
 *
 * Descriptions, names, nodes: things with one lifetime are dealt out of an arena and released with it. Memory is
 * zeroed and aligned to 16 bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_ARENA_H
#define LYC_BASE_ARENA_H

#include <stddef.h>

#include "base/error.h"

typedef struct lyc_arena_block lyc_arena_block;
typedef struct lyc_arena {
    lyc_arena_block *block; /* the newest; {0} is an empty arena */
    size_t total_bytes;     /* dealt out so far */
} lyc_arena;

/* Zeroed memory for count things of the given size; NULL when there is none (or the product overflows). */
void *lyc_arena_alloc(lyc_arena *arena, size_t count, size_t size);

/* Copies; NULL when there is no memory. */
char *lyc_arena_text(lyc_arena *arena, const char *text);
char *lyc_arena_text_n(lyc_arena *arena, const char *text, size_t length);
void *lyc_arena_copy(lyc_arena *arena, const void *data, size_t size);

/* printf into the arena; NULL when there is no memory. */
char *lyc_arena_format(lyc_arena *arena, const char *format, ...) LYC_PRINTF(2, 3);

/* Releases everything; the arena is empty and usable again. */
void lyc_arena_clear(lyc_arena *arena);

#endif
