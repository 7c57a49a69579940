/* onednn_internal.h - shared by the kernels of this room
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_ONEDNN_ONEDNN_INTERNAL_H
#define LYC_BACKEND_ONEDNN_ONEDNN_INTERNAL_H

#include "backend/onednn/onednn.h"
#include "graph/backend.h"

/* The state of a kernel: the primitive, and how its operands are found in a call. */
typedef struct lyc_onednn_state {
    lyc_onednn_primitive *primitive;
    lyc_onednn_tensor plain; /* the weights as they are packed from, dense, in the products' dtype */
    int src;                 /* inputs by number; -1: absent */
    int weights;
    int bias;
    int residual;
} lyc_onednn_state;

/* Dtypes and machine: f32 everywhere, or bf16 activations and frozen weights where the processor multiplies bf16. */
bool lyc_onednn_can(const lyc_problem *p, int src, int weights);

/* Makes the primitive; on failure *state is NULL. */
lyc_status lyc_onednn_prepare(void **state, const lyc_onednn_state *like, const lyc_onednn_spec *spec, lyc_error *err);

/* Members of lyc_kernel that are the same for all. */
void lyc_onednn_release(void *state);
size_t lyc_onednn_workspace(const lyc_problem *p, const void *state);
size_t lyc_onednn_pack_bytes(char *key, const lyc_problem *p, const void *state, int input);
lyc_status lyc_onednn_call(const lyc_call *call);

/* Frozen weights in f32 or bf16, as oneDNN's reorder takes them; the caller releases *out with lyc_free. */
lyc_status lyc_onednn_widen(void **out, const lyc_problem *p, int input, lyc_dtype dtype, const void *src,
                            lyc_error *err);

extern const lyc_kernel lyc_onednn_conv2d;
extern const lyc_kernel lyc_onednn_conv2d_backward_data;
extern const lyc_kernel lyc_onednn_matmul;

#endif
