/* file.h - reading files: mapped, or whole
 *
 * A mapping can lose its ground: when another process shortens the file (or the disk fails), touching the lost pages
 * raises SIGBUS, and a page changed in place simply reads differently. Weights are borrowed from mappings by many
 * threads for hours, so no copy can be guarded one by one. Instead a handler, installed with the first mapping, puts
 * zero pages under a mapping that lost its own and marks the mapping as damaged: the thread goes on, and whoever uses
 * the data asks lyc_file_map_check before trusting the result. Faults elsewhere go to the handler that was there
 * before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_FILE_H
#define LYC_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/string.h"

/* Tells files apart whatever their names are. */
typedef struct lyc_file_id {
    uint64_t device;
    uint64_t inode;
} lyc_file_id;

typedef struct lyc_file_map lyc_file_map;

typedef enum lyc_file_advice {
    LYC_FILE_SEQUENTIAL, /* will be read once from start to end */
    LYC_FILE_NEEDED,     /* will be read soon */
    LYC_FILE_DONE        /* not needed for now: whole pages leave this process, and come back when they are read */
} lyc_file_advice;

/* Maps a regular file for reading. LYC_E_IO names the path and says why not: missing, a folder, a pipe, ... An empty
 * file has size 0 and data that must not be read. */
lyc_status lyc_file_map_open(lyc_file_map **out, const char *path, lyc_error *err);
void lyc_file_map_close(lyc_file_map *map);

const unsigned char *lyc_file_map_data(const lyc_file_map *map);
size_t lyc_file_map_size(const lyc_file_map *map);
const char *lyc_file_map_path(const lyc_file_map *map); /* as given */
lyc_file_id lyc_file_map_id(const lyc_file_map *map);
int lyc_file_map_descriptor(const lyc_file_map *map);

/* Copies bytes out of the mapping; LYC_E_IO when the file does not have them any more. The range must lie in it. */
lyc_status lyc_file_map_copy(void *dst, const lyc_file_map *map, size_t offset, size_t size, lyc_error *err);

/* Whether pages were lost so far; a few instructions. */
bool lyc_file_map_is_damaged(const lyc_file_map *map);

/* LYC_E_IO when data was lost, or when size or modification time are not what they were at opening. To be called after
 * the data was used and before the result is kept. */
lyc_status lyc_file_map_check(const lyc_file_map *map, lyc_error *err);

/* A hint; never fails. */
void lyc_file_map_advise(const lyc_file_map *map, size_t offset, size_t size, lyc_file_advice advice);

/* Appends the contents of a file of at most max_bytes; a pipe will do, a folder will not. */
lyc_status lyc_file_read(lyc_strbuf *out, const char *path, size_t max_bytes, lyc_error *err);

/* Which file a path is, links followed; LYC_E_IO when there is none. */
lyc_status lyc_file_id_of(lyc_file_id *id, const char *path, lyc_error *err);
bool lyc_file_id_equal(lyc_file_id a, lyc_file_id b);

/* lyc_fail with ": " and the system's description of an errno behind the text. */
lyc_status lyc_fail_errno(lyc_error *err, lyc_status status, int error, const char *format, ...) LYC_PRINTF(4, 5);

#endif
