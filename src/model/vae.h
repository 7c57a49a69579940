/* vae.h - AutoencoderKL as graphs
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_VAE_H
#define LYC_MODEL_VAE_H

#include "model/module.h"

/* images [n,h,w,3] in [-1,1], h and w multiples of 2^(levels-1) -> moments [n,h/f,w/f,2*latent_channels]: mean, then
 * log-variance as it comes (not clamped). */
lyc_value *lyc_vae_encode(lyc_module *m, const lyc_vae_config *config, lyc_value *images);

/* z [n,h,w,latent_channels], already divided by the scaling factor -> images [n,h*f,w*f,3], not clamped. */
lyc_value *lyc_vae_decode(lyc_module *m, const lyc_vae_config *config, lyc_value *z);

/* f: 2^(levels-1). */
int lyc_vae_factor(const lyc_vae_config *config);

#endif
