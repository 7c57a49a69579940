/* append_file.h - files that grow while something runs: logs
 *
 * Unlike other outputs they are in their place from the start, and what was flushed stays whatever happens.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_APPEND_FILE_H
#define LYC_BASE_APPEND_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct lyc_append_file lyc_append_file;

/* Opens a file behind its end; makes it when it is not there. LYC_E_OUTPUT. */
lyc_status lyc_append_file_open(lyc_append_file **out, const char *path, lyc_error *err);

/* Gathers, and writes when there is enough. */
lyc_status lyc_append_file_write(lyc_append_file *file, const void *data, size_t size, lyc_error *err);
lyc_status lyc_append_file_flush(lyc_append_file *file, lyc_error *err);

/* Bytes, with those that are only gathered. */
uint64_t lyc_append_file_size(const lyc_append_file *file);

/* Cuts the file; size is at most what it has. */
lyc_status lyc_append_file_cut(lyc_append_file *file, uint64_t size, lyc_error *err);

/* Flushes as far as it can. */
void lyc_append_file_close(lyc_append_file *file);

#endif
