/* safetensors_plan.c - what a file will hold, and its header
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "base/size.h"
#include "tensor/safetensors_plan.h"
#include "tensor/shape.h"

enum { LENGTH_BYTES = 8, HEADER_ALIGNMENT = 8 };

/* As the reader: larger ones could not be read again. */
static const int64_t max_elements = INT64_C(1) << 48;

typedef struct metadata_text {
    lyc_span value; /* in the arena */
} metadata_text;

struct lyc_safetensors_plan {
    lyc_arena arena;
    lyc_hashmap tensors;          /* name to lyc_plan_tensor */
    lyc_hashmap metadata;         /* key to metadata_text */
    bool has_metadata;            /* also when it is empty */
    lyc_plan_tensor **file_order; /* [count] once the header was made */
    lyc_strbuf header;            /* with the length in front */
    uint64_t data_bytes;
};

lyc_status lyc_safetensors_plan_new(lyc_safetensors_plan **out, lyc_error *err)
{
    lyc_safetensors_plan *plan = lyc_alloc_zero(1, sizeof *plan);
    if (plan == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the plan of a file");
    }
    *out = plan;
    return LYC_OK;
}

void lyc_safetensors_plan_free(lyc_safetensors_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    lyc_hashmap_clear(&plan->tensors);
    lyc_hashmap_clear(&plan->metadata);
    lyc_strbuf_clear(&plan->header);
    lyc_arena_clear(&plan->arena);
    lyc_free(plan->file_order);
    lyc_free(plan);
}

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the plan of a file");
}

static lyc_status check_open(const lyc_safetensors_plan *plan, lyc_error *err)
{
    return plan->file_order != NULL ? lyc_fail(err, LYC_E_ARGUMENT, "the header of the file is made already") : LYC_OK;
}

static const char *fault_of_name(lyc_span name)
{
    if (lyc_span_is(name, "__metadata__")) {
        return "is reserved";
    }
    for (size_t i = 0; i < name.length;) {
        size_t step;
        const int32_t code = lyc_utf8_decode(&step, name.text + i, name.length - i);
        if (code < 0) {
            return "is not UTF-8";
        }
        if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
            return "has a control character";
        }
        i += step;
    }
    return NULL;
}

static lyc_status check_shape(size_t *bytes, const char *name, lyc_dtype dtype, const lyc_shape *shape, lyc_error *err)
{
    char brief[LYC_BRIEF];
    lyc_error fault;
    lyc_text_brief(brief, sizeof brief, lyc_span_of(name));
    if (lyc_shape_bytes(bytes, shape, dtype, &fault) != LYC_OK) {
        return lyc_fail(err, LYC_E_SHAPE, "tensor '%s': %s", brief, fault.message);
    }
    int64_t elements = 1;
    for (int i = 0; i < shape->rank; i++) {
        const int64_t extent = shape->dims[i] > 0 ? shape->dims[i] : 1;
        if (!lyc_int64_mul(&elements, elements, extent) || elements > max_elements) {
            return lyc_fail(err, LYC_E_SHAPE, "tensor '%s': shape of more than 2^48 elements", brief);
        }
    }
    return LYC_OK;
}

lyc_status lyc_safetensors_plan_add(lyc_safetensors_plan *plan, const char *name, lyc_dtype dtype,
                                    const lyc_shape *shape, lyc_error *err)
{
    char brief[LYC_BRIEF];
    size_t bytes;
    const lyc_span span = lyc_span_of(name);
    LYC_TRY(check_open(plan, err));
    const char *fault = fault_of_name(span);
    if (fault == NULL && lyc_hashmap_find(&plan->tensors, span) != NULL) {
        fault = "comes twice";
    }
    if (fault != NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "tensor name '%s' %s", lyc_text_brief(brief, sizeof brief, span), fault);
    }
    if ((unsigned)dtype >= LYC_DTYPE_COUNT) {
        return lyc_fail(err, LYC_E_ARGUMENT, "tensor '%s': data type %d does not exist",
                        lyc_text_brief(brief, sizeof brief, span), (int)dtype);
    }
    LYC_TRY(check_shape(&bytes, name, dtype, shape, err));
    if (plan->tensors.count == LYC_SAFETENSORS_MAX_TENSORS) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "more than %d tensors in a file", LYC_SAFETENSORS_MAX_TENSORS);
    }
    lyc_plan_tensor *tensor = lyc_arena_alloc(&plan->arena, 1, sizeof *tensor);
    char *copy = lyc_arena_text(&plan->arena, name);
    if (tensor == NULL || copy == NULL || !lyc_hashmap_put(&plan->tensors, span, tensor)) {
        return no_memory(err);
    }
    *tensor = (lyc_plan_tensor){.name = copy, .dtype = dtype, .shape = *shape, .size = bytes};
    return LYC_OK;
}

