/* gemm.c - blocks and threads of the product engine
 *
 * A work item is a block of C: some rows times some panels. Its rows of A, its sums and one panel fit into the level 2
 * cache together. Where B is not packed beforehand and several blocks of rows need it, it is packed first, as many
 * panels at a time as fit into CHUNK_BYTES, so that scratch stays small for any B.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/gemm.h"

#include <assert.h>
#include <string.h>

#include "base/thread.h"

enum {
    TILES_HIGH = 16,           /* a block has at most this many of the tallest tiles: 96 rows (AVX2), 224 (AVX-512) */
    BLOCK_COLUMNS = 640,       /* and this many columns */
    ITEMS_PER_THREAD = 4,      /* so many items are wanted for an even load */
    CHUNK_BYTES = 8 << 20,     /* of B packed at a time */
    POINTERS = LYC_GEMM_K_DOT, /* room for pointers: rows of a block or elements of a stretch */
};

/* Below this many multiplications an item is not cut further: waking a thread costs some 5 microseconds. */
static const double item_products = 1e6;

/* How C is cut, and the parts of one thread's scratch. */
typedef struct gemm_blocks {
    int rows;           /* of a block */
    int panels;         /* of a block */
    int64_t row_blocks; /* of C */
    int64_t chunk;      /* panels of B packed at a time; 0: B is packed already, or panel by panel in the item */
    size_t rows_bytes, sums_bytes, panel_bytes, thread_bytes, chunk_bytes;
} gemm_blocks;

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int stretch_of(lyc_gemm_form form)
{
    return form == LYC_GEMM_DOT ? LYC_GEMM_K_DOT : LYC_GEMM_K_F32;
}

lyc_gemm_form lyc_gemm_choose_form(const lyc_gemm_isa *isa, lyc_dtype a, lyc_dtype b)
{
    if (isa->has_dot && (a == LYC_BF16 || b == LYC_BF16)) {
        return LYC_GEMM_DOT;
    }
    return b == LYC_BF16 ? LYC_GEMM_WIDEN : LYC_GEMM_F32;
}

/* Halves the extent of blocks, in units, until there are enough items or they become too small. */
static void cut_blocks(const lyc_gemm *g, int threads, int64_t *rows, int64_t *panels)
{
    const int64_t all_panels = lyc_gemm_panels(g->isa, g->n);
    const int columns = lyc_gemm_panel_columns(g->isa);
    const int64_t wanted = threads > 1 ? (int64_t)threads * ITEMS_PER_THREAD : 1;
    while (g->batch * div_up(g->m, *rows) * div_up(all_panels, *panels) < wanted) {
        if ((double)*rows * (double)*panels * columns * (double)g->k < 2 * item_products) {
            return;
        }
        /* Wide blocks bring rows of A once for many panels, high ones each panel for many rows. */
        if (*panels * columns > *rows && *panels > 1) {
            *panels = div_up(*panels, 2);
        } else if (*rows > g->isa->tile_rows) {
            *rows = div_up(div_up(*rows, 2), g->isa->tile_rows) * g->isa->tile_rows;
            if (*rows <= g->isa->tile_rows) {
                return;
            }
        } else {
            return;
        }
    }
}

static gemm_blocks choose_blocks(const lyc_gemm *g, int threads)
{
    const lyc_gemm_isa *isa = g->isa;
    const lyc_dtype dtype = lyc_gemm_panel_dtype(g->form);
    const int64_t all_panels = lyc_gemm_panels(isa, g->n);
    const int64_t rows_max = (int64_t)TILES_HIGH * isa->tile_rows;
    const int64_t panels_max = BLOCK_COLUMNS / lyc_gemm_panel_columns(isa);
    /* Equal blocks rather than full ones and a small rest. */
    int64_t rows = div_up(div_up(g->m, div_up(g->m, rows_max)), isa->tile_rows) * isa->tile_rows;
    int64_t panels = div_up(all_panels, div_up(all_panels, panels_max));
    cut_blocks(g, threads, &rows, &panels);
    gemm_blocks b = {.rows = (int)min_i64(rows, g->m), .panels = (int)panels};
    b.row_blocks = div_up(g->m, b.rows);
    b.rows_bytes = (size_t)b.rows * LYC_GEMM_ROW_BYTES;
    b.sums_bytes = (size_t)(b.rows * b.panels * lyc_gemm_panel_columns(isa)) * sizeof(float);
    b.panel_bytes = !g->prepacked ? lyc_gemm_panel_bytes(isa, dtype, 2, stretch_of(g->form)) : 0;
    b.thread_bytes =
        b.rows_bytes + b.sums_bytes + b.panel_bytes + POINTERS * sizeof(void *) + (size_t)rows_max * sizeof(int64_t);
    b.thread_bytes = (b.thread_bytes + 4095) / 4096 * 4096;
    if (!g->prepacked && b.row_blocks > 1) {
        const size_t bytes = lyc_gemm_panel_bytes(isa, dtype, 2, g->k);
        b.chunk = bytes == 0 ? all_panels : min_i64(all_panels, 1 + (int64_t)(CHUNK_BYTES / bytes));
        b.chunk_bytes = (size_t)b.chunk * bytes;
    }
    return b;
}

