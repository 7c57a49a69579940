/* tools_merge.c - several adapter files in one, as sd-scripts' merge_lora.py and svd_merge_lora.py make them
 *
 *     "inputs": files, "ratios": their strengths, "options": {"concat": true}; "file" with the tensors and "metadata",
 *     or "new_rank", "new_conv_rank" and "layers"
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kind.h"
#include "lycoris/merge_adapters.h"
#include "tensor/shape.h"
#include "tool/quantile.h"
#include "tools_layers.h"

enum { MOST = 8 };

/* What a user has to ask for to get what the tools make. */
static lyc_merge_adapters_options options_of(const lyc_case *c)
{
    const bool concat = json_is_true(json_object_get(json_object_get(c->json, "options"), "concat"));
    if (!lyc_case_has(c, "new_rank")) {
        return (lyc_merge_adapters_options){.method = concat ? LYC_MERGE_CONCAT : LYC_MERGE_SUM,
                                            .sd_scripts = true,
                                            .dtype = LYC_F32,
                                            .strict = true,
                                            .force = true};
    }
    return (lyc_merge_adapters_options){
        .method = LYC_MERGE_SVD,
        .rank = json_integer_value(json_object_get(c->json, "new_rank")),
        .conv_rank = json_integer_value(json_object_get(c->json, "new_conv_rank")),
        .dtype = LYC_F32,
        .strict = true,
        .force = true,
    };
}

static void compare_metadata(lyc_result *result, const lyc_case *c, const lyc_safetensors *got)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(c->json, "metadata"), key, value)
    {
        const char *have = lyc_safetensors_metadata(got, key);
        if (have == NULL || strcmp(have, json_string_value(value)) != 0) {
            lyc_result_complain(result, "%s is %s, expected %s", key, have != NULL ? have : "not there",
                                json_string_value(value));
        }
    }
}

static lyc_status compare_file(lyc_result *result, lyc_case *c, const char *path, lyc_error *err)
{
    lyc_safetensors *got = NULL;
    const lyc_safetensors *want;
    const lyc_tolerance tolerance = {c->absolute_tolerance, c->relative_tolerance};
    LYC_TRY(lyc_case_open(&want, c, err));
    LYC_TRY(lyc_safetensors_open(&got, path, NULL, err));
    if (lyc_safetensors_count(got) != lyc_safetensors_count(want)) {
        lyc_result_complain(result, "%zu tensors, expected %zu", lyc_safetensors_count(got),
                            lyc_safetensors_count(want));
    }
    for (size_t i = 0; i < lyc_safetensors_count(want); i++) {
        const lyc_tensor_view expected = lyc_safetensors_tensor(want, i);
        lyc_tensor_view found;
        if (!lyc_safetensors_find(&found, got, expected.name) || found.shape.rank != expected.shape.rank ||
            memcmp(found.shape.dims, expected.shape.dims, (size_t)found.shape.rank * sizeof *found.shape.dims) != 0) {
            lyc_result_complain(result, "%s is not there, or has another shape", expected.name);
            continue;
        }
        lyc_compare_values(result, expected.name, &expected.shape, (lyc_values){found.data, found.dtype},
                           (lyc_values){expected.data, expected.dtype}, tolerance);
    }
    compare_metadata(result, c, got);
    lyc_safetensors_close(got);
    return LYC_OK;
}

/* --- factors that are cut ------------------------------------------------------------------------------------------
 *
 * svd_merge_lora.py cuts both factors at a quantile of their numbers with their signs, and the signs of singular
 * vectors are those of the LAPACK in use. So the factors are taken uncut, and must, cut, give the case's numbers for
 * some signs.
 */

enum { MOST_RANKS = 8 };

typedef struct pair {
    int64_t rows, ranks, columns;
    const float *up, *down; /* [rows,ranks], [ranks,columns] */
} pair;

static float sign_of(unsigned signs, int64_t rank)
{
    return (signs >> rank & 1U) != 0 ? -1.0F : 1.0F;
}

/* Norm and weighted sum of the product of the factors with these signs, cut at their 0.99 quantile. */
static void measure(double *norm, double *sum, const pair *p, unsigned signs, float *scratch)
{
    const int64_t ups = p->rows * p->ranks, downs = p->ranks * p->columns;
    for (int64_t i = 0; i < ups; i++) {
        scratch[i] = p->up[i] * sign_of(signs, i % p->ranks);
    }
    for (int64_t i = 0; i < downs; i++) {
        scratch[ups + i] = p->down[i] * sign_of(signs, i / p->columns);
    }
    const float limit = lyc_quantile(scratch, ups + downs, 0.99);
    double squares = 0.0;
    *sum = 0.0;
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->columns; c++) {
            double product = 0.0;
            for (int64_t k = 0; k < p->ranks; k++) { /* both with the sign, which falls out of the product */
                product += (double)fmaxf(fminf(p->up[r * p->ranks + k], limit), -limit) *
                           (double)fmaxf(fminf(p->down[k * p->columns + c], limit), -limit);
            }
            squares += product * product;
            *sum += product * cos(0.37 * (double)(r * p->columns + c));
        }
    }
    *norm = sqrt(squares);
}

