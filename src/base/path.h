/* path.h - file names that strangers chose
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_PATH_H
#define LYC_BASE_PATH_H

#include "base/arena.h"
#include "base/error.h"
#include "base/string.h"

/* Accepts the name of a file in a known folder as an index or a bundle may give it: UTF-8 of at most 255 bytes without
 * '/', '\', NUL and control characters, neither "." nor "..". LYC_E_FORMAT says what is wrong with another. */
lyc_status lyc_path_check_name(lyc_span name, lyc_error *err);

/* LYC_E_FORMAT when the file `path`, all links followed, is not below the folder, all links followed; LYC_E_IO when one
 * of them does not exist. */
lyc_status lyc_path_check_inside(const char *folder, const char *path, lyc_error *err);

/* "folder/name" in the arena, "name" when folder is empty; NULL when there is no memory. */
char *lyc_path_join(lyc_arena *arena, const char *folder, lyc_span name);

/* Makes a folder where there is none; the folder around it must exist. LYC_E_OUTPUT. */
lyc_status lyc_path_make_folder(const char *path, lyc_error *err);

/* The part behind the last '/', and the part before it: "" when there is none, "/" for the root. */
lyc_span lyc_path_name(const char *path);
lyc_span lyc_path_folder(const char *path);

#endif
