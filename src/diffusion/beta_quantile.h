/* beta_quantile.h - quantiles of the beta distribution
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_BETA_QUANTILE_H
#define LYC_DIFFUSION_BETA_QUANTILE_H

/* The x in [0, 1] with I_x(a, b) = p; a, b > 0. Exact to about 1e-14. */
double lyc_beta_quantile(double p, double a, double b);

#endif
