/* network.c - members of a network: adapters from files, new ones, and their lives
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "adapter/block_weights.h"
#include "adapter/compute.h"
#include "adapter/network_internal.h"
#include "base/memory.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the adapters of a network");
}

lyc_status lyc_network_new(lyc_network **out, lyc_network_use use, lyc_error *err)
{
    *out = lyc_alloc_zero(1, sizeof **out);
    if (*out == NULL) {
        return no_memory(err);
    }
    (*out)->use = use;
    (*out)->samples = (*out)->sample_capacity = 1;
    return LYC_OK;
}

void lyc_network_set_use(lyc_network *network, lyc_network_use use)
{
    assert((use == LYC_NETWORK_FIXED) == (network->use == LYC_NETWORK_FIXED));
    network->use = use;
}

void lyc_network_freeze(lyc_network *network, size_t member)
{
    network->members[member]->frozen = true;
}

static void member_free(lyc_member *m)
{
    for (size_t i = 0; i < m->count; i++) {
        lyc_adapter_free(m->layers[i].entry.adapter);
        lyc_free(m->layers[i].ranks);
    }
    lyc_free(m->layers);
    lyc_hashmap_clear(&m->by_module);
    lyc_arena_clear(&m->arena);
    lyc_free(m);
}

void lyc_network_free(lyc_network *network)
{
    if (network == NULL) {
        return;
    }
    for (size_t i = 0; i < network->count; i++) {
        member_free(network->members[i]);
    }
    lyc_hashmap_clear(&network->inputs);
    lyc_free(network);
}

/* --- adding --------------------------------------------------------------------------------------------------------
 */

/* What layers of a graph look up: strengths, ranks, and for adapters that may change their parameters. */
static bool add_input(lyc_network *network, const char *adapter, const char *name, void *data)
{
    char key[LYC_NETWORK_NAME];
    const int length = snprintf(key, sizeof key, "%s.%s", adapter, name);
    return length > 0 && length < LYC_NETWORK_NAME &&
           lyc_hashmap_put(&network->inputs, (lyc_span){key, (size_t)length}, data);
}

static bool add_inputs(lyc_network *network, lyc_member *m, lyc_member_layer *layer)
{
    const lyc_adapter *a = layer->entry.adapter;
    const bool text = lyc_network_is_text(layer->entry.component);
    bool done = add_input(network, a->name, "strength",
                          &m->strengths[text][layer->slot < 0 ? LYC_NETWORK_BLOCKS : layer->slot]);
    if (a->algorithm->ranks != NULL) {
        done = done && add_input(network, a->name, "ranks", layer->ranks);
    }
    for (int i = 0; i < a->n_params; i++) {
        char frozen[128];
        snprintf(frozen, sizeof frozen, "%s.frozen", a->params[i].name);
        done = done && add_input(network, a->name, a->params[i].name, a->params[i].data) &&
               add_input(network, a->name, frozen, a->params[i].data);
    }
    return done;
}

static lyc_status reserve(lyc_member *m, lyc_error *err)
{
    if (m->count == m->capacity) {
        const size_t capacity = m->capacity == 0 ? 256 : 2 * m->capacity;
        lyc_member_layer *layers = lyc_realloc(m->layers, capacity * sizeof *layers);
        if (layers == NULL) {
            return no_memory(err);
        }
        m->layers = layers;
        m->capacity = capacity;
    }
    return LYC_OK;
}

/* The name that an adapter's values have in graphs. */
static void adapter_name(char out[LYC_NETWORK_NAME], size_t member, const char *component, const char *module)
{
    snprintf(out, LYC_NETWORK_NAME, "%zu/%s/%s", member, component, module);
}

/* Takes the adapter over, also when it fails. */
static lyc_status add_layer(lyc_network *network, lyc_member *m, lyc_adapter *adapter, const char *component,
                            const char *module, const char *key, lyc_error *err)
{
    const lyc_status status = reserve(m, err);
    if (status != LYC_OK) {
        lyc_adapter_free(adapter);
        return status;
    }
    lyc_member_layer *layer = &m->layers[m->count];
    *layer = (lyc_member_layer){
        .entry = {.adapter = adapter,
                  .component = lyc_arena_text(&m->arena, component),
                  .module = lyc_arena_text(&m->arena, module),
                  .key = lyc_arena_text(&m->arena, key)},
        .slot = lyc_block_slot(component, module),
        .ranks = adapter->algorithm->ranks != NULL ? lyc_alloc_zero(network->sample_capacity, sizeof(float)) : NULL};
    m->count++;
    const bool complete = layer->entry.component != NULL && layer->entry.module != NULL && layer->entry.key != NULL &&
                          (layer->ranks != NULL || adapter->algorithm->ranks == NULL);
    char name[LYC_NETWORK_NAME];
    const int length = snprintf(name, sizeof name, "%s/%s", component, module);
    if (!complete || !add_inputs(network, m, layer) ||
        !lyc_hashmap_put(&m->by_module, (lyc_span){name, (size_t)length}, (void *)(uintptr_t)m->count)) {
        return no_memory(err);
    }
    lyc_network_fill_ranks(network, layer);
    return LYC_OK;
}

