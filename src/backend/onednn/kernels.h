/* kernels.h - the oneDNN backend: its kernels before those of the CPU backend, where they are faster
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_ONEDNN_KERNELS_H
#define LYC_BACKEND_ONEDNN_KERNELS_H

#include "graph/backend.h"

/* The CPU backend with oneDNN's kernels in front. */
const lyc_backend *lyc_backend_onednn(void);

/* Takes every problem that oneDNN has an optimised implementation for, to measure where it is faster. */
const lyc_backend *lyc_backend_onednn_everywhere(void);

#endif
