/* safetensors_header.c - what a safetensors header says, read in one pass without a tree
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/safetensors_header.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/memory.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/json_scan.h"
#include "tensor/shape.h"

enum { ORIGIN = 8 }; /* offset of the header in its file */

/* Product of the extents (empty ones left out): beyond this no memory holds the tensor, and all sums of sizes of a
 * header stay below 2^72. */
static const uint64_t max_elements = UINT64_C(1) << 48;

typedef struct reader {
    lyc_json_scan scan;
    lyc_header *header;
    size_t used;            /* of the store */
    size_t tensor_capacity; /* of the header's arrays */
    size_t metadata_capacity;
} reader;

/* --- the store ------------------------------------------------------------------------------------------------- */

static char *store_end(const reader *r)
{
    return (char *)r->header->store + r->used;
}

/* Takes a string into the store. */
static lyc_status keep_string(uint32_t *place, uint32_t *length, reader *r)
{
    size_t size;
    LYC_TRY(lyc_json_string(store_end(r), &size, &r->scan));
    *place = (uint32_t)r->used;
    *length = (uint32_t)size;
    r->used += size + 1;
    assert(r->used <= r->scan.position);
    return LYC_OK;
}

/* Seven bits a byte, the lowest first; never longer than the decimal digits. */
static void keep_extent(reader *r, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        r->header->store[r->used++] = (unsigned char)(value | 0x80);
    }
    r->header->store[r->used++] = (unsigned char)value;
    assert(r->used <= r->scan.position);
}

static uint64_t load_extent(const unsigned char **from)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        const unsigned char byte = *(*from)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
}

/* A text of the store for a message. */
static const char *brief(char out[LYC_BRIEF], const lyc_header *header, uint32_t place)
{
    return lyc_text_brief(out, LYC_BRIEF, lyc_span_of((const char *)header->store + place));
}

/* --- one tensor ------------------------------------------------------------------------------------------------ */

typedef enum field { FIELD_DTYPE, FIELD_SHAPE, FIELD_OFFSETS, FIELD_COUNT, FIELD_OTHER = FIELD_COUNT } field;

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_DTYPE] = "dtype", [FIELD_SHAPE] = "shape", [FIELD_OFFSETS] = "data_offsets"};

static field field_of(const char *name, size_t length)
{
    for (int f = 0; f < FIELD_COUNT; f++) {
        if (lyc_span_is((lyc_span){name, length}, field_names[f])) {
            return (field)f;
        }
    }
    return FIELD_OTHER;
}

static lyc_status read_dtype(lyc_header_tensor *tensor, reader *r)
{
    size_t length;
    char *name = store_end(r); /* not kept */
    lyc_json_peek(&r->scan);
    const size_t position = r->scan.position;
    LYC_TRY(lyc_json_string(name, &length, &r->scan));
    for (int d = 0; d < LYC_DTYPE_COUNT; d++) {
        const char *known = lyc_dtype_name((lyc_dtype)d);
        if (known[0] == name[0] && lyc_span_is((lyc_span){name, length}, known)) {
            tensor->dtype = (uint8_t)d;
            return LYC_OK;
        }
    }
    char text[LYC_BRIEF];
    return lyc_json_fail(&r->scan, position, "unknown data type '%s'",
                         lyc_text_brief(text, sizeof text, (lyc_span){name, length}));
}

static lyc_status read_shape(lyc_header_tensor *tensor, reader *r)
{
    bool more;
    uint64_t elements = 1;
    tensor->rank = 0;
    tensor->extents = (uint32_t)r->used;
    LYC_TRY(lyc_json_open(&r->scan, '[', "a shape, '['"));
    const size_t position = r->scan.position - 1;
    LYC_TRY(lyc_json_next(&more, &r->scan, ']', true));
    while (more) {
        uint64_t extent;
        LYC_TRY(lyc_json_read_unsigned(&extent, &r->scan, "extent of a shape"));
        if (tensor->rank == LYC_MAX_RANK) {
            return lyc_json_fail(&r->scan, position, "shape of more than %d extents", LYC_MAX_RANK);
        }
        if (extent > 0 && extent > max_elements / elements) {
            return lyc_json_fail(&r->scan, position, "shape of more than 2^48 elements");
        }
        elements *= extent > 0 ? extent : 1; /* fits: at most 2^48, checked above */
        tensor->rank++;
        keep_extent(r, extent);
        LYC_TRY(lyc_json_next(&more, &r->scan, ']', false));
    }
    return LYC_OK;
}