static lyc_status check_text(lyc_span text, const char *what, lyc_error *err)
{
    if (lyc_utf8_valid_prefix(text.text, text.length) < text.length) {
        char brief[LYC_BRIEF];
        return lyc_fail(err, LYC_E_ARGUMENT, "metadata %s '%s' is not UTF-8", what,
                        lyc_text_brief(brief, sizeof brief, text));
    }
    return LYC_OK;
}

lyc_status lyc_safetensors_plan_metadata_n(lyc_safetensors_plan *plan, const lyc_metadata_entry *entry, lyc_error *err)
{
    const lyc_span key = {entry->key, entry->key_length};
    const lyc_span value = {entry->value, entry->value_length};
    LYC_TRY(check_open(plan, err));
    LYC_TRY(check_text(key, "key", err));
    LYC_TRY(check_text(value, "text", err));
    if (plan->metadata.count == LYC_SAFETENSORS_MAX_METADATA && lyc_hashmap_find(&plan->metadata, key) == NULL) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "more than %d metadata in a file", LYC_SAFETENSORS_MAX_METADATA);
    }
    metadata_text *text = lyc_arena_alloc(&plan->arena, 1, sizeof *text);
    char *copy = lyc_arena_text_n(&plan->arena, value.text, value.length);
    if (text == NULL || copy == NULL) {
        return no_memory(err);
    }
    text->value = (lyc_span){copy, value.length};
    if (!lyc_hashmap_put(&plan->metadata, key, text)) {
        return no_memory(err);
    }
    plan->has_metadata = true;
    return LYC_OK;
}

lyc_status lyc_safetensors_plan_metadata(lyc_safetensors_plan *plan, const char *key, const char *value, lyc_error *err)
{
    const lyc_metadata_entry entry = {key, strlen(key), value, strlen(value)};
    return lyc_safetensors_plan_metadata_n(plan, &entry, err);
}

lyc_status lyc_safetensors_plan_copy_metadata(lyc_safetensors_plan *plan, const lyc_safetensors *file, lyc_error *err)
{
    LYC_TRY(check_open(plan, err));
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        LYC_TRY(lyc_safetensors_plan_metadata_n(plan, &entry, err));
    }
    plan->has_metadata = plan->has_metadata || lyc_safetensors_has_metadata(file);
    return LYC_OK;
}

/* --- the header --------------------------------------------------------------------------------------------------- */

/* The widest type first, in the reversed order of the enumeration; then by name, byte for byte. */
static int compare_tensors(const void *a, const void *b)
{
    const lyc_plan_tensor *x = *(lyc_plan_tensor *const *)a;
    const lyc_plan_tensor *y = *(lyc_plan_tensor *const *)b;
    return x->dtype != y->dtype ? (x->dtype < y->dtype ? 1 : -1) : strcmp(x->name, y->name);
}

static int compare_keys(const void *a, const void *b)
{
    const lyc_hashmap_entry *x = *(lyc_hashmap_entry *const *)a;
    const lyc_hashmap_entry *y = *(lyc_hashmap_entry *const *)b;
    return lyc_span_compare(x->key, y->key);
}

