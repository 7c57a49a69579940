/* lokr.c - LoKr: Kronecker product of a small matrix and a low-rank one
 *
 *     ΔW = (alpha / rank) C (x) D          LyCORIS (arXiv 2309.14859), section 3
 *     ΔW[a vo + c, b vi + d, k] = (alpha / rank) C[a,b] D[c,d,k]
 *
 * out = uo vo, in = ui vi (factorization.h). C [uo,ui] is lokr_w1, or lokr_w1_a lokr_w1_b with decompose_both; D
 * [vo,vi,k..] is lokr_w2, or lokr_w2_a [vo,r] times lokr_w2_b [r,vi*k], or with use_tucker made of lokr_t2 [r,r,k..],
 * lokr_w2_a [r,vo] (the other way round) and lokr_w2_b [r,vi]. A rank of half an extent or more, in channels alone,
 * means the full matrix; when neither is decomposed there is no alpha. The last of D's factors starts at zero.
 *
 * Files say their extents by shapes: `factor` cannot be had back from them.
 *
 * Structured: D is applied to x seen as [..,ui,vi], then C across the groups; the product is never formed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "adapter/factorization.h"
#include "adapter/lowrank.h"
#include "adapter/rows.h"
#include "adapter/site.h"
#include "graph/build.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

typedef struct lokr_config {
    lyc_adapter_config common;
    int64_t factor;
    bool decompose_both;
    bool full_matrix;
    bool unbalanced;

    /* What follows from them, or from a file. */
    int64_t uo, ui, vo, vi;
    bool w1_full;
    bool w2_full;
} lokr_config;

static const lyc_option options[] = {
    {.name = "factor",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(lokr_config, factor),
     .standard = "-1",
     .min = -1,
     .max = LYC_OPTION_UNLIMITED,
     .help = "the first matrix has at most this many rows and columns; -1: both matrices as alike as possible"},
    {.name = "decompose_both",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(lokr_config, decompose_both),
     .help = "a low-rank product for the first matrix too"},
    {.name = "full_matrix",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(lokr_config, full_matrix),
     .help = "no low-rank product for either matrix"},
    {.name = "unbalanced_factorization",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(lokr_config, unbalanced),
     .help = "the larger factor of the outputs goes to the first matrix"},
    {0},
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Without a low-rank product the rank means nothing, nor does alpha. */
static void settle_scale(lokr_config *config)
{
    if (config->w1_full && config->w2_full) {
        config->common.alpha = 0.0;
        config->common.rs_lora = false;
    }
}

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    lokr_config *config = a->config;
    const double rank = (double)config->common.rank;
    (void)err;
    lyc_factorization(&config->ui, &config->vi, a->in, config->factor);
    lyc_factorization(&config->uo, &config->vo, a->out, config->factor);
    if (config->unbalanced) {
        const int64_t swap = config->uo;
        config->uo = config->vo;
        config->vo = swap;
    }
    config->w1_full =
        config->full_matrix || !config->decompose_both || rank >= (double)larger(config->uo, config->ui) / 2.0;
    config->w2_full = config->full_matrix || rank >= (double)larger(config->vo, config->vi) / 2.0;
    config->common.use_tucker = config->common.use_tucker && a->kernel > 1 && !config->w2_full;
    settle_scale(config);
    return LYC_OK;
}

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, "lokr_w1") != NULL || lyc_adapter_group_find(group, "lokr_w1_a") != NULL;
}

static double number_at(const lyc_tensor_view *t, int64_t i)
{
    return lyc_dtype_load(t->dtype, (const char *)t->data + i * lyc_dtype_bits(t->dtype) / 8);
}

