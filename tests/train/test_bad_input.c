/* test_bad_input.c - what users give that cannot be trained, or not as they think: the message of each
 *
 * What belongs to one room is tested there: captions and pictures in tests/data, steps that are not finite and states
 * of other runs in test_trainer.c, killed processes in test_trainer_kill_long.c, full disks in tests/fault.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/train.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../data/data_folder.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/folder.h"
#include "model/networks.h"
#include "support/model_file.h"

static test_folder folder;
static lyc_arena paths;
static lyc_error err;

static const char *at(const char *name)
{
    return lyc_arena_text(&paths, test_folder_path(&folder, name));
}

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    assert_int_equal(mkdir(at("pics"), 0777), 0);
    test_picture(at("pics/0.png"), 64, 64, 60);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    lyc_arena_clear(&paths);
    return 0;
}

/* Later values of the same option win: `more` ends with NULL. */
static lyc_train_config *configure(const char *pictures, const char *const *more)
{
    const char *const common[] = {"model",
                                  SD15,
                                  pictures,
                                  at("pics"),
                                  "resolution",
                                  "64",
                                  "min_bucket_reso",
                                  "64",
                                  "class_tokens",
                                  "a disc",
                                  "learning_rate",
                                  "1e-3",
                                  "seed",
                                  "7",
                                  "network_dim",
                                  "2",
                                  "network_train_unet_only",
                                  "true",
                                  "output_dir",
                                  at("out"),
                                  "max_train_steps",
                                  "4",
                                  NULL};
    const char *const *lists[] = {common, more};
    lyc_train_config *config = NULL;
    must(lyc_train_config_new(&config, &err), &err);
    for (int k = 0; k < 2; k++) {
        for (const char *const *o = lists[k]; *o != NULL; o += 2) {
            must(lyc_train_config_set(config, o[0], o[1], &err), &err);
        }
    }
    return config;
}

static void says(const char *text, const char *wanted)
{
    if (strstr(text, wanted) == NULL) {
        fail_msg("'%s' has no '%s'", text, wanted);
    }
}

static void refuses(const char *pictures, const char *const *more, lyc_status status, const char *message)
{
    lyc_train_config *config = configure(pictures, more);
    lyc_training *training = NULL;
    assert_int_equal(lyc_training_open(&training, config, NULL, NULL, &err), status);
    says(err.message, message);
    lyc_train_config_free(config);
    lyc_file_id id;
    assert_int_not_equal(lyc_file_id_of(&id, at("out"), NULL), LYC_OK); /* nothing was written */
}

/* A training that can be made, with a notice. */
static void notes(const char *const *more, const char *message)
{
    lyc_train_config *config = configure("image_dir", more);
    lyc_training *training = NULL;
    bool found = false;
    must(lyc_training_open(&training, config, NULL, NULL, &err), &err);
    const lyc_train_plan *plan = lyc_training_plan(training);
    for (size_t i = 0; i < plan->notice_count; i++) {
        found = found || strstr(plan->notices[i], message) != NULL;
    }
    if (!found) {
        fail_msg("no notice of %zu has '%s'; the first: %s", plan->notice_count, message,
                 plan->notice_count > 0 ? plan->notices[0] : "none");
    }
    lyc_training_close(training);
    lyc_train_config_free(config);
}

static lyc_status count_one(void *context, const char *name, bool is_folder, lyc_error *error)
{
    (void)name;
    (void)is_folder;
    (void)error;
    ++*(int *)context;
    return LYC_OK;
}

/* --- data ----------------------------------------------------------------------------------------------------------
 */

static void no_pictures(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    assert_int_equal(lyc_file_remove(at("pics/0.png"), &err), LYC_OK);
    refuses("image_dir", none, LYC_E_ARGUMENT, "no images to train on: no pictures in the folder ");
    assert_int_equal(mkdir(at("pics/dogs"), 0777), 0);
    test_picture(at("pics/dogs/0.png"), 64, 64, 60);
    refuses("train_data_dir", none, LYC_E_ARGUMENT,
            "/pics: 1 folders, none with pictures and a name like 10_sks dog (<repeats>_<class tokens>)");
}

static void pictures_lose_their_sides(void **state)
{
    (void)state;
    static const char *const options[] = {"enable_bucket", "true", "max_bucket_reso", "128", NULL};
    test_picture(at("pics/long.png"), 512, 64, 60);
    notes(options, "1 pictures lose more than a tenth of their pixels to their bucket: pics/long.png (88 %)");
}

