/* block_diag.c - rows times a block-diagonal matrix, and the gradient by the blocks
 *
 *     block_diag_matmul             y[..,k,j] = sum over i of x[..,k,i] r[k,i,j]     (r[k,j,i] with trans)
 *     block_diag_backward_weights   d_r[k,i,j] = sum over rows of x[..,k,i] d_y[..,k,j]     (i and j exchanged)
 *
 * x [rows,blocks*size]. A tile of rows is brought into f32 scratch, and each block is a product of register tiles. A
 * result is stored by whole vectors: what a block leaves behind its last column is overwritten by the next one. Blocks
 * smaller than a vector leave lanes idle; with so few operations for each element the memory is slower anyway.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/block_diag_matmul.h"

#include "backend/cpu/kernels/product.h"

enum {
    TILE_ELEMENTS = 16384, /* of x in a tile of rows */
    CHUNKS = 16,           /* of the gradient, at most */
    CHUNK_ROWS = 64,       /* in one, at least */
};

typedef struct task {
    const lyc_call *call;
    int64_t rows;
    int64_t blocks;
    int64_t size;
    int64_t channels;   /* blocks * size */
    int64_t columns;    /* size in whole vectors */
    int64_t tile;       /* rows */
    int64_t row;        /* floats from one row of the scratch to the next */
    int64_t tile_size;  /* floats of a tile */
    int64_t block_size; /* floats of a block of r or of its gradient */
    int64_t chunk;      /* rows */
    int64_t chunks;
    float *r; /* [blocks][size,columns], or sums [chunks][blocks][size,columns] */
    float *scratch;
} task;

static task task_of(const lyc_problem *p, int64_t blocks)
{
    const lyc_shape *x = &p->in[0].shape;
    task t = {.blocks = blocks, .channels = x->dims[x->rank - 1]};
    t.size = t.channels / blocks;
    t.rows = lyc_shape_elements(x) / t.channels;
    t.columns = lyc_whole_vectors(t.size);
    t.tile = lyc_min(t.rows, lyc_max(LYC_TILE_ROWS, TILE_ELEMENTS / t.channels / LYC_TILE_ROWS * LYC_TILE_ROWS));
    t.row = t.channels + t.columns; /* room behind the last block */
    t.tile_size = lyc_product_rows(t.tile) * t.row + LYC_TILE_ROWS * t.row;
    t.block_size = lyc_product_rows(t.size) * t.columns;
    t.chunk = lyc_max(CHUNK_ROWS, lyc_ceil_div(t.rows, CHUNKS));
    t.chunks = lyc_ceil_div(t.rows, t.chunk);
    return t;
}

/* Two tiles for each thread, after the blocks or sums. */
static size_t bytes_of(const task *t, int64_t shared)
{
    return (size_t)(shared + (int64_t)lyc_thread_count() * 2 * t->tile_size) * sizeof(float);
}

static double nanoseconds(const task *t)
{
    return 0.1 * (double)(t->rows * t->channels) * (double)t->columns;
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = task_of(p, p->in[1].shape.dims[0]);
    return bytes_of(&t, t.blocks * t.block_size);
}

static void bring_blocks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const lyc_operand *r = &t->call->problem->in[1];
    const bool trans = ((const lyc_block_diag_matmul_attr *)t->call->problem->attr)->trans;
    (void)thread;
    for (int64_t k = first; k < last; k++) {
        const int64_t at = k * t->size * t->size;
        float *to = t->r + k * t->block_size;
        if (trans) {
            lyc_product_turn(to, t->columns, t->call->in[1], r->dtype, at, t->size, t->size, t->size);
        } else {
            lyc_product_copy(to, t->columns, t->call->in[1], r->dtype, at, t->size, t->size, t->size);
        }
    }
}

static void multiply_tiles(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const lyc_problem *p = t->call->problem;
    float *x = t->scratch + thread * 2 * t->tile_size;
    float *y = x + t->tile_size;
    for (int64_t i = first; i < last; i++) {
        const int64_t at = i * t->tile * t->channels;
        const int64_t rows = lyc_min(t->tile, t->rows - i * t->tile);
        lyc_product_copy(x, t->row, t->call->in[0], p->in[0].dtype, at, t->channels, rows, t->channels);
        for (int64_t k = 0; k < t->blocks; k++) {
            lyc_product_run(&(lyc_product){.c = y + k * t->size,
                                           .c_row = t->row,
                                           .a = x + k * t->size,
                                           .a_row = t->row,
                                           .a_step = 1,
                                           .b = t->r + k * t->block_size,
                                           .b_row = t->columns,
                                           .rows = rows,
                                           .columns = t->columns,
                                           .depth = t->size});
        }
        lyc_product_store(t->call->out[0], p->out[0].dtype, at, t->channels, y, t->row, rows, t->channels);
    }
}

