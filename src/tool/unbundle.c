/* unbundle.c - a bundle as the adapter and the embeddings that it was made of
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/hashmap.h"
#include "base/path.h"
#include "lycoris/bundle.h"
#include "tool/bundle_internal.h"
#include "tool/output_files.h"
#include "tool/tensor_set.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the parts of a bundle");
}

/* --- what is in it -------------------------------------------------------------------------------------------------
 */

/* Classic embeddings are a dictionary in a dictionary, which safetensors has not; one matrix is called emb_params
 * there.
 */
static const char *key_in_file(lyc_arena *arena, lyc_span key)
{
    return lyc_span_is(key, "string_to_param.*") ? "emb_params" : lyc_arena_text_n(arena, key.text, key.length);
}

/* The embedding of a name, which is added when it is new; names become names of files. */
static lyc_status find_part(lyc_bundle_part **out, lyc_bundling *b, lyc_hashmap *names, lyc_span name, lyc_error *err)
{
    *out = lyc_hashmap_get(names, name);
    if (*out != NULL) {
        return LYC_OK;
    }
    LYC_TRY(lyc_path_check_name(name, err));
    lyc_bundle_part *part = &b->parts[b->count];
    part->report.name = lyc_arena_text_n(&b->arena, name.text, name.length);
    if (part->report.name == NULL || !lyc_hashmap_put(names, name, part)) {
        return no_memory(err);
    }
    b->count++;
    *out = part;
    return LYC_OK;
}

static lyc_status add_tensor(lyc_bundling *b, lyc_hashmap *names, const lyc_tensor_view *tensor, lyc_error *err)
{
    lyc_span name, key;
    lyc_bundle_part *part;
    LYC_TRY(lyc_bundle_split(&name, &key, tensor->name, err));
    LYC_TRY(find_part(&part, b, names, name, err));
    lyc_bundle_tensor *added = lyc_arena_alloc(&b->arena, 1, sizeof *added);
    const char *text = key_in_file(&b->arena, key);
    if (added == NULL || text == NULL) {
        return no_memory(err);
    }
    *added = (lyc_bundle_tensor){.key = text, .view = *tensor, .next = part->first};
    part->first = added;
    part->report.tensors++;
    part->report.vectors = lyc_bundle_vectors(tensor);
    return LYC_OK;
}

static lyc_status read_bundle(lyc_bundling *b, const char *path, lyc_error *err)
{
    char brief[LYC_BRIEF];
    lyc_hashmap names = {0};
    LYC_TRY(lyc_bundle_open(&b->file, path, false, err));
    const size_t count = lyc_safetensors_count(b->file);
    b->parts = lyc_arena_alloc(&b->arena, count + 1, sizeof *b->parts);
    lyc_status status = b->parts != NULL ? LYC_OK : no_memory(err);
    for (size_t i = 0; i < count && status == LYC_OK; i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(b->file, i);
        if (!lyc_bundle_is_part(tensor.name)) {
            b->adapter_tensors++;
            continue;
        }
        status = add_tensor(b, &names, &tensor, err);
        if (status == LYC_E_FORMAT) {
            lyc_text_brief(brief, sizeof brief, lyc_span_of(tensor.name));
            status = lyc_wrap(err, "%s: '%s'", path, brief);
        }
    }
    lyc_hashmap_clear(&names);
    if (status == LYC_OK && b->count == 0) {
        status = lyc_fail(err, LYC_E_UNSUPPORTED,
                          "%s has no embeddings (" LYC_BUNDLE_PREFIX "NAME.KEY): it is no bundle", path);
    }
    return status;
}

/* --- names of files ------------------------------------------------------------------------------------------------
 */

