/* test_loader.c - epochs, batches, cached latents: what they hold, and that it depends on nothing but seed and place
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/loader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "data_folder.h"
#include "lycoris/system.h"
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
    assert_int_equal(mkdir(at("train/2_a"), 0777), 0);
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/2_a/%d.png", i);
        test_picture(at(name), i < 3 ? 64 : 96, 64, (unsigned char)(40 * i));
        snprintf(name, sizeof name, "train/2_a/%d.txt", i);
        test_text_write(at(name), "one, two, three, four, five");
    }
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

static lyc_data_options standard(void)
{
    lyc_data_options o = test_data_options();
    o.train_data_dir = at("train");
    o.dataset.enable_bucket = true;
    o.dataset.batch_size = 4;
    return o;
}

/* 3 square pictures and 2 wide ones, each twice, in batches of 4: 4 + 2, and 4. */
static void epochs_hold_every_use_once(void **state)
{
    (void)state;
    const lyc_data_options o = standard();
    lyc_data *data = open_data(&o);
    lyc_epoch first, second, again;
    assert_int_equal(lyc_epoch_batches(data, false), 3);
    assert_int_equal(lyc_epoch_init(&first, data, 1, false, NULL), LYC_OK);
    assert_int_equal(lyc_epoch_init(&again, data, 1, false, NULL), LYC_OK);
    assert_int_equal(lyc_epoch_init(&second, data, 2, false, NULL), LYC_OK);
    assert_int_equal(first.batch_count, 3);
    assert_int_equal(first.entry_count, 10);
    int uses[5] = {0};
    size_t sizes[5] = {0};
    for (size_t b = 0; b < 3; b++) {
        const lyc_epoch_batch *batch = &first.batches[b];
        sizes[batch->count]++;
        for (size_t i = 0; i < batch->count; i++) {
            const size_t image = first.entries[batch->first + i];
            uses[image]++;
            assert_int_equal(data->images[image].choice.bucket.width,
                             data->images[first.entries[batch->first]].choice.bucket.width);
        }
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(uses[i], 2);
    }
    assert_int_equal(sizes[4], 2);
    assert_int_equal(sizes[2], 1);
    assert_memory_equal(first.entries, again.entries, 10 * sizeof first.entries[0]);
    assert_memory_equal(first.batches, again.batches, 3 * sizeof first.batches[0]);
    assert_true(memcmp(first.entries, second.entries, 10 * sizeof first.entries[0]) != 0);
    lyc_epoch_clear(&first);
    lyc_epoch_clear(&second);
    lyc_epoch_clear(&again);
    lyc_data_close(data);
}

/* Everything of a batch in one row of memory. */
static size_t pack(unsigned char *out, const lyc_data_batch *b)
{
    size_t used = 0;
    const size_t numbers = (size_t)(b->n * b->width * b->height * 3);
    memcpy(out, b->images, numbers * sizeof(float));
    used += numbers * sizeof(float);
    memcpy(out + used, b->sizes, (size_t)b->n * 6 * sizeof(float));
    used += (size_t)b->n * 6 * sizeof(float);
    for (int64_t i = 0; i < b->n; i++) {
        memcpy(out + used, b->captions[i], strlen(b->captions[i]) + 1);
        used += strlen(b->captions[i]) + 1;
    }
    return used;
}

enum { PACKED = 1 << 20 };

static size_t batch_at(unsigned char *out, const lyc_data *data, int64_t epoch, size_t first, int further)
{
    lyc_loader *loader;
    const lyc_data_batch *batch = NULL;
    assert_int_equal(lyc_loader_new(&loader, data, NULL, false, NULL), LYC_OK);
    assert_int_equal(lyc_loader_begin(loader, epoch, first, 0, 1.0, 100, NULL), LYC_OK);
    for (int i = 0; i <= further; i++) {
        assert_int_equal(lyc_loader_next(&batch, loader, NULL), LYC_OK);
        assert_non_null(batch);
    }
    const size_t size = pack(out, batch);
    lyc_loader_free(loader);
    return size;
}

