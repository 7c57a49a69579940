/* diag_oft.c - Diag-OFT: the outputs are rotated in blocks
 *
 *     W'_k = MT W_k,  M = multiplier (R_k - I) + I          OFT (arXiv 2306.07280); R in rotation.c
 *
 * The outputs are divided into `blocks` blocks of `size` (factorization.h with the rank: the smaller one is the size,
 * so a large rank can give small blocks). oft_blocks [blocks,size,size]; rescale [out,1..]; `alpha` is the constraint,
 * and nothing is divided by the rank. The blocks act transposed: W'[k,j,:] = sum over n of M[n,j] W[k,n,:]. The bias is
 * not rotated.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/factorization.h"
#include "adapter/rotation.h"
#include "graph/build.h"

typedef struct oft_config {
    lyc_rotation_config rotation;
    int64_t blocks;
    int64_t size;
} oft_config;

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    oft_config *config = a->config;
    (void)err;
    lyc_factorization(&config->size, &config->blocks, a->out, config->rotation.common.rank);
    return LYC_OK;
}

static bool detect(const lyc_adapter_group *group)
{
    const lyc_tensor_view *blocks = lyc_adapter_group_find(group, "oft_blocks");
    return blocks != NULL && blocks->shape.rank == 3;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    oft_config *config = a->config;
    const lyc_tensor_view *blocks;
    LYC_TRY(lyc_adapter_need(&blocks, group, "oft_blocks", err));
    config->blocks = blocks->shape.dims[0];
    config->size = blocks->shape.dims[1];
    config->rotation.common.rank = config->size;
    if (a->out % config->blocks != 0 || a->out / config->blocks != config->size) {
        return lyc_fail(err, LYC_E_SHAPE, "%lld blocks of %lld do not make %lld outputs", (long long)config->blocks,
                        (long long)config->size, (long long)a->out);
    }
    return lyc_rotation_recover(a, group, err);
}

static void params(lyc_adapter *a)
{
    const oft_config *config = a->config;
    lyc_rotation_params(a, LYC_SHAPE(config->blocks, config->size, config->size));
}

static lyc_value *rotations(lyc_graph *g, const lyc_adapter_site *site)
{
    const oft_config *config = site->adapter->config;
    return lyc_rotation_blocks(g, site, config->size);
}

static lyc_value *changed(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const oft_config *config = a->config;
    lyc_value *w = lyc_site_weight(g, site);
    lyc_value *rows = lyc_reshape(g, w, LYC_SHAPE(config->blocks, config->size, a->in * a->kernel));
    lyc_value *rotated =
        lyc_matmul(g, rotations(g, site), rows, NULL, NULL, &(lyc_matmul_attr){.alpha = 1.0f, .trans_a = true});
    rotated = lyc_reshape(g, rotated, LYC_SHAPE(a->out, a->in * a->kernel));
    return lyc_rotation_rescale(g, site, rotated, true);
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    (void)x;
    return lyc_rotation_rescale(g, site, lyc_block_diag_matmul(g, y, rotations(g, site), false), false);
}

const lyc_adapter_algorithm lyc_adapter_diag_oft = {
    .name = "diag-oft",
    .aliases = (const char *const[]){"diag_oft", "oft", NULL},
    .summary = "outputs rotated in blocks",
    .formula = "W' = diag(R1, R2, ...)^T W, R = (I + Q)(I - Q)^-1, Q = B - B^T",
    .source = "arXiv 2306.07280",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .options = lyc_rotation_options,
    .config_size = sizeof(oft_config),
    .prepare = prepare,
    .detect = detect,
    .recover = recover,
    .params = params,
    .changed = changed,
    .apply = apply,
    .extras = (const char *const[]){"alpha", NULL},
    .write = lyc_rotation_write,
    .norm = lyc_rotation_norm,
    .shrink = lyc_rotation_shrink,
    .max_norm = true,
};
