/* output_files.h - several files that a tool writes, which appear together or not at all
 *
 *     lyc_output_files files;
 *     LYC_TRY(lyc_output_files_start(&files, folder, options, err));
 *     lyc_output_files_add(&path, &files, "name.safetensors", err);     for each: where to write it for now
 *     lyc_output_files_commit(&files, err);
 *     lyc_output_files_clear(&files);                                   removes what was not committed
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_OUTPUT_FILES_H
#define LYC_TOOL_OUTPUT_FILES_H

#include "base/arena.h"
#include "tool/output.h"

/* A file as it is written, and the place where it belongs. */
typedef struct lyc_output_file {
    const char *temporary, *path;
    struct lyc_output_file *next;
} lyc_output_file;

typedef struct lyc_output_files {
    const char *folder;
    const lyc_tool_output_options *options; /* path means nothing here */
    const char *temporary;                  /* folder; NULL: none was made */
    bool made_folder;                       /* there was none */
    lyc_output_file *first, **last;
    size_t count;
    lyc_arena arena;
} lyc_output_files;

/* folder: "" for the working one; made when there is none. The options must stay. LYC_E_OUTPUT. */
lyc_status lyc_output_files_start(lyc_output_files *files, const char *folder, const lyc_tool_output_options *options,
                                  lyc_error *err);

/* A file of the folder, which must be able to be written there (lyc_tool_output_check). Names are checked by the
 * caller, and differ. *temporary stays until the files are cleared. */
lyc_status lyc_output_files_add(const char **temporary, lyc_output_files *files, const char *name, lyc_error *err);

/* Puts all files, which are written by now, in their places. When that fails none of them is there, but for those that
 * replaced others (force). */
lyc_status lyc_output_files_commit(lyc_output_files *files, lyc_error *err);
void lyc_output_files_clear(lyc_output_files *files);

#endif