static lyc_status place_tensors(lyc_safetensors_plan *plan, lyc_plan_tensor **order, lyc_error *err)
{
    size_t end = 0;
    for (size_t i = 0; i < plan->tensors.count; i++) {
        order[i] = plan->tensors.entries[i].value;
    }
    if (plan->tensors.count > 0) {
        qsort(order, plan->tensors.count, sizeof(lyc_plan_tensor *), compare_tensors);
    }
    for (size_t i = 0; i < plan->tensors.count; i++) {
        order[i]->begin = end;
        if (!lyc_size_add(&end, end, order[i]->size) || end > INT64_MAX / 2) {
            return lyc_fail(err, LYC_E_SHAPE, "tensors of more than 2^62 bytes in a file");
        }
    }
    plan->data_bytes = end;
    return LYC_OK;
}

static lyc_status write_metadata(lyc_strbuf *json, const lyc_safetensors_plan *plan, lyc_error *err)
{
    const size_t count = plan->metadata.count;
    const lyc_hashmap_entry **keys = lyc_alloc_zero(count, sizeof *keys);
    if (keys == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = &plan->metadata.entries[i];
    }
    if (count > 0) {
        qsort(keys, count, sizeof *keys, compare_keys);
    }
    lyc_strbuf_append(json, "\"__metadata__\":{");
    for (size_t i = 0; i < count; i++) {
        lyc_strbuf_append(json, i > 0 ? "," : "");
        lyc_json_write_string(json, keys[i]->key);
        lyc_strbuf_append(json, ":");
        lyc_json_write_string(json, ((const metadata_text *)keys[i]->value)->value);
    }
    lyc_strbuf_append(json, "}");
    lyc_free(keys);
    return LYC_OK;
}

static void write_tensor(lyc_strbuf *json, const lyc_plan_tensor *tensor)
{
    lyc_json_write_string(json, lyc_span_of(tensor->name));
    lyc_strbuf_format(json, ":{\"dtype\":\"%s\",\"shape\":[", lyc_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->shape.rank; i++) {
        lyc_strbuf_format(json, "%s%" PRId64, i > 0 ? "," : "", tensor->shape.dims[i]);
    }
    lyc_strbuf_format(json, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", tensor->begin,
                      tensor->begin + tensor->size);
}

/* Length and JSON, filled up with blanks. */
static lyc_status write_header(lyc_strbuf *json, const lyc_safetensors_plan *plan, lyc_plan_tensor *const *order,
                               lyc_error *err)
{
    static const char nothing[LENGTH_BYTES] = {0};
    lyc_strbuf_append_n(json, nothing, LENGTH_BYTES);
    lyc_strbuf_append_char(json, '{');
    if (plan->has_metadata) {
        LYC_TRY(write_metadata(json, plan, err));
    }
    for (size_t i = 0; i < plan->tensors.count; i++) {
        lyc_strbuf_append(json, i > 0 || plan->has_metadata ? "," : "");
        write_tensor(json, order[i]);
    }
    lyc_strbuf_append_char(json, '}');
    while (json->length % HEADER_ALIGNMENT != 0 && !json->failed) {
        lyc_strbuf_append_char(json, ' ');
    }
    LYC_TRY(lyc_strbuf_check(json, "the header of a file", err));
    const uint64_t length = json->length - LENGTH_BYTES;
    if (length > LYC_SAFETENSORS_MAX_HEADER) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "header of %" PRIu64 " bytes, at most %d can be read again", length,
                        LYC_SAFETENSORS_MAX_HEADER);
    }
    for (int i = 0; i < LENGTH_BYTES; i++) {
        json->text[i] = (char)(length >> (i << 3));
    }
    return LYC_OK;
}

static lyc_status make_header(lyc_safetensors_plan *plan, lyc_error *err)
{
    lyc_strbuf json = {0};
    lyc_plan_tensor **order = lyc_alloc_zero(plan->tensors.count, sizeof(lyc_plan_tensor *));
    lyc_status status = order != NULL ? place_tensors(plan, order, err) : no_memory(err);
    if (status == LYC_OK) {
        status = write_header(&json, plan, order, err);
    }
    if (status != LYC_OK) {
        lyc_strbuf_clear(&json);
        lyc_free(order);
        return status;
    }
    plan->header = json;
    plan->file_order = order;
    return LYC_OK;
}

