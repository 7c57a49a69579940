/* test_bundle.c - bundles have the bytes of their parts, and give them back
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lycoris/adapter.h"
#include "support/folder.h"
#include "support/table.h"
#include "support/tensor_file.h"
#include "tool/bundle_internal.h"

#define ADAPTER "examples/adapter/adapter.safetensors"
#define LAYER   "lora_unet_conv_in.lora_down.weight:F32:2x8 lora_unet_conv_in.lora_up.weight:F32:6x2"

static test_folder folder;
static lyc_arena paths;
static lyc_error err;

static int set_up(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    lyc_arena_clear(&paths);
    return 0;
}

static const char *at(const char *name)
{
    return lyc_arena_text(&paths, test_folder_path(&folder, name));
}

static const char *file_of(const char *name, const char *tensors)
{
    const char *path = at(name);
    test_tensor_file(path, tensors, NULL);
    return path;
}

static void bundle(const char *output, const char *adapter, const char *name, const char *embedding)
{
    lyc_bundling *report = NULL;
    const lyc_bundle_embedding e = {embedding, name};
    const lyc_bundle_options o = {.embeddings = &e, .embedding_count = 1};
    if (lyc_bundle(&report, output, adapter, &o, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    lyc_bundling_free(report);
}

static lyc_bundling *unbundle(const char *to, const char *path)
{
    lyc_bundling *report = NULL;
    const lyc_unbundle_options o = {0};
    if (lyc_unbundle(&report, to, path, &o, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return report;
}

static void refuses(const char *path, lyc_status status, const char *message)
{
    char wanted[512];
    lyc_bundling *report = NULL;
    const lyc_unbundle_options o = {0};
    snprintf(wanted, sizeof wanted, "%s%s", path, message);
    assert_int_equal(lyc_unbundle(&report, at("out"), path, &o, NULL, &err), status);
    assert_null(report);
    assert_string_equal(err.message, wanted);
}

static void assert_same_file(const char *a, const char *b)
{
    size_t size_a, size_b;
    char *x = test_file_read(a, &size_a), *y = test_file_read(b, &size_b);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(x, y, size_a);
    free(x);
    free(y);
}

static bool holds(const char *path, const char *tensor, lyc_dtype dtype, int64_t rows)
{
    lyc_safetensors *file = NULL;
    lyc_tensor_view view;
    assert_int_equal(lyc_safetensors_open(&file, path, NULL, &err), LYC_OK);
    const bool found = lyc_safetensors_find(&view, file, tensor);
    const bool same = found && view.dtype == dtype && view.shape.dims[0] == rows;
    lyc_safetensors_close(file);
    return same;
}

/* There and back: the embedding's file is the same, and so is the adapter's but for the hashes, which it then has. */
static void back_again(void **state)
{
    (void)state;
    const char *xl = file_of("style.safetensors", "clip_l:F16:4x768 clip_g:F16:4x1280=nan");
    bundle(at("a-bundle.safetensors"), ADAPTER, "sks", "examples/adapter/embedding.safetensors");
    bundle(at("b-bundle-7.safetensors"), at("a-bundle.safetensors"), NULL, xl);
    assert_true(holds(at("b-bundle-7.safetensors"), "bundle_emb.sks.emb_params", LYC_F16, 2));
    assert_true(holds(at("b-bundle-7.safetensors"), "bundle_emb.style.clip_g", LYC_F16, 4));
    lyc_bundling *report = unbundle(at("out"), at("b-bundle-7.safetensors"));
    assert_int_equal(lyc_bundling_count(report), 2);
    assert_int_equal(lyc_bundling_adapter_tensors(report), 48);
    assert_string_equal(lyc_bundling_adapter(report), at("out/b-7.safetensors"));
    lyc_bundling_free(report);
    assert_same_file(at("out/sks.safetensors"), "examples/adapter/embedding.safetensors");
    assert_same_file(at("out/style.safetensors"), xl);

    bundle(at("c.safetensors"), at("out/b-7.safetensors"), "sks", at("out/sks.safetensors"));
    lyc_bundling_free(unbundle(at("again"), at("c.safetensors")));
    assert_same_file(at("again/c.safetensors"), at("out/b-7.safetensors"));
}

/* Of a bundle the adapter is read as without embeddings. */
static void is_an_adapter_file(void **state)
{
    (void)state;
    lyc_network_file *file = NULL;
    bundle(at("b.safetensors"), ADAPTER, "sks", "examples/adapter/embedding.safetensors");
    assert_int_equal(lyc_network_file_open(&file, at("b.safetensors"), NULL, &err), LYC_OK);
    assert_int_equal(lyc_network_file_count(file), 16);
    assert_int_equal(lyc_network_file_unmatched_count(file), 0);
    assert_int_equal(lyc_network_file_embedding_count(file), 1);
    lyc_network_file_close(file);
}

