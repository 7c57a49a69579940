/* merge_adapters_plan.c - which layers several adapter files have together, and what each of them becomes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/compute.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/layer_naming.h"
#include "tool/merge_adapters.h"

enum { KEY = 2 * LYC_KEY_PATH };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the layers of several adapters");
}

static const char *path_of(const lyc_adapter_merge *m, const lyc_merge_part *part)
{
    return m->files[part->input].given->path;
}

static const lyc_file_layer *layer_of(const lyc_adapter_merge *m, const lyc_merge_part *part)
{
    return lyc_network_file_at(m->files[part->input].network, part->layer);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static lyc_status open_file(lyc_merge_file *f, const lyc_adapter_merge *m, lyc_error *err)
{
    const lyc_network_file_options options = {.strict = m->options->strict};
    static const double none[LYC_BLOCK_SLOTS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const lyc_merge_input *given = f->given;
    if (!isfinite(given->unet) || !isfinite(given->text)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: a strength is not finite", given->path);
    }
    if (given->blocks == NULL) {
        memcpy(f->blocks, none, sizeof none);
    } else if (lyc_block_weights(f->blocks, given->blocks, given->block_count, err) != LYC_OK) {
        return lyc_wrap(err, "%s", given->path);
    }
    return lyc_network_file_open(&f->network, given->path, &options, err);
}

static lyc_status check_family(const lyc_adapter_merge *m, lyc_error *err)
{
    const char *family = NULL, *path = NULL;
    for (size_t i = 0; i < m->file_count; i++) {
        const char *other = lyc_network_file_family(m->files[i].network);
        if (family != NULL && other != NULL && strcmp(family, other) != 0) {
            return lyc_fail(err, LYC_E_SHAPE, "%s is for %s, %s for %s", path, family, m->files[i].given->path, other);
        }
        if (other != NULL) {
            family = other;
            path = m->files[i].given->path;
        }
    }
    return LYC_OK;
}

/* Matrices of transformers are in other pieces where they are called as in the original code. */
static lyc_status check_transformers(const lyc_adapter_merge *m, lyc_error *err)
{
    const char *original = NULL, *diffusers = NULL;
    for (size_t k = 0; k < m->file_count; k++) {
        const lyc_network_file *file = m->files[k].network;
        for (size_t i = 0; i < lyc_network_file_count(file); i++) {
            const lyc_file_layer *layer = lyc_network_file_at(file, i);
            if (strcmp(layer->component, "transformer") == 0 && lyc_file_layer_is_original(layer)) {
                original = m->files[k].given->path;
            } else if (strcmp(layer->component, "transformer") == 0 &&
                       (strstr(layer->name, "transformer_blocks") != NULL || strstr(layer->name, "norm_out") != NULL)) {
                diffusers = m->files[k].given->path;
            }
        }
    }
    return original == NULL || diffusers == NULL
               ? LYC_OK
               : lyc_fail(
                     err, LYC_E_UNSUPPORTED,
                     "%s calls matrices as the original code, %s as diffusers, which divides them; `lycoris convert "
                     "--to kohya` makes them alike",
                     original, diffusers);
}

/* --- layers --------------------------------------------------------------------------------------------------------
 */

static double strength_of(const lyc_merge_file *f, const lyc_file_layer *layer)
{
    const int slot = lyc_block_slot(layer->component, layer->entry->name);
    const bool text = strncmp(layer->component, "text_encoder", strlen("text_encoder")) == 0;
    return (text ? f->given->text : f->given->unet) * (slot >= 0 ? f->blocks[slot] : 1.0);
}

