/* test_training.c - whole trainings as a program makes them: files and their names, metadata, start weights, pictures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../data/data_folder.h"
#include "adapter/network_file.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/memory.h"
#include "image/decode.h"
#include "model/networks.h"
#include "pictures.h"
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
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "pics/%d.png", i);
        test_picture(at(name), 64, 64, (unsigned char)(60 * i));
    }
    test_text_write(at("pics/0.txt"), "a disc, dark");
    test_text_write(at("pics/1.txt"), "a disc, bright");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    lyc_arena_clear(&paths);
    return 0;
}

/* --- a run ---------------------------------------------------------------------------------------------------------
 */

typedef struct seen {
    char wrote[16][256];
    size_t count;
    int64_t reports, stop_after;
} seen;

static void on_wrote(void *context, const char *path)
{
    seen *s = context;
    snprintf(s->wrote[s->count++ % 16], sizeof s->wrote[0], "%s", path);
}

static void on_report(void *context, const lyc_train_progress *progress)
{
    ((seen *)context)->reports++;
    assert_true(progress->step <= progress->total_steps);
}

static bool on_stop(void *context)
{
    const seen *s = context;
    return s->stop_after > 0 && s->reports >= s->stop_after;
}

/* Options: name, value, name, value ... NULL, over those that all runs here have. */
static lyc_train_config *configure(const char *const *more)
{
    const char *const common[] = {"model",
                                  SD15,
                                  "image_dir",
                                  at("pics"),
                                  "resolution",
                                  "64",
                                  "min_bucket_reso",
                                  "64",
                                  "caption_extension",
                                  ".txt",
                                  "class_tokens",
                                  "a disc",
                                  "train_batch_size",
                                  "2",
                                  "learning_rate",
                                  "1e-3",
                                  "seed",
                                  "7",
                                  "network_args",
                                  "algo=lora",
                                  "network_args",
                                  "preset=attn-mlp",
                                  "network_dim",
                                  "2",
                                  "network_train_unet_only",
                                  "true",
                                  "output_dir",
                                  at("out"),
                                  "max_train_steps",
                                  "4",
                                  NULL};
    const char *const *lists[] = {more, common};
    lyc_train_config *config = NULL;
    assert_int_equal(lyc_train_config_new(&config, &err), LYC_OK);
    for (int k = 0; k < 2; k++) {
        for (const char *const *o = lists[k]; *o != NULL; o += 2) {
            bool given = false;
            for (const char *const *m = more; k == 1 && *m != NULL; m += 2) {
                given = given || strcmp(*m, *o) == 0;
            }
            if (!given && lyc_train_config_set(config, o[0], o[1], &err) != LYC_OK) {
                fail_msg("%s: %s", o[0], err.message);
            }
        }
    }
    return config;
}

static const char *run_with(seen *s, const char *const *more)
{
    static char state_path[256];
    lyc_train_config *config = configure(more);
    lyc_training *training = NULL;
    const char *state = NULL;
    const lyc_train_hooks hooks = {.report = on_report, .wrote = on_wrote, .stop = on_stop, .context = s};
    must(lyc_training_open(&training, config, &hooks, NULL, &err), &err);
    must(lyc_training_run(&state, training, &err), &err);
    snprintf(state_path, sizeof state_path, "%s", state != NULL ? state : "");
    lyc_training_close(training);
    lyc_train_config_free(config);
    return state_path;
}

static void refuses(const char *const *more, lyc_status status, const char *message)
{
    lyc_train_config *config = configure(more);
    lyc_training *training = NULL;
    assert_int_equal(lyc_training_open(&training, config, NULL, NULL, &err), status);
    assert_string_equal(err.message, message);
    lyc_train_config_free(config);
}

static bool is_there(const char *name)
{
    lyc_file_id id;
    return lyc_file_id_of(&id, at(name), NULL) == LYC_OK;
}

static void *contents(size_t *size, const char *name)
{
    lyc_strbuf text = {0};
    must(lyc_file_read(&text, at(name), (size_t)1 << 30, &err), &err);
    *size = text.length;
    return lyc_strbuf_take(&text);
}

