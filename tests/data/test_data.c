/* test_data.c - folders, lists and files of data sets: what is found, and what is refused
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/data.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "data_folder.h"
#include "support/model_file.h"

static test_folder folder;
static lyc_arena paths; /* options borrow them */

static const char *at(const char *name)
{
    return lyc_arena_text(&paths, test_folder_path(&folder, name));
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(at(name), 0777), 0);
}

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    make_folder("train");
    make_folder("train/3_sks dog");
    make_folder("train/1_cat");
    make_folder("train/notes");
    test_picture(at("train/3_sks dog/a.png"), 64, 64, 10);
    test_picture(at("train/3_sks dog/b.png"), 64, 96, 20);
    test_picture(at("train/1_cat/c.png"), 100, 50, 30);
    test_text_write(at("train/3_sks dog/a.txt"), "a dog, Running\n");
    test_text_write(at("train/1_cat/c.txt"), "\xEF\xBB\xBF a cat\r\nsecond line\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    lyc_arena_clear(&paths);
    return 0;
}

static lyc_data *open_data(const lyc_data_options *options)
{
    lyc_data *data = NULL;
    lyc_error err = {0};
    if (lyc_data_open(&data, options, &test_data_model, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return data;
}

/* text with `by` in the place of each `what`. */
static void replace(char *out, size_t size, const char *text, const char *what, const char *by)
{
    size_t length = 0;
    while (*text != '\0' && length + strlen(by) + 1 < size) {
        const bool found = strncmp(text, what, strlen(what)) == 0;
        length += (size_t)snprintf(out + length, size - length, "%.*s", found ? (int)strlen(by) : 1, found ? by : text);
        text += found ? strlen(what) : 1;
    }
}

static void expect_failure(const lyc_data_options *options, lyc_status status, const char *message)
{
    lyc_data *data = NULL;
    lyc_error err = {0};
    assert_int_equal(lyc_data_open(&data, options, &test_data_model, NULL, &err), status);
    char text[sizeof err.message];
    replace(text, sizeof text, err.message, at(""), "/"); /* the folder of the test becomes "/" */
    assert_string_equal(text, message);
}

static void expect_line(const lyc_data_image *image, size_t line, const char *text)
{
    assert_true(line < image->line_count);
    assert_int_equal(image->lines[line].length, strlen(text));
    assert_memory_equal(image->lines[line].text, text, strlen(text));
}

static void folders_give_repeats_and_captions(void **state)
{
    (void)state;
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    o.dataset.enable_bucket = true;
    lyc_data *data = open_data(&o);
    assert_int_equal(data->subset_count, 2);
    assert_string_equal(data->subsets[0].name, "1_cat");
    assert_string_equal(data->subsets[1].name, "3_sks dog");
    assert_int_equal(data->image_count, 3);
    assert_int_equal(data->training_images, 3);
    assert_int_equal(data->training_uses, 7);
    expect_line(&data->images[0], 0, "a cat");
    assert_int_equal(data->images[0].line_count, 1);
    expect_line(&data->images[1], 0, "a dog, Running");
    expect_line(&data->images[2], 0, "sks dog"); /* no caption file: the class tokens */
    assert_string_equal(data->images[2].name, "3_sks dog/b.png");
    assert_int_equal(data->images[2].width, 64);
    assert_int_equal(data->images[2].height, 96);
    /* 64x64; the areas of 100x50 and 64x96 within 64*64 in steps of 8 */
    assert_int_equal(data->datasets[0].bucket_count, 3);
    assert_int_equal(data->datasets[0].buckets[0].size.width, 48);
    assert_int_equal(data->datasets[0].buckets[0].size.height, 80);
    assert_int_equal(data->datasets[0].buckets[0].count, 3);
    assert_int_equal(data->warning_count, 1);
    assert_non_null(strstr(data->warnings[0], "/train/notes is passed over"));
    lyc_data_close(data);
}

static void wildcards_keep_all_lines(void **state)
{
    (void)state;
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    o.subset.caption.enable_wildcard = true;
    lyc_data *data = open_data(&o);
    assert_int_equal(data->images[0].line_count, 2);
    expect_line(&data->images[0], 1, "second line");
    lyc_data_close(data);
}

static void tags_are_counted_in_lower_case(void **state)
{
    (void)state;
    lyc_data_options o = test_data_options();
    lyc_arena arena = {0};
    lyc_tag_count *tags;
    size_t count;
    o.train_data_dir = at("train");
    lyc_data *data = open_data(&o);
    assert_int_equal(lyc_data_tags(&tags, &count, &arena, data, 1, NULL), LYC_OK);
    assert_int_equal(count, 3);
    assert_string_equal(tags[0].tag, "a dog");
    assert_string_equal(tags[1].tag, "running");
    assert_string_equal(tags[2].tag, "sks dog");
    assert_int_equal(tags[2].count, 1);
    lyc_arena_clear(&arena);
    lyc_data_close(data);
}

/* 7 uses of training images: two regularisation images of 2 repeats get 4, then one more each, up to 7. */
static void regularisation_matches_training(void **state)
{
    (void)state;
    make_folder("reg");
    make_folder("reg/2_dog");
    test_picture(at("reg/2_dog/r1.png"), 64, 64, 1);
    test_picture(at("reg/2_dog/r2.png"), 64, 64, 2);
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    o.reg_data_dir = at("reg");
    lyc_data *data = open_data(&o);
    assert_int_equal(data->regularisation_images, 2);
    assert_int_equal(data->regularisation_uses, 7);
    assert_int_equal(data->images[3].uses, 4);
    assert_int_equal(data->images[4].uses, 3);
    lyc_data_close(data);
}

static void validation_takes_the_rest_of_each_folder(void **state)
{
    (void)state;
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    o.dataset.validation_split = 0.5;
    lyc_data *data = open_data(&o);
    assert_int_equal(data->validation_images, 1); /* of two; one picture alone is trained */
    assert_int_equal(data->training_images, 2);
    assert_false(data->images[0].validation);
    assert_true(data->images[1].validation != data->images[2].validation);
    lyc_data_close(data);
}

static void fingerprints_tell_data_apart(void **state)
{
    (void)state;
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    lyc_data *data = open_data(&o);
    const uint64_t first = data->fingerprint;
    lyc_data_close(data);
    o.subset.caption.caption_dropout_rate = 0.05;
    data = open_data(&o);
    assert_true(data->fingerprint != first);
    lyc_data_close(data);
    o.subset.caption.caption_dropout_rate = 0;
    data = open_data(&o);
    assert_true(data->fingerprint == first);
    lyc_data_close(data);
    test_picture(at("train/1_cat/c.png"), 100, 50, 31);
    data = open_data(&o);
    assert_true(data->fingerprint != first);
    lyc_data_close(data);
}

static void lists_join_captions_and_tags(void **state)
{
    (void)state;
    test_text_write(at("list.json"), "{\"3_sks dog/a.png\": {\"caption\": \"a dog\", \"tags\": \"x, y\"},\n"
                                     " \"3_sks dog/b.png\": {\"tags\": \"z\", \"train_resolution\": [64, 64]}}");
    test_text_write(at("list.jsonl"), "{\"image_path\": \"1_cat/c.png\", \"caption\": \"a cat\"}\n\n");
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    o.in_json = at("list.json");
    o.subset.num_repeats = 2;
    lyc_data *data = open_data(&o);
    assert_int_equal(data->image_count, 2);
    assert_int_equal(data->training_uses, 4);
    expect_line(&data->images[0], 0, "a dog,x, y");
    expect_line(&data->images[1], 0, "z");
    lyc_data_close(data);
    o.in_json = at("list.jsonl");
    data = open_data(&o);
    expect_line(&data->images[0], 0, "a cat");
    lyc_data_close(data);
}

static void data_set_files_have_levels(void **state)
{
    (void)state;
    static const char text[] =
        "[general]\nshuffle_caption = true\nresolution = 64\nbatch_size = 2\n"
        "[[datasets]]\nbatch_size = 3\nkeep_tokens = 1\n"
        "  [[datasets.subsets]]\n  image_dir = '@3_sks dog'\n  num_repeats = 5\n  keep_tokens = 2\n"
        "  [[datasets.subsets]]\n  image_dir = '@1_cat/'\n  class_tokens = 'cat'\n  is_reg = true\n"
        "[[datasets]]\nresolution = [64, 32]\nnetwork_multiplier = 0.5\n"
        "  [[datasets.subsets]]\n  image_dir = '@1_cat'\n"
        "  custom_attributes.diff_output_preservation = true\n";
    char whole[4096];
    replace(whole, sizeof whole, text, "@", at("train/"));
    test_text_write(at("set.toml"), whole);
    lyc_data_options o = test_data_options();
    o.dataset_config = at("set.toml");
    lyc_data *data = open_data(&o);
    assert_int_equal(data->dataset_count, 2);
    assert_int_equal(data->datasets[0].options.batch_size, 3);
    assert_int_equal(data->datasets[1].options.batch_size, 2);
    assert_int_equal(data->datasets[1].sizes.options.resolution.height, 32);
    assert_int_equal(data->subsets[0].repeats, 5);
    assert_int_equal(data->subsets[0].options.caption.keep_tokens, 2);
    assert_int_equal(data->subsets[1].options.caption.keep_tokens, 1);
    assert_true(data->subsets[0].options.caption.shuffle_caption);
    assert_true(data->subsets[1].options.is_reg);
    assert_string_equal(data->subsets[1].name, "1_cat");
    assert_int_equal(data->subset_count, 2); /* the folder's second mention is passed over */
    lyc_data_close(data);
}

static void data_set_files_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        lyc_status status; /* 0: LYC_E_FORMAT */
    } cases[] = {
        {"[general]\nkeep_token = 1\n[[datasets]]\n",
         "reading /set.toml: general: unknown option 'keep_token'; did you mean 'keep_tokens'?"},
        {"[general]\nbatch_size = '1'\n[[datasets]]\n",
         "reading /set.toml: general: batch_size is a text, expected a whole number"},
        {"[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nbatch_size = 2\n",
         "reading /set.toml: datasets[0].subsets[0]: 'batch_size' can stand in [general] or [[datasets]] alone"},
        {"[[datasets]]\nresolution = 64\nimage_dir = 'x'\n",
         "reading /set.toml: datasets[0]: 'image_dir' can stand in [[datasets.subsets]] alone"},
        {"[[datasets]]\nresolution = 64\n", "reading /set.toml: datasets[0]: no [[datasets.subsets]]"},
        {"[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nnum_repeats = 2\n",
         "reading /set.toml: datasets[0].subsets[0]: image_dir or metadata_file is missing"},
        {"[[datasets]]\nresolution = 65\n[[datasets.subsets]]\n",
         "reading /set.toml: datasets[0]: resolution is 65x65, expected multiples of 8 for this model", LYC_E_ARGUMENT},
        {"[[datasets]]\ncaption_dropout_rate = 2.0\n",
         "reading /set.toml: datasets[0]: caption_dropout_rate: '2' is out of range: expected from 0 to 1",
         LYC_E_ARGUMENT},
        {"[dataset]\n", "reading /set.toml: unknown section 'dataset', expected general and datasets"},
    };
    lyc_data_options o = test_data_options();
    o.dataset_config = at("set.toml");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_text_write(at("set.toml"), cases[i].text);
        expect_failure(&o, cases[i].status != LYC_OK ? cases[i].status : LYC_E_FORMAT, cases[i].message);
    }
}

