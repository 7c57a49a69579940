/* training_targets.c - noisy inputs, targets, losses and their weights
 *
 * Tensors of the file, [n,c,h,w]: timesteps, clean, noise, model_prediction, and draws (offset_draw, perturbation_draw,
 * pyramid_base_noise, pyramid_draw_<level>) are given; the rest is to be computed. Numbers in a tensor's name are
 * options: noise_with_offset_0_1, min_snr5_loss_epsilon, huber_c0_1_smooth_l1,
 * pyramid_result_discount_0_3_fixed_ratio_2_5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "compare_tensor.h"
#include "diffusion/objective.h"
#include "kind.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

enum { MAX_BATCH = 64 };

/* A tensor of the file as [n,h,w,c] in f32. */
typedef struct images {
    float *values;
    lyc_latent_shape shape;
} images;

typedef struct batch {
    lyc_schedule schedule;
    images clean, noise, prediction;
    int timesteps[MAX_BATCH];
    float *result; /* of the size of clean */
    float *other;
} batch;

/* [n,c,h,w] to [n,h,w,c], or back. */
static void turn(float *out, const float *in, const lyc_latent_shape *s, bool back)
{
    const size_t pixels = s->h * s->w;
    for (size_t i = 0; i < s->n * pixels * s->c; i++) {
        const size_t last = i / (pixels * s->c) * pixels * s->c + i / s->c % pixels + i % s->c * pixels;
        out[back ? last : i] = in[back ? i : last];
    }
}

static lyc_status read_images(images *out, lyc_case *c, const char *name, lyc_error *err)
{
    float *values;
    lyc_tensor_view view;
    lyc_status status = lyc_case_floats(&values, &view, c, name, err);
    if (status == LYC_OK && view.shape.rank != 4) {
        status = lyc_fail(err, LYC_E_SHAPE, "%s is not [n,c,h,w]", name);
    }
    if (status == LYC_OK) {
        const int64_t *d = view.shape.dims;
        out->shape = (lyc_latent_shape){.n = (size_t)d[0], .c = (size_t)d[1], .h = (size_t)d[2], .w = (size_t)d[3]};
        out->values = lyc_alloc_zero((size_t)lyc_shape_elements(&view.shape), sizeof *values);
        status = out->values == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for %s", name) : LYC_OK;
    }
    if (status == LYC_OK) {
        turn(out->values, values, &out->shape, false);
    }
    lyc_free(values);
    return status;
}

static size_t image_size(const lyc_latent_shape *s)
{
    return s->h * s->w * s->c;
}

static lyc_status compare_images(lyc_result *result, lyc_case *c, const lyc_tensor_view *tensor, const float *values,
                                 const lyc_latent_shape *s, lyc_error *err)
{
    float *turned = lyc_alloc_zero(s->n * image_size(s), sizeof *turned);
    if (turned == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", tensor->name);
    }
    turn(turned, values, s, true);
    const lyc_status status = lyc_compare_tensor(result, c, tensor, turned, LYC_F32, s->n * image_size(s), err);
    lyc_free(turned);
    return status;
}

static lyc_level level_of(const batch *b, size_t i)
{
    return lyc_schedule_level(&b->schedule, b->timesteps[i]);
}

/* "0_1" at the end of a name: 0.1. */
static double option(const char *name, const char *before)
{
    int whole = 0;
    int part = 0;
    const char *at = strstr(name, before);
    if (at == NULL || sscanf(at + strlen(before), "%d_%d", &whole, &part) < 1) {
        return 0;
    }
    double fraction = part;
    while (fraction >= 1) {
        fraction /= 10;
    }
    return whole + fraction;
}

static lyc_status offset_noise(float *out, batch *b, lyc_case *c, const char *name, lyc_error *err)
{
    images draw = {0};
    float offsets[MAX_BATCH * 16];
    const lyc_latent_shape *s = &b->clean.shape;
    lyc_status status = read_images(&draw, c, "offset_draw", err);
    if (status == LYC_OK && s->n * s->c > sizeof offsets / sizeof *offsets) {
        status = lyc_fail(err, LYC_E_UNSUPPORTED, "%zu channels", s->c);
    }
    if (status == LYC_OK) {
        for (size_t i = 0; i < s->n * s->c; i++) {
            offsets[i] = (float)option(name, "offset_");
        }
        memcpy(out, b->noise.values, s->n * image_size(s) * sizeof *out);
        lyc_noise_add_offset(out, s, offsets, draw.values);
    }
    lyc_free(draw.values);
    return status;
}

