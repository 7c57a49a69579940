/* tlora.c - T-LoRA: ranks by timestep, from the singular vectors of the weight
 *
 *     ΔW(t) = (alpha / rank) (P diag(l * k) Q - P0 diag(l0 * k) Q0)          arXiv 2507.05964
 *
 * k is one for the first r(t) ranks and zero for the others: few at high noise, all at t = 0; per sample, and all
 * without a timestep. p_layer.weight [out,r], q_layer.weight [r,in] or [r,in,k..], lambda_layer [1,r]. They start as
 * singular triples of W (the first, the last or those in the middle), or of a random matrix; P0, Q0 and l0 are these
 * start values, which stay, so that a fresh adapter changes nothing.
 *
 * LyCORIS does not write the start values, and a file that began with anything but the first singular vectors of the
 * base weight cannot be read back there. Here they are written as base_p, base_q and base_lambda, which other readers
 * ignore, and recomputed where they are missing (lyc_adapter_restore).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "adapter/lowrank.h"
#include "adapter/svd.h"
#include "base/memory.h"
#include "graph/build.h"
#include "tensor/random.h"
#include "tensor/shape.h"

typedef enum tlora_vectors { VECTORS_PRINCIPAL, VECTORS_MIDDLE, VECTORS_LAST } tlora_vectors;

typedef struct tlora_config {
    lyc_adapter_config common;
    bool use_data_init;
    int vectors;
    int64_t min_rank;
    double rank_exponent;
} tlora_config;

static const lyc_option_choice vector_choices[] = {
    {"principal", "of the largest singular values"},
    {"middle", "of those in the middle"},
    {"last", "of the smallest"},
    {0},
};

static const lyc_option options[] = {
    {.name = "use_data_init",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(tlora_config, use_data_init),
     .standard = "true",
     .help = "start from singular vectors of the base weight; false: of a random matrix"},
    {.name = "sig_type",
     .kind = LYC_OPTION_ENUM,
     .offset = offsetof(tlora_config, vectors),
     .standard = "principal",
     .choices = vector_choices,
     .help = "which singular vectors"},
    {.name = "min_rank",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(tlora_config, min_rank),
     .standard = "1",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "ranks that act at the highest noise"},
    {.name = "rank_exponent",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(tlora_config, rank_exponent),
     .standard = "1",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "how the number of ranks grows towards low noise"},
    {0},
};

/* The trained tensors and the start values. */
static const char *const P[] = {"p_layer.weight", "base_p"};
static const char *const Q[] = {"q_layer.weight", "base_q"};
static const char *const LAMBDA[] = {"lambda_layer", "base_lambda"};

static int64_t rank_of(const lyc_adapter *a)
{
    return ((const lyc_adapter_config *)a->config)->rank;
}

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, LAMBDA[0]) != NULL;
}

static bool extents(int64_t extents[2], const lyc_adapter_group *group)
{
    extents[0] = lyc_adapter_extent(group, P[0], 0);
    extents[1] = lyc_adapter_extent(group, Q[0], -1);
    return extents[0] > 0 && extents[1] > 0;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    lyc_adapter_config *config = a->config;
    const lyc_tensor_view *p;
    const lyc_tensor_view *q;
    LYC_TRY(lyc_adapter_need(&p, group, P[0], err));
    LYC_TRY(lyc_adapter_need(&q, group, Q[0], err));
    config->rank = q->shape.dims[0];
    return lyc_adapter_expect(p, 1, config->rank, err);
}

static void params(lyc_adapter *a)
{
    const int64_t r = rank_of(a);
    for (int k = 0; k < 2; k++) {
        lyc_adapter_param *three[] = {
            lyc_adapter_add(a, P[k], lyc_adapter_pointwise(a, a->out, r), LYC_START_COMPUTED),
            lyc_adapter_add(a, Q[k], lyc_adapter_kernel(a, r, a->in), LYC_START_COMPUTED),
            lyc_adapter_add(a, LAMBDA[k], LYC_SHAPE(1, r), LYC_START_COMPUTED),
        };
        for (int i = 0; k == 1 && i < 3; i++) {
            three[i]->trainable = false;
            three[i]->optional = true;
        }
    }
}