static void same_files(const char *a, const char *b)
{
    size_t size_a, size_b;
    void *data_a = contents(&size_a, a), *data_b = contents(&size_b, b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(data_a, data_b, size_a);
    lyc_free(data_a);
    lyc_free(data_b);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

/* Two steps an epoch, eight steps: files at epochs 1 to 3 of which the last is kept, not at 4, whose file is the final
 * one; at steps 3 and 6. */
static void names_and_rotation(void **state)
{
    (void)state;
    static const char *const options[] = {"max_train_steps",
                                          "8",
                                          "save_every_n_epochs",
                                          "1",
                                          "save_last_n_epochs",
                                          "1",
                                          "save_every_n_steps",
                                          "3",
                                          "save_state",
                                          "true",
                                          NULL};
    seen s = {0};
    run_with(&s, options);
    assert_int_equal(s.reports, 8);
    assert_false(is_there("out/last-000001.safetensors") || is_there("out/last-000002.safetensors"));
    assert_true(is_there("out/last-000003.safetensors") && is_there("out/last-000003-state/state.json"));
    assert_false(is_there("out/last-000001-state") || is_there("out/last-000002-state"));
    assert_false(is_there("out/last-000004.safetensors"));
    assert_true(is_there("out/last-step00000003.safetensors") && is_there("out/last-step00000006.safetensors"));
    assert_true(is_there("out/last.safetensors") && is_there("out/last-state/state.json"));
    assert_true(is_there("out/last-log.csv") && is_there("out/last-log.jsonl"));
    assert_int_equal(s.count, 12);
    assert_string_equal(s.wrote[10], at("out/last.safetensors"));
}

static void file_says_what_it_is(void **state)
{
    (void)state;
    static const char *const options[] = {"optimizer_type",
                                          "AdamW8bit",
                                          "optimizer_args",
                                          "weight_decay=0.1",
                                          "training_comment",
                                          "say disc",
                                          "save_precision",
                                          "fp16",
                                          NULL};
    static const char *const wanted[][2] = {
        {"ss_network_module", "lycoris.kohya"},
        {"ss_network_dim", "2"},
        {"ss_network_alpha", "1.0"},
        {"ss_network_args", "{\"algo\":\"lora\",\"preset\":\"attn-mlp\"}"},
        {"ss_base_model_version", "sd_v1"},
        {"ss_v2", "False"},
        {"ss_steps", "4"},
        {"ss_epoch", "2"},
        {"ss_optimizer", "AdamW8bit(weight_decay=0.1)"},
        {"ss_learning_rate", "0.001"},
        {"ss_unet_lr", "None"},
        {"ss_num_train_images", "4"},
        {"ss_seed", "7"},
        {"ss_tag_frequency", "{\"pics\":{\"a disc\":4,\"dark\":1,\"bright\":1}}"},
        {"ss_training_comment", "say disc"},
        {"ss_dataset_dirs", "{\"pics\":{\"n_repeats\":1,\"img_count\":4}}"},
        {"ss_bucket_info", "{\"buckets\":{\"0\":{\"resolution\":[64,64],\"count\":4}},\"mean_img_ar_error\":0.0}"},
        {"modelspec.architecture", "stable-diffusion-v1/lora"},
        {"modelspec.title", "last"}};
    seen s = {0};
    lyc_network_file *file = NULL;
    run_with(&s, options);
    must(lyc_network_file_open(&file, at("out/last.safetensors"), NULL, &err), &err);
    const lyc_safetensors *tensors = lyc_network_file_tensors(file);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const char *value = lyc_safetensors_metadata(tensors, wanted[i][0]);
        assert_non_null(value);
        assert_string_equal(value, wanted[i][1]);
    }
    assert_int_equal(strlen(lyc_safetensors_metadata(tensors, "sshs_model_hash")), 64);
    assert_int_equal(lyc_network_file_unmatched_count(file), 0);
    assert_string_equal(lyc_network_file_layer(file, 0).scheme, "kohya");
    assert_int_equal(lyc_network_file_layer(file, 0).rank, 2);
    lyc_network_file_close(file);
}

/* Without metadata the minimum that programs need. */
static void file_without_metadata(void **state)
{
    (void)state;
    static const char *const options[] = {"no_metadata", "true", "max_train_steps", "1", NULL};
    seen s = {0};
    lyc_safetensors *file = NULL;
    run_with(&s, options);
    must(lyc_safetensors_open(&file, at("out/last.safetensors"), NULL, &err), &err);
    assert_non_null(lyc_safetensors_metadata(file, "ss_network_dim"));
    assert_null(lyc_safetensors_metadata(file, "ss_tag_frequency"));
    assert_null(lyc_safetensors_metadata(file, "modelspec.title"));
    lyc_safetensors_close(file);
}

/* --- going on ------------------------------------------------------------------------------------------------------
 */

static void stops_and_goes_on(void **state)
{
    (void)state;
    static const char *const whole[] = {"no_metadata", "true",     "output_name", "whole", "shuffle_caption",
                                        "true",        "flip_aug", "true",        NULL};
    seen s = {0};
    assert_string_equal(run_with(&s, whole), "");
    s = (seen){.stop_after = 3};
    const char *const broken[] = {"no_metadata", "true",     "output_name", "broken", "shuffle_caption",
                                  "true",        "flip_aug", "true",        NULL};
    const char *folder_of_state = lyc_arena_text(&paths, run_with(&s, broken));
    assert_string_equal(folder_of_state, at("out/broken-state"));
    assert_false(is_there("out/broken.safetensors"));
    const char *const rest[] = {"no_metadata",     "true",          "output_name", "broken",
                                "shuffle_caption", "true",          "flip_aug",    "true",
                                "resume",          folder_of_state, NULL};
    s = (seen){0};
    run_with(&s, rest);
    assert_int_equal(s.reports, 1);
    same_files("out/whole.safetensors", "out/broken.safetensors");
    const char *const other[] = {"no_metadata", "true",   "output_name",   "broken", "flip_aug",
                                 "true",        "resume", folder_of_state, NULL};
    lyc_train_config *config = configure(other);
    lyc_training *training = NULL;
    assert_int_equal(lyc_training_open(&training, config, NULL, NULL, &err), LYC_E_ARGUMENT);
    assert_non_null(strstr(err.message, "data"));
    lyc_train_config_free(config);
}

/* Trained in bf16: files and states are bf16, and what goes on ends with the same file. */
static void bf16_stops_and_goes_on(void **state)
{
    (void)state;
    const char *const whole[] = {"no_metadata",         "true", "output_name", "whole",
                                 "mixed_precision",     "bf16", "full_bf16",   "true",
                                 "stochastic_rounding", "true", NULL};
    const char *const broken[] = {"no_metadata",         "true", "output_name", "broken",
                                  "mixed_precision",     "bf16", "full_bf16",   "true",
                                  "stochastic_rounding", "true", NULL};
    seen s = {0};
    lyc_safetensors *file = NULL;
    run_with(&s, whole);
    s = (seen){.stop_after = 2};
    const char *folder_of_state = lyc_arena_text(&paths, run_with(&s, broken));
    const char *const rest[] = {
        "no_metadata", "true", "output_name",         "broken", "mixed_precision", "bf16",
        "full_bf16",   "true", "stochastic_rounding", "true",   "resume",          folder_of_state,
        NULL};
    must(lyc_safetensors_open(&file, at("out/broken-state/state-00000002.safetensors"), NULL, &err), &err);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view view = lyc_safetensors_tensor(file, i);
        assert_true(strncmp(view.name, "param.", 6) != 0 || view.dtype == LYC_BF16);
    }
    lyc_safetensors_close(file);
    s = (seen){0};
    run_with(&s, rest);
    same_files("out/whole.safetensors", "out/broken.safetensors");
    must(lyc_safetensors_open(&file, at("out/whole.safetensors"), NULL, &err), &err);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        assert_int_equal(lyc_safetensors_tensor(file, i).dtype, LYC_BF16);
    }
    lyc_safetensors_close(file);
    const char *const other[] = {"mixed_precision", "bf16", "resume", folder_of_state, "output_name", "broken",
                                 "no_metadata",     "true", NULL};
    lyc_train_config *config = configure(other);
    lyc_training *training = NULL;
    assert_int_equal(lyc_training_open(&training, config, NULL, NULL, &err), LYC_E_ARGUMENT);
    assert_non_null(strstr(err.message, "trained_type was \"BF16\" and is \"F32\""));
    lyc_train_config_free(config);
}

