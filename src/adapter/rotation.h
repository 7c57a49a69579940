/* rotation.h - rotations of blocks from a skew matrix: what OFT and BOFT have in common
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_ROTATION_H
#define LYC_ADAPTER_ROTATION_H

#include "adapter/site.h"

/* The options of both; the first member of their configurations. */
typedef struct lyc_rotation_config {
    lyc_adapter_config common;
    double constraint;
    bool rescaled;
} lyc_rotation_config;

extern const lyc_option lyc_rotation_options[];

/* The constraint (`alpha` in files) and whether there is `rescale`. */
lyc_status lyc_rotation_recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err);

/* Adds oft_blocks of the shape, and rescale. The constraint becomes the f32 number that files have. */
void lyc_rotation_params(lyc_adapter *a, lyc_shape blocks);

/* multiplier (R - I) + I of every block, [blocks,size,size]. */
lyc_value *lyc_rotation_blocks(lyc_graph *g, const lyc_adapter_site *site, int64_t size);

/* rescale times v, whose first axis (`rows`) or last axis are the outputs; v itself without it. */
lyc_value *lyc_rotation_rescale(lyc_graph *g, const lyc_adapter_site *site, lyc_value *v, bool rows);

lyc_status lyc_rotation_write(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err);
double lyc_rotation_norm(const lyc_adapter *a);
void lyc_rotation_shrink(lyc_adapter *a, double ratio);

#endif
