/* lora.c - LoRA: low-rank adaptation; for convolutions LoCon
 *
 *     ΔW = (alpha / rank) B A          arXiv 2106.09685, equation 3; convolutions: LyCORIS (arXiv 2309.14859), section
 * 3 ΔW[o,i,k] = (alpha / rank) sum over a, b of T[a,b,k] B[o,a] A[b,i]          with use_tucker
 *
 * In files B is lora_up.weight [out,r], A is lora_down.weight [r,in] or [r,in,k..], T is lora_mid.weight [r,r,k..];
 * with T, A is [r,in,1..]. B starts at zero. The first axis of T goes with B, the second with A.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/lora_start.h"
#include "adapter/lowrank.h"
#include "adapter/rows.h"
#include "graph/build.h"
#include "tensor/shape.h"

typedef enum lora_init { INIT_KAIMING, INIT_PISSA, INIT_OLORA } lora_init;

typedef struct lora_config {
    lyc_adapter_config common;
    int init;
} lora_config;

static const lyc_option_choice init_choices[] = {
    {"kaiming", "the second factor is random, the first zero"},
    {"pissa", "principal singular vectors of the base weight (arXiv 2404.02948)"},
    {"olora", "QR decomposition of the base weight (arXiv 2406.01775)"},
    {0},
};

static const lyc_option options[] = {
    {.name = "init",
     .kind = LYC_OPTION_ENUM,
     .offset = offsetof(lora_config, init),
     .standard = "kaiming",
     .choices = init_choices,
     .help = "start values; those from the base weight are saved as a LoRA of twice the rank"},
    {0},
};

/* Start values that are taken off again; never in files under these names. */
static const char START_UP[] = "start_up";
static const char START_DOWN[] = "start_down";

static const char UP[] = "lora_up.weight";
static const char DOWN[] = "lora_down.weight";
static const char MID[] = "lora_mid.weight";

static bool is_difference(const lyc_adapter *a)
{
    return ((const lora_config *)a->config)->init != INIT_KAIMING;
}

static lyc_status prepare(lyc_adapter *a, lyc_error *err)
{
    lyc_adapter_config *config = a->config;
    config->use_tucker = config->use_tucker && a->kernel > 1;
    if (is_difference(a) && (config->use_tucker || config->use_scalar)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "init from the base weight does not go with %s",
                        config->use_tucker ? "use_tucker" : "use_scalar");
    }
    return LYC_OK;
}

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, UP) != NULL || lyc_adapter_group_find(group, DOWN) != NULL;
}

static bool extents(int64_t extents[2], const lyc_adapter_group *group)
{
    const bool tucker = lyc_adapter_group_find(group, MID) != NULL;
    extents[0] = lyc_adapter_extent(group, UP, 0);
    extents[1] = tucker
                     ? lyc_adapter_extent_times(lyc_adapter_extent(group, DOWN, 1), lyc_adapter_core_kernel(group, MID))
                     : lyc_adapter_extent(group, DOWN, -1);
    return extents[0] > 0 && extents[1] > 0;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    lyc_adapter_config *config = a->config;
    const lyc_tensor_view *up;
    const lyc_tensor_view *down;
    LYC_TRY(lyc_adapter_need(&up, group, UP, err));
    LYC_TRY(lyc_adapter_need(&down, group, DOWN, err));
    config->rank = down->shape.dims[0];
    config->use_tucker = lyc_adapter_group_find(group, MID) != NULL;
    return lyc_adapter_expect(up, 1, config->rank, err);
}

