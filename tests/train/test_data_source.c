/* test_data_source.c - a folder of pictures as batches of latents: cached or not, and whole runs over them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/data_source.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "../data/data_folder.h"
#include "base/memory.h"
#include "pictures.h"
#include "support/model_file.h"

static test_folder folder;
static lyc_arena paths;

static const char *at(const char *name)
{
    return lyc_arena_text(&paths, test_folder_path(&folder, name));
}

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    assert_int_equal(mkdir(at("train"), 0777), 0);
    assert_int_equal(mkdir(at("train/2_disc"), 0777), 0);
    test_picture(at("train/2_disc/a.png"), 64, 64, 10);
    test_picture(at("train/2_disc/b.png"), 64, 64, 200);
    test_picture(at("train/2_disc/c.png"), 96, 64, 100);
    test_text_write(at("train/2_disc/a.txt"), "a disc, dark");
    test_text_write(at("train/2_disc/b.txt"), "a disc, bright");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    lyc_arena_clear(&paths);
    return 0;
}

/* A model, its data and the source of both. */
typedef struct rig {
    lyc_train_model *model;
    lyc_data *data;
    lyc_data_source *source;
    lyc_batch_source batches;
} rig;

static lyc_data_options options(void)
{
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    o.dataset.batch_size = 2;
    return o;
}

static void rig_open(rig *r, const lyc_data_options *o)
{
    lyc_error err;
    const lyc_data_source_options steps = {.gradient_accumulation_steps = 1, .max_train_steps = 4};
    r->model = open_model(LYC_PRECISION_F32);
    const lyc_data_model needs = lyc_data_source_model(r->model);
    lyc_data_options own = *o;
    own.dataset.bucket_reso_steps = own.dataset.min_bucket_reso = needs.size_multiple;
    must(lyc_data_open(&r->data, &own, &needs, NULL, &err), &err);
    must(lyc_data_source_new(&r->source, r->data, r->model, &steps, NULL, &err), &err);
    r->batches = lyc_data_source_batches(r->source);
}

static void rig_close(rig *r)
{
    lyc_data_source_free(r->source);
    lyc_data_close(r->data);
    lyc_train_model_close(r->model);
}

static const lyc_trainer_batch *first_batch(rig *r)
{
    lyc_error err;
    const lyc_trainer_batch *batch = NULL;
    must(r->batches.begin(r->batches.context, 1, false, 0, 0, &err), &err);
    must(r->batches.next(&batch, r->batches.context, false, &err), &err);
    assert_non_null(batch);
    return batch;
}

/* The cache's latents are those of the encoder with other noise: near, since the small VAE's deviation is not large,
 * and the same in files. */
static void latents_are_the_encoders(void **state)
{
    rig plain, cached;
    lyc_data_options o = options();
    (void)state;
    rig_open(&plain, &o);
    o.cache_latents = true;
    rig_open(&cached, &o);
    assert_int_equal(lyc_data_source_encoded(plain.source), 0);
    assert_int_equal(lyc_data_source_encoded(cached.source), 3);
    const lyc_trainer_batch *a = first_batch(&plain), *b = first_batch(&cached);
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->h, 64 / plain.model->factor);
    assert_string_equal(a->captions[0], b->captions[0]);
    const int64_t count = a->n * a->h * a->w * plain.model->channels;
    double difference = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += fabs((double)a->latents[i] - (double)b->latents[i]);
        size += fabs((double)a->latents[i]);
    }
    assert_true(size > 0 && difference > 0);
    float *kept = lyc_alloc((size_t)count * sizeof *kept);
    memcpy(kept, b->latents, (size_t)count * sizeof *kept);
    rig_close(&plain);
    rig_close(&cached);
    o.cache_latents_to_disk = true;
    for (int turn = 0; turn < 2; turn++) {
        rig_open(&cached, &o);
        assert_int_equal(lyc_data_source_encoded(cached.source), turn == 0 ? 3 : 0);
        assert_memory_equal(first_batch(&cached)->latents, kept, (size_t)count * sizeof *kept);
        rig_close(&cached);
    }
    lyc_free(kept);
}

static void runs_go_through_epochs(void **state)
{
    static const char *const args[] = {"algo=lora", "network_dim=2", NULL};
    lyc_error err;
    rig r;
    lyc_trainer *trainer;
    lyc_data_options o = options();
    (void)state;
    o.dataset.enable_bucket = true;
    o.subset.flip_aug = o.subset.caption.shuffle_caption = true;
    rig_open(&r, &o);
    lyc_network *network = open_adapters(r.model, "attn-mlp", r.model->part_count - 1, args);
    const lyc_trainer_options run = {.seed = 1,
                                     .max_train_steps = SANITIZED ? 2 : 4,
                                     .gradient_accumulation_steps = 1,
                                     .max_grad_norm = 1,
                                     .noise = LYC_BATCH_NOISE_DEFAULT,
                                     .rates = {.unet = 1e-3}};
    must(lyc_trainer_new(&trainer, r.model, network, &run, &r.batches, NULL, &err), &err);
    must(lyc_trainer_run(trainer, &err), &err);
    const lyc_train_progress *p = lyc_trainer_progress_get(trainer);
    assert_int_equal(p->step, run.max_train_steps);
    assert_true(p->average_loss > 0.01 && p->average_loss < 10);
    lyc_trainer_free(trainer);
    lyc_network_free(network);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(latents_are_the_encoders, setup, teardown),
        cmocka_unit_test_setup_teardown(runs_go_through_epochs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
