/* ancestral.c - how far an ancestral step goes down, and how much noise it puts back
 *
 *     up = min(next, eta sqrt(next^2 (sigma^2 - next^2) / sigma^2))
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/ancestral.h"

#include <math.h>

#include "diffusion/sampler.h"

const lyc_option lyc_ancestral_options[] = {
    {.name = "eta",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(lyc_sampler_options, eta),
     .standard = "1",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "amount of noise put back at a step"},
    {0},
};

lyc_ancestral lyc_ancestral_split(double sigma, double next, double eta)
{
    const double full = next * sqrt(fmax(sigma * sigma - next * next, 0)) / sigma;
    const double up = fmin(next, eta * full);
    return (lyc_ancestral){sqrt(fmax(next * next - up * up, 0)), up};
}
