/* lora.c - LoRA: low-rank adaptation; for convolutions LoCon
 *
 *     ΔW = (alpha / rank) B A          arXiv 2106.09685, equation 3; convolutions: LyCORIS (arXiv 2309.14859), section
 * 3 ΔW[o,i,k] = (alpha / rank) sum over a, b of T[a,b,k] B[o,a] A[b,i]          with use_tucker
 *
 * In files B is lora_up.weight [out,r], A is lora_down.weight [r,in] or [r,in,k..], T is lora_mid.weight [r,r,k..];
 * with T, A is [r,in,1..]. B starts at zero. The first axis of T goes with B, the second with A.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/adapter.h"
#include "adapter/lowrank.h"
#include "adapter/site.h"
#include "graph/build.h"

static const char UP[] = "lora_up.weight";
static const char DOWN[] = "lora_down.weight";
static const char MID[] = "lora_mid.weight";

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    lyc_adapter_config *config = a->config;
    (void)err;
    config->use_tucker = config->use_tucker && a->kernel > 1;
    return LYC_OK;
}

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, UP) != NULL || lyc_adapter_group_find(group, DOWN) != NULL;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    lyc_adapter_config *config = a->config;
    const lyc_tensor_view *up;
    const lyc_tensor_view *down;
    LYC_TRY(lyc_adapter_need(&up, group, UP, err));
    LYC_TRY(lyc_adapter_need(&down, group, DOWN, err));
    config->rank = down->shape.dims[0];
    config->use_tucker = lyc_adapter_group_find(group, MID) != NULL;
    return lyc_adapter_expect(up, 1, config->rank, err);
}

static void params(lyc_adapter *a)
{
    const lyc_adapter_config *config = a->config;
    const int64_t r = config->rank;
    lyc_adapter_add(a, UP, lyc_adapter_pointwise(a, a->out, r),
                    config->use_scalar ? LYC_START_KAIMING : LYC_START_ZERO);
    lyc_adapter_add(a, DOWN, config->use_tucker ? lyc_adapter_pointwise(a, r, a->in) : lyc_adapter_kernel(a, r, a->in),
                    LYC_START_KAIMING);
    if (config->use_tucker) {
        lyc_adapter_add(a, MID, lyc_adapter_kernel(a, r, r), LYC_START_KAIMING);
    }
}

/* B [out,r] with the strength, without the rows and columns that are dropped. */
static lyc_value *up_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_config *config = a->config;
    lyc_value *up = lyc_site_matrix(g, site, UP, a->out, config->rank);
    if (config->bypass_mode) {
        lyc_value *mask = lyc_site_rank_mask(g, site, config->rank);
        up = mask == NULL ? up : lyc_mul(g, up, mask);
    }
    return lyc_site_drop_rows(g, site, lyc_site_strengthen(g, site, up));
}

/* A [r,in*kernel]; with Tucker, T and A in one. */
static lyc_value *down_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_config *config = a->config;
    const int64_t r = config->rank;
    if (!config->use_tucker) {
        return lyc_site_matrix(g, site, DOWN, r, a->in * a->kernel);
    }
    return lyc_lowrank_tucker(g, lyc_site_param(site, MID), lyc_site_matrix(g, site, DOWN, r, a->in), r, a->in,
                              a->kernel);
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    return lyc_matmul(g, up_matrix(g, site), down_matrix(g, site), NULL, NULL,
                      &(lyc_matmul_attr){.alpha = (float)site->adapter->scale});
}

/* x through A and, with Tucker, T: the layer's own movement over x is that of the last of them. */
static lyc_value *hidden(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_config *config = a->config;
    if (!config->use_tucker) {
        return lyc_site_convolve(g, site, x, lyc_site_param(site, DOWN));
    }
    lyc_value *h = lyc_site_pointwise(g, x, lyc_site_matrix(g, site, DOWN, config->rank, a->in), NULL, 1.0);
    return lyc_site_convolve(g, site, h, lyc_site_param(site, MID));
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    return lyc_site_add_product(g, site, hidden(g, site, x), up_matrix(g, site), y, site->adapter->scale);
}

static lyc_value *squared_norms(lyc_graph *g, const lyc_adapter_site *site, lyc_value *weight, bool rows)
{
    return lyc_lowrank_squared_norms(g, up_matrix(g, site), down_matrix(g, site), weight, rows, site->adapter->scale);
}

const lyc_adapter_algorithm lyc_adapter_lora = {
    .name = "lora",
    .aliases = (const char *const[]){"locon", NULL},
    .summary = "low-rank product; LoCon for convolutions",
    .formula = "dW = (alpha / rank) B A",
    .source = "arXiv 2106.09685; arXiv 2309.14859",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_ALPHA | LYC_ADAPTER_RS | LYC_ADAPTER_TUCKER | LYC_ADAPTER_SCALAR |
              LYC_ADAPTER_DORA | LYC_ADAPTER_DROPOUT | LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .config_size = sizeof(lyc_adapter_config),
    .additive = true,
    .prepare = prepare,
    .detect = detect,
    .recover = recover,
    .params = params,
    .delta = delta,
    .apply = apply,
    .squared_norms = squared_norms,
    .proportional = {UP},
    .max_norm = true,
};
