/* network_file.c - an adapter file: its tensors by layer
 *
 * Tensors belong to one layer when their names lead to one module, whatever the spelling: diffusers keeps an alpha
 * under another path than the matrices. Two tensors of a layer that mean the same are an error, since either could be
 * meant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapter/network_file_internal.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"

static const char bundle[] = "bundle_emb.";

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the layers of an adapter file");
}

/* --- layers --------------------------------------------------------------------------------------------------------
 */

enum { MODULE_KEY = LYC_KEY_PATH + 32 };

static lyc_span module_key(char out[MODULE_KEY], const char *component, const char *module)
{
    const int length = snprintf(out, MODULE_KEY, "%s/%s", component, module);
    return (lyc_span){out, length > 0 && length < MODULE_KEY ? (size_t)length : 0};
}

static size_t layer_index(const lyc_network_file *file, const char *component, const char *module)
{
    char text[MODULE_KEY];
    return (size_t)(uintptr_t)lyc_hashmap_get(&file->by_module, module_key(text, component, module));
}

/* Adds a layer; its index + 1, 0 when there is no memory. */
static size_t add_layer(lyc_network_file *file, const lyc_key *key, const lyc_key_target *target)
{
    if (file->count == file->capacity) {
        /* fits: no more layers than modules that are known, some thousands */
        const size_t capacity = file->capacity == 0 ? 256 : 2 * file->capacity;
        /* fits: as above */
        lyc_file_layer *layers = lyc_realloc(file->layers, capacity * sizeof *layers);
        if (layers == NULL) {
            return 0;
        }
        file->layers = layers;
        file->capacity = capacity;
    }
    lyc_file_layer *layer = &file->layers[file->count];
    *layer = (lyc_file_layer){.scheme = key->scheme,
                              .name = lyc_arena_text_n(&file->arena, key->layer.text, key->layer.length),
                              .component = target->inventory->component,
                              .entry = target->entry};
    char text[MODULE_KEY];
    void *value = (void *)(uintptr_t)(file->count + 1);
    if (layer->name == NULL ||
        !lyc_hashmap_put(&file->by_module, module_key(text, layer->component, target->entry->name), value)) {
        return 0;
    }
    return ++file->count;
}

/* What each tensor of the file is. */
typedef struct tensor_place {
    size_t layer;       /* index + 1; 0: none */
    const char *suffix; /* in the algorithms' words */
} tensor_place;

static lyc_status place_tensor(tensor_place *out, lyc_network_file *file, size_t index,
                               const lyc_network_file_options *options, lyc_error *err)
{
    const char *name = lyc_safetensors_tensor(file->tensors, index).name;
    const lyc_key_options names = {.component = options->component, .prefix = options->prefix};
    *out = (tensor_place){0};
    if (strncmp(name, bundle, strlen(bundle)) == 0) {
        file->embeddings[file->embedding_count++] = index;
        return LYC_OK;
    }
    lyc_key key;
    lyc_key_target target;
    lyc_key_parse(&key, name, &names);
    if (key.suffix == NULL || !lyc_key_index_find(&target, &file->known->index, &key)) {
        file->unmatched[file->unmatched_count++] = name;
        return LYC_OK;
    }
    const size_t known = layer_index(file, target.inventory->component, target.entry->name);
    *out = (tensor_place){.layer = known != 0 ? known : add_layer(file, &key, &target), .suffix = key.suffix};
    return out->layer != 0 ? LYC_OK : no_memory(err);
}

/* Two names of one tensor: the first that was found and this one. */
static lyc_status twice(const lyc_network_file *file, const tensor_place *places, size_t index, lyc_error *err)
{
    size_t first = 0;
    while (places[first].layer != places[index].layer || places[first].suffix != places[index].suffix) {
        first++;
    }
    const lyc_file_layer *layer = &file->layers[places[index].layer - 1];
    return lyc_fail(
        err, LYC_E_FORMAT, "'%s' and '%s' are both %s of %s in %s", lyc_safetensors_tensor(file->tensors, first).name,
        lyc_safetensors_tensor(file->tensors, index).name, places[index].suffix, layer->entry->name, layer->component);
}

