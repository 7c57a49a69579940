/* gemm.c - runs products: threads over work items, in each item stretches of k, in each stretch panels
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/gemm.h"

#include <assert.h>
#include <string.h>

#include "backend/cpu/gemm_blocks.h"
#include "base/thread.h"

enum { PACK_PANELS = 8 }; /* packed by one item */

lyc_gemm_form lyc_gemm_choose_form(const lyc_gemm_isa *isa, lyc_dtype a, lyc_dtype b)
{
    if (isa->has_dot && a == LYC_BF16) {
        return LYC_GEMM_DOT;
    }
    return b == LYC_BF16 ? LYC_GEMM_WIDEN : LYC_GEMM_F32;
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
    lyc_gemm_blocks blocks;
    char *scratch;
    char *chunk;         /* packed panels of B; NULL: none */
    char *shared_rows;   /* all rows of A, stretch by stretch; NULL: items bring theirs */
    int64_t batch;       /* -1: items of all batches */
    int64_t first_panel; /* panels of this loop */
    int64_t panels;
    bool rows_inner; /* neighbouring items share panels rather than rows */
} gemm_loop;

/* A part of C. */
typedef struct gemm_item {
    int64_t batch;
    int64_t row;
    int rows;
    int64_t panel;
    int panels;
} gemm_item;

static gemm_scratch scratch_of(const gemm_loop *loop, int thread)
{
    const lyc_gemm_blocks *b = &loop->blocks;
    char *at = loop->scratch + (size_t)thread * b->thread_bytes;
    gemm_scratch s = {.rows = at};
    s.sums = (float *)(void *)(at += b->rows_bytes);
    s.panel = at += b->sums_bytes;
    s.pointers = (const void **)(void *)(at += b->panel_bytes);
    s.row_at = (int64_t *)(void *)(at + LYC_GEMM_POINTERS * sizeof(void *));
    return s;
}

/* ---- operands ---- */

/* Rows [i, i + rows) of A, elements [k, k + count). */
static void bring_rows(char *dst, const lyc_gemm *g, const void **pointers, int64_t batch, int64_t i, int rows,
                       int64_t k, int count)
{
    const lyc_gemm_source *a = g->a;
    const lyc_dtype dtype = lyc_gemm_row_dtype(g->form);
    const int element_bytes = dtype == LYC_F32 ? 4 : 2;
    for (int done = 0; done < count;) {
        const int n = a->point(a, pointers, batch, i, rows, k + done, count - done);
        (a->by_k ? g->isa->rows_from_columns : g->isa->rows_from_rows)(dst + done * element_bytes, dtype, pointers,
                                                                       a->dtype, rows, n);
        done += n;
    }
    if (g->form != LYC_GEMM_F32 && count % 2 != 0) { /* the other half of the last pair */
        for (int r = 0; r < rows; r++) {
            memset(dst + (int64_t)r * LYC_GEMM_ROW_BYTES + count * element_bytes, 0, (size_t)element_bytes);
        }
    }
}

/* Packs elements [k, k + count) of one panel. */
static void bring_panel(char *dst, const lyc_gemm *g, const void **pointers, int64_t batch, int64_t panel, int64_t k,
                        int count)
{
    const lyc_gemm_source *b = g->b;
    const lyc_dtype dtype = lyc_gemm_panel_dtype(g->form);
    const int width = lyc_gemm_panel_columns(g->isa);
    const int vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel);
    const int columns = b->width != NULL ? b->width(b, panel * width) : (int)lyc_min_i64(width, g->n - panel * width);
    for (int done = 0; done < count;) {
        const int n = b->point(b, pointers, batch, panel * width, columns, k + done, count - done);
        (b->by_k ? g->isa->panel_from_rows : g->isa->panel_from_columns)(dst, dtype, vectors, pointers, b->dtype, n,
                                                                         columns);
        assert(dtype == LYC_F32 || n % 2 == 0 || done + n == count);
        dst += lyc_gemm_panel_bytes(g->isa, dtype, vectors, n);
        done += n;
    }
}

/* Where the stretch of a panel is: in packed memory, or packed now. */
static const char *find_panel(const gemm_loop *loop, const gemm_scratch *s, int64_t batch, int64_t panel, int64_t k,
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
    bring_panel(s->panel, g, s->pointers, batch, panel, k, count);
    return s->panel;
}

/* ---- one item ---- */

static void store_panel(const lyc_gemm *g, const gemm_scratch *s, const float *sums, int64_t batch, int rows,
                        int64_t panel)
{
    const int width = lyc_gemm_panel_columns(g->isa);
    const int vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel);
    const int columns = (int)lyc_min_i64(width, g->n - panel * width);
    const int64_t column = batch * g->c->batch_columns + panel * width;
    if (g->c->store != NULL) {
        g->c->store(g->c, sums, vectors * g->isa->lanes, rows, s->row_at, column, columns);
    } else {
        g->isa->finish(&g->c->finish, sums, vectors, rows, s->row_at, column, columns);
    }
}

