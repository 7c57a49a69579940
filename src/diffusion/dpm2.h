/* dpm2.h - the two-evaluation step that DPM2 and its ancestral form share
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_DPM2_H
#define LYC_DIFFUSION_DPM2_H

#include "diffusion/sampler.h"

/* sigma of the second evaluation on the way to `down`: the geometric mean. */
double lyc_dpm2_middle(double sigma, double down);

/* The network's question in a step whose way goes to down (0: there is no second evaluation). */
lyc_sampling_point lyc_dpm2_call(const lyc_sampling *s, double down);

/* First evaluation: to the middle, or with down = 0 to the end. Uses history[0], for y. */
void lyc_dpm2_first(lyc_sampling *s, double down);

/* Second evaluation: to down, from y. Moves on to the next step. */
void lyc_dpm2_second(lyc_sampling *s, double down);

#endif
