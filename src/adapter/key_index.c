/* key_index.c - modules by the paths that names in adapter files have
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapter/key_names.h"

enum { INDEX_KEY = LYC_KEY_PATH + 32 };

static size_t index_key(char out[INDEX_KEY], const char *component, const char *path)
{
    const int length = snprintf(out, INDEX_KEY, "%s/%s", component, path);
    if (length < 0 || length >= INDEX_KEY) {
        return 0;
    }
    for (char *c = out + strlen(component) + 1; *c != '\0'; c++) {
        *c = (char)(*c == '.' ? '_' : *c);
    }
    return (size_t)length;
}

static bool put(lyc_key_index *index, const lyc_inventory *inventory, const char *path, lyc_key_target *target)
{
    char key[INDEX_KEY];
    const size_t length = index_key(key, inventory->component, path);
    const lyc_span span = {key, length};
    return lyc_hashmap_find(&index->map, span) != NULL || lyc_hashmap_put(&index->map, span, target);
}

lyc_status lyc_key_index_add(lyc_key_index *index, const lyc_inventory *inventory, lyc_error *err)
{
    static const char outer[] = "text_model."; /* transformers 5 and some old files leave it out */
    for (size_t i = 0; i < inventory->count; i++) {
        const lyc_inventory_entry *e = &inventory->entries[i];
        if (!e->has_weight && !e->is_table) {
            continue;
        }
        lyc_key_target *target = lyc_arena_alloc(&index->arena, 1, sizeof *target);
        bool done = target != NULL;
        if (done) {
            *target = (lyc_key_target){inventory, e};
            done = put(index, inventory, e->name, target) && put(index, inventory, e->original, target);
        }
        if (done && strncmp(e->name, outer, strlen(outer)) == 0) {
            done = put(index, inventory, e->name + strlen(outer), target);
        }
        if (!done) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the names of modules");
        }
    }
    return LYC_OK;
}

void lyc_key_index_clear(lyc_key_index *index)
{
    lyc_hashmap_clear(&index->map);
    lyc_arena_clear(&index->arena);
}

bool lyc_key_index_find(lyc_key_target *out, const lyc_key_index *index, const lyc_key *key)
{
    for (const char *const *component = key->components; *component != NULL && key->path[0] != '\0'; component++) {
        char text[INDEX_KEY];
        const size_t length = index_key(text, *component, key->path);
        const lyc_key_target *found = lyc_hashmap_get(&index->map, (lyc_span){text, length});
        if (found != NULL) {
            *out = *found;
            return true;
        }
    }
    return false;
}

/* --- the networks that are known -----------------------------------------------------------------------------------
 */

/* Every name that a U-Net of SD 1.x, 2.x or XL has: attention on all levels, as deep as SDXL's. The original code's
 * names of upsamplers depend on whether their level has attention; those without are made apart. */
static const lyc_unet_config every_unet = {
    .in_channels = 4,
    .out_channels = 4,
    .level_count = 4,
    .channels = {1, 2, 3, 4},
    .layers = {2, 2, 2, 2},
    .attention_down = {true, true, true, true},
    .attention_up = {true, true, true, true},
    .depth = {10, 10, 10, 10},
    .depth_up = {10, 10, 10, 10},
    .cross_dim = {1, 1, 1, 1},
    .mid_depth = 10,
    .mid_cross_dim = 1,
    .addition_time_dim = 1,
    .addition_input_dim = 1,
};
static const lyc_clip_text_config every_clip = {
    .hidden_size = 1, .intermediate_size = 4, .layers = 32, .projection_dim = 1};

static lyc_status open_known(lyc_known_networks *out, lyc_error *err)
{
    enum { SD3_BLOCKS = 38 }; /* of 3.5 Large, the most */
    lyc_unet_config plain = every_unet;
    memset(plain.attention_up, 0, sizeof plain.attention_up);
    lyc_inventory *list = out->inventories;
    LYC_TRY(lyc_inventory_unet(&list[out->count++], &every_unet, LYC_NAMING_DIFFUSERS, err));
    LYC_TRY(lyc_inventory_unet(&list[out->count++], &plain, LYC_NAMING_DIFFUSERS, err));
    LYC_TRY(lyc_inventory_text(&list[out->count++], "text_encoder", &every_clip, err));
    LYC_TRY(lyc_inventory_text(&list[out->count++], "text_encoder_2", &every_clip, err));
    LYC_TRY(lyc_inventory_flux(&list[out->count++], err));
    LYC_TRY(lyc_inventory_sd3(&list[out->count++], SD3_BLOCKS, err));
    LYC_TRY(lyc_inventory_t5(&list[out->count++], "text_encoder_2", err));
    LYC_TRY(lyc_inventory_t5(&list[out->count++], "text_encoder_3", err));
    for (size_t i = 0; i < out->count; i++) {
        LYC_TRY(lyc_key_index_add(&out->index, &list[i], err));
    }
    return LYC_OK;
}

lyc_status lyc_known_networks_open(lyc_known_networks *out, lyc_error *err)
{
    *out = (lyc_known_networks){0};
    const lyc_status status = open_known(out, err);
    if (status != LYC_OK) {
        lyc_known_networks_clear(out);
    }
    return status;
}

void lyc_known_networks_clear(lyc_known_networks *known)
{
    for (size_t i = 0; i < known->count; i++) {
        lyc_inventory_clear(&known->inventories[i]);
    }
    lyc_key_index_clear(&known->index);
    *known = (lyc_known_networks){0};
}