/* A file that has C whole and decomposed: they must be the same, within 1e-3 of the largest number. */
static lyc_status check_twins(const lyc_adapter_group *group, lyc_error *err)
{
    const lyc_tensor_view *t[3];
    static const char *const names[] = {"lokr_w1", "lokr_w1_a", "lokr_w1_b"};
    for (int i = 0; i < 3; i++) {
        LYC_TRY(lyc_adapter_need(&t[i], group, names[i], err));
        if (t[i]->shape.rank != 2 || !lyc_dtype_computable(t[i]->dtype)) {
            return lyc_fail(err, LYC_E_FORMAT, "%s is no matrix of numbers", names[i]);
        }
    }
    const int64_t rank = t[2]->shape.dims[0];
    LYC_TRY(lyc_adapter_expect(t[1], 0, t[0]->shape.dims[0], err));
    LYC_TRY(lyc_adapter_expect(t[1], 1, rank, err));
    LYC_TRY(lyc_adapter_expect(t[2], 1, t[0]->shape.dims[1], err));
    double largest = 0.0;
    double difference = 0.0;
    for (int64_t i = 0; i < t[0]->shape.dims[0]; i++) {
        for (int64_t j = 0; j < t[0]->shape.dims[1]; j++) {
            double sum = 0.0;
            for (int64_t k = 0; k < rank; k++) {
                sum += number_at(t[1], i * rank + k) * number_at(t[2], k * t[2]->shape.dims[1] + j);
            }
            const double whole = number_at(t[0], i * t[0]->shape.dims[1] + j);
            largest = fmax(largest, fabs(whole));
            difference = fmax(difference, fabs(whole - sum));
        }
    }
    if (!(difference <= 1e-3 * largest)) {
        return lyc_fail(err, LYC_E_FORMAT, "lokr_w1 and the product of lokr_w1_a and lokr_w1_b differ by %g",
                        difference);
    }
    return LYC_OK;
}

/* The extents of C. A file that has it whole and decomposed is taken by the whole. */
static lyc_status recover_first(lokr_config *config, const lyc_adapter_group *group, lyc_error *err)
{
    const lyc_tensor_view *first;
    const lyc_tensor_view *second;
    config->w1_full = lyc_adapter_group_find(group, "lokr_w1") != NULL;
    if (config->w1_full && lyc_adapter_group_find(group, "lokr_w1_a") != NULL) {
        LYC_TRY(check_twins(group, err));
    }
    LYC_TRY(lyc_adapter_need(&first, group, config->w1_full ? "lokr_w1" : "lokr_w1_a", err));
    LYC_TRY(lyc_adapter_need(&second, group, config->w1_full ? "lokr_w1" : "lokr_w1_b", err));
    config->uo = first->shape.dims[0];
    if (second->shape.rank < 2) {
        return lyc_adapter_expect(second, 1, 1, err);
    }
    config->ui = second->shape.dims[1];
    if (!config->w1_full) {
        config->common.rank = second->shape.dims[0];
        return lyc_adapter_expect(first, 1, config->common.rank, err);
    }
    return LYC_OK;
}

static lyc_status recover_second(lokr_config *config, const lyc_adapter_group *group, lyc_error *err)
{
    const lyc_tensor_view *outer;
    const lyc_tensor_view *inner;
    config->w2_full = lyc_adapter_group_find(group, "lokr_w2") != NULL;
    config->common.use_tucker = !config->w2_full && lyc_adapter_group_find(group, "lokr_t2") != NULL;
    if (config->w2_full) {
        return LYC_OK;
    }
    LYC_TRY(lyc_adapter_need(&outer, group, "lokr_w2_a", err));
    LYC_TRY(lyc_adapter_need(&inner, group, "lokr_w2_b", err));
    const int64_t rank = inner->shape.dims[0];
    if (!config->w1_full && rank != config->common.rank) {
        return lyc_fail(err, LYC_E_SHAPE, "lokr_w1_b has rank %lld, lokr_w2_b %lld", (long long)config->common.rank,
                        (long long)rank);
    }
    config->common.rank = rank;
    return lyc_adapter_expect(outer, config->common.use_tucker ? 0 : 1, rank, err);
}

static bool extents(int64_t extents[2], const lyc_adapter_group *group)
{
    const bool first = lyc_adapter_group_find(group, "lokr_w1") != NULL;
    const bool second = lyc_adapter_group_find(group, "lokr_w2") != NULL;
    const bool tucker = !second && lyc_adapter_group_find(group, "lokr_t2") != NULL;
    extents[0] = lyc_adapter_extent(group, first ? "lokr_w1" : "lokr_w1_a", 0);
    extents[1] = lyc_adapter_extent(group, first ? "lokr_w1" : "lokr_w1_b", 1);
    const int64_t outer = lyc_adapter_extent(group, second ? "lokr_w2" : "lokr_w2_a", tucker ? 1 : 0);
    const int64_t inner = lyc_adapter_extent(group, second ? "lokr_w2" : "lokr_w2_b", -1);
    extents[0] = lyc_adapter_extent_times(extents[0], outer);
    extents[1] = lyc_adapter_extent_times(extents[1], inner);
    extents[1] = lyc_adapter_extent_times(extents[1], tucker ? lyc_adapter_core_kernel(group, "lokr_t2") : 1);
    return extents[0] > 0 && extents[1] > 0;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    lokr_config *config = a->config;
    LYC_TRY(recover_first(config, group, err));
    LYC_TRY(recover_second(config, group, err));
    if (a->out % config->uo != 0 || a->in % config->ui != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "the first matrix is %lldx%lld, the layer has %lld outputs and %lld inputs",
                        (long long)config->uo, (long long)config->ui, (long long)a->out, (long long)a->in);
    }
    config->vo = a->out / config->uo;
    config->vi = a->in / config->ui;
    settle_scale(config);
    return LYC_OK;
}

