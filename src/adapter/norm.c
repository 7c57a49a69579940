/* norm.c - norm: weight and bias of layer and group normalisation are trained, as differences
 *
 *     w' = w + w_norm,  b' = b + b_norm          LyCORIS, train_norm
 *
 * Both [c], from zero. A norm without bias has no b_norm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/site.h"
#include "graph/build.h"

typedef struct norm_config {
    lyc_adapter_config common;
    bool changes_bias;
} norm_config;

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    (void)err;
    ((norm_config *)a->config)->changes_bias = a->target.has_bias;
    return LYC_OK;
}

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, "w_norm") != NULL;
}

static bool extents(int64_t extents[2], const lyc_adapter_group *group)
{
    extents[0] = lyc_adapter_extent(group, "w_norm", 0);
    extents[1] = 1;
    return extents[0] > 0;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    norm_config *config = a->config;
    config->changes_bias = lyc_adapter_group_find(group, "b_norm") != NULL;
    if (config->changes_bias && !a->target.has_bias) {
        return lyc_fail(err, LYC_E_SHAPE, "b_norm for a norm without bias");
    }
    return LYC_OK;
}

static void params(lyc_adapter *a)
{
    lyc_adapter_add(a, "w_norm", LYC_SHAPE(a->out), LYC_START_ZERO);
    if (((const norm_config *)a->config)->changes_bias) {
        lyc_adapter_add(a, "b_norm", LYC_SHAPE(a->out), LYC_START_ZERO);
    }
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    return lyc_site_drop_rows(g, site, lyc_site_strengthen(g, site, lyc_site_param(site, "w_norm")));
}

const lyc_adapter_algorithm lyc_adapter_norm = {
    .name = "norm",
    .summary = "weight and bias of norms",
    .formula = "dw = w_norm, db = b_norm",
    .source = "LyCORIS, train_norm",
    .common = LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .config_size = sizeof(norm_config),
    .for_norms = true,
    .additive = true,
    .prepare = prepare,
    .detect = detect,
    .extents = extents,
    .recover = recover,
    .params = params,
    .delta = delta,
    .bias = "b_norm",
};
