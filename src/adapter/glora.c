/* glora.c - GLoRA: generalised LoRA, low-rank changes of the input and of the output
 *
 *     ΔW = (alpha / rank) (W A1 A2 + B1 B2)          arXiv 2306.07967
 *     ΔW[o,j,k] = (alpha / rank) (sum over i of W[o,i,k] (A1 A2)[i,j] + (B1 B2)[o,j,k])
 *
 * a1.weight [in,r], a2.weight [r,in], b1.weight [out,r], b2.weight [r,in,k..]. A2 and B2 start at zero. A file may have
 * bm.weight [r,r,k..], a Tucker core between b1 and b2 [r,in,1..]. The first term depends on the base weight, so the
 * change is not additive: several adapters each take it from the base. In old files a1 and a2, b1 and b2 have each
 * other's names; they are told by where the rank is.
 *
 * Structured: y = W (x + A1 A2 x) + B1 B2 x, with A1 A2 at each position.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/lowrank.h"
#include "graph/build.h"
#include "tensor/shape.h"

typedef struct glora_config {
    lyc_adapter_config common;
    bool old; /* read from a file with the factors in each other's place */
} glora_config;

static const char A1[] = "a1.weight";
static const char A2[] = "a2.weight";
static const char B1[] = "b1.weight";
static const char B2[] = "b2.weight";
static const char BM[] = "bm.weight";

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, A1) != NULL;
}

/* In old files a1 and a2, b1 and b2 have changed places: a1 begins with the rank, not with the inputs. */
static bool lies_the_old_way(const lyc_adapter *a, const lyc_tensor_view *const *t)
{
    const int64_t rank = t[0]->shape.dims[0];
    const bool new_way = rank == a->in && t[2]->shape.dims[0] == a->out;
    return !new_way && rank == t[2]->shape.dims[0] && t[1]->shape.rank > 1 && t[3]->shape.rank > 1 &&
           t[1]->shape.dims[1] == rank && t[3]->shape.dims[1] == rank;
}

/* In old files the rank comes first in a1 and b1 and last in a2 and b2; where both ways fit, it is the smaller extent.
 */
static bool extents(int64_t extents[2], const lyc_adapter_group *group)
{
    const int64_t first = lyc_adapter_extent(group, A1, 0);
    const bool old = first == lyc_adapter_extent(group, B1, 0) && first == lyc_adapter_extent(group, A2, 1) &&
                     first == lyc_adapter_extent(group, B2, 1) && first < lyc_adapter_extent(group, A1, 1);
    extents[0] = lyc_adapter_extent(group, old ? B2 : B1, 0);
    extents[1] = lyc_adapter_extent(group, old ? B1 : B2, -1);
    const bool tucker = lyc_adapter_group_find(group, BM) != NULL;
    extents[1] = lyc_adapter_extent_times(extents[1], tucker ? lyc_adapter_core_kernel(group, BM) : 1);
    return extents[0] > 0 && extents[1] > 0;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    static const char *const names[] = {A1, A2, B1, B2};
    glora_config *config = a->config;
    const lyc_tensor_view *t[4];
    for (int i = 0; i < 4; i++) {
        LYC_TRY(lyc_adapter_need(&t[i], group, names[i], err));
    }
    config->old = lies_the_old_way(a, t);
    for (int i = 0; i < 4 && config->old; i += 2) {
        const lyc_tensor_view *swap = t[i];
        t[i] = t[i + 1];
        t[i + 1] = swap;
    }
    config->common.rank = t[1]->shape.dims[0];
    config->common.use_tucker = lyc_adapter_group_find(group, BM) != NULL;
    LYC_TRY(lyc_adapter_expect(t[0], 1, config->common.rank, err));
    LYC_TRY(lyc_adapter_expect(t[2], 1, config->common.rank, err));
    return lyc_adapter_expect(t[3], 0, config->common.rank, err);
}

static void params(lyc_adapter *a)
{
    const lyc_adapter_config *config = a->config;
    const int64_t r = config->rank;
    const lyc_adapter_start last = config->use_scalar ? LYC_START_KAIMING : LYC_START_ZERO;
    const lyc_shape b2 = config->use_tucker ? lyc_adapter_pointwise(a, r, a->in) : lyc_adapter_kernel(a, r, a->in);
    lyc_adapter_param *four[] = {
        lyc_adapter_add(a, A1, lyc_adapter_pointwise(a, a->in, r), LYC_START_KAIMING),
        lyc_adapter_add(a, A2, lyc_adapter_pointwise(a, r, a->in), last),
        lyc_adapter_add(a, B1, lyc_adapter_pointwise(a, a->out, r), LYC_START_KAIMING),
        lyc_adapter_add(a, B2, b2, last),
    };
    for (int i = 0; i < 4 && ((const glora_config *)a->config)->old; i++) {
        four[i]->read_as = four[i ^ 1]->name;
    }
    if (config->use_tucker) {
        lyc_adapter_add(a, BM, lyc_adapter_kernel(a, r, r), LYC_START_KAIMING);
    }
}