size_t lyc_gemm_workspace(const lyc_gemm *g, int threads)
{
    const gemm_blocks b = choose_blocks(g, threads);
    return (size_t)threads * b.thread_bytes + b.chunk_bytes;
}

/* One thread's scratch. */
typedef struct gemm_scratch {
    char *rows;
    float *sums;
    char *panel;
    const void **pointers;
    int64_t *row_at;
} gemm_scratch;

/* What the threads of one loop share. */
typedef struct gemm_loop {
    const lyc_gemm *g;
    gemm_blocks blocks;
    char *scratch;
    char *chunk;         /* packed panels [first_panel, first_panel + panels) of one batch */
    int64_t batch;       /* -1: items of all batches */
    int64_t first_panel; /* panels of this loop */
    int64_t panels;
    bool rows_inner; /* neighbouring items share panels rather than rows */
} gemm_loop;

static gemm_scratch scratch_of(const gemm_loop *loop, int thread)
{
    const gemm_blocks *b = &loop->blocks;
    char *at = loop->scratch + (size_t)thread * b->thread_bytes;
    gemm_scratch s = {.rows = at};
    s.sums = (float *)(void *)(at += b->rows_bytes);
    s.panel = at += b->sums_bytes;
    s.pointers = (const void **)(void *)(at += b->panel_bytes);
    s.row_at = (int64_t *)(void *)(at + POINTERS * sizeof(void *));
    return s;
}

/* Rows [i, i + rows) of A, elements [k, k + count). */
static void bring_rows(const lyc_gemm *g, const gemm_scratch *s, int64_t batch, int64_t i, int rows, int64_t k,
                       int count)
{
    const lyc_gemm_source *a = g->a;
    const lyc_dtype dtype = lyc_gemm_row_dtype(g->form);
    const int element_bytes = dtype == LYC_F32 ? 4 : 2;
    for (int done = 0; done < count;) {
        const int n = a->point(a, s->pointers, batch, i, rows, k + done, count - done);
        (a->by_k ? g->isa->rows_from_columns : g->isa->rows_from_rows)(s->rows + done * element_bytes, dtype,
                                                                       s->pointers, a->dtype, rows, n);
        done += n;
    }
    if (g->form != LYC_GEMM_F32 && count % 2 != 0) { /* the other half of the last pair */
        for (int r = 0; r < rows; r++) {
            memset(s->rows + r * LYC_GEMM_ROW_BYTES + count * element_bytes, 0, (size_t)element_bytes);
        }
    }
}

/* Packs elements [k, k + count) of one panel. */
static void bring_panel(const lyc_gemm *g, void *dst, const void **pointers, int64_t batch, int64_t panel, int64_t k,
                        int count)
{
    const lyc_gemm_source *b = g->b;
    const lyc_dtype dtype = lyc_gemm_panel_dtype(g->form);
    const int width = lyc_gemm_panel_columns(g->isa);
    const int vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel);
    const int columns = b->width != NULL ? b->width(b, panel * width) : (int)min_i64(width, g->n - panel * width);
    char *to = dst;
    for (int done = 0; done < count;) {
        const int n = b->point(b, pointers, batch, panel * width, columns, k + done, count - done);
        (b->by_k ? g->isa->panel_from_rows : g->isa->panel_from_columns)(to, dtype, vectors, pointers, b->dtype, n,
                                                                         columns);
        assert(dtype == LYC_F32 || n % 2 == 0 || done + n == count);
        to += lyc_gemm_panel_bytes(g->isa, dtype, vectors, n);
        done += n;
    }
}

