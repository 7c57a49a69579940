/* site.h - adapters in a graph: the adapted layer, the change of a weight, and which of two forms is cheaper
 *
 *     lyc_adapter_site site;
 *     lyc_adapter_site_init(&site, g, adapter, LYC_VALUE_PARAM);     trainable; LYC_VALUE_WEIGHT: frozen
 *     site.multiplier = strength;                                    a value of the graph: changes need no new plan
 *     y = lyc_adapter_apply(g, layer, &site, 1, x, LYC_ACTIVATION_NONE, NULL, LYC_ADAPTER_AUTO);
 *     ... lyc_plan_compile ...
 *     lyc_adapter_site_bind(&site, plan, err);
 *
 * Several adapters of one layer each take their change from the base weight, so that additive ones add and any of them
 * can be taken away: W' = W + sum of (W'_k - W).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_SITE_H
#define LYC_ADAPTER_SITE_H

#include "adapter/adapter.h"
#include "graph/plan.h"

/* An adapter in a graph. Kept by the caller until the graph's plans are bound. */
struct lyc_adapter_site {
    const lyc_adapter *adapter;
    lyc_value *params[LYC_ADAPTER_MAX_PARAMS]; /* in the order of adapter->params */
    lyc_value *frozen[LYC_ADAPTER_MAX_PARAMS]; /* the same numbers without gradient, for algorithms that ask (DyLoRA) */

    /* Set by the caller where wanted. */
    lyc_value *multiplier; /* LYC_FLOAT [1], the strength; NULL: 1 */
    lyc_value *ranks;      /* LYC_FLOAT [1] or [samples]: how many ranks act; NULL: all */
    lyc_value *key;        /* of lyc_dropout, in training; NULL: no dropouts */
    int stream;            /* of lyc_dropout: this and the next LYC_ADAPTER_STREAMS - 1 are this adapter's alone */

    /* Set by the functions below. */
    const lyc_layer *layer; /* convolutions of one dimension as such of two */
    bool estimate;          /* costs are counted: numbers do not matter */
};

enum { LYC_ADAPTER_STREAMS = 4, LYC_ADAPTER_MAX_SITES = 16 };

/* How an adapted layer is computed. */
typedef enum lyc_adapter_form {
    LYC_ADAPTER_AUTO,       /* what costs less */
    LYC_ADAPTER_STRUCTURED, /* never forms the change of the weight */
    LYC_ADAPTER_MERGED,     /* forms the changed weight in each run */
} lyc_adapter_form;

/* What a form costs in one run, forward and, where something trainable lies below, backward: operations, bytes that
 * are read and written, and `work`, which weighs them: see cost.c. */
typedef struct lyc_adapter_cost {
    double flops;
    double bytes;
    double work;
} lyc_adapter_cost;

typedef struct lyc_adapter_choice {
    lyc_adapter_form form;               /* STRUCTURED or MERGED */
    bool structured_known;               /* false: only the merged form exists for these adapters and this layer */
    lyc_adapter_cost structured, merged; /* zeros where there is no choice */
} lyc_adapter_choice;

/* Makes the values of the adapter's parameters in the graph: LYC_VALUE_PARAM (trainable ones), LYC_VALUE_INPUT (bound,
 * no gradient) or LYC_VALUE_WEIGHT (frozen: packed once, the adapter's memory must stay). */
void lyc_adapter_site_init(lyc_adapter_site *site, lyc_graph *g, const lyc_adapter *a, lyc_value_kind kind);

/* Binds parameters and inputs to the memory of an adapter with the same parameters: the site's own, or another one to
 * be exchanged with it. */
lyc_status lyc_adapter_site_bind(const lyc_adapter_site *site, lyc_plan *plan, const lyc_adapter *a, lyc_error *err);

/* The layer with adapters; like lyc_layer_forward where count is 0. */
lyc_value *lyc_adapter_apply(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *sites, int count,
                             lyc_value *x, int activation, lyc_value *residual, lyc_adapter_form form);

