/* spaced_sigmas_variants.c - Karras, exponential and beta sigmas
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kind.h"
#include "timelines.h"

const lyc_kind lyc_kind_spaced_sigmas_variants = {
    .name = "spaced_sigmas_variants", .folder = "diffusion", .prefix = "spaced", .run = lyc_compare_timelines};
