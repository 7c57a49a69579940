/* merge.c - adapters merged into a model, against LyCORIS' tool and sd-scripts' merge_lora.py
 *
 *     "base", "adapter": files; "scale": the strength, or "inputs" and "ratios" of one; "changed_tensors": name to
 * shape, norm and weighted sum; "selected_full_tensors": a file with some of them
 *
 * Tensors that are not named must be the base's, bit for bit. DoRA at other strengths is asked for as LyCORIS has it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/folder.h"
#include "base/memory.h"
#include "kind.h"
#include "lycoris/merge.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* The statistics of a tensor: Euclidean norm, sum of value * cos(0.37 i). */
static lyc_status compare_statistics(lyc_result *result, const lyc_case *c, const char *name,
                                     const lyc_tensor_view *got, const json_t *want, lyc_error *err)
{
    const size_t count = (size_t)lyc_shape_elements(&got->shape);
    const lyc_tolerance tolerance = {c->absolute_tolerance, c->relative_tolerance};
    double squares = 0, sum = 0;
    float *values = lyc_alloc(count * sizeof *values);
    if (values == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a tensor");
    }
    const lyc_status status = lyc_dtype_convert(values, LYC_F32, got->data, got->dtype, count, err);
    for (size_t i = 0; i < count; i++) {
        squares += (double)values[i] * (double)values[i];
        sum += (double)values[i] * cos(0.37 * (double)i);
    }
    lyc_free(values);
    lyc_compare_number(result, name, sqrt(squares), json_number_value(json_array_get(want, 1)), tolerance);
    lyc_compare_number(result, name, sum, json_number_value(json_array_get(want, 2)), tolerance);
    return status;
}

static lyc_status compare_merged(lyc_result *result, lyc_case *c, const char *merged, const char *base, lyc_error *err)
{
    const json_t *changed = json_object_get(c->json, "changed_tensors");
    lyc_safetensors *got = NULL, *was = NULL;
    lyc_status status = lyc_safetensors_open(&got, merged, NULL, err);
    status = status == LYC_OK ? lyc_safetensors_open(&was, base, NULL, err) : status;
    for (size_t i = 0; status == LYC_OK && i < lyc_safetensors_count(was); i++) {
        const lyc_tensor_view before = lyc_safetensors_tensor(was, i);
        const json_t *want = json_object_get(changed, before.name);
        lyc_tensor_view after;
        if (!lyc_safetensors_find(&after, got, before.name)) {
            lyc_result_complain(result, "no tensor %s", before.name);
        } else if (want != NULL) {
            status = compare_statistics(result, c, before.name, &after, want, err);
        } else {
            float *values = lyc_alloc(after.size_bytes + 1);
            const size_t count = (size_t)lyc_shape_elements(&before.shape);
            status = values == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for a tensor")
                                    : lyc_dtype_convert(values, LYC_F32, before.data, before.dtype, count, err);
            if (status == LYC_OK) {
                lyc_compare_bits(result, before.name, &before.shape, after.data, values, LYC_F32);
            }
            lyc_free(values);
        }
    }
    lyc_safetensors_close(got);
    lyc_safetensors_close(was);
    return status;
}

static bool recognise(lyc_case *c)
{
    return (lyc_case_has(c, "adapter") || lyc_case_has(c, "inputs")) && lyc_case_has(c, "base") &&
           lyc_case_has(c, "changed_tensors");
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char base[1024], adapter[1024], output[] = "/tmp/lycoris-merge-XXXXXX";
    lyc_merge_report *report = NULL;
    const json_t *match = json_object_get(c->json, "to_match");
    if (json_is_false(match) || lyc_case_has(c, "upstream_error")) { /* told for information */
        lyc_result_count(result);
        return LYC_OK;
    }
    LYC_TRY(lyc_case_path(base, sizeof base, c, lyc_case_text(c, "base"), err));
    const json_t *inputs = json_object_get(c->json, "inputs");
    const char *name = inputs == NULL ? lyc_case_text(c, "adapter") : json_string_value(json_array_get(inputs, 0));
    if (name == NULL || json_array_size(inputs) > 1) {
        return lyc_fail(err, LYC_E_FORMAT, "%zu adapters, expected one", json_array_size(inputs));
    }
    LYC_TRY(lyc_case_path(adapter, sizeof adapter, c, name, err));
    const int descriptor = mkstemp(output);
    if (descriptor < 0) {
        return lyc_fail(err, LYC_E_OUTPUT, "no temporary file");
    }
    const double scale = json_number_value(inputs == NULL ? json_object_get(c->json, "scale")
                                                          : json_array_get(json_object_get(c->json, "ratios"), 0));
    const lyc_merge_adapter adapters[] = {{adapter, scale, scale}};
    const lyc_merge_options options = {.base = base,
                                       .output = output,
                                       .adapters = adapters,
                                       .adapter_count = 1,
                                       .dora_lycoris = true,
                                       .convert = true,
                                       .dtype = LYC_F32,
                                       .strict = true,
                                       .force = true};
    lyc_status status = lyc_merge(&report, &options, NULL, err);
    lyc_merge_report_free(report);
    status = status == LYC_OK ? compare_merged(result, c, output, base, err) : status;
    lyc_file_remove(output, NULL);
    return status;
}

const lyc_kind lyc_kind_merge = {.name = "merge", .recognise = recognise, .run = run};