static void params(lyc_adapter *a)
{
    const lyc_adapter_config *config = a->config;
    const int64_t r = config->rank;
    const lyc_shape up = lyc_adapter_pointwise(a, a->out, r);
    const lyc_shape down = config->use_tucker ? lyc_adapter_pointwise(a, r, a->in) : lyc_adapter_kernel(a, r, a->in);
    if (is_difference(a)) {
        lyc_adapter_add(a, UP, up, LYC_START_COMPUTED);
        lyc_adapter_add(a, DOWN, down, LYC_START_COMPUTED);
        lyc_adapter_add(a, START_UP, up, LYC_START_COMPUTED)->trainable = false;
        lyc_adapter_add(a, START_DOWN, down, LYC_START_COMPUTED)->trainable = false;
        return;
    }
    lyc_adapter_add(a, UP, up, config->use_scalar ? LYC_START_KAIMING : LYC_START_ZERO);
    lyc_adapter_add(a, DOWN, down, LYC_START_KAIMING);
    if (config->use_tucker) {
        lyc_adapter_add(a, MID, lyc_adapter_kernel(a, r, r), LYC_START_KAIMING);
    }
}

static lyc_status start(lyc_adapter *a, const float *weight, const lyc_native_random *random, lyc_error *err)
{
    const lora_config *config = a->config;
    const int64_t r = config->common.rank;
    const int64_t columns = a->in * a->kernel;
    (void)random;
    if (!is_difference(a)) {
        return LYC_OK;
    }
    float *up = lyc_adapter_param_find(a, UP)->data;
    float *down = lyc_adapter_param_find(a, DOWN)->data;
    LYC_TRY((config->init == INIT_PISSA ? lyc_lora_start_pissa : lyc_lora_start_olora)(up, down, weight, a->out,
                                                                                       columns, r, a->scale, err));
    memcpy(lyc_adapter_param_find(a, START_UP)->data, up, (size_t)(a->out * r) * sizeof *up);
    memcpy(lyc_adapter_param_find(a, START_DOWN)->data, down, (size_t)(r * columns) * sizeof *down);
    return LYC_OK;
}

/* B [out,r] without the ranks that are dropped, or [B, -B0] [out,2r]; with the strength, without the rows that are
 * dropped. */
static lyc_value *up_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_config *config = a->config;
    lyc_value *up = lyc_site_matrix(g, site, UP, a->out, config->rank);
    lyc_value *mask = config->bypass_mode ? lyc_site_rank_mask(g, site, config->rank) : NULL;
    up = mask == NULL ? up : lyc_mul(g, up, mask);
    if (is_difference(a)) {
        lyc_value *before = lyc_affine(g, lyc_site_matrix(g, site, START_UP, a->out, config->rank), -1.0f, 0.0f);
        before = mask == NULL ? before : lyc_mul(g, before, mask);
        up = lyc_concat(g, 2, (lyc_value *[]){up, before}, 1);
    }
    return lyc_site_drop_rows(g, site, lyc_site_strengthen(g, site, up));
}

/* A [r,in*kernel], or [A; A0]; with Tucker, T and A in one. */
static lyc_value *down_matrix(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_config *config = a->config;
    const int64_t r = config->rank;
    if (config->use_tucker) {
        lyc_value *down = lyc_site_matrix(g, site, DOWN, r, a->in);
        return lyc_lowrank_tucker(g, lyc_site_param(site, MID), down, r, a->in, a->kernel);
    }
    lyc_value *down = lyc_site_matrix(g, site, DOWN, r, a->in * a->kernel);
    if (!is_difference(a)) {
        return down;
    }
    lyc_value *before = lyc_site_matrix(g, site, START_DOWN, r, a->in * a->kernel);
    return lyc_concat(g, 2, (lyc_value *[]){down, before}, 0);
}

static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    return lyc_matmul(g, up_matrix(g, site), down_matrix(g, site), NULL, NULL,
                      &(lyc_matmul_attr){.alpha = (float)site->adapter->scale});
}

/* x through A and, with Tucker, T: the layer's own movement over x is that of the last of them. */
static lyc_value *hidden(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_config *config = a->config;
    if (!config->use_tucker) {
        return lyc_site_convolve(g, site, x, down_matrix(g, site));
    }
    lyc_value *h = lyc_site_pointwise(g, x, lyc_site_matrix(g, site, DOWN, config->rank, a->in), NULL, 1.0);
    return lyc_site_convolve(g, site, h, lyc_site_param(site, MID));
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    return lyc_site_add_product(g, site, hidden(g, site, x), up_matrix(g, site), y, site->adapter->scale);
}

