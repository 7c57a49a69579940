/* merge_plan.c - which layers of which adapters change which tensors of a model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapter/fused.h"
#include "base/memory.h"
#include "tensor/shape.h"
#include "tool/merge_internal.h"

enum { KEY = 2 * LYC_KEY_PATH };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the plan of a merge");
}

static bool is_text(const char *component)
{
    return strncmp(component, "text_encoder", strlen("text_encoder")) == 0;
}

/* --- modules -------------------------------------------------------------------------------------------------------
 */

static lyc_status add_pieces(lyc_merge_plan *p, lyc_merge_module *m, bool is_bias, lyc_error *err)
{
    const lyc_base_pieces *pieces = is_bias ? &m->base.bias : &m->base.weight;
    for (int i = 0; i < pieces->count; i++) {
        lyc_merge_piece *piece = lyc_arena_alloc(&p->arena, 1, sizeof *piece);
        if (piece == NULL) {
            return no_memory(err);
        }
        lyc_merge_piece **head = &p->pieces[p->first[pieces->pieces[i].file] + pieces->pieces[i].tensor];
        *piece = (lyc_merge_piece){.module = m, .piece = i, .is_bias = is_bias, .next = *head};
        *head = piece;
    }
    return LYC_OK;
}

static lyc_status module_of(lyc_merge_module **out, lyc_merge_plan *p, size_t unit, const lyc_file_layer *layer,
                            lyc_error *err)
{
    char key[KEY];
    lyc_base_module base;
    *out = NULL;
    const int length = snprintf(key, sizeof key, "%zu/%s/%s", unit, layer->component, layer->entry->name);
    if (length < 0 || length >= KEY ||
        !lyc_base_model_find(&base, p->model, unit, layer->component, layer->entry->name)) {
        return LYC_OK;
    }
    *out = lyc_hashmap_get(&p->modules, (lyc_span){key, (size_t)length});
    if (*out != NULL) {
        return LYC_OK;
    }
    lyc_merge_module *m = lyc_arena_alloc(&p->arena, 1, sizeof *m);
    const char *name = lyc_arena_text(&p->arena, layer->entry->name);
    if (m == NULL || name == NULL || !lyc_hashmap_put(&p->modules, (lyc_span){key, (size_t)length}, m)) {
        return no_memory(err);
    }
    *m = (lyc_merge_module){.name = name, .base = base, .text = is_text(layer->component)};
    *out = m;
    return add_pieces(p, m, false, err);
}

/* --- changes -------------------------------------------------------------------------------------------------------
 */

static bool has_bias(const lyc_file_layer *layer)
{
    return lyc_adapter_group_find(&layer->group, "diff_b") != NULL ||
           lyc_adapter_group_find(&layer->group, "b_norm") != NULL;
}

/* The layer's own sizes are those of the module, but for 1x1 kernels and input channels that only a model for
 * inpainting has. */
static lyc_status check_shape(const lyc_merge_plan *p, const lyc_merge_source *s, size_t layer,
                              const lyc_merge_module *m, lyc_error *err)
{
    lyc_adapter_target target;
    char have[LYC_SHAPE_TEXT], want[LYC_SHAPE_TEXT];
    (void)p;
    if (lyc_network_file_target(&target, s->file, layer, NULL) != LYC_OK) {
        return LYC_OK; /* the tensors do not say it: found when they are computed with */
    }
    const lyc_shape *w = &m->base.weight.shape;
    const int64_t inputs = lyc_shape_elements(&target.weight) / target.weight.dims[0];
    const int64_t columns = lyc_shape_elements(w) / w->dims[0];
    const bool wider = w->rank == 4 && target.weight.rank == 4 && w->dims[1] == 9 && target.weight.dims[1] == 4 &&
                       strcmp(m->name, "conv_in") == 0;
    if (target.weight.dims[0] == w->dims[0] && (inputs == columns || wider)) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_SHAPE, "%s: %s is for a weight %s, the model's is %s", s->adapter->path,
                    lyc_network_file_at(s->file, layer)->name, lyc_shape_text(want, sizeof want, &target.weight),
                    lyc_shape_text(have, sizeof have, w));
}

static lyc_status add_change(lyc_merge_plan *p, lyc_merge_module *m, size_t source, size_t layer, lyc_error *err)
{
    const lyc_file_layer *l = lyc_network_file_at(p->sources[source].file, layer);
    lyc_merge_change *change = lyc_arena_alloc(&p->arena, 1, sizeof *change);
    lyc_merge_change **end = &m->changes;
    const lyc_shape *w = &m->base.weight.shape;
    LYC_TRY(check_shape(p, &p->sources[source], layer, m, err));
    if (change == NULL) {
        return no_memory(err);
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *change = (lyc_merge_change){.source = source, .layer = layer};
    change->swapped = w->rank == 2 && m->base.original != lyc_file_layer_is_original(l) &&
                      lyc_fused_swaps_halves(l->entry->name, w->dims[0], w->dims[1]);
    *end = change;
    if (has_bias(l) && m->base.bias.count == 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%s: %s changes a bias that the model does not have",
                        p->sources[source].adapter->path, l->name);
    }
    if (has_bias(l) && !m->changes_bias) {
        m->changes_bias = true;
        return add_pieces(p, m, true, err);
    }
    return LYC_OK;
}

