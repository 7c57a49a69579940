/* file_writer.h - outputs that appear whole or not at all
 *
 * An output is written to `<name>.tmp-<process>` in the same folder, synchronised, and renamed to its name; the folder
 * is synchronised as well. Until the rename the old file is untouched; a failure or an abort removes the temporary
 * file. One that a killed process left behind is removed when the same output is written again.
 *
 *     lyc_file_writer *writer = NULL;
 *     LYC_TRY(lyc_file_writer_open(&writer, path, &options, err));
 *     lyc_status status = lyc_file_writer_append(writer, data, size, err);
 *     if (status == LYC_OK)
 *         status = lyc_file_writer_commit(writer, err);
 *     lyc_file_writer_close(writer);                          also removes what was not committed
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_FILE_WRITER_H
#define LYC_BASE_FILE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "lycoris/file.h"

typedef struct lyc_file_writer lyc_file_writer;

typedef struct lyc_file_writer_options {
    bool force;                /* replace a file that exists */
    uint64_t size_bytes;       /* of the finished file, so that a full disk is found at once; 0: not known */
    const lyc_file_id *inputs; /* files that must not be replaced, even with force */
    size_t input_count;
} lyc_file_writer_options;

/* options may be NULL. LYC_E_OUTPUT names the path and the reason: it exists (without force), it is an input, a link or
 * no regular file, the folder cannot be written, there is not enough space. */
lyc_status lyc_file_writer_open(lyc_file_writer **out, const char *path, const lyc_file_writer_options *options,
                                lyc_error *err);

/* Whether an output could be opened so, as far as that can be told without making anything: permissions and free space
 * may change until then. */
lyc_status lyc_file_writer_check(const char *path, const lyc_file_writer_options *options, lyc_error *err);

/* Writes behind what was appended before. Small pieces are gathered. */
lyc_status lyc_file_writer_append(lyc_file_writer *writer, const void *data, size_t size, lyc_error *err);

/* Appends a range of a mapping, inside the system where that is faster. LYC_E_IO when the input lost it. */
lyc_status lyc_file_writer_append_map(lyc_file_writer *writer, const lyc_file_map *map, size_t offset, size_t size,
                                      lyc_error *err);

/* Writes at any place, without moving the place where appending goes on. Several threads may write ranges that do not
 * overlap. */
lyc_status lyc_file_writer_write_at(lyc_file_writer *writer, uint64_t offset, const void *data, size_t size,
                                    lyc_error *err);

/* Copies a range of a mapping to any place, like lyc_file_writer_write_at. */
lyc_status lyc_file_writer_copy_at(lyc_file_writer *writer, uint64_t place, const lyc_file_map *map, size_t offset,
                                   size_t size, lyc_error *err);

/* Writes over what was appended before, [offset,offset+size). One thread at a time. */
lyc_status lyc_file_writer_rewrite(lyc_file_writer *writer, uint64_t offset, const void *data, size_t size,
                                   lyc_error *err);

/* Bytes appended so far. */
uint64_t lyc_file_writer_position(const lyc_file_writer *writer);

/* Puts the file in its place. When this fails the old file is as it was, with one exception, which the message tells:
 * the folder could not be synchronised after the rename. */
lyc_status lyc_file_writer_commit(lyc_file_writer *writer, lyc_error *err);

/* Releases the writer; an output that was not committed is removed. */
void lyc_file_writer_close(lyc_file_writer *writer);

#endif
