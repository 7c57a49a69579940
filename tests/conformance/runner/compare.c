/* compare.c - what was computed against what is right
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tensor/dtype.h"
#include "tensor/shape.h"

void lyc_result_complain(lyc_result *result, const char *format, ...)
{
    result->wrong_count++;
    if (result->complaint[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(result->complaint, sizeof result->complaint, format, arguments);
        va_end(arguments);
    }
}

bool lyc_result_passed(const lyc_result *result)
{
    return result->wrong_count == 0 && result->value_count > 0;
}

void lyc_result_count(lyc_result *result)
{
    result->value_count++;
}

void lyc_result_add(lyc_result *result, const lyc_result *other)
{
    const lyc_result before = *result;
    if (other->largest_absolute > before.largest_absolute) {
        result->largest_absolute = other->largest_absolute;
        memcpy(result->where_absolute, other->where_absolute, sizeof result->where_absolute);
    }
    if (other->largest_relative > before.largest_relative) {
        result->largest_relative = other->largest_relative;
        memcpy(result->where_relative, other->where_relative, sizeof result->where_relative);
    }
    if (before.complaint[0] == '\0') {
        memcpy(result->complaint, other->complaint, sizeof result->complaint);
    }
    result->value_count += other->value_count;
    result->wrong_count += other->wrong_count;
}

/* An element that is compared. */
typedef struct element {
    const char *name; /* of its tensor */
    const lyc_shape *shape;
    int64_t index;
} element;

/* "name[1,2,3]"; "name" for a scalar. */
static void write_place(char *place, size_t size, const element *at)
{
    int64_t position[LYC_MAX_RANK];
    int64_t index = at->index;
    for (int axis = at->shape->rank - 1; axis >= 0; axis--) {
        position[axis] = index % at->shape->dims[axis];
        index /= at->shape->dims[axis];
    }
    snprintf(place, size, "%s", at->name);
    for (int axis = 0; axis < at->shape->rank; axis++) {
        const size_t used = strlen(place);
        snprintf(place + used, size - used, "%s%" PRId64 "%s", axis == 0 ? "[" : ",", position[axis],
                 axis + 1 == at->shape->rank ? "]" : "");
    }
}

/* NaN for both or equal: no error. One of them not finite: an infinite one. */
static double absolute_error(double got, double want)
{
    if (got == want || (isnan(got) && isnan(want))) {
        return 0;
    }
    return isfinite(got) && isfinite(want) ? fabs(got - want) : (double)INFINITY;
}

/* Counts a value and keeps the largest errors; returns the absolute one. Where nothing is expected (0) there is no
 * relative error. */
static double record(lyc_result *result, const element *at, double got, double want)
{
    const double absolute = absolute_error(got, want);
    const double relative = want != 0 && isfinite(want) ? absolute / fabs(want) : 0;
    result->value_count++;
    if (absolute > result->largest_absolute) {
        result->largest_absolute = absolute;
        write_place(result->where_absolute, sizeof result->where_absolute, at);
    }
    if (relative > result->largest_relative) {
        result->largest_relative = relative;
        write_place(result->where_relative, sizeof result->where_relative, at);
    }
    return absolute;
}

static void compare_element(lyc_result *result, const element *at, double got, double want, lyc_tolerance tolerance)
{
    const double absolute = record(result, at, got, want);
    if (absolute > 0 && (isinf(absolute) || absolute > tolerance.absolute + tolerance.relative * fabs(want))) {
        char place[160];
        write_place(place, sizeof place, at);
        lyc_result_complain(result, "%s is %.9g, expected %.9g", place, got, want);
    }
}

void lyc_compare_values(lyc_result *result, const char *name, const lyc_shape *shape, lyc_values got, lyc_values want,
                        lyc_tolerance tolerance)
{
    const int64_t n = lyc_shape_elements(shape);
    const int64_t got_size = lyc_dtype_bits(got.dtype) / 8;
    const int64_t want_size = lyc_dtype_bits(want.dtype) / 8;
    for (int64_t i = 0; i < n; i++) {
        const double got_value = lyc_dtype_load(got.dtype, (const char *)got.data + i * got_size);
        const double want_value = lyc_dtype_load(want.dtype, (const char *)want.data + i * want_size);
        compare_element(result, &(element){name, shape, i}, got_value, want_value, tolerance);
    }
}

void lyc_compare_number(lyc_result *result, const char *name, double got, double want, lyc_tolerance tolerance)
{
    const lyc_shape scalar = {0};
    compare_element(result, &(element){name, &scalar, 0}, got, want, tolerance);
}

void lyc_compare_bits(lyc_result *result, const char *name, const lyc_shape *shape, const void *got, const void *want,
                      lyc_dtype dtype)
{
    const int64_t n = lyc_shape_elements(shape);
    const int64_t size = lyc_dtype_bits(dtype) / 8;
    for (int64_t i = 0; i < n; i++) {
        const char *got_bytes = (const char *)got + i * size;
        const char *want_bytes = (const char *)want + i * size;
        const double got_value = lyc_dtype_load(dtype, got_bytes);
        const double want_value = lyc_dtype_load(dtype, want_bytes);
        const element at = {name, shape, i};
        record(result, &at, got_value, want_value);
        if (memcmp(got_bytes, want_bytes, (size_t)size) != 0 && !(isnan(got_value) && isnan(want_value))) {
            char place[160];
            write_place(place, sizeof place, &at);
            lyc_result_complain(result, "%s is %.17g, expected %.17g bit for bit", place, got_value, want_value);
        }
    }
}