static lyc_status perturbed(float *out, batch *b, lyc_case *c, const char *name, lyc_error *err)
{
    images draw = {0};
    const lyc_status status = read_images(&draw, c, "perturbation_draw", err);
    if (status == LYC_OK) {
        lyc_noise_perturb(out, b->noise.values, draw.values, b->clean.shape.n * image_size(&b->clean.shape),
                          option(name, "perturbation_"));
    }
    lyc_free(draw.values);
    return status;
}

/* The image-shaped tensors; *known: whether the name is one of them. */
static lyc_status compute_images(bool *known, batch *b, lyc_case *c, const char *name, lyc_error *err)
{
    const size_t size = image_size(&b->clean.shape);
    *known = true;
    if (strncmp(name, "noise_with_offset_", 18) == 0) {
        return offset_noise(b->result, b, c, name, err);
    }
    if (strncmp(name, "noise_with_input_perturbation_", 30) == 0) {
        return perturbed(b->result, b, c, name, err);
    }
    const float *noise = b->noise.values;
    if (strncmp(name, "noisy_with_input_perturbation_", 30) == 0) {
        LYC_TRY(perturbed(b->other, b, c, name, err));
        noise = b->other;
    } else if (strcmp(name, "noisy") != 0 && strcmp(name, "velocity") != 0) {
        *known = false;
    }
    for (size_t i = 0; i < b->clean.shape.n; i++) {
        (strcmp(name, "velocity") == 0 ? lyc_velocity : lyc_add_noise)(b->result + i * size, b->clean.values + i * size,
                                                                       noise + i * size, size, level_of(b, i));
    }
    return LYC_OK;
}

/* The mean of element losses of image i: squares, or the textbook's smooth L1 with beta above 0. */
static double loss(const batch *b, size_t i, bool velocity, double beta)
{
    const size_t size = image_size(&b->clean.shape);
    const float *prediction = b->prediction.values + i * size;
    const float *target = b->noise.values + i * size;
    double sum = 0;
    if (velocity) {
        lyc_velocity(b->other, b->clean.values + i * size, b->noise.values + i * size, size, level_of(b, i));
        target = b->other;
    }
    for (size_t k = 0; k < size; k++) {
        const double d = fabs((double)prediction[k] - (double)target[k]);
        sum += beta > 0 ? (d < beta ? d * d / (2 * beta) : d - beta / 2) : d * d;
    }
    return sum / (double)size;
}

/* A number of image i; false where the name is not known. */
static bool compute_number(double *out, const batch *b, const char *name, size_t i)
{
    const double snr = lyc_schedule_snr(&b->schedule, b->timesteps[i]);
    const bool velocity = strstr(name, "velocity") != NULL;
    const lyc_prediction prediction = velocity ? LYC_PREDICTION_V : LYC_PREDICTION_EPSILON;
    if (strncmp(name, "mse_", 4) == 0) {
        *out = loss(b, i, velocity, 0);
    } else if (strncmp(name, "min_snr", 7) == 0) {
        *out = loss(b, i, velocity, 0) * lyc_min_snr_weight(snr, option(name, "min_snr"), prediction);
    } else if (strncmp(name, "huber_c", 7) == 0) {
        *out = loss(b, i, velocity, option(name, "huber_c"));
    } else if (strncmp(name, "debiased_estimation_weight", 26) == 0) {
        *out = lyc_debiased_weight(snr, prediction);
    } else if (strcmp(name, "scale_v_like_noise_factor") == 0) {
        *out = lyc_velocity_as_noise_weight(snr);
    } else {
        return false;
    }
    return true;
}

