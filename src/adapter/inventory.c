/* inventory.c - building and searching the list of a network's modules
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/inventory.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

void lyc_inventory_begin(lyc_inventory_builder *b, lyc_inventory *inventory, const char *component, lyc_naming naming)
{
    *b = (lyc_inventory_builder){.inventory = inventory};
    *inventory = (lyc_inventory){.component = component, .naming = naming};
}

void lyc_inventory_clear(lyc_inventory *inventory)
{
    lyc_free(inventory->entries);
    lyc_hashmap_clear(&inventory->by_name);
    lyc_arena_clear(&inventory->arena);
    *inventory = (lyc_inventory){0};
}

/* Appends ".part" to a path that has the given length; returns the new length. */
static size_t extend(char *path, size_t length, const char *part)
{
    const size_t dot = length > 0 && part[0] != '\0' ? 1 : 0;
    const size_t size = strlen(part);
    assert(length + dot + size < LYC_INVENTORY_PATH);
    if (dot) {
        path[length] = '.';
    }
    memcpy(path + length + dot, part, size + 1);
    return length + dot + size;
}

static lyc_inventory_entry *grow(lyc_inventory *inventory)
{
    if (inventory->count == inventory->capacity) {
        const size_t capacity = inventory->capacity == 0 ? 256 : 2 * inventory->capacity;
        lyc_inventory_entry *entries = lyc_realloc(inventory->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            return NULL;
        }
        inventory->entries = entries;
        inventory->capacity = capacity;
    }
    lyc_inventory_entry *e = &inventory->entries[inventory->count++];
    *e = (lyc_inventory_entry){.end = inventory->count};
    return e;
}

/* Adds an entry under the current paths, which open and the leaves have extended. */
static lyc_inventory_entry *add(lyc_inventory_builder *b, const char *class_name)
{
    lyc_inventory *inventory = b->inventory;
    lyc_inventory_entry *e = b->failed ? NULL : grow(inventory);
    if (e == NULL) {
        b->failed = true;
        return NULL;
    }
    e->class_name = class_name;
    e->name = lyc_arena_text(&inventory->arena, b->name);
    e->original = lyc_arena_text(&inventory->arena, b->original);
    e->path = inventory->naming == LYC_NAMING_TRAINER ? e->original : e->name;
    b->failed = e->name == NULL || e->original == NULL;
    return e;
}

void lyc_inventory_open(lyc_inventory_builder *b, const char *class_name, const char *name, const char *original)
{
    assert(b->depth < LYC_INVENTORY_DEPTH);
    b->open[b->depth].entry = b->inventory->count;
    b->open[b->depth].name_length = strlen(b->name);
    b->open[b->depth].original_length = strlen(b->original);
    extend(b->name, strlen(b->name), name);
    extend(b->original, strlen(b->original), original != NULL ? original : name);
    b->depth++;
    add(b, class_name);
}

void lyc_inventory_close(lyc_inventory_builder *b)
{
    b->depth--;
    b->name[b->open[b->depth].name_length] = '\0';
    b->original[b->open[b->depth].original_length] = '\0';
    if (!b->failed) {
        b->inventory->entries[b->open[b->depth].entry].end = b->inventory->count;
    }
}

static void leaf(lyc_inventory_builder *b, const char *class_name, const char *name, const char *original,
                 const lyc_adapter_target *target)
{
    lyc_inventory_open(b, class_name, name != NULL ? name : original, original);
    if (!b->failed) {
        lyc_inventory_entry *e = &b->inventory->entries[b->inventory->count - 1];
        e->has_weight = true;
        e->target = *target;
        e->name = name != NULL ? e->name : e->original;
    }
    lyc_inventory_close(b);
}

void lyc_inventory_linear(lyc_inventory_builder *b, const char *name, const char *original, int64_t out, int64_t in,
                          bool bias)
{
    leaf(b, "Linear", name, original,
         &(lyc_adapter_target){.kind = LYC_LAYER_LINEAR, .weight = LYC_SHAPE(out, in), .groups = 1, .has_bias = bias});
}

void lyc_inventory_conv(lyc_inventory_builder *b, const char *name, const char *original, int64_t out, int64_t in,
                        int64_t kernel)
{
    leaf(b, "Conv2d", name, original,
         &(lyc_adapter_target){
             .kind = LYC_LAYER_CONV2D, .weight = LYC_SHAPE(out, in, kernel, kernel), .groups = 1, .has_bias = true});
}

void lyc_inventory_table(lyc_inventory_builder *b, const char *name, const char *original, int64_t rows,
                         int64_t columns)
{
    lyc_inventory_open(b, "Embedding", name, original);
    if (!b->failed) {
        lyc_inventory_entry *e = &b->inventory->entries[b->inventory->count - 1];
        e->is_table = true;
        e->target = (lyc_adapter_target){.kind = LYC_LAYER_LINEAR, .weight = LYC_SHAPE(rows, columns), .groups = 1};
    }
    lyc_inventory_close(b);
}

void lyc_inventory_norm(lyc_inventory_builder *b, const char *class_name, const char *name, const char *original,
                        int64_t channels)
{
    const bool group = strcmp(class_name, "GroupNorm") == 0;
    leaf(b, class_name, name, original,
         &(lyc_adapter_target){.kind = group ? LYC_LAYER_GROUP_NORM : LYC_LAYER_LAYER_NORM,
                               .weight = LYC_SHAPE(channels),
                               .groups = 1,
                               .has_bias = true});
}

lyc_status lyc_inventory_finish(lyc_inventory_builder *b, lyc_error *err)
{
    lyc_inventory *inventory = b->inventory;
    for (size_t i = 0; i < inventory->count && !b->failed; i++) {
        lyc_inventory_entry *e = &inventory->entries[i];
        if (e->has_weight) {
            b->failed = !lyc_hashmap_put(&inventory->by_name, lyc_span_of(e->name), e);
        }
    }
    if (b->failed) {
        lyc_inventory_clear(inventory);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the list of modules");
    }
    return LYC_OK;
}

const lyc_inventory_entry *lyc_inventory_find(const lyc_inventory *inventory, const char *name)
{
    return lyc_hashmap_get(&inventory->by_name, lyc_span_of(name));
}
