/* base_files.c - the files of a base model: one, shards, or a diffusers folder
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/string.h"
#include "tool/base_model_internal.h"

static const char *const networks[] = {"unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3"};
enum { NETWORKS = sizeof networks / sizeof networks[0] };

static lyc_status no_memory(const lyc_base_model *model, lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", model->path);
}

static lyc_status add_other(lyc_base_model *model, const char *relative, lyc_error *err)
{
    if (model->other_count == model->other_capacity) {
        const size_t capacity = model->other_capacity == 0 ? 64 : 2 * model->other_capacity;
        const char **others = lyc_realloc(model->others, capacity * sizeof *others); /* fits: names are in memory */
        if (others == NULL) {
            return no_memory(model, err);
        }
        model->others = others;
        model->other_capacity = capacity;
    }
    model->others[model->other_count++] = relative;
    return relative != NULL ? LYC_OK : no_memory(model, err);
}

static lyc_status add_unit(lyc_base_model *model, const char *path, const char *component, lyc_error *err)
{
    if (model->unit_count == LYC_BASE_UNITS) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s has more than %d sets of weights", model->path, LYC_BASE_UNITS);
    }
    lyc_base_unit *unit = &model->units[model->unit_count];
    LYC_TRY(lyc_source_open(&unit->source, path, err));
    unit->component = component;
    unit->first_file = model->file_count;
    model->file_count += lyc_source_file_count(unit->source);
    model->unit_count++;
    return LYC_OK;
}

/* --- a folder ------------------------------------------------------------------------------------------------------
 */

/* A walk through a folder; prefix ends with '/' or is empty. */
typedef struct walk {
    lyc_base_model *model;
    const char *folder, *prefix;
    const char *component; /* of a network's folder; NULL: another folder, whose files are copied */
    bool indices;          /* the indices of shards are looked for; else the files */
    int depth;
} walk;

enum { DEPTH = 8 };

static bool is_index(const char *name)
{
    return strstr(name, ".safetensors.index") != NULL && lyc_span_ends_with(lyc_span_of(name), ".json");
}

/* Whether a file is open as a shard already. */
static bool is_shard(const lyc_base_model *model, const char *path)
{
    for (size_t u = 0; u < model->unit_count; u++) {
        for (size_t i = 0; i < lyc_source_file_count(model->units[u].source); i++) {
            if (strcmp(lyc_source_file_at(model->units[u].source, i)->path, path) == 0) {
                return true;
            }
        }
    }
    return false;
}

static lyc_status walk_folder(const walk *outer, const char *name, lyc_error *err);

/* lyc_folder_visitor */
static lyc_status visit(void *context, const char *name, bool is_folder, lyc_error *err)
{
    const walk *w = context;
    lyc_base_model *model = w->model;
    if (is_folder) {
        return w->indices ? LYC_OK : walk_folder(w, name, err);
    }
    const char *path = lyc_path_join(&model->arena, w->folder, lyc_span_of(name));
    const char *relative = lyc_arena_format(&model->arena, "%s%s", w->prefix, name);
    if (path == NULL || relative == NULL) {
        return no_memory(model, err);
    }
    if (w->indices) {
        return is_index(name) ? add_unit(model, path, w->component, err) : LYC_OK;
    }
    if (w->component != NULL && lyc_span_ends_with(lyc_span_of(name), ".safetensors")) {
        return is_shard(model, path) ? LYC_OK : add_unit(model, path, w->component, err);
    }
    return add_other(model, relative, err);
}

static lyc_status walk_in(walk *w, lyc_error *err)
{
    if (w->component != NULL) {
        w->indices = true;
        LYC_TRY(lyc_folder_list(w->folder, visit, w, err));
        w->indices = false;
    }
    return lyc_folder_list(w->folder, visit, w, err);
}

static lyc_status walk_folder(const walk *outer, const char *name, lyc_error *err)
{
    walk w = {.model = outer->model, .depth = outer->depth + 1};
    if (w.depth > DEPTH) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s has folders in more than %d levels", w.model->path, DEPTH);
    }
    for (size_t i = 0; i < NETWORKS && outer->depth == 0; i++) {
        w.component = strcmp(networks[i], name) == 0 ? networks[i] : w.component;
    }
    w.folder = lyc_path_join(&w.model->arena, outer->folder, lyc_span_of(name));
    w.prefix = lyc_arena_format(&w.model->arena, "%s%s/", outer->prefix, name);
    return w.folder != NULL && w.prefix != NULL ? walk_in(&w, err) : no_memory(w.model, err);
}

/* What is at the top is read first and so is copied last. */
static void top_last(lyc_base_model *model)
{
    size_t kept = 0;
    for (int top = 0; top < 2; top++) {
        for (size_t i = kept; i < model->other_count; i++) {
            if ((strchr(model->others[i], '/') == NULL) == (top != 0)) {
                const char *other = model->others[i];
                memmove(&model->others[kept + 1], &model->others[kept], (i - kept) * sizeof *model->others);
                model->others[kept++] = other;
            }
        }
    }
}

static lyc_status open_folder(lyc_base_model *model, lyc_error *err)
{
    walk w = {.model = model, .folder = model->path, .prefix = ""};
    LYC_TRY(walk_in(&w, err));
    if (model->unit_count == 0) {
        return lyc_fail(err, LYC_E_FORMAT,
                        "%s is a folder without safetensors files in unet, transformer or text_encoder: no model",
                        model->path);
    }
    top_last(model);
    return LYC_OK;
}

/* --- all -----------------------------------------------------------------------------------------------------------
 */

static const char *relative_to(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    const lyc_span name = lyc_path_name(path);
    if (strncmp(path, folder, length) == 0 && path[length] == '/') {
        return path + length + 1;
    }
    return name.text;
}

static lyc_status list_files(lyc_base_model *model, lyc_error *err)
{
    model->files = lyc_arena_alloc(&model->arena, model->file_count + 1, sizeof *model->files);
    if (model->files == NULL) {
        return no_memory(model, err);
    }
    lyc_base_file *file = model->files;
    for (size_t u = 0; u < model->unit_count; u++) {
        for (size_t i = 0; i < lyc_source_file_count(model->units[u].source); i++) {
            const lyc_source_file *from = lyc_source_file_at(model->units[u].source, i);
            *file++ = (lyc_base_file){.path = from->path,
                                      .relative = relative_to(from->path, model->is_folder ? model->path : "\n"),
                                      .tensors = from->tensors,
                                      .unit = u};
        }
    }
    return LYC_OK;
}

lyc_status lyc_base_model_open_files(lyc_base_model *model, lyc_error *err)
{
    char *path = lyc_arena_text(&model->arena, model->path);
    const char *as_folder = lyc_arena_format(&model->arena, "%s/.", model->path);
    if (path == NULL || as_folder == NULL) {
        return no_memory(model, err);
    }
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--) {
        path[n - 1] = '\0';
    }
    model->path = path;
    model->is_folder = lyc_path_exists(as_folder);
    if (model->is_folder) {
        LYC_TRY(open_folder(model, err));
    } else {
        LYC_TRY(add_unit(model, path, NULL, err));
        if (is_index(path)) {
            LYC_TRY(add_other(model, lyc_path_name(path).text, err));
        }
    }
    return list_files(model, err);
}
