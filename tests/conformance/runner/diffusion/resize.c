/* resize.c - pictures of resize.safetensors at other sizes: "<index>.image" and "<index>.<library>_<filter>" beside it
 *
 * Pillow's and OpenCV's pixels agree up to one level; torch's floats (with the first image) up to 1e-5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "image/filter.h"
#include "kind.h"

static const struct {
    const char *name;
    lyc_filter filter;
} libraries[] = {
    {"pil_nearest", LYC_FILTER_PILLOW_NEAREST},   {"pil_box", LYC_FILTER_PILLOW_BOX},
    {"pil_bilinear", LYC_FILTER_PILLOW_BILINEAR}, {"pil_bicubic", LYC_FILTER_PILLOW_BICUBIC},
    {"pil_lanczos", LYC_FILTER_PILLOW_LANCZOS},   {"cv2_linear", LYC_FILTER_OPENCV_LINEAR},
    {"cv2_cubic", LYC_FILTER_OPENCV_CUBIC},       {"cv2_lanczos4", LYC_FILTER_OPENCV_LANCZOS4},
    {"cv2_area", LYC_FILTER_OPENCV_AREA},
};

static const struct {
    const char *name;
    lyc_filter filter;
} interpolations[] = {
    {"nearest", LYC_FILTER_OPENCV_NEAREST},
    {"bilinear", LYC_FILTER_OPENCV_LINEAR},
    {"bicubic", LYC_FILTER_OPENCV_CUBIC},
    {"bilinear_antialias", LYC_FILTER_PILLOW_BILINEAR},
    {"bicubic_antialias", LYC_FILTER_PILLOW_BICUBIC},
};

static lyc_status compare_image(lyc_result *result, const char *name, const lyc_image *in, const lyc_tensor_view *want,
                                lyc_filter filter, lyc_error *err)
{
    lyc_image got;
    LYC_TRY(lyc_filter_image(&got, (int)want->shape.dims[1], (int)want->shape.dims[0], in, filter, err));
    lyc_compare_values(result, name, &want->shape, (lyc_values){got.data, LYC_U8}, (lyc_values){want->data, LYC_U8},
                       (lyc_tolerance){1, 0});
    lyc_image_clear(&got);
    return LYC_OK;
}

static lyc_status compare_images(lyc_result *result, const lyc_safetensors *file, int index, lyc_error *err)
{
    char name[64];
    lyc_tensor_view image, want;
    snprintf(name, sizeof name, "%d.image", index);
    if (!lyc_safetensors_find(&image, file, name) || image.shape.rank != 3 || image.dtype != LYC_U8) {
        return lyc_fail(err, LYC_E_FORMAT, "no picture %s", name);
    }
    const lyc_image in = {.width = (int)image.shape.dims[1],
                          .height = (int)image.shape.dims[0],
                          .channels = (int)image.shape.dims[2],
                          .data = (unsigned char *)image.data};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        snprintf(name, sizeof name, "%d.%s", index, libraries[i].name);
        if (lyc_safetensors_find(&want, file, name)) {
            LYC_TRY(compare_image(result, name, &in, &want, libraries[i].filter, err));
        }
    }
    snprintf(name, sizeof name, "%d.trainer_default", index);
    if (lyc_safetensors_find(&want, file, name)) {
        const bool shrinks = want.shape.dims[1] <= in.width && want.shape.dims[0] <= in.height;
        LYC_TRY(
            compare_image(result, name, &in, &want, shrinks ? LYC_FILTER_OPENCV_AREA : LYC_FILTER_PILLOW_LANCZOS, err));
    }
    return LYC_OK;
}

/* Planes of floats, one after the other. */
static lyc_status compare_floats(lyc_result *result, const char *name, const lyc_tensor_view *in,
                                 const lyc_tensor_view *want, lyc_filter filter, lyc_error *err)
{
    const int height = (int)in->shape.dims[2], width = (int)in->shape.dims[3];
    const int out_height = (int)want->shape.dims[2], out_width = (int)want->shape.dims[3];
    const size_t plane = (size_t)height * (size_t)width, out_plane = (size_t)out_height * (size_t)out_width;
    const size_t planes = in->size_bytes / (plane * sizeof(float));
    float *copy = lyc_alloc(in->size_bytes), *got = lyc_alloc(want->size_bytes);
    lyc_status status = copy != NULL && got != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory");
    if (status == LYC_OK) {
        memcpy(copy, in->data, in->size_bytes);
    }
    for (size_t i = 0; status == LYC_OK && i < planes; i++) {
        status = lyc_filter_floats(got + i * out_plane, out_width, out_height, copy + i * plane, width, height, 1,
                                   filter, err);
    }
    if (status == LYC_OK) {
        lyc_compare_values(result, name, &want->shape, (lyc_values){got, LYC_F32}, (lyc_values){want->data, LYC_F32},
                           (lyc_tolerance){1e-5, 0});
    }
    lyc_free(copy);
    lyc_free(got);
    return status;
}

static lyc_status compare_torch(lyc_result *result, const lyc_safetensors *file, lyc_error *err)
{
    lyc_tensor_view in;
    if (!lyc_safetensors_find(&in, file, "float_image")) {
        return LYC_OK;
    }
    for (size_t t = 0; t < lyc_safetensors_count(file); t++) {
        const lyc_tensor_view want = lyc_safetensors_tensor(file, t);
        for (size_t i = 0; i < sizeof interpolations / sizeof interpolations[0]; i++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "torch_interpolate.%s.to_", interpolations[i].name);
            if (strncmp(want.name, prefix, strlen(prefix)) == 0) {
                LYC_TRY(compare_floats(result, want.name, &in, &want, interpolations[i].filter, err));
            }
        }
    }
    return LYC_OK;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char path[4096];
    lyc_safetensors *file;
    const int index = (int)json_integer_value(json_object_get(c->json, "index"));
    LYC_TRY(lyc_case_path(path, sizeof path, c, "resize.safetensors", err));
    LYC_TRY(lyc_safetensors_open(&file, path, NULL, err));
    lyc_status status = compare_images(result, file, index, err);
    if (status == LYC_OK && index == 0) {
        status = compare_torch(result, file, err);
    }
    lyc_safetensors_close(file);
    return status;
}

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "index") && lyc_case_has(c, "source") && lyc_case_has(c, "target");
}

const lyc_kind lyc_kind_resize = {
    .name = "resize",
    .recognise = recognise,
    .run = run,
};