static const lyc_network_part *part_of(const lyc_network_part *parts, size_t count, const char *component)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(parts[i].inventory->component, component) == 0) {
            return &parts[i];
        }
    }
    return NULL;
}

/* The base weight of a module; false when the part has no weights at hand. */
static bool base_weight(lyc_tensor_view *out, const lyc_network_part *part, const char *module)
{
    char name[LYC_NETWORK_NAME];
    lyc_weight_view view;
    snprintf(name, sizeof name, "%s.weight", module);
    if (part->weights == NULL || !lyc_component_find(&view, part->weights, name) || view.transposed) {
        return false;
    }
    *out = (lyc_tensor_view){.name = view.name,
                             .dtype = view.dtype,
                             .shape = view.shape,
                             .data = view.data,
                             .size_bytes = view.size_bytes,
                             .file_offset = view.file_offset};
    return true;
}

static lyc_status need_weight(lyc_tensor_view *out, const lyc_network_part *part, const char *module, lyc_error *err)
{
    return base_weight(out, part, module)
               ? LYC_OK
               : lyc_fail(err, LYC_E_ARGUMENT, "the adapter of %s starts from the weight, which is not at hand",
                          module);
}

static lyc_status add_file_layer(lyc_network *network, lyc_member *m, size_t member, const lyc_network_file *file,
                                 size_t index, const lyc_network_part *part, lyc_error *err)
{
    const lyc_file_layer *layer = lyc_network_file_at(file, index);
    const char *module = layer->entry->name;
    const lyc_inventory_entry *own = lyc_inventory_find(part->inventory, module);
    if (own == NULL) {
        return lyc_fail(err, LYC_E_SHAPE, "%s: '%s' is for %s, which the model does not have",
                        lyc_network_file_path(file), layer->name, module);
    }
    char name[LYC_NETWORK_NAME];
    adapter_name(name, member, layer->component, module);
    lyc_adapter *adapter = NULL;
    LYC_TRY(lyc_network_file_adapter_named(&adapter, file, index, name, &own->target, err));
    LYC_TRY(add_layer(network, m, adapter, layer->component, module, layer->name, err));
    if (adapter->incomplete) {
        lyc_tensor_view weight;
        LYC_TRY(need_weight(&weight, part, module, err));
        return lyc_adapter_restore(adapter, &weight, err);
    }
    return LYC_OK;
}

static lyc_status add_file(lyc_network *network, lyc_member *m, size_t member, const lyc_network_file *file,
                           const lyc_network_part *parts, size_t part_count, lyc_error *err)
{
    for (size_t i = 0; i < lyc_network_file_count(file); i++) {
        const lyc_network_part *part = part_of(parts, part_count, lyc_network_file_at(file, i)->component);
        if (part != NULL) {
            LYC_TRY(add_file_layer(network, m, member, file, i, part, err));
        }
    }
    if (m->count == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: none of its %zu layers is of this model ('%s' is of the %s)",
                        lyc_network_file_path(file), lyc_network_file_count(file), lyc_network_file_at(file, 0)->name,
                        lyc_network_file_at(file, 0)->component);
    }
    return LYC_OK;
}

static lyc_status begin_member(lyc_member **out, lyc_network *network, lyc_error *err)
{
    if (network->count == LYC_NETWORK_MEMBERS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "more than %d adapters for one model", (int)LYC_NETWORK_MEMBERS);
    }
    lyc_member *m = lyc_alloc_zero(1, sizeof *m);
    if (m == NULL) {
        return no_memory(err);
    }
    m->unet = m->text = 1;
    m->to = 1;
    for (int i = 0; i <= LYC_NETWORK_BLOCKS; i++) {
        m->blocks[i] = 1;
    }
    network->members[network->count++] = m;
    lyc_network_fill_strengths(network);
    *out = m;
    return LYC_OK;
}

/* The member stays when status is LYC_OK. */
static lyc_status end_member(size_t *member, lyc_network *network, lyc_status status)
{
    if (status != LYC_OK) {
        lyc_network_remove(network, network->count - 1);
    } else if (member != NULL) {
        *member = network->count - 1;
    }
    return status;
}

void lyc_network_remove(lyc_network *network, size_t member)
{
    char prefix[32];
    if (member + 1 != network->count) {
        return;
    }
    snprintf(prefix, sizeof prefix, "%zu/", member);
    for (size_t i = 0; i < network->inputs.count; i++) {
        if (lyc_span_starts_with(network->inputs.entries[i].key, prefix)) {
            network->inputs.entries[i].value = NULL;
        }
    }
    member_free(network->members[--network->count]);
}

lyc_status lyc_network_add_file(size_t *member, lyc_network *network, const lyc_network_file *file,
                                const lyc_network_part *parts, size_t part_count, lyc_error *err)
{
    lyc_member *m;
    LYC_TRY(begin_member(&m, network, err));
    return end_member(member, network, add_file(network, m, network->count - 1, file, parts, part_count, err));
}