/* One caption, two pictures, two files of latents. */
static void pictures_of_one_stem(void **state)
{
    (void)state;
    static const char *const options[] = {
        "cache_latents_to_disk", "true", "max_train_steps", "2", "caption_extension", ".txt", NULL};
    lyc_training *training = NULL;
    const char *end = NULL;
    const lyc_image_write_options jpeg = {.format = LYC_IMAGE_JPEG};
    lyc_image image;
    assert_int_equal(lyc_image_init(&image, 64, 64, 3, &err), LYC_OK);
    assert_int_equal(lyc_image_write(at("pics/0.jpg"), &image, &jpeg, &err), LYC_OK);
    lyc_image_clear(&image);
    test_text_write(at("pics/0.txt"), "a disc");
    lyc_train_config *config = configure("image_dir", options);
    must(lyc_training_open(&training, config, NULL, NULL, &err), &err);
    assert_int_equal(lyc_training_plan(training)->images, 2);
    must(lyc_training_run(&end, training, &err), &err);
    lyc_training_close(training);
    lyc_train_config_free(config);
    int files = 0;
    must(lyc_folder_list(at("pics"), count_one, &files, &err), &err);
    assert_int_equal(files, 5);
}

/* --- options -------------------------------------------------------------------------------------------------------
 */

static void options_that_exclude_each_other(void **state)
{
    (void)state;
    static const struct {
        const char *options[7];
        const char *message;
    } cases[] = {
        {{"color_aug", "true", "cache_latents", "true"}, "cache_latents and color_aug exclude each other"},
        {{"scale_v_pred_loss_like_noise_pred", "true"},
         "scale_v_pred_loss_like_noise_pred is for models of v-prediction, this one predicts noise"},
        {{"v_parameterization", "true", "v_pred_like_loss", "0.5"},
         "v_pred_like_loss is for models that predict noise, this one predicts v"},
        {{"adaptive_noise_scale", "0.1", "min_timestep", "500", "max_timestep", "500"},
         "adaptive_noise_scale without noise_offset: it adapts that offset"},
        {{"min_timestep", "600", "max_timestep", "500"},
         "min_timestep 600, max_timestep 500: expected 0 to 1000, the first below the second"},
        {{"full_bf16", "true"}, "full_bf16 needs mixed_precision bf16"},
        {{"full_fp16", "true", "mixed_precision", "bf16"}, "full_fp16 needs mixed_precision fp16"},
        {{"stochastic_rounding", "true"}, "stochastic_rounding without full_bf16 or full_fp16"},
        {{"resolution", "65"}, "resolution is 65x65, expected multiples of "},
        {{"resolution", "big"}, "resolution is 'big', expected 512, or width,height in pixels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuses("image_dir", cases[i].options, LYC_E_ARGUMENT, cases[i].message);
    }
}

static void numbers_out_of_range(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"train_batch_size", "0", "'0' is out of range: expected from 1 to 4096"},
        {"keep_tokens", "-1", "'-1' is out of range: expected from 0 to 100000"},
        {"caption_dropout_rate", "1.5", "'1.5' is out of range: expected from 0 to 1"},
        {"caption_tag_dropout_rate", "-0.1", "'-0.1' is out of range: expected from 0 to 1"},
        {"validation_split", "2", "'2' is out of range: expected from 0 to 1"},
        {"gradient_accumulation_steps", "0", "'0' is out of range: expected from 1 to 1000000"},
        {"learning_rate", "-1", "'-1' is out of range: expected from 0 to 1000000"},
        {"max_train_steps", "many", "'many' is not a whole number"},
    };
    lyc_train_config *config = NULL;
    must(lyc_train_config_new(&config, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(lyc_train_config_set(config, cases[i][0], cases[i][1], &err), LYC_E_ARGUMENT);
        says(err.message, cases[i][2]);
    }
    lyc_train_config_free(config);
}

static void sizes_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const warmup[] = {"lr_scheduler", "constant_with_warmup", "lr_warmup_steps", "3500", NULL};
    static const char *const rank[] = {"network_dim", "1000", NULL};
    notes(warmup, "lr_warmup_steps 3500 of 4 steps: the full rate is never reached");
    notes(rank, "network_dim is larger than the smaller side of ");
    test_text_write(at("nothing.toml"), "unet_target_name = [\"nowhere.*\"]\n");
    const char *const preset[] = {"preset", at("nothing.toml"), NULL};
    refuses("image_dir", preset, LYC_E_ARGUMENT, "nowhere.*");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_pictures, setup, teardown),
        cmocka_unit_test_setup_teardown(pictures_lose_their_sides, setup, teardown),
        cmocka_unit_test_setup_teardown(pictures_of_one_stem, setup, teardown),
        cmocka_unit_test_setup_teardown(options_that_exclude_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_out_of_range, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_that_make_no_sense, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