static void batches_depend_on_their_place_alone(void **state)
{
    (void)state;
    lyc_data_options o = standard();
    o.subset.caption.shuffle_caption = o.subset.flip_aug = o.subset.color_aug = o.subset.random_crop = true;
    o.subset.caption.caption_tag_dropout_rate = 0.2;
    lyc_data *data = open_data(&o);
    unsigned char *a = lyc_alloc(PACKED), *b = lyc_alloc(PACKED);
    const int threads = lyc_thread_count();
    const size_t size = batch_at(a, data, 2, 0, 2); /* the third of three */
    lyc_thread_set_count(1);
    assert_int_equal(batch_at(b, data, 2, 2, 0), size); /* begun there, by one thread */
    lyc_thread_set_count(threads);
    assert_memory_equal(a, b, size);
    assert_true(batch_at(b, data, 3, 2, 0) != size || memcmp(a, b, size) != 0);
    lyc_free(a);
    lyc_free(b);
    lyc_data_close(data);
}

static void pixels_are_those_of_the_bucket(void **state)
{
    (void)state;
    const lyc_data_options o = standard();
    lyc_data *data = open_data(&o);
    float *pixels = lyc_alloc_zero(64 * 64 * 3, sizeof *pixels),
          *mirrored = lyc_alloc_zero(64 * 64 * 3, sizeof *pixels);
    const lyc_sample_form plain = {0}, flipped = {.flipped = true};
    assert_int_equal(lyc_sample_read(pixels, data, &data->images[1], &plain, NULL), LYC_OK);
    assert_int_equal(lyc_sample_read(mirrored, data, &data->images[1], &flipped, NULL), LYC_OK);
    const size_t left = (10 * 64 + 0) * 3, right = (10 * 64 + 63) * 3;
    assert_float_equal(pixels[left], (40.0f / 255.0f - 0.5f) / 0.5f, 1e-6f);
    assert_float_equal(pixels[left + 1], -1.0, 1e-6);
    assert_float_equal(pixels[right + 1], 1.0, 1e-6);
    assert_float_equal(pixels[right + 2], (10.0f / 255.0f - 0.5f) / 0.5f, 1e-6f);
    assert_memory_equal(pixels + left, mirrored + right, 3 * sizeof(float));
    float sizes[6];
    lyc_sample_sizes(sizes, &data->images[1], &plain);
    const float expected[6] = {64, 64, 0, 0, 64, 64};
    assert_memory_equal(sizes, expected, sizeof sizes);
    lyc_free(pixels);
    lyc_free(mirrored);
    lyc_data_close(data);
}

static void colours_change_little(void **state)
{
    (void)state;
    const lyc_data_options o = standard();
    lyc_data *data = open_data(&o);
    float *pixels = lyc_alloc_zero(64 * 64 * 3, sizeof *pixels), *changed = lyc_alloc_zero(64 * 64 * 3, sizeof *pixels);
    const lyc_sample_form plain = {0}, gamma = {.gamma = 0.95}, hue = {.hue = 120.0};
    const size_t place = (100 % 64 * 64 + 3) * 3;
    assert_int_equal(lyc_sample_read(pixels, data, &data->images[2], &plain, NULL), LYC_OK);
    assert_int_equal(lyc_sample_read(changed, data, &data->images[2], &gamma, NULL), LYC_OK);
    assert_float_equal(changed[place], ((float)floor(pow(80.0, 0.95) + 0.5) / 255.0f - 0.5f) / 0.5f, 1e-6f);
    assert_int_equal(lyc_sample_read(changed, data, &data->images[2], &hue, NULL), LYC_OK);
    assert_float_equal(changed[place + 1], pixels[place], 1e-6); /* a third of the circle: red becomes green */
    assert_float_equal(changed[place + 2], pixels[place + 1], 1e-6);
    assert_float_equal(changed[place], pixels[place + 2], 1e-6);
    lyc_free(pixels);
    lyc_free(changed);
    lyc_data_close(data);
}

