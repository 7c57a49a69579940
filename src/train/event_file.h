/* event_file.h - the event files that TensorBoard shows
 *
 * Records of protocol buffers: length, its checksum, bytes, their checksum (tensorboard/compat/proto: event.proto,
 * summary.proto). A run that goes on writes another file into the same folder, which begins with a session start at the
 * step of the resume: what earlier files have behind it is then not shown. The name has no host and no user.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_EVENT_FILE_H
#define LYC_TRAIN_EVENT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct lyc_event_file lyc_event_file;

/* Makes the folder and a file in it. time: seconds since 1970; resumed_at: the step of a resume, -1: a new run. */
lyc_status lyc_event_file_open(lyc_event_file **out, const char *folder, double time, int64_t resumed_at,
                               lyc_error *err);

/* A number under a tag ("loss/average"). */
lyc_status lyc_event_file_scalar(lyc_event_file *file, double time, int64_t step, const char *tag, double value,
                                 lyc_error *err);

/* A picture: the bytes of a PNG of RGB. */
lyc_status lyc_event_file_image(lyc_event_file *file, double time, int64_t step, const char *tag, const void *png,
                                size_t size, int width, int height, lyc_error *err);

lyc_status lyc_event_file_flush(lyc_event_file *file, lyc_error *err);
void lyc_event_file_close(lyc_event_file *file);

/* CRC-32C (Castagnoli), for tests. */
uint32_t lyc_event_crc32c(const void *data, size_t size);

#endif
