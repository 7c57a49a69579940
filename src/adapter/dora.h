/* dora.h - DoRA: norms of a weight apart from its direction, a property of the additive algorithms
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_DORA_H
#define LYC_ADAPTER_DORA_H

#include "adapter/site.h"

/* Whether the adapter has it. */
bool lyc_dora_has(const lyc_adapter *a);

/* dora_scale starts as the norms of the base weight [out,in*kernel]. */
lyc_status lyc_dora_start(lyc_adapter *a, const float *weight, lyc_error *err);

/* W'(multiplier), [out,in*kernel]. */
lyc_value *lyc_dora_changed(lyc_graph *g, const lyc_adapter_site *site);

/* W'(multiplier) x, where y is W x without bias. */
lyc_value *lyc_dora_apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y);

#endif