/* --- start and base weights ----------------------------------------------------------------------------------------
 */

static void goes_on_from_an_adapter(void **state)
{
    (void)state;
    static const char *const first[] = {"output_name", "first", NULL};
    seen s = {0};
    run_with(&s, first);
    const char *file = at("out/first.safetensors");
    /* a step with hardly any rate leaves it as it was */
    const char *const more[] = {"output_name",
                                "second",
                                "network_weights",
                                file,
                                "learning_rate",
                                "1e-30",
                                "max_train_steps",
                                "1",
                                "no_metadata",
                                "true",
                                NULL};
    s = (seen){0};
    run_with(&s, more);
    const char *const sized[] = {
        "output_name",   "third", "network_weights", file, "dim_from_weights", "true", "network_dim", "16",
        "learning_rate", "1e-30", "max_train_steps", "1",  "no_metadata",      "true", NULL};
    s = (seen){0};
    run_with(&s, sized);
    lyc_safetensors *a = NULL, *b = NULL, *c = NULL;
    must(lyc_safetensors_open(&a, file, NULL, &err), &err);
    must(lyc_safetensors_open(&b, at("out/second.safetensors"), NULL, &err), &err);
    must(lyc_safetensors_open(&c, at("out/third.safetensors"), NULL, &err), &err);
    assert_int_equal(lyc_safetensors_count(a), lyc_safetensors_count(b));
    assert_int_equal(lyc_safetensors_count(a), lyc_safetensors_count(c));
    for (size_t i = 0; i < lyc_safetensors_count(a); i++) {
        const lyc_tensor_view x = lyc_safetensors_tensor(a, i), y = lyc_safetensors_tensor(b, i),
                              z = lyc_safetensors_tensor(c, i);
        assert_int_equal(x.size_bytes, y.size_bytes);
        for (size_t k = 0; k < x.size_bytes / 4; k++) {
            const double was = (double)((const float *)x.data)[k];
            assert_true(fabs(was - (double)((const float *)y.data)[k]) < 1e-6);
            assert_true(fabs(was - (double)((const float *)z.data)[k]) < 1e-6);
        }
    }
    lyc_safetensors_close(a);
    lyc_safetensors_close(b);
    lyc_safetensors_close(c);
    char message[512];
    const char *const other[] = {"network_weights", file, "network_dim", "4", NULL};
    lyc_train_config *config = configure(other);
    lyc_training *training = NULL;
    assert_int_equal(lyc_training_open(&training, config, NULL, NULL, &err), LYC_E_SHAPE);
    snprintf(message, sizeof message, "%s: 'lora_unet_", file);
    assert_memory_equal(err.message, message, strlen(message));
    lyc_train_config_free(config);
}