/* The first column of a panel in C; NULL when the output stores in a way of its own. */
static const char *column_address(const lyc_gemm *g, int64_t batch, int64_t panel)
{
    const int64_t column = batch * g->c->batch_columns + panel * lyc_gemm_panel_columns(g->isa);
    return g->c->store != NULL ? NULL
                               : (const char *)g->c->finish.out + column * (g->c->finish.out_dtype == LYC_F32 ? 4 : 2);
}

/* Where the item's rows are along a stretch: shared by all, or brought now. */
static const char *find_rows(const gemm_loop *loop, const gemm_scratch *s, const gemm_item *item, int64_t k, int count)
{
    const lyc_gemm *g = loop->g;
    if (loop->shared_rows != NULL) {
        return loop->shared_rows + (k / lyc_gemm_stretch(g->form) * g->m + item->row) * LYC_GEMM_ROW_BYTES;
    }
    bring_rows(s->rows, g, s->pointers, item->batch, item->row, item->rows, k, count);
    return s->rows;
}

/* All panels of an item along one stretch of k. */
static void run_stretch(const gemm_loop *loop, const gemm_scratch *s, const gemm_item *item, int64_t k, int count)
{
    const lyc_gemm *g = loop->g;
    const bool last = k + count == g->k;
    const bool packed = g->prepacked || loop->chunk != NULL;
    lyc_gemm_step step = {
        .form = g->form,
        .rows = item->rows,
        .k = g->form == LYC_GEMM_F32 ? count : (count + 1) / 2 * 2,
        .first = k == 0,
        .a = find_rows(loop, s, item, k, count),
        .row_at = s->row_at,
        .out_bytes = g->c->finish.out_dtype == LYC_F32 ? 4 : 2,
    };
    for (int p = 0; p < item->panels; p++) {
        const int64_t panel = item->panel + p;
        step.vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel);
        step.sums = s->sums + (int64_t)p * item->rows * lyc_gemm_panel_columns(g->isa);
        step.b = find_panel(loop, s, item->batch, panel, k, count);
        step.ahead = packed && p + 1 < item->panels ? find_panel(loop, s, item->batch, panel + 1, k, count) : NULL;
        step.out = last ? column_address(g, item->batch, panel) : NULL;
        g->isa->multiply(&step);
        if (last && g->c->panel_group == 0) {
            store_panel(g, s, step.sums, item->batch, item->rows, panel);
        }
    }
}

static void run_item(const gemm_loop *loop, const gemm_scratch *s, const gemm_item *item)
{
    const lyc_gemm *g = loop->g;
    g->c->place(g->c, s->row_at, item->batch, item->row, item->rows);
    int64_t k = 0;
    do { /* once for a sum of nothing */
        const int count = (int)lyc_min_i64(lyc_gemm_stretch(g->form), g->k - k);
        run_stretch(loop, s, item, k, count);
        k += count;
    } while (k < g->k);
    for (int p = 0; p < item->panels && g->c->panel_group != 0; p++) {
        const float *sums = s->sums + (int64_t)p * item->rows * lyc_gemm_panel_columns(g->isa);
        store_panel(g, s, sums, item->batch, item->rows, item->panel + p);
    }
}

/* ---- loops over items ---- */

static void run_items(void *context, int64_t first, int64_t last, int thread)
{
    const gemm_loop *loop = context;
    const lyc_gemm_blocks *b = &loop->blocks;
    const gemm_scratch s = scratch_of(loop, thread);
    const int64_t column_blocks = lyc_div_up(loop->panels, b->panels);
    for (int64_t index = first; index < last; index++) {
        const int64_t of_batch = index % (b->row_blocks * column_blocks);
        const int64_t i = loop->rows_inner ? of_batch % b->row_blocks : of_batch / column_blocks;
        const int64_t j = loop->rows_inner ? of_batch / b->row_blocks : of_batch % column_blocks;
        const gemm_item item = {
            .batch = loop->batch >= 0 ? loop->batch : index / (b->row_blocks * column_blocks),
            .row = i * b->rows,
            .rows = (int)lyc_min_i64(b->rows, loop->g->m - i * b->rows),
            .panel = loop->first_panel + j * b->panels,
            .panels = (int)lyc_min_i64(b->panels, loop->panels - j * b->panels),
        };
        run_item(loop, &s, &item);
    }
}

/* Small loops stay on the calling thread. */
static void run_loop(int64_t count, double products, lyc_parallel_body body, gemm_loop *loop)
{
    if (count == 1 || products < 2 * lyc_gemm_item_products) {
        body(loop, 0, count, 0);
    } else {
        lyc_parallel_dynamic(count, 1, body, loop);
    }
}

