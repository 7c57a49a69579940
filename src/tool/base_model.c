/* base_model.c - a model that adapters are for: its modules by name
 *
 * The names of its tensors are taken apart as those of adapter files are: prefixes and paths are the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/base_model.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tool/base_model_internal.h"

enum { MODULE_KEY = LYC_KEY_PATH + 64, NAME = 2 * LYC_KEY_PATH, NETWORKS = 8 };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the modules of a model");
}

static lyc_span module_key(char out[MODULE_KEY], size_t unit, const char *component, const char *module)
{
    const int length = snprintf(out, MODULE_KEY, "%zu/%s/%s", unit, component, module);
    return (lyc_span){out, length > 0 && length < MODULE_KEY ? (size_t)length : 0};
}

/* --- what a tensor is ----------------------------------------------------------------------------------------------
 */

typedef struct tensor_name {
    char text[NAME]; /* as that of a weight: "...mlp.fc1.weight" */
    bool is_bias;
    bool stacked;    /* q, k and v of OpenCLIP; text ends with the path of their attention */
    bool transposed; /* [in,out] */
} tensor_name;

static bool cut(char *out, lyc_span name, const char *ending, const char *instead)
{
    if (!lyc_span_ends_with(name, ending) || name.length + strlen(instead) >= NAME) {
        return false;
    }
    snprintf(out, NAME, "%.*s%s", (int)(name.length - strlen(ending)), name.text, instead);
    return true;
}

/* False: neither weight nor bias. */
static bool read_name(tensor_name *out, const char *name)
{
    const lyc_span span = lyc_span_of(name);
    *out = (tensor_name){0};
    if (cut(out->text, span, ".attn.in_proj_weight", ".attn") || cut(out->text, span, ".attn.in_proj_bias", ".attn")) {
        out->stacked = true;
        out->is_bias = lyc_span_ends_with(span, "bias");
        return true;
    }
    if (cut(out->text, span, ".bias", ".weight")) {
        out->is_bias = true;
        return true;
    }
    out->transposed = strstr(name, "model.text_projection") != NULL;
    return cut(out->text, span, ".weight", ".weight") ||
           cut(out->text, span, ".text_projection", ".text_projection.weight");
}

static lyc_status put(lyc_base_model *model, const lyc_key_target *target, const lyc_key *key, size_t unit, size_t file,
                      size_t tensor, const tensor_name *name, int third, lyc_error *err)
{
    char text[MODULE_KEY];
    const lyc_span span = module_key(text, unit, target->inventory->component, target->entry->name);
    lyc_base_entry *entry = lyc_hashmap_get(&model->modules, span);
    if (entry == NULL) {
        entry = lyc_arena_alloc(&model->arena, 1, sizeof *entry);
        if (entry == NULL || span.length == 0 || !lyc_hashmap_put(&model->modules, span, entry)) {
            return no_memory(err);
        }
        *entry = (lyc_base_entry){.unit = unit, .target = *target, .third = third, .transposed = name->transposed};
        char flat[LYC_KEY_PATH];
        snprintf(flat, sizeof flat, "%s", target->entry->name);
        for (char *c = flat; *c != '\0'; c++) {
            *c = (char)(*c == '.' ? '_' : *c);
        }
        entry->original = strcmp(flat, key->path) != 0;
    }
    size_t *at_file = name->is_bias ? &entry->bias_file : &entry->weight_file;
    size_t *at = name->is_bias ? &entry->bias : &entry->weight;
    if (*at != 0) {
        return lyc_fail(err, LYC_E_FORMAT, "'%s' and '%s' are both %s of %s",
                        lyc_safetensors_tensor(model->files[*at_file].tensors, *at - 1).name,
                        lyc_safetensors_tensor(model->files[file].tensors, tensor).name,
                        name->is_bias ? "the bias" : "the weight", target->entry->name);
    }
    *at_file = file;
    *at = tensor + 1;
    return LYC_OK;
}

static lyc_status place_tensor(lyc_base_model *model, size_t file, size_t tensor, lyc_error *err)
{
    static const char *const thirds[] = {"q_proj", "k_proj", "v_proj"};
    tensor_name name;
    lyc_key key;
    lyc_key_target target;
    const size_t unit = model->files[file].unit;
    const lyc_key_options options = {.component = model->units[unit].component};
    if (!read_name(&name, lyc_safetensors_tensor(model->files[file].tensors, tensor).name)) {
        return LYC_OK;
    }
    for (int i = 0; i < (name.stacked ? 3 : 1); i++) {
        char text[NAME + 16];
        snprintf(text, sizeof text, name.stacked ? "%s.%s.weight" : "%s", name.text, thirds[i]);
        lyc_key_parse(&key, text, &options);
        if (key.suffix != NULL && lyc_key_index_find(&target, &model->known.index, &key)) {
            LYC_TRY(put(model, &target, &key, unit, file, tensor, &name, name.stacked ? i + 1 : 0, err));
        }
    }
    return LYC_OK;
}

