/* tools_layers.c - adapter files that tools wrote, against numbers of their layers
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools_layers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensor/shape.h"

void lyc_tools_scratch(char path[256])
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, 256, "%s/lycoris-tools-%ld.safetensors", folder != NULL ? folder : "/tmp", (long)getpid());
}

/* What is known of the change of a layer: its elements [n], in f32. */
typedef struct change {
    float *data;
    int64_t n;
} change;

static const lyc_tensor_view *find(const lyc_network_layer *layer, const char *name)
{
    for (size_t i = 0; i < layer->tensor_count; i++) {
        if (strcmp(layer->tensors[i].name, name) == 0) {
            return &layer->tensors[i];
        }
    }
    return NULL;
}

/* The change without what is stored beside the factors (sparse remainders): these are removed from the copy of the
 * layer's list that the library looks at, so the factors are multiplied here. */
static float *numbers(const lyc_tensor_view *tensor)
{
    lyc_error err;
    const int64_t n = lyc_shape_elements(&tensor->shape);
    float *out = calloc((size_t)n + 1, sizeof *out);
    if (out != NULL && lyc_dtype_convert(out, LYC_F32, tensor->data, tensor->dtype, (size_t)n, &err) != LYC_OK) {
        free(out);
        return NULL;
    }
    return out;
}

/* up [m,r], mid [r,r,k] or NULL, down [r,i] or [r,i,k]. */
static void multiply(change *out, const float *up, const float *mid, const float *down, const int64_t sizes[4])
{
    const int64_t m = sizes[0], r = sizes[1], in = sizes[2], kernel = sizes[3];
    for (int64_t o = 0; o < m; o++) {
        for (int64_t i = 0; i < in; i++) {
            for (int64_t k = 0; k < kernel; k++) {
                double sum = 0.0;
                for (int64_t p = 0; p < r; p++) {
                    double inner = mid == NULL ? (double)down[(p * in + i) * kernel + k] : 0.0;
                    for (int64_t q = 0; mid != NULL && q < r; q++) {
                        inner += (double)mid[(p * r + q) * kernel + k] * (double)down[q * in + i];
                    }
                    sum += (double)up[o * r + p] * inner;
                }
                out->data[(o * in + i) * kernel + k] = (float)sum;
            }
        }
    }
}

