/* data.c - the lists of a data set, and how it is opened
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/data.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hashmap.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/path.h"
#include "base/size.h"
#include "data/data_internal.h"

enum { PROBLEMS_SHOWN = 5 };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the lists of a data set");
}

/* --- problems and warnings -----------------------------------------------------------------------------------------
 */

void lyc_data_problem(lyc_data_problems *problems, lyc_status status, const char *format, ...)
{
    char text[sizeof((lyc_error *)0)->message];
    va_list arguments;
    if (problems->count++ == 0) {
        problems->status = status;
    }
    if (problems->count <= PROBLEMS_SHOWN) {
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        lyc_strbuf_append(&problems->text, problems->count > 1 ? "; " : "");
        lyc_strbuf_append(&problems->text, text);
    }
}

lyc_status lyc_data_problems_end(lyc_data_problems *problems, lyc_error *err)
{
    lyc_status status = LYC_OK;
    if (problems->count == 1) {
        status = lyc_fail(err, problems->status, "%s", lyc_strbuf_text(&problems->text));
    } else if (problems->count > 1) {
        status = lyc_fail(err, problems->status, "%zu files cannot be used: %s%s", problems->count,
                          lyc_strbuf_text(&problems->text), problems->count > PROBLEMS_SHOWN ? "; ..." : "");
    }
    lyc_strbuf_clear(&problems->text);
    *problems = (lyc_data_problems){0};
    return status;
}

/* Room for one more element of an array. */
static bool grow(void **items, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity) {
        return true;
    }
    size_t bytes;
    const size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *larger = lyc_size_mul(&bytes, wanted, size) ? lyc_realloc(*items, bytes) : NULL;
    if (larger == NULL) {
        return false;
    }
    *items = larger;
    *capacity = wanted;
    return true;
}

lyc_status lyc_data_warn(lyc_data *data, lyc_error *err, const char *format, ...)
{
    char text[sizeof((lyc_error *)0)->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    void *items = (void *)data->warnings;
    const bool fits = grow(&items, &data->warning_capacity, data->warning_count, sizeof *data->warnings);
    data->warnings = items;
    const char *copy = fits ? lyc_arena_text(&data->arena, text) : NULL;
    if (copy == NULL) {
        return no_memory(err);
    }
    data->warnings[data->warning_count++] = copy;
    return LYC_OK;
}

/* --- lists ---------------------------------------------------------------------------------------------------------
 */

static lyc_span strip(lyc_span s)
{
    while (s.length > 0 && (unsigned char)s.text[0] <= ' ') {
        s.text++;
        s.length--;
    }
    while (s.length > 0 && (unsigned char)s.text[s.length - 1] <= ' ') {
        s.length--;
    }
    return s;
}

static bool parse_side(int *out, lyc_span text)
{
    double value;
    if (!lyc_number_parse(&value, strip(text)) || value < 1.0 || value > 100000.0 || value > floor(value)) {
        return false;
    }
    *out = (int)value;
    return true;
}

static lyc_status parse_resolution(lyc_bucket_size *out, const char *text, lyc_error *err)
{
    if (text == NULL || text[0] == '\0') {
        return lyc_fail(err, LYC_E_ARGUMENT, "resolution is missing: 512, or width,height in pixels");
    }
    const size_t first = strcspn(text, ",");
    const lyc_span width = {text, first}, height = lyc_span_of(text[first] == ',' ? text + first + 1 : text);
    if (!parse_side(&out->width, width) || !parse_side(&out->height, height)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "resolution is '%s', expected 512, or width,height in pixels", text);
    }
    return LYC_OK;
}

static lyc_status check_multiple(const lyc_data *data, const lyc_dataset *set, lyc_error *err)
{
    const lyc_bucket_size size = set->sizes.options.resolution;
    const int multiple = set->options.enable_bucket ? data->model.factor : data->model.size_multiple;
    if (size.width % multiple != 0 || size.height % multiple != 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "resolution is %dx%d, expected multiples of %d for this model", size.width,
                        size.height, multiple);
    }
    if (set->options.enable_bucket && set->options.bucket_reso_steps % data->model.size_multiple != 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "bucket_reso_steps is %lld, expected a multiple of %d for this model",
                        (long long)set->options.bucket_reso_steps, data->model.size_multiple);
    }
    return LYC_OK;
}