static double first_loss(const char *const *more)
{
    lyc_train_config *config = configure(more);
    lyc_training *training = NULL;
    const char *state = NULL;
    double loss = 0;
    must(lyc_training_open(&training, config, NULL, NULL, &err), &err);
    must(lyc_training_run(&state, training, &err), &err);
    lyc_training_close(training);
    lyc_train_config_free(config);
    size_t size;
    char *text = contents(&size, "out/last-log.csv");
    const char *line = strchr(text, '\n') + 1;
    assert_int_equal(sscanf(line, "1,%lf", &loss), 1);
    lyc_free(text);
    return loss;
}

/* The first loss with an adapter in the model is the one of going on from that adapter, and another one than without;
 * at strength 0 it is the one without. */
static void base_weights_belong_to_the_model(void **state)
{
    (void)state;
    static const char *const first[] = {"output_name", "base", "learning_rate", "0.1", NULL};
    static const char *const plain[] = {"max_train_steps", "1", "force", "true", NULL};
    seen s = {0};
    run_with(&s, first);
    const char *file = at("out/base.safetensors");
    const char *const with[] = {"max_train_steps", "1", "force", "true", "base_weights", file, NULL};
    const char *const none[] = {"max_train_steps",         "1", "force", "true", "base_weights", file,
                                "base_weights_multiplier", "0", NULL};
    const char *const start[] = {"max_train_steps", "1", "force", "true", "network_weights", file, NULL};
    const double loss = first_loss(plain), based = first_loss(with), off = first_loss(none), going = first_loss(start);
    assert_true(fabs(loss - based) > 1e-4);
    assert_true(fabs(loss - off) < 1e-6);
    assert_true(fabs(going - based) < 1e-5);
}

/* --- pictures and validation ---------------------------------------------------------------------------------------
 */

static void pictures_on_the_way(void **state)
{
    (void)state;
    test_text_write(at("prompts.txt"), "a disc --w 64 --h 64 --s 1\n");
    const char *const options[] = {"sample_prompts",
                                   at("prompts.txt"),
                                   "sample_every_n_steps",
                                   "2",
                                   "sample_at_first",
                                   "true",
                                   "validation_split",
                                   "0.5",
                                   "logging_dir",
                                   at("logs"),
                                   "max_train_steps",
                                   "2",
                                   NULL};
    seen s = {0};
    run_with(&s, options);
    assert_true(is_there("out/sample") && is_there("logs"));
    size_t size;
    char *text = contents(&size, "out/last-log.csv");
    assert_non_null(strstr(text, "loss/validation/average"));
    lyc_free(text);
    test_text_write(at("bad.txt"), "a disc --ss nothing\n");
    const char *const wrong[] = {"sample_prompts", at("bad.txt"), "sample_every_n_steps", "2", "force", "true", NULL};
    lyc_train_config *config = configure(wrong);
    lyc_training *training = NULL;
    assert_int_not_equal(lyc_training_open(&training, config, NULL, NULL, &err), LYC_OK);
    assert_non_null(strstr(err.message, "nothing"));
    lyc_train_config_free(config);
}

