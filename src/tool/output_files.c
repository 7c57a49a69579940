/* output_files.c - several files that a tool writes, which appear together or not at all
 *
 * They are written in a folder of their own, on the same file system, and renamed when all are complete.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/output_files.h"

#include <stdio.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/path.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the names of outputs");
}

static lyc_status make_folder(lyc_output_files *files, lyc_error *err)
{
    lyc_file_id id;
    if (files->folder[0] == '\0' || lyc_file_id_of(&id, files->folder, NULL) == LYC_OK) {
        return LYC_OK;
    }
    LYC_TRY(lyc_path_make_folder(files->folder, err));
    files->made_folder = true;
    return LYC_OK;
}

lyc_status lyc_output_files_start(lyc_output_files *files, const char *folder, const lyc_tool_output_options *options,
                                  lyc_error *err)
{
    *files = (lyc_output_files){.options = options};
    files->last = &files->first;
    files->folder = lyc_arena_text(&files->arena, folder);
    return files->folder == NULL ? no_memory(err) : make_folder(files, err);
}

static lyc_status make_temporary(lyc_output_files *files, lyc_error *err)
{
    char text[4096];
    const char *path = lyc_path_join(&files->arena, files->folder, lyc_span_of("lycoris"));
    if (path == NULL) {
        return no_memory(err);
    }
    LYC_TRY(lyc_folder_temporary(text, sizeof text, path, err));
    files->temporary = lyc_arena_text(&files->arena, text);
    if (files->temporary == NULL) {
        lyc_folder_remove_empty(text);
        return no_memory(err);
    }
    return LYC_OK;
}

lyc_status lyc_output_files_add(const char **temporary, lyc_output_files *files, const char *name, lyc_error *err)
{
    lyc_output_file *file = lyc_arena_alloc(&files->arena, 1, sizeof *file);
    const char *path = lyc_path_join(&files->arena, files->folder, lyc_span_of(name));
    if (file == NULL || path == NULL) {
        return no_memory(err);
    }
    lyc_tool_output_options options = *files->options;
    options.path = path;
    LYC_TRY(lyc_tool_output_check(&options, 0, err));
    if (files->temporary == NULL) {
        LYC_TRY(make_temporary(files, err));
    }
    *file =
        (lyc_output_file){.temporary = lyc_path_join(&files->arena, files->temporary, lyc_span_of(name)), .path = path};
    if (file->temporary == NULL) {
        return no_memory(err);
    }
    *files->last = file;
    files->last = &file->next;
    files->count++;
    *temporary = file->temporary;
    return LYC_OK;
}

lyc_status lyc_output_files_commit(lyc_output_files *files, lyc_error *err)
{
    size_t count = 0;
    lyc_file_names *names = lyc_arena_alloc(&files->arena, files->count, sizeof *names);
    if (names == NULL) {
        return no_memory(err);
    }
    for (const lyc_output_file *f = files->first; f != NULL; f = f->next) {
        names[count++] = (lyc_file_names){f->temporary, f->path};
    }
    const char *folder = files->folder[0] != '\0' ? files->folder : ".";
    const lyc_status status = lyc_files_move(folder, names, count, files->options->force, err);
    files->made_folder &= status != LYC_OK; /* removing it fails anyhow when something is in it */
    return status;
}

void lyc_output_files_clear(lyc_output_files *files)
{
    if (files->temporary != NULL) {
        lyc_folder_remove_all(files->temporary);
    }
    if (files->made_folder) {
        lyc_folder_remove_empty(files->folder);
    }
    lyc_arena_clear(&files->arena);
}