/* The stretch of a panel: in packed memory, or packed now. */
static const void *find_panel(const gemm_loop *loop, const gemm_scratch *s, int64_t batch, int64_t panel, int64_t k,
                              int count)
{
    const lyc_gemm *g = loop->g;
    const lyc_dtype dtype = lyc_gemm_panel_dtype(g->form);
    const int vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel);
    const size_t along_k = lyc_gemm_panel_bytes(g->isa, dtype, vectors, k);
    const size_t whole = lyc_gemm_panel_bytes(g->isa, dtype, 2, g->k);
    if (g->prepacked) {
        const size_t of_batch = lyc_gemm_packed_bytes(g->isa, dtype, g->n, g->k);
        return (const char *)g->packed + (size_t)batch * of_batch + (size_t)panel * whole + along_k;
    }
    if (loop->chunk != NULL) {
        return loop->chunk + (size_t)(panel - loop->first_panel) * whole + along_k;
    }
    bring_panel(g, s->panel, s->pointers, batch, panel, k, count);
    return s->panel;
}

static void store_panel(const lyc_gemm *g, const gemm_scratch *s, const float *sums, int64_t batch, int rows,
                        int64_t panel)
{
    const int width = lyc_gemm_panel_columns(g->isa);
    const int vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel);
    const int columns = (int)min_i64(width, g->n - panel * width);
    const int64_t column = batch * g->c->batch_columns + panel * width;
    if (g->c->store != NULL) {
        g->c->store(g->c, sums, vectors * g->isa->lanes, rows, s->row_at, column, columns);
    } else {
        g->isa->finish(&g->c->finish, sums, vectors, rows, s->row_at, column, columns);
    }
}

/* Rows [row, row + rows) times panels [panel, panel + panels). */
static void run_block(const gemm_loop *loop, const gemm_scratch *s, int64_t batch, int64_t row, int rows, int64_t panel,
                      int panels)
{
    const lyc_gemm *g = loop->g;
    const int stretch = stretch_of(g->form);
    const int width = lyc_gemm_panel_columns(g->isa);
    g->c->place(g->c, s->row_at, batch, row, rows);
    int64_t k = 0;
    do {
        const int count = (int)min_i64(stretch, g->k - k);
        const bool last = k + count == g->k;
        bring_rows(g, s, batch, row, rows, k, count);
        const void *here = find_panel(loop, s, batch, panel, k, count);
        for (int p = 0; p < panels; p++) {
            const bool packed = g->prepacked || loop->chunk != NULL;
            const void *next = packed && p + 1 < panels ? find_panel(loop, s, batch, panel + p + 1, k, count) : NULL;
            const lyc_gemm_step step = {
                .form = g->form,
                .vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel + p),
                .rows = rows,
                .k = g->form == LYC_GEMM_F32 ? count : (count + 1) / 2 * 2,
                .first = k == 0,
                .sums = s->sums + (int64_t)p * rows * width,
                .a = s->rows,
                .b = here,
                .ahead = next,
            };
            g->isa->multiply(&step);
            if (last) {
                store_panel(g, s, step.sums, batch, rows, panel + p);
            }
            here = next != NULL || p + 1 == panels ? next : find_panel(loop, s, batch, panel + p + 1, k, count);
        }
        k += count;
    } while (k < g->k);
}

static void run_items(void *context, int64_t first, int64_t last, int thread)
{
    const gemm_loop *loop = context;
    const lyc_gemm *g = loop->g;
    const gemm_blocks *b = &loop->blocks;
    const gemm_scratch s = scratch_of(loop, thread);
    const int64_t column_blocks = div_up(loop->panels, b->panels);
    for (int64_t item = first; item < last; item++) {
        const int64_t of_batch = item % (b->row_blocks * column_blocks);
        const int64_t batch = loop->batch >= 0 ? loop->batch : item / (b->row_blocks * column_blocks);
        const int64_t i = loop->rows_inner ? of_batch % b->row_blocks : of_batch / column_blocks;
        const int64_t j = loop->rows_inner ? of_batch / b->row_blocks : of_batch % column_blocks;
        const int64_t row = i * b->rows;
        const int64_t panel = j * b->panels;
        run_block(loop, &s, batch, row, (int)min_i64(b->rows, g->m - row), loop->first_panel + panel,
                  (int)min_i64(b->panels, loop->panels - panel));
    }
}

/* Packs one panel, whole along k. */
static void pack_panel(char *dst, const lyc_gemm *g, int64_t batch, int64_t panel)
{
    const void *pointers[POINTERS];
    const lyc_dtype dtype = lyc_gemm_panel_dtype(g->form);
    const int vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel);
    for (int64_t k = 0; k < g->k; k += POINTERS) {
        bring_panel(g, dst + lyc_gemm_panel_bytes(g->isa, dtype, vectors, k), pointers, batch, panel, k,
                    (int)min_i64(POINTERS, g->k - k));
    }
}