static int sheet_width(void)
{
    lyc_image image;
    must(lyc_image_read(&image, at("out/sample/last-over-time.png"), NULL, &err), &err);
    const int width = image.width;
    lyc_image_clear(&image);
    return width;
}

/* Columns of 64 pixels with margins of 8, beside 72 of words: before the first step and after two; then, by another
 * process, after four. */
static void sheet_goes_on(void **state)
{
    (void)state;
    test_text_write(at("prompts.txt"), "a disc --w 64 --h 64 --s 1\n");
    const char *const first[] = {
        "sample_prompts", at("prompts.txt"), "sample_every_n_steps", "2", "sample_at_first", "true", NULL};
    seen s = {.stop_after = 2};
    const char *state_folder = lyc_arena_text(&paths, run_with(&s, first));
    assert_int_equal(sheet_width(), 72 + 2 * 72);
    const char *const rest[] = {"sample_prompts", at("prompts.txt"), "sample_every_n_steps", "2", "sample_at_first",
                                "true",           "resume",          state_folder,           NULL};
    s = (seen){0};
    run_with(&s, rest);
    assert_int_equal(sheet_width(), 72 + 3 * 72);
}

/* --- plans ---------------------------------------------------------------------------------------------------------
 */

static void plan_measures_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const options[] = {"algo", "lokr", "network_args", "algo=lokr", NULL};
    static const char *const lokr[] = {"plan",      "true",        "network_args", "factor=4",      "network_args",
                                       "algo=lokr", "network_dim", "100000",       "network_alpha", "4",
                                       NULL};
    lyc_train_config *config = configure(options);
    lyc_training *training = NULL;
    assert_int_equal(lyc_training_open(&training, config, NULL, NULL, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "algo is given twice: by --algo and in network_args");
    lyc_train_config_free(config);
    config = configure(lokr);
    must(lyc_training_open(&training, config, NULL, NULL, &err), &err);
    must(lyc_training_measure(training, &err), &err);
    const lyc_train_plan *plan = lyc_training_plan(training);
    assert_int_equal(plan->images, 4);
    assert_int_equal(plan->bucket_count, 1);
    assert_int_equal(plan->total_steps, 4);
    assert_int_equal(plan->epochs, 2);
    assert_true(plan->layer_count > 100 && plan->seconds_per_step > 0 && plan->memory_bytes > 1000);
    int64_t sum = 0;
    for (size_t i = 0; i < plan->layer_count; i++) {
        sum += plan->layers[i].parameters;
    }
    assert_int_equal(sum, plan->parameters);
    assert_int_equal(plan->file_bytes, 4 * plan->parameters);
    bool found = false;
    for (size_t i = 0; i < plan->factor_count; i++) { /* the factor that is used */
        found = found || (plan->factors[i].factor == 4 && plan->factors[i].parameters == plan->parameters);
    }
    assert_true(found);
    bool noted = false;
    for (size_t i = 0; i < plan->notice_count; i++) {
        noted = noted || strstr(plan->notices[i], "network_alpha has no effect in ") != NULL;
    }
    assert_true(noted);
    lyc_training_close(training);
    lyc_train_config_free(config);
    assert_false(is_there("out"));
}

/* --- models --------------------------------------------------------------------------------------------------------
 */

/* A folder of diffusers becomes another one: trained weights are other numbers, the rest is the same bytes, and it is a
 * model that can be trained on. */
