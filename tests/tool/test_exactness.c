/* test_exactness.c - the tools are as exact as docs/manual/tools.md says: the lines of exactness.txt
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "lycoris/bundle.h"
#include "lycoris/convert.h"
#include "lycoris/extract.h"
#include "lycoris/merge.h"
#include "lycoris/resize.h"
#include "support/folder.h"
#include "support/sample_model.h"
#include "support/table.h"
#include "tensor/dtype.h"

static const double STRENGTH = 0.7;

static test_folder folder;
static lyc_arena paths;
static lyc_error err;
static const char *model, *adapter;

static const char *at(const char *name)
{
    return lyc_arena_text(&paths, test_folder_path(&folder, name));
}

static void must(lyc_status status)
{
    if (status != LYC_OK) {
        fail_msg("%s", err.message);
    }
}

/* --- tools ---------------------------------------------------------------------------------------------------------
 */

static void convert(const char *out, const char *in, lyc_convert_options o)
{
    lyc_network_file *file = NULL;
    lyc_conversion *conversion = NULL;
    o.keep_dtype = o.force = true;
    must(lyc_network_file_open(&file, in, NULL, &err));
    must(lyc_convert(&conversion, out, file, &o, NULL, &err));
    assert_true(o.rank > 0 || !(lyc_conversion_layer(conversion, 0).error > 0.0));
    lyc_conversion_free(conversion);
    lyc_network_file_close(file);
}

static void merge(const char *out, double strength)
{
    lyc_merge_report *report = NULL;
    const lyc_merge_adapter merged = {adapter, strength, strength};
    const lyc_merge_options o = {.base = model, .output = out, .adapters = &merged, .adapter_count = 1, .force = true};
    must(lyc_merge(&report, &o, NULL, &err));
    lyc_merge_report_free(report);
}

static void resize(const char *out, const char *in, int64_t rank)
{
    lyc_network_file *file = NULL;
    lyc_resizing *resizing = NULL;
    const lyc_resize_options o = {.rank = rank, .allow_grow = true, .keep_dtype = true, .force = true};
    must(lyc_network_file_open(&file, in, NULL, &err));
    must(lyc_resize(&resizing, out, file, &o, NULL, &err));
    assert_true(lyc_resizing_layer(resizing, 0).resized);
    lyc_resizing_free(resizing);
    lyc_network_file_close(file);
}

/* 0 where the bytes are the same. */
static double bytes_differ(const char *file, const char *other)
{
    return test_has_tensors_of(file, other) && test_has_tensors_of(other, file) ? 0.0 : (double)INFINITY;
}

/* --- operations: the error of each ---------------------------------------------------------------------------------
 */

static double names_and_back(void)
{
    convert(at("there.safetensors"), adapter, (lyc_convert_options){.scheme = "wrapper"});
    convert(at("back.safetensors"), at("there.safetensors"), (lyc_convert_options){.scheme = "kohya"});
    assert_false(test_has_tensors_of(at("there.safetensors"), adapter));
    return bytes_differ(at("back.safetensors"), adapter);
}

static double bundle_and_back(void)
{
    lyc_bundling *bundling = NULL;
    const char *embedding = "examples/adapter/embedding.safetensors";
    const lyc_bundle_embedding e = {embedding, "sks"};
    const lyc_bundle_options there = {.embeddings = &e, .embedding_count = 1, .force = true};
    const lyc_unbundle_options back = {.force = true};
    must(lyc_bundle(&bundling, at("a-bundle.safetensors"), adapter, &there, NULL, &err));
    lyc_bundling_free(bundling);
    must(lyc_unbundle(&bundling, at("parts"), at("a-bundle.safetensors"), &back, NULL, &err));
    lyc_bundling_free(bundling);
    return bytes_differ(at("parts/a.safetensors"), adapter) + bytes_differ(at("parts/sks.safetensors"), embedding);
}

static double merge_nothing(void)
{
    merge(at("merged.safetensors"), 0.0);
    return bytes_differ(at("merged.safetensors"), model);
}

static double merge_twice(void)
{
    merge(at("merged.safetensors"), STRENGTH);
    merge(at("again.safetensors"), STRENGTH);
    assert_false(test_has_tensors_of(at("merged.safetensors"), model));
    return bytes_differ(at("merged.safetensors"), at("again.safetensors"));
}

