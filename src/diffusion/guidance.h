/* guidance.h - one answer out of those for several conditions
 *
 *     m = m_u + scale sum_k w_k (m_k - m_u)                      classifier-free guidance (arXiv 2207.12598)
 *     m = phi m std(m_c) / std(m) + (1 - phi) m                  rescaled (arXiv 2305.08891, equations 15 and 16)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_GUIDANCE_H
#define LYC_DIFFUSION_GUIDANCE_H

#include <stddef.h>

typedef struct lyc_guidance {
    double scale;
    double rescale; /* phi */
    int conditions;
    const double *weights; /* [conditions] */
} lyc_guidance;

/* answers: of the unconditional branch, then of each condition; [count] numbers each. */
void lyc_guide(float *out, const lyc_guidance *guidance, const float *const *answers, size_t count);

#endif