/* The layer of a module, which is added when no file had it so far. */
static lyc_status layer_for(lyc_merge_layer **out, lyc_adapter_merge *m, lyc_hashmap *by_module,
                            const lyc_file_layer *source, lyc_error *err)
{
    char key[KEY];
    const int length = snprintf(key, sizeof key, "%s/%s", source->component, source->entry->name);
    if (length < 0 || length >= KEY) {
        return lyc_fail(err, LYC_E_FORMAT, "a layer with a name of %d bytes", length);
    }
    const lyc_span span = {key, (size_t)length};
    *out = lyc_hashmap_get(by_module, span);
    if (*out != NULL) {
        return LYC_OK;
    }
    *out = &m->layers[m->count];
    **out = (lyc_merge_layer){.source = source, .alpha = (double)NAN, .energy = 1.0};
    (*out)->parts = lyc_arena_alloc(&m->arena, m->file_count, sizeof *(*out)->parts);
    if ((*out)->parts == NULL || !lyc_hashmap_put(by_module, span, *out)) {
        return no_memory(err);
    }
    m->count++;
    return LYC_OK;
}

static lyc_status gather_layers(lyc_adapter_merge *m, lyc_error *err)
{
    size_t most = 0;
    lyc_hashmap by_module = {0};
    for (size_t k = 0; k < m->file_count; k++) {
        most += lyc_network_file_count(m->files[k].network);
    }
    m->layers = lyc_arena_alloc(&m->arena, most + 1, sizeof *m->layers);
    lyc_status status = m->layers == NULL ? no_memory(err) : LYC_OK;
    for (size_t k = 0; k < m->file_count && status == LYC_OK; k++) {
        const lyc_network_file *file = m->files[k].network;
        for (size_t i = 0; i < lyc_network_file_count(file) && status == LYC_OK; i++) {
            lyc_merge_layer *layer = NULL;
            status = layer_for(&layer, m, &by_module, lyc_network_file_at(file, i), err);
            if (status == LYC_OK) {
                layer->parts[layer->count++] = (lyc_merge_part){.input = k, .layer = i};
            }
        }
    }
    lyc_hashmap_clear(&by_module);
    return status;
}

/* Counts what files share, and leaves out parts of strength 0 and layers that have no others. */
static lyc_status drop_idle(lyc_adapter_merge *m, lyc_error *err)
{
    size_t layers = 0;
    for (size_t i = 0; i < m->count; i++) {
        lyc_merge_layer *layer = &m->layers[i];
        size_t count = 0;
        for (size_t k = 0; k < layer->count; k++) {
            lyc_merge_part part = layer->parts[k];
            m->files[part.input].shared += layer->count > 1;
            part.strength = strength_of(&m->files[part.input], layer_of(m, &part));
            if (part.strength > 0 || part.strength < 0) {
                layer->parts[count++] = part;
            }
        }
        layer->count = count;
        if (count > 0) {
            layer->source = layer_of(m, &layer->parts[0]);
            m->layers[layers++] = *layer;
        }
    }
    m->count = layers;
    return layers > 0 ? LYC_OK : lyc_fail(err, LYC_E_ARGUMENT, "all strengths are 0: there is nothing to merge");
}

/* --- shapes and ranks ----------------------------------------------------------------------------------------------
 */

static lyc_status check_additive(const lyc_adapter_merge *m, const lyc_merge_part *part, lyc_error *err)
{
    const lyc_file_layer *l = layer_of(m, part);
    const bool dora = lyc_adapter_group_find(&l->group, "dora_scale") != NULL;
    if (l->algorithm->additive && !dora) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_UNSUPPORTED,
                    "%s: '%s' is %s%s, whose change depends on the base weight and cannot be added to others; `lycoris "
                    "merge` puts it into a model, and `lycoris extract` takes the sum out again",
                    path_of(m, part), l->name, l->algorithm->name, dora ? " with magnitudes (DoRA)" : "");
}

/* Linear layers and convolutions of 1x1 are the same numbers. */
static lyc_status check_shape(const lyc_merge_layer *layer, const lyc_adapter_merge *m, const lyc_merge_part *part,
                              const lyc_adapter_target *target, lyc_error *err)
{
    char first[LYC_SHAPE_TEXT], second[LYC_SHAPE_TEXT];
    const lyc_shape *a = &layer->target.weight, *b = &target->weight;
    if (a->dims[0] == b->dims[0] && lyc_shape_elements(a) == lyc_shape_elements(b)) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_SHAPE, "%s: '%s' is for a weight %s, in %s for %s", path_of(m, part),
                    layer_of(m, part)->name, lyc_shape_text(second, sizeof second, b), path_of(m, &layer->parts[0]),
                    lyc_shape_text(first, sizeof first, a));
}