/* W'(multiplier), and W'(multiplier) - W, in the shape of W, which is layer->weight. */
lyc_value *lyc_adapter_changed(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *site);
lyc_value *lyc_adapter_delta(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *site);

/* The change of the bias, [out]; NULL when there is none. */
lyc_value *lyc_adapter_delta_bias(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *site);

/* Whether the structured form exists for these adapters and this layer. */
bool lyc_adapter_structure_known(const lyc_layer *layer, const lyc_adapter_site *sites, int count);

/* Which form lyc_adapter_apply takes for an x of this shape, and what both cost. */
lyc_status lyc_adapter_choose(lyc_adapter_choice *out, const lyc_layer *layer, const lyc_adapter_site *sites, int count,
                              const lyc_value *x, lyc_error *err);

/* --- for algorithms ------------------------------------------------------------------------------------------------
 */

/* The value of a parameter; NULL when the adapter does not have it. */
lyc_value *lyc_site_param(const lyc_adapter_site *site, const char *name);
lyc_value *lyc_site_frozen(const lyc_adapter_site *site, const char *name);

/* A parameter as a matrix [rows,columns], a view. */
lyc_value *lyc_site_matrix(lyc_graph *g, const lyc_adapter_site *site, const char *name, int64_t rows, int64_t columns);

lyc_value *lyc_site_as_matrix(lyc_graph *g, lyc_value *v, int64_t rows, int64_t columns);

/* W as [out,in*kernel]. */
lyc_value *lyc_site_weight(lyc_graph *g, const lyc_adapter_site *site);

/* v times multiplier, scalar and module dropout, as far as there are any; v is best the smallest factor of a product.
 */
lyc_value *lyc_site_strengthen(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v);

/* Rows of v [out,..] dropped as rank dropout of the merged mode says; v itself without it. */
lyc_value *lyc_site_drop_rows(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v);

/* A mask [n] of rank dropout; NULL without it, which can be asked too. */
bool lyc_site_drops_ranks(const lyc_adapter_site *site);
lyc_value *lyc_site_rank_mask(lyc_graph *g, const lyc_adapter_site *site, int64_t n);

/* The same for channels of an activation [..,out]. */
lyc_value *lyc_site_drop_channels(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v);

/* Elements of v dropped with the probability of rank dropout, the others scaled up: what OFT does to its rotations. */
lyc_value *lyc_site_drop_elements(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v);

/* y + branch, or y + alpha * weight h; in training in bypass mode with dropout what is added loses elements. */
lyc_value *lyc_site_add(lyc_graph *g, const lyc_adapter_site *site, lyc_value *branch, lyc_value *y);
lyc_value *lyc_site_add_product(lyc_graph *g, const lyc_adapter_site *site, lyc_value *h, lyc_value *weight,
                                lyc_value *y, double alpha);

/* Whether it does: then only the structured form has what dropout acts on. */
bool lyc_site_drops_branch(const lyc_adapter_site *site);

/* The products of factored layers: alpha * weight x + y? at each position, weight [rows,columns]; and a weight of
 * [rows,columns] times the layer's kernel that moves over x as the layer does. */
lyc_value *lyc_site_pointwise(lyc_graph *g, lyc_value *x, lyc_value *weight, lyc_value *y, double alpha);
lyc_value *lyc_site_convolve(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *weight);

/* What build makes of the site, of type LYC_FLOAT: a constant where all that it depends on, the base weight among it,
 * is frozen. build must not ask for multiplier and ranks. */
typedef lyc_value *(*lyc_site_builder)(lyc_graph *g, const lyc_adapter_site *site);
lyc_value *lyc_site_fold(lyc_graph *g, const lyc_adapter_site *site, lyc_site_builder build);

/* [size,size] */
lyc_value *lyc_site_identity(lyc_graph *g, int64_t size);

/* Whether the layer is a product of each position with a matrix: linear, or a convolution of kernel 1 without stride,
 * padding and groups. */
bool lyc_site_is_pointwise(const lyc_adapter_site *site);

#endif
