/* hashmap.c - text to pointer, in order of insertion
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hashmap.h"

#include <assert.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/memory.h"
#include "base/size.h"

enum { SLOTS_MIN = 16 };

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* SipRound of SipHash (Aumasson, Bernstein 2012, section 2). */
static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

/* SipHash-1-3: one round per 8 bytes, three at the end; enough against collisions (not for signatures). */
static uint64_t siphash(const uint64_t key[2], const unsigned char *data, size_t length)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                     key[1] ^ 0x7465646279746573};
    size_t i = 0;
    for (; length - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)length << 56;
    for (int shift = 0; i < length; i++, shift += 8) {
        last |= (uint64_t)data[i] << shift;
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xFF;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t lyc_hash(const void *data, size_t length)
{
    /* 16 random bytes that the kernel gives every process (getauxval(3)). Only differences of hashes show outside, and
     * they do not reveal the key. */
    uint64_t key[2] = {0, 0};
    const unsigned long random_bytes = getauxval(AT_RANDOM);
    if (random_bytes != 0) {
        memcpy(key, (const void *)random_bytes,
               sizeof key); // NOLINT(performance-no-int-to-ptr): the kernel's interface
    }
    return siphash(key, data, length);
}

/* Index into slots of the key's entry or of the free slot where it belongs. */
static size_t find_slot(const lyc_hashmap *map, lyc_span key, uint64_t hash)
{
    const size_t mask = map->slot_count - 1;
    size_t slot = (size_t)hash & mask;
    while (map->slots[slot] != 0) {
        const lyc_hashmap_entry *entry = &map->entries[map->slots[slot] - 1];
        if (entry->hash == hash && lyc_span_equal(entry->key, key)) {
            break;
        }
        slot = (slot + 1) & mask;
    }
    return slot;
}

lyc_hashmap_entry *lyc_hashmap_find(const lyc_hashmap *map, lyc_span key)
{
    if (map->count == 0) {
        return NULL;
    }
    const uint32_t index = map->slots[find_slot(map, key, lyc_hash(key.text, key.length))];
    return index > 0 ? &map->entries[index - 1] : NULL;
}

void *lyc_hashmap_get(const lyc_hashmap *map, lyc_span key)
{
    const lyc_hashmap_entry *entry = lyc_hashmap_find(map, key);
    return entry != NULL ? entry->value : NULL;
}

/* Makes room for one more entry in both arrays. */
static bool make_room(lyc_hashmap *map)
{
    if (map->count == map->capacity) {
        const size_t capacity = map->capacity > 0 ? map->capacity * 2 : SLOTS_MIN / 2;
        size_t bytes;
        if (capacity >= UINT32_MAX || !lyc_size_mul(&bytes, capacity, sizeof *map->entries)) {
            return false;
        }
        lyc_hashmap_entry *entries = lyc_realloc(map->entries, bytes);
        if (entries == NULL) {
            return false;
        }
        map->entries = entries;
        map->capacity = capacity;
    }
    if (map->slot_count / 4 * 3 > map->count) {
        return true;
    }
    const size_t slot_count = map->slot_count > 0 ? map->slot_count * 2 : SLOTS_MIN;
    uint32_t *slots = lyc_alloc_zero(slot_count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    lyc_free(map->slots);
    map->slots = slots;
    map->slot_count = slot_count;
    assert(map->count == 0 || map->entries != NULL);
    for (size_t i = 0; i < map->count; i++) {
        slots[find_slot(map, map->entries[i].key, map->entries[i].hash)] = (uint32_t)i + 1;
    }
    return true;
}

bool lyc_hashmap_put(lyc_hashmap *map, lyc_span key, void *value)
{
    lyc_hashmap_entry *known = lyc_hashmap_find(map, key);
    if (known != NULL) {
        known->value = value;
        return true;
    }
    if (!make_room(map)) {
        return false;
    }
    char *copy = lyc_arena_text_n(&map->keys, key.text, key.length);
    if (copy == NULL) {
        return false;
    }
    const uint64_t hash = lyc_hash(key.text, key.length);
    const lyc_span kept = {copy, key.length};
    map->slots[find_slot(map, kept, hash)] = (uint32_t)map->count + 1;
    map->entries[map->count++] = (lyc_hashmap_entry){kept, value, hash};
    return true;
}

void lyc_hashmap_clear(lyc_hashmap *map)
{
    lyc_free(map->entries);
    lyc_free(map->slots);
    lyc_arena_clear(&map->keys);
    *map = (lyc_hashmap){0};
}