static double convert_twice(void)
{
    convert(at("lora.safetensors"), adapter, (lyc_convert_options){.algorithm = "lora", .rank = 4});
    convert(at("again.safetensors"), adapter, (lyc_convert_options){.algorithm = "lora", .rank = 4});
    return bytes_differ(at("lora.safetensors"), at("again.safetensors"));
}

/* Of the model's number and the change in f32, added in f64. */
static double merge_error(void)
{
    size_t count;
    test_change wanted;
    double worst = 0.0, largest = 0.0;
    merge(at("merged.safetensors"), STRENGTH);
    test_change_of(&wanted, adapter, model, STRENGTH);
    float *found = test_sample_weight(&count, adapter, at("merged.safetensors"));
    float *base = test_sample_weight(&count, adapter, model);
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)base[i] + (double)wanted.weight[i]));
    }
    for (size_t i = 0; i < count; i++) {
        const double sum = (double)base[i] + (double)wanted.weight[i];
        const double off = fmax(fabs((double)found[i] - sum) - 1e-6 * largest, 0.0);
        worst = fmax(worst, off > 0.0 ? off / fabs(sum) : 0.0);
    }
    free(found);
    free(base);
    test_change_clear(&wanted);
    return worst;
}

/* The distance of the change of what the options make. */
static double converted(lyc_convert_options o)
{
    convert(at("out.safetensors"), adapter, o);
    return test_change_distance(adapter, at("out.safetensors"), model);
}

static double to_diffusers(void)
{
    return converted((lyc_convert_options){.scheme = "diffusers"});
}

static double to_lora(void)
{
    return converted((lyc_convert_options){.algorithm = "lora", .max_rank = 320});
}

static double to_full(void)
{
    return converted((lyc_convert_options){.algorithm = "full", .base = model});
}

static double grow_and_resize(void)
{
    resize(at("large.safetensors"), adapter, 9);
    resize(at("out.safetensors"), at("large.safetensors"), 4);
    return test_change_distance(adapter, at("out.safetensors"), model);
}

static double merge_and_extract(void)
{
    lyc_extraction *extraction = NULL;
    const lyc_extract_options o = {.mode = "fixed", .rank = 4, .conv_rank = 4, .dtype = LYC_F32, .force = true};
    merge(at("merged.safetensors"), 1.0);
    must(lyc_extract(&extraction, at("out.safetensors"), model, at("merged.safetensors"), &o, NULL, &err));
    lyc_extraction_free(extraction);
    return test_change_distance(adapter, at("out.safetensors"), model);
}

static const struct {
    const char *name;
    double (*error)(void);
} operations[] = {
    {"names_and_back", names_and_back},
    {"bundle_and_back", bundle_and_back},
    {"merge_nothing", merge_nothing},
    {"merge_twice", merge_twice},
    {"convert_twice", convert_twice},
    {"merge", merge_error},
    {"to_diffusers", to_diffusers},
    {"to_lora", to_lora},
    {"to_full", to_full},
    {"grow_and_resize", grow_and_resize},
    {"merge_and_extract", merge_and_extract},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* --- the table -----------------------------------------------------------------------------------------------------
 */

static double error_of(const char *operation)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (strcmp(operations[i].name, operation) == 0) {
            return operations[i].error();
        }
    }
    fail_msg("no operation is called '%s'", operation);
    return NAN;
}

static void lines(void **state)
{
    (void)state;
    static const lyc_dtype types[] = {LYC_F32, LYC_F16, LYC_BF16};
    test_table table;
    char *part[4];
    test_table_open(&table, "tests/tool/exactness.txt");
    while (test_table_next(&table)) {
        test_folder_make(&folder);
        assert_int_equal(test_table_split(part, 4, table.line), 4);
        model = at("model.safetensors");
        adapter = at("adapter.safetensors");
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            if (strcmp(lyc_dtype_name(types[i]), part[2]) == 0) {
                test_sample_model(model, types[i]);
            }
        }
        test_sample_adapter(adapter, part[1]);
        const double error = error_of(part[0]), most = strtod(part[3], NULL);
        if (!(error <= most)) {
            fail_msg("%s:%d: %s of %s: %g, at most %g", table.path, table.number, part[0], part[1], error, most);
        }
        test_folder_remove(&folder);
        lyc_arena_clear(&paths);
    }
    test_table_close(&table, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