static void masks_are_averages_of_the_red_channel(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("masks"), 0777), 0);
    lyc_data_options o = standard();
    o.subset.conditioning_data_dir = at("masks");
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "masks/%d.png", i);
        test_picture(at(name), i < 3 ? 64 : 96, 64, 255); /* the left half counts */
    }
    lyc_data *data = open_data(&o);
    lyc_loader *loader;
    const lyc_data_batch *batch;
    assert_int_equal(lyc_loader_new(&loader, data, NULL, false, NULL), LYC_OK);
    assert_int_equal(lyc_loader_begin(loader, 1, 0, 0, 1.0, 10, NULL), LYC_OK);
    assert_int_equal(lyc_loader_next(&batch, loader, NULL), LYC_OK);
    assert_non_null(batch->masks);
    const int64_t w = batch->width / 8, h = batch->height / 8;
    for (int64_t i = 0; i < batch->n * h; i++) {
        assert_float_equal(batch->masks[i * w], 1.0, 1e-6);
        assert_float_equal(batch->masks[i * w + w - 1], 0.0, 1e-6);
    }
    lyc_loader_free(loader);
    lyc_data_close(data);
    assert_int_equal(remove(at("masks/4.png")), 0);
    lyc_error err = {0};
    assert_int_equal(lyc_data_open(&data, &o, &test_data_model, NULL, &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "2_a/4.png has no mask of its name in"));
}

/* --- latents -------------------------------------------------------------------------------------------------------
 */

static int encoded;

/* Means of 8 x 8 pixels and the noise. */
static lyc_status encode(void *context, float *latents, const float *images, const float *noise, int64_t n, int64_t h,
                         int64_t w, lyc_error *err)
{
    (void)context;
    (void)err;
    encoded += (int)n;
    for (int64_t i = 0; i < n * (h / 8) * (w / 8); i++) {
        const int64_t x = i % (w / 8), y = i / (w / 8) % (h / 8), image = i / (w / 8) / (h / 8);
        for (int64_t c = 0; c < 2; c++) {
            float sum = 0;
            for (int64_t p = 0; p < 64; p++) {
                sum += images[((image * h + y * 8 + p / 8) * w + x * 8 + p % 8) * 3 + c];
            }
            latents[i * 2 + c] = sum / 64 + noise[i * 2 + c];
        }
    }
    return LYC_OK;
}

static const lyc_latent_encoder encoder = {.encode = encode, .channels = 2, .identity = "test encoder"};

