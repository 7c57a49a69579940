/* dylora.c - DyLoRA: a LoRA trained for many ranks at once
 *
 *     ΔW = (alpha / k) B[:,:k] A[:k]          arXiv 2210.07558
 *
 * k, a multiple of block_size, is drawn for each step of training; of the k ranks only the last block_size learn.
 * Without a drawn k all ranks act, and what is saved is a plain LoRA, of which the first k ranks are one as well.
 * LyCORIS scales by the number of blocks in place of k; then the parts of a file do not mean what was trained.
 *
 * Tensors as in lora.c. The earlier ranks are read from the same memory as values that have no gradient.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/lowrank.h"
#include "graph/build.h"
#include "tensor/shape.h"

typedef struct dylora_config {
    lyc_adapter_config common;
    int64_t block_size;
} dylora_config;

static const lyc_option options[] = {
    {.name = "block_size",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(dylora_config, block_size),
     .standard = "4",
     .min = 1,
     .max = LYC_OPTION_UNLIMITED,
     .help = "ranks that learn in a step; the rank is a multiple of it"},
    {0},
};

static const char UP[] = "lora_up.weight";
static const char DOWN[] = "lora_down.weight";

static int64_t rank_of(const lyc_adapter *a)
{
    return ((const lyc_adapter_config *)a->config)->rank;
}

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    const dylora_config *config = a->config;
    if (config->common.rank % config->block_size != 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a rank of %lld is not a multiple of block_size, %lld",
                        (long long)config->common.rank, (long long)config->block_size);
    }
    return LYC_OK;
}

static void params(lyc_adapter *a)
{
    lyc_adapter_add(a, UP, lyc_adapter_pointwise(a, a->out, rank_of(a)), LYC_START_ZERO);
    lyc_adapter_add(a, DOWN, lyc_adapter_kernel(a, rank_of(a), a->in), LYC_START_KAIMING);
}

/* A matrix with its ranks on one axis: those that learn, and the earlier ones without gradient. */
static lyc_value *acting(lyc_graph *g, const lyc_adapter_site *site, const char *name, int64_t rows, int64_t columns)
{
    const dylora_config *config = site->adapter->config;
    const int64_t r = config->common.rank;
    lyc_value *trained = lyc_site_matrix(g, site, name, rows, columns);
    if (site->ranks == NULL) {
        return trained;
    }
    lyc_value *fixed = lyc_site_as_matrix(g, lyc_site_frozen(site, name), rows, columns);
    lyc_value *earlier = lyc_lowrank_mask(g, site->ranks, r, (double)config->block_size);
    lyc_value *block = lyc_sub(g, lyc_lowrank_mask(g, site->ranks, r, 0.0), earlier);
    if (name == DOWN) {
        block = lyc_reshape(g, block, LYC_SHAPE(r, 1));
        earlier = lyc_reshape(g, earlier, LYC_SHAPE(r, 1));
    }
    return lyc_add(g, lyc_mul(g, trained, block), lyc_mul(g, fixed, earlier));
}

static lyc_value *up_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const int64_t r = rank_of(a);
    lyc_value *up = lyc_site_strengthen(g, site, acting(g, site, UP, a->out, r));
    if (site->ranks != NULL) {
        up = lyc_mul(g, up, lyc_div(g, lyc_graph_scalar(g, (float)r), site->ranks));
    }
    return lyc_site_drop_rows(g, site, up);
}

static lyc_value *down_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    return acting(g, site, DOWN, rank_of(a), a->in * a->kernel);
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    return lyc_matmul(g, up_matrix(g, site), down_matrix(g, site), NULL, NULL,
                      &(lyc_matmul_attr){.alpha = (float)site->adapter->scale});
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    lyc_value *h = lyc_site_convolve(g, site, x, down_matrix(g, site));
    return lyc_site_add_product(g, site, h, up_matrix(g, site), y, site->adapter->scale);
}

static void product(lyc_value **up, lyc_value **down, lyc_graph *g, const lyc_adapter_site *site)
{
    *up = lyc_lowrank_scaled(g, up_matrix(g, site), site->adapter->scale);
    *down = down_matrix(g, site);
}

static double ranks(const lyc_adapter *a, double timestep, double draw)
{
    const dylora_config *config = a->config;
    const int64_t blocks = config->common.rank / config->block_size;
    (void)timestep;
    const int64_t block = (int64_t)(draw * (double)blocks);
    return (double)((block < blocks ? block + 1 : blocks) * config->block_size);
}

const lyc_adapter_algorithm lyc_adapter_dylora = {
    .name = "dylora",
    .summary = "a LoRA trained for many ranks at once",
    .formula = "dW = (alpha / k) B[:,:k] A[:k], k drawn for each step",
    .source = "arXiv 2210.07558",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_ALPHA | LYC_ADAPTER_DROPOUT | LYC_ADAPTER_RANK_DROPOUT |
              LYC_ADAPTER_MODULE_DROPOUT,
    .options = options,
    .config_size = sizeof(dylora_config),
    .additive = true,
    .prepare = prepare,
    .params = params,
    .delta = delta,
    .apply = apply,
    .product = product,
    .wants_frozen = true,
    .ranks = ranks,
    .proportional = {UP},
};