lyc_status lyc_data_add_dataset(lyc_data *data, const lyc_dataset_options *options, lyc_error *err)
{
    void *items = data->datasets;
    const bool fits = grow(&items, &data->dataset_capacity, data->dataset_count, sizeof *data->datasets);
    data->datasets = items;
    if (!fits) {
        return no_memory(err);
    }
    lyc_dataset *set = &data->datasets[data->dataset_count];
    *set = (lyc_dataset){.options = *options};
    lyc_bucket_options buckets = {.min = (int)options->min_bucket_reso,
                                  .max = (int)options->max_bucket_reso,
                                  .step = (int)options->bucket_reso_steps,
                                  .enabled = options->enable_bucket,
                                  .no_upscale = options->bucket_no_upscale};
    LYC_TRY(parse_resolution(&buckets.resolution, options->resolution, err));
    LYC_TRY(lyc_bucket_list_init(&set->sizes, &buckets, err));
    data->dataset_count++;
    return check_multiple(data, set, err);
}

lyc_status lyc_data_add_subset(lyc_data *data, const lyc_subset_options *options, const char *name, const char *folder,
                               int64_t repeats, lyc_error *err)
{
    void *items = data->subsets;
    const bool fits = grow(&items, &data->subset_capacity, data->subset_count, sizeof *data->subsets);
    data->subsets = items;
    const char *name_copy = lyc_arena_text(&data->arena, name), *folder_copy = lyc_arena_text(&data->arena, folder);
    if (!fits || name_copy == NULL || folder_copy == NULL) {
        return no_memory(err);
    }
    data->subsets[data->subset_count++] = (lyc_data_subset){.options = *options,
                                                            .name = name_copy,
                                                            .folder = folder_copy,
                                                            .dataset = data->dataset_count - 1,
                                                            .first = data->image_count,
                                                            .repeats = repeats};
    return LYC_OK;
}

lyc_status lyc_data_add_image(lyc_data *data, const char *path, const char *file, const lyc_span *lines,
                              size_t line_count, lyc_error *err)
{
    lyc_data_subset *subset = &data->subsets[data->subset_count - 1];
    void *items = data->images;
    const bool fits = grow(&items, &data->image_capacity, data->image_count, sizeof *data->images);
    data->images = items;
    const char *path_copy = lyc_arena_text(&data->arena, path);
    const char *name = lyc_arena_format(&data->arena, "%s/%s", subset->name, file);
    if (!fits || path_copy == NULL || name == NULL) {
        return no_memory(err);
    }
    data->images[data->image_count++] = (lyc_data_image){.path = path_copy,
                                                         .name = name,
                                                         .lines = lines,
                                                         .line_count = line_count,
                                                         .subset = data->subset_count - 1,
                                                         .uses = subset->repeats};
    subset->count++;
    return LYC_OK;
}

lyc_status lyc_data_lines(lyc_span **lines, size_t *count, lyc_data *data, lyc_span text, bool all, lyc_error *err)
{
    text = strip(text);
    const char *copy = lyc_arena_text_n(&data->arena, text.text, text.length);
    size_t total = 1;
    for (size_t i = 0; i < text.length; i++) {
        total += text.text[i] == '\n';
    }
    *lines = lyc_arena_alloc(&data->arena, total, sizeof **lines);
    if (copy == NULL || *lines == NULL) {
        return no_memory(err);
    }
    *count = 0;
    lyc_span rest = {copy, text.length};
    while (rest.length > 0 && (all || *count == 0)) {
        const char *end = memchr(rest.text, '\n', rest.length);
        const size_t length = end != NULL ? (size_t)(end - rest.text) : rest.length;
        const lyc_span line = strip((lyc_span){rest.text, length});
        if (line.length > 0) {
            (*lines)[(*count)++] = line;
        }
        rest.text += length + (end != NULL);
        rest.length -= length + (end != NULL);
    }
    if (*count == 0) {
        (*lines)[(*count)++] = (lyc_span){copy, 0};
    }
    return LYC_OK;
}

