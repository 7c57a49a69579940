/* tensor_set.h - the tensors of a file that a tool is going to write: copied ones and made ones
 *
 * Data is borrowed and must stay until the file is written; its type is changed to the file's on the way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_TENSOR_SET_H
#define LYC_TOOL_TENSOR_SET_H

#include "base/arena.h"
#include "base/hashmap.h"
#include "lycoris/safetensors.h"
#include "lycoris/task.h"

typedef struct lyc_tensor_set {
    lyc_safetensors_plan *plan; /* metadata is set there */
    bool allow_overflow;        /* numbers may become infinite */
    lyc_hashmap tensors;        /* by name: lyc_tensor_source */
    lyc_arena arena;
    void *narrow; /* a tensor in the file's type */
    size_t narrow_size;
    void *made; /* a tensor that was made when it was asked for */
    size_t made_size;

    const lyc_safetensors_writer_options *options; /* while it is written */
    size_t written;
} lyc_tensor_set;

lyc_status lyc_tensor_set_start(lyc_tensor_set *set, bool allow_overflow, lyc_error *err);
void lyc_tensor_set_clear(lyc_tensor_set *set);

/* A tensor with the data, type and shape of `data`, stored as dtype where both are floats. */
lyc_status lyc_tensor_set_add(lyc_tensor_set *set, const char *name, const lyc_tensor_view *data, lyc_dtype dtype,
                              lyc_error *err);

/* The first columns of a matrix [rows,columns..], bit for bit. */
lyc_status lyc_tensor_set_add_columns(lyc_tensor_set *set, const char *name, const lyc_tensor_view *matrix,
                                      int64_t columns, lyc_error *err);

/* Made numbers. */
lyc_status lyc_tensor_set_add_f32(lyc_tensor_set *set, const char *name, const float *data, const lyc_shape *shape,
                                  lyc_dtype dtype, lyc_error *err);

/* Numbers that are made when they are written: out [elements of the shape]. context must stay. */
typedef lyc_status (*lyc_tensor_maker)(void *context, float *out, lyc_error *err);
lyc_status lyc_tensor_set_add_made(lyc_tensor_set *set, const char *name, lyc_tensor_maker make, void *context,
                                   const lyc_shape *shape, lyc_dtype dtype, lyc_error *err);

/* One number, which is copied; shape may be that of a scalar or have one element. */
lyc_status lyc_tensor_set_add_number(lyc_tensor_set *set, const char *name, double value, const lyc_shape *shape,
                                     lyc_dtype dtype, lyc_error *err);

/* Takes over the metadata of a file but for hashes, and for the keys of a NULL-terminated list. */
lyc_status lyc_tensor_set_copy_metadata(lyc_tensor_set *set, const lyc_safetensors *file, const char *const *without,
                                        lyc_error *err);

/* Bytes of all tensors, for a look at the room there is. */
uint64_t lyc_tensor_set_bytes(const lyc_tensor_set *set);

/* Writes the file, with the hashes of sd-scripts; the inputs are looked at again before it is put in its place.
 * LYC_E_NUMERIC: a number is not finite, or too large for its type; nothing is left then. */
lyc_status lyc_tensor_set_write(const char *path, lyc_tensor_set *set, const lyc_safetensors_writer_options *options,
                                const lyc_task *task, lyc_error *err);

#endif