/* Panels [first, last) of the chunk. */
static void pack_items(void *context, int64_t first, int64_t last, int thread)
{
    const gemm_loop *loop = context;
    (void)thread;
    const size_t bytes = lyc_gemm_panel_bytes(loop->g->isa, lyc_gemm_panel_dtype(loop->g->form), 2, loop->g->k);
    for (int64_t p = first; p < last; p++) {
        pack_panel(loop->chunk + (size_t)p * bytes, loop->g, loop->batch, loop->first_panel + p);
    }
}

/* Small loops stay on the calling thread. */
static void run_loop(int64_t count, double products, lyc_parallel_body body, gemm_loop *loop)
{
    if (count == 1 || products < 2 * item_products) {
        body(loop, 0, count, 0);
    } else {
        lyc_parallel_dynamic(count, 1, body, loop);
    }
}

static void run_panels(gemm_loop *loop)
{
    const lyc_gemm *g = loop->g;
    const int64_t batches = loop->batch >= 0 ? 1 : g->batch;
    const double columns = (double)loop->panels * lyc_gemm_panel_columns(g->isa);
    run_loop(batches * loop->blocks.row_blocks * div_up(loop->panels, loop->blocks.panels),
             (double)batches * (double)g->m * columns * (double)g->k, run_items, loop);
}

void lyc_gemm_run(const lyc_gemm *g, void *workspace)
{
    const int threads = lyc_thread_count();
    gemm_loop loop = {.g = g, .blocks = choose_blocks(g, threads), .scratch = workspace, .batch = -1};
    /* What is larger is read once; the other side comes again from the cache. */
    loop.rows_inner = g->n > g->m;
    loop.panels = lyc_gemm_panels(g->isa, g->n);
    if (loop.blocks.chunk == 0) {
        run_panels(&loop);
        return;
    }
    const int64_t all_panels = loop.panels;
    loop.chunk = loop.scratch + (size_t)threads * loop.blocks.thread_bytes;
    for (loop.batch = 0; loop.batch < g->batch; loop.batch++) {
        for (loop.first_panel = 0; loop.first_panel < all_panels; loop.first_panel += loop.blocks.chunk) {
            loop.panels = min_i64(loop.blocks.chunk, all_panels - loop.first_panel);
            /* Packing costs about as much as 16 products for each element. */
            run_loop(loop.panels, 16.0 * (double)loop.panels * lyc_gemm_panel_columns(g->isa) * (double)g->k,
                     pack_items, &loop);
            run_panels(&loop);
        }
    }
}

/* ---- dense matrices ---- */

static int point_matrix(const lyc_gemm_source *source, const void **to, int64_t batch, int64_t i, int n, int64_t k,
                        int count)
{
    const lyc_gemm_matrix *matrix = (const lyc_gemm_matrix *)source;
    const int64_t element_bytes = source->dtype == LYC_F32 ? 4 : 2;
    const int64_t outer = source->by_k ? k : i;
    const int64_t inner = source->by_k ? i : k;
    const int pointers = source->by_k ? count : n;
    const char *at =
        (const char *)matrix->base + (batch * matrix->batch_step + outer * matrix->step + inner) * element_bytes;
    for (int q = 0; q < pointers; q++) {
        to[q] = at;
        at += matrix->step * element_bytes;
    }
    return count;
}

lyc_gemm_matrix lyc_gemm_matrix_source(const void *base, lyc_dtype dtype, bool by_k, int64_t step, int64_t batch_step)
{
    return (lyc_gemm_matrix){.source = {.point = point_matrix, .dtype = dtype, .by_k = by_k}, base, step, batch_step};
}

static void place_matrix(const lyc_gemm_output *c, int64_t *row_at, int64_t batch, int64_t row, int rows)
{
    const lyc_gemm_matrix_output *matrix = (const lyc_gemm_matrix_output *)c;
    for (int r = 0; r < rows; r++) {
        row_at[r] = batch * matrix->batch_step + (row + r) * matrix->step;
    }
}

lyc_gemm_matrix_output lyc_gemm_matrix_target(const lyc_gemm_finish *finish, int64_t step, int64_t batch_step)
{
    return (lyc_gemm_matrix_output){.output = {.place = place_matrix, .finish = *finish}, step, batch_step};
}