static lyc_status read_offsets(lyc_header_tensor *tensor, reader *r)
{
    bool more;
    int count = 0;
    uint64_t offsets[2] = {0, 0};
    LYC_TRY(lyc_json_open(&r->scan, '[', "data offsets, '['"));
    const size_t position = r->scan.position - 1;
    LYC_TRY(lyc_json_next(&more, &r->scan, ']', true));
    for (; more; count++) {
        uint64_t offset;
        LYC_TRY(lyc_json_read_unsigned(&offset, &r->scan, "data offset"));
        if (count < 2) {
            offsets[count] = offset;
        }
        LYC_TRY(lyc_json_next(&more, &r->scan, ']', false));
    }
    if (count != 2) {
        return lyc_json_fail(&r->scan, position, "%d data offsets, expected 2", count);
    }
    if (offsets[1] < offsets[0]) {
        return lyc_json_fail(&r->scan, position, "data that ends at %" PRIu64 ", before it begins at %" PRIu64,
                             offsets[1], offsets[0]);
    }
    tensor->begin = offsets[0];
    tensor->end = offsets[1];
    return LYC_OK;
}

/* Type, shape and offsets agree. */
static lyc_status check_size(const lyc_header_tensor *tensor, reader *r, size_t offsets_position)
{
    char text[LYC_SHAPE_TEXT];
    const lyc_shape shape = lyc_header_shape(r->header, tensor);
    size_t bytes;
    lyc_error error;
    if (lyc_shape_bytes(&bytes, &shape, (lyc_dtype)tensor->dtype, &error) != LYC_OK) {
        return lyc_json_fail(&r->scan, tensor->position, "%s", error.message);
    }
    if (tensor->end - tensor->begin != bytes) {
        return lyc_json_fail(&r->scan, offsets_position, "%" PRIu64 " bytes of data, expected %zu (%s, shape %s)",
                             tensor->end - tensor->begin, bytes, lyc_dtype_name((lyc_dtype)tensor->dtype),
                             lyc_shape_text(text, sizeof text, &shape));
    }
    return LYC_OK;
}

static lyc_status read_field(lyc_header_tensor *tensor, field f, reader *r)
{
    switch (f) {
    case FIELD_DTYPE:
        return read_dtype(tensor, r);
    case FIELD_SHAPE:
        return read_shape(tensor, r);
    case FIELD_OFFSETS:
        return read_offsets(tensor, r);
    default:
        return lyc_json_skip(&r->scan, store_end(r));
    }
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...}, in any order; other fields are ignored, as by the reference. */
static lyc_status read_fields(lyc_header_tensor *tensor, reader *r)
{
    bool more;
    bool seen[FIELD_COUNT + 1] = {false};
    size_t offsets_position = 0;
    LYC_TRY(lyc_json_open(&r->scan, '{', "a description, '{'"));
    LYC_TRY(lyc_json_next(&more, &r->scan, '}', true));
    while (more) {
        size_t length;
        lyc_json_peek(&r->scan);
        const size_t position = r->scan.position;
        LYC_TRY(lyc_json_string(store_end(r), &length, &r->scan));
        const field f = field_of(store_end(r), length);
        if (f != FIELD_OTHER && seen[f]) {
            return lyc_json_fail(&r->scan, position, "second %s", field_names[f]);
        }
        seen[f] = true;
        LYC_TRY(lyc_json_colon(&r->scan));
        lyc_json_peek(&r->scan);
        offsets_position = f == FIELD_OFFSETS ? r->scan.position : offsets_position;
        LYC_TRY(read_field(tensor, f, r));
        LYC_TRY(lyc_json_next(&more, &r->scan, '}', false));
    }
    for (int f = 0; f < FIELD_COUNT; f++) {
        if (!seen[f]) {
            return lyc_json_fail(&r->scan, tensor->position, "no %s", field_names[f]);
        }
    }
    return check_size(tensor, r, offsets_position);
}