static bool passes(double got, double want, const lyc_case *c)
{
    return fabs(got - want) <= c->absolute_tolerance + c->relative_tolerance * fabs(want);
}

/* row: rank, alpha, norm, sum */
static lyc_status compare_cut(lyc_result *result, const lyc_case *c, const lyc_network_layer *layer, const json_t *row,
                              lyc_error *err)
{
    pair p = {.rows = layer->weight.dims[0],
              .ranks = layer->rank,
              .columns = lyc_shape_elements(&layer->weight) / layer->weight.dims[0]};
    const double rank = json_number_value(json_array_get(row, 0)), alpha = json_number_value(json_array_get(row, 1));
    const double want_norm = json_number_value(json_array_get(row, 2)),
                 want = json_number_value(json_array_get(row, 3));
    lyc_compare_number(result, layer->name, (double)layer->rank, rank, (lyc_tolerance){0});
    lyc_compare_number(result, layer->name, layer->alpha, alpha, (lyc_tolerance){0});
    for (size_t i = 0; i < layer->tensor_count; i++) {
        const lyc_tensor_view *t = &layer->tensors[i];
        p.up = strcmp(t->name, "lora_up.weight") == 0 ? t->data : p.up;
        p.down = strcmp(t->name, "lora_down.weight") == 0 ? t->data : p.down;
    }
    float *scratch = calloc((size_t)(p.ranks * (p.rows + p.columns)), sizeof *scratch);
    if (scratch == NULL || p.up == NULL || p.down == NULL || p.ranks > MOST_RANKS) {
        free(scratch);
        return lyc_fail(err, LYC_E_FORMAT, "%s is no LoRA of at most %d ranks", layer->name, MOST_RANKS);
    }
    bool found = false;
    for (unsigned signs = 0; signs < 1U << p.ranks && !found; signs++) {
        double norm, sum;
        measure(&norm, &sum, &p, signs, scratch);
        found = passes(norm, want_norm, c) && passes(sum, want, c);
    }
    free(scratch);
    if (found) {
        lyc_result_count(result);
    } else {
        lyc_result_complain(result, "%s: no signs of its ranks give a norm of %g and a sum of %g", layer->name,
                            want_norm, want);
    }
    return LYC_OK;
}

static lyc_status compare_layers(lyc_result *result, const lyc_case *c, const char *path, lyc_error *err)
{
    lyc_network_file *file = NULL;
    const json_t *layers = json_object_get(c->json, "layers");
    LYC_TRY(lyc_network_file_open(&file, path, NULL, err));
    lyc_status status = LYC_OK;
    if (lyc_network_file_count(file) + 1 != json_object_size(layers)) {
        lyc_result_complain(result, "%zu layers, expected %zu", lyc_network_file_count(file),
                            json_object_size(layers) - 1);
    }
    for (size_t i = 0; i < lyc_network_file_count(file) && status == LYC_OK; i++) {
        const lyc_network_layer layer = lyc_network_file_layer(file, i);
        const json_t *row = json_object_get(layers, layer.name);
        if (row == NULL) {
            lyc_result_complain(result, "%s is not expected", layer.name);
        } else {
            status = compare_cut(result, c, &layer, row, err);
        }
    }
    lyc_network_file_close(file);
    return status;
}

/* --- the kind ------------------------------------------------------------------------------------------------------
 */

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "inputs") && lyc_case_has(c, "ratios") && !lyc_case_has(c, "base");
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char paths[MOST][1024], out[256];
    lyc_merge_input inputs[MOST];
    lyc_adapter_merge *merge = NULL;
    const json_t *files = json_object_get(c->json, "inputs"), *ratios = json_object_get(c->json, "ratios");
    const size_t count = json_array_size(files);
    const lyc_merge_adapters_options options = options_of(c);
    if (count == 0 || count > MOST || json_array_size(ratios) != count) {
        return lyc_fail(err, LYC_E_FORMAT, "%zu inputs with %zu ratios", count, json_array_size(ratios));
    }
    for (size_t i = 0; i < count; i++) {
        const double ratio = json_number_value(json_array_get(ratios, i));
        LYC_TRY(lyc_case_path(paths[i], sizeof paths[i], c, json_string_value(json_array_get(files, i)), err));
        inputs[i] = (lyc_merge_input){.path = paths[i], .unet = ratio, .text = ratio};
    }
    lyc_tools_scratch(out);
    LYC_TRY(lyc_merge_adapters(&merge, out, inputs, count, &options, NULL, err));
    const lyc_status status =
        lyc_case_has(c, "layers") ? compare_layers(result, c, out, err) : compare_file(result, c, out, err);
    lyc_adapter_merge_free(merge);
    unlink(out);
    return status;
}

const lyc_kind lyc_kind_tools_merge = {.name = "tools_merge", .recognise = recognise, .run = run};
