/* test_conv.c - convolutions and their gradients against direct sums in double
 *
 * Every case runs forward, backward by data and backward by weights, with packed weights and with weights packed at run
 * time, in f32 and bf16, with every instruction set that can run here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/conv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/cpu/gemm_tables.h"
#include "base/thread.h"

typedef struct conv_case {
    int n, h, w, c, oc, kh, kw;
    int stride[2], pad[4], dilation[2];
    int groups;
} conv_case;

static const conv_case cases[] = {
    /* images  channels  kernel  stride  top left bottom right  dilation groups */
    {1, 1, 1, 1, 1, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
    {2, 5, 6, 3, 4, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
    {2, 6, 5, 3, 4, 3, 3, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
    {1, 6, 7, 2, 3, 3, 3, {2, 2}, {0, 0, 1, 1}, {1, 1}, 1},
    {1, 7, 8, 2, 3, 3, 2, {2, 1}, {2, 0, 1, 3}, {2, 3}, 1},
    {2, 4, 4, 6, 4, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2},
    {1, 5, 4, 4, 4, 3, 1, {1, 1}, {1, 0, 1, 0}, {1, 1}, 4},
    {1, 5, 5, 5, 7, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
    {1, 6, 9, 2, 2, 1, 3, {1, 4}, {0, 0, 0, 0}, {1, 1}, 1},
    {1, 4, 4, 3, 2, 4, 4, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
    {1, 9, 9, 2, 2, 2, 2, {3, 3}, {0, 0, 0, 0}, {1, 1}, 1},
    {1, 9, 9, 2, 2, 1, 1, {2, 3}, {0, 0, 0, 0}, {1, 1}, 1},
    {1, 28, 28, 3, 40, 14, 14, {14, 14}, {0, 0, 0, 0}, {1, 1}, 1},
    {1, 7, 7, 64, 70, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
    {1, 5, 7, 70, 9, 3, 3, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
    {2, 3, 3, 33, 17, 3, 3, {1, 1}, {3, 3, 3, 3}, {2, 2}, 1},
    {1, 12, 3, 130, 36, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2},
    {1, 3, 4, 325, 5, 1, 2, {1, 1}, {0, 1, 0, 0}, {1, 1}, 1},
    {1, 24, 20, 4, 33, 5, 5, {2, 1}, {2, 2, 2, 2}, {1, 1}, 1},
};

static int extent(const conv_case *c, int axis)
{
    const int size = axis == 0 ? c->h : c->w;
    const int kernel = axis == 0 ? c->kh : c->kw;
    return (size + c->pad[axis] + c->pad[axis + 2] - c->dilation[axis] * (kernel - 1) - 1) / c->stride[axis] + 1;
}

/* Everything of one case in one type. */
typedef struct conv_data {
    const conv_case *c;
    lyc_gemm_form form;
    lyc_dtype dtype;
    int oh, ow;
    void *x, *y, *weight, *bias, *residual;
    lyc_conv2d_attr attr;
    lyc_conv_shape shape;
} conv_data;

static conv_data new_data(const conv_case *c, lyc_gemm_form form, lyc_dtype dtype)
{
    conv_data d = {.c = c, .form = form, .dtype = dtype, .oh = extent(c, 0), .ow = extent(c, 1)};
    const int64_t x_count = (int64_t)c->n * c->h * c->w * c->c;
    const int64_t y_count = (int64_t)c->n * d.oh * d.ow * c->oc;
    d.x = new_elements(dtype, x_count, 1);
    d.y = new_elements(dtype, y_count, 2);
    d.weight = new_elements(dtype, (int64_t)c->oc * c->c / c->groups * c->kh * c->kw, 3);
    d.bias = new_elements(LYC_F32, c->oc, 4);
    d.residual = new_elements(LYC_F32, x_count > y_count ? x_count : y_count, 5);
    d.attr = (lyc_conv2d_attr){.stride = {c->stride[0], c->stride[1]},
                               .pad = {c->pad[0], c->pad[1], c->pad[2], c->pad[3]},
                               .dilation = {c->dilation[0], c->dilation[1]},
                               .groups = c->groups};
    d.shape = (lyc_conv_shape){.images = c->n,
                               .x = {c->h, c->w},
                               .y = {d.oh, d.ow},
                               .kernel = {c->kh, c->kw},
                               .x_channels = c->c,
                               .y_channels = c->oc};
    return d;
}

static void free_data(conv_data *d)
{
    lyc_free(d->x);
    lyc_free(d->y);
    lyc_free(d->weight);
    lyc_free(d->bias);
    lyc_free(d->residual);
}

/* Adds each product of the convolution to what it contributes to, and its magnitude. */
typedef struct direct_sums {
    double *y, *d_x, *d_weight;
    double *y_size, *d_x_size, *d_weight_size;
} direct_sums;

static double *zeros(int64_t n)
{
    double *z = lyc_alloc_zero((size_t)n, sizeof *z);
    assert_non_null(z);
    return z;
}

static void add_products(direct_sums *s, const conv_data *d, int64_t x_pixel, int64_t y_pixel, int u, int v)
{
    const conv_case *c = d->c;
    const int inputs = c->c / c->groups;
    const int outputs = c->oc / c->groups;
    for (int o = 0; o < c->oc; o++) {
        const int64_t at_y = y_pixel * c->oc + o;
        const double y = rounded(element(d->y, d->dtype, at_y), d->form);
        for (int i = 0; i < inputs; i++) {
            const int64_t at_x = x_pixel * c->c + o / outputs * inputs + i;
            const int64_t at_w = ((int64_t)(o * inputs + i) * c->kh + u) * c->kw + v;
            const double x = rounded(element(d->x, d->dtype, at_x), d->form);
            const double w = rounded(element(d->weight, d->dtype, at_w), d->form);
            s->y[at_y] += x * w;
            s->y_size[at_y] += fabs(x * w);
            s->d_x[at_x] += y * w;
            s->d_x_size[at_x] += fabs(y * w);
            s->d_weight[at_w] += x * y;
            s->d_weight_size[at_w] += fabs(x * y);
        }
    }
}

static direct_sums sum_directly(const conv_data *d)
{
    const conv_case *c = d->c;
    const int64_t x_count = (int64_t)c->n * c->h * c->w * c->c;
    const int64_t y_count = (int64_t)c->n * d->oh * d->ow * c->oc;
    const int64_t w_count = (int64_t)c->oc * c->c / c->groups * c->kh * c->kw;
    direct_sums s = {zeros(y_count), zeros(x_count), zeros(w_count), zeros(y_count), zeros(x_count), zeros(w_count)};
    for (int64_t i = 0; i < (int64_t)c->n * d->oh * d->ow; i++) {
        const int oy = (int)(i / d->ow % d->oh);
        const int ox = (int)(i % d->ow);
        for (int tap = 0; tap < c->kh * c->kw; tap++) {
            const int y = oy * c->stride[0] + tap / c->kw * c->dilation[0] - c->pad[0];
            const int x = ox * c->stride[1] + tap % c->kw * c->dilation[1] - c->pad[1];
            if (y >= 0 && y < c->h && x >= 0 && x < c->w) {
                add_products(&s, d, (i / d->ow / d->oh * c->h + y) * c->w + x, i, tap / c->kw, tap % c->kw);
            }
        }
    }
    return s;
}

static void free_sums(direct_sums *s)
{
    lyc_free(s->y);
    lyc_free(s->d_x);
    lyc_free(s->d_weight);
    lyc_free(s->y_size);
    lyc_free(s->d_x_size);
    lyc_free(s->d_weight_size);
}

static void compare(const char *what, const conv_data *d, const lyc_gemm_isa *isa, const float *found,
                    const double *sums, const double *sizes, int64_t n, const void *bias, const void *residual)
{
    for (int64_t i = 0; i < n; i++) {
        const double added = element(bias, LYC_F32, i % d->c->oc) + element(residual, LYC_F32, i);
        const double expected = sums[i] + added;
        const double bound = 1e-6 * (sizes[i] + fabs(added) + fabs(expected)) + 1e-7;
        if (!(fabs((double)found[i] - expected) <= bound)) {
            fail_msg("case %d, %s, %s, form %d, %s: element %d is %.9g, expected %.9g (bound %.3g)",
                     (int)(d->c - cases), what, isa->name, (int)d->form, lyc_dtype_name(d->dtype), (int)i,
                     (double)found[i], expected, bound);
        }
    }
}

static float *run_image(const conv_data *d, const lyc_gemm_isa *isa, bool backward, bool prepacked, int64_t count)
{
    lyc_conv *conv;
    assert_int_equal(lyc_conv_new(&conv, &d->shape, &d->attr, backward, NULL), LYC_OK);
    float *out = lyc_alloc((size_t)count * sizeof(float));
    memset(out, 0xff, (size_t)count * sizeof(float)); /* NaN: every element must be written */
    lyc_conv_call call = {
        .isa = isa,
        .form = d->form,
        .source = backward ? d->y : d->x,
        .source_dtype = d->dtype,
        .prepacked = prepacked,
        .weight = d->weight,
        .weight_dtype = d->dtype,
        .finish = {.alpha = 1.0f,
                   .bias = backward ? NULL : d->bias,
                   .residual = d->residual,
                   .out = out,
                   .bias_dtype = LYC_F32,
                   .residual_dtype = LYC_F32,
                   .out_dtype = LYC_F32},
    };
    void *packed = NULL;
    if (prepacked) {
        const lyc_dtype panel_dtype = lyc_gemm_panel_dtype(d->form);
        packed = lyc_alloc(lyc_conv_packed_bytes(conv, isa, panel_dtype));
        assert_int_equal(lyc_conv_pack(packed, conv, isa, panel_dtype, d->weight, d->dtype, NULL), LYC_OK);
        call.weight = packed;
    }
    void *workspace = lyc_alloc(lyc_conv_workspace(conv, &call, lyc_thread_count()));
    assert_int_equal(lyc_conv_run(conv, &call, workspace, NULL), LYC_OK);
    lyc_free(workspace);
    lyc_free(packed);
    lyc_free(conv);
    return out;
}

static float *run_weights(const conv_data *d, const lyc_gemm_isa *isa, int64_t count)
{
    lyc_conv *conv;
    assert_int_equal(lyc_conv_new(&conv, &d->shape, &d->attr, false, NULL), LYC_OK);
    float *out = lyc_alloc((size_t)count * sizeof(float));
    memset(out, 0xff, (size_t)count * sizeof(float));
    const lyc_conv_weights_call call = {.isa = isa,
                                        .form = d->form,
                                        .x = d->x,
                                        .d_y = d->y,
                                        .x_dtype = d->dtype,
                                        .d_y_dtype = d->dtype,
                                        .d_weight = out};
    void *workspace = lyc_alloc(lyc_conv_weights_workspace(conv, &call, lyc_thread_count()));
    lyc_conv_weights_run(conv, &call, workspace);
    lyc_free(workspace);
    lyc_free(conv);
    return out;
}

static void check_case(const conv_case *c, const lyc_gemm_isa *isa, lyc_gemm_form form, lyc_dtype dtype)
{
    conv_data d = new_data(c, form, dtype);
    direct_sums s = sum_directly(&d);
    const int64_t x_count = (int64_t)c->n * c->h * c->w * c->c;
    const int64_t y_count = (int64_t)c->n * d.oh * d.ow * c->oc;
    const int64_t w_count = (int64_t)c->oc * c->c / c->groups * c->kh * c->kw;
    for (int prepacked = 0; prepacked < 2; prepacked++) {
        float *y = run_image(&d, isa, false, prepacked != 0, y_count);
        compare("forward", &d, isa, y, s.y, s.y_size, y_count, d.bias, d.residual);
        lyc_free(y);
        float *d_x = run_image(&d, isa, true, prepacked != 0, x_count);
        compare("backward by data", &d, isa, d_x, s.d_x, s.d_x_size, x_count, NULL, d.residual);
        lyc_free(d_x);
    }
    float *d_weight = run_weights(&d, isa, w_count);
    compare("backward by weights", &d, isa, d_weight, s.d_weight, s.d_weight_size, w_count, NULL, NULL);
    lyc_free(d_weight);
    free_sums(&s);
    free_data(&d);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (const lyc_gemm_isa *const *isa = tables(); *isa != NULL; isa++) {
            check_case(&cases[i], *isa, LYC_GEMM_F32, LYC_F32);
            check_case(&cases[i], *isa, LYC_GEMM_WIDEN, LYC_BF16);
            check_case(&cases[i], *isa, LYC_GEMM_DOT, LYC_BF16);
        }
    }
}

/* The same bits with any number of threads, where several blocks and packing at run time are involved. */
static void test_threads(void **state)
{
    (void)state;
    static const conv_case c = {2, 24, 24, 70, 96, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1};
    const int before = lyc_thread_count();
    conv_data d = new_data(&c, LYC_GEMM_F32, LYC_F32);
    const int64_t y_count = (int64_t)c.n * d.oh * d.ow * c.oc;
    const int64_t w_count = (int64_t)c.oc * c.c * c.kh * c.kw;
    for (const lyc_gemm_isa *const *isa = tables() + 1; *isa != NULL; isa++) {
        lyc_thread_set_count(1);
        float *y = run_image(&d, *isa, false, false, y_count);
        float *d_weight = run_weights(&d, *isa, w_count);
        static const int counts[] = {2, 3, 8};
        for (int i = 0; i < 3; i++) {
            lyc_thread_set_count(counts[i]);
            float *again = run_image(&d, *isa, false, false, y_count);
            assert_memory_equal(y, again, (size_t)y_count * sizeof(float));
            lyc_free(again);
            again = run_weights(&d, *isa, w_count);
            assert_memory_equal(d_weight, again, (size_t)w_count * sizeof(float));
            lyc_free(again);
        }
        lyc_free(y);
        lyc_free(d_weight);
    }
    lyc_thread_set_count(before);
    free_data(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