static lyc_status read_entry(lyc_header_tensor *tensor, reader *r)
{
    if (read_fields(tensor, r) != LYC_OK) {
        char name[LYC_BRIEF];
        return lyc_wrap(r->scan.err, "tensor '%s'", brief(name, r->header, tensor->name));
    }
    return LYC_OK;
}

/* Names go into messages, files and other programs: no control characters. */
static lyc_status check_name(const reader *r, uint32_t place, uint32_t length, size_t position)
{
    const char *name = (const char *)r->header->store + place;
    for (size_t i = 0; i < length;) {
        size_t step;
        const int32_t code = lyc_utf8_decode(&step, name + i, length - i);
        if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
            char text[LYC_BRIEF];
            return lyc_json_fail(&r->scan, position, "control character in the name '%s'",
                                 lyc_text_brief(text, sizeof text, (lyc_span){name, length}));
        }
        i += step;
    }
    return LYC_OK;
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

/* Room for one more in an array of the header. */
static lyc_status make_room(void **array, size_t *capacity, size_t count, size_t size, lyc_error *err)
{
    if (count < *capacity) {
        return LYC_OK;
    }
    size_t larger = 64;
    size_t bytes;
    const bool fits = (*capacity == 0 || lyc_size_mul(&larger, *capacity, 2)) && lyc_size_mul(&bytes, larger, size);
    void *moved = fits ? lyc_realloc(*array, bytes) : NULL;
    if (moved == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a header");
    }
    *array = moved;
    *capacity = larger;
    return LYC_OK;
}

static lyc_status read_metadata(reader *r, size_t position)
{
    bool more;
    lyc_header *h = r->header;
    if (h->has_metadata) {
        return lyc_json_fail(&r->scan, position, "second __metadata__");
    }
    h->has_metadata = true;
    LYC_TRY(lyc_json_open(&r->scan, '{', "metadata, '{'"));
    LYC_TRY(lyc_json_next(&more, &r->scan, '}', true));
    while (more) {
        lyc_header_text text;
        if (h->metadata_count == LYC_SAFETENSORS_MAX_METADATA) {
            return lyc_json_fail(&r->scan, r->scan.position, "more than %d metadata", LYC_SAFETENSORS_MAX_METADATA);
        }
        void *array = h->metadata;
        LYC_TRY(make_room(&array, &r->metadata_capacity, h->metadata_count, sizeof text, r->scan.err));
        h->metadata = array;
        lyc_json_peek(&r->scan);
        text.position = (uint32_t)r->scan.position;
        LYC_TRY(keep_string(&text.key, &text.key_length, r));
        LYC_TRY(lyc_json_colon(&r->scan));
        if (lyc_json_peek(&r->scan) != '"') {
            char key[LYC_BRIEF];
            return lyc_json_fail(&r->scan, r->scan.position, "metadata '%s' is no string", brief(key, h, text.key));
        }
        LYC_TRY(keep_string(&text.value, &text.value_length, r));
        h->metadata[h->metadata_count++] = text;
        LYC_TRY(lyc_json_next(&more, &r->scan, '}', false));
    }
    return LYC_OK;
}

static lyc_status read_member(reader *r)
{
    lyc_header *h = r->header;
    lyc_header_tensor tensor = {0};
    uint32_t length;
    lyc_json_peek(&r->scan);
    tensor.position = (uint32_t)r->scan.position;
    LYC_TRY(keep_string(&tensor.name, &length, r));
    LYC_TRY(lyc_json_colon(&r->scan));
    if (lyc_span_is((lyc_span){(char *)h->store + tensor.name, length}, "__metadata__")) {
        return read_metadata(r, tensor.position);
    }
    LYC_TRY(check_name(r, tensor.name, length, tensor.position));
    LYC_TRY(read_entry(&tensor, r));
    if (h->tensor_count == LYC_SAFETENSORS_MAX_TENSORS) {
        return lyc_json_fail(&r->scan, tensor.position, "more than %d tensors", LYC_SAFETENSORS_MAX_TENSORS);
    }
    void *array = h->tensors;
    LYC_TRY(make_room(&array, &r->tensor_capacity, h->tensor_count, sizeof tensor, r->scan.err));
    h->tensors = array;
    h->tensors[h->tensor_count++] = tensor;
    return LYC_OK;
}

