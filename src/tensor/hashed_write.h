/* hashed_write.h - a safetensors file with the hashes of sd-scripts in its metadata
 *
 * The hashes stand in the header, in front of the data that they are of: they are filled in before the file appears, so
 * that every tensor is made once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_HASHED_WRITE_H
#define LYC_TENSOR_HASHED_WRITE_H

#include "lycoris/safetensors.h"
#include "lycoris/task.h"

/* The bytes of a tensor of the plan, which stay until the next call. Called once for each, in the order of the file. */
typedef lyc_status (*lyc_tensor_producer)(void *context, const void **data, const lyc_tensor_view *tensor,
                                          lyc_error *err);

/* Adds both hashes to the plan's metadata and writes the file. Progress is in bytes of the file, under `label`; task
 * may be NULL, and options as well. Errors are those of the writer and of the producer; nothing is left then. */
lyc_status lyc_hashed_write(const char *path, lyc_safetensors_plan *plan, const lyc_safetensors_writer_options *options,
                            lyc_tensor_producer produce, void *context, const char *label, const lyc_task *task,
                            lyc_error *err);

#endif
