/* safetensors_header.h - what a safetensors header says, read in one pass without a tree
 *
 * A header may have 100 MB and a million tensors, written by an enemy; it is read within 2 s and 200 MB. Everything
 * kept of it (names, metadata, extents) goes into one block of the header's own size: nothing takes more room there
 * than its JSON did, so nothing is ever moved, and pages that are not needed are never touched.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_SAFETENSORS_HEADER_H
#define LYC_TENSOR_SAFETENSORS_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/string.h"
#include "lycoris/safetensors.h"

typedef struct lyc_header_tensor {
    uint64_t begin; /* in the data */
    uint64_t end;
    uint32_t name;     /* in the store, NUL-terminated */
    uint32_t extents;  /* in the store, rank variable-length integers */
    uint32_t position; /* of the name in the header */
    uint8_t dtype;
    uint8_t rank;
} lyc_header_tensor;

typedef struct lyc_header_text {
    uint32_t key; /* in the store, NUL-terminated */
    uint32_t key_length;
    uint32_t value;
    uint32_t value_length;
    uint32_t position; /* of the key in the header */
} lyc_header_text;

typedef struct lyc_header_slot {
    uint32_t item; /* index + 1; 0: the slot is free */
    uint32_t tag;  /* upper half of the hash: other names are told apart without looking at them */
} lyc_header_slot;

typedef struct lyc_header {
    unsigned char *store;       /* [size + 1] */
    lyc_header_tensor *tensors; /* [tensor_count], in file order after lyc_header_read */
    size_t tensor_count;
    lyc_header_text *metadata; /* [metadata_count], in the order of the header */
    size_t metadata_count;
    bool has_metadata;
    bool has_leading_space;
    lyc_header_slot *tensor_slots; /* hash tables */
    lyc_header_slot *metadata_slots;
    size_t tensor_slot_count;
    size_t metadata_slot_count;
    uint64_t data_bytes; /* of all tensors */
} lyc_header;

/* Called now and then with the number of bytes that were read and are not needed again; may be NULL. */
typedef void (*lyc_header_progress)(void *context, size_t done);

/* Reads a header of `size` bytes that begins at byte 8 of its file. *header must be {0} and is to be cleared also after
 * a failure. Checks all that can be checked without the data: JSON, fields, types, shapes, sizes, names, duplicates,
 * and that the tensors cover the data from its first byte without gap or overlap. */
lyc_status lyc_header_read(lyc_header *header, const void *text, size_t size, lyc_header_progress progress,
                           void *context, lyc_error *err);

/* Index of a name or key; SIZE_MAX when there is none. */
size_t lyc_header_find_tensor(const lyc_header *header, lyc_span name);
size_t lyc_header_find_metadata(const lyc_header *header, lyc_span key);

/* The extents of a tensor. */
lyc_shape lyc_header_shape(const lyc_header *header, const lyc_header_tensor *tensor);

void lyc_header_clear(lyc_header *header);

#endif