/* [vo,vi,k..]. */
static lyc_shape second_shape(const lyc_adapter *a)
{
    const lokr_config *config = a->config;
    return lyc_adapter_kernel(a, config->vo, config->vi);
}

static void params(lyc_adapter *a)
{
    const lokr_config *config = a->config;
    const int64_t r = config->common.rank;
    const lyc_adapter_start last = config->common.use_scalar ? LYC_START_KAIMING : LYC_START_ZERO;
    if (config->w1_full) {
        lyc_adapter_add(a, "lokr_w1", LYC_SHAPE(config->uo, config->ui), LYC_START_KAIMING);
    } else {
        lyc_adapter_add(a, "lokr_w1_a", LYC_SHAPE(config->uo, r), LYC_START_KAIMING);
        lyc_adapter_add(a, "lokr_w1_b", LYC_SHAPE(r, config->ui), LYC_START_KAIMING);
    }
    if (config->w2_full) {
        lyc_adapter_add(a, "lokr_w2", second_shape(a), last);
    } else if (config->common.use_tucker) {
        lyc_adapter_add(a, "lokr_t2", lyc_adapter_kernel(a, r, r), LYC_START_KAIMING);
        lyc_adapter_add(a, "lokr_w2_a", LYC_SHAPE(r, config->vo), LYC_START_KAIMING);
        lyc_adapter_add(a, "lokr_w2_b", LYC_SHAPE(r, config->vi), last);
    } else {
        lyc_adapter_add(a, "lokr_w2_a", LYC_SHAPE(config->vo, r), LYC_START_KAIMING);
        lyc_adapter_add(a, "lokr_w2_b", LYC_SHAPE(r, config->vi * a->kernel), last);
    }
}

/* C [uo,ui] with scale and strength. */
static lyc_value *first_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lokr_config *config = site->adapter->config;
    const float scale = (float)site->adapter->scale;
    if (config->w1_full) {
        lyc_value *c = lyc_site_strengthen(g, site, lyc_site_param(site, "lokr_w1"));
        return scale == 1.0f ? c : lyc_affine(g, c, scale, 0.0f);
    }
    lyc_value *left = lyc_site_strengthen(g, site, lyc_site_param(site, "lokr_w1_a"));
    return lyc_matmul(g, left, lyc_site_param(site, "lokr_w1_b"), NULL, NULL, &(lyc_matmul_attr){.alpha = scale});
}

/* The left factor of D, [vo,r]. */
static lyc_value *second_left(lyc_graph *g, const lyc_adapter_site *site)
{
    const lokr_config *config = site->adapter->config;
    lyc_value *left = lyc_site_param(site, "lokr_w2_a");
    return config->common.use_tucker ? lyc_transpose(g, left, 2, (int[]){1, 0}) : left;
}

/* The right factor of D, [r,vi*kernel]. */
static lyc_value *second_right(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lokr_config *config = a->config;
    lyc_value *right = lyc_site_param(site, "lokr_w2_b");
    return config->common.use_tucker ? lyc_lowrank_tucker(g, lyc_site_param(site, "lokr_t2"), right,
                                                          config->common.rank, config->vi, a->kernel)
                                     : right;
}

/* D [vo,vi*kernel]. */
static lyc_value *second_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lokr_config *config = a->config;
    if (config->w2_full) {
        return lyc_site_matrix(g, site, "lokr_w2", config->vo, config->vi * a->kernel);
    }
    return lyc_matmul(g, second_left(g, site), second_right(g, site), NULL, NULL, NULL);
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lokr_config *config = a->config;
    lyc_value *c = lyc_reshape(g, first_matrix(g, site), LYC_SHAPE(config->uo, 1, config->ui, 1));
    lyc_value *d = lyc_reshape(g, second_matrix(g, site), LYC_SHAPE(config->vo, 1, config->vi * a->kernel));
    lyc_value *product = lyc_reshape(g, lyc_mul(g, c, d), LYC_SHAPE(a->out, a->in * a->kernel));
    return lyc_site_drop_rows(g, site, product);
}