bool lyc_data_is_picture(const char *name)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif", ".jxl"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* --- opening -------------------------------------------------------------------------------------------------------
 */

static lyc_status check_options(const lyc_data_options *o, lyc_error *err)
{
    const int sources = (o->image_dir != NULL) + (o->train_data_dir != NULL && o->in_json == NULL) +
                        (o->in_json != NULL) + (o->dataset_config != NULL);
    if (sources == 0) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "no data: one of image_dir, train_data_dir, in_json, dataset_config is needed");
    }
    if (o->dataset_config != NULL && (sources > 1 || o->train_data_dir != NULL || o->reg_data_dir != NULL)) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "dataset_config names all data itself: image_dir, train_data_dir, reg_data_dir and in_json "
                        "cannot be given beside it");
    }
    if (o->image_dir != NULL && (o->in_json != NULL || o->train_data_dir != NULL)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "image_dir beside train_data_dir or in_json: one of them names the data");
    }
    if (o->in_json != NULL && o->reg_data_dir != NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "in_json has no regularisation images: reg_data_dir cannot be given");
    }
    return LYC_OK;
}

/* "pictures/" has a name too. */
static lyc_status read_image_dir(lyc_data_reading *reading, lyc_error *err)
{
    lyc_data *data = reading->data;
    const lyc_data_options *o = &data->options;
    size_t length = strlen(o->image_dir);
    while (length > 1 && o->image_dir[length - 1] == '/') {
        length--;
    }
    const char *folder = lyc_arena_format(&data->arena, "%.*s", (int)length, o->image_dir);
    return folder != NULL ? lyc_image_folder_read(reading, &o->subset, lyc_path_name(folder).text, folder,
                                                  o->subset.num_repeats, err)
                          : no_memory(err);
}

static lyc_status read_sources(lyc_data_reading *reading, lyc_error *err)
{
    lyc_data *data = reading->data;
    const lyc_data_options *o = &data->options;
    if (o->dataset_config != NULL) {
        return lyc_dataset_file_read(reading, o->dataset_config, err);
    }
    LYC_TRY(lyc_data_add_dataset(data, &o->dataset, err));
    if (o->in_json != NULL) {
        lyc_subset_options subset = o->subset;
        subset.metadata_file = o->in_json;
        subset.image_dir = o->train_data_dir;
        return lyc_metadata_file_read(reading, &subset, err);
    }
    LYC_TRY(o->image_dir != NULL ? read_image_dir(reading, err)
                                 : lyc_dreambooth_read(reading, o->train_data_dir, false, err));
    return o->reg_data_dir != NULL ? lyc_dreambooth_read(reading, o->reg_data_dir, true, err) : LYC_OK;
}

static lyc_status check_subsets(const lyc_data *data, lyc_error *err)
{
    const bool caches = data->options.cache_latents || data->options.cache_latents_to_disk;
    for (size_t i = 0; i < data->subset_count; i++) {
        const lyc_subset_options *o = &data->subsets[i].options;
        if (caches && (o->color_aug || o->random_crop)) {
            return lyc_fail(err, LYC_E_ARGUMENT,
                            "cache_latents and %s exclude each other: cached latents are of one form of a picture",
                            o->color_aug ? "color_aug" : "random_crop");
        }
    }
    return LYC_OK;
}

static lyc_status read_all(lyc_data_reading *reading, const lyc_task *task, lyc_error *err)
{
    lyc_data *data = reading->data;
    LYC_TRY(check_options(&data->options, err));
    LYC_TRY(read_sources(reading, err));
    LYC_TRY(check_subsets(data, err));
    LYC_TRY(lyc_data_check_pictures(reading, task, err));
    if (reading->uncaptioned_count > 0) {
        LYC_TRY(lyc_data_warn(data, err, "%zu images have no caption: %s%s", reading->uncaptioned_count,
                              lyc_strbuf_text(&reading->uncaptioned), reading->uncaptioned_count > 5 ? ", ..." : ""));
    }
    LYC_TRY(lyc_data_arrange(data, err));
    data->fingerprint = lyc_data_fingerprint_make(data);
    return LYC_OK;
}