static lyc_status compare_pyramid(lyc_result *result, lyc_case *c, const lyc_tensor_view *tensor, lyc_error *err)
{
    images base = {0};
    const double discount = option(tensor->name, "discount_");
    const double ratio = option(tensor->name, "ratio_");
    lyc_status status = read_images(&base, c, "pyramid_base_noise", err);
    for (int level = 0; status == LYC_OK; level++) {
        char name[64];
        images draw = {0};
        lyc_tensor_view view;
        snprintf(name, sizeof name, "pyramid_draw_%d", level);
        if (!lyc_safetensors_find(&view, c->file, name)) {
            break;
        }
        status = read_images(&draw, c, name, err);
        if (status == LYC_OK && (draw.shape.h != lyc_noise_level_side(base.shape.h, ratio, level) ||
                                 draw.shape.w != lyc_noise_level_side(base.shape.w, ratio, level))) {
            lyc_result_complain(result, "%s is %zux%zu", name, draw.shape.h, draw.shape.w);
        }
        if (status == LYC_OK) {
            lyc_noise_add_level(base.values, &base.shape, draw.values, draw.shape.h, draw.shape.w,
                                pow(discount, level));
        }
        lyc_free(draw.values);
    }
    if (status == LYC_OK) {
        lyc_noise_normalise(base.values, base.shape.n * image_size(&base.shape));
        status = compare_images(result, c, tensor, base.values, &base.shape, err);
    }
    lyc_free(base.values);
    return status;
}

static bool is_given(const char *name)
{
    static const char *const given[] = {"timesteps", "clean", "noise", "model_prediction"};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (strcmp(name, given[i]) == 0) {
            return true;
        }
    }
    return strstr(name, "_draw") != NULL || strcmp(name, "pyramid_base_noise") == 0;
}

static lyc_status compare(lyc_result *result, batch *b, lyc_case *c, const lyc_tensor_view *tensor, lyc_error *err)
{
    double numbers[MAX_BATCH];
    bool known = true;
    if (strncmp(tensor->name, "pyramid_result_", 15) == 0) {
        return compare_pyramid(result, c, tensor, err);
    }
    if (tensor->shape.rank == 4) {
        LYC_TRY(compute_images(&known, b, c, tensor->name, err));
        if (known) {
            return compare_images(result, c, tensor, b->result, &b->clean.shape, err);
        }
    }
    for (size_t i = 0; known && i < b->clean.shape.n; i++) {
        known = compute_number(&numbers[i], b, tensor->name, i);
    }
    if (!known) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "what tensor %s holds is not known here", tensor->name);
    }
    return lyc_compare_tensor(result, c, tensor, numbers, LYC_F64, b->clean.shape.n, err);
}

static lyc_status read_batch(batch *b, lyc_case *c, lyc_error *err)
{
    lyc_tensor_view timesteps;
    LYC_TRY(lyc_schedule_init(
        &b->schedule, &(lyc_scheduler_config){.train_timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.012}, err));
    LYC_TRY(read_images(&b->clean, c, "clean", err));
    LYC_TRY(read_images(&b->noise, c, "noise", err));
    LYC_TRY(read_images(&b->prediction, c, "model_prediction", err));
    if (b->clean.shape.n > MAX_BATCH || !lyc_safetensors_find(&timesteps, c->file, "timesteps") ||
        lyc_shape_elements(&timesteps.shape) != (int64_t)b->clean.shape.n) {
        return lyc_fail(err, LYC_E_FORMAT, "one timestep for each of at most %d images is needed", MAX_BATCH);
    }
    for (size_t i = 0; i < b->clean.shape.n; i++) {
        const size_t size = (size_t)lyc_dtype_bits(timesteps.dtype) / 8;
        b->timesteps[i] = (int)lyc_dtype_load(timesteps.dtype, (const char *)timesteps.data + i * size);
        if (b->timesteps[i] < 0 || b->timesteps[i] >= b->schedule.train_timesteps) {
            return lyc_fail(err, LYC_E_FORMAT, "timestep %d", b->timesteps[i]);
        }
    }
    const size_t count = b->clean.shape.n * image_size(&b->clean.shape);
    b->result = lyc_alloc_zero(count, sizeof *b->result);
    b->other = lyc_alloc_zero(count, sizeof *b->other);
    return b->result != NULL && b->other != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a batch");
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    batch b = {0};
    lyc_status status = read_batch(&b, c, err);
    for (size_t i = 0; status == LYC_OK && i < lyc_safetensors_count(c->file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(c->file, i);
        if (!is_given(tensor.name)) {
            status = compare(result, &b, c, &tensor, err);
        }
    }
    lyc_schedule_clear(&b.schedule);
    lyc_free(b.clean.values);
    lyc_free(b.noise.values);
    lyc_free(b.prediction.values);
    lyc_free(b.result);
    lyc_free(b.other);
    return status;
}

const lyc_kind lyc_kind_training_targets = {
    .name = "training_targets", .folder = "diffusion", .prefix = "training", .run = run};