/* A matrix [rows,columns] as left [rows,r] times right [r,columns] with r the smaller extent: one of them is the matrix
 * itself. */
static void split(lyc_value **left, lyc_value **right, lyc_graph *g, lyc_value *matrix, int64_t rows, int64_t columns)
{
    *left = rows <= columns ? lyc_site_identity(g, rows) : matrix;
    *right = rows <= columns ? matrix : lyc_site_identity(g, columns);
}

/* Kronecker product of a [rows,columns] and b, by one multiplication. */
static lyc_value *kronecker(lyc_graph *g, lyc_value *a, lyc_value *b, int64_t rows, int64_t columns)
{
    if (lyc_value_failed(a) || lyc_value_failed(b)) {
        return a;
    }
    const int64_t *p = a->shape.dims, *q = b->shape.dims;
    lyc_value *first = lyc_reshape(g, a, LYC_SHAPE(p[0], 1, p[1], 1));
    lyc_value *second = lyc_reshape(g, b, LYC_SHAPE(q[0], 1, q[1]));
    return lyc_reshape(g, lyc_mul(g, first, second), LYC_SHAPE(rows, columns));
}

/* (P1 Q1) (x) (P2 Q2) = (P1 (x) P2) (Q1 (x) Q2) */
static void product(lyc_value **up, lyc_value **down, lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lokr_config *config = a->config;
    const float scale = (float)a->scale;
    const int64_t r = config->common.rank;
    const int64_t first_rank = config->w1_full ? (config->uo < config->ui ? config->uo : config->ui) : r;
    const int64_t columns = config->vi * a->kernel;
    const int64_t second_rank = config->w2_full ? (config->vo < columns ? config->vo : columns) : r;
    lyc_value *p1, *q1, *p2, *q2;
    if (config->w1_full) {
        split(&p1, &q1, g, first_matrix(g, site), config->uo, config->ui);
    } else {
        p1 = lyc_affine(g, lyc_site_strengthen(g, site, lyc_site_param(site, "lokr_w1_a")), scale, 0.0f);
        q1 = lyc_site_param(site, "lokr_w1_b");
    }
    if (config->w2_full) {
        split(&p2, &q2, g, second_matrix(g, site), config->vo, columns);
    } else {
        p2 = second_left(g, site);
        q2 = second_right(g, site);
    }
    *up = lyc_site_drop_rows(g, site, kronecker(g, p1, p2, a->out, first_rank * second_rank));
    *down = kronecker(g, q1, q2, first_rank * second_rank, a->in * a->kernel);
}

/* Whether D is better applied by its factors: they take fewer operations than D itself. */
static bool by_factors(const lokr_config *config, int64_t kernel)
{
    const double whole = (double)config->vo * (double)config->vi * (double)kernel;
    const double r = (double)config->common.rank;
    return !config->w2_full && r * ((double)config->vo + (double)config->vi * (double)kernel) < whole;
}

/* x [..,in] to [rows,ui,vo] for layers that work on each position. */
static lyc_value *second_of_rows(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x)
{
    const lokr_config *config = site->adapter->config;
    lyc_value *groups = lyc_reshape(g, x, LYC_SHAPE(-1, config->vi));
    lyc_value *h = lyc_site_pointwise(g, groups, second_right(g, site), NULL, 1.0);
    return lyc_reshape(g, lyc_site_pointwise(g, h, second_left(g, site), NULL, 1.0),
                       LYC_SHAPE(-1, config->ui, config->vo));
}

static lyc_value *apply_to_rows(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    const lokr_config *config = site->adapter->config;
    const bool separate = lyc_site_drops_branch(site) || lyc_site_drops_ranks(site);
    lyc_value *branch;
    if (by_factors(config, 1)) {
        branch = lyc_reshape(g, lyc_mix(g, second_of_rows(g, site, x), first_matrix(g, site), false), y->shape);
    } else {
        branch = lyc_kron_matmul(g, x, first_matrix(g, site), second_matrix(g, site), separate ? NULL : y, 1.0f, false);
        if (!separate) {
            return branch;
        }
    }
    return lyc_site_add(g, site, lyc_site_drop_channels(g, site, branch), y);
}