static lyc_status read_rank(lyc_merge_part *part, const lyc_adapter_merge *m, const lyc_adapter_target *target,
                            lyc_error *err)
{
    const lyc_file_layer *l = layer_of(m, part);
    lyc_adapter *a = NULL;
    if (l->algorithm == &lyc_adapter_lora) {
        part->rank = lyc_adapter_extent(&l->group, "lora_down.weight", 0);
        if (part->rank < 1 || part->rank != lyc_adapter_extent(&l->group, "lora_up.weight", 1)) {
            return lyc_fail(err, LYC_E_SHAPE, "%s: '%s': lora_down has %" PRId64 " ranks, lora_up %" PRId64,
                            path_of(m, part), l->name, part->rank, lyc_adapter_extent(&l->group, "lora_up.weight", 1));
        }
        return LYC_OK;
    }
    if (l->algorithm->product == NULL) {
        return LYC_OK;
    }
    LYC_TRY(lyc_network_file_adapter(&a, m->files[part->input].network, part->layer, target, err));
    const lyc_status status = lyc_adapter_product_rank(&part->rank, a, err);
    lyc_adapter_free(a);
    return status;
}

static lyc_status read_part(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_merge_part *part, lyc_error *err)
{
    const lyc_file_layer *l = layer_of(m, part);
    const bool first = part == layer->parts;
    lyc_adapter_target target;
    LYC_TRY(check_additive(m, part, err));
    LYC_TRY(lyc_network_file_target(&target, m->files[part->input].network, part->layer, err));
    layer->target = first ? target : layer->target;
    LYC_TRY(check_shape(layer, m, part, &target, err));
    LYC_TRY(read_rank(part, m, &target, err));
    layer->all_loras = (first || layer->all_loras) && l->algorithm == &lyc_adapter_lora;
    layer->product_rank =
        part->rank == 0 || (!first && layer->product_rank == 0) ? 0 : layer->product_rank + part->rank;
    layer->largest_rank = part->rank > layer->largest_rank ? part->rank : layer->largest_rank;
    layer->with_bias |= target.has_bias;
    return LYC_OK;
}

static lyc_status read_layer(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_error *err)
{
    for (size_t k = 0; k < layer->count; k++) {
        LYC_TRY(read_part(layer, m, &layer->parts[k], err));
    }
    const lyc_shape *w = &layer->target.weight;
    layer->out = w->dims[0];
    layer->in = w->rank > 1 ? w->dims[1] : 1;
    layer->kernel = w->rank > 2 ? lyc_shape_product(w, 2, w->rank) : 1;
    return LYC_OK;
}

/* --- forms ---------------------------------------------------------------------------------------------------------
 */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static lyc_status refuse(const lyc_merge_layer *layer, const lyc_adapter_merge *m, const char *why, lyc_error *err)
{
    for (size_t k = 0; k < layer->count; k++) {
        const lyc_file_layer *l = layer_of(m, &layer->parts[k]);
        if (l->algorithm != &lyc_adapter_lora) {
            return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: '%s' is %s, %s", path_of(m, &layer->parts[k]), l->name,
                            l->algorithm->name, why);
        }
    }
    return lyc_fail(err, LYC_E_SHAPE, "%s: '%s' has %" PRId64 " ranks, in another file %" PRId64 ", %s",
                    path_of(m, &layer->parts[0]), layer->source->name, layer->parts[0].rank, layer->largest_rank, why);
}

/* sd-scripts keeps the first file's alpha. */
static lyc_status keep_alpha(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_error *err)
{
    const lyc_file_layer *l = layer_of(m, &layer->parts[0]);
    if (!layer->all_loras) {
        return refuse(layer, m, "which sd-scripts does not merge", err);
    }
    return lyc_adapter_number(&layer->alpha, &l->group, "alpha", (double)layer->parts[0].rank, err);
}

