/* lowrank.h - what changes of low rank have in common: up [out,r] times down [r,in*kernel]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_LOWRANK_H
#define LYC_ADAPTER_LOWRANK_H

#include "adapter/site.h"

/* A Tucker core t [rank,rank,kernel..] with its second axis through down [rank,in]: [rank,in*kernel]. */
lyc_value *lyc_lowrank_tucker(lyc_graph *g, lyc_value *t, lyc_value *down, int64_t rank, int64_t in, int64_t kernel);

/* Which of the ranks act, of `ranks` [n] that act less the last `without`: ones and zeros, [n,rank]. */
lyc_value *lyc_lowrank_mask(lyc_graph *g, lyc_value *ranks, int64_t rank, double without);

/* s v; v itself where s is 1. */
lyc_value *lyc_lowrank_scaled(lyc_graph *g, lyc_value *v, double s);

/* ||W + s up down||^2 - ||W||^2 by rows [out,1] or by columns [1,in*kernel], by products of the factors. */
lyc_value *lyc_lowrank_squared_norms(lyc_graph *g, lyc_value *up, lyc_value *down, lyc_value *weight, bool rows,
                                     double s);

#endif
