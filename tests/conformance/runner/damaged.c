/* damaged.c - safetensors files, good and broken: what the reference library takes and refuses
 *
 * A case says what three ways into the reference library do with the file: "accept", or "reject: " and the exception.
 * Ours must refuse what load_file refuses and read what it accepts, with the types and shapes of "tensors", but
 *   - where another way accepts, or the exception is not the safetensors library's own, the refusal is torch's:
 * accepting is fine too;
 *   - this reader is stricter by design: duplicate names, names with control characters, nesting deeper than 4, more
 *     than 8 extents, more than 2^48 elements. Such files are recognised here with jansson and must be refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kind.h"
#include "tensor/shape.h"
#include "torch_dtype.h"

typedef enum expectation { MUST_ACCEPT, MUST_REFUSE, MAY_DO_EITHER } expectation;

static bool is_accepted(const lyc_case *c, const char *entry)
{
    const char *text = lyc_case_text(c, entry);
    return text != NULL && strcmp(text, "accept") == 0;
}

static bool is_refused_by_the_format(const lyc_case *c, const char *entry)
{
    const char *text = lyc_case_text(c, entry);
    return text == NULL || strncmp(text, "reject: SafetensorError", strlen("reject: SafetensorError")) == 0;
}

/* --- what this reader alone refuses ------------------------------------------------------------------------------- */

/* The header's text, to be released with free; NULL when the file has none. */
static char *read_header(size_t *length, const char *path)
{
    unsigned char size_bytes[8];
    char *header = NULL;
    FILE *file = fopen(path, "rb");
    if (file != NULL && fread(size_bytes, 1, 8, file) == 8) {
        *length = (size_t)size_bytes[0] | (size_t)size_bytes[1] << 8 | (size_t)size_bytes[2] << 16;
        header = malloc(*length + 1);
        if (header != NULL && fread(header, 1, *length, file) != *length) {
            free(header);
            header = NULL;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return header;
}

static int depth_of(const json_t *json)
{
    int deepest = 0;
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)json, key, value)
    {
        const int depth = depth_of(value);
        deepest = depth > deepest ? depth : deepest;
    }
    json_array_foreach(json, i, value)
    {
        const int depth = depth_of(value);
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_object(json) || json_is_array(json) ? deepest + 1 : 0;
}

static bool has_control_characters(const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7F || (c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F)) {
            return true;
        }
    }
    return false;
}

static bool is_too_large(const json_t *entry)
{
    const json_t *shape = json_object_get(entry, "shape");
    double elements = 1;
    size_t i;
    json_t *extent;
    json_array_foreach(shape, i, extent)
    {
        elements *= json_number_value(extent);
    }
    return json_array_size(shape) > LYC_MAX_RANK || elements > 0x1p48;
}

static bool is_beyond_limits(const json_t *header)
{
    const char *name;
    json_t *entry;
    if (depth_of(header) > LYC_SAFETENSORS_MAX_DEPTH || json_object_size(header) > LYC_SAFETENSORS_MAX_TENSORS) {
        return true;
    }
    json_object_foreach((json_t *)header, name, entry)
    {
        if (has_control_characters(name) || is_too_large(entry)) {
            return true;
        }
    }
    return false;
}

static bool is_stricter(const char *path)
{
    size_t length = 0;
    json_error_t error;
    char *text = read_header(&length, path);
    if (text == NULL) {
        return false;
    }
    json_t *header = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    const bool strict = header == NULL ? json_error_code(&error) == json_error_duplicate_key : is_beyond_limits(header);
    json_decref(header);
    free(text);
    return strict;
}

static expectation expect(const lyc_case *c, const char *path)
{
    if (is_stricter(path)) {
        return MUST_REFUSE;
    }
    if (is_accepted(c, "load_file")) {
        return MUST_ACCEPT;
    }
    const bool by_the_format = is_refused_by_the_format(c, "load_file") && is_refused_by_the_format(c, "load_bytes") &&
                               is_refused_by_the_format(c, "safe_open_all_tensors");
    return by_the_format ? MUST_REFUSE : MAY_DO_EITHER;
}

/* --- what was read ------------------------------------------------------------------------------------------------ */

static void compare_tensor(lyc_result *result, const lyc_safetensors *file, const char *name, const json_t *wanted)
{
    lyc_tensor_view got;
    lyc_dtype dtype = LYC_DTYPE_COUNT;
    const char *type = json_string_value(json_array_get(wanted, 0));
    const json_t *extents = json_array_get(wanted, 1);
    lyc_shape shape = {.rank = (int)json_array_size(extents)};
    char text[LYC_SHAPE_TEXT];
    for (int axis = 0; axis < shape.rank && axis < LYC_MAX_RANK; axis++) {
        shape.dims[axis] = json_integer_value(json_array_get(extents, (size_t)axis));
    }
    if (!lyc_safetensors_find(&got, file, name)) {
        lyc_result_complain(result, "no tensor '%s'", name);
    } else if (type == NULL || !lyc_torch_dtype(&dtype, type, strlen(type)) || dtype != got.dtype) {
        lyc_result_complain(result, "'%s' is %s, expected %s", name, lyc_dtype_name(got.dtype), type);
    } else if (!lyc_shape_equal(&shape, &got.shape)) {
        lyc_result_complain(result, "'%s' has another shape, %s", name, lyc_shape_text(text, sizeof text, &got.shape));
    } else {
        lyc_result_count(result);
    }
}

/* All bytes, so that a view beyond the file is found by the sanitizer. */
static unsigned sum_of_bytes(const lyc_safetensors *file)
{
    unsigned sum = 0;
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        for (size_t at = 0; at < tensor.size_bytes; at++) {
            sum += ((const unsigned char *)tensor.data)[at];
        }
    }
    return sum;
}

static void compare_tensors(lyc_result *result, const lyc_safetensors *file, const json_t *wanted)
{
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)wanted, name, entry)
    {
        compare_tensor(result, file, name, entry);
    }
    if (lyc_safetensors_count(file) == json_object_size(wanted)) {
        lyc_result_count(result);
    } else {
        lyc_result_complain(result, "%zu tensors, expected %zu", lyc_safetensors_count(file), json_object_size(wanted));
    }
    volatile unsigned sum = sum_of_bytes(file);
    (void)sum;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char path[4096];
    lyc_error own = {0};
    const char *name = lyc_case_text(c, "file");
    if (name == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no member \"file\"");
    }
    LYC_TRY(lyc_case_path(path, sizeof path, c, name, err));
    const expectation expected = expect(c, path);
    const lyc_status status = lyc_safetensors_open(&c->file, path, NULL, &own);
    if (status == LYC_E_IO || status == LYC_E_MEMORY) {
        return lyc_fail(err, status, "%s", own.message);
    }
    if (status == LYC_OK && expected == MUST_REFUSE) {
        lyc_result_complain(result, "accepted, expected to be refused");
    } else if (status != LYC_OK && expected == MUST_ACCEPT) {
        lyc_result_complain(result, "refused (%s), expected to be accepted", own.message);
    } else if (status == LYC_OK && lyc_case_has(c, "tensors")) {
        compare_tensors(result, c->file, json_object_get(c->json, "tensors"));
    } else {
        lyc_result_count(result);
    }
    return LYC_OK;
}

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "file") && lyc_case_has(c, "load_file") && lyc_case_has(c, "load_bytes");
}

const lyc_kind lyc_kind_damaged = {
    .name = "damaged",
    .folder = "damaged",
    .recognise = recognise,
    .run = run,
};