static lyc_latent_cache *open_cache(const lyc_data *data)
{
    lyc_latent_cache *cache = NULL;
    lyc_error err = {0};
    if (lyc_latent_cache_new(&cache, data, &encoder, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return cache;
}

static void latents_in_files_are_those_in_memory(void **state)
{
    (void)state;
    lyc_data_options o = standard();
    float memory[2][12 * 8 * 2], file[12 * 8 * 2];
    o.cache_latents = o.subset.flip_aug = true;
    o.vae_batch_size = 2;
    lyc_data *data = open_data(&o);
    lyc_latent_cache *cache = open_cache(data);
    assert_int_equal(lyc_latent_cache_encoded(cache), 5);
    for (int flipped = 0; flipped < 2; flipped++) {
        assert_int_equal(lyc_latent_cache_read(memory[flipped], cache, 1, flipped, NULL), LYC_OK);
    }
    assert_true(memcmp(memory[0], memory[1], 8 * 8 * 2 * sizeof(float)) != 0);
    lyc_latent_cache_free(cache);
    lyc_data_close(data);

    o.cache_latents_to_disk = true;
    o.vae_batch_size = 1; /* noise does not depend on what is encoded together */
    data = open_data(&o);
    cache = open_cache(data);
    for (int flipped = 0; flipped < 2; flipped++) {
        assert_int_equal(lyc_latent_cache_read(file, cache, 1, flipped, NULL), LYC_OK);
        assert_memory_equal(file, memory[flipped], 8 * 8 * 2 * sizeof(float));
    }
    lyc_latent_cache_free(cache);
    encoded = 0;
    cache = open_cache(data);
    assert_int_equal(lyc_latent_cache_encoded(cache), 0);
    assert_int_equal(encoded, 0);
    lyc_latent_cache_free(cache);
    lyc_data_close(data);
}

/* Another picture of that name; another seed, whose noise differs. */
static void files_that_do_not_match_are_made_again(void **state)
{
    (void)state;
    lyc_data_options o = standard();
    o.cache_latents_to_disk = true;
    o.cache_dir = at("cache");
    lyc_data *data = open_data(&o);
    lyc_latent_cache *cache = open_cache(data);
    assert_int_equal(lyc_latent_cache_encoded(cache), 5);
    lyc_latent_cache_free(cache);
    lyc_data_close(data);
    test_picture(at("train/2_a/0.png"), 64, 64, 99);
    data = open_data(&o);
    cache = open_cache(data);
    assert_int_equal(lyc_latent_cache_encoded(cache), 1);
    lyc_latent_cache_free(cache);
    lyc_data_close(data);
    o.seed = 24; /* other noise */
    data = open_data(&o);
    cache = open_cache(data);
    assert_int_equal(lyc_latent_cache_encoded(cache), 5);
    lyc_latent_cache_free(cache);
    lyc_data_close(data);
}

static void loaders_give_cached_latents(void **state)
{
    (void)state;
    lyc_data_options o = standard();
    o.cache_latents = true;
    lyc_data *data = open_data(&o);
    lyc_latent_cache *cache = open_cache(data);
    lyc_loader *loader;
    const lyc_data_batch *batch;
    float latents[12 * 8 * 2];
    int batches = 0;
    assert_int_equal(lyc_loader_new(&loader, data, cache, false, NULL), LYC_OK);
    assert_int_equal(lyc_loader_begin(loader, 1, 0, 0, 1.0, 10, NULL), LYC_OK);
    for (;;) {
        assert_int_equal(lyc_loader_next(&batch, loader, NULL), LYC_OK);
        if (batch == NULL) {
            break;
        }
        batches++;
        assert_null(batch->images);
        const size_t size = (size_t)(batch->width / 8 * batch->height / 8 * 2);
        for (int64_t i = 0; i < batch->n; i++) {
            assert_int_equal(lyc_latent_cache_read(latents, cache, batch->images_index[i], false, NULL), LYC_OK);
            assert_memory_equal(batch->latents + (size_t)i * size, latents, size * sizeof(float));
        }
    }
    assert_int_equal(batches, 3);
    lyc_loader_free(loader);
    lyc_latent_cache_free(cache);
    lyc_data_close(data);
}

static void pictures_that_change_under_a_run_are_noticed(void **state)
{
    (void)state;
    const lyc_data_options o = standard();
    lyc_data *data = open_data(&o);
    lyc_loader *loader;
    const lyc_data_batch *batch;
    lyc_error err = {0};
    lyc_status status = LYC_OK;
    test_picture(at("train/2_a/0.png"), 32, 64, 1);
    assert_int_equal(lyc_loader_new(&loader, data, NULL, false, NULL), LYC_OK);
    assert_int_equal(lyc_loader_begin(loader, 1, 0, 0, 1.0, 10, NULL), LYC_OK);
    while (status == LYC_OK) {
        status = lyc_loader_next(&batch, loader, &err);
        assert_true(status != LYC_OK || batch != NULL);
    }
    assert_int_equal(status, LYC_E_IO);
    assert_non_null(strstr(err.message, "0.png has changed: 32x64 pixels, and 64x64 at the start of the run"));
    lyc_loader_free(loader);
    lyc_data_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(epochs_hold_every_use_once, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_depend_on_their_place_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(pixels_are_those_of_the_bucket, setup, teardown),
        cmocka_unit_test_setup_teardown(colours_change_little, setup, teardown),
        cmocka_unit_test_setup_teardown(masks_are_averages_of_the_red_channel, setup, teardown),
        cmocka_unit_test_setup_teardown(latents_in_files_are_those_in_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_do_not_match_are_made_again, setup, teardown),
        cmocka_unit_test_setup_teardown(loaders_give_cached_latents, setup, teardown),
        cmocka_unit_test_setup_teardown(pictures_that_change_under_a_run_are_noticed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
