/* ancestral.h - how far an ancestral step goes down, and how much noise it puts back
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_ANCESTRAL_H
#define LYC_DIFFUSION_ANCESTRAL_H

#include "lycoris/option.h"

/* Of lyc_sampler_options: eta, 1 where nothing is said. */
extern const lyc_option lyc_ancestral_options[];

typedef struct lyc_ancestral {
    double down;
    double up;
} lyc_ancestral;

/* From sigma to next (below it): down^2 + up^2 = next^2. eta scales the noise. */
lyc_ancestral lyc_ancestral_split(double sigma, double next, double eta);

#endif
