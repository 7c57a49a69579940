/* vision.h - what the kinds of vision networks share
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_VISION_H
#define LYC_CONFORMANCE_VISION_H

#include "model/vit.h"
#include "network.h"

/* The weights of a case ("weight.<key>"), and a configuration from their shapes and from the case's own, in timm's
 * words (num_heads, act_layer, ...) or those of transformers (num_attention_heads, hidden_act, ...). */
lyc_status lyc_vision_case_open(lyc_vision_weights *weights, lyc_vit_config *config, const lyc_network_case *n,
                                const char *prefix, const json_t *json, lyc_error *err);

#endif
