/* safetensors.h - reading and writing safetensors files
 *
 *     [8 bytes: n, little-endian] [n bytes: JSON object] [data]
 *     "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ... , "__metadata__": {"key": "value"}
 *
 * Files come from strangers: everything that a file says is checked when it is opened, and an error names the byte
 * where it is wrong. Data is borrowed from the mapped file and need not be aligned.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_SAFETENSORS_H
#define LYCORIS_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_safetensors lyc_safetensors;

/* Limits of this implementation, beside LYC_MAX_RANK. A file beyond them is refused with a message. */
enum {
    LYC_SAFETENSORS_MAX_HEADER = 100000000, /* bytes; the reference library's */
    LYC_SAFETENSORS_MAX_TENSORS = 1 << 20,
    LYC_SAFETENSORS_MAX_METADATA = 1 << 16,
    LYC_SAFETENSORS_MAX_DEPTH = 4 /* of nested objects and arrays in the header */
};

typedef struct lyc_safetensors_options {
    bool lenient; /* accept bytes behind the last tensor */
} lyc_safetensors_options;

/* One tensor, borrowed from its file. */
typedef struct lyc_tensor_view {
    const char *name; /* UTF-8 without control characters */
    lyc_dtype dtype;
    lyc_shape shape;
    const void *data; /* size_bytes bytes, dense, row-major, little-endian, not aligned */
    size_t size_bytes;
    uint64_t file_offset; /* of data in the file */
} lyc_tensor_view;

/* Opens and checks a file; options may be NULL. LYC_E_IO: it cannot be read, LYC_E_FORMAT: it is no valid file. */
LYC_API lyc_status lyc_safetensors_open(lyc_safetensors **out, const char *path, const lyc_safetensors_options *options,
                                        lyc_error *err);

/* The same with a file in memory, which is borrowed until the file is closed. */
LYC_API lyc_status lyc_safetensors_open_memory(lyc_safetensors **out, const void *data, size_t size,
                                               const lyc_safetensors_options *options, lyc_error *err);

LYC_API void lyc_safetensors_close(lyc_safetensors *file);

/* Number of tensors, and the one at an index below it. The order is that of the data in the file. */
LYC_API size_t lyc_safetensors_count(const lyc_safetensors *file);
LYC_API lyc_tensor_view lyc_safetensors_tensor(const lyc_safetensors *file, size_t index);

/* The tensor of a name; false, *out unchanged, when there is none. */
LYC_API bool lyc_safetensors_find(lyc_tensor_view *out, const lyc_safetensors *file, const char *name);

/* Copies a tensor's bytes; LYC_E_IO when the file lost them after it was opened. */
LYC_API lyc_status lyc_safetensors_read(void *dst, const lyc_safetensors *file, const lyc_tensor_view *tensor,
                                        lyc_error *err);

/* LYC_E_IO when the file was changed after it was opened: what was made from borrowed data is then worthless. Reading
 * itself never crashes: lost bytes read as zero. */
LYC_API lyc_status lyc_safetensors_check(const lyc_safetensors *file, lyc_error *err);

/* The text of a metadata key, borrowed; NULL when there is none. */
LYC_API const char *lyc_safetensors_metadata(const lyc_safetensors *file, const char *key);

/* All of the metadata, in the order of the header. Texts are UTF-8 and NUL-terminated, and may have NUL inside. */
typedef struct lyc_metadata_entry {
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
} lyc_metadata_entry;
LYC_API size_t lyc_safetensors_metadata_count(const lyc_safetensors *file);
LYC_API lyc_metadata_entry lyc_safetensors_metadata_at(const lyc_safetensors *file, size_t index);

/* Whether the file has a "__metadata__" object, be it empty. */
LYC_API bool lyc_safetensors_has_metadata(const lyc_safetensors *file);

/* Sizes of the parts: the data begins at 8 + header bytes. */
LYC_API uint64_t lyc_safetensors_header_bytes(const lyc_safetensors *file);
LYC_API uint64_t lyc_safetensors_data_bytes(const lyc_safetensors *file);
LYC_API uint64_t lyc_safetensors_trailing_bytes(const lyc_safetensors *file); /* accepted by lenient; else 0 */

/* --- writing --------------------------------------------------------------------------------------------------------
 *
 *     lyc_safetensors_plan *plan = NULL;                   names, types and shapes first: the header comes first
 *     lyc_safetensors_plan_new(&plan, err);
 *     lyc_safetensors_plan_add(plan, "weight", LYC_F32, &shape, err);
 *     lyc_safetensors_writer_open(&writer, plan, path, NULL, err);
 *     lyc_safetensors_writer_put(writer, "weight", data, size, err);   any order; file order is the fastest
 *     lyc_safetensors_writer_commit(writer, err);
 *     lyc_safetensors_writer_close(writer);                removes what was not committed
 *     lyc_safetensors_plan_free(plan);
 *
 * The file is, byte for byte, what the reference library (0.8) writes for the same tensors and metadata: tensors sorted
 * by type, the widest first, then by name; compact JSON; a header of a multiple of 8 bytes, filled with blanks.
 * Metadata keys are sorted, which the reference leaves to chance. No file needs to fit into memory. */

