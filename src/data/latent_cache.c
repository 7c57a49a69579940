/* latent_cache.c - pictures encoded once
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/latent_cache.h"

#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/task.h"
#include "base/thread.h"
#include "lycoris/safetensors.h"
#include "tensor/random.h"

static const char *const tensor_names[2] = {"latents", "latents_flipped"};
enum { VERSION_LENGTH = 512 };

struct lyc_latent_cache {
    const lyc_data *data;
    const lyc_latent_encoder *encoder;
    float **latents[2]; /* [images], in memory; NULL: in a file */
    size_t encoded;
    bool on_disk;
};

/* --- what an image has in the cache --------------------------------------------------------------------------------
 */

static bool wanted(const lyc_data_image *image)
{
    return image->uses > 0;
}

static bool has_flipped(const lyc_data *data, const lyc_data_image *image)
{
    return data->subsets[image->subset].options.flip_aug && !image->validation;
}

static size_t latent_count(const lyc_latent_cache *c, const lyc_data_image *image)
{
    const size_t h = (size_t)(image->choice.bucket.height / c->data->model.factor);
    const size_t w = (size_t)(image->choice.bucket.width / c->data->model.factor);
    return h * w * (size_t)c->encoder->channels;
}

/* What the latents are made from, as text for a file's metadata. */
static void describe(char out[VERSION_LENGTH], const lyc_latent_cache *c, const lyc_data_image *image)
{
    const lyc_data_options *o = &c->data->options;
    lyc_strbuf text = {0};
    lyc_strbuf_format(&text, "%dx%d of %dx%d, filter %d, orientation %d, alpha %d, seed %llu, %s",
                      image->choice.bucket.width, image->choice.bucket.height, image->choice.resized.width,
                      image->choice.resized.height, c->data->subsets[image->subset].options.resize_interpolation,
                      !o->ignore_orientation, o->composite_alpha, (unsigned long long)o->seed, c->encoder->identity);
    const char *made = lyc_strbuf_text(&text);
    const size_t length = strlen(made) < VERSION_LENGTH ? strlen(made) : VERSION_LENGTH - 1;
    memcpy(out, made, length);
    out[length] = '\0';
    lyc_strbuf_clear(&text);
}

/* "<picture>.<width>x<height>.latents.safetensors"; in cache_dir, names of different folders must not meet: the path's
 * hash stands in front. */
static const char *file_path(lyc_arena *arena, const lyc_latent_cache *c, const lyc_data_image *image)
{
    const char *folder = c->data->options.cache_dir;
    const int width = image->choice.bucket.width, height = image->choice.bucket.height;
    if (folder == NULL) {
        return lyc_arena_format(arena, "%s.%dx%d.latents.safetensors", image->path, width, height);
    }
    lyc_sha256 hash;
    char hex[LYC_SHA256_HEX];
    lyc_sha256_init(&hash);
    lyc_sha256_update(&hash, image->path, strlen(image->path));
    lyc_sha256_finish(hex, &hash);
    return lyc_arena_format(arena, "%s/%.16s-%s.%dx%d.latents.safetensors", folder, hex, strrchr(image->name, '/') + 1,
                            width, height);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static bool is_of(const lyc_latent_cache *c, const lyc_data_image *image, const lyc_safetensors *file)
{
    char version[VERSION_LENGTH];
    const char *made_from = lyc_safetensors_metadata(file, "made_from");
    const char *content = lyc_safetensors_metadata(file, "content");
    describe(version, c, image);
    return made_from != NULL && content != NULL && strcmp(made_from, version) == 0 &&
           (image->content[0] == '\0' || strcmp(content, image->content) == 0);
}

static lyc_status read_tensor(float *out, const lyc_latent_cache *c, const lyc_data_image *image,
                              const lyc_safetensors *file, bool flipped, lyc_error *err)
{
    lyc_tensor_view view;
    const char *name = tensor_names[flipped];
    if (!lyc_safetensors_find(&view, file, name) || view.dtype != LYC_F32 ||
        view.size_bytes != latent_count(c, image) * sizeof(float)) {
        return lyc_fail(err, LYC_E_FORMAT, "no %s of this picture's size", name);
    }
    if (out == NULL) {
        return LYC_OK;
    }
    LYC_TRY(lyc_safetensors_read(out, file, &view, err));
    return lyc_safetensors_check(file, err);
}

/* out may be NULL: only looks whether it is there. */
static lyc_status read_file(float *out, const lyc_latent_cache *c, const lyc_data_image *image, bool flipped,
                            lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_safetensors *file = NULL;
    const char *path = file_path(&arena, c, image);
    lyc_status status = path != NULL ? lyc_safetensors_open(&file, path, NULL, err)
                                     : lyc_fail(err, LYC_E_MEMORY, "no memory for a file name");
    if (status == LYC_OK) {
        status = is_of(c, image, file) ? read_tensor(out, c, image, file, flipped, err)
                                       : lyc_fail(err, LYC_E_FORMAT, "made from something else");
        lyc_safetensors_close(file);
    }
    if (status != LYC_OK && path != NULL && err != NULL) {
        lyc_wrap(err, "reading %s", path);
    }
    lyc_arena_clear(&arena);
    return status;
}

static lyc_status plan_file(lyc_safetensors_plan *plan, const lyc_latent_cache *c, const lyc_data_image *image,
                            lyc_error *err)
{
    char version[VERSION_LENGTH];
    const lyc_shape shape = {.rank = 3,
                             .dims = {image->choice.bucket.height / c->data->model.factor,
                                      image->choice.bucket.width / c->data->model.factor, c->encoder->channels}};
    describe(version, c, image);
    LYC_TRY(lyc_safetensors_plan_add(plan, tensor_names[0], LYC_F32, &shape, err));
    if (has_flipped(c->data, image)) {
        LYC_TRY(lyc_safetensors_plan_add(plan, tensor_names[1], LYC_F32, &shape, err));
    }
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "made_from", version, err));
    return lyc_safetensors_plan_metadata(plan, "content", image->content, err);
}