/* --- names that are no known model's -------------------------------------------------------------------------------
 */

static size_t inventory_of(lyc_base_model *model, const char *component)
{
    size_t i = 0;
    while (i < model->known.count && strcmp(model->known.inventories[i].component, component) != 0) {
        i++;
    }
    return i;
}

/* Every weight is a module, called by its path without the prefix that says the network. */
static void list_own(lyc_base_model *model, lyc_inventory_builder builders[NETWORKS], size_t file, size_t tensor)
{
    tensor_name name;
    lyc_key key;
    const lyc_key_options options = {.component = model->units[model->files[file].unit].component};
    const lyc_tensor_view view = lyc_safetensors_tensor(model->files[file].tensors, tensor);
    if (!read_name(&name, view.name) || name.is_bias || view.shape.rank < 1 || view.shape.rank > 5) {
        return;
    }
    lyc_key_parse(&key, name.stacked ? view.name : name.text, &options);
    const size_t length = strlen(key.path);
    if (key.suffix == NULL || length == 0 || length > key.layer.length) {
        return;
    }
    const size_t i = inventory_of(model, key.components[0]);
    if (i == model->known.count) {
        assert(i < NETWORKS); /* no more are known to names */
        lyc_inventory_begin(&builders[i], &model->known.inventories[i], key.components[0], LYC_NAMING_DIFFUSERS);
        model->known.count++;
    }
    char path[LYC_KEY_PATH];
    snprintf(path, sizeof path, "%.*s", (int)length, key.layer.text + key.layer.length - length);
    lyc_inventory_linear(&builders[i], path, NULL, view.shape.dims[0], view.shape.rank > 1 ? view.shape.dims[1] : 1,
                         true);
}

static lyc_status know_own(lyc_base_model *model, lyc_error *err)
{
    lyc_inventory_builder builders[NETWORKS];
    for (size_t f = 0; f < model->file_count; f++) {
        for (size_t i = 0; i < lyc_safetensors_count(model->files[f].tensors); i++) {
            list_own(model, builders, f, i);
        }
    }
    for (size_t i = 0; i < model->known.count; i++) {
        LYC_TRY(lyc_inventory_finish(&builders[i], err));
    }
    for (size_t i = 0; i < model->known.count; i++) {
        LYC_TRY(lyc_key_index_add(&model->known.index, &model->known.inventories[i], err));
    }
    return LYC_OK;
}

/* --- opening -------------------------------------------------------------------------------------------------------
 */

static lyc_status open_all(lyc_base_model *model, lyc_error *err)
{
    LYC_TRY(lyc_base_model_open_files(model, err));
    LYC_TRY(model->exact ? know_own(model, err) : lyc_known_networks_open(&model->known, err));
    for (size_t f = 0; f < model->file_count; f++) {
        for (size_t i = 0; i < lyc_safetensors_count(model->files[f].tensors); i++) {
            if (place_tensor(model, f, i, err) != LYC_OK) {
                return lyc_wrap(err, "%s", model->files[f].path);
            }
        }
    }
    return LYC_OK;
}

lyc_status lyc_base_model_open(lyc_base_model **out, const char *path, const lyc_base_model_options *options,
                               lyc_error *err)
{
    lyc_error own;
    err = err != NULL ? err : &own;
    lyc_base_model *model = lyc_alloc_zero(1, sizeof *model);
    if (model == NULL) {
        return no_memory(err);
    }
    model->path = path;
    model->exact = options != NULL && options->exact;
    const lyc_status status = open_all(model, err);
    if (status != LYC_OK) {
        lyc_base_model_close(model);
        return status;
    }
    *out = model;
    return LYC_OK;
}

void lyc_base_model_close(lyc_base_model *model)
{
    if (model == NULL) {
        return;
    }
    for (size_t i = 0; i < model->unit_count; i++) {
        lyc_source_close(model->units[i].source);
    }
    lyc_known_networks_clear(&model->known);
    lyc_hashmap_clear(&model->modules);
    lyc_free(model->others);
    lyc_arena_clear(&model->arena);
    lyc_free(model);
}

/* --- what is in it -------------------------------------------------------------------------------------------------
 */

const lyc_known_networks *lyc_base_model_known(const lyc_base_model *model)
{
    return &model->known;
}

bool lyc_base_model_is_folder(const lyc_base_model *model)
{
    return model->is_folder;
}

size_t lyc_base_model_unit_count(const lyc_base_model *model)
{
    return model->unit_count;
}

size_t lyc_base_model_file_count(const lyc_base_model *model)
{
    return model->file_count;
}

const lyc_base_file *lyc_base_model_file(const lyc_base_model *model, size_t index)
{
    return &model->files[index];
}

size_t lyc_base_model_other_count(const lyc_base_model *model)
{
    return model->other_count;
}

const char *lyc_base_model_other(const lyc_base_model *model, size_t index)
{
    return model->others[index];
}

lyc_status lyc_base_model_check(const lyc_base_model *model, lyc_error *err)
{
    for (size_t i = 0; i < model->unit_count; i++) {
        LYC_TRY(lyc_source_check(model->units[i].source, err));
    }
    return LYC_OK;
}

