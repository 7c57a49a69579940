/* test_model_save.c - models with trained weights in the layout of their source
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pictures.h"

#include "support/folder.h"
#include "tensor/dtype.h"
#include "train/model_save.h"

static void trained_weights_are_in_the_file(void **state)
{
    static const lyc_dtype dtypes[] = {LYC_F16, LYC_F32};
    lyc_error err;
    test_folder folder;
    lyc_trainables set = {0};
    lyc_train_model *m = open_model(LYC_PRECISION_F32);
    (void)state;
    test_folder_make(&folder);
    const char *source = lyc_component_at(m->networks.unet, 0).file;
    must(lyc_trainables_add_component(&set, m->networks.unet, 1, &err), &err);
    lyc_trainable *row = lyc_trainables_find(&set, "unet", "conv_in.weight");
    row->value[3] = 0.375f;
    for (int i = 0; i < 2; i++) {
        lyc_component *written = NULL;
        const char *path = test_folder_path(&folder, i == 0 ? "stored.safetensors" : "wide.safetensors");
        const lyc_model_save_options options = {.as_stored = i == 0, .dtype = LYC_F32};
        must(lyc_model_save(path, source, m, &set, &options, &err), &err);
        must(lyc_component_open(&written, LYC_COMPONENT_UNET, SD15 "unet/config.json", path, &err), &err);
        assert_int_equal(lyc_component_count(written), lyc_component_count(m->networks.unet));
        for (size_t k = 0; k < lyc_component_count(written); k++) {
            const lyc_weight_view view = lyc_component_at(written, k);
            const lyc_trainable *own = lyc_trainables_find(&set, "unet", view.name);
            assert_int_equal(view.dtype, dtypes[i]);
            for (int64_t j = 0; j < own->count; j++) {
                const char *at = (const char *)view.data + (size_t)j * (size_t)lyc_dtype_bits(view.dtype) / 8;
                assert_true(lyc_dtype_load(view.dtype, at) == (double)own->value[j]);
            }
        }
        lyc_component_close(written);
    }
    lyc_trainables_clear(&set);
    lyc_train_model_close(m);
    test_folder_remove(&folder);
}

static void refuses_what_is_no_file_of_it(void **state)
{
    lyc_error err;
    test_folder folder;
    lyc_trainables set = {0};
    lyc_train_model *m = open_model(LYC_PRECISION_F32);
    const lyc_model_save_options options = {.as_stored = true};
    (void)state;
    test_folder_make(&folder);
    const char *path = test_folder_path(&folder, "model.safetensors");
    const char *source = lyc_component_at(m->networks.unet, 0).file;
    const char *text = lyc_component_at(m->networks.text[0], 0).file;
    must(lyc_trainables_add_component(&set, m->networks.unet, 1, &err), &err);
    assert_int_equal(lyc_model_save(path, text, m, &set, &options, &err), LYC_E_ARGUMENT);
    assert_non_null(strstr(err.message, "nothing that was trained lies in "));
    set.rows[7].value[0] = INFINITY;
    assert_int_equal(lyc_model_save(path, source, m, &set, &options, &err), LYC_E_NUMERIC);
    assert_non_null(strstr(err.message, " has a number that is not finite in F16"));
    assert_string_equal(test_folder_list(&folder), "");
    lyc_trainables_clear(&set);
    lyc_train_model_close(m);
    test_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trained_weights_are_in_the_file),
        cmocka_unit_test(refuses_what_is_no_file_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