static lyc_status write_planned(const lyc_latent_cache *c, size_t index, lyc_safetensors_plan *plan, const char *path,
                                lyc_error *err)
{
    const lyc_data_image *image = &c->data->images[index];
    const size_t size = latent_count(c, image) * sizeof(float);
    const lyc_safetensors_writer_options options = {.force = true};
    lyc_safetensors_writer *writer;
    LYC_TRY(lyc_safetensors_writer_open(&writer, plan, path, &options, err));
    lyc_status status = LYC_OK;
    for (int i = 0; i < 1 + has_flipped(c->data, image); i++) {
        status = status != LYC_OK
                     ? status
                     : lyc_safetensors_writer_put(writer, tensor_names[i], c->latents[i][index], size, err);
    }
    status = status == LYC_OK ? lyc_safetensors_writer_commit(writer, err) : status;
    lyc_safetensors_writer_close(writer);
    return status;
}

static lyc_status write_file(const lyc_latent_cache *c, size_t index, lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_safetensors_plan *plan = NULL;
    const char *path = file_path(&arena, c, &c->data->images[index]);
    lyc_status status =
        path != NULL ? lyc_safetensors_plan_new(&plan, err) : lyc_fail(err, LYC_E_MEMORY, "no memory for a file name");
    status = status != LYC_OK ? status : plan_file(plan, c, &c->data->images[index], err);
    status = status != LYC_OK ? status : write_planned(c, index, plan, path, err);
    lyc_safetensors_plan_free(plan);
    lyc_arena_clear(&arena);
    return status;
}

/* --- encoding ------------------------------------------------------------------------------------------------------
 */

void lyc_latent_noise(float *noise, size_t count, uint64_t seed, const char *name, bool flipped, uint32_t step)
{
    lyc_sha256 hash;
    char hex[LYC_SHA256_HEX];
    uint64_t key = 0;
    lyc_sha256_init(&hash);
    lyc_sha256_update(&hash, name, strlen(name) + 1);
    lyc_sha256_update(&hash, flipped ? "flipped" : "", flipped ? 7 : 0);
    lyc_sha256_finish(hex, &hash);
    memcpy(&key, hex, sizeof key);
    const lyc_native_random r = {.seed = seed ^ key, .purpose = LYC_RANDOM_LATENT, .step = step};
    lyc_native_random_normals(&r, noise, 0, count);
}

