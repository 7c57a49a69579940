/* analytic_network.h - the network that whole runs of samplers are tried with
 *
 *     m(x, t) = tanh(M x over channels) (0.9 + 0.1 t / 1000) + 0.05 x
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_ANALYTIC_NETWORK_H
#define LYC_CONFORMANCE_ANALYTIC_NETWORK_H

#include "case.h"

enum { LYC_ANALYTIC_CHANNELS = 16 };

typedef struct lyc_analytic_network {
    int channels;
    float mixing[LYC_ANALYTIC_CHANNELS * LYC_ANALYTIC_CHANNELS];
} lyc_analytic_network;

/* From analytic_network.safetensors beside the case. */
lyc_status lyc_analytic_network_open(lyc_analytic_network *network, const lyc_case *c, lyc_error *err);

/* x, out: [n,c,pixels]. */
void lyc_analytic_network_run(const lyc_analytic_network *network, float *out, const float *x, size_t n, size_t pixels,
                              double timestep);

#endif