static void native_training_writes_a_folder(void **state)
{
    (void)state;
    char native[256], other[256];
    const char *own[] = {"model",
                         SD15,
                         "image_dir",
                         at("pics"),
                         "resolution",
                         "64",
                         "min_bucket_reso",
                         "64",
                         "seed",
                         "7",
                         "max_train_steps",
                         "2",
                         "learning_rate",
                         "1e-3",
                         "train",
                         "native",
                         "no_metadata",
                         "true",
                         "output_dir",
                         at("native"),
                         "output_name",
                         "model",
                         NULL};
    lyc_train_config *config = NULL;
    for (int round = 0; round < 2; round++) {
        lyc_training *training = NULL;
        const char *left = NULL;
        must(lyc_train_config_new(&config, &err), &err);
        for (const char **o = own; *o != NULL; o += 2) {
            must(lyc_train_config_set(config, o[0], o[1], &err), &err);
        }
        must(lyc_training_open(&training, config, NULL, NULL, &err), &err);
        must(lyc_training_run(&left, training, &err), &err);
        lyc_training_close(training);
        lyc_train_config_free(config);
        snprintf(native, sizeof native, "%s", at("native/model"));
        snprintf(other, sizeof other, "%s", at("native/again"));
        own[1] = native; /* the second time from what the first one made */
        own[21] = "again";
    }
    same_files("native/model/vae/config.json", "native/again/vae/config.json");
    same_files("native/model/vae/diffusion_pytorch_model.safetensors",
               "native/again/vae/diffusion_pytorch_model.safetensors");
    same_files("native/model/text_encoder/model.safetensors", "native/again/text_encoder/model.safetensors");
    size_t size_a, size_b;
    void *a = contents(&size_a, "native/model/unet/diffusion_pytorch_model.safetensors");
    void *b = contents(&size_b, "native/again/unet/diffusion_pytorch_model.safetensors");
    assert_int_equal(size_a, size_b);
    assert_int_not_equal(memcmp(a, b, size_a), 0);
    lyc_free(a);
    lyc_free(b);
    must(lyc_train_config_new(&config, &err), &err);
    for (const char **o = own; *o != NULL; o += 2) {
        must(lyc_train_config_set(config, o[0], o[1], &err), &err);
    }
    lyc_training *training = NULL;
    char message[512];
    snprintf(message, sizeof message, "%s is there; --force replaces it", other);
    assert_int_equal(lyc_training_open(&training, config, NULL, NULL, &err), LYC_E_OUTPUT);
    assert_string_equal(err.message, message);
    lyc_train_config_free(config);
}

/* --- what cannot be ------------------------------------------------------------------------------------------------
 */

static void wrong_trainings(void **state)
{
    (void)state;
    const char *const v2[] = {"v2", "true", NULL};
    refuses(v2, LYC_E_ARGUMENT, "--v2, but " SD15 " is SD 1.x");
    const char *const nothing[] = {"model", "nothing.safetensors", NULL};
    refuses(nothing, LYC_E_IO, "cannot open nothing.safetensors: No such file or directory");
    const char *const algo[] = {"network_args", "algo=lorra", NULL};
    refuses(algo, LYC_E_ARGUMENT, "algorithm 'lorra' is unknown");
    const char *const adaptive[] = {"adaptive_noise_scale", "0.1", NULL};
    refuses(adaptive, LYC_E_ARGUMENT, "adaptive_noise_scale without noise_offset: it adapts that offset");
    const char *const optimizer[] = {"optimizer_type", "AdamWW", NULL};
    refuses(optimizer, LYC_E_ARGUMENT, "there is no optimiser 'AdamWW'; 'AdamW' is meant?");
    const char *const folders[] = {"output_dir", "/nowhere/at/all", NULL};
    refuses(folders, LYC_E_OUTPUT, "output_dir /nowhere/at/all: there is no folder /nowhere/at");
}

/* An earlier run's file stays unless it is told otherwise. */
static void files_of_others_stay(void **state)
{
    (void)state;
    char message[512];
    assert_int_equal(mkdir(at("out"), 0777), 0);
    test_text_write(at("out/last.safetensors"), "precious");
    static const char *const none[] = {NULL};
    lyc_train_config *config = configure(none);
    lyc_training *training = NULL;
    assert_int_equal(lyc_training_open(&training, config, NULL, NULL, &err), LYC_E_OUTPUT);
    snprintf(message, sizeof message, "%s exists", at("out/last.safetensors"));
    assert_non_null(strstr(err.message, "exists"));
    lyc_train_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_and_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(file_says_what_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(file_without_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(bf16_stops_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(goes_on_from_an_adapter, setup, teardown),
        cmocka_unit_test_setup_teardown(base_weights_belong_to_the_model, setup, teardown),
        cmocka_unit_test_setup_teardown(pictures_on_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(sheet_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(plan_measures_and_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(native_training_writes_a_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_trainings, setup, teardown),
        cmocka_unit_test_setup_teardown(files_of_others_stay, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