/* "turtle-bundle-500" without "-bundle". */
static const char *adapter_name(lyc_arena *arena, const char *path)
{
    static const char word[] = "-bundle";
    lyc_span step, stem = lyc_bundle_stem(&step, path);
    const char *end = step.length > 0 ? step.text + step.length : stem.text + stem.length;
    const lyc_span rest = {stem.text + stem.length, (size_t)(end - stem.text) - stem.length};
    if (lyc_span_ends_with(stem, word) && stem.length > strlen(word)) {
        stem.length -= strlen(word);
    }
    return lyc_arena_format(arena, "%.*s%.*s.safetensors", (int)stem.length, stem.text, (int)rest.length, rest.text);
}

static const char *embedding_name(lyc_arena *arena, const char *name, const char *bundle, bool steps)
{
    lyc_span step;
    lyc_bundle_stem(&step, bundle);
    return steps && step.length > 0 ? lyc_arena_format(arena, "%s-%.*s.safetensors", name, (int)step.length, step.text)
                                    : lyc_arena_format(arena, "%s.safetensors", name);
}

/* Where each part goes; NULL for an adapter that is not there. */
static lyc_status choose_names(const char **adapter, const char **embeddings, lyc_bundling *b, const char *path,
                               bool steps, lyc_error *err)
{
    lyc_hashmap used = {0};
    *adapter = b->adapter_tensors > 0 ? adapter_name(&b->arena, path) : NULL;
    lyc_status status =
        b->adapter_tensors == 0 || (*adapter != NULL && lyc_hashmap_put(&used, lyc_span_of(*adapter), b))
            ? LYC_OK
            : no_memory(err);
    for (size_t i = 0; i < b->count && status == LYC_OK; i++) {
        embeddings[i] = embedding_name(&b->arena, b->parts[i].report.name, path, steps);
        if (embeddings[i] != NULL && lyc_hashmap_get(&used, lyc_span_of(embeddings[i])) != NULL) {
            status = lyc_fail(err, LYC_E_FORMAT, "%s: an embedding would be written over another part, to %s", path,
                              embeddings[i]);
        } else if (embeddings[i] == NULL || !lyc_hashmap_put(&used, lyc_span_of(embeddings[i]), b)) {
            status = no_memory(err);
        }
    }
    lyc_hashmap_clear(&used);
    return status;
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

static lyc_status plan_adapter(lyc_tensor_set *set, const lyc_bundling *b, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_count(b->file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(b->file, i);
        if (!lyc_bundle_is_part(tensor.name)) {
            LYC_TRY(lyc_tensor_set_add(set, tensor.name, &tensor, tensor.dtype, err));
        }
    }
    return lyc_tensor_set_copy_metadata(set, b->file, NULL, err);
}

static lyc_status write_adapter(const char *path, const lyc_bundling *b, const lyc_task *task, lyc_error *err)
{
    lyc_tensor_set set = {0};
    const lyc_safetensors *input = b->file;
    const lyc_safetensors_writer_options options = {.inputs = &input, .input_count = 1};
    lyc_status status = lyc_tensor_set_start(&set, true, err); /* bytes are copied, whatever they mean */
    status = status == LYC_OK ? plan_adapter(&set, b, err) : status;
    status = status == LYC_OK ? lyc_tensor_set_write(path, &set, &options, task, err) : status;
    lyc_tensor_set_clear(&set);
    return status;
}

static lyc_status copy_tensors(const char *path, lyc_safetensors_plan *plan, const lyc_safetensors *bundle,
                               const lyc_bundle_part *part, lyc_error *err)
{
    lyc_safetensors_writer *writer = NULL;
    LYC_TRY(lyc_safetensors_writer_open(&writer, plan, path, NULL, err));
    lyc_status status = LYC_OK;
    for (const lyc_bundle_tensor *t = part->first; t != NULL && status == LYC_OK; t = t->next) {
        status = lyc_safetensors_writer_copy(writer, t->key, bundle, &t->view, err);
    }
    status = status == LYC_OK ? lyc_safetensors_check(bundle, err) : status;
    status = status == LYC_OK ? lyc_safetensors_writer_commit(writer, err) : status;
    lyc_safetensors_writer_close(writer);
    return status;
}

/* An embedding is no adapter: its file has no hashes of one. */
static lyc_status write_embedding(const char *path, const lyc_bundling *b, const lyc_bundle_part *part, lyc_error *err)
{
    lyc_safetensors_plan *plan = NULL;
    LYC_TRY(lyc_safetensors_plan_new(&plan, err));
    lyc_status status = LYC_OK;
    for (const lyc_bundle_tensor *t = part->first; t != NULL && status == LYC_OK; t = t->next) {
        status = lyc_safetensors_plan_add(plan, t->key, t->view.dtype, &t->view.shape, err);
    }
    status = status == LYC_OK ? copy_tensors(path, plan, b->file, part, err) : status;
    lyc_safetensors_plan_free(plan);
    return status;
}

static lyc_status write_parts(lyc_output_files *files, const char *adapter, const char *const *embeddings,
                              const lyc_bundling *b, const lyc_task *task, lyc_error *err)
{
    const char *path;
    for (size_t i = 0; i < b->count; i++) {
        LYC_TRY(lyc_output_files_add(&path, files, embeddings[i], err));
        LYC_TRY(write_embedding(path, b, &b->parts[i], err));
    }
    if (adapter == NULL) {
        return LYC_OK;
    }
    LYC_TRY(lyc_output_files_add(&path, files, adapter, err));
    return write_adapter(path, b, task, err);
}

static lyc_status write_all(const char *folder, const char *bundle, const char *adapter, const char *const *embeddings,
                            const lyc_bundling *b, const lyc_unbundle_options *o, const lyc_task *task, lyc_error *err)
{
    lyc_output_files files;
    const lyc_tool_output_options options = {.force = o->force, .inputs = &bundle, .input_count = 1};
    lyc_status status = lyc_output_files_start(&files, folder, &options, err);
    status = status == LYC_OK ? write_parts(&files, adapter, embeddings, b, task, err) : status;
    status = status == LYC_OK ? lyc_output_files_commit(&files, err) : status;
    lyc_output_files_clear(&files);
    return status;
}

static lyc_status set_paths(lyc_bundling *b, const char *folder, const char *adapter, const char *const *embeddings,
                            lyc_error *err)
{
    for (size_t i = 0; i < b->count; i++) {
        b->parts[i].report.path = lyc_path_join(&b->arena, folder, lyc_span_of(embeddings[i]));
        if (b->parts[i].report.path == NULL) {
            return no_memory(err);
        }
    }
    b->adapter = adapter != NULL ? lyc_path_join(&b->arena, folder, lyc_span_of(adapter)) : NULL;
    return adapter != NULL && b->adapter == NULL ? no_memory(err) : LYC_OK;
}

static lyc_status unbundle(lyc_bundling *b, const char *folder, const char *bundle, const lyc_unbundle_options *o,
                           const lyc_task *task, lyc_error *err)
{
    const char *adapter;
    LYC_TRY(read_bundle(b, bundle, err));
    const char **embeddings = lyc_arena_alloc(&b->arena, b->count + 1, sizeof *embeddings);
    if (embeddings == NULL) {
        return no_memory(err);
    }
    LYC_TRY(choose_names(&adapter, embeddings, b, bundle, o->steps, err));
    LYC_TRY(set_paths(b, folder, adapter, embeddings, err));
    return o->dry_run ? LYC_OK : write_all(folder, bundle, adapter, embeddings, b, o, task, err);
}

lyc_status lyc_unbundle(lyc_bundling **out, const char *folder, const char *bundle, const lyc_unbundle_options *options,
                        const lyc_task *task, lyc_error *err)
{
    lyc_bundling *b;
    *out = NULL;
    LYC_TRY(lyc_bundling_new(&b, err));
    const lyc_status status = unbundle(b, folder, bundle, options, task, err);
    if (status != LYC_OK) {
        lyc_bundling_free(b);
        return status;
    }
    *out = b;
    return LYC_OK;
}