/* Images of one size that are encoded at once. */
typedef struct piece {
    const lyc_latent_cache *cache;
    size_t images[256];
    size_t count;
    bool flipped;
    float *pixels, *noise, *latents;
    lyc_error *errors; /* [count] */
} piece;

static void prepare(void *context, int64_t first, int64_t last, int thread)
{
    piece *p = context;
    const lyc_data *data = p->cache->data;
    const lyc_sample_form form = {.flipped = p->flipped};
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const lyc_data_image *image = &data->images[p->images[i]];
        const size_t pixels = (size_t)image->choice.bucket.width * (size_t)image->choice.bucket.height * 3;
        const size_t count = latent_count(p->cache, image);
        p->errors[i] = (lyc_error){0};
        lyc_sample_read(p->pixels + (size_t)i * pixels, data, image, &form, &p->errors[i]);
        lyc_latent_noise(p->noise + (size_t)i * count, count, data->options.seed, image->name, p->flipped, 0);
    }
}

static lyc_status encode_prepared(piece *p, lyc_error *err)
{
    const lyc_latent_cache *c = p->cache;
    const lyc_data_image *first = &c->data->images[p->images[0]];
    const size_t count = latent_count(c, first);
    lyc_parallel_dynamic((int64_t)p->count, 1, prepare, p);
    for (size_t i = 0; i < p->count; i++) {
        if (p->errors[i].status != LYC_OK) {
            return lyc_fail(err, p->errors[i].status, "%s", p->errors[i].message);
        }
    }
    LYC_TRY(c->encoder->encode(c->encoder->context, p->latents, p->pixels, p->noise, (int64_t)p->count,
                               first->choice.bucket.height, first->choice.bucket.width, err));
    for (size_t i = 0; i < p->count; i++) {
        float *kept = lyc_alloc_zero(count, sizeof *kept);
        if (kept == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for cached latents");
        }
        memcpy(kept, p->latents + i * count, count * sizeof *kept);
        lyc_free(c->latents[p->flipped][p->images[i]]);
        c->latents[p->flipped][p->images[i]] = kept;
    }
    return LYC_OK;
}

static lyc_status encode(piece *p, bool flipped, lyc_error *err)
{
    const lyc_data_image *first = &p->cache->data->images[p->images[0]];
    const size_t pixels = (size_t)first->choice.bucket.width * (size_t)first->choice.bucket.height * 3;
    const size_t count = latent_count(p->cache, first);
    p->flipped = flipped;
    p->pixels = lyc_alloc_zero(p->count, pixels * sizeof(float));
    p->noise = lyc_alloc_zero(p->count, count * sizeof(float));
    p->latents = lyc_alloc_zero(p->count, count * sizeof(float));
    p->errors = lyc_alloc_zero(p->count, sizeof *p->errors);
    const bool complete = p->pixels != NULL && p->noise != NULL && p->latents != NULL && p->errors != NULL;
    const lyc_status status =
        complete ? encode_prepared(p, err) : lyc_fail(err, LYC_E_MEMORY, "no memory to encode pictures");
    lyc_free(p->pixels);
    lyc_free(p->noise);
    lyc_free(p->latents);
    lyc_free(p->errors);
    return status;
}

static void release(const lyc_latent_cache *c, size_t image)
{
    for (int i = 0; i < 2; i++) {
        lyc_free(c->latents[i][image]);
        c->latents[i][image] = NULL;
    }
}

/* All of a piece share their size, and whether they are flipped too. */
static lyc_status finish(piece *p, lyc_error *err)
{
    const lyc_latent_cache *c = p->cache;
    LYC_TRY(encode(p, false, err));
    if (has_flipped(c->data, &c->data->images[p->images[0]])) {
        LYC_TRY(encode(p, true, err));
    }
    for (size_t i = 0; i < p->count && c->on_disk; i++) {
        LYC_TRY(write_file(c, p->images[i], err));
        release(c, p->images[i]);
    }
    return LYC_OK;
}

static bool goes_with(const lyc_data *data, const lyc_data_image *a, const lyc_data_image *b)
{
    return a->choice.bucket.width == b->choice.bucket.width && a->choice.bucket.height == b->choice.bucket.height &&
           has_flipped(data, a) == has_flipped(data, b);
}