static lyc_status note_unmatched(lyc_merge_plan *p, lyc_merge_source *s, const char *name, lyc_error *err)
{
    s->unmatched[s->unmatched_count] = lyc_arena_text(&p->arena, name);
    return s->unmatched[s->unmatched_count++] != NULL ? LYC_OK : no_memory(err);
}

static lyc_status match_source(lyc_merge_plan *p, size_t index, lyc_error *err)
{
    lyc_merge_source *s = &p->sources[index];
    const size_t layers = lyc_network_file_count(s->file), unknown = lyc_network_file_unmatched_count(s->file);
    s->layers = layers;
    s->embeddings = lyc_network_file_embedding_count(s->file);
    s->unmatched = lyc_arena_alloc(&p->arena, layers + unknown + 1, sizeof *s->unmatched);
    if (s->unmatched == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < layers; i++) {
        const lyc_file_layer *layer = lyc_network_file_at(s->file, i);
        bool found = false;
        for (size_t unit = 0; unit < lyc_base_model_unit_count(p->model); unit++) {
            lyc_merge_module *m;
            LYC_TRY(module_of(&m, p, unit, layer, err));
            if (m != NULL) {
                LYC_TRY(add_change(p, m, index, i, err));
                found = true;
            }
        }
        s->merged += found;
        if (!found) {
            LYC_TRY(note_unmatched(p, s, layer->name, err));
        }
    }
    for (size_t i = 0; i < unknown; i++) {
        LYC_TRY(note_unmatched(p, s, lyc_network_file_unmatched(s->file, i), err));
    }
    if (s->merged == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: none of its %zu layers is in %s ('%s' ...)", s->adapter->path,
                        layers, p->options->base, s->unmatched_count > 0 ? s->unmatched[0] : "");
    }
    if (p->options->strict && s->unmatched_count > 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: %zu names are for nothing in %s ('%s' ...)", s->adapter->path,
                        s->unmatched_count, p->options->base, s->unmatched[0]);
    }
    return LYC_OK;
}

/* --- opening -------------------------------------------------------------------------------------------------------
 */

static lyc_status open_source(lyc_merge_source *s, const lyc_merge_plan *p, const lyc_merge_adapter *adapter,
                              lyc_error *err)
{
    const lyc_network_file_options options = {.component = "unet"};
    lyc_safetensors *tensors = NULL;
    s->adapter = adapter;
    if (!p->options->exact_names) {
        return lyc_network_file_open(&s->file, adapter->path, &options, err);
    }
    LYC_TRY(lyc_safetensors_open(&tensors, adapter->path, NULL, err));
    return lyc_network_file_from(&s->file, tensors, adapter->path, &options, lyc_base_model_known(p->model), err);
}

static lyc_status number_tensors(lyc_merge_plan *p, lyc_error *err)
{
    const size_t files = lyc_base_model_file_count(p->model);
    size_t count = 0;
    p->first = lyc_arena_alloc(&p->arena, files + 1, sizeof *p->first);
    if (p->first == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < files; i++) {
        p->first[i] = count;
        count += lyc_safetensors_count(lyc_base_model_file(p->model, i)->tensors);
    }
    p->pieces = lyc_arena_alloc(&p->arena, count + 1, sizeof(lyc_merge_piece *));
    return p->pieces != NULL ? LYC_OK : no_memory(err);
}

static lyc_status make(lyc_merge_plan *p, lyc_error *err)
{
    const lyc_merge_options *o = p->options;
    const lyc_base_model_options names = {.exact = o->exact_names};
    if (o->adapter_count == 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "no adapter to merge");
    }
    p->sources = lyc_arena_alloc(&p->arena, o->adapter_count, sizeof *p->sources);
    if (p->sources == NULL) {
        return no_memory(err);
    }
    LYC_TRY(lyc_base_model_open(&p->model, o->base, &names, err));
    LYC_TRY(number_tensors(p, err));
    for (size_t i = 0; i < o->adapter_count; i++) {
        LYC_TRY(open_source(&p->sources[i], p, &o->adapters[i], err));
        LYC_TRY(match_source(p, i, err));
    }
    return LYC_OK;
}

lyc_status lyc_merge_plan_make(lyc_merge_plan *out, const lyc_merge_options *options, lyc_error *err)
{
    *out = (lyc_merge_plan){.options = options};
    const lyc_status status = make(out, err);
    if (status != LYC_OK) {
        lyc_merge_plan_clear(out);
    }
    return status;
}

void lyc_merge_plan_clear(lyc_merge_plan *plan)
{
    for (size_t i = 0; plan->sources != NULL && i < plan->options->adapter_count; i++) {
        lyc_network_file_close(plan->sources[i].file);
    }
    lyc_hashmap_clear(&plan->modules);
    lyc_base_model_close(plan->model);
    lyc_arena_clear(&plan->arena);
    *plan = (lyc_merge_plan){0};
}

const lyc_merge_piece *lyc_merge_plan_pieces(const lyc_merge_plan *plan, size_t file, size_t tensor)
{
    return plan->pieces[plan->first[file] + tensor];
}
