/* backend.h - what computes: the lists of kernels and their order, for programs that report it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_BACKEND_H
#define LYCORIS_BACKEND_H

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LYC_KERNEL_SETS_MAX = 8 };

/* Texts are static. */
typedef struct lyc_backend_info {
    const char *name;                         /* "cpu.avx2" */
    const char *kernels[LYC_KERNEL_SETS_MAX]; /* in the order in which they are asked: "avx2", "reference"; then NULL */
} lyc_backend_info;

/* The backend that models are computed with. */
LYC_API void lyc_backend_describe(lyc_backend_info *out);

#ifdef __cplusplus
}
#endif
#endif
