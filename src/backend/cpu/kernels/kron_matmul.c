/* kron_matmul.c - y = residual + alpha (c (x) d) x, by two small products around a tile of rows
 *
 * A row x [ui*vi] is X [ui,vi], and Y = C X DT [uo,vo], C and D as applied (turned with trans). Tiles of rows stay in
 * the second-level cache between the two products; the order is the cheaper one:
 *
 *     d first    H [rows*ui,vo] = X [rows*ui,vi] DT       then for each row  Y [uo,vo] = C H [ui,vo]
 *     c first    for each row  Z [uo,vi] = C X [ui,vi]    then  Y [rows*uo,vo] = Z [rows*uo,vi] DT
 *
 * Both factors are brought into f32 once a run, in order and filled up to whole vectors; everything in between is f32.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/kron_matmul.h"

#include "backend/cpu/kernels/product.h"

enum { X, C, D, RESIDUAL };

enum { TILE_ELEMENTS = 16384 }; /* of x or y, whichever is longer, in a tile of rows */

typedef struct task {
    const lyc_call *call;
    lyc_kron_extents e;
    bool d_first;
    int64_t rows;
    int64_t tile; /* rows in one */
    int64_t v_in; /* filled up to whole vectors */
    int64_t v_out;
    int64_t x_size; /* floats of the scratch of a thread: X, between, Y */
    int64_t between_size;
    int64_t y_size;
    float *c;  /* [uo,ui] */
    float *dt; /* [vi,v_out] */
    float *scratch;
} task;

static task task_of(const lyc_problem *p)
{
    const lyc_kron_matmul_attr *attr = p->attr;
    const int64_t *c = p->in[C].shape.dims;
    const int64_t *d = p->in[D].shape.dims;
    const int out = attr->trans ? 1 : 0;
    task t = {.e = {.u_in = c[1 - out], .v_in = d[1 - out], .u_out = c[out], .v_out = d[out]}};
    const lyc_kron_extents *e = &t.e;
    t.d_first = lyc_kron_d_first(e);
    t.rows = lyc_shape_elements(&p->in[X].shape) / (e->u_in * e->v_in);
    t.tile = lyc_max(1, TILE_ELEMENTS / lyc_max(e->u_in * e->v_in, e->u_out * e->v_out));
    t.v_in = lyc_whole_vectors(e->v_in);
    t.v_out = lyc_whole_vectors(e->v_out);
    t.x_size = lyc_product_rows(t.tile * e->u_in) * t.v_in;
    t.between_size = t.d_first ? lyc_product_rows(t.tile * e->u_in) * t.v_out
                               : lyc_product_rows(t.tile * e->u_out + LYC_TILE_ROWS) * t.v_in;
    t.y_size = lyc_product_rows(t.tile * e->u_out + LYC_TILE_ROWS) * t.v_out;
    return t;
}

static int64_t c_size(const task *t)
{
    return lyc_whole_vectors(lyc_product_rows(t->e.u_out) * t->e.u_in + LYC_LANES);
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = task_of(p);
    const int64_t floats =
        c_size(&t) + t.e.v_in * t.v_out + (int64_t)lyc_thread_count() * (t.x_size + t.between_size + t.y_size);
    return (size_t)floats * sizeof(float);
}

/* C and DT as applied. */
static void bring_factors(task *t)
{
    const lyc_problem *p = t->call->problem;
    const lyc_kron_matmul_attr *attr = p->attr;
    const lyc_kron_extents *e = &t->e;
    for (int64_t a = 0; a < e->u_out; a++) {
        for (int64_t b = 0; b < e->u_in; b++) {
            const int64_t at = attr->trans ? b * e->u_out + a : a * e->u_in + b;
            t->c[a * e->u_in + b] =
                attr->alpha * lyc_load_one(p->in[C].dtype, lyc_at(t->call->in[C], p->in[C].dtype, at));
        }
    }
    if (attr->trans) { /* d is [vi,vo] already */
        lyc_product_copy(t->dt, t->v_out, t->call->in[D], p->in[D].dtype, 0, e->v_out, e->v_in, e->v_out);
    } else {
        lyc_product_turn(t->dt, t->v_out, t->call->in[D], p->in[D].dtype, 0, e->v_in, e->v_out, e->v_in);
    }
}

