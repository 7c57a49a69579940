/* full.c - full: the whole weight is trained, as a difference
 *
 *     W' = W + diff,  b' = b + diff_b          native fine-tuning, in the form of an adapter
 *
 * diff has the shape of the weight, diff_b that of the bias. There is no structure to use: the changed weight is
 * formed, which costs one addition beside the layer's product. A file may have diff_b for a layer without bias, which
 * then gets one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/rows.h"
#include "adapter/site.h"
#include "graph/build.h"

typedef struct full_config {
    lyc_adapter_config common;
    bool changes_bias;
} full_config;

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    (void)err;
    ((full_config *)a->config)->changes_bias = a->target.has_bias;
    return LYC_OK;
}

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, "diff") != NULL;
}

static bool extents(int64_t extents[2], const lyc_adapter_group *group)
{
    extents[0] = lyc_adapter_extent(group, "diff", 0);
    extents[1] = lyc_adapter_extent(group, "diff", -1);
    return extents[0] > 0 && extents[1] > 0;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    (void)err;
    ((full_config *)a->config)->changes_bias = lyc_adapter_group_find(group, "diff_b") != NULL;
    return LYC_OK;
}

static void params(lyc_adapter *a)
{
    lyc_adapter_add(a, "diff", a->target.weight, LYC_START_ZERO);
    if (((const full_config *)a->config)->changes_bias) {
        lyc_adapter_add(a, "diff_b", LYC_SHAPE(a->out), LYC_START_ZERO);
    }
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    lyc_value *diff = lyc_site_matrix(g, site, "diff", a->out, a->in * a->kernel);
    return lyc_site_drop_rows(g, site, lyc_site_strengthen(g, site, diff));
}

static void take_rows(lyc_adapter *part, int64_t first, int64_t count)
{
    lyc_adapter_keep_rows(part, "diff", first, count);
    lyc_adapter_keep_rows(part, "diff_b", first, count);
}

const lyc_adapter_algorithm lyc_adapter_full = {
    .name = "full",
    .aliases = (const char *const[]){"native", "diff", NULL},
    .summary = "the whole weight and bias",
    .formula = "dW = diff",
    .source = "native fine-tuning",
    .common = LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .config_size = sizeof(full_config),
    .additive = true,
    .prepare = prepare,
    .detect = detect,
    .extents = extents,
    .recover = recover,
    .params = params,
    .delta = delta,
    .take_rows = take_rows,
    .bias = "diff_b",
};
