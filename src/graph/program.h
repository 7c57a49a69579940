/* program.h - a graph on its way to a plan: steps in order, and the slots they read and write
 *
 * lower.c makes a program from a graph, fuse.c merges steps, select.c gives each a kernel, schedule.c orders them,
 * recompute.c repeats some to save memory, liveness.c says which bytes are alive when, place.c gives them offsets.
 *
 * A slot is one stored result. Slots that share memory (views, results in place) form a buffer, named by its root slot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_PROGRAM_H
#define LYC_GRAPH_PROGRAM_H

#include "base/arena.h"
#include "graph/plan.h"

typedef enum lyc_slot_kind {
    LYC_SLOT_BOUND,  /* an input or a parameter: the caller's memory */
    LYC_SLOT_WEIGHT, /* frozen */
    LYC_SLOT_ARENA,
} lyc_slot_kind;

typedef struct lyc_step lyc_step;

typedef struct lyc_slot {
    int id;
    lyc_slot_kind kind;
    lyc_dtype dtype; /* of a weight: as stored */
    lyc_shape shape;
    size_t bytes;
    const lyc_value *value; /* of the graph: NULL for a recomputed copy that nobody asks for by value */
    const char *name;       /* of inputs, parameters and weights */
    lyc_value_kind value_kind;
    const void *weight_data;
    bool constant;      /* a weight that belongs to the plan */
    lyc_step *producer; /* of an arena slot */
    int output_index;
    int view_of; /* slot whose memory this is a part of, from view_offset bytes on; -1: none */
    size_t view_offset;
    bool kept;     /* an output of the graph */
    void *data;    /* where it lies; of a bound slot once bound */
    size_t offset; /* of an arena slot */
    int origin;    /* the slot that it repeats; itself when it is none */
    int next_copy; /* the next slot that repeats the same origin; -1 ends */

    /* by liveness.c, for the present order */
    int root;      /* the buffer it lies in */
    int first_use; /* first and last step that touches the slot itself */
    int last_use;
} lyc_slot;

struct lyc_step {
    int position;
    const lyc_op *op;
    const void *attr;
    const char *layer;
    bool backward;
    bool view;       /* nothing to run: output 0 lies in input 0 */
    bool recomputed; /* a copy of an earlier step */
    unsigned mark;   /* scratch of recompute.c */
    int n_inputs;
    int n_outputs;
    int in[LYC_MAX_INPUTS];   /* slots; -1: absent */
    int out[LYC_MAX_OUTPUTS]; /* slots; -1: nobody uses it */

    lyc_problem *problem; /* shared with copies */
    const lyc_kernel *kernel;
    void *state;
    size_t workspace_bytes;
    double seconds;                     /* a rough guess of what running it once more would cost */
    const void *packed[LYC_MAX_INPUTS]; /* the form of a frozen operand */

    size_t workspace_offset; /* in the arena */
    lyc_call call;
    const void *call_in[LYC_MAX_INPUTS];
    void *call_out[LYC_MAX_OUTPUTS];
};

/* The memory of a root slot over time. */
typedef struct lyc_buffer {
    int root;  /* slot; -1 for a workspace */
    int first; /* positions of the first and last step that need it */
    int last;
    size_t bytes;
    size_t offset;
} lyc_buffer;

typedef struct lyc_program {
    lyc_arena arena;
    lyc_slot **slots;
    int n_slots;
    int slots_capacity;
    lyc_step **steps; /* in order */
    int n_steps;
    int steps_capacity;
    lyc_precision precision;
    int *slot_of_value; /* by value id: the slot; -1 when there is none; n_values entries */
    int n_values;
} lyc_program;

/* lower.c: the steps that outputs need, in the order of building. */
lyc_status lyc_program_lower(lyc_program *p, const lyc_graph *g, lyc_precision precision, lyc_error *err);
void lyc_program_clear(lyc_program *p);

lyc_slot *lyc_program_add_slot(lyc_program *p);
/* A step at a position (0..n_steps); the later ones move on. NULL when there is no memory. */
lyc_step *lyc_program_insert_step(lyc_program *p, int position);
void lyc_program_remove_step(lyc_program *p, int position);
void lyc_program_move_step(lyc_program *p, int from, int to);

/* fuse.c: activations and additions into the products before them. */
lyc_status lyc_program_fuse(lyc_program *p, lyc_error *err);

/* select.c: problems, kernels, states, packed weights. Forms of constants go into a store of the plan's own, since
 * their addresses may be used again when the plan is gone. */
lyc_status lyc_program_select(lyc_program *p, const lyc_plan_options *options, lyc_weight_store *weights,
                              lyc_weight_store *own, lyc_error *err);

/* liveness.c: roots, uses, and the bytes alive at every step. */
typedef struct lyc_liveness {
    lyc_buffer *buffers; /* of roots, then workspaces */
    int n_buffers;
    size_t *alive; /* by position: bytes of all buffers that the step or a later one needs */
    int n_steps;
    int peak_step;
    size_t peak_bytes;
    int capacity_buffers;
    int capacity_steps;
} lyc_liveness;

lyc_status lyc_liveness_compute(lyc_liveness *l, lyc_program *p, lyc_error *err);
void lyc_liveness_clear(lyc_liveness *l);

/* schedule.c: another order when its peak is lower. */
lyc_status lyc_program_schedule(lyc_program *p, lyc_liveness *l, lyc_error *err);

/* recompute.c: repeats steps until at most `bytes` are alive at once; leaves the best it found when that is impossible.
 */
lyc_status lyc_program_recompute(lyc_program *p, lyc_liveness *l, size_t bytes, lyc_error *err);

/* place.c: offsets of all buffers; *arena_bytes is the end of the last. */
lyc_status lyc_buffers_place(size_t *arena_bytes, lyc_buffer *buffers, int count, lyc_error *err);

/* Bytes rounded up to the alignment of the arena. */
static inline size_t lyc_align_bytes(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

#endif