typedef struct lyc_safetensors_plan lyc_safetensors_plan;
typedef struct lyc_safetensors_writer lyc_safetensors_writer;

LYC_API lyc_status lyc_safetensors_plan_new(lyc_safetensors_plan **out, lyc_error *err);
LYC_API void lyc_safetensors_plan_free(lyc_safetensors_plan *plan);

/* Adds a tensor. LYC_E_ARGUMENT: a name that comes twice, that is not UTF-8, has control characters or is
 * "__metadata__"; LYC_E_SHAPE: a shape that no reader accepts. Copies the name. */
LYC_API lyc_status lyc_safetensors_plan_add(lyc_safetensors_plan *plan, const char *name, lyc_dtype dtype,
                                            const lyc_shape *shape, lyc_error *err);

/* Sets a metadata text, replacing one of that key. Both must be UTF-8. The _n form takes texts with NUL inside. */
LYC_API lyc_status lyc_safetensors_plan_metadata(lyc_safetensors_plan *plan, const char *key, const char *value,
                                                 lyc_error *err);
LYC_API lyc_status lyc_safetensors_plan_metadata_n(lyc_safetensors_plan *plan, const lyc_metadata_entry *entry,
                                                   lyc_error *err);

/* Sets all metadata of an open file. A file with an empty "__metadata__" object passes that on as well. */
LYC_API lyc_status lyc_safetensors_plan_copy_metadata(lyc_safetensors_plan *plan, const lyc_safetensors *file,
                                                      lyc_error *err);

/* The bytes in front of the data: 8 of length and the header. Sorts the tensors; nothing can be added afterwards
 * (LYC_E_ARGUMENT). Borrowed from the plan. */
LYC_API lyc_status lyc_safetensors_plan_header(const void **bytes, size_t *size, lyc_safetensors_plan *plan,
                                               lyc_error *err);

/* Number of tensors, and, in file order once the header was made, their names, types, shapes, sizes and offsets; data
 * is NULL. */
LYC_API size_t lyc_safetensors_plan_count(const lyc_safetensors_plan *plan);
LYC_API lyc_tensor_view lyc_safetensors_plan_tensor(const lyc_safetensors_plan *plan, size_t index);

typedef struct lyc_safetensors_writer_options {
    bool force;                           /* replace a file that exists */
    const lyc_safetensors *const *inputs; /* files that must not be replaced, even with force */
    size_t input_count;
} lyc_safetensors_writer_options;

/* Begins a file of the plan, which is borrowed until the writer is closed; options may be NULL. LYC_E_OUTPUT: the file
 * exists, is an input, or cannot be written; there is not enough space. */
LYC_API lyc_status lyc_safetensors_writer_open(lyc_safetensors_writer **out, lyc_safetensors_plan *plan,
                                               const char *path, const lyc_safetensors_writer_options *options,
                                               lyc_error *err);

/* Writes the data of a tensor. LYC_E_ARGUMENT: not in the plan, or written already; LYC_E_SHAPE: another size. One
 * thread at a time. */
LYC_API lyc_status lyc_safetensors_writer_put(lyc_safetensors_writer *writer, const char *name, const void *data,
                                              size_t size, lyc_error *err);

/* Writes a tensor in parts, the next one each time, for tensors larger than memory. */
LYC_API lyc_status lyc_safetensors_writer_put_part(lyc_safetensors_writer *writer, const char *name, const void *data,
                                                   size_t size, lyc_error *err);

/* Copies the bytes of a tensor of an open file. LYC_E_IO when that file lost them. */
LYC_API lyc_status lyc_safetensors_writer_copy(lyc_safetensors_writer *writer, const char *name,
                                               const lyc_safetensors *file, const lyc_tensor_view *tensor,
                                               lyc_error *err);

/* Exchanges a metadata text of the plan for one of the same length, which may depend on the data: a hash. */
LYC_API lyc_status lyc_safetensors_writer_metadata(lyc_safetensors_writer *writer, const char *key, const char *value,
                                                   lyc_error *err);

/* Puts the file in its place, synchronised. LYC_E_ARGUMENT names a tensor that was not written. When this fails the old
 * file is as it was. */
LYC_API lyc_status lyc_safetensors_writer_commit(lyc_safetensors_writer *writer, lyc_error *err);

/* Releases the writer; a file that was not committed is removed. */
LYC_API void lyc_safetensors_writer_close(lyc_safetensors_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
