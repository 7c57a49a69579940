/* gemm_blocks.c - how the product engine cuts a product into work items
 *
 * An item's rows of A, its sums and a panel should fit into the level 2 cache together, and there should be several
 * items for each thread. The sizes depend on the problem and the number of threads; the bits of the result do not
 * depend on the sizes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/gemm_blocks.h"

enum {
    BLOCK_ROWS = 112,      /* of an item, at most, in whole tiles: 108 with AVX2, 112 with AVX-512 */
    BLOCK_COLUMNS = 640,   /* of an item, at most */
    GROUP_PANELS = 16,     /* panels that can be kept together, at most */
    ITEMS_PER_THREAD = 4,  /* so many are wanted for an even load */
    CHUNK_BYTES = 8 << 20, /* of B packed at a time: it should stay in the level 3 cache */
    ROWS_WORTH_SHARING =
        512, /* rows of A are brought again for each block of columns: rather not for fewer than these */
};

/* Halves the extents of items until there are enough of them or they become too small. */
static void cut_items(lyc_gemm_blocks *b, const lyc_gemm *g, int threads, int group)
{
    const int64_t all_panels = lyc_gemm_panels(g->isa, g->n);
    const int columns = lyc_gemm_panel_columns(g->isa);
    const int tile = g->isa->tile_rows;
    const int64_t wanted = threads > 1 ? (int64_t)threads * ITEMS_PER_THREAD : 1;
    while (g->batch * lyc_div_up(g->m, b->rows) * lyc_div_up(all_panels, b->panels) < wanted) {
        if ((double)b->rows * b->panels * columns * (double)g->k < 2 * lyc_gemm_item_products) {
            return;
        }
        if (b->panels > group && (b->panels * columns > b->rows || b->rows <= tile)) {
            b->panels = (int)lyc_div_up((b->panels + 1) / 2, group) * group;
        } else if (b->rows > tile) {
            b->rows = (int)lyc_div_up((b->rows + 1) / 2, tile) * tile;
        } else {
            return;
        }
    }
}

/* Panels that go together, unless there are too many of them. */
static int panel_group(const lyc_gemm *g)
{
    const int group = g->c != NULL ? g->c->panel_group : 0;
    return group > 0 && group <= GROUP_PANELS ? group : 1;
}

/* Equal parts of at most `most`, each a multiple of `unit`. */
static int equal_parts(int64_t whole, int64_t most, int unit)
{
    const int64_t units = lyc_div_up(whole, unit);
    const int64_t most_units = most / unit > 0 ? most / unit : 1;
    return (int)lyc_div_up(units, lyc_div_up(units, most_units)) * unit;
}

/* Without a packed B, several blocks of rows would pack the same panels: better once, before. Batches are many small
 * products, which go better side by side. */
static void choose_chunk(lyc_gemm_blocks *b, const lyc_gemm *g, int group)
{
    if (g->prepacked || b->row_blocks == 1 || g->batch > 1 || g->k == 0) {
        return;
    }
    const int64_t all_panels = lyc_gemm_panels(g->isa, g->n);
    const size_t bytes = lyc_gemm_panel_bytes(g->isa, lyc_gemm_panel_dtype(g->form), 2, g->k);
    b->chunk = equal_parts(all_panels, (int64_t)(CHUNK_BYTES / bytes), group);
    b->chunk_bytes = (size_t)b->chunk * bytes;
    if (b->panels > b->chunk) {
        b->panels = (int)b->chunk;
    }
    const int64_t stretches = lyc_div_up(g->k, lyc_gemm_stretch(g->form));
    b->shares_rows = b->panels < all_panels && b->panels * lyc_gemm_panel_columns(g->isa) < ROWS_WORTH_SHARING;
    b->shared_rows_bytes = b->shares_rows ? (size_t)(stretches * g->m) * LYC_GEMM_ROW_BYTES : 0;
}

static void size_scratch(lyc_gemm_blocks *b, const lyc_gemm *g)
{
    const lyc_gemm_isa *isa = g->isa;
    const bool packs = !g->prepacked && b->chunk == 0;
    b->rows_bytes = b->shares_rows ? 0 : (size_t)b->rows * LYC_GEMM_ROW_BYTES;
    b->sums_bytes = (size_t)b->rows * (size_t)(b->panels * lyc_gemm_panel_columns(isa)) * sizeof(float);
    b->panel_bytes = packs ? lyc_gemm_panel_bytes(isa, lyc_gemm_panel_dtype(g->form), 2, lyc_gemm_stretch(g->form)) : 0;
    b->thread_bytes = b->rows_bytes + b->sums_bytes + b->panel_bytes + LYC_GEMM_POINTERS * sizeof(void *) +
                      (size_t)b->rows * sizeof(int64_t);
    b->thread_bytes = (b->thread_bytes + 4095) / 4096 * 4096;
}

lyc_gemm_blocks lyc_gemm_blocks_choose(const lyc_gemm *g, int threads)
{
    const lyc_gemm_isa *isa = g->isa;
    const int group = panel_group(g);
    lyc_gemm_blocks b = {0};
    b.panels = equal_parts(lyc_gemm_panels(isa, g->n), BLOCK_COLUMNS / lyc_gemm_panel_columns(isa), group);
    b.rows = equal_parts(g->m, BLOCK_ROWS, isa->tile_rows);
    cut_items(&b, g, threads, group);
    b.rows = (int)lyc_min_i64(b.rows, g->m);
    b.row_blocks = lyc_div_up(g->m, b.rows);
    choose_chunk(&b, g, group);
    size_scratch(&b, g);
    return b;
}

size_t lyc_gemm_workspace(const lyc_gemm *g, int threads)
{
    const lyc_gemm_blocks b = lyc_gemm_blocks_choose(g, threads);
    return (size_t)threads * b.thread_bytes + b.chunk_bytes + b.shared_rows_bytes;
}