/* Rows [first, first + rows) of y from what is in the buffer [rows*uo,v_out]. */
static void store_rows(const task *t, const float *y, int64_t first, int64_t rows)
{
    const lyc_problem *p = t->call->problem;
    const bool residual = p->n_inputs > RESIDUAL && p->in[RESIDUAL].present;
    const lyc_product_target target = {.dst = t->call->out[0],
                                       .dtype = p->out[0].dtype,
                                       .residual = residual ? t->call->in[RESIDUAL] : NULL,
                                       .residual_dtype = residual ? p->in[RESIDUAL].dtype : LYC_F32,
                                       .first = first * t->e.u_out * t->e.v_out,
                                       .row = t->e.v_out};
    lyc_product_finish(&target, y, t->v_out, rows * t->e.u_out, t->e.v_out);
}

/* C times each row of `from` [rows][ui,row_length], into `to` [rows][uo,row_length]. A product leaves rubbish behind
 * its last row, where the next one begins. */
static void apply_c(const task *t, float *to, const float *from, int64_t rows, int64_t row_length)
{
    for (int64_t r = 0; r < rows; r++) {
        lyc_product_run(&(lyc_product){.c = to + r * t->e.u_out * row_length,
                                       .c_row = row_length,
                                       .a = t->c,
                                       .a_row = t->e.u_in,
                                       .a_step = 1,
                                       .b = from + r * t->e.u_in * row_length,
                                       .b_row = row_length,
                                       .rows = t->e.u_out,
                                       .columns = row_length,
                                       .depth = t->e.u_in});
    }
}

/* `to` [rows,v_out] = `from` [rows,vi] DT, rows of `from` from_row apart. */
static void apply_d(const task *t, float *to, const float *from, int64_t from_row, int64_t rows)
{
    lyc_product_run(&(lyc_product){.c = to,
                                   .c_row = t->v_out,
                                   .a = from,
                                   .a_row = from_row,
                                   .a_step = 1,
                                   .b = t->dt,
                                   .b_row = t->v_out,
                                   .rows = rows,
                                   .columns = t->v_out,
                                   .depth = t->e.v_in});
}

/* The rows of x as f32, where the products may read them: [rows*ui] rows `row` apart, filled up to whole vectors for C.
 * As they are when nothing is read past their end: for D, whole tiles of rows are read, one number at a time. */
static const float *bring_x(const task *t, float *buffer, int64_t *row, int64_t first, int64_t rows)
{
    const lyc_kron_extents *e = &t->e;
    const lyc_dtype dtype = t->call->problem->in[X].dtype;
    const int64_t at = first * e->u_in * e->v_in;
    const bool enough = t->d_first ? first + rows + LYC_TILE_ROWS <= t->rows : t->v_in == e->v_in;
    *row = t->d_first ? e->v_in : t->v_in;
    if (dtype == LYC_F32 && enough) {
        return (const float *)t->call->in[X] + at;
    }
    if (t->d_first) {
        lyc_product_copy(buffer, 0, t->call->in[X], dtype, at, 0, 1, rows * e->u_in * e->v_in);
    } else {
        lyc_product_copy(buffer, t->v_in, t->call->in[X], dtype, at, e->v_in, rows * e->u_in, e->v_in);
    }
    return buffer;
}

static void tiles(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const lyc_kron_extents *e = &t->e;
    float *buffer = t->scratch + thread * (t->x_size + t->between_size + t->y_size);
    float *between = buffer + t->x_size;
    float *y = between + t->between_size;
    for (int64_t i = first; i < last; i++) {
        const int64_t rows = lyc_min(t->tile, t->rows - i * t->tile);
        int64_t x_row;
        const float *x = bring_x(t, buffer, &x_row, i * t->tile, rows);
        if (t->d_first) {
            apply_d(t, between, x, x_row, rows * e->u_in);
            apply_c(t, y, between, rows, t->v_out);
        } else {
            apply_c(t, between, x, rows, t->v_in);
            apply_d(t, y, between, t->v_in, rows * e->u_out);
        }
        store_rows(t, y, i * t->tile, rows);
    }
}

static lyc_status run(const lyc_call *call)
{
    task t = task_of(call->problem);
    t.call = call;
    t.c = call->workspace;
    t.dt = t.c + c_size(&t);
    t.scratch = t.dt + t.e.v_in * t.v_out;
    bring_factors(&t);
    const double per_row = (double)(t.e.u_in * t.e.v_out) * (double)(t.e.v_in + t.e.u_out);
    lyc_parallel_chunks(lyc_ceil_div(t.rows, t.tile), 0.05 * per_row * (double)t.rows, tiles, &t);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_kron_matmul) = {.name = LYC_ISA_NAME ".kron_matmul",
                                                           .op = &lyc_op_kron_matmul,
                                                           .accepts = lyc_accepts_floats,
                                                           .workspace = workspace,
                                                           .run = run};