static bool is_there(const lyc_latent_cache *c, const lyc_data_image *image)
{
    return c->on_disk && read_file(NULL, c, image, false, NULL) == LYC_OK &&
           (!has_flipped(c->data, image) || read_file(NULL, c, image, true, NULL) == LYC_OK);
}

static size_t mark_missing(bool *missing, const lyc_latent_cache *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->data->image_count; i++) {
        missing[i] = wanted(&c->data->images[i]) && !is_there(c, &c->data->images[i]);
        count += missing[i];
    }
    return count;
}

static lyc_status encode_missing(lyc_latent_cache *c, bool *missing, lyc_progress *progress, const lyc_task *task,
                                 lyc_error *err)
{
    const lyc_data *data = c->data;
    const size_t most = data->options.vae_batch_size < 256 ? (size_t)data->options.vae_batch_size : 256;
    for (size_t i = 0; i < data->image_count; i++) {
        piece p = {.cache = c};
        for (size_t k = i; missing[i] && k < data->image_count && p.count < most; k++) {
            if (missing[k] && goes_with(data, &data->images[i], &data->images[k])) {
                p.images[p.count++] = k;
            }
        }
        if (p.count == 0) {
            continue;
        }
        LYC_TRY(lyc_task_check(task, err));
        LYC_TRY(finish(&p, err));
        for (size_t k = 0; k < p.count; k++) {
            missing[p.images[k]] = false;
        }
        c->encoded += p.count;
        lyc_progress_add(progress, (int64_t)p.count);
    }
    return LYC_OK;
}

static lyc_status fill(lyc_latent_cache *c, const lyc_task *task, lyc_error *err)
{
    const size_t count = c->data->image_count;
    c->latents[0] = lyc_alloc_zero(count, sizeof *c->latents[0]);
    c->latents[1] = lyc_alloc_zero(count, sizeof *c->latents[1]);
    bool *missing = lyc_alloc_zero(count, sizeof *missing);
    lyc_status status = c->latents[0] != NULL && c->latents[1] != NULL && missing != NULL
                            ? LYC_OK
                            : lyc_fail(err, LYC_E_MEMORY, "no memory for cached latents");
    if (status == LYC_OK && c->on_disk && c->data->options.cache_dir != NULL) {
        status = lyc_path_make_folder(c->data->options.cache_dir, err);
    }
    if (status == LYC_OK) {
        lyc_progress progress;
        lyc_task_begin(&progress, task, "encoding", "img", (int64_t)mark_missing(missing, c));
        status = encode_missing(c, missing, &progress, task, err);
        lyc_progress_finish(&progress);
    }
    lyc_free(missing);
    return status;
}

lyc_status lyc_latent_cache_new(lyc_latent_cache **out, const lyc_data *data, const lyc_latent_encoder *encoder,
                                const lyc_task *task, lyc_error *err)
{
    lyc_latent_cache *c = lyc_alloc_zero(1, sizeof *c);
    if (c == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for cached latents");
    }
    *c = (lyc_latent_cache){.data = data, .encoder = encoder, .on_disk = data->options.cache_latents_to_disk};
    const lyc_status status = fill(c, task, err);
    if (status != LYC_OK) {
        lyc_latent_cache_free(c);
        return status;
    }
    *out = c;
    return LYC_OK;
}

void lyc_latent_cache_free(lyc_latent_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; cache->latents[0] != NULL && cache->latents[1] != NULL && i < cache->data->image_count; i++) {
        release(cache, i);
    }
    lyc_free(cache->latents[0]);
    lyc_free(cache->latents[1]);
    lyc_free(cache);
}

lyc_status lyc_latent_cache_read(float *out, const lyc_latent_cache *cache, size_t image, bool flipped, lyc_error *err)
{
    const lyc_data_image *of = &cache->data->images[image];
    const float *kept = cache->latents[flipped][image];
    if (kept == NULL) {
        return read_file(out, cache, of, flipped, err);
    }
    memcpy(out, kept, latent_count(cache, of) * sizeof *out);
    return LYC_OK;
}

size_t lyc_latent_cache_encoded(const lyc_latent_cache *cache)
{
    return cache->encoded;
}

int lyc_latent_cache_channels(const lyc_latent_cache *cache)
{
    return cache->encoder->channels;
}
