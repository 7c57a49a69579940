/* bundle.c - embeddings into the file of the adapter that they were trained with
 *
 * The names are those of LyCORIS' tools/batch_bundle_convert.py, which AUTOMATIC1111's web UI reads
 * (extensions-builtin/Lora/networks.py). It cuts them at dots, so that names of embeddings have none here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/bundle.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "checkpoint/source.h"
#include "tensor/dtype.h"
#include "tool/bundle_internal.h"
#include "tool/output.h"
#include "tool/tensor_set.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of a bundle");
}

/* --- reports -------------------------------------------------------------------------------------------------------
 */

lyc_status lyc_bundling_new(lyc_bundling **out, lyc_error *err)
{
    *out = lyc_alloc_zero(1, sizeof **out);
    return *out == NULL ? no_memory(err) : LYC_OK;
}

void lyc_bundling_free(lyc_bundling *b)
{
    if (b == NULL) {
        return;
    }
    for (size_t i = 0; i < b->count; i++) {
        lyc_safetensors_close(b->parts[i].file);
    }
    lyc_safetensors_close(b->file);
    lyc_arena_clear(&b->arena);
    lyc_free(b);
}

const char *lyc_bundling_adapter(const lyc_bundling *b)
{
    return b->adapter;
}

size_t lyc_bundling_adapter_tensors(const lyc_bundling *b)
{
    return b->adapter_tensors;
}

size_t lyc_bundling_count(const lyc_bundling *b)
{
    return b->count;
}

lyc_bundled_embedding lyc_bundling_embedding(const lyc_bundling *b, size_t index)
{
    assert(index < b->count);
    return b->parts[index].report;
}

/* --- files that are read -------------------------------------------------------------------------------------------
 */

lyc_status lyc_bundle_open(lyc_safetensors **out, const char *path, bool is_embedding, lyc_error *err)
{
    if (lyc_pickle_is_file(path)) {
        return is_embedding ? lyc_fail(err, LYC_E_UNSUPPORTED,
                                       "%s is a pickle, which can run programs when it is loaded and is not read; "
                                       "convert it once with Python: import torch, safetensors.torch as s; s.save_file("
                                       "{'emb_params': torch.load(FILE)['string_to_param']['*'].detach().contiguous()},"
                                       " 'NAME.safetensors')",
                                       path)
                            : lyc_pickle_refuse(path, err);
    }
    return lyc_safetensors_open(out, path, NULL, err);
}

/* A file of matrices under names that stand for embeddings; a single one may have any name without a dot. */
static lyc_status check_embedding(const lyc_safetensors *file, const char *path, lyc_error *err)
{
    char brief[LYC_BRIEF];
    const size_t count = lyc_safetensors_count(file);
    if (count == 0) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is no embedding: it has no tensors", path);
    }
    for (size_t i = 0; i < count; i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        const lyc_span key = lyc_span_of(tensor.name);
        const bool named = lyc_bundle_is_known_key(key) || (count == 1 && strchr(tensor.name, '.') == NULL);
        if (!named || tensor.shape.rank < 1 || tensor.shape.rank > 2 || !lyc_dtype_is_float(tensor.dtype)) {
            return lyc_fail(err, LYC_E_FORMAT,
                            "%s is no embedding: it has '%s', expected matrices emb_params, clip_l, clip_g, or one of "
                            "another name without a dot",
                            path, lyc_text_brief(brief, sizeof brief, key));
        }
    }
    return LYC_OK;
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

static lyc_status check_name(const char *name, const char *path, lyc_error *err)
{
    char brief[LYC_BRIEF];
    lyc_error why;
    lyc_text_brief(brief, sizeof brief, lyc_span_of(name));
    if (lyc_path_check_name(lyc_span_of(name), &why) != LYC_OK) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: an embedding cannot be called '%s': %s", path, brief, why.message);
    }
    return strchr(name, '.') == NULL
               ? LYC_OK
               : lyc_fail(err, LYC_E_ARGUMENT,
                          "%s: an embedding in a bundle cannot be called '%s': programs cut names at dots; another one "
                          "can be given",
                          path, brief);
}

/* The name that an embedding gets, and whether it is of the adapter's step. */
static lyc_status choose_name(const char **name, lyc_bundling *b, const lyc_bundle_embedding *e, bool steps,
                              lyc_error *err)
{
    lyc_span step, adapter_step, stem = lyc_bundle_stem(&step, e->path);
    lyc_bundle_stem(&adapter_step, b->adapter);
    if (!steps) {
        stem.length = step.length > 0 ? (size_t)(step.text + step.length - stem.text) : stem.length;
    } else if (!lyc_span_equal(step, adapter_step)) {
        const lyc_span none = {"none", 4};
        const lyc_span of = step.length > 0 ? step : none, adapter_of = adapter_step.length > 0 ? adapter_step : none;
        return lyc_fail(err, LYC_E_ARGUMENT, "step of %s: %.*s, of the adapter %s: %.*s; expected the same", e->path,
                        (int)of.length, of.text, b->adapter, (int)adapter_of.length, adapter_of.text);
    }
    *name = e->name != NULL ? lyc_arena_text(&b->arena, e->name) : lyc_arena_text_n(&b->arena, stem.text, stem.length);
    return *name == NULL ? no_memory(err) : check_name(*name, e->path, err);
}