static lyc_status run(const lyc_call *call)
{
    task t = task_of(call->problem, call->problem->in[1].shape.dims[0]);
    t.call = call;
    t.r = call->workspace;
    t.scratch = t.r + t.blocks * t.block_size;
    lyc_parallel_chunks(t.blocks, (double)(t.blocks * t.block_size), bring_blocks, &t);
    lyc_parallel_chunks(lyc_ceil_div(t.rows, t.tile), nanoseconds(&t), multiply_tiles, &t);
    return LYC_OK;
}

/* ---- gradient by the blocks ---- */

static int64_t blocks_of(const lyc_problem *p)
{
    return ((const lyc_block_diag_backward_weights_attr *)p->attr)->blocks;
}

static size_t backward_workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = task_of(p, blocks_of(p));
    return bytes_of(&t, t.chunks * t.blocks * t.block_size);
}

/* sums += the products of rows [row, row + rows). Rows of the block come from `left`, columns from `right`: x and d_y,
 * the other way round with trans. */
static void add_tile(const task *t, float *sums, float *left, float *right, int64_t row, int64_t rows)
{
    const lyc_problem *p = t->call->problem;
    const int l = ((const lyc_block_diag_backward_weights_attr *)p->attr)->trans ? 1 : 0;
    const int64_t at = row * t->channels;
    lyc_product_copy(left, t->row, t->call->in[l], p->in[l].dtype, at, t->channels, rows, t->channels);
    lyc_product_copy(right, t->row, t->call->in[1 - l], p->in[1 - l].dtype, at, t->channels, rows, t->channels);
    for (int64_t k = 0; k < t->blocks; k++) {
        lyc_product_run(&(lyc_product){.c = sums + k * t->block_size,
                                       .c_row = t->columns,
                                       .a = left + k * t->size,
                                       .a_row = 1,
                                       .a_step = t->row,
                                       .b = right + k * t->size,
                                       .b_row = t->row,
                                       .rows = t->size,
                                       .columns = t->columns,
                                       .depth = rows,
                                       .add = true});
    }
}

static void sum_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    float *left = t->scratch + thread * 2 * t->tile_size;
    float *right = left + t->tile_size;
    for (int64_t c = first; c < last; c++) {
        float *sums = t->r + c * t->blocks * t->block_size;
        const int64_t end = lyc_min((c + 1) * t->chunk, t->rows);
        memset(sums, 0, (size_t)(t->blocks * t->block_size) * sizeof *sums);
        for (int64_t row = c * t->chunk; row < end; row += t->tile) {
            add_tile(t, sums, left, right, row, lyc_min(t->tile, end - row));
        }
    }
}

static lyc_status run_backward(const lyc_call *call)
{
    task t = task_of(call->problem, blocks_of(call->problem));
    t.call = call;
    t.r = call->workspace;
    t.scratch = t.r + t.chunks * t.blocks * t.block_size;
    lyc_parallel_chunks(t.chunks, nanoseconds(&t), sum_chunks, &t);
    lyc_product_add_up(t.r, t.blocks * t.block_size, t.chunks);
    for (int64_t k = 0; k < t.blocks; k++) {
        lyc_product_store(call->out[0], call->problem->out[0].dtype, k * t.size * t.size, t.size,
                          t.r + k * t.block_size, t.columns, t.size, t.size);
    }
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_block_diag_matmul) = {.name = LYC_ISA_NAME ".block_diag_matmul",
                                                                 .op = &lyc_op_block_diag_matmul,
                                                                 .accepts = lyc_accepts_floats,
                                                                 .workspace = workspace,
                                                                 .run = run};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_block_diag_backward_weights) = {.name = LYC_ISA_NAME
                                                                           ".block_diag_backward_weights",
                                                                           .op = &lyc_op_block_diag_backward_weights,
                                                                           .accepts = lyc_accepts_floats,
                                                                           .workspace = backward_workspace,
                                                                           .run = run_backward};
