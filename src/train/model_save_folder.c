/* model_save_folder.c - a folder of diffusers with the weights that were trained
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/path.h"
#include "train/model_save.h"

typedef struct saving {
    const char *source, *target; /* folders */
    const lyc_train_model *model;
    const lyc_trainables *trained;
    const lyc_model_save_options *options;
    const char *relative; /* folder that is visited, below both; "" at first */
    lyc_arena arena;
} saving;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for saving a model");
}

/* Whether a component is trained: its first tensor is. */
static bool is_trained(const saving *s, const lyc_component *component)
{
    const char *name = lyc_component_kind_name(lyc_component_kind_of(component));
    return lyc_component_count(component) > 0 &&
           lyc_trainables_find(s->trained, name, lyc_component_at(component, 0).name) != NULL;
}

/* The file of trained tensors that this is, as the component names it; NULL: none. */
static const char *trained_file(const saving *s, const char *path)
{
    lyc_file_id id, other;
    const char *seen = NULL;
    if (lyc_file_id_of(&id, path, NULL) != LYC_OK) {
        return NULL;
    }
    for (size_t i = 0; i < s->model->part_count; i++) {
        const lyc_component *component = s->model->parts[i].weights;
        for (size_t k = 0; is_trained(s, component) && k < lyc_component_count(component); k++) {
            const char *file = lyc_component_at(component, k).file;
            if (file != seen && lyc_file_id_of(&other, file, NULL) == LYC_OK && lyc_file_id_equal(id, other)) {
                return file;
            }
            seen = file;
        }
    }
    return NULL;
}

/* Whether something in this folder is trained. */
static bool is_trained_folder(const saving *s)
{
    for (size_t i = 0; i < s->model->part_count; i++) {
        const lyc_component *component = s->model->parts[i].weights;
        if (is_trained(s, component) &&
            strcmp(s->relative, lyc_component_kind_name(lyc_component_kind_of(component))) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_weights(lyc_span name)
{
    static const char *const ends[] = {".safetensors", ".bin", ".msgpack", ".ckpt", ".pt", ".pth", ".onnx"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (lyc_span_ends_with(name, ends[i])) {
            return true;
        }
    }
    return false;
}

static lyc_status visit(void *context, const char *name, bool is_folder, lyc_error *err);

static lyc_status visit_folder(saving *s, const char *name, lyc_error *err)
{
    const char *around = s->relative;
    s->relative = lyc_path_join(&s->arena, around, lyc_span_of(name));
    const char *folder = s->relative != NULL ? lyc_path_join(&s->arena, s->source, lyc_span_of(s->relative)) : NULL;
    const lyc_status status = folder != NULL ? lyc_folder_list(folder, visit, s, err) : no_memory(err);
    s->relative = around;
    return status;
}

static lyc_status visit(void *context, const char *name, bool is_folder, lyc_error *err)
{
    saving *s = context;
    if (is_folder) {
        return visit_folder(s, name, err);
    }
    const char *relative = lyc_path_join(&s->arena, s->relative, lyc_span_of(name));
    const char *from = relative != NULL ? lyc_path_join(&s->arena, s->source, lyc_span_of(relative)) : NULL;
    const char *to = relative != NULL ? lyc_path_join(&s->arena, s->target, lyc_span_of(relative)) : NULL;
    if (from == NULL || to == NULL) {
        return no_memory(err);
    }
    const char *file = trained_file(s, from);
    if (file == NULL && is_weights(lyc_span_of(name)) && is_trained_folder(s)) {
        return LYC_OK;
    }
    LYC_TRY(lyc_folder_make_for(s->target, relative, err));
    return file != NULL ? lyc_model_save(to, file, s->model, s->trained, s->options, err)
                        : lyc_file_copy(from, to, err);
}

lyc_status lyc_model_save_folder(const char *path, const char *source, const lyc_train_model *model,
                                 const lyc_trainables *trained, const lyc_model_save_options *options, lyc_error *err)
{
    char temporary[4096];
    saving s = {
        .source = source, .target = temporary, .model = model, .trained = trained, .options = options, .relative = ""};
    LYC_TRY(lyc_folder_temporary(temporary, sizeof temporary, path, err));
    lyc_status status = lyc_folder_list(source, visit, &s, err);
    if (status == LYC_OK && options->force) {
        lyc_folder_remove_all(path);
    }
    status = status == LYC_OK ? lyc_folder_rename(temporary, path, err) : status;
    if (status != LYC_OK) {
        lyc_folder_remove_all(temporary);
    }
    lyc_arena_clear(&s.arena);
    return status;
}
