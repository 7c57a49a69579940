/* mix.c - products across the middle axis, and their gradient by the factors
 *
 *     mix                    y[n,a,s] = sum over b of c[a,b] h[n,b,s]
 *     mix_backward_weights   d_c[a,b] = sum over n and s of d_y[n,a,s] h[n,b,s]
 *
 * h [n,b,s], y [n,a,s], c [a,b] or [b,a] with trans. A long s is cut into pieces of PIECE. Operands are brought into
 * f32 scratch; for the gradient h is turned there, [s,b], so that sums run along its rows. The gradient is summed in
 * chunks of samples, which depend on the shapes alone, and the chunks are added in their order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/mix.h"

#include "backend/cpu/kernels/product.h"

enum {
    PIECE = 256,  /* elements of s */
    CHUNKS = 16,  /* of the gradient, at most */
    SAMPLES = 16, /* in a chunk, at least */
};

typedef struct task {
    const lyc_call *call;
    int64_t n, a, b, s;
    int64_t pieces;
    int64_t width;   /* of a piece, whole vectors */
    int64_t c_size;  /* floats: the factors as applied, or a chunk's sums */
    int64_t columns; /* of the sums: b in whole vectors */
    int64_t chunk;   /* samples */
    int64_t chunks;
    int64_t first_size; /* of the two parts of a thread's scratch */
    int64_t second_size;
    float *c;
    float *scratch;
} task;

static task sizes(const lyc_problem *p, int64_t a)
{
    const int64_t *h = p->in[0].shape.dims;
    task t = {.n = h[0], .a = a, .b = h[1], .s = h[2]};
    t.pieces = lyc_ceil_div(t.s, PIECE);
    t.width = lyc_whole_vectors(lyc_min(t.s, PIECE));
    return t;
}

static float *scratch_of(const task *t, int thread)
{
    return t->scratch + thread * (t->first_size + t->second_size);
}

static size_t scratch_bytes(const task *t, int64_t shared)
{
    const int64_t floats = shared + (int64_t)lyc_thread_count() * (t->first_size + t->second_size);
    return (size_t)floats * sizeof(float);
}

static double nanoseconds(const task *t)
{
    return 0.05 * (double)(t->n * t->a) * (double)(t->b * t->s);
}

/* ---- mix ---- */

static task mix_task(const lyc_problem *p)
{
    task t = sizes(p, p->out[0].shape.dims[1]);
    t.c_size = lyc_whole_vectors(lyc_product_rows(t.a) * t.b + LYC_LANES);
    t.first_size = t.b * t.width;
    t.second_size = lyc_product_rows(t.a) * t.width;
    return t;
}

static size_t mix_workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = mix_task(p);
    return scratch_bytes(&t, t.c_size);
}

static void mix_pieces(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const lyc_problem *p = t->call->problem;
    float *h = scratch_of(t, thread);
    float *y = h + t->first_size;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t n = i / t->pieces;
        const int64_t begin = i % t->pieces * PIECE;
        const int64_t count = lyc_min(PIECE, t->s - begin);
        lyc_product_copy(h, t->width, t->call->in[0], p->in[0].dtype, n * t->b * t->s + begin, t->s, t->b, count);
        lyc_product_run(&(lyc_product){.c = y,
                                       .c_row = t->width,
                                       .a = t->c,
                                       .a_row = t->b,
                                       .a_step = 1,
                                       .b = h,
                                       .b_row = t->width,
                                       .rows = t->a,
                                       .columns = lyc_whole_vectors(count),
                                       .depth = t->b});
        lyc_product_store(t->call->out[0], p->out[0].dtype, n * t->a * t->s + begin, t->s, y, t->width, t->a, count);
    }
}

static lyc_status run_mix(const lyc_call *call)
{
    const lyc_problem *p = call->problem;
    task t = mix_task(p);
    t.call = call;
    t.c = call->workspace;
    t.scratch = t.c + t.c_size;
    const bool trans = ((const lyc_mix_attr *)p->attr)->trans;
    for (int64_t a = 0; a < t.a; a++) {
        for (int64_t b = 0; b < t.b; b++) {
            const int64_t at = trans ? b * t.a + a : a * t.b + b;
            t.c[a * t.b + b] = lyc_load_one(p->in[1].dtype, lyc_at(call->in[1], p->in[1].dtype, at));
        }
    }
    lyc_parallel_chunks(t.n * t.pieces, nanoseconds(&t), mix_pieces, &t);
    return LYC_OK;
}

/* ---- gradient by the factors ---- */

static task backward_task(const lyc_problem *p)
{
    task t = sizes(p, p->in[1].shape.dims[1]);
    t.columns = lyc_whole_vectors(t.b);
    t.c_size = lyc_product_rows(t.a) * t.columns;
    t.chunk = lyc_max(SAMPLES, lyc_ceil_div(t.n, CHUNKS));
    t.chunks = lyc_ceil_div(t.n, t.chunk);
    t.first_size = t.width * t.columns;
    t.second_size = lyc_product_rows(t.a) * t.width;
    return t;
}

static size_t backward_workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = backward_task(p);
    return scratch_bytes(&t, t.chunks * t.c_size);
}

/* sums += the products of one piece of one sample. */
static void add_piece(const task *t, float *sums, float *h, float *d_y, int64_t n, int64_t begin)
{
    const lyc_problem *p = t->call->problem;
    const int64_t count = lyc_min(PIECE, t->s - begin);
    lyc_product_turn(h, t->columns, t->call->in[0], p->in[0].dtype, n * t->b * t->s + begin, t->s, t->b, count);
    lyc_product_copy(d_y, t->width, t->call->in[1], p->in[1].dtype, n * t->a * t->s + begin, t->s, t->a, count);
    lyc_product_run(&(lyc_product){.c = sums,
                                   .c_row = t->columns,
                                   .a = d_y,
                                   .a_row = t->width,
                                   .a_step = 1,
                                   .b = h,
                                   .b_row = t->columns,
                                   .rows = t->a,
                                   .columns = t->columns,
                                   .depth = count,
                                   .add = true});
}

static void sum_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    float *h = scratch_of(t, thread);
    float *d_y = h + t->first_size;
    for (int64_t c = first; c < last; c++) {
        float *sums = t->c + c * t->c_size;
        memset(sums, 0, (size_t)t->c_size * sizeof *sums);
        for (int64_t n = c * t->chunk; n < lyc_min((c + 1) * t->chunk, t->n); n++) {
            for (int64_t begin = 0; begin < t->s; begin += PIECE) {
                add_piece(t, sums, h, d_y, n, begin);
            }
        }
    }
}

static lyc_status run_backward(const lyc_call *call)
{
    task t = backward_task(call->problem);
    t.call = call;
    t.c = call->workspace;
    t.scratch = t.c + t.chunks * t.c_size;
    lyc_parallel_chunks(t.chunks, nanoseconds(&t), sum_chunks, &t);
    lyc_product_add_up(t.c, t.c_size, t.chunks);
    lyc_product_store(call->out[0], call->problem->out[0].dtype, 0, t.b, t.c, t.columns, t.a, t.b);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_mix) = {.name = LYC_ISA_NAME ".mix",
                                                   .op = &lyc_op_mix,
                                                   .accepts = lyc_accepts_floats,
                                                   .workspace = mix_workspace,
                                                   .run = run_mix};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_mix_backward_weights) = {.name = LYC_ISA_NAME ".mix_backward_weights",
                                                                    .op = &lyc_op_mix_backward_weights,
                                                                    .accepts = lyc_accepts_floats,
                                                                    .workspace = backward_workspace,
                                                                    .run = run_backward};
