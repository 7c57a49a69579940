/* sample_loss.c - the mean loss of each sample, and its gradient
 *
 * The kinds are those of graph/ops/sample_loss.h. A sample is cut into chunks of CHUNK elements, whose sums are added
 * in their order, in double. The mask is written out as f32 a chunk at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/sample_loss.h"

#include "backend/cpu/kernels/broadcast.h"
#include "backend/cpu/kernels/rows.h"

enum { X, TARGET, MASK, C, D_Y };

enum { CHUNK = 2048 };

typedef struct task {
    const lyc_call *call;
    lyc_loss_kind kind;
    int64_t samples;
    int64_t elements; /* of a sample */
    int64_t chunks;   /* of a sample */
    lyc_broadcast mask;
    bool masked;
} task;

static bool present(const lyc_problem *p, int input)
{
    return input < p->n_inputs && p->in[input].present;
}

static task task_of(const lyc_problem *p)
{
    const lyc_shape *x = &p->in[X].shape;
    task t = {.kind = (lyc_loss_kind)((const lyc_sample_loss_attr *)p->attr)->kind,
              .samples = x->dims[0],
              .elements = lyc_shape_product(x, 1, x->rank),
              .masked = present(p, MASK)};
    t.chunks = lyc_ceil_div(t.elements, CHUNK);
    if (t.masked) {
        lyc_broadcast_init(&t.mask, x, 1, (const lyc_shape *[]){&p->in[MASK].shape});
    }
    return t;
}

/* Elements [first, first + n) of the mask as it repeats. */
static void write_mask(const task *t, float *mask, int64_t first, int64_t n)
{
    const lyc_operand *o = &t->call->problem->in[MASK];
    lyc_walk w = lyc_walk_from(&t->mask, first);
    for (int64_t done = 0; done < n;) {
        const int64_t m = lyc_min(lyc_walk_left(&w), n - done);
        lyc_walk_expand(mask + done, &w, 0, t->call->in[MASK], o->dtype, m);
        lyc_walk_on(&w, m);
        done += m;
    }
}

/* The parameter of a sample; 0 when there is none. */
static lyc_vf parameter(const task *t, int64_t sample)
{
    const lyc_operand *c = &t->call->problem->in[C];
    return present(t->call->problem, C) ? lyc_vset(lyc_load_one(c->dtype, lyc_at(t->call->in[C], c->dtype, sample)))
                                        : lyc_vset(0.0f);
}

static lyc_vf loss(lyc_loss_kind kind, lyc_vf d, lyc_vf c)
{
    switch (kind) {
    case LYC_LOSS_L1:
        return lyc_vabs(d);
    case LYC_LOSS_HUBER:
    case LYC_LOSS_SMOOTH_L1: {
        /* root - c = d² / (root + c): without the cancellation where d is small beside c */
        const lyc_vf root = lyc_vsqrt(lyc_vfma(d, d, c * c));
        const lyc_vi small = (c > lyc_vset(0.0f)) & (lyc_vabs(d) <= c);
        const lyc_vf part = 2.0f * lyc_vselect(small, d * d / (root + c), root - c);
        return kind == LYC_LOSS_HUBER ? c * part : part;
    }
    case LYC_LOSS_SMOOTH_L1_BETA:
        return lyc_vselect(lyc_vabs(d) < c, d * d / (2.0f * c), lyc_vabs(d) - 0.5f * c);
    case LYC_LOSS_L2:
    case LYC_LOSS_COUNT:
        break;
    }
    return d * d;
}

/* 1, -1, 0, or NaN. */
static lyc_vf sign(lyc_vf d)
{
    const lyc_vf one = lyc_vset(1.0f);
    return lyc_vselect(d > lyc_vset(0.0f), one, lyc_vselect(d < lyc_vset(0.0f), -one, d));
}

static lyc_vf slope(lyc_loss_kind kind, lyc_vf d, lyc_vf c)
{
    switch (kind) {
    case LYC_LOSS_L1:
        return sign(d);
    case LYC_LOSS_HUBER:
    case LYC_LOSS_SMOOTH_L1: {
        const lyc_vf root = lyc_vsqrt(lyc_vfma(d, d, c * c));
        const lyc_vf part = lyc_vselect(root == lyc_vset(0.0f), lyc_vset(0.0f), 2.0f * d / root);
        return kind == LYC_LOSS_HUBER ? c * part : part;
    }
    case LYC_LOSS_SMOOTH_L1_BETA:
        return lyc_vselect(lyc_vabs(d) < c, d / c, sign(d));
    case LYC_LOSS_L2:
    case LYC_LOSS_COUNT:
        break;
    }
    return 2.0f * d;
}

