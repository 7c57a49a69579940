/* rotation.c - rotations of blocks: the Cayley transform
 *
 *     Q = B - BT,  R = (I + Q) (I - Q)^-1          OFT (arXiv 2306.07280), section 3.2
 *
 * B (oft_blocks) is free and starts at zero, so R at I. With a constraint c, Q is scaled down to the norm c out over
 * all blocks where it is larger. The two factors of R commute, so that R solves (I - Q) R = I + Q, which is never
 * singular.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/rotation.h"

#include <math.h>
#include <string.h>

#include "graph/build.h"
#include "tensor/shape.h"

const lyc_option lyc_rotation_options[] = {
    {.name = "constraint",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(lyc_rotation_config, constraint),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "bound of the norm of all blocks together, times the number of outputs; 0: none"},
    {.name = "rescaled",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(lyc_rotation_config, rescaled),
     .help = "train a factor for each output too"},
    {0},
};

lyc_status lyc_rotation_recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    lyc_rotation_config *config = a->config;
    config->rescaled = lyc_adapter_group_find(group, "rescale") != NULL;
    LYC_TRY(lyc_adapter_number(&config->constraint, group, "alpha", 0.0, err));
    if (config->constraint < 0.0) {
        return lyc_fail(err, LYC_E_FORMAT, "alpha, the constraint, is %g", config->constraint);
    }
    return LYC_OK;
}

void lyc_rotation_params(lyc_adapter *a, lyc_shape blocks)
{
    lyc_rotation_config *config = a->config;
    config->constraint = (double)(float)config->constraint;
    lyc_adapter_add(a, "oft_blocks", blocks, LYC_START_ZERO);
    if (config->rescaled) {
        lyc_adapter_add(a, "rescale", lyc_adapter_pointwise(a, a->out, 1), LYC_START_ONE);
    }
}

/* q scaled down to the norm `limit` where it is larger. */
static lyc_value *constrain(lyc_graph *g, lyc_value *q, double limit)
{
    lyc_value *squares = lyc_reduce_sum(g, lyc_mul(g, q, q), 7, false, true);
    /* The norm of nothing has no slope; below the limit it does not matter either. */
    lyc_value *norm = lyc_affine(g, lyc_sqrt(g, lyc_clamp_min(g, squares, 1e-30f)), 1.0f, 1e-8f);
    lyc_value *excess = lyc_clamp_min(g, lyc_affine(g, norm, (float)(1.0 / limit), 0.0f), 1.0f);
    return lyc_div(g, q, excess);
}

/* R - I of every block, [blocks,size,size]. */
static lyc_value *turns(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_rotation_config *config = site->adapter->config;
    lyc_value *b = lyc_site_param(site, "oft_blocks");
    if (lyc_value_failed(b)) {
        return b;
    }
    const int64_t size = b->shape.dims[b->shape.rank - 1];
    b = lyc_reshape(g, b, LYC_SHAPE(-1, size, size));
    lyc_value *q = lyc_sub(g, b, lyc_transpose(g, b, 3, (int[]){0, 2, 1}));
    if (config->constraint > 0.0) {
        q = constrain(g, q, config->constraint * (double)site->adapter->out);
    }
    lyc_value *eye = lyc_site_identity(g, size);
    return lyc_sub(g, lyc_solve(g, lyc_sub(g, eye, q), lyc_add(g, eye, q), false), eye);
}

lyc_value *lyc_rotation_blocks(lyc_graph *g, const lyc_adapter_site *site, int64_t size)
{
    lyc_value *turn = lyc_site_strengthen(g, site, lyc_site_fold(g, site, turns));
    return lyc_add(g, lyc_site_drop_elements(g, site, turn), lyc_site_identity(g, size));
}

lyc_value *lyc_rotation_rescale(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v, bool rows)
{
    const lyc_adapter *a = site->adapter;
    if (!((const lyc_rotation_config *)a->config)->rescaled) {
        return v;
    }
    lyc_value *factors = lyc_site_param(site, "rescale");
    return lyc_mul(g, v, lyc_reshape(g, factors, rows ? LYC_SHAPE(a->out, 1) : LYC_SHAPE(a->out)));
}

lyc_status lyc_rotation_write(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err)
{
    LYC_TRY(lyc_adapter_file_params(file, a, err));
    return lyc_adapter_file_number(file, "alpha", ((const lyc_rotation_config *)a->config)->constraint, err);
}

/* Max norm looks at the blocks themselves. */
double lyc_rotation_norm(const lyc_adapter *a)
{
    const lyc_adapter_param *p = lyc_adapter_param_find(a, "oft_blocks");
    double sum = 0.0;
    for (int64_t i = 0; i < lyc_shape_elements(&p->shape); i++) {
        sum += (double)p->data[i] * (double)p->data[i];
    }
    return sqrt(sum);
}

void lyc_rotation_shrink(lyc_adapter *a, double ratio)
{
    const lyc_adapter_param *p = lyc_adapter_param_find(a, "oft_blocks");
    for (int64_t i = 0; i < lyc_shape_elements(&p->shape); i++) {
        p->data[i] = (float)((double)p->data[i] * ratio);
    }
}
