/* timesteps_and_sigmas.c - timesteps and sigmas of every spacing
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kind.h"
#include "timelines.h"

const lyc_kind lyc_kind_timesteps_and_sigmas = {
    .name = "timesteps_and_sigmas", .folder = "diffusion", .prefix = "timesteps", .run = lyc_compare_timelines};