/* What the loop over a chunk looks at: which elements, and their mask. */
typedef struct piece {
    const task *t;
    const float *mask;
    int64_t sample;
    int64_t first; /* in the whole array */
    int64_t n;
    lyc_vf c;
} piece;

static piece piece_of(const task *t, float *mask, int64_t chunk)
{
    piece p = {.t = t, .sample = chunk / t->chunks, .mask = mask};
    const int64_t begin = chunk % t->chunks * CHUNK;
    p.first = p.sample * t->elements + begin;
    p.n = lyc_min(CHUNK, t->elements - begin);
    p.c = parameter(t, p.sample);
    if (t->masked) {
        write_mask(t, mask, p.first, p.n);
    }
    return p;
}

/* f of the difference times the mask, for elements [i, i + m) of a piece. */
static lyc_vf value_of(const piece *p, lyc_vf (*f)(lyc_loss_kind kind, lyc_vf d, lyc_vf c), int64_t i, int m)
{
    const lyc_call *call = p->t->call;
    const lyc_operand *in = call->problem->in;
    const lyc_vf d = lyc_vload_some(in[X].dtype, call->in[X], p->first + i, m) -
                     lyc_vload_some(in[TARGET].dtype, call->in[TARGET], p->first + i, m);
    const lyc_vf v = f(p->t->kind, d, p->c);
    return p->t->masked ? v * lyc_vload_some(LYC_F32, p->mask, i, m) : v;
}

static void sum_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    float mask[CHUNK];
    (void)thread;
    for (int64_t chunk = first; chunk < last; chunk++) {
        const piece p = piece_of(t, mask, chunk);
        lyc_vf sum = {0};
        for (int64_t i = 0; i < p.n; i += LYC_LANES) {
            const int m = (int)lyc_min(LYC_LANES, p.n - i);
            sum += lyc_vselect(lyc_vmask_first(m), value_of(&p, loss, i, m), lyc_vset(0.0f));
        }
        ((double *)t->call->workspace)[chunk] = (double)lyc_vsum(sum);
    }
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = task_of(p);
    return (size_t)(t.samples * t.chunks) * sizeof(double);
}

static lyc_status run(const lyc_call *call)
{
    task t = task_of(call->problem);
    t.call = call;
    lyc_parallel_chunks(t.samples * t.chunks, (double)(t.samples * t.elements), sum_chunks, &t);
    for (int64_t n = 0; n < t.samples; n++) {
        double sum = 0.0;
        for (int64_t k = 0; k < t.chunks; k++) {
            sum += ((const double *)call->workspace)[n * t.chunks + k];
        }
        ((float *)call->out[0])[n] = (float)(sum / (double)t.elements);
    }
    return LYC_OK;
}

static void slope_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const lyc_problem *problem = t->call->problem;
    const lyc_dtype d_y_dtype = problem->in[D_Y].dtype;
    float mask[CHUNK];
    (void)thread;
    for (int64_t chunk = first; chunk < last; chunk++) {
        const piece p = piece_of(t, mask, chunk);
        const float d_y = lyc_load_one(d_y_dtype, lyc_at(t->call->in[D_Y], d_y_dtype, p.sample));
        const lyc_vf factor = lyc_vset(d_y / (float)t->elements);
        for (int64_t i = 0; i < p.n; i += LYC_LANES) {
            const int m = (int)lyc_min(LYC_LANES, p.n - i);
            lyc_vstore_some(problem->out[0].dtype, t->call->out[0], p.first + i, factor * value_of(&p, slope, i, m), m);
        }
    }
}

static lyc_status run_backward(const lyc_call *call)
{
    task t = task_of(call->problem);
    t.call = call;
    lyc_parallel_chunks(t.samples * t.chunks, (double)(t.samples * t.elements), slope_chunks, &t);
    return LYC_OK;
}

static bool accepts(const lyc_problem *p)
{
    return lyc_accepts_floats(p) && p->out[0].dtype == LYC_F32;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_sample_loss) = {.name = LYC_ISA_NAME ".sample_loss",
                                                           .op = &lyc_op_sample_loss,
                                                           .accepts = accepts,
                                                           .workspace = workspace,
                                                           .run = run};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_sample_loss_backward) = {.name = LYC_ISA_NAME ".sample_loss_backward",
                                                                    .op = &lyc_op_sample_loss_backward,
                                                                    .accepts = lyc_accepts_floats,
                                                                    .run = run_backward};