lyc_tensor_view lyc_base_model_tensor(const lyc_base_model *model, const lyc_base_rows *rows)
{
    return lyc_safetensors_tensor(model->files[rows->file].tensors, rows->tensor);
}

/* --- modules -------------------------------------------------------------------------------------------------------
 */

/* Shares [from,to) of `shares` of the rows of a tensor, behind what is there. False: they do not fit. */
static bool append(lyc_base_pieces *p, const lyc_base_model *model, size_t file, size_t tensor, int from, int to,
                   int shares, bool transposed)
{
    const lyc_tensor_view view = lyc_safetensors_tensor(model->files[file].tensors, tensor - 1);
    lyc_shape shape = view.shape;
    if (transposed && shape.rank == 2) {
        shape = (lyc_shape){.rank = 2, .dims = {view.shape.dims[1], view.shape.dims[0]}};
    }
    if (shape.rank < 1 || view.shape.dims[0] % shares != 0 || p->count == LYC_FUSED_PARTS) {
        return false;
    }
    const int64_t unit = view.shape.dims[0] / shares;
    p->pieces[p->count] =
        (lyc_base_rows){.file = file, .tensor = tensor - 1, .row = from * unit, .count = (to - from) * unit};
    shape.dims[0] = shares > 1 ? (to - from) * unit : shape.dims[0];
    bool fits = true;
    for (int i = 1; p->count > 0 && i < shape.rank; i++) {
        fits = fits && shape.rank == p->shape.rank && shape.dims[i] == p->shape.dims[i];
    }
    fits = fits && (p->count == 0 || (p->dtype == view.dtype && shape.dims[0] <= INT64_MAX - p->shape.dims[0]));
    if (fits) {
        shape.dims[0] += p->count > 0 ? p->shape.dims[0] : 0;
        p->shape = shape;
        p->dtype = view.dtype;
        p->count++;
    }
    return fits;
}

static bool append_entry(lyc_base_module *out, const lyc_base_model *model, const lyc_base_entry *e, int from, int to,
                         int shares)
{
    if (e->third > 0) {
        from = e->third - 1;
        to = e->third;
        shares = 3;
    }
    out->transposed = e->transposed;
    out->original = e->original;
    return e->weight != 0 && append(&out->weight, model, e->weight_file, e->weight, from, to, shares, e->transposed) &&
           (e->bias == 0 || append(&out->bias, model, e->bias_file, e->bias, from, to, shares, false));
}

static const lyc_base_entry *entry_of(const lyc_base_model *model, size_t unit, const char *component,
                                      const char *module)
{
    char text[MODULE_KEY];
    return lyc_hashmap_get(&model->modules, module_key(text, unit, component, module));
}

/* A part of a matrix that the model has in one piece. */
static bool find_part(lyc_base_module *out, const lyc_base_model *model, size_t unit, const char *component,
                      const char *module)
{
    static const lyc_fused_family families[] = {LYC_FUSED_FLUX, LYC_FUSED_SD3};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        lyc_fused fused;
        int part;
        if (!lyc_fused_of_part(&fused, &part, module, families[i])) {
            continue;
        }
        const lyc_base_entry *e = entry_of(model, unit, component, fused.original);
        if (e != NULL) {
            return append_entry(out, model, e, fused.first[part], fused.first[part + 1], fused.first[fused.count]);
        }
    }
    return false;
}

/* A matrix of which the model has the parts. */
static bool find_fused(lyc_base_module *out, const lyc_base_model *model, size_t unit, const char *component,
                       const char *module)
{
    lyc_fused fused;
    bool found = lyc_fused_of_original(&fused, module);
    for (int i = 0; i < (found ? fused.count : 0) && found; i++) {
        const lyc_base_entry *e = entry_of(model, unit, component, fused.parts[i]);
        found = e != NULL && append_entry(out, model, e, 0, 1, 1);
    }
    return found && (out->bias.count == 0 || out->bias.count == out->weight.count);
}

size_t lyc_base_model_module_count(const lyc_base_model *model)
{
    return model->modules.count;
}

lyc_base_module_name lyc_base_model_module(const lyc_base_model *model, size_t index)
{
    assert(index < model->modules.count);
    const lyc_base_entry *e = model->modules.entries[index].value;
    return (lyc_base_module_name){
        .unit = e->unit, .component = e->target.inventory->component, .entry = e->target.entry};
}

bool lyc_base_model_find(lyc_base_module *out, const lyc_base_model *model, size_t unit, const char *component,
                         const char *module)
{
    *out = (lyc_base_module){0};
    const lyc_base_entry *e = entry_of(model, unit, component, module);
    if (e != NULL) {
        return append_entry(out, model, e, 0, 1, 1);
    }
    if (find_part(out, model, unit, component, module)) {
        return true;
    }
    *out = (lyc_base_module){0};
    return find_fused(out, model, unit, component, module);
}
