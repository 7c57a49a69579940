/* elementwise.c - sums, differences, products and quotients, with operands that repeat
 *
 * Along the innermost merged axis (broadcast.h) an operand is dense or one value, and each row is one call of the loop.
 * Where that axis is shorter than ROW_MIN, operands are written out first, TILE elements at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/broadcast.h"
#include "backend/cpu/kernels/map.h"

enum { ROW_MIN = 32, TILE = 512 };

typedef struct task {
    lyc_map map;        /* the whole arrays */
    lyc_broadcast axes; /* of x and y */
    bool dense[2];      /* as large as the result */
} task;

/* The loop by what repeats. */
LYC_SIMD_INLINE void each(lyc_map_function f, const lyc_map *m, int64_t first, int64_t last)
{
    if (m->x_step == m->y_step) {
        lyc_map_steps(f, 2, 1, 1, m, first, last); /* both 0: a single element */
    } else if (m->x_step != 0) {
        lyc_map_steps(f, 2, 1, 0, m, first, last);
    } else {
        lyc_map_steps(f, 2, 0, 1, m, first, last);
    }
}

static lyc_vf add(lyc_map_point p)
{
    return p.x + p.y;
}

static void add_span(const lyc_map *m, int64_t first, int64_t last)
{
    each(add, m, first, last);
}

static lyc_vf subtract(lyc_map_point p)
{
    return p.x - p.y;
}

static void sub_span(const lyc_map *m, int64_t first, int64_t last)
{
    each(subtract, m, first, last);
}

static lyc_vf multiply(lyc_map_point p)
{
    return p.x * p.y;
}

static void mul_span(const lyc_map *m, int64_t first, int64_t last)
{
    each(multiply, m, first, last);
}

static lyc_vf divide(lyc_map_point p)
{
    return p.x / p.y;
}

static void div_span(const lyc_map *m, int64_t first, int64_t last)
{
    each(divide, m, first, last);
}

/* Elements [first, last) of the result, row by row. */
static void run_rows(const task *t, int64_t first, int64_t last)
{
    lyc_map m = t->map;
    lyc_walk w = lyc_walk_from(&t->axes, first);
    m.x_step = (int)t->axes.step[0][0];
    m.y_step = (int)t->axes.step[0][1];
    for (int64_t i = first; i < last;) {
        const int64_t n = lyc_min(lyc_walk_left(&w), last - i);
        m.out = lyc_at_mutable(t->map.out, m.out_dtype, i);
        m.x = lyc_at(t->map.x, m.x_dtype, w.at[0]);
        m.y = lyc_at(t->map.y, m.y_dtype, w.at[1]);
        lyc_map_elements(&m, 0, n);
        lyc_walk_on(&w, n);
        i += n;
    }
}

/* The same through written-out operands. */
static void run_tiles(const task *t, int64_t first, int64_t last)
{
    float x[TILE];
    float y[TILE];
    lyc_map m = t->map;
    lyc_walk w = lyc_walk_from(&t->axes, first);
    m.x_step = m.y_step = 1;
    m.x_dtype = t->dense[0] ? m.x_dtype : LYC_F32;
    m.y_dtype = t->dense[1] ? m.y_dtype : LYC_F32;
    for (int64_t i = first; i < last; i += TILE) {
        const int64_t count = lyc_min(TILE, last - i);
        for (int64_t done = 0; done < count;) {
            const int64_t n = lyc_min(lyc_walk_left(&w), count - done);
            if (!t->dense[0]) {
                lyc_walk_expand(x + done, &w, 0, t->map.x, t->map.x_dtype, n);
            }
            if (!t->dense[1]) {
                lyc_walk_expand(y + done, &w, 1, t->map.y, t->map.y_dtype, n);
            }
            lyc_walk_on(&w, n);
            done += n;
        }
        m.out = lyc_at_mutable(t->map.out, m.out_dtype, i);
        m.x = t->dense[0] ? lyc_at(t->map.x, m.x_dtype, i) : x;
        m.y = t->dense[1] ? lyc_at(t->map.y, m.y_dtype, i) : y;
        lyc_map_elements(&m, 0, count);
    }
}

static void chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    first *= LYC_MAP_CHUNK;
    last = lyc_min(last * LYC_MAP_CHUNK, t->map.count);
    if (t->axes.rank == 1 || t->axes.extent[0] >= ROW_MIN) {
        run_rows(t, first, last);
    } else {
        run_tiles(t, first, last);
    }
    lyc_vstream_end();
}

static const lyc_map_entry entries[] = {
    {&lyc_op_add, add_span, 200},
    {&lyc_op_sub, sub_span, 200},
    {&lyc_op_mul, mul_span, 200},
    {&lyc_op_div, div_span, 300},
    {0},
};

static lyc_status prepare(void **state, const lyc_problem *p, lyc_error *err)
{
    (void)err;
    *state = lyc_map_find(entries, p->op);
    return LYC_OK;
}

static lyc_status run(const lyc_call *call)
{
    const lyc_map_entry *entry = call->state;
    const lyc_problem *p = call->problem;
    task t = {.map = lyc_map_of(call, entry)};
    lyc_broadcast_init(&t.axes, &p->out[0].shape, 2, (const lyc_shape *[]){&p->in[0].shape, &p->in[1].shape});
    for (int k = 0; k < 2; k++) {
        t.dense[k] = lyc_shape_elements(&p->in[k].shape) == t.map.count;
    }
    lyc_parallel_chunks(lyc_ceil_div(t.map.count, LYC_MAP_CHUNK), 1e-3 * entry->picoseconds * (double)t.map.count,
                        chunks, &t);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_add) = LYC_MAP_KERNEL(add);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_sub) = LYC_MAP_KERNEL(sub);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_mul) = LYC_MAP_KERNEL(mul);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_div) = LYC_MAP_KERNEL(div);
