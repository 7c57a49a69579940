/* controlnet.h - a ControlNet as a graph: residuals for the skips and the mid block of a U-Net
 *
 * Zhang et al. (arXiv 2302.05543); diffusers models/controlnets/controlnet.py. A copy of the U-Net's down path and mid
 * block sees the latents and, behind conv_in, the condition picture through its own encoder; a 1x1 convolution leads
 * each of its skips out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_CONTROLNET_H
#define LYC_MODEL_CONTROLNET_H

#include "model/unet.h"

typedef struct lyc_controlnet_output {
    int count;                            /* of residuals for skips, in push order */
    lyc_value *skips[LYC_UNET_MAX_SKIPS]; /* as the U-Net's skips; not yet times the control weight */
    lyc_value *mid;
} lyc_controlnet_output;

/* The pixels of the condition picture for one latent pixel, along one side: 8 in published models. */
int lyc_controlnet_factor(const lyc_unet_config *config);

/* in: as for lyc_unet_forward (skips and mid are not looked at), its keys from lyc_unet_context_down or
 * lyc_unet_key_inputs_down. picture [n,h f,w f,3], RGB in [0,1], f = lyc_controlnet_factor. */
void lyc_controlnet_forward(lyc_controlnet_output *out, lyc_module *m, const lyc_unet_config *config,
                            const lyc_unet_inputs *in, lyc_value *picture);

#endif