lyc_status lyc_data_open(lyc_data **out, const lyc_data_options *options, const lyc_data_model *model,
                         const lyc_task *task, lyc_error *err)
{
    lyc_data *data = lyc_alloc_zero(1, sizeof *data);
    if (data == NULL) {
        return no_memory(err);
    }
    data->options = *options;
    data->model = *model;
    lyc_data_reading reading = {.data = data};
    lyc_status status = read_all(&reading, task, err);
    lyc_strbuf_clear(&reading.uncaptioned);
    lyc_data_problems_end(&reading.problems, NULL);
    if (status != LYC_OK) {
        lyc_data_close(data);
        return status;
    }
    *out = data;
    return LYC_OK;
}

void lyc_data_close(lyc_data *data)
{
    if (data != NULL) {
        lyc_free(data->datasets);
        lyc_free(data->subsets);
        lyc_free(data->images);
        lyc_free((void *)data->warnings);
        lyc_arena_clear(&data->arena);
        lyc_free(data);
    }
}

/* --- tags ----------------------------------------------------------------------------------------------------------
 */

static lyc_status count_tag(lyc_hashmap *places, lyc_tag_count *tags, size_t *count, lyc_arena *arena, lyc_span tag,
                            lyc_error *err)
{
    char *text = lyc_arena_text_n(arena, tag.text, tag.length);
    if (text == NULL) {
        return no_memory(err);
    }
    for (char *c = text; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    lyc_tag_count *known = lyc_hashmap_get(places, lyc_span_of(text));
    if (known == NULL) {
        known = &tags[(*count)++];
        known->tag = text;
        if (!lyc_hashmap_put(places, lyc_span_of(text), known)) {
            return no_memory(err);
        }
    }
    known->count++;
    return LYC_OK;
}

static size_t most_tags(const lyc_data *data, const lyc_data_subset *subset)
{
    size_t most = 1;
    for (size_t i = subset->first; i < subset->first + subset->count; i++) {
        for (size_t k = 0; k < data->images[i].line_count; k++) {
            const lyc_span line = data->images[i].lines[k];
            most++;
            for (size_t at = 0; at < line.length; at++) {
                most += line.text[at] == ',';
            }
        }
    }
    return most;
}

static lyc_status count_line(lyc_hashmap *places, lyc_tag_count *tags, size_t *count, lyc_arena *arena, lyc_span line,
                             lyc_error *err)
{
    for (size_t from = 0; from <= line.length;) {
        const char *end = from < line.length ? memchr(line.text + from, ',', line.length - from) : NULL;
        const size_t length = end != NULL ? (size_t)(end - line.text) - from : line.length - from;
        const lyc_span tag = strip((lyc_span){line.text + from, length});
        if (tag.length > 0) {
            LYC_TRY(count_tag(places, tags, count, arena, tag, err));
        }
        from += length + 1;
    }
    return LYC_OK;
}

lyc_status lyc_data_tags(lyc_tag_count **out, size_t *count, lyc_arena *arena, const lyc_data *data, size_t subset,
                         lyc_error *err)
{
    const lyc_data_subset *set = &data->subsets[subset];
    lyc_hashmap places = {0};
    lyc_status status = LYC_OK;
    *count = 0;
    *out = lyc_arena_alloc(arena, most_tags(data, set), sizeof **out);
    if (*out == NULL) {
        return no_memory(err);
    }
    for (size_t i = set->first; status == LYC_OK && i < set->first + set->count; i++) {
        for (size_t k = 0; status == LYC_OK && k < data->images[i].line_count; k++) {
            status = count_line(&places, *out, count, arena, data->images[i].lines[k], err);
        }
    }
    lyc_hashmap_clear(&places);
    return status;
}
