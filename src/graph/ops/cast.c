/* cast.c - the same numbers in another role; rounds when the plan stores activations in bf16
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/cast.h"

#include <assert.h>
#include <stddef.h>

#include "graph/build.h"
#include "graph/ops/elementwise.h"

const char *const lyc_role_names[] = {"activation", "float", NULL};
static_assert(LYC_ACTIVATION == 0 && LYC_FLOAT == 1, "lyc_role_names is in the order of lyc_value_type");

static const lyc_attr_field attrs[] = {
    {"type", LYC_ATTR_ENUM, offsetof(lyc_cast_attr, type), .names = lyc_role_names},
    {0},
};

lyc_value *lyc_cast(lyc_graph *g, lyc_value *x, lyc_value_type type)
{
    return lyc_graph_add(g, &lyc_op_cast, 1, (lyc_value *[]){x}, &(lyc_cast_attr){type});
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_cast(g, d_out[0], lyc_gradient_type(n->inputs[0]));
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_cast_attr *attr = n->attr;
    LYC_TRY(lyc_infer_same(n, out, err));
    if (attr->type != LYC_ACTIVATION && attr->type != LYC_FLOAT) {
        return lyc_fail(err, LYC_E_ARGUMENT, "to role %d, expected LYC_ACTIVATION or LYC_FLOAT", attr->type);
    }
    out[0].type = (lyc_value_type)attr->type;
    return LYC_OK;
}

/* Where both roles have one dtype nothing is to be done; plans look at the dtypes. */
static int64_t view(const lyc_node *n)
{
    (void)n;
    return 0;
}

const lyc_op lyc_op_cast = {
    .name = "cast",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_cast_attr),
    .infer = infer,
    .gradient = gradient,
    .in_place = 1,
    .view = view,
};
