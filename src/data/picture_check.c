/* picture_check.c - what the headers of all pictures say, before any long work
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/task.h"
#include "base/thread.h"
#include "data/data_internal.h"
#include "image/decode.h"

enum { PIECE = 64 }; /* images between two looks at the task */

/* What threads found out; problems are collected afterwards, in order. */
typedef struct finding {
    lyc_status status;
    char *problem; /* NULL: no memory for it either */
} finding;

typedef struct check {
    lyc_data *data;
    finding *findings;
    size_t first;
} check;

static lyc_status hash_file(char hex[LYC_SHA256_HEX], const char *path, lyc_error *err)
{
    lyc_file_map *map;
    LYC_TRY(lyc_file_map_open(&map, path, err));
    lyc_sha256 hash;
    lyc_sha256_init(&hash);
    lyc_sha256_update(&hash, lyc_file_map_data(map), lyc_file_map_size(map));
    lyc_sha256_finish(hex, &hash);
    const lyc_status status = lyc_file_map_check(map, err);
    lyc_file_map_close(map);
    return status;
}

static lyc_status look(lyc_data_image *image, const lyc_data_options *options, lyc_error *err)
{
    lyc_image_facts facts;
    LYC_TRY(lyc_image_look(&facts, image->path, err));
    const bool turn = facts.turned && !options->ignore_orientation;
    image->width = turn ? facts.height : facts.width;
    image->height = turn ? facts.width : facts.height;
    image->has_alpha = facts.has_alpha;
    return options->skip_cache_check ? LYC_OK : hash_file(image->content, image->path, err);
}

static void look_at(void *context, int64_t first, int64_t last, int thread)
{
    const check *c = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const size_t at = c->first + (size_t)i;
        lyc_error err = {0};
        c->findings[at].status = look(&c->data->images[at], &c->data->options, &err);
        if (c->findings[at].status != LYC_OK) {
            lyc_strbuf text = {0};
            lyc_strbuf_append(&text, err.message);
            c->findings[at].problem = lyc_strbuf_take(&text);
        }
    }
}

static lyc_status look_at_all(check *c, const lyc_task *task, lyc_error *err)
{
    const size_t count = c->data->image_count;
    for (c->first = 0; c->first < count; c->first += PIECE) {
        const size_t n = count - c->first < PIECE ? count - c->first : PIECE;
        lyc_parallel_dynamic((int64_t)n, 1, look_at, c);
        LYC_TRY(lyc_task_check(task, err));
    }
    return LYC_OK;
}

/* Takes the images out that cannot be read. */
static lyc_status drop_bad(lyc_data *data, const check *c, size_t bad, lyc_error *err)
{
    size_t kept = 0;
    for (size_t s = 0; s < data->subset_count; s++) {
        lyc_data_subset *subset = &data->subsets[s];
        const size_t first = subset->first, end = subset->first + subset->count;
        subset->first = kept;
        for (size_t i = first; i < end; i++) {
            if (c->findings[i].status == LYC_OK) {
                data->images[kept++] = data->images[i];
            }
        }
        subset->count = kept - subset->first;
    }
    data->image_count = kept;
    for (size_t i = 0; i < kept + bad; i++) {
        if (c->findings[i].status != LYC_OK) {
            return lyc_data_warn(data, err, "%zu pictures cannot be read and are passed over, the first: %s", bad,
                                 c->findings[i].problem != NULL ? c->findings[i].problem : "no memory");
        }
    }
    return LYC_OK;
}

static lyc_status judge(lyc_data_reading *reading, const check *c, lyc_error *err)
{
    lyc_data *data = reading->data;
    size_t bad = 0;
    for (size_t i = 0; i < data->image_count; i++) {
        bad += c->findings[i].status != LYC_OK;
    }
    for (size_t i = 0; i < data->image_count && !data->options.skip_bad_images; i++) {
        if (c->findings[i].status != LYC_OK) {
            lyc_data_problem(&reading->problems, c->findings[i].status, "%s",
                             c->findings[i].problem != NULL ? c->findings[i].problem : data->images[i].path);
        }
    }
    LYC_TRY(lyc_data_problems_end(&reading->problems, err));
    return bad > 0 ? drop_bad(data, c, bad, err) : LYC_OK;
}

/* --- masks ---------------------------------------------------------------------------------------------------------
 */

/* The picture of the mask folder with the same name, or the same stem and another ending. */
static const char *mask_of(lyc_arena *arena, const char *folder, const char *file)
{
    static const char *const endings[] = {"", ".png", ".jpg", ".jpeg", ".webp", ".bmp"};
    const char *dot = strrchr(file, '.');
    const int stem = (int)(dot != NULL ? dot - file : (ptrdiff_t)strlen(file));
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const char *path =
            lyc_arena_format(arena, "%s/%.*s%s", folder, i == 0 ? (int)strlen(file) : stem, file, endings[i]);
        lyc_file_id id;
        if (path != NULL && lyc_file_id_of(&id, path, NULL) == LYC_OK) {
            return path;
        }
    }
    return NULL;
}

static lyc_status find_masks(lyc_data_reading *reading, lyc_error *err)
{
    lyc_data *data = reading->data;
    for (size_t i = 0; i < data->image_count; i++) {
        lyc_data_image *image = &data->images[i];
        const char *folder = data->subsets[image->subset].options.conditioning_data_dir;
        if (folder != NULL) {
            image->mask_path = mask_of(&data->arena, folder, strrchr(image->name, '/') + 1);
            if (image->mask_path == NULL) {
                lyc_data_problem(&reading->problems, LYC_E_IO, "%s has no mask of its name in %s", image->name, folder);
            }
        }
    }
    return lyc_data_problems_end(&reading->problems, err);
}

static lyc_status warn_of_alpha(lyc_data *data, lyc_error *err)
{
    size_t count = 0;
    const char *first = NULL;
    for (size_t i = 0; i < data->image_count; i++) {
        const lyc_data_image *image = &data->images[i];
        if (image->has_alpha && !data->subsets[image->subset].options.alpha_mask) {
            first = count++ == 0 ? image->name : first;
        }
    }
    if (count == 0 || data->options.composite_alpha) {
        return LYC_OK;
    }
    return lyc_data_warn(data, err,
                         "%zu pictures have transparency, the first is %s; their hidden colours are trained "
                         "(composite_alpha puts them on white, alpha_mask leaves them out of the loss)",
                         count, first);
}

lyc_status lyc_data_check_pictures(lyc_data_reading *reading, const lyc_task *task, lyc_error *err)
{
    check c = {.data = reading->data};
    const size_t count = c.data->image_count;
    c.findings = count > 0 ? lyc_alloc_zero(count, sizeof *c.findings) : NULL;
    if (count > 0 && c.findings == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to look at %zu pictures", count);
    }
    lyc_status status = look_at_all(&c, task, err);
    status = status != LYC_OK ? status : judge(reading, &c, err);
    for (size_t i = 0; i < count; i++) {
        lyc_free(c.findings[i].problem);
    }
    lyc_free(c.findings);
    LYC_TRY(status);
    LYC_TRY(find_masks(reading, err));
    return warn_of_alpha(c.data, err);
}