static void product(lyc_value **up, lyc_value **down, lyc_graph *g, const lyc_adapter_site *site)
{
    *up = lyc_lowrank_scaled(g, up_matrix(g, site), site->adapter->scale);
    *down = down_matrix(g, site);
}

static lyc_value *squared_norms(lyc_graph *g, const lyc_adapter_site *site, lyc_value *weight, bool rows)
{
    return lyc_lowrank_squared_norms(g, up_matrix(g, site), down_matrix(g, site), weight, rows, site->adapter->scale);
}

/* One matrix of twice the rank from two: side by side, the second with a sign, or one under the other. */
static lyc_status write_pair(lyc_adapter_file *file, const lyc_adapter_param *p, const lyc_adapter_param *before,
                             bool side_by_side, lyc_error *err)
{
    const int64_t n = lyc_shape_elements(&p->shape);
    const int64_t width = side_by_side ? n / p->shape.dims[0] : n;
    lyc_shape shape = p->shape;
    shape.dims[side_by_side ? 1 : 0] *= 2;
    float *both = lyc_arena_alloc(&file->arena, (size_t)(2 * n), sizeof *both);
    for (int64_t i = 0; both != NULL && i < n; i++) {
        const int64_t at = i / width * 2 * width + i % width;
        both[at] = p->data[i];
        both[at + width] = side_by_side ? -before->data[i] : before->data[i];
    }
    return lyc_adapter_file_add(file, p->name, LYC_F32, &shape, both, err);
}

static lyc_status write(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err)
{
    const double rank = (double)((const lyc_adapter_config *)a->config)->rank;
    if (!is_difference(a)) {
        LYC_TRY(lyc_adapter_file_number(file, "alpha", a->scale * rank, err));
        return lyc_adapter_file_params(file, a, err);
    }
    const lyc_adapter_param *dora = lyc_adapter_param_find(a, "dora_scale");
    LYC_TRY(lyc_adapter_file_number(file, "alpha", a->scale * 2.0 * rank, err));
    LYC_TRY(write_pair(file, lyc_adapter_param_find(a, UP), lyc_adapter_param_find(a, START_UP), true, err));
    LYC_TRY(write_pair(file, lyc_adapter_param_find(a, DOWN), lyc_adapter_param_find(a, START_DOWN), false, err));
    return dora == NULL ? LYC_OK : lyc_adapter_file_add(file, dora->name, LYC_F32, &dora->shape, dora->data, err);
}

static void take_rows(lyc_adapter *part, int64_t first, int64_t count)
{
    lyc_adapter_keep_rows(part, UP, first, count);
    lyc_adapter_keep_rows(part, START_UP, first, count);
}

const lyc_adapter_algorithm lyc_adapter_lora = {
    .name = "lora",
    .aliases = (const char *const[]){"locon", NULL},
    .summary = "low-rank product; LoCon for convolutions",
    .formula = "dW = (alpha / rank) B A",
    .source = "arXiv 2106.09685; arXiv 2309.14859",
    .common = LYC_ADAPTER_RANK | LYC_ADAPTER_ALPHA | LYC_ADAPTER_RS | LYC_ADAPTER_TUCKER | LYC_ADAPTER_SCALAR |
              LYC_ADAPTER_DORA | LYC_ADAPTER_DROPOUT | LYC_ADAPTER_RANK_DROPOUT | LYC_ADAPTER_MODULE_DROPOUT,
    .options = options,
    .config_size = sizeof(lora_config),
    .additive = true,
    .prepare = prepare,
    .detect = detect,
    .extents = extents,
    .recover = recover,
    .params = params,
    .start = start,
    .delta = delta,
    .apply = apply,
    .product = product,
    .take_rows = take_rows,
    .squared_norms = squared_norms,
    .proportional = {UP, START_UP},
    .write = write,
    .max_norm = true,
};