static lyc_status choose_concat(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_error *err)
{
    const int64_t columns = layer->in * layer->kernel, rank = layer->product_rank;
    if (m->options->full || rank == 0 || (!layer->all_loras && rank > layer->out * columns / (layer->out + columns))) {
        layer->form = LYC_MERGE_FORM_FULL;
        return m->options->sd_scripts ? refuse(layer, m, "which sd-scripts does not merge", err) : LYC_OK;
    }
    layer->form = LYC_MERGE_FORM_FACTORS;
    layer->rank = rank;
    layer->alpha = (double)rank;
    return m->options->sd_scripts ? keep_alpha(layer, m, err) : LYC_OK;
}

static lyc_status choose_sum(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_error *err)
{
    bool all_full = true, same = true;
    for (size_t k = 0; k < layer->count; k++) {
        all_full &= layer_of(m, &layer->parts[k])->algorithm == &lyc_adapter_full;
        same &= layer->parts[k].rank == layer->parts[0].rank;
    }
    if (all_full && !m->options->sd_scripts) {
        layer->form = LYC_MERGE_FORM_FULL;
        return LYC_OK;
    }
    if (!layer->all_loras || !same) {
        return refuse(layer, m, "and only factors of LoRAs of one rank can be added; concat and svd take all", err);
    }
    layer->form = LYC_MERGE_FORM_ADDED;
    layer->rank = layer->parts[0].rank;
    layer->alpha = (double)layer->rank;
    return m->options->sd_scripts ? keep_alpha(layer, m, err) : LYC_OK;
}

/* Ranks of singular values: 0 says that there is nothing to go by. */
static int64_t asked_rank(const lyc_merge_layer *layer, const lyc_adapter_merge *m)
{
    const lyc_merge_adapters_options *o = m->options;
    const int64_t asked = layer->kernel > 1 && o->conv_rank > 0 ? o->conv_rank : o->rank;
    return asked > 0 ? asked : o->method == LYC_MERGE_SVD ? layer->largest_rank : layer->product_rank;
}

static lyc_status choose_svd(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_error *err)
{
    const int64_t columns = layer->in * layer->kernel, side = smaller(layer->out, columns);
    const bool dense = lyc_merge_method_is_dense(m->options->method);
    const int64_t rank = smaller(asked_rank(layer, m), side);
    if (dense && (m->options->full || rank == 0)) {
        layer->form = LYC_MERGE_FORM_FULL;
        return LYC_OK;
    }
    if (rank == 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: '%s' is %s, which has no rank to keep; --rank says how many",
                        path_of(m, &layer->parts[0]), layer->source->name, layer->source->algorithm->name);
    }
    const bool factors = !dense && layer->product_rank > 0 && layer->product_rank <= side;
    layer->form = factors ? LYC_MERGE_FORM_SVD : LYC_MERGE_FORM_DENSE;
    layer->rank = factors ? smaller(rank, layer->product_rank) : rank;
    layer->alpha = (double)layer->rank;
    return LYC_OK;
}

static lyc_status choose_form(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_error *err)
{
    if (layer->source->algorithm->for_norms) {
        layer->form = LYC_MERGE_FORM_NORM;
        return m->options->sd_scripts ? refuse(layer, m, "which sd-scripts does not merge", err) : LYC_OK;
    }
    switch (m->options->method) {
    case LYC_MERGE_CONCAT:
        return choose_concat(layer, m, err);
    case LYC_MERGE_SUM:
        return choose_sum(layer, m, err);
    default:
        return choose_svd(layer, m, err);
    }
}

/* --- names and types -----------------------------------------------------------------------------------------------
 */