static lyc_status read_object(reader *r)
{
    bool more;
    r->header->has_leading_space = lyc_json_peek(&r->scan) == '{' && r->scan.position > 0;
    LYC_TRY(lyc_json_open(&r->scan, '{', "a header, '{'"));
    LYC_TRY(lyc_json_next(&more, &r->scan, '}', true));
    while (more) {
        LYC_TRY(read_member(r));
        LYC_TRY(lyc_json_next(&more, &r->scan, '}', false));
    }
    lyc_json_peek(&r->scan);
    if (r->scan.position < r->scan.size) {
        return lyc_json_fail(&r->scan, r->scan.position, "something behind the end of the header's object");
    }
    return LYC_OK;
}

/* File order; empty tensors at the same place keep the header's order. */
static int compare_places(const void *a, const void *b)
{
    const lyc_header_tensor *x = a;
    const lyc_header_tensor *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    return x->position < y->position ? -1 : 1;
}

static void sort_tensors(lyc_header *h)
{
    bool sorted = true;
    for (size_t i = 1; i < h->tensor_count && sorted; i++) {
        sorted = compare_places(&h->tensors[i - 1], &h->tensors[i]) < 0;
    }
    if (!sorted) {
        qsort(h->tensors, h->tensor_count, sizeof *h->tensors, compare_places);
    }
}

/* Each tensor begins where the one before it ends. */
static lyc_status check_cover(reader *r)
{
    lyc_header *h = r->header;
    for (size_t i = 0; i < h->tensor_count; i++) {
        const lyc_header_tensor *t = &h->tensors[i];
        if (t->begin != h->data_bytes) {
            char name[LYC_BRIEF];
            return lyc_json_fail(&r->scan, t->position,
                                 "tensor '%s': data begins at %" PRIu64 ", expected %" PRIu64 ": %s",
                                 brief(name, h, t->name), t->begin, h->data_bytes,
                                 t->begin > h->data_bytes ? "there is a gap" : "it overlaps another tensor");
        }
        h->data_bytes = t->end;
    }
    return LYC_OK;
}

/* --- names ------------------------------------------------------------------------------------------------------ */

typedef struct name_table {
    const lyc_header *header;
    const void *items;
    size_t count;
    lyc_span (*name)(const lyc_header *header, const void *items, size_t index);
} name_table;

static lyc_span tensor_name(const lyc_header *header, const void *items, size_t index)
{
    return lyc_span_of((const char *)header->store + ((const lyc_header_tensor *)items)[index].name);
}

static lyc_span metadata_key(const lyc_header *header, const void *items, size_t index)
{
    const lyc_header_text *text = &((const lyc_header_text *)items)[index];
    return (lyc_span){(const char *)header->store + text->key, text->key_length};
}

/* The slot of a name, or the free one where it belongs; its tag is set. */
static size_t find_slot(uint32_t *tag, const name_table *table, const lyc_header_slot *slots, size_t slot_count,
                        lyc_span name)
{
    const uint64_t hash = lyc_hash(name.text, name.length);
    size_t slot = (size_t)hash & (slot_count - 1);
    *tag = (uint32_t)(hash >> 32);
    while (slots[slot].item != 0 &&
           (slots[slot].tag != *tag ||
            !lyc_span_equal(table->name(table->header, table->items, slots[slot].item - 1), name))) {
        slot = (slot + 1) & (slot_count - 1);
    }
    return slot;
}

/* Makes the hash table of an array. When a name comes twice, *first and *second get its indices; else they are equal.
 */
