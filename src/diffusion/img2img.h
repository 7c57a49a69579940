/* img2img.h - how strength and steps go together when a run starts from a picture
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_IMG2IMG_H
#define LYC_DIFFUSION_IMG2IMG_H

#include "diffusion/timeline.h"

typedef struct lyc_img2img {
    int steps; /* of the schedule */
    int first; /* the first of them that is made */
} lyc_img2img;

/* diffusers makes the last min(floor(n strength), n) of n steps. A1111 makes floor(min(strength, 0.999) n) + 1 of them;
 * with exact, n of floor(n / min(strength, 0.999)). Strength 0: none, in both. */
lyc_img2img lyc_img2img_steps(int n, double strength, lyc_schedule_style style, bool exact);

#endif
