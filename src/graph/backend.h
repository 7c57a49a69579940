/* backend.h - what a backend provides: kernels, best first, and memory
 *
 * Compiling states each node as a problem (dtypes and shapes, which operands are frozen), asks the kernels of the
 * backend's sets in their order, and takes the first that accepts. The last set holds the reference kernels, which
 * accept everything. What can be done once is done then: `prepare` builds states, frozen operands are packed and shared
 * between plans. `run` allocates nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_BACKEND_H
#define LYC_GRAPH_BACKEND_H

#include "graph/op.h"

typedef struct lyc_operand {
    bool present;     /* false: an optional input that is absent */
    bool frozen;      /* the same bytes at every run */
    lyc_dtype dtype;  /* what `run` sees: F32, BF16, F64 or I32; a packed operand has the kernel's own format */
    lyc_dtype stored; /* of a frozen operand: what `pack` reads, any computable dtype */
    lyc_shape shape;
} lyc_operand;

typedef struct lyc_problem {
    const lyc_op *op;
    const void *attr;
    const char *layer;
    int n_inputs;
    int n_outputs;
    lyc_operand in[LYC_MAX_INPUTS];
    lyc_operand out[LYC_MAX_OUTPUTS];
} lyc_problem;

typedef struct lyc_call {
    const lyc_problem *problem;
    const void *const *in; /* NULL where absent; the packed form where the kernel packs */
    void *const *out;      /* out[0] may equal an input that op->in_place names */
    void *workspace;       /* aligned to 64 bytes */
    void *state;
    lyc_error *err;
} lyc_call;

typedef struct lyc_kernel {
    const char *name; /* "avx2.gemm", "onednn.conv2d", "reference.silu" */
    const lyc_op *op;

    /* NULL: accepts every problem of its operation. Must not depend on anything but the problem and the machine. */
    bool (*accepts)(const lyc_problem *p);

    /* Builds what run needs beyond the problem (a oneDNN primitive). The problem outlives the state. NULL: nothing. */
    lyc_status (*prepare)(void **state, const lyc_problem *p, lyc_error *err);
    void (*release)(void *state);

    /* Scratch bytes for a run with lyc_thread_count() threads, which is the same number then; NULL: none. */
    size_t (*workspace)(const lyc_problem *p, const void *state);

    /* Packing of frozen operands. `pack_bytes` says how large the packed form of an input is (0: taken as it is) and
     * writes the name of the format into key (text of at most LYC_PACK_KEY): plans share a packed weight when weight
     * and key agree, so everything the layout depends on must be in the key, and the layout should not depend on the
     * batch or image size. `pack` fills dst from the stored bytes. NULL: takes every operand as it is. */
    size_t (*pack_bytes)(char *key, const lyc_problem *p, const void *state, int input);
    lyc_status (*pack)(void *dst, const lyc_problem *p, const void *state, int input, const void *src, lyc_error *err);

    lyc_status (*run)(const lyc_call *call);
} lyc_kernel;

enum { LYC_PACK_KEY = 160 };

/* A NULL-terminated list of kernels, best first. */
typedef struct lyc_kernel_set {
    const char *name;
    const lyc_kernel *const *kernels;
} lyc_kernel_set;

typedef struct lyc_backend {
    const char *name;
    const lyc_kernel_set *const *sets; /* NULL-terminated, best first */

    /* Memory for arenas and packed weights, aligned to 64 bytes; NULL from alloc when there is none. */
    void *(*alloc)(size_t bytes);
    void (*release)(void *memory);
    lyc_status (*upload)(void *dst, const void *src, size_t bytes, lyc_error *err);
    lyc_status (*download)(void *dst, const void *src, size_t bytes, lyc_error *err);
} lyc_backend;

/* The first kernel of the backend that accepts p; NULL when none does. */
const lyc_kernel *lyc_backend_find(const lyc_backend *backend, const lyc_problem *p);

/* "conv2d bf16 x=2x64x64x320:bf16 weight=320x320x3x3:f16* ... stride=1x1": the line of bench, log and tests; an
 * asterisk marks frozen operands. */
void lyc_problem_print(struct lyc_strbuf *text, const lyc_problem *p);

double lyc_problem_flops(const lyc_problem *p);
double lyc_problem_bytes(const lyc_problem *p);

#endif