/* D over images of vi channels [n,h,w,vi], as the layer moves. */
static lyc_value *second_of_images(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x)
{
    const lokr_config *config = site->adapter->config;
    const int64_t r = config->common.rank;
    if (!by_factors(config, site->adapter->kernel)) {
        return lyc_site_convolve(g, site, x, second_matrix(g, site));
    }
    lyc_value *h;
    if (config->common.use_tucker) {
        h = lyc_site_pointwise(g, x, lyc_site_matrix(g, site, "lokr_w2_b", r, config->vi), NULL, 1.0);
        h = lyc_site_convolve(g, site, h, lyc_site_param(site, "lokr_t2"));
    } else {
        h = lyc_site_convolve(g, site, x, lyc_site_param(site, "lokr_w2_b"));
    }
    return lyc_site_pointwise(g, h, second_left(g, site), NULL, 1.0);
}

/* The groups of channels become images of their own: [n,h,w,ui,vi] to [n*ui,h,w,vi]. */
static lyc_value *apply_to_images(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    const lokr_config *config = site->adapter->config;
    const int64_t *in = x->shape.dims;
    const int64_t *out = y->shape.dims;
    lyc_value *apart = lyc_reshape(g, x, LYC_SHAPE(in[0], in[1] * in[2], config->ui, config->vi));
    lyc_value *images = lyc_reshape(g, lyc_transpose(g, apart, 4, (int[]){0, 2, 1, 3}),
                                    LYC_SHAPE(in[0] * config->ui, in[1], in[2], config->vi));
    lyc_value *h =
        lyc_reshape(g, second_of_images(g, site, images), LYC_SHAPE(in[0], config->ui, out[1] * out[2] * config->vo));
    lyc_value *mixed = lyc_reshape(g, lyc_mix(g, h, first_matrix(g, site), false),
                                   LYC_SHAPE(in[0], config->uo, out[1] * out[2], config->vo));
    lyc_value *branch = lyc_reshape(g, lyc_transpose(g, mixed, 4, (int[]){0, 2, 1, 3}), y->shape);
    return lyc_site_add(g, site, lyc_site_drop_channels(g, site, branch), y);
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    if (lyc_value_failed(y)) {
        return y;
    }
    return lyc_site_is_pointwise(site) ? apply_to_rows(g, site, x, y) : apply_to_images(g, site, x, y);
}

/* A max norm's ratio goes to all tensors alike: the change is a product of as many. */
static void shrink(lyc_adapter *a, double ratio)
{
    int n = 0;
    for (int i = 0; i < a->n_params; i++) {
        n += strncmp(a->params[i].name, "lokr_", 5) == 0;
    }
    const double each = pow(ratio, 1.0 / n);
    for (int i = 0; i < a->n_params; i++) {
        const lyc_adapter_param *p = &a->params[i];
        for (int64_t k = 0; strncmp(p->name, "lokr_", 5) == 0 && k < lyc_shape_elements(&p->shape); k++) {
            p->data[k] = (float)((double)p->data[k] * each);
        }
    }
}

/* Rows of C, and with each vo rows of the change. */
static void take_rows(lyc_adapter *part, int64_t first, int64_t count)
{
    lokr_config *config = part->config;
    config->uo = count / config->vo;
    lyc_adapter_keep_rows(part, "lokr_w1", first / config->vo, config->uo);
    lyc_adapter_keep_rows(part, "lokr_w1_a", first / config->vo, config->uo);
}

static int64_t row_step(const lyc_adapter *a)
{
    return ((const lokr_config *)a->config)->vo;
}

const lyc_adapter_algorithm lyc_adapter_lokr = {
    .name = "lokr",
    .summary = "Kronecker product of a small matrix and a low-rank one",
    .formula = "dW = (alpha / rank) C (x) D, D = B A",
    .source = "arXiv 2309.14859",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_ALPHA | LYC_ADAPTER_RS | LYC_ADAPTER_TUCKER | LYC_ADAPTER_SCALAR |
              LYC_ADAPTER_DORA | LYC_ADAPTER_DROPOUT | LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .options = options,
    .config_size = sizeof(lokr_config),
    .additive = true,
    .prepare = prepare,
    .detect = detect,
    .extents = extents,
    .recover = recover,
    .params = params,
    .delta = delta,
    .take_rows = take_rows,
    .row_step = row_step,
    .apply = apply,
    .product = product,
    .shrink = shrink,
    .proportional = {"lokr_w1", "lokr_w1_a"},
    .max_norm = true,
};