/* Items of packing: some neighbouring panels along one stretch, since where k is the outer index of B in memory, the
 * panels' parts of a row are neighbours too. */
static void pack_items(void *context, int64_t first, int64_t last, int thread)
{
    const gemm_loop *loop = context;
    const lyc_gemm *g = loop->g;
    const gemm_scratch s = scratch_of(loop, thread);
    const lyc_dtype dtype = lyc_gemm_panel_dtype(g->form);
    const size_t whole = lyc_gemm_panel_bytes(g->isa, dtype, 2, g->k);
    const int64_t groups = lyc_div_up(loop->panels, PACK_PANELS);
    for (int64_t item = first; item < last; item++) {
        const int64_t k = item / groups * LYC_GEMM_POINTERS;
        const int64_t from = item % groups * PACK_PANELS;
        for (int64_t p = from; p < lyc_min_i64(from + PACK_PANELS, loop->panels); p++) {
            const int64_t panel = loop->first_panel + p;
            const int vectors = lyc_gemm_panel_vectors(g->isa, g->n, panel);
            char *dst = loop->chunk + (size_t)p * whole + lyc_gemm_panel_bytes(g->isa, dtype, vectors, k);
            bring_panel(dst, g, s.pointers, loop->batch, panel, k, (int)lyc_min_i64(LYC_GEMM_POINTERS, g->k - k));
        }
    }
}

/* Items of bringing rows: some of them along one stretch. */
static void share_items(void *context, int64_t first, int64_t last, int thread)
{
    const gemm_loop *loop = context;
    const lyc_gemm *g = loop->g;
    const gemm_scratch s = scratch_of(loop, thread);
    const int stretch = lyc_gemm_stretch(g->form);
    const int rows = loop->blocks.rows;
    const int64_t groups = loop->blocks.row_blocks;
    for (int64_t item = first; item < last; item++) {
        const int64_t k = item / groups * stretch;
        const int64_t row = item % groups * rows;
        char *dst = loop->shared_rows + (k / stretch * g->m + row) * LYC_GEMM_ROW_BYTES;
        bring_rows(dst, g, s.pointers, loop->batch, row, (int)lyc_min_i64(rows, g->m - row), k,
                   (int)lyc_min_i64(stretch, g->k - k));
    }
}

static void run_panels(gemm_loop *loop)
{
    const lyc_gemm *g = loop->g;
    const int64_t batches = loop->batch >= 0 ? 1 : g->batch;
    const double columns = (double)loop->panels * lyc_gemm_panel_columns(g->isa);
    run_loop(batches * loop->blocks.row_blocks * lyc_div_up(loop->panels, loop->blocks.panels),
             (double)batches * (double)g->m * columns * (double)g->k, run_items, loop);
}

/* Bringing an element costs about as much as this many products. */
static const double bring_cost = 16.0;

static void run_packing(gemm_loop *loop)
{
    const lyc_gemm *g = loop->g;
    const int64_t all_panels = loop->panels;
    if (loop->shared_rows != NULL) {
        run_loop(lyc_div_up(g->k, lyc_gemm_stretch(g->form)) * loop->blocks.row_blocks,
                 bring_cost * (double)g->m * (double)g->k, share_items, loop);
    }
    for (loop->first_panel = 0; loop->first_panel < all_panels; loop->first_panel += loop->blocks.chunk) {
        loop->panels = lyc_min_i64(loop->blocks.chunk, all_panels - loop->first_panel);
        const double elements = (double)loop->panels * lyc_gemm_panel_columns(g->isa) * (double)g->k;
        run_loop(lyc_div_up(loop->panels, PACK_PANELS) * lyc_div_up(g->k, LYC_GEMM_POINTERS), bring_cost * elements,
                 pack_items, loop);
        run_panels(loop);
    }
}

void lyc_gemm_run(const lyc_gemm *g, void *workspace)
{
    const int threads = lyc_thread_count();
    gemm_loop loop = {.g = g, .blocks = lyc_gemm_blocks_choose(g, threads), .scratch = workspace};
    loop.panels = lyc_gemm_panels(g->isa, g->n);
    /* What is larger is read once; the other side comes again from the cache. */
    loop.rows_inner = g->n > g->m;
    if (loop.blocks.chunk == 0) {
        loop.batch = -1;
        run_panels(&loop);
        return;
    }
    loop.chunk = loop.scratch + (size_t)threads * loop.blocks.thread_bytes; /* there is one batch */
    loop.shared_rows = loop.blocks.shares_rows ? loop.chunk + loop.blocks.chunk_bytes : NULL;
    run_packing(&loop);
}