static lyc_status index_names(lyc_header_slot **slots, size_t *slot_count, size_t *first, size_t *second,
                              const name_table *table, lyc_error *err)
{
    *slot_count = 4;
    while (*slot_count / 2 < table->count) {
        *slot_count <<= 1; /* count is at most 2^20 */
    }
    *slots = lyc_alloc_zero(*slot_count, sizeof **slots);
    if (*slots == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the names of a header");
    }
    *first = *second = 0;
    for (size_t i = 0; i < table->count; i++) {
        uint32_t tag;
        const lyc_span name = table->name(table->header, table->items, i);
        lyc_header_slot *slot = &(*slots)[find_slot(&tag, table, *slots, *slot_count, name)];
        if (slot->item != 0) {
            *first = slot->item - 1;
            *second = i;
            return LYC_OK;
        }
        *slot = (lyc_header_slot){(uint32_t)i + 1, tag};
    }
    return LYC_OK;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static lyc_status index_header(reader *r)
{
    char name[LYC_BRIEF];
    size_t i = 0;
    size_t k = 0;
    lyc_header *h = r->header;
    const name_table tensors = {h, h->tensors, h->tensor_count, tensor_name};
    const name_table metadata = {h, h->metadata, h->metadata_count, metadata_key};
    LYC_TRY(index_names(&h->tensor_slots, &h->tensor_slot_count, &i, &k, &tensors, r->scan.err));
    if (i != k) {
        return lyc_json_fail(&r->scan, later(h->tensors[i].position, h->tensors[k].position), "second tensor '%s'",
                             brief(name, h, h->tensors[i].name));
    }
    LYC_TRY(index_names(&h->metadata_slots, &h->metadata_slot_count, &i, &k, &metadata, r->scan.err));
    if (i != k) {
        return lyc_json_fail(&r->scan, later(h->metadata[i].position, h->metadata[k].position), "second metadata '%s'",
                             brief(name, h, h->metadata[i].key));
    }
    return LYC_OK;
}

size_t lyc_header_find_tensor(const lyc_header *header, lyc_span name)
{
    uint32_t tag;
    const name_table table = {header, header->tensors, header->tensor_count, tensor_name};
    const lyc_header_slot *slots = header->tensor_slots;
    return (size_t)slots[find_slot(&tag, &table, slots, header->tensor_slot_count, name)].item - 1;
}

size_t lyc_header_find_metadata(const lyc_header *header, lyc_span key)
{
    uint32_t tag;
    const name_table table = {header, header->metadata, header->metadata_count, metadata_key};
    const lyc_header_slot *slots = header->metadata_slots;
    return (size_t)slots[find_slot(&tag, &table, slots, header->metadata_slot_count, key)].item - 1;
}

/* --- entry ------------------------------------------------------------------------------------------------------ */

lyc_status lyc_header_read(lyc_header *header, const void *text, size_t size, lyc_header_progress progress,
                           void *context, lyc_error *err)
{
    lyc_error own;
    err = err != NULL ? err : &own;
    assert(size <= LYC_SAFETENSORS_MAX_HEADER);
    header->store = lyc_alloc(size + 1);
    if (header->store == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a header of %zu bytes", size);
    }
    reader r = {
        .scan = {.text = text,
                 .size = size,
                 .origin = ORIGIN,
                 .max_depth = LYC_SAFETENSORS_MAX_DEPTH,
                 .progress = progress,
                 .context = context,
                 .err = err},
        .header = header,
    };
    LYC_TRY(read_object(&r));
    sort_tensors(header);
    LYC_TRY(index_header(&r)); /* a name that comes twice is told before its data that overlap */
    return check_cover(&r);
}

lyc_shape lyc_header_shape(const lyc_header *header, const lyc_header_tensor *tensor)
{
    lyc_shape shape = {.rank = tensor->rank};
    const unsigned char *from = header->store + tensor->extents;
    for (int i = 0; i < tensor->rank; i++) {
        shape.dims[i] = (int64_t)load_extent(&from);
    }
    return shape;
}

void lyc_header_clear(lyc_header *header)
{
    lyc_free(header->store);
    lyc_free(header->tensors);
    lyc_free(header->metadata);
    lyc_free(header->tensor_slots);
    lyc_free(header->metadata_slots);
    *header = (lyc_header){0};
}
