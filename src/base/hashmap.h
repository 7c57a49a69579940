/* hashmap.h - text to pointer, in order of insertion
 *
 * Keys come from files of strangers, so the hash is keyed (SipHash-1-3 with random bytes of this process): nobody can
 * prepare keys that all collide. Entries stay in the order in which they were put, whatever the hash.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_HASHMAP_H
#define LYC_BASE_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/string.h"

typedef struct lyc_hashmap_entry {
    lyc_span key; /* NUL-terminated too; lives as long as the map */
    void *value;
    uint64_t hash;
} lyc_hashmap_entry;

/* {0} is an empty map. */
typedef struct lyc_hashmap {
    lyc_hashmap_entry *entries; /* [count], in order of insertion */
    size_t count;
    size_t capacity;   /* of entries */
    uint32_t *slots;   /* [slot_count]: index of an entry + 1, 0 is free; linear probing */
    size_t slot_count; /* a power of two, at most three quarters in use */
    lyc_arena keys;
} lyc_hashmap;

/* Copies the key; replaces the value of a known one. False when there is no memory: the map is as before. */
bool lyc_hashmap_put(lyc_hashmap *map, lyc_span key, void *value);

/* The entry of a key; NULL when it is unknown. The pointer is valid until the next put. */
lyc_hashmap_entry *lyc_hashmap_find(const lyc_hashmap *map, lyc_span key);

/* The value of a key; NULL when it is unknown. */
void *lyc_hashmap_get(const lyc_hashmap *map, lyc_span key);

/* Releases the map, not the values. */
void lyc_hashmap_clear(lyc_hashmap *map);

/* The keyed hash itself; differs from process to process. */
uint64_t lyc_hash(const void *data, size_t length);

#endif
