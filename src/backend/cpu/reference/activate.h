/* activate.h - the activations that products apply to their results
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_REFERENCE_ACTIVATE_H
#define LYC_BACKEND_CPU_REFERENCE_ACTIVATE_H

/* activation is a lyc_activation of graph/ops/matmul.h. */
double lyc_reference_activate(int activation, double x);

#endif