/* The i-th triple; beyond the last one there are none: zeros, with a lambda that can grow. */
static void take_triple(lyc_adapter *a, const lyc_svd *svd, int64_t i, int64_t triple)
{
    const int64_t r = rank_of(a);
    const int64_t columns = a->in * a->kernel;
    float *p = lyc_adapter_param_find(a, P[1])->data;
    float *q = lyc_adapter_param_find(a, Q[1])->data;
    float *lambda = lyc_adapter_param_find(a, LAMBDA[1])->data;
    const bool known = triple >= 0 && triple < svd->n;
    for (int64_t o = 0; o < a->out; o++) {
        p[o * r + i] = known ? svd->u[o * svd->n + triple] : 0.0f;
    }
    for (int64_t c = 0; c < columns; c++) {
        q[i * columns + c] = known ? svd->v[triple * columns + c] : 0.0f;
    }
    lambda[i] = known ? svd->s[triple] : 1e-6f;
}

/* The start values from the singular triples of a matrix [out,in*kernel]. */
static lyc_status take_triples(lyc_adapter *a, const float *matrix, lyc_error *err)
{
    const tlora_config *config = a->config;
    const int64_t r = rank_of(a);
    lyc_svd svd;
    LYC_TRY(lyc_svd_compute(&svd, matrix, a->out, a->in * a->kernel, err));
    const int64_t used = r < svd.n ? r : svd.n;
    const int64_t first = config->vectors == VECTORS_PRINCIPAL ? 0
                          : config->vectors == VECTORS_LAST    ? svd.n - used
                                                               : (svd.n - used) / 2;
    for (int64_t i = 0; i < r; i++) {
        take_triple(a, &svd, i, i < used ? first + i : svd.n);
    }
    lyc_svd_clear(&svd);
    return LYC_OK;
}

/* From a random matrix of deviation 1/r, or from the weight. */
static lyc_status start(lyc_adapter *a, const float *weight, const lyc_native_random *random, lyc_error *err)
{
    const size_t n = (size_t)(a->out * a->in * a->kernel);
    float *drawn = NULL;
    if (!((const tlora_config *)a->config)->use_data_init) {
        drawn = lyc_alloc_zero(n, sizeof *drawn);
        if (drawn == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for a random matrix");
        }
        lyc_native_random_normals(random, drawn, 0, n);
        for (size_t i = 0; i < n; i++) {
            drawn[i] /= (float)rank_of(a);
        }
    }
    const lyc_status status = take_triples(a, drawn != NULL ? drawn : weight, err);
    lyc_free(drawn);
    for (int i = 0; i < 3 && status == LYC_OK; i++) {
        const lyc_adapter_param *from = &a->params[i + 3];
        memcpy(a->params[i].data, from->data, (size_t)lyc_shape_elements(&from->shape) * sizeof(float));
    }
    return status;
}

static lyc_status restore(lyc_adapter *a, const float *weight, lyc_error *err)
{
    return take_triples(a, weight, err);
}

/* l * k as [samples,r] or [1,r], with the strength. */
static lyc_value *lambda_of(lyc_graph *g, const lyc_adapter_site *site, int k)
{
    lyc_value *lambda = lyc_site_strengthen(g, site, lyc_site_param(site, LAMBDA[k]));
    return site->ranks == NULL ? lambda
                               : lyc_mul(g, lambda, lyc_lowrank_mask(g, site->ranks, rank_of(site->adapter), 0));
}

/* P diag(l) [out,r], for the weight as a whole: one number of ranks for all samples. */
static lyc_value *scaled_p(lyc_graph *g, const lyc_adapter_site *site, int k)
{
    const lyc_adapter *a = site->adapter;
    lyc_value *p = lyc_site_matrix(g, site, P[k], a->out, rank_of(a));
    return lyc_site_drop_rows(g, site, lyc_mul(g, p, lambda_of(g, site, k)));
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const int64_t columns = a->in * a->kernel;
    const float s = (float)a->scale;
    if (site->ranks != NULL && site->ranks->shape.dims[0] != 1) {
        return lyc_graph_fail(g, LYC_E_UNSUPPORTED, "tlora: ranks that differ by sample have no common weight");
    }
    lyc_value *start_part = lyc_matmul(g, scaled_p(g, site, 1), lyc_site_matrix(g, site, Q[1], rank_of(a), columns),
                                       NULL, NULL, &(lyc_matmul_attr){.alpha = -s});
    return lyc_matmul(g, scaled_p(g, site, 0), lyc_site_matrix(g, site, Q[0], rank_of(a), columns), NULL, start_part,
                      &(lyc_matmul_attr){.alpha = s});
}

