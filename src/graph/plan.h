/* plan.h - a graph compiled: an order, kernels, and one arena
 *
 * Compiling fuses what kernels can do in one pass, orders the steps, recomputes what does not fit into the budget,
 * gives every value its place in the arena by lifetime, picks a kernel for each step and packs the frozen weights.
 * Running is then a walk over prepared kernels and allocates nothing. The graph may be freed after compiling; its
 * weights may not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_PLAN_H
#define LYC_GRAPH_PLAN_H

#include "graph/weights.h"

typedef enum lyc_precision {
    LYC_PRECISION_F32,  /* everything in f32 */
    LYC_PRECISION_BF16, /* activations stored in bf16, products of bf16 with f32 sums; LYC_FLOAT stays f32 */
    LYC_PRECISION_F64,  /* everything in f64, reference kernels: for checking gradients */
} lyc_precision;

/* One arena for plans that do not run at the same time (the shapes of one model): as large as the largest needs. */
typedef struct lyc_shared_arena {
    char *memory;
    size_t bytes;
} lyc_shared_arena;

void lyc_shared_arena_clear(lyc_shared_arena *arena, const lyc_backend *backend);

typedef struct lyc_plan_options {
    lyc_precision precision;
    const lyc_backend *backend;
    lyc_weight_store *weights;        /* shared forms of frozen weights; NULL: the plan has its own */
    lyc_shared_arena *arena;          /* NULL: the plan has its own; else results last until another plan of it runs */
    size_t budget_bytes;              /* bound of lyc_plan_memory.total; 0: none */
    size_t optimiser_bytes_per_param; /* state per trainable element that the caller keeps; counted and printed */
    /* Told how many bytes of stored weights have just been packed or converted: a mapped file that is read no more can
     * give its pages back before the next ones come in. Called by several threads at once. NULL: nobody asks. */
    void (*weights_read)(void *context, size_t bytes);
    void *weights_context;
    bool check_finite;   /* every run looks at every result (also LYCORIS_CHECK=finite) */
    bool reference_only; /* take the last kernel set alone */
} lyc_plan_options;

/* Bytes, by purpose. total = weights + params + gradients + optimiser + arena + inputs. */
typedef struct lyc_plan_memory {
    size_t weights; /* frozen: packed or converted forms; borrowed ones count in weights_borrowed */
    size_t weights_borrowed;
    size_t params;    /* trainable parameters (bound by the caller) */
    size_t gradients; /* of the parameters (in the arena, kept until the next run) */
    size_t optimiser;
    size_t inputs;      /* bound by the caller */
    size_t arena;       /* activations, gradients and workspace share it */
    size_t activations; /* most bytes of values alive at one moment: the least that an arena can be */
    size_t workspace;   /* largest scratch of one step */
    size_t total;
} lyc_plan_memory;

typedef struct lyc_plan lyc_plan;

/* Errors: the graph's first building error; an operation without a kernel; LYC_E_MEMORY for a budget that cannot be
 * kept, with the least that can. */
lyc_status lyc_plan_compile(lyc_plan **out, const lyc_graph *g, const lyc_plan_options *options, lyc_error *err);
void lyc_plan_free(lyc_plan *plan);

/* Binds an input or a parameter to the caller's memory (borrowed; dense, in the value's dtype, any alignment of its
 * element). LYC_E_SHAPE when size_bytes is not what the value has. */
lyc_status lyc_plan_bind(lyc_plan *plan, const lyc_value *v, void *data, size_t size_bytes, lyc_error *err);

/* The dtype and bytes that a value has in this plan. */
lyc_dtype lyc_plan_dtype(const lyc_plan *plan, const lyc_value *v);
size_t lyc_plan_bytes(const lyc_plan *plan, const lyc_value *v);

/* Every input and parameter must be bound. Divides the work for as many threads as there were at compiling (the bits of
 * some kernels depend on it) and runs on at most as many as there are now. Names layer and operation of a failing step.
 */
lyc_status lyc_plan_run(lyc_plan *plan, lyc_error *err);

/* The same; seconds of every step are added to seconds[lyc_plan_step_count]. */
lyc_status lyc_plan_run_timed(double *seconds, lyc_plan *plan, lyc_error *err);

/* Where an output (lyc_graph_output, or a parameter's gradient) lies after a run; valid until the next run. NULL when v
 * is not kept. */
const void *lyc_plan_data(const lyc_plan *plan, const lyc_value *v);

lyc_plan_memory lyc_plan_memory_get(const lyc_plan *plan);

/* Steps, and how many of them are recomputations. */
int lyc_plan_step_count(const lyc_plan *plan);
int lyc_plan_recomputed_count(const lyc_plan *plan);

/* Floating-point operations of one run, recomputation included. */
double lyc_plan_flops(const lyc_plan *plan);

/* Bytes that all steps of one run read and write, every operand once for each step. */
double lyc_plan_bytes_moved(const lyc_plan *plan);

/* The kernel of a step; "view" where nothing runs. */
const char *lyc_plan_kernel_name(const lyc_plan *plan, int step);

/* What a step computes; NULL where nothing runs. */
const lyc_problem *lyc_plan_problem(const lyc_plan *plan, int step);

/* The memory table in words; with steps, also a line for each: kernel, problem, place in the arena. */
struct lyc_strbuf;
void lyc_plan_print(struct lyc_strbuf *text, const lyc_plan *plan, bool steps);

#endif