/* Whether all files name layers in one way, so that their names can stay. */
static bool names_agree(const lyc_adapter_merge *m)
{
    const lyc_key_scheme scheme = m->layers[0].source->scheme;
    bool agree =
        scheme == LYC_KEY_KOHYA || scheme == LYC_KEY_WRAPPER || scheme == LYC_KEY_DIFFUSERS || scheme == LYC_KEY_BARE;
    for (size_t i = 0; i < m->count && agree; i++) {
        for (size_t k = 0; k < m->layers[i].count && agree; k++) {
            const lyc_file_layer *l = layer_of(m, &m->layers[i].parts[k]);
            agree = l->scheme == scheme && strcmp(l->name, layer_of(m, &m->layers[i].parts[0])->name) == 0;
        }
    }
    return agree;
}

static lyc_status choose_names(lyc_adapter_merge *m, lyc_error *err)
{
    const bool agree = names_agree(m);
    const lyc_network_file **files = lyc_arena_alloc(&m->arena, m->file_count, sizeof *files);
    if (files == NULL) {
        return no_memory(err);
    }
    for (size_t k = 0; k < m->file_count; k++) {
        files[k] = m->files[k].network;
    }
    const lyc_layer_naming naming = lyc_layer_naming_of(files, m->file_count);
    m->scheme = agree ? m->layers[0].source->scheme : LYC_KEY_KOHYA;
    for (size_t i = 0; i < m->count; i++) {
        lyc_merge_layer *layer = &m->layers[i];
        layer->written = agree ? layer_of(m, &layer->parts[0])->name
                               : lyc_layer_naming_name(&m->arena, &naming, m->scheme, layer->source);
        if (layer->written == NULL) {
            return no_memory(err);
        }
    }
    return LYC_OK;
}

/* As their tensors are in the file: in the order of names, which all go on with a dot. */
static int compare_names(const void *left, const void *right)
{
    const unsigned char *a = (const unsigned char *)((const lyc_merge_layer *)left)->written;
    const unsigned char *b = (const unsigned char *)((const lyc_merge_layer *)right)->written;
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (*a != '\0' ? *a : '.') - (*b != '\0' ? *b : '.');
}

/* The type of the inputs' matrices; F32 where they have several or another. */
static lyc_dtype choose_dtype(const lyc_adapter_merge *m)
{
    lyc_dtype dtype = LYC_F32;
    bool first = true;
    for (size_t i = 0; i < m->count; i++) {
        for (size_t k = 0; k < m->layers[i].count; k++) {
            const lyc_adapter_group *group = &layer_of(m, &m->layers[i].parts[k])->group;
            for (size_t t = 0; t < group->count; t++) {
                const lyc_dtype other = group->tensors[t].dtype;
                if (group->tensors[t].shape.rank == 0) {
                    continue;
                }
                if ((other != LYC_F16 && other != LYC_BF16) || (!first && other != dtype)) {
                    return LYC_F32;
                }
                dtype = other;
                first = false;
            }
        }
    }
    return dtype;
}

lyc_status lyc_adapter_merge_plan(lyc_adapter_merge *m, const lyc_merge_input *inputs, size_t count, lyc_error *err)
{
    m->files = lyc_arena_alloc(&m->arena, count, sizeof *m->files);
    if (m->files == NULL) {
        return no_memory(err);
    }
    m->file_count = count;
    for (size_t k = 0; k < count; k++) {
        m->files[k].given = &inputs[k];
        LYC_TRY(open_file(&m->files[k], m, err));
    }
    LYC_TRY(check_family(m, err));
    LYC_TRY(check_transformers(m, err));
    LYC_TRY(gather_layers(m, err));
    LYC_TRY(drop_idle(m, err));
    for (size_t i = 0; i < m->count; i++) {
        LYC_TRY(read_layer(&m->layers[i], m, err));
        LYC_TRY(choose_form(&m->layers[i], m, err));
    }
    LYC_TRY(choose_names(m, err));
    qsort(m->layers, m->count, sizeof *m->layers, compare_names);
    m->dtype = m->options->keep_dtype ? choose_dtype(m) : m->options->dtype;
    return LYC_OK;
}