static void what_is_wrong_is_said_at_once(void **state)
{
    (void)state;
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train/1_cat");
    expect_failure(&o, LYC_E_ARGUMENT,
                   "/train/1_cat: 1 pictures lie in the folder itself, expected in folders inside it that are named "
                   "<repeats>_<class tokens>, as in /train/1_cat/10_sks dog");
    make_folder("bad");
    make_folder("bad/1_x");
    test_text_write(at("bad/1_x/a.png"), "");
    test_picture(at("bad/1_x/b.png"), 64, 64, 0);
    test_text_write(at("bad/1_x/b.txt"), "caf\xE9");
    test_text_write(at("bad/1_x/a.txt"), " \n");
    o.train_data_dir = at("bad");
    expect_failure(&o, LYC_E_FORMAT,
                   "3 files cannot be used: /bad/1_x/a.txt: an empty caption; /bad/1_x/b.txt: byte 3 is not UTF-8; "
                   "reading /bad/1_x/a.png: an empty file where a picture was expected");
    o.train_data_dir = NULL;
    expect_failure(&o, LYC_E_ARGUMENT, "no data: one of image_dir, train_data_dir, in_json, dataset_config is needed");
    o.train_data_dir = at("train");
    o.dataset.resolution = "big";
    expect_failure(&o, LYC_E_ARGUMENT, "resolution is 'big', expected 512, or width,height in pixels");
    o.dataset.resolution = "64";
    o.subset.random_crop = o.cache_latents = true;
    expect_failure(&o, LYC_E_ARGUMENT,
                   "cache_latents and random_crop exclude each other: cached latents are of one form of a picture");
}

static void bad_pictures_can_be_passed_over(void **state)
{
    (void)state;
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    o.skip_bad_images = true;
    test_text_write(at("train/1_cat/broken.png"), "no picture");
    test_text_write(at("train/1_cat/broken.txt"), "text");
    lyc_data *data = open_data(&o);
    assert_int_equal(data->image_count, 3);
    assert_int_equal(data->subsets[1].first, 1);
    assert_non_null(strstr(data->warnings[1], "1 pictures cannot be read and are passed over, the first: reading"));
    lyc_data_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_give_repeats_and_captions, setup, teardown),
        cmocka_unit_test_setup_teardown(wildcards_keep_all_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(tags_are_counted_in_lower_case, setup, teardown),
        cmocka_unit_test_setup_teardown(regularisation_matches_training, setup, teardown),
        cmocka_unit_test_setup_teardown(validation_takes_the_rest_of_each_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(fingerprints_tell_data_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_join_captions_and_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(data_set_files_have_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(data_set_files_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_pictures_can_be_passed_over, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