/* Bundles of other programs: dictionaries, dots in names, embeddings alone. */
static void of_others(void **state)
{
    (void)state;
    const char *path = file_of("x.safetensors", "bundle_emb.sks.string_to_param.*:F32:3x8 "
                                                "bundle_emb.v1.5.clip_l:F32:1x8 bundle_emb.one.<one>:F32:8");
    lyc_bundling *report = unbundle(at("out"), path);
    assert_null(lyc_bundling_adapter(report));
    assert_int_equal(lyc_bundling_count(report), 3);
    lyc_bundling_free(report);
    assert_true(holds(at("out/sks.safetensors"), "emb_params", LYC_F32, 3));
    assert_true(holds(at("out/v1.5.safetensors"), "clip_l", LYC_F32, 1));
    assert_true(holds(at("out/one.safetensors"), "<one>", LYC_F32, 8));
}

/* Names become names of files: a stranger does not choose where. Nothing is left of what is refused. */
static void hostile_names(void **state)
{
    (void)state;
    refuses(file_of("a.safetensors", LAYER " bundle_emb.../x.clip_l:F32:1x8"), LYC_E_FORMAT,
            ": 'bundle_emb.../x.clip_l': file name '../x' contains a path separator");
    refuses(file_of("b.safetensors", LAYER " bundle_emb.clip_l:F32:1x8"), LYC_E_FORMAT,
            ": 'bundle_emb.clip_l': 'bundle_emb.clip_l' is no tensor of an embedding, expected bundle_emb.NAME.KEY");
    refuses(file_of("c.safetensors", LAYER " bundle_emb.c.clip_l:F32:1x8"), LYC_E_FORMAT,
            ": an embedding would be written over another part, to c.safetensors");
    refuses(file_of("d.safetensors", LAYER), LYC_E_UNSUPPORTED,
            " has no embeddings (bundle_emb.NAME.KEY): it is no bundle");
    assert_string_equal(test_folder_list(&folder), "a.safetensors b.safetensors c.safetensors d.safetensors ");
}

/* The last file cannot be written: none of them is. */
static void all_or_none(void **state)
{
    (void)state;
    lyc_bundling *report = NULL;
    const lyc_unbundle_options o = {0};
    const char *path = file_of("e-bundle.safetensors", LAYER " bundle_emb.sks.clip_l:F32:1x8");
    file_of("e.safetensors", LAYER);
    assert_int_equal(lyc_unbundle(&report, folder.path, path, &o, NULL, &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "e.safetensors: it exists"));
    assert_string_equal(test_folder_list(&folder), "e-bundle.safetensors e.safetensors ");
}

static void names_of_tensors(void **state)
{
    (void)state;
    char *fields[3];
    test_table table;
    test_table_open(&table, "tests/tool/bundle_keys.txt");
    while (test_table_next(&table)) {
        assert_int_equal(test_table_split(fields, 3, table.line), 3);
        lyc_span name = {0}, key = {0};
        const lyc_status status = lyc_bundle_split(&name, &key, fields[0], &err);
        if (strcmp(fields[1], "-") == 0) {
            assert_int_equal(status, LYC_E_FORMAT);
        } else if (status != LYC_OK || !lyc_span_is(name, fields[1]) || !lyc_span_is(key, fields[2])) {
            fail_msg("%s: '%.*s' and '%.*s'", fields[0], (int)name.length, name.text, (int)key.length, key.text);
        }
    }
    test_table_close(&table, 12);
}

static void names_of_files(void **state)
{
    (void)state;
    char *fields[3];
    test_table table;
    test_table_open(&table, "tests/tool/bundle_stems.txt");
    while (test_table_next(&table)) {
        assert_int_equal(test_table_split(fields, 3, table.line), 3);
        lyc_span step;
        const lyc_span stem = lyc_bundle_stem(&step, fields[0]);
        if (!lyc_span_is(stem, fields[1]) || !lyc_span_is(step, strcmp(fields[2], "-") == 0 ? "" : fields[2])) {
            fail_msg("%s: '%.*s' and '%.*s'", fields[0], (int)stem.length, stem.text, (int)step.length, step.text);
        }
    }
    test_table_close(&table, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(back_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_an_adapter_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_or_none, set_up, tear_down),
        cmocka_unit_test(names_of_tensors),
        cmocka_unit_test(names_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