static lyc_status fill_groups(lyc_network_file *file, const tensor_place *places, lyc_error *err)
{
    const size_t n = lyc_safetensors_count(file->tensors);
    size_t *sizes = lyc_arena_alloc(&file->arena, file->count + 1, sizeof *sizes);
    if (sizes == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        sizes[places[i].layer]++;
    }
    for (size_t i = 0; i < file->count; i++) {
        lyc_adapter_group *group = &file->layers[i].group;
        group->tensors = lyc_arena_alloc(&file->arena, sizes[i + 1] + LYC_FILE_LAYER_SPARE, sizeof *group->tensors);
        if (group->tensors == NULL) {
            return no_memory(err);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (places[i].layer == 0) {
            continue;
        }
        lyc_adapter_group *group = &file->layers[places[i].layer - 1].group;
        if (lyc_adapter_group_find(group, places[i].suffix) != NULL) {
            return twice(file, places, i, err);
        }
        lyc_tensor_view *tensor = (lyc_tensor_view *)&group->tensors[group->count++];
        *tensor = lyc_safetensors_tensor(file->tensors, i);
        tensor->name = places[i].suffix;
    }
    return LYC_OK;
}

/* Layers whose tensors no algorithm has go back to what is not matched. */
static void drop_unknown(lyc_network_file *file, const tensor_place *places)
{
    for (size_t i = 0; i < file->count; i++) {
        file->layers[i].algorithm = lyc_adapter_detect(&file->layers[i].group);
    }
    for (size_t i = 0; i < lyc_safetensors_count(file->tensors); i++) {
        if (places[i].layer != 0 && file->layers[places[i].layer - 1].algorithm == NULL) {
            file->unmatched[file->unmatched_count++] = lyc_safetensors_tensor(file->tensors, i).name;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < file->count; i++) {
        const lyc_file_layer layer = file->layers[i];
        if (layer.algorithm != NULL) {
            char text[MODULE_KEY];
            file->layers[kept++] = layer;
            /* A known key: this cannot fail. */
            lyc_hashmap_find(&file->by_module, module_key(text, layer.component, layer.entry->name))->value =
                (void *)(uintptr_t)kept;
        } else {
            char text[MODULE_KEY];
            lyc_hashmap_find(&file->by_module, module_key(text, layer.component, layer.entry->name))->value = NULL;
        }
    }
    file->count = kept;
}

static lyc_status complain(const lyc_network_file *file, const lyc_network_file_options *options, lyc_error *err)
{
    const size_t n = lyc_safetensors_count(file->tensors);
    if (n == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "there are no adapters: the file has no tensors");
    }
    if (file->count == 0 && file->unmatched_count > 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "none of %zu tensors belongs to an adapter of a known layer ('%s' ...)",
                        n, file->unmatched[0]);
    }
    if (file->count == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "there are no adapters: the file has embeddings alone");
    }
    if (options->strict && file->unmatched_count > 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%zu of %zu tensors belong to no adapter of a known layer ('%s' ...)",
                        file->unmatched_count, n, file->unmatched[0]);
    }
    return LYC_OK;
}

static lyc_status sort_tensors(lyc_network_file *file, const lyc_network_file_options *options, lyc_error *err)
{
    const size_t n = lyc_safetensors_count(file->tensors);
    if (file->known == NULL) {
        LYC_TRY(lyc_known_networks_open(&file->own, err));
        file->known = &file->own;
    }
    tensor_place *places = lyc_arena_alloc(&file->arena, n + 1, sizeof *places);
    file->unmatched = lyc_arena_alloc(&file->arena, n + 1, sizeof *file->unmatched);
    file->embeddings = lyc_arena_alloc(&file->arena, n + 1, sizeof *file->embeddings);
    if (places == NULL || file->unmatched == NULL || file->embeddings == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        LYC_TRY(place_tensor(&places[i], file, i, options, err));
    }
    LYC_TRY(fill_groups(file, places, err));
    for (size_t i = 0; i < file->count; i++) {
        LYC_TRY(lyc_file_layer_normalise(file, &file->layers[i], err));
    }
    drop_unknown(file, places);
    return complain(file, options, err);
}

