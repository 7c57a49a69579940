/* network_apply.c - a layer with the adapters that belong to it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/layer.h"

lyc_value *lyc_network_apply(struct lyc_network *network, lyc_graph *g, const lyc_layer *layer, lyc_value *x,
                             int activation, lyc_value *residual)
{
    (void)network;
    return lyc_layer_forward(g, layer, x, activation, residual);
}
