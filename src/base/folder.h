/* folder.h - what is in a folder
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_FOLDER_H
#define LYC_BASE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Removes a file; nothing when there is none. */
lyc_status lyc_file_remove(const char *path, lyc_error *err);

/* Removes a folder if it is empty; with all that is in it. Nothing where there is none. */
void lyc_folder_remove_empty(const char *path);
void lyc_folder_remove_all(const char *path);

/* Copies a file; LYC_E_OUTPUT: there is one of the new name. */
lyc_status lyc_file_copy(const char *from, const char *to, lyc_error *err);

/* Makes the folders below `folder` that a relative path names: "a", "a/b" for "a/b/c". */
lyc_status lyc_folder_make_for(const char *folder, const char *relative, lyc_error *err);

/* Makes an empty folder `<output>.tmp-<process>` beside an output that is a folder, in which it is built, and gives it
 * the output's name, which must be free. */
lyc_status lyc_folder_temporary(char *out, size_t size, const char *output, lyc_error *err);
lyc_status lyc_folder_rename(const char *from, const char *to, lyc_error *err);

/* Gives files other names in a folder of the same file system, all or none: what has such a name is replaced with
 * `force` alone, and does not come back when a later one fails. The folder is synchronised; that this fails is an error
 * whose message says that the files are there. LYC_E_OUTPUT. */
typedef struct lyc_file_names {
    const char *from, *to;
} lyc_file_names;
lyc_status lyc_files_move(const char *folder, const lyc_file_names *names, size_t count, bool force, lyc_error *err);

/* Names of the files and folders in a folder, but "." and "..", in byte order; visit returns an error to end.
 * LYC_E_IO. */
typedef lyc_status (*lyc_folder_visitor)(void *context, const char *name, bool is_folder, lyc_error *err);
lyc_status lyc_folder_list(const char *folder, lyc_folder_visitor visit, void *context, lyc_error *err);

#endif