/* --- opening -------------------------------------------------------------------------------------------------------
 */

static lyc_status make(lyc_network_file **out, lyc_network_file *file, const char *path,
                       const lyc_network_file_options *options, lyc_error *err)
{
    static const lyc_network_file_options standard = {0};
    lyc_error own;
    file->path = lyc_arena_text(&file->arena, path);
    lyc_status status = file->path != NULL ? LYC_OK : no_memory(&own);
    status = status != LYC_OK ? status : sort_tensors(file, options != NULL ? options : &standard, &own);
    if (status != LYC_OK) {
        lyc_network_file_close(file);
        return lyc_fail(err, status, "%s: %s", path, own.message);
    }
    *out = file;
    return LYC_OK;
}

lyc_status lyc_network_file_from(lyc_network_file **out, lyc_safetensors *tensors, const char *path,
                                 const lyc_network_file_options *options, const lyc_known_networks *known,
                                 lyc_error *err)
{
    *out = NULL;
    lyc_network_file *file = lyc_alloc_zero(1, sizeof *file);
    if (file == NULL) {
        lyc_safetensors_close(tensors);
        return no_memory(err);
    }
    file->tensors = tensors;
    file->known = known;
    return make(out, file, path, options, err);
}

/* PyTorch's own files, which can run code when they are read: a zip archive, or a bare pickle. */
static bool is_pickle(const char *path)
{
    lyc_file_map *map = NULL;
    if (lyc_file_map_open(&map, path, NULL) != LYC_OK) {
        return false;
    }
    const unsigned char *data = lyc_file_map_data(map);
    const bool pickle = lyc_file_map_size(map) >= 4 &&
                        (memcmp(data, "PK\3\4", 4) == 0 || (data[0] == 0x80 && data[1] >= 2 && data[1] <= 5));
    lyc_file_map_close(map);
    return pickle;
}

/* The configuration beside the tensors of a PEFT folder; *tensors is then the file in it, else path itself. */
static lyc_status open_folder(const char **tensors, lyc_network_file *file, const char *path, lyc_error *err)
{
    static const char model[] = "adapter_model.safetensors", config[] = "adapter_config.json";
    lyc_file_id id;
    *tensors = path;
    const char *beside = lyc_path_join(&file->arena, path, lyc_span_of(config));
    const lyc_span name = lyc_path_name(path);
    if (beside != NULL && lyc_file_id_of(&id, beside, NULL) == LYC_OK) {
        *tensors = lyc_path_join(&file->arena, path, lyc_span_of(model));
    } else if (lyc_span_is(name, model)) {
        const lyc_span folder = lyc_path_folder(path);
        const char *folder_text = lyc_arena_text_n(&file->arena, folder.text, folder.length);
        beside = folder_text != NULL ? lyc_path_join(&file->arena, folder_text, lyc_span_of(config)) : NULL;
        if (beside == NULL || lyc_file_id_of(&id, beside, NULL) != LYC_OK) {
            return LYC_OK;
        }
    } else {
        return LYC_OK;
    }
    return *tensors != NULL ? lyc_peft_config_read(&file->config, beside, err) : no_memory(err);
}

