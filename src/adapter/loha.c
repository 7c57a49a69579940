/* loha.c - LoHa: Hadamard product of two low-rank products
 *
 *     ΔW = (alpha / rank) (B1 A1) * (B2 A2)        LyCORIS (arXiv 2309.14859), section 3; FedPara (2108.06098)
 *
 * B1, B2 [out,r], A1, A2 [r,in*kernel]. In files B1 is hada_w1_a and A1 is hada_w1_b: a and b are *not* A and B. With
 * use_tucker An is made of hada_tn [r,r,k..] and hada_wn_b [r,in], and hada_wn_a is [r,out]: the other way round. The
 * first axis of tn goes with wn_a. B2 starts at zero.
 *
 * rank(ΔW) <= r^2, and the structured form uses exactly that: ΔW = P Q with P[i,(a,b)] = B1[i,a] B2[i,b] and
 * Q[(a,b),j] = A1[a,j] A2[b,j], a LoRA of rank r^2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/lowrank.h"
#include "adapter/rows.h"
#include "graph/build.h"

/* The names of one of the two products. */
typedef struct product_names {
    const char *a;
    const char *b;
    const char *t;
} product_names;

static const product_names products[2] = {{"hada_w1_a", "hada_w1_b", "hada_t1"}, {"hada_w2_a", "hada_w2_b", "hada_t2"}};

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    lyc_adapter_config *config = a->config;
    (void)err;
    config->use_tucker = config->use_tucker && a->kernel > 1;
    return LYC_OK;
}

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, products[0].a) != NULL;
}

static bool extents(int64_t extents[2], const lyc_adapter_group *group)
{
    const bool tucker = lyc_adapter_group_find(group, products[0].t) != NULL;
    extents[0] = lyc_adapter_extent(group, products[0].a, tucker ? 1 : 0);
    extents[1] = lyc_adapter_extent(group, products[0].b, -1);
    extents[1] = lyc_adapter_extent_times(extents[1], tucker ? lyc_adapter_core_kernel(group, products[0].t) : 1);
    return extents[0] > 0 && extents[1] > 0;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    lyc_adapter_config *config = a->config;
    const lyc_tensor_view *first;
    LYC_TRY(lyc_adapter_need(&first, group, products[0].b, err));
    config->rank = first->shape.dims[0];
    config->use_tucker = lyc_adapter_group_find(group, products[0].t) != NULL;
    for (int n = 0; n < 2; n++) {
        const lyc_tensor_view *factor;
        LYC_TRY(lyc_adapter_need(&factor, group, products[n].a, err));
        LYC_TRY(lyc_adapter_expect(factor, config->use_tucker ? 0 : 1, config->rank, err));
        LYC_TRY(lyc_adapter_need(&factor, group, products[n].b, err));
        LYC_TRY(lyc_adapter_expect(factor, 0, config->rank, err));
    }
    return LYC_OK;
}

static void params(lyc_adapter *a)
{
    const lyc_adapter_config *config = a->config;
    const int64_t r = config->rank;
    for (int n = 0; n < 2; n++) {
        const bool zero = n == 1 && !config->use_scalar;
        const lyc_shape outer = config->use_tucker ? LYC_SHAPE(r, a->out) : LYC_SHAPE(a->out, r);
        const lyc_shape inner = LYC_SHAPE(r, config->use_tucker ? a->in : a->in * a->kernel);
        lyc_adapter_add(a, products[n].a, outer, zero ? LYC_START_ZERO : LYC_START_NORMAL)->deviation = 0.1;
        lyc_adapter_add(a, products[n].b, inner, LYC_START_NORMAL)->deviation = 1.0;
    }
    for (int n = 0; n < 2 && config->use_tucker; n++) {
        lyc_adapter_add(a, products[n].t, lyc_adapter_kernel(a, r, r), LYC_START_NORMAL)->deviation = 0.1;
    }
}

/* Bn [out,r]; the strength and what rank dropout leaves go into the first. */
static lyc_value *outer_factor(lyc_graph *g, const lyc_adapter_site *site, int n)
{
    const lyc_adapter_config *config = site->adapter->config;
    lyc_value *b = lyc_site_param(site, products[n].a);
    if (config->use_tucker) {
        b = lyc_transpose(g, b, 2, (int[]){1, 0});
    }
    return n == 0 ? lyc_site_drop_rows(g, site, lyc_site_strengthen(g, site, b)) : b;
}

