/* boft.c - BOFT: the outputs are rotated by butterflies of blocks
 *
 *     X_0 = W,  X_i+1 = P_iT diag(M_i,0, M_i,1, ...) P_i X_i,  W' = X_last          BOFT (arXiv 2311.06243)
 *     M = multiplier R + (1 - multiplier) I                                          R in rotation.c
 *
 * out = size * blocks with an even size and a power of two of blocks (lyc_factorization_power2 with the rank); there
 * are log2(blocks) + 1 factors, oft_blocks [factors,blocks,size,size]. P_i sees the rows as [c,2,2^i size/2] and
 * exchanges the last two axes. The blocks act from the left, not transposed: unlike Diag-OFT. rescale and alpha as
 * there.
 *
 * A row is q size/2 + t, and factor i mixes t with bit i of q. So instead of moving the rows to and fro for each
 * factor, they are kept with bit i last and go round by one bit from factor to factor, in pieces of size/2; the blocks
 * are put into that order, and their rows and columns from [t,bit] to [bit,t]. After the last factor all bits are in
 * their place.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/factorization.h"
#include "adapter/rotation.h"
#include "graph/build.h"
#include "tensor/shape.h"

typedef struct boft_config {
    lyc_rotation_config rotation;
    int64_t factors;
    int64_t blocks;
    int64_t size;
} boft_config;

/* log2(blocks) + 1; 0 when blocks is no power of two. */
static int64_t factors_of(int64_t blocks)
{
    int64_t factors = 1;
    for (; blocks > 1; blocks /= 2) {
        factors = blocks % 2 == 0 ? factors + 1 : 0;
        if (factors == 0) {
            break;
        }
    }
    return factors;
}

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    boft_config *config = a->config;
    const int64_t rank = config->rotation.common.rank;
    if (!lyc_factorization_power2(&config->size, &config->blocks, a->out, rank)) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "%lld outputs are no even number of at most %lld (the rank) times a power of two",
                        (long long)a->out, (long long)rank);
    }
    config->factors = factors_of(config->blocks);
    return LYC_OK;
}

static bool detect(const lyc_adapter_group *group)
{
    const lyc_tensor_view *blocks = lyc_adapter_group_find(group, "oft_blocks");
    return blocks != NULL && blocks->shape.rank == 4;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    boft_config *config = a->config;
    const lyc_tensor_view *blocks;
    LYC_TRY(lyc_adapter_need(&blocks, group, "oft_blocks", err));
    config->factors = blocks->shape.dims[0];
    config->blocks = blocks->shape.dims[1];
    config->size = blocks->shape.dims[2];
    config->rotation.common.rank = config->size;
    if (a->out % config->blocks != 0 || a->out / config->blocks != config->size || config->size % 2 != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%lld blocks of %lld (an even number) do not make %lld outputs",
                        (long long)config->blocks, (long long)config->size, (long long)a->out);
    }
    /* Each factor doubles the distance of what it mixes: there must be room for the last one. */
    if (config->factors > 62 || (a->out >> config->factors) << config->factors != a->out ||
        a->out % (config->size << (config->factors - 1)) != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%lld butterflies for %lld blocks of %lld", (long long)config->factors,
                        (long long)config->blocks, (long long)config->size);
    }
    return lyc_rotation_recover(a, group, err);
}

static void params(lyc_adapter *a)
{
    const boft_config *config = a->config;
    lyc_rotation_params(a, LYC_SHAPE(config->factors, config->blocks, config->size, config->size));
}

/* M of all factors, [factors*blocks,size,size]. */
static lyc_value *rotations(lyc_graph *g, const lyc_adapter_site *site)
{
    const boft_config *config = site->adapter->config;
    return lyc_rotation_blocks(g, site, config->size);
}

/* M of the i-th factor, [blocks,size,size], for rows with bit i of q last: the bits below it come first, then those
 * above. In files it is the other way round. */
static lyc_value *factor(lyc_graph *g, const boft_config *config, lyc_value *all, int64_t i)
{
    const int64_t half = config->size / 2;
    const int64_t below = (int64_t)1 << i;
    lyc_value *own = lyc_slice(g, all, 0, i * config->blocks, config->blocks);
    lyc_value *apart = lyc_reshape(g, own, LYC_SHAPE(config->blocks / below, below, half, 2, half, 2));
    return lyc_reshape(g, lyc_transpose(g, apart, 6, (int[]){1, 0, 3, 2, 5, 4}),
                       LYC_SHAPE(config->blocks, config->size, config->size));
}

/* The last bit of q becomes the first: v seen as [before,blocks,2,piece]. */
static lyc_value *turn_bits(lyc_graph *g, const boft_config *config, lyc_value *v, int64_t before, int64_t piece)
{
    return lyc_transpose(g, lyc_reshape(g, v, LYC_SHAPE(before, config->blocks, 2, piece)), 4, (int[]){0, 2, 1, 3});
}

static lyc_value *changed(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const boft_config *config = a->config;
    const int64_t columns = a->in * a->kernel;
    lyc_value *all = rotations(g, site);
    lyc_value *x = lyc_site_weight(g, site);
    for (int64_t i = 0; i < config->factors; i++) {
        lyc_value *rows = lyc_reshape(g, x, LYC_SHAPE(config->blocks, config->size, columns));
        lyc_value *turned = lyc_matmul(g, factor(g, config, all, i), rows, NULL, NULL, NULL);
        x = turn_bits(g, config, turned, 1, config->size / 2 * columns);
    }
    return lyc_rotation_rescale(g, site, lyc_reshape(g, x, LYC_SHAPE(a->out, columns)), true);
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    const lyc_adapter *a = site->adapter;
    const boft_config *config = a->config;
    (void)x;
    if (lyc_value_failed(y)) {
        return y;
    }
    const int64_t rows = lyc_shape_elements(&y->shape) / a->out;
    lyc_value *all = rotations(g, site);
    lyc_value *z = y;
    for (int64_t i = 0; i < config->factors; i++) {
        lyc_value *flat = lyc_reshape(g, z, LYC_SHAPE(rows, a->out));
        z = turn_bits(g, config, lyc_block_diag_matmul(g, flat, factor(g, config, all, i), true), rows,
                      config->size / 2);
    }
    return lyc_rotation_rescale(g, site, lyc_reshape(g, z, y->shape), false);
}

const lyc_adapter_algorithm lyc_adapter_boft = {
    .name = "boft",
    .summary = "outputs rotated by butterflies of blocks",
    .formula = "W' = B1 B2 ... W, each B a permuted block-diagonal rotation",
    .source = "arXiv 2311.06243",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .options = lyc_rotation_options,
    .config_size = sizeof(boft_config),
    .prepare = prepare,
    .detect = detect,
    .recover = recover,
    .params = params,
    .changed = changed,
    .apply = apply,
    .extras = (const char *const[]){"alpha", NULL},
    .write = lyc_rotation_write,
    .norm = lyc_rotation_norm,
    .shrink = lyc_rotation_shrink,
    .max_norm = true,
};