static bool rebuild_product(change *out, const lyc_network_layer *layer)
{
    const lyc_tensor_view *up = find(layer, "lora_up.weight");
    const lyc_tensor_view *mid = find(layer, "lora_mid.weight");
    const lyc_tensor_view *down = find(layer, "lora_down.weight");
    const lyc_tensor_view *kernel = mid != NULL ? mid : down;
    const int64_t sizes[] = {up->shape.dims[0], down->shape.dims[0], down->shape.dims[1],
                             lyc_shape_product(&kernel->shape, 2, kernel->shape.rank)};
    out->n = sizes[0] * sizes[2] * sizes[3];
    out->data = calloc((size_t)out->n, sizeof *out->data);
    float *values[] = {numbers(up), mid != NULL ? numbers(mid) : NULL, numbers(down)};
    const bool ok = out->data != NULL && values[0] != NULL && values[2] != NULL && (mid == NULL || values[1] != NULL);
    if (ok) {
        multiply(out, values[0], values[1], values[2], sizes);
        const double scale = isnan(layer->alpha) ? 1.0 : layer->alpha / (double)sizes[1];
        for (int64_t i = 0; i < out->n; i++) {
            out->data[i] = (float)(scale * (double)out->data[i]);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        free(values[i]);
    }
    return ok;
}

static bool rebuild(change *out, const lyc_network_layer *layer)
{
    static const char *const whole[] = {"diff", "w_norm"};
    *out = (change){0};
    for (size_t i = 0; i < 2; i++) {
        const lyc_tensor_view *tensor = find(layer, whole[i]);
        if (tensor != NULL) {
            *out = (change){numbers(tensor), lyc_shape_elements(&tensor->shape)};
            return out->data != NULL;
        }
    }
    return find(layer, "lora_up.weight") != NULL && find(layer, "lora_down.weight") != NULL &&
           rebuild_product(out, layer);
}

static const char *kind_of(const lyc_network_layer *layer)
{
    return find(layer, "w_norm") != NULL ? "norm" : find(layer, "diff") != NULL ? "full" : "low rank";
}

static void compare_number(lyc_result *result, const lyc_network_layer *layer, const char *what, double got,
                           const json_t *want, lyc_tolerance tolerance)
{
    char name[160];
    snprintf(name, sizeof name, "%.100s %s", layer->name, what);
    lyc_compare_number(result, name, got, json_number_value(want), tolerance);
}

static void compare_column(lyc_result *result, const lyc_case *c, const lyc_network_layer *layer, const change *built,
                           const char *column, const json_t *want)
{
    const lyc_tolerance tolerance = {c->absolute_tolerance, c->relative_tolerance};
    const bool has_kind = strcmp(column, "kind") == 0;
    double sum = 0.0;
    if (json_is_null(want)) {
        return;
    }
    if (has_kind) {
        const char *kind = json_string_value(want);
        const bool full = kind != NULL && strcmp(kind, "full") == 0;
        if (kind == NULL || (strcmp(kind, kind_of(layer)) != 0 && !(full && strcmp(kind_of(layer), "norm") == 0))) {
            lyc_result_complain(result, "%s is %s, expected %s", layer->name, kind_of(layer), kind);
        }
    } else if (strcmp(column, "rank") == 0) {
        compare_number(result, layer, "rank", (double)layer->rank, want, (lyc_tolerance){0});
    } else if (strcmp(column, "alpha") == 0) {
        compare_number(result, layer, "alpha", layer->alpha, want, tolerance);
    } else if (strncmp(column, "norm of ", 8) == 0) {
        for (int64_t i = 0; i < built->n; i++) {
            sum += (double)built->data[i] * (double)built->data[i];
        }
        compare_number(result, layer, "norm", sqrt(sum), want, tolerance);
    } else if (strncmp(column, "cos-weighted sum", 16) == 0) {
        for (int64_t i = 0; i < built->n; i++) {
            sum += (double)built->data[i] * cos(0.37 * (double)i);
        }
        compare_number(result, layer, "sum", sum, want, tolerance);
    } else {
        lyc_result_complain(result, "the column %s is not known", column);
    }
}

static void compare_layer(lyc_result *result, const lyc_case *c, const lyc_network_layer *layer, const json_t *columns,
                          const json_t *row)
{
    change built;
    if (!rebuild(&built, layer)) {
        lyc_result_complain(result, "%s is neither a product nor a difference", layer->name);
        return;
    }
    for (size_t i = 0; i < json_array_size(columns); i++) {
        compare_column(result, c, layer, &built, json_string_value(json_array_get(columns, i)), json_array_get(row, i));
    }
    free(built.data);
}

lyc_status lyc_tools_compare_layers(lyc_result *result, const lyc_case *c, const char *path, lyc_error *err)
{
    lyc_network_file *file = NULL;
    const json_t *layers = json_object_get(c->json, "layers");
    const json_t *columns = json_object_get(layers, "columns");
    LYC_TRY(lyc_network_file_open(&file, path, NULL, err));
    for (size_t i = 0; i < lyc_network_file_count(file); i++) {
        const lyc_network_layer layer = lyc_network_file_layer(file, i);
        const json_t *row = json_object_get(layers, layer.name);
        if (row == NULL) {
            lyc_result_complain(result, "%s is not expected", layer.name);
        } else {
            compare_layer(result, c, &layer, columns, row);
        }
    }
    if (lyc_network_file_count(file) + 1 != json_object_size(layers)) {
        lyc_result_complain(result, "%zu layers, expected %zu", lyc_network_file_count(file),
                            json_object_size(layers) - 1);
    }
    if (lyc_network_file_unmatched_count(file) > 0) {
        lyc_result_complain(result, "the tensor %s is of no layer", lyc_network_file_unmatched(file, 0));
    }
    lyc_network_file_close(file);
    return LYC_OK;
}