lyc_status lyc_network_file_open(lyc_network_file **out, const char *path, const lyc_network_file_options *options,
                                 lyc_error *err)
{
    *out = NULL;
    lyc_network_file *file = lyc_alloc_zero(1, sizeof *file);
    const char *tensors = NULL;
    lyc_status status = file != NULL ? open_folder(&tensors, file, path, err) : no_memory(err);
    status = status != LYC_OK ? status : lyc_safetensors_open(&file->tensors, tensors, NULL, err);
    if (status != LYC_OK) {
        if (status == LYC_E_FORMAT && tensors != NULL && is_pickle(tensors)) {
            status = lyc_fail(err, LYC_E_UNSUPPORTED,
                              "%s is a pickle of PyTorch, which can run code; convert it to safetensors", tensors);
        }
        lyc_network_file_close(file);
        return status;
    }
    return make(out, file, path, options, err);
}

void lyc_network_file_close(lyc_network_file *file)
{
    if (file == NULL) {
        return;
    }
    lyc_safetensors_close(file->tensors);
    lyc_known_networks_clear(&file->own);
    lyc_hashmap_clear(&file->by_module);
    lyc_peft_config_clear(&file->config);
    lyc_free(file->layers);
    lyc_arena_clear(&file->arena);
    lyc_free(file);
}

/* --- what is in it -------------------------------------------------------------------------------------------------
 */

const lyc_safetensors *lyc_network_file_tensors(const lyc_network_file *file)
{
    return file->tensors;
}

const char *lyc_network_file_path(const lyc_network_file *file)
{
    return file->path;
}

size_t lyc_network_file_count(const lyc_network_file *file)
{
    return file->count;
}

const lyc_file_layer *lyc_network_file_at(const lyc_network_file *file, size_t index)
{
    return &file->layers[index];
}

bool lyc_network_file_find(size_t *index, const lyc_network_file *file, const char *component, const char *module)
{
    const char *const components[] = {component, NULL};
    lyc_key key = {.components = components};
    lyc_key_target target;
    if ((size_t)snprintf(key.path, sizeof key.path, "%s", module) >= sizeof key.path ||
        !lyc_key_index_find(&target, &file->known->index, &key)) {
        return false;
    }
    const size_t found = layer_index(file, component, target.entry->name);
    if (found != 0) {
        *index = found - 1;
    }
    return found != 0;
}

size_t lyc_network_file_unmatched_count(const lyc_network_file *file)
{
    return file->unmatched_count;
}

const char *lyc_network_file_unmatched(const lyc_network_file *file, size_t index)
{
    return file->unmatched[index];
}

size_t lyc_network_file_embedding_count(const lyc_network_file *file)
{
    return file->embedding_count;
}

lyc_tensor_view lyc_network_file_embedding(const lyc_network_file *file, size_t index)
{
    return lyc_safetensors_tensor(file->tensors, file->embeddings[index]);
}

lyc_status lyc_network_file_adapter_named(lyc_adapter **out, const lyc_network_file *file, size_t index,
                                          const char *name, const lyc_adapter_target *target, lyc_error *err)
{
    const lyc_file_layer *layer = &file->layers[index];
    lyc_error own;
    const lyc_status status = lyc_adapter_read(out, name, target, &layer->group, &own);
    if (status == LYC_OK) {
        return LYC_OK;
    }
    return strcmp(name, layer->name) == 0 ? lyc_fail(err, status, "%s: %s", file->path, own.message)
                                          : lyc_fail(err, status, "%s: '%s': %s", file->path, layer->name, own.message);
}

lyc_status lyc_network_file_adapter(lyc_adapter **out, const lyc_network_file *file, size_t index,
                                    const lyc_adapter_target *target, lyc_error *err)
{
    return lyc_network_file_adapter_named(out, file, index, file->layers[index].name, target, err);
}

bool lyc_file_layer_is_original(const lyc_file_layer *layer)
{
    return strstr(layer->name, "double_blocks") != NULL || strstr(layer->name, "joint_blocks") != NULL ||
           strstr(layer->name, "final_layer") != NULL ||
           (strstr(layer->name, "single_blocks") != NULL && strstr(layer->name, "single_transformer_blocks") == NULL);
}