/* Two embeddings of one name: among those that come, or one that is in the adapter's file. */
static lyc_status check_free(const lyc_bundling *b, size_t index, lyc_error *err)
{
    const lyc_bundled_embedding *e = &b->parts[index].report;
    for (size_t i = 0; i < index; i++) {
        if (strcmp(b->parts[i].report.name, e->name) == 0) {
            return lyc_fail(err, LYC_E_ARGUMENT, "%s and %s are both called '%s'", b->parts[i].report.path, e->path,
                            e->name);
        }
    }
    for (size_t i = 0; i < lyc_safetensors_count(b->file); i++) {
        lyc_span name, key;
        const char *tensor = lyc_safetensors_tensor(b->file, i).name;
        if (lyc_bundle_is_part(tensor) && lyc_bundle_split(&name, &key, tensor, err) == LYC_OK &&
            lyc_span_is(name, e->name)) {
            return lyc_fail(err, LYC_E_ARGUMENT, "%s has an embedding '%s' already", b->adapter, e->name);
        }
    }
    return LYC_OK;
}

/* --- packing -------------------------------------------------------------------------------------------------------
 */

/* Tensors of adapters belong to a layer, so that their names have a dot. */
static lyc_status read_adapter(lyc_bundling *b, lyc_error *err)
{
    bool layers = false;
    LYC_TRY(lyc_bundle_open(&b->file, b->adapter, false, err));
    for (size_t i = 0; i < lyc_safetensors_count(b->file); i++) {
        const char *name = lyc_safetensors_tensor(b->file, i).name;
        if (!lyc_bundle_is_part(name)) {
            b->adapter_tensors++;
            layers |= strchr(name, '.') != NULL;
        }
    }
    return layers ? LYC_OK : lyc_fail(err, LYC_E_UNSUPPORTED, "%s has no tensors of an adapter", b->adapter);
}

static lyc_status read_inputs(lyc_bundling *b, const lyc_bundle_options *o, lyc_error *err)
{
    LYC_TRY(read_adapter(b, err));
    for (size_t i = 0; i < o->embedding_count; i++) {
        lyc_bundle_part *part = &b->parts[i];
        const lyc_bundle_embedding *e = &o->embeddings[i];
        LYC_TRY(lyc_bundle_open(&part->file, e->path, true, err));
        b->count++;
        LYC_TRY(check_embedding(part->file, e->path, err));
        const lyc_tensor_view first = lyc_safetensors_tensor(part->file, 0);
        part->report = (lyc_bundled_embedding){.path = lyc_arena_text(&b->arena, e->path),
                                               .tensors = lyc_safetensors_count(part->file),
                                               .vectors = lyc_bundle_vectors(&first)};
        LYC_TRY(part->report.path == NULL ? no_memory(err) : choose_name(&part->report.name, b, e, o->steps, err));
        LYC_TRY(check_free(b, i, err));
    }
    return LYC_OK;
}

static lyc_status plan(lyc_tensor_set *set, const lyc_bundling *b, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_count(b->file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(b->file, i);
        LYC_TRY(lyc_tensor_set_add(set, tensor.name, &tensor, tensor.dtype, err));
    }
    for (size_t i = 0; i < b->count; i++) {
        for (size_t k = 0; k < b->parts[i].report.tensors; k++) {
            const lyc_tensor_view tensor = lyc_safetensors_tensor(b->parts[i].file, k);
            const char *name =
                lyc_arena_format(&set->arena, LYC_BUNDLE_PREFIX "%s.%s", b->parts[i].report.name, tensor.name);
            LYC_TRY(name == NULL ? no_memory(err) : lyc_tensor_set_add(set, name, &tensor, tensor.dtype, err));
        }
    }
    return lyc_tensor_set_copy_metadata(set, b->file, NULL, err);
}

static lyc_status write_bundle(const char *path, lyc_tensor_set *set, lyc_bundling *b, const lyc_bundle_options *o,
                               const lyc_task *task, lyc_error *err)
{
    const lyc_safetensors **files = lyc_arena_alloc(&b->arena, b->count + 1, sizeof *files);
    const char **names = lyc_arena_alloc(&b->arena, b->count + 1, sizeof *names);
    if (files == NULL || names == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i <= b->count; i++) {
        files[i] = i < b->count ? b->parts[i].file : b->file;
        names[i] = i < b->count ? b->parts[i].report.path : b->adapter;
    }
    LYC_TRY(plan(set, b, err));
    if (o->dry_run) {
        return LYC_OK;
    }
    const lyc_tool_output_options output = {
        .path = path, .force = o->force, .inputs = names, .input_count = b->count + 1};
    LYC_TRY(lyc_tool_output_check(&output, lyc_tensor_set_bytes(set), err));
    const lyc_safetensors_writer_options options = {.force = o->force, .inputs = files, .input_count = b->count + 1};
    return lyc_tensor_set_write(path, set, &options, task, err);
}

static lyc_status bundle(lyc_bundling *b, const char *path, const char *adapter, const lyc_bundle_options *o,
                         const lyc_task *task, lyc_error *err)
{
    lyc_tensor_set set = {0};
    b->adapter = lyc_arena_text(&b->arena, adapter);
    b->parts = lyc_arena_alloc(&b->arena, o->embedding_count + 1, sizeof *b->parts);
    if (b->adapter == NULL || b->parts == NULL) {
        return no_memory(err);
    }
    LYC_TRY(read_inputs(b, o, err));
    lyc_status status = lyc_tensor_set_start(&set, true, err); /* bytes are copied, whatever they mean */
    status = status == LYC_OK ? write_bundle(path, &set, b, o, task, err) : status;
    lyc_tensor_set_clear(&set);
    return status;
}

lyc_status lyc_bundle(lyc_bundling **out, const char *path, const char *adapter, const lyc_bundle_options *options,
                      const lyc_task *task, lyc_error *err)
{
    lyc_bundling *b;
    *out = NULL;
    LYC_TRY(lyc_bundling_new(&b, err));
    const lyc_status status = bundle(b, path, adapter, options, task, err);
    if (status != LYC_OK) {
        lyc_bundling_free(b);
        return status;
    }
    *out = b;
    return LYC_OK;
}