static int64_t rank_of(const lyc_adapter *a)
{
    return ((const lyc_adapter_config *)a->config)->rank;
}

/* A2 [r,in] and B1 [out,r] with the strength; what rank dropout leaves of the outputs is in delta and apply. */
static lyc_value *a2_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    return lyc_site_strengthen(g, site, lyc_site_matrix(g, site, A2, rank_of(site->adapter), site->adapter->in));
}

static lyc_value *b1_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    return lyc_site_strengthen(g, site, lyc_site_matrix(g, site, B1, site->adapter->out, rank_of(site->adapter)));
}

/* B2 [r,in*kernel]. */
static lyc_value *b2_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const int64_t r = rank_of(a);
    if (!((const lyc_adapter_config *)a->config)->use_tucker) {
        return lyc_site_matrix(g, site, B2, r, a->in * a->kernel);
    }
    return lyc_lowrank_tucker(g, lyc_site_param(site, BM), lyc_site_matrix(g, site, B2, r, a->in), r, a->in, a->kernel);
}

/* W A1 A2 over the inputs of W [out,in,kernel]. */
static lyc_value *through_inputs(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const int64_t r = rank_of(a);
    const lyc_matmul_attr scaled = {.alpha = (float)a->scale};
    lyc_value *w = lyc_site_weight(g, site);
    lyc_value *a1 = lyc_site_matrix(g, site, A1, a->in, r);
    if (a->kernel == 1) {
        return lyc_matmul(g, lyc_matmul(g, w, a1, NULL, NULL, NULL), a2_matrix(g, site), NULL, NULL, &scaled);
    }
    lyc_value *apart = lyc_reshape(g, w, LYC_SHAPE(a->out, a->in, a->kernel));
    lyc_value *inner = lyc_mix(g, apart, a1, true);
    lyc_value *product = lyc_affine(g, lyc_mix(g, inner, a2_matrix(g, site), true), (float)a->scale, 0.0f);
    return lyc_reshape(g, product, LYC_SHAPE(a->out, a->in * a->kernel));
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_matmul_attr scaled = {.alpha = (float)site->adapter->scale};
    lyc_value *beside = lyc_matmul(g, b1_matrix(g, site), b2_matrix(g, site), NULL, through_inputs(g, site), &scaled);
    return lyc_site_drop_rows(g, site, beside);
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    const lyc_adapter *a = site->adapter;
    const int64_t r = rank_of(a);
    lyc_layer bare = *site->layer;
    bare.bias = NULL;
    lyc_value *t = lyc_site_pointwise(g, x, a2_matrix(g, site), NULL, 1.0);
    lyc_value *moved = lyc_site_pointwise(g, t, lyc_site_matrix(g, site, A1, a->in, r), x, a->scale);
    lyc_value *h = lyc_site_convolve(g, site, x, b2_matrix(g, site));
    lyc_value *base = lyc_layer_forward(g, &bare, moved, LYC_ACTIVATION_NONE, NULL);
    lyc_value *whole = lyc_site_pointwise(g, h, b1_matrix(g, site), base, a->scale);
    if (!lyc_site_drops_branch(site) && !lyc_site_drops_ranks(site)) {
        return whole;
    }
    return lyc_site_add(g, site, lyc_site_drop_channels(g, site, lyc_sub(g, whole, y)), y);
}

const lyc_adapter_algorithm lyc_adapter_glora = {
    .name = "glora",
    .summary = "low-rank changes of input and output",
    .formula = "dW = (alpha / rank) (W A1 A2 + B1 B2)",
    .source = "arXiv 2306.07967",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_ALPHA | LYC_ADAPTER_RS | LYC_ADAPTER_SCALAR | LYC_ADAPTER_DROPOUT |
              LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .config_size = sizeof(glora_config),
    .detect = detect,
    .extents = extents,
    .recover = recover,
    .params = params,
    .delta = delta,
    .apply = apply,
    .proportional = {A2, B2},
};
