/* elementwise.h - loops that the elementwise reference kernels share
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_REFERENCE_ELEMENTWISE_H
#define LYC_BACKEND_CPU_REFERENCE_ELEMENTWISE_H

#include "backend/cpu/reference/reference.h"

/* Where element `index` of a result of the shape `to` comes from in a value of the shape `from` that is repeated to it.
 */
int64_t lyc_ref_broadcast_index(const lyc_shape *from, const lyc_shape *to, int64_t index);

/* out 0 = f(in 0), f(in 0, in 1) with broadcasting. */
lyc_status lyc_ref_unary(const lyc_call *call, double (*f)(double x));
lyc_status lyc_ref_binary(const lyc_call *call, double (*f)(double x, double y));

/* out 0 = in 1 * slope(in 0): the gradient of an activation. */
lyc_status lyc_ref_slope(const lyc_call *call, double (*slope)(double x));

#endif
