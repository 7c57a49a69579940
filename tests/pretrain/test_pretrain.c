/* test_pretrain.c - autoencoder and contrastive pair: they learn, they go on where they were, and what is written is
 * what was measured
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "../data/data_folder.h"
#include "backend/cpu/default.h"
#include "checkpoint/component.h"
#include "model/vae_runner.h"
#include "pretrain/picture_source.h"
#include "small_model.h"

enum { SIDE = 16 };

static test_folder folder;
static lyc_error err;

/* 16 pictures of four captions. */
static int setup(void **state)
{
    static const char *const captions[] = {"a red disc", "a green disc", "a blue disc", "a yellow disc"};
    (void)state;
    test_folder_make(&folder);
    small_config(&folder);
    assert_int_equal(mkdir(test_folder_path(&folder, "pics"), 0777), 0);
    for (int i = 0; i < 16; i++) {
        char name[32];
        snprintf(name, sizeof name, "pics/%02d.png", i);
        test_picture(test_folder_path(&folder, name), SIDE, SIDE, (unsigned char)(60 * (i % 4) + i));
        snprintf(name, sizeof name, "pics/%02d.txt", i);
        test_text_write(test_folder_path(&folder, name), captions[i % 4]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

typedef struct watch {
    int64_t stop_after;
    lyc_pretrain_progress first, last;
    double quality;
} watch;

static void on_report(void *context, const lyc_pretrain_progress *p)
{
    watch *w = context;
    w->first = p->step == 1 ? *p : w->first;
    w->last = *p;
    w->quality = isnan(p->quality) ? w->quality : p->quality;
}

static bool on_stop(void *context)
{
    const watch *w = context;
    return w->stop_after > 0 && w->last.step >= w->stop_after;
}

/* A run of a stage on the model `name`, with a state beside it. */
static bool run(watch *w, lyc_pretrain_stage stage, const char *name, int64_t steps, int64_t batch)
{
    bool finished;
    char model[256], pictures[256], saved[272];
    snprintf(model, sizeof model, "%s", test_folder_path(&folder, name));
    snprintf(pictures, sizeof pictures, "%s", test_folder_path(&folder, "pics"));
    snprintf(saved, sizeof saved, "%s-state", model);
    const lyc_pretrain_options options = {.model = model,
                                          .image_dir = pictures,
                                          .resolution = SIDE,
                                          .steps = steps,
                                          .batch_size = batch,
                                          .crop = 8,
                                          .learning_rate = 3e-3,
                                          .ema_decay = 0.9,
                                          .kl_weight = 1e-3,
                                          .validation_split = 0.25,
                                          .state = saved,
                                          .seed = 3,
                                          .report = on_report,
                                          .stop = on_stop,
                                          .context = w};
    must(lyc_pretrain(&finished, stage, &options, NULL, &err), &err);
    return finished;
}

static void same_files(const char *a, const char *b, bool same)
{
    size_t size_a, size_b;
    char *data_a = test_file_read(test_folder_path(&folder, a), &size_a);
    char *data_b = test_file_read(test_folder_path(&folder, b), &size_b);
    assert_non_null(data_a);
    assert_non_null(data_b);
    assert_int_equal(size_a, size_b);
    assert_int_equal(memcmp(data_a, data_b, size_a) == 0, same);
    free(data_a);
    free(data_b);
}

/* --- autoencoder ---------------------------------------------------------------------------------------------------
 */

/* The written VAE on the pictures: latents of mean 0 and deviation 1 in each channel. */
static void check_latents(const char *name)
{
    char path[256], pictures[256];
    lyc_component *vae = NULL;
    lyc_vae_runner *runner = NULL;
    lyc_picture_source *source = NULL;
    double sums[4] = {0}, squares[4] = {0}, places = 0;
    snprintf(path, sizeof path, "%s/vae", test_folder_path(&folder, name));
    snprintf(pictures, sizeof pictures, "%s", test_folder_path(&folder, "pics"));
    const lyc_picture_source_options options = {
        .image_dir = pictures, .resolution = SIDE, .batch_size = 4, .validation_split = 0.25, .seed = 3};
    const lyc_runner_options runs = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_default()};
    must(lyc_component_open(&vae, LYC_COMPONENT_VAE, NULL, path, &err), &err);
    must(lyc_vae_runner_new(&runner, vae, &runs, NULL, &err), &err);
    must(lyc_picture_source_open(&source, &options, NULL, &err), &err);
    for (int step = 0; step < 3; step++) {
        float moments[4 * 8 * 8 * 8];
        const lyc_data_batch *b = NULL;
        must(lyc_picture_source_batch(&b, source, step, &err), &err);
        must(lyc_vae_runner_encode(moments, runner, b->images, b->n, SIDE, SIDE, &err), &err);
        for (int64_t i = 0; i < b->n * 64; i++) {
            for (int c = 0; c < 4; c++) {
                sums[c] += (double)moments[i * 8 + c];
                squares[c] += (double)moments[i * 8 + c] * (double)moments[i * 8 + c];
            }
            places++;
        }
    }
    for (int c = 0; c < 4; c++) {
        const double mean = sums[c] / places;
        assert_float_equal(mean, 0.0, 1e-3);
        assert_float_equal(sqrt(squares[c] / places - mean * mean), 1.0, 1e-3);
    }
    lyc_picture_source_close(source);
    lyc_vae_runner_free(runner);
    lyc_component_close(vae);
}

static void autoencoder_learns_and_goes_on(void **state)
{
    watch whole = {0}, part = {.stop_after = 7}, rest = {0};
    (void)state;
    small_model(&folder, "whole", 1, NULL);
    small_model(&folder, "cut", 1, NULL);
    assert_true(run(&whole, LYC_PRETRAIN_AUTOENCODER, "whole", 40, 4));
    assert_int_equal(whole.last.step, 40);
    assert_true(whole.last.loss < 0.8 * whole.first.loss);
    assert_true(whole.quality > 8.0 && whole.quality < 60.0);
    assert_false(run(&part, LYC_PRETRAIN_AUTOENCODER, "cut", 40, 4));
    assert_int_equal(part.last.step, 7);
    same_files("whole/vae/diffusion_pytorch_model.safetensors", "cut/vae/diffusion_pytorch_model.safetensors", false);
    assert_true(run(&rest, LYC_PRETRAIN_AUTOENCODER, "cut", 40, 4));
    assert_true(rest.quality == whole.quality && rest.last.loss == whole.last.loss);
    same_files("whole/vae/diffusion_pytorch_model.safetensors", "cut/vae/diffusion_pytorch_model.safetensors", true);
    check_latents("whole");
}

/* --- contrastive pair ----------------------------------------------------------------------------------------------
 */

/* Held-out pictures have one of four captions, so that the right one is first by chance for a quarter. */
static void contrastive_learns_and_goes_on(void **state)
{
    watch whole = {0}, part = {.stop_after = 9}, rest = {0};
    (void)state;
    small_model(&folder, "pair", 1, NULL);
    small_model(&folder, "cut_pair", 1, NULL);
    assert_true(run(&whole, LYC_PRETRAIN_CONTRASTIVE, "pair", 60, 4));
    assert_true(whole.last.loss < whole.first.loss);
    assert_true(whole.quality >= 0.0 && whole.quality <= 1.0);
    assert_false(run(&part, LYC_PRETRAIN_CONTRASTIVE, "cut_pair", 60, 4));
    assert_true(run(&rest, LYC_PRETRAIN_CONTRASTIVE, "cut_pair", 60, 4));
    same_files("pair/clip/model.safetensors", "cut_pair/clip/model.safetensors", true);
    same_files("pair/text_encoder/model.safetensors", "cut_pair/text_encoder/model.safetensors", true);
    lyc_component *text = NULL;
    must(lyc_component_open(&text, LYC_COMPONENT_TEXT_ENCODER, NULL, test_folder_path(&folder, "pair/text_encoder"),
                            &err),
         &err);
    lyc_component_close(text);
}

/* --- what cannot be ------------------------------------------------------------------------------------------------
 */

static void refuses(lyc_pretrain_stage stage, const lyc_pretrain_options *options, lyc_status status, const char *part)
{
    bool finished = true;
    assert_int_equal(lyc_pretrain(&finished, stage, options, NULL, &err), status);
    assert_false(finished);
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' has no '%s'", err.message, part);
    }
}

static void wrong_runs(void **state)
{
    char model[256], pictures[256], saved[272];
    watch w = {0};
    (void)state;
    small_model(&folder, "right", 1, NULL);
    assert_true(run(&w, LYC_PRETRAIN_AUTOENCODER, "right", 2, 4));
    snprintf(model, sizeof model, "%s", test_folder_path(&folder, "right"));
    snprintf(pictures, sizeof pictures, "%s", test_folder_path(&folder, "pics"));
    snprintf(saved, sizeof saved, "%s-state", model);
    lyc_pretrain_options o = {.model = model,
                              .image_dir = pictures,
                              .resolution = SIDE,
                              .steps = 2,
                              .batch_size = 4,
                              .learning_rate = 1e-3,
                              .state = saved};
    refuses(LYC_PRETRAIN_AUTOENCODER, &o, LYC_E_ARGUMENT,
            "the state is of a run with other options: crop was 8 and is 0, data was ");
    o.crop = 8;
    o.ema_decay = 0.9;
    o.kl_weight = 1e-3;
    o.validation_split = 0.25;
    o.seed = 3;
    o.steps = 1;
    refuses(LYC_PRETRAIN_AUTOENCODER, &o, LYC_E_ARGUMENT, "right-state is the state after step 2, the run has 1");
    o.state = NULL;
    o.crop = 7;
    refuses(LYC_PRETRAIN_AUTOENCODER, &o, LYC_E_ARGUMENT, "crops of 7 pixels: expected multiples of 2");
    o.crop = 0;
    o.image_dir = "nowhere";
    refuses(LYC_PRETRAIN_AUTOENCODER, &o, LYC_E_IO, "nowhere");
    o.image_dir = pictures;
    o.model = "nowhere";
    refuses(LYC_PRETRAIN_AUTOENCODER, &o, LYC_E_IO, "nowhere");
    refuses(LYC_PRETRAIN_CONTRASTIVE, &o, LYC_E_IO, "nowhere/clip/config.json");
    o.model = model;
    o.resolution = 32;
    refuses(LYC_PRETRAIN_CONTRASTIVE, &o, LYC_E_ARGUMENT, "resolution 32, the picture tower of");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(autoencoder_learns_and_goes_on),
        cmocka_unit_test(contrastive_learns_and_goes_on),
        cmocka_unit_test(wrong_runs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