/* Both parts side by side. */
static void product(lyc_value **up, lyc_value **down, lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    lyc_value *ups[2];
    lyc_value *downs[2];
    for (int k = 0; k < 2; k++) {
        ups[k] = lyc_lowrank_scaled(g, scaled_p(g, site, k), k == 0 ? a->scale : -a->scale);
        downs[k] = lyc_site_matrix(g, site, Q[k], rank_of(a), a->in * a->kernel);
    }
    *up = lyc_concat(g, 2, ups, 1);
    *down = lyc_concat(g, 2, downs, 0);
}

/* A factor for each sample of h [samples,..,r]. */
static lyc_value *by_sample(lyc_graph *g, lyc_value *lambda, const lyc_value *h)
{
    if (lyc_value_failed(lambda) || lyc_value_failed(h)) {
        return lambda;
    }
    lyc_shape shape = {.rank = h->shape.rank};
    for (int i = 0; i < shape.rank; i++) {
        shape.dims[i] = 1;
    }
    shape.dims[shape.rank - 1] = lambda->shape.dims[1];
    if (lambda->shape.dims[0] > 1) {
        shape.dims[0] = lambda->shape.dims[0];
    }
    return lyc_reshape(g, lambda, shape);
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    const lyc_adapter *a = site->adapter;
    for (int k = 0; k < 2; k++) {
        lyc_value *h = lyc_site_convolve(g, site, x, lyc_site_param(site, Q[k]));
        lyc_value *p = lyc_site_drop_rows(g, site, lyc_site_matrix(g, site, P[k], a->out, rank_of(a)));
        h = lyc_mul(g, h, by_sample(g, lambda_of(g, site, k), h));
        y = lyc_site_add_product(g, site, h, p, y, k == 0 ? a->scale : -a->scale);
    }
    return y;
}

/* ||m - I||^2 for a square m. */
static lyc_value *distance_from_identity(lyc_graph *g, lyc_value *m, int64_t n)
{
    lyc_value *off = lyc_sub(g, m, lyc_site_identity(g, n));
    return lyc_reshape(g, lyc_reduce_sum(g, lyc_mul(g, off, off), 3, false, true), LYC_SHAPE(1));
}

/* ||PT P - I||^2 + ||Q QT - I||^2. */
static lyc_value *penalty(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const int64_t r = rank_of(a);
    lyc_value *p = lyc_site_matrix(g, site, P[0], a->out, r);
    lyc_value *q = lyc_site_matrix(g, site, Q[0], r, a->in * a->kernel);
    lyc_value *pp = lyc_matmul(g, p, p, NULL, NULL, &(lyc_matmul_attr){.alpha = 1.0f, .trans_a = true});
    lyc_value *qq = lyc_matmul(g, q, q, NULL, NULL, &(lyc_matmul_attr){.alpha = 1.0f, .trans_b = true});
    return lyc_add(g, distance_from_identity(g, pp, r), distance_from_identity(g, qq, r));
}

/* r(t) = min(R, floor(((T - t) / T)^a (R - r_min)) + r_min), T = 1000. */
static double ranks(const lyc_adapter *a, double timestep, double draw)
{
    const tlora_config *config = a->config;
    const double all = (double)config->common.rank;
    const double least = fmin((double)config->min_rank, all);
    (void)draw;
    const double left = fmin(fmax((1000.0 - timestep) / 1000.0, 0.0), 1.0);
    return fmin(all, floor(pow(left, config->rank_exponent) * (all - least)) + least);
}

const lyc_adapter_algorithm lyc_adapter_tlora = {
    .name = "tlora",
    .aliases = (const char *const[]){"t-lora", NULL},
    .summary = "ranks by timestep, from singular vectors of the weight",
    .formula = "dW(t) = (alpha / rank) (P diag(l k(t)) Q - P0 diag(l0 k(t)) Q0)",
    .source = "arXiv 2507.05964",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_ALPHA | LYC_ADAPTER_DROPOUT | LYC_ADAPTER_RANK_DROPOUT |
              LYC_ADAPTER_MODULE_DROPOUT,
    .options = options,
    .config_size = sizeof(tlora_config),
    .additive = true,
    .detect = detect,
    .extents = extents,
    .recover = recover,
    .params = params,
    .start = start,
    .restore = restore,
    .delta = delta,
    .apply = apply,
    .product = product,
    .penalty = penalty,
    .ranks = ranks,
    .ranks_by_timestep = true,
};
