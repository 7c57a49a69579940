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

#ifdef __cplusplus
}
#endif
#endif
