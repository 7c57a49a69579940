/* onednn.h - oneDNN's convolution and matrix product behind one interface for its API 2.x and 3.x
 *
 * onednn.c is the only file that includes dnnl.h: descriptors are plain structs in 2.x and opaque handles in 3.x, and
 * the functions that make primitives differ. Sizes follow oneDNN: logical dims in the order n c h w and o i h w, memory
 * given by strides, so activations are channels-last without a copy; weights take the layout that the library prefers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_ONEDNN_ONEDNN_H
#define LYC_BACKEND_ONEDNN_ONEDNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "lycoris/tensor.h"

enum { LYC_ONEDNN_MAX_DIMS = 12 }; /* DNNL_MAX_NDIMS: the library's functions take arrays of this length */

typedef struct lyc_onednn_tensor {
    int n_dims; /* 0: absent */
    int64_t dims[LYC_ONEDNN_MAX_DIMS];
    int64_t strides[LYC_ONEDNN_MAX_DIMS]; /* in elements; all 0: whatever the library prefers */
    lyc_dtype dtype;                      /* F32 or BF16 */
} lyc_onednn_tensor;

typedef struct lyc_onednn_spec {
    lyc_onednn_tensor src;
    lyc_onednn_tensor weights;
    lyc_onednn_tensor bias;
    lyc_onednn_tensor dst;
    bool convolution;                    /* else a matrix product */
    int64_t stride[LYC_ONEDNN_MAX_DIMS]; /* of a convolution, like the next three */
    int64_t pad_begin[LYC_ONEDNN_MAX_DIMS];
    int64_t pad_end[LYC_ONEDNN_MAX_DIMS];
    int64_t dilation[LYC_ONEDNN_MAX_DIMS]; /* 1 is dense */
    int activation;                        /* lyc_activation */
    bool accumulate;                       /* dst += */
} lyc_onednn_spec;

/* A primitive with everything it needs; used by one thread at a time. */
typedef struct lyc_onednn_primitive lyc_onednn_primitive;

/* LYC_E_UNSUPPORTED when the library has nothing better than its reference implementation. */
lyc_status lyc_onednn_primitive_new(lyc_onednn_primitive **out, const lyc_onednn_spec *spec, lyc_error *err);
void lyc_onednn_primitive_free(lyc_onednn_primitive *p);

size_t lyc_onednn_workspace_bytes(const lyc_onednn_primitive *p);

/* The preferred layout of the weights: its size, and a text that tells it from others. */
size_t lyc_onednn_weights_bytes(const lyc_onednn_primitive *p);
void lyc_onednn_weights_key(char *key, size_t size, const lyc_onednn_primitive *p);

/* Brings dense weights (the strides of plain are set) into the preferred layout. */
lyc_status lyc_onednn_pack_weights(void *dst, const lyc_onednn_primitive *p, const lyc_onednn_tensor *plain,
                                   const void *src, lyc_error *err);

lyc_status lyc_onednn_run(lyc_onednn_primitive *p, const void *src, const void *weights, const void *bias, void *dst,
                          void *workspace, lyc_error *err);

/* "2.6.3" */
void lyc_onednn_version(char *text, size_t size);

#endif
