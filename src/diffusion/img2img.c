/* img2img.c - how strength and steps go together when a run starts from a picture
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/img2img.h"

#include <math.h>

static const double largest_strength = 0.999; /* A1111's: there is always a first step left out */

lyc_img2img lyc_img2img_steps(int n, double strength, lyc_schedule_style style, bool exact)
{
    if (strength <= 0) {
        return (lyc_img2img){n, n};
    }
    if (style == LYC_STYLE_DIFFUSERS) {
        const int made = (int)floor(n * strength);
        return (lyc_img2img){n, n - (made < n ? made : n)};
    }
    const double bounded = fmin(strength, largest_strength);
    const int steps = exact ? (int)floor(n / bounded) : n;
    const int encoded = exact ? n - 1 : (int)floor(bounded * n);
    const int first = steps - encoded - 1;
    return (lyc_img2img){steps, first > 0 ? first : 0};
}
