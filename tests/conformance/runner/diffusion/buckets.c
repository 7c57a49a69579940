/* buckets.c - sizes that pictures are trained at: "predefined", and for each of "images" its bucket and its cut
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "data/bucket.h"
#include "kind.h"

static int pair(const json_t *value, size_t index)
{
    return (int)json_integer_value(json_array_get(value, index));
}

static int member(const lyc_case *c, const char *name)
{
    return (int)json_integer_value(json_object_get(c->json, name));
}

static void compare_size(lyc_result *result, const char *name, lyc_bucket_size got, const json_t *want)
{
    lyc_compare_number(result, name, got.width, pair(want, 0), (lyc_tolerance){0});
    lyc_compare_number(result, name, got.height, pair(want, 1), (lyc_tolerance){0});
}

static void compare_list(lyc_result *result, const lyc_bucket_list *list, const json_t *sizes)
{
    if (list->count != json_array_size(sizes)) {
        lyc_result_complain(result, "%zu buckets, expected %zu", list->count, json_array_size(sizes));
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        char name[64];
        snprintf(name, sizeof name, "predefined[%zu]", i);
        compare_size(result, name, list->sizes[i], json_array_get(sizes, i));
    }
}

static lyc_status compare_image(lyc_result *result, const lyc_bucket_list *list, const json_t *image, size_t index,
                                lyc_error *err)
{
    const json_t *size = json_object_get(image, "image"), *crop = json_object_get(image, "crop_left_top_right_bottom");
    const int width = pair(size, 0), height = pair(size, 1);
    lyc_bucket_choice choice;
    double cut[4];
    char name[64];
    snprintf(name, sizeof name, "images[%zu]", index);
    if (pair(json_object_get(image, "bucket"), 0) == 0 || pair(json_object_get(image, "bucket"), 1) == 0) {
        lyc_result_count(result); /* the trainer fails, or makes an empty bucket */
        if (lyc_bucket_choose(&choice, list, width, height, err) == LYC_OK) {
            lyc_result_complain(result, "%s: %dx%d was not refused", name, width, height);
        }
        return LYC_OK;
    }
    LYC_TRY(lyc_bucket_choose(&choice, list, width, height, err));
    compare_size(result, name, choice.bucket, json_object_get(image, "bucket"));
    compare_size(result, name, choice.resized, json_object_get(image, "resized"));
    lyc_compare_number(result, name, choice.ratio_error, json_number_value(json_object_get(image, "aspect_error")),
                       (lyc_tolerance){1e-12, 0});
    lyc_bucket_crop(cut, &choice, width, height);
    for (size_t i = 0; i < 4; i++) {
        lyc_compare_number(result, name, cut[i], json_number_value(json_array_get(crop, i)), (lyc_tolerance){1e-9, 0});
    }
    return LYC_OK;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    const json_t *resolution = json_object_get(c->json, "max_resolution"), *images = json_object_get(c->json, "images");
    const lyc_bucket_options options = {
        .resolution = {pair(resolution, 0), pair(resolution, 1)},
        .min = member(c, "min_size"),
        .max = member(c, "max_size"),
        .step = member(c, "step"),
        .enabled = true,
        .no_upscale = json_is_true(json_object_get(c->json, "no_upscale")),
    };
    lyc_bucket_list list;
    LYC_TRY(lyc_bucket_list_init(&list, &options, err));
    compare_list(result, &list, json_object_get(c->json, "predefined"));
    for (size_t i = 0; i < json_array_size(images); i++) {
        LYC_TRY(compare_image(result, &list, json_array_get(images, i), i, err));
    }
    return LYC_OK;
}

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "max_resolution") && lyc_case_has(c, "images");
}

const lyc_kind lyc_kind_buckets = {
    .name = "buckets",
    .recognise = recognise,
    .run = run,
};