lyc_status lyc_safetensors_plan_header(const void **bytes, size_t *size, lyc_safetensors_plan *plan, lyc_error *err)
{
    if (plan->file_order == NULL) {
        LYC_TRY(make_header(plan, err));
    }
    *bytes = plan->header.text;
    *size = plan->header.length;
    return LYC_OK;
}

lyc_status lyc_safetensors_plan_exchange(lyc_safetensors_plan *plan, const char *key, const char *value, lyc_error *err)
{
    metadata_text *text = lyc_hashmap_get(&plan->metadata, lyc_span_of(key));
    const lyc_span span = lyc_span_of(value);
    if (text == NULL || text->value.length != span.length) {
        return lyc_fail(err, LYC_E_ARGUMENT, "metadata %s of %zu bytes is not in the plan of the file", key,
                        span.length);
    }
    const char *copy = lyc_arena_text_n(&plan->arena, span.text, span.length);
    if (copy == NULL) {
        return no_memory(err);
    }
    text->value.text = copy;
    if (plan->file_order == NULL) {
        return LYC_OK;
    }
    lyc_strbuf json = {0};
    lyc_status status = write_header(&json, plan, plan->file_order, err);
    if (status == LYC_OK && json.length != plan->header.length) {
        status = lyc_fail(err, LYC_E_ARGUMENT, "metadata %s changes the size of the header", key);
    }
    if (status != LYC_OK) {
        lyc_strbuf_clear(&json);
        return status;
    }
    lyc_strbuf_clear(&plan->header);
    plan->header = json;
    return LYC_OK;
}

lyc_status lyc_safetensors_plan_copy(lyc_safetensors_plan **out, const lyc_safetensors_plan *plan, const char *prefix,
                                     lyc_error *err)
{
    lyc_safetensors_plan *copy = NULL;
    lyc_status status = lyc_safetensors_plan_new(&copy, err);
    for (size_t i = 0; i < plan->tensors.count && status == LYC_OK; i++) {
        const lyc_plan_tensor *tensor = plan->tensors.entries[i].value;
        status = lyc_safetensors_plan_add(copy, tensor->name, tensor->dtype, &tensor->shape, err);
    }
    for (size_t i = 0; i < plan->metadata.count && status == LYC_OK; i++) {
        const lyc_span key = plan->metadata.entries[i].key;
        const lyc_span value = ((const metadata_text *)plan->metadata.entries[i].value)->value;
        if (lyc_span_starts_with(key, prefix)) {
            const lyc_metadata_entry entry = {key.text, key.length, value.text, value.length};
            status = lyc_safetensors_plan_metadata_n(copy, &entry, err);
        }
    }
    if (status != LYC_OK) {
        lyc_safetensors_plan_free(copy);
        return status;
    }
    *out = copy;
    return LYC_OK;
}

size_t lyc_safetensors_plan_count(const lyc_safetensors_plan *plan)
{
    return plan->tensors.count;
}

lyc_tensor_view lyc_safetensors_plan_tensor(const lyc_safetensors_plan *plan, size_t index)
{
    assert(index < plan->tensors.count);
    const lyc_plan_tensor *tensor =
        plan->file_order != NULL ? plan->file_order[index] : plan->tensors.entries[index].value;
    return (lyc_tensor_view){.name = tensor->name,
                             .dtype = tensor->dtype,
                             .shape = tensor->shape,
                             .size_bytes = tensor->size,
                             .file_offset = plan->header.length + tensor->begin};
}

uint64_t lyc_safetensors_plan_file_bytes(const lyc_safetensors_plan *plan)
{
    return plan->header.length + plan->data_bytes;
}

lyc_plan_tensor *lyc_safetensors_plan_find(const lyc_safetensors_plan *plan, const char *name)
{
    return lyc_hashmap_get(&plan->tensors, lyc_span_of(name));
}