static lyc_status add_selected(lyc_network *network, lyc_member *m, size_t member, const lyc_selected_layer *layer,
                               const lyc_network_part *part, uint64_t seed, lyc_error *err)
{
    char name[LYC_NETWORK_NAME];
    lyc_adapter *adapter = NULL;
    lyc_tensor_view weight;
    adapter_name(name, member, layer->inventory->component, layer->entry->name);
    LYC_TRY(
        lyc_adapter_new(&adapter, layer->algorithm, name, &layer->entry->target, layer->settings, layer->count, err));
    LYC_TRY(add_layer(network, m, adapter, layer->inventory->component, layer->entry->name, layer->key, err));
    if (!lyc_adapter_needs_weight(adapter)) {
        return lyc_adapter_initialise(adapter, NULL, seed, err);
    }
    LYC_TRY(need_weight(&weight, part, layer->entry->name, err));
    return lyc_adapter_initialise(adapter, &weight, seed, err);
}

static lyc_status add_selection(lyc_network *network, lyc_member *m, const lyc_selection *selection,
                                const lyc_network_part *parts, size_t part_count, uint64_t seed, lyc_error *err)
{
    for (size_t i = 0; i < selection->count; i++) {
        const lyc_selected_layer *layer = &selection->layers[i];
        const lyc_network_part *part = part_of(parts, part_count, layer->inventory->component);
        if (part == NULL) {
            return lyc_fail(err, LYC_E_ARGUMENT, "the model has no %s", layer->inventory->component);
        }
        LYC_TRY(add_selected(network, m, network->count - 1, layer, part, seed, err));
    }
    return LYC_OK;
}

lyc_status lyc_network_add_selection(size_t *member, lyc_network *network, const lyc_selection *selection,
                                     const lyc_network_part *parts, size_t part_count, uint64_t seed, lyc_error *err)
{
    lyc_member *m = NULL;
    LYC_TRY(begin_member(&m, network, err));
    assert(m != NULL);
    return end_member(member, network, add_selection(network, m, selection, parts, part_count, seed, err));
}

lyc_status lyc_network_add_empty(size_t *member, lyc_network *network, lyc_error *err)
{
    lyc_member *m = NULL;
    LYC_TRY(begin_member(&m, network, err));
    return end_member(member, network, LYC_OK);
}

lyc_status lyc_network_adopt(lyc_network *network, size_t member, lyc_adapter *adapter, const char *component,
                             const char *module, const char *key, lyc_error *err)
{
    return add_layer(network, network->members[member], adapter, component, module, key, err);
}

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

size_t lyc_network_member_count(const lyc_network *network)
{
    return network->count;
}

size_t lyc_network_entry_count(const lyc_network *network, size_t member)
{
    return network->members[member]->count;
}

const lyc_network_entry *lyc_network_entry_at(const lyc_network *network, size_t member, size_t index)
{
    return &network->members[member]->layers[index].entry;
}

lyc_member_layer *lyc_member_find(const lyc_member *m, const char *component, const char *module)
{
    char name[LYC_NETWORK_NAME];
    const int length = snprintf(name, sizeof name, "%s/%s", component, module);
    const size_t found = (size_t)(uintptr_t)lyc_hashmap_get(&m->by_module, (lyc_span){name, (size_t)length});
    return found != 0 ? &m->layers[found - 1] : NULL;
}

const lyc_network_entry *lyc_network_find(const lyc_network *network, size_t member, const char *component,
                                          const char *module)
{
    const lyc_member_layer *layer = lyc_member_find(network->members[member], component, module);
    return layer != NULL ? &layer->entry : NULL;
}

int64_t lyc_network_parameter_count(const lyc_network *network)
{
    int64_t n = 0;
    for (size_t k = 0; k < network->count; k++) {
        for (size_t i = 0; i < network->members[k]->count; i++) {
            n += lyc_adapter_parameter_count(network->members[k]->layers[i].entry.adapter);
        }
    }
    return n;
}

lyc_status lyc_network_max_norm(lyc_network_norms *out, lyc_network *network, double limit, lyc_error *err)
{
    size_t count = 0;
    double sum = 0, max = 0;
    *out = (lyc_network_norms){0};
    for (size_t k = 0; k < network->count; k++) {
        const size_t layers = network->members[k]->frozen ? 0 : network->members[k]->count;
        for (size_t i = 0; i < layers; i++) {
            lyc_adapter *a = network->members[k]->layers[i].entry.adapter;
            double norm = 0;
            bool scaled = false;
            LYC_TRY(lyc_adapter_max_norm(&norm, &scaled, a, limit, err));
            out->scaled += scaled;
            count += a->algorithm->max_norm;
            sum += norm;
            max = norm > max ? norm : max;
        }
    }
    if (out->scaled > 0) {
        out->mean = sum / (double)count;
        out->max = max;
    }
    return LYC_OK;
}