/* An [r,in*kernel]. */
static lyc_value *inner_factor(lyc_graph *g, const lyc_adapter_site *site, int n)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_config *config = a->config;
    lyc_value *b = lyc_site_param(site, products[n].b);
    if (!config->use_tucker) {
        return b;
    }
    return lyc_lowrank_tucker(g, lyc_site_param(site, products[n].t), b, config->rank, a->in, a->kernel);
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    return lyc_hadamard_lowrank(g, outer_factor(g, site, 0), inner_factor(g, site, 0), outer_factor(g, site, 1),
                                inner_factor(g, site, 1), (float)site->adapter->scale);
}

/* Bn transposed, [r,out]. */
static lyc_value *outer_transposed(lyc_graph *g, const lyc_adapter_site *site, int n)
{
    const lyc_adapter_config *config = site->adapter->config;
    lyc_value *b = lyc_site_param(site, products[n].a);
    if (!config->use_tucker) {
        b = lyc_transpose(g, b, 2, (int[]){1, 0});
    }
    return n == 0 ? lyc_site_drop_channels(g, site, lyc_site_strengthen(g, site, b)) : b;
}

/* P transposed, [r^2,out]: the products lie along the outputs, where vectors are long. */
static lyc_value *outer_products(lyc_graph *g, const lyc_adapter_site *site)
{
    const int64_t out = site->adapter->out;
    const int64_t r = ((const lyc_adapter_config *)site->adapter->config)->rank;
    lyc_value *first = lyc_reshape(g, outer_transposed(g, site, 0), LYC_SHAPE(r, 1, out));
    lyc_value *second = lyc_reshape(g, outer_transposed(g, site, 1), LYC_SHAPE(1, r, out));
    return lyc_reshape(g, lyc_mul(g, first, second), LYC_SHAPE(r * r, out));
}

/* Q [r^2,in*kernel]. */
static lyc_value *inner_products(lyc_graph *g, const lyc_adapter_site *site)
{
    const int64_t columns = site->adapter->in * site->adapter->kernel;
    const int64_t r = ((const lyc_adapter_config *)site->adapter->config)->rank;
    lyc_value *first = lyc_reshape(g, inner_factor(g, site, 0), LYC_SHAPE(r, 1, columns));
    lyc_value *second = lyc_reshape(g, inner_factor(g, site, 1), LYC_SHAPE(1, r, columns));
    return lyc_reshape(g, lyc_mul(g, first, second), LYC_SHAPE(r * r, columns));
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    const lyc_matmul_attr scaled = {.alpha = (float)site->adapter->scale};
    lyc_value *h = lyc_site_convolve(g, site, x, inner_products(g, site));
    lyc_value *p = outer_products(g, site);
    return lyc_site_drops_branch(site) ? lyc_site_add(g, site, lyc_matmul(g, h, p, NULL, NULL, &scaled), y)
                                       : lyc_matmul(g, h, p, NULL, y, &scaled);
}

static void product(lyc_value **up, lyc_value **down, lyc_graph *g, const lyc_adapter_site *site)
{
    *up = lyc_lowrank_scaled(g, lyc_transpose(g, outer_products(g, site), 2, (int[]){1, 0}), site->adapter->scale);
    *down = inner_products(g, site);
}

static lyc_value *squared_norms(lyc_graph *g, const lyc_adapter_site *site, lyc_value *weight, bool rows)
{
    lyc_value *p = lyc_transpose(g, outer_products(g, site), 2, (int[]){1, 0});
    return lyc_lowrank_squared_norms(g, p, inner_products(g, site), weight, rows, site->adapter->scale);
}

static void take_rows(lyc_adapter *part, int64_t first, int64_t count)
{
    lyc_adapter_keep_rows(part, products[0].a, first, count);
    lyc_adapter_keep_rows(part, products[1].a, first, count);
}

/* With Tucker the outputs are columns. */
static int64_t row_step(const lyc_adapter *a)
{
    return ((const lyc_adapter_config *)a->config)->use_tucker ? 0 : 1;
}

const lyc_adapter_algorithm lyc_adapter_loha = {
    .name = "loha",
    .summary = "Hadamard product of two low-rank products",
    .formula = "dW = (alpha / rank) (B1 A1) * (B2 A2), elementwise",
    .source = "arXiv 2309.14859; arXiv 2108.06098",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_ALPHA | LYC_ADAPTER_RS | LYC_ADAPTER_TUCKER | LYC_ADAPTER_SCALAR |
              LYC_ADAPTER_DORA | LYC_ADAPTER_DROPOUT | LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .config_size = sizeof(lyc_adapter_config),
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
    .squared_norms = squared_norms,
    .proportional = {"hada_w1_a"},
    .max_norm = true,
};
