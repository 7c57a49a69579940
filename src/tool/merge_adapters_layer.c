/* merge_adapters_layer.c - the numbers of a layer of several adapters
 *
 *     w_k s_k B_k A_k = (sign(f) sqrt|f| B_k) (sqrt|f| A_k),  f = w_k s_k         both factors as large as each other
 *     sum of them     = [.. B_k ..] [.. A_k ..]                                    exactly, of all ranks together
 *
 * sd-scripts' merge_lora.py (networks/, 2024) multiplies A by w sqrt(alpha_k / alpha) and B by its size, and keeps the
 * first alpha: what that makes is w |w| of a change, and with concatenated ranks less again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <cblas.h>

#include "adapter/compute.h"
#include "base/memory.h"
#include "tensor/shape.h"
#include "tool/merge_adapters.h"
#include "tool/quantile.h"
#include "tool/task_vectors.h"
#include "tool/truncated_svd.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a layer of several adapters");
}

/* A layer at work. */
typedef struct work {
    lyc_merge_layer *layer;
    const lyc_adapter_merge *m;
    int64_t columns, elements;
    lyc_arena arena;
} work;

static lyc_status open_part(lyc_adapter **out, const work *w, const lyc_merge_part *part, lyc_error *err)
{
    lyc_adapter_target target;
    const lyc_network_file *file = w->m->files[part->input].network;
    LYC_TRY(lyc_network_file_target(&target, file, part->layer, err));
    return lyc_network_file_adapter(out, file, part->layer, &target, err);
}

/* --- products ------------------------------------------------------------------------------------------------------
 */

/* up [out,rank] down [rank,columns] */
typedef struct factors {
    float *up, *down;
    int64_t rank;
} factors;

static bool new_factors(factors *f, work *w, int64_t rank)
{
    f->up = lyc_arena_alloc(&w->arena, (size_t)(w->layer->out * rank), sizeof *f->up);
    f->down = lyc_arena_alloc(&w->arena, (size_t)(rank * w->columns), sizeof *f->down);
    f->rank = rank;
    return f->up != NULL && f->down != NULL;
}

/* What the two factors of a part are multiplied by; its scale is in up already. */
typedef struct balance {
    double up, down;
} balance;

static balance balance_of(double strength, double scale)
{
    const double root = sqrt(fabs(strength * scale));
    return root > 0.0 ? (balance){strength / root, root} : (balance){0.0, 0.0};
}

/* As merge_lora.py has it; alpha is that of the output. */
static lyc_status sd_scripts_balance(balance *out, const lyc_merge_part *part, double scale, double alpha,
                                     lyc_error *err)
{
    const double ratio = scale * (double)part->rank / alpha;
    if (!(ratio >= 0.0) || !isfinite(ratio)) {
        return lyc_fail(err, LYC_E_NUMERIC, "alphas of %g and %g, of which sd-scripts takes the root of the ratio",
                        scale * (double)part->rank, alpha);
    }
    const double factor = sqrt(ratio) * part->strength;
    *out = (balance){scale > 0.0 || scale < 0.0 ? fabs(factor) / scale : 0.0, factor};
    return LYC_OK;
}

/* Adds the factors of a part to ranks [first, first + part->rank) of f. */
static lyc_status add_part(factors *f, work *w, const lyc_merge_part *part, int64_t first, bool sd_scripts,
                           lyc_error *err)
{
    lyc_adapter *a = NULL;
    factors own;
    LYC_TRY(open_part(&a, w, part, err));
    balance b = balance_of(part->strength, a->scale);
    lyc_status status = new_factors(&own, w, part->rank) ? LYC_OK : no_memory(err);
    if (status == LYC_OK && sd_scripts) {
        status = sd_scripts_balance(&b, part, a->scale, w->layer->alpha, err);
    }
    status = status != LYC_OK ? status : lyc_adapter_product(own.up, own.down, a, 1.0, err);
    lyc_adapter_free(a);
    LYC_TRY(status);
    for (int64_t o = 0; o < w->layer->out; o++) {
        for (int64_t k = 0; k < own.rank; k++) {
            f->up[o * f->rank + first + k] += (float)((double)own.up[o * own.rank + k] * b.up);
        }
    }
    float *down = f->down + first * w->columns;
    for (int64_t i = 0; i < own.rank * w->columns; i++) {
        down[i] += (float)((double)own.down[i] * b.down);
    }
    return LYC_OK;
}

/* All parts side by side, or with `added` one over the other. */
static lyc_status gather_factors(factors *f, work *w, bool added, bool sd_scripts, lyc_error *err)
{
    int64_t first = 0;
    if (!new_factors(f, w, added ? w->layer->rank : w->layer->product_rank)) {
        return no_memory(err);
    }
    for (size_t k = 0; k < w->layer->count; k++) {
        LYC_TRY(add_part(f, w, &w->layer->parts[k], first, sd_scripts, err));
        first += added ? 0 : w->layer->parts[k].rank;
    }
    return LYC_OK;
}

/* ||up down||^2 = trace(up^T up down down^T), in f64. */
static lyc_status squared_norm(double *out, work *w, const factors *f, lyc_error *err)
{
    const int64_t r = f->rank, rows = w->layer->out;
    double *up = lyc_arena_alloc(&w->arena, (size_t)(rows * r), sizeof *up);
    double *down = lyc_arena_alloc(&w->arena, (size_t)(r * w->columns), sizeof *down);
    double *left = lyc_arena_alloc(&w->arena, (size_t)(r * r), sizeof *left);
    double *right = lyc_arena_alloc(&w->arena, (size_t)(r * r), sizeof *right);
    if (up == NULL || down == NULL || left == NULL || right == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < rows * r; i++) {
        up[i] = (double)f->up[i];
    }
    for (int64_t i = 0; i < r * w->columns; i++) {
        down[i] = (double)f->down[i];
    }
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)r, (int)rows, 1.0, up, (int)r, 0.0, left, (int)r);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, (int)r, (int)w->columns, 1.0, down, (int)w->columns, 0.0,
                right, (int)r);
    double sum = 0.0;
    for (int64_t i = 0; i < r; i++) {
        for (int64_t k = i; k < r; k++) {
            sum += (k > i ? 2.0 : 1.0) * left[i * r + k] * right[i * r + k];
        }
    }
    *out = sum > 0.0 ? sum : 0.0;
    return LYC_OK;
}

/* ||scale made - exact|| / ||exact||; 0 of nothing. */
static lyc_status distance(double *out, work *w, const factors *made, double scale, const factors *exact,
                           lyc_error *err)
{
    factors both;
    double norm = 0, difference = 0;
    if (!new_factors(&both, w, made->rank + exact->rank)) {
        return no_memory(err);
    }
    for (int64_t o = 0; o < w->layer->out; o++) {
        float *row = both.up + o * both.rank;
        for (int64_t k = 0; k < made->rank; k++) {
            row[k] = (float)((double)made->up[o * made->rank + k] * scale);
        }
        for (int64_t k = 0; k < exact->rank; k++) {
            row[made->rank + k] = -exact->up[o * exact->rank + k];
        }
    }
    memcpy(both.down, made->down, (size_t)(made->rank * w->columns) * sizeof *both.down);
    memcpy(both.down + made->rank * w->columns, exact->down, (size_t)(exact->rank * w->columns) * sizeof *both.down);
    LYC_TRY(squared_norm(&norm, w, exact, err));
    LYC_TRY(squared_norm(&difference, w, &both, err));
    *out = norm > 0.0 ? sqrt(difference / norm) : 0.0;
    return LYC_OK;
}

/* Ranks in another order: the product is the same. */
static void shuffle_ranks(const work *w, factors *f)
{
    const lyc_native_random random = {.seed = w->m->options->seed,
                                      .purpose = LYC_RANDOM_SHUFFLE,
                                      .step = lyc_native_random_name(w->layer->source->entry->name)};
    for (int64_t k = f->rank - 1; k > 0; k--) {
        const int64_t other = (int64_t)(lyc_native_random_bits(&random, (uint64_t)k) % (uint64_t)(k + 1));
        for (int64_t o = 0; o < w->layer->out; o++) {
            float *row = f->up + o * f->rank;
            const float kept = row[k];
            row[k] = row[other];
            row[other] = kept;
        }
        for (int64_t i = 0; i < w->columns; i++) {
            const float kept = f->down[k * w->columns + i];
            f->down[k * w->columns + i] = f->down[other * w->columns + i];
            f->down[other * w->columns + i] = kept;
        }
    }
}

/* What is written outlives the work. */
static lyc_status keep_factors(work *w, const factors *f, lyc_error *err)
{
    lyc_merge_layer *l = w->layer;
    const size_t up = (size_t)(l->out * f->rank) * sizeof *l->up;
    const size_t down = (size_t)(f->rank * w->columns) * sizeof *l->down;
    l->up = lyc_alloc(up);
    l->down = lyc_alloc(down);
    if (l->up == NULL || l->down == NULL) {
        return no_memory(err);
    }
    memcpy(l->up, f->up, up);
    memcpy(l->down, f->down, down);
    return LYC_OK;
}

static lyc_status make_factors(work *w, lyc_error *err)
{
    factors made, exact;
    lyc_merge_layer *l = w->layer;
    const lyc_merge_adapters_options *o = w->m->options;
    const bool added = l->form == LYC_MERGE_FORM_ADDED;
    LYC_TRY(gather_factors(&made, w, added, o->sd_scripts, err));
    if (added || o->sd_scripts) {
        LYC_TRY(gather_factors(&exact, w, false, false, err));
        LYC_TRY(distance(&l->departure, w, &made, l->alpha / (double)l->rank, &exact, err));
    }
    if (o->shuffle) {
        shuffle_ranks(w, &made);
    }
    return keep_factors(w, &made, err);
}

/* --- singular values -----------------------------------------------------------------------------------------------
 */

/* svd_merge_lora.py: both factors are cut at a quantile of all their numbers. */
static lyc_status clamp(work *w, factors *f, double part, lyc_error *err)
{
    const int64_t ups = w->layer->out * f->rank, downs = f->rank * w->columns;
    float *all = lyc_arena_alloc(&w->arena, (size_t)(ups + downs), sizeof *all);
    if (all == NULL) {
        return no_memory(err);
    }
    memcpy(all, f->up, (size_t)ups * sizeof *all);
    memcpy(all + ups, f->down, (size_t)downs * sizeof *all);
    const float limit = lyc_quantile(all, ups + downs, part);
    for (int64_t i = 0; i < ups; i++) {
        f->up[i] = fminf(fmaxf(f->up[i], -limit), limit);
    }
    for (int64_t i = 0; i < downs; i++) {
        f->down[i] = fminf(fmaxf(f->down[i], -limit), limit);
    }
    return LYC_OK;
}

static lyc_status take_ranks(factors *f, work *w, const lyc_truncated_svd *svd, lyc_error *err)
{
    const double part = w->m->options->clamp_quantile;
    if (!new_factors(f, w, w->layer->rank)) {
        return no_memory(err);
    }
    lyc_truncated_svd_factors(f->up, f->down, svd, f->rank);
    w->layer->energy = lyc_truncated_svd_energy(svd, f->rank);
    return part > 0.0 ? clamp(w, f, part, err) : LYC_OK;
}

static lyc_status make_svd(work *w, lyc_error *err)
{
    factors made, exact;
    lyc_truncated_svd svd = {0};
    lyc_merge_layer *l = w->layer;
    LYC_TRY(gather_factors(&exact, w, false, false, err));
    lyc_status status = lyc_truncated_svd_product(&svd, exact.up, exact.down, l->out, exact.rank, w->columns, err);
    status = status != LYC_OK ? status : take_ranks(&made, w, &svd, err);
    lyc_truncated_svd_clear(&svd);
    LYC_TRY(status);
    LYC_TRY(distance(&l->error, w, &made, 1.0, &exact, err));
    return keep_factors(w, &made, err);
}

/* --- the change itself ---------------------------------------------------------------------------------------------
 */

static lyc_status compute_part(float *weight, float *bias, const work *w, const lyc_merge_part *part, lyc_error *err)
{
    lyc_adapter *a = NULL;
    lyc_adapter_change change = {.weight = weight, .bias = bias};
    LYC_TRY(open_part(&a, w, part, err));
    const lyc_status status = lyc_adapter_compute(&change, a, NULL, part->strength, err);
    lyc_adapter_free(a);
    return status;
}

static void add(float *sum, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        sum[i] += x[i];
    }
}

/* ||a - b|| / ||b||; 0 of nothing. */
static double distance_of(const float *a, const float *b, int64_t n)
{
    double norm = 0.0, difference = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        norm += (double)b[i] * (double)b[i];
        difference += d * d;
    }
    return norm > 0.0 ? sqrt(difference / norm) : 0.0;
}

static lyc_status add_parts(float *out, work *w, lyc_error *err)
{
    float *x = lyc_arena_alloc(&w->arena, (size_t)w->elements, sizeof *x);
    if (x == NULL) {
        return no_memory(err);
    }
    for (size_t k = 0; k < w->layer->count; k++) {
        LYC_TRY(compute_part(k == 0 ? out : x, NULL, w, &w->layer->parts[k], err));
        if (k > 0) {
            add(out, x, w->elements);
        }
    }
    return LYC_OK;
}

/* A stream for each file and layer. */
static lyc_native_random numbers_of(const work *w, size_t part)
{
    const lyc_file_layer *source = w->layer->source;
    return (lyc_native_random){
        .seed = w->m->options->seed + w->layer->parts[part].input,
        .purpose = LYC_RANDOM_DROPOUT | lyc_native_random_name(source->component) << 8,
        .step = lyc_native_random_name(source->entry->name),
    };
}

/* TIES and DARE. */
static lyc_status bring_together(float *out, work *w, lyc_error *err)
{
    const lyc_merge_adapters_options *o = w->m->options;
    const size_t count = w->layer->count;
    const int64_t n = w->elements;
    float **x = lyc_arena_alloc(&w->arena, count, sizeof *x);
    float *sum = lyc_arena_alloc(&w->arena, (size_t)n, sizeof *sum);
    float *scratch = lyc_arena_alloc(&w->arena, (size_t)n, sizeof *scratch);
    if (x == NULL || sum == NULL || scratch == NULL) {
        return no_memory(err);
    }
    for (size_t k = 0; k < count; k++) {
        x[k] = lyc_arena_alloc(&w->arena, (size_t)n, sizeof **x);
        if (x[k] == NULL) {
            return no_memory(err);
        }
        LYC_TRY(compute_part(x[k], NULL, w, &w->layer->parts[k], err));
        add(sum, x[k], n);
        if (o->method == LYC_MERGE_TIES) {
            lyc_task_vector_trim(x[k], scratch, n, o->density);
        } else {
            const lyc_native_random random = numbers_of(w, k);
            lyc_task_vector_drop(x[k], n, o->density, &random);
        }
    }
    if (o->method == LYC_MERGE_DARE) {
        memset(out, 0, (size_t)n * sizeof *out);
        for (size_t k = 0; k < count; k++) {
            add(out, x[k], n);
        }
    } else {
        lyc_task_vectors_elect(out, x, count, n);
    }
    w->layer->departure = distance_of(out, sum, n);
    return LYC_OK;
}

static lyc_status compute_weight(float *out, work *w, lyc_error *err)
{
    return lyc_merge_method_is_dense(w->m->options->method) ? bring_together(out, w, err) : add_parts(out, w, err);
}

static lyc_status make_full(work *w, lyc_error *err)
{
    w->layer->weight = lyc_alloc((size_t)w->elements * sizeof *w->layer->weight);
    return w->layer->weight == NULL ? no_memory(err) : compute_weight(w->layer->weight, w, err);
}

static lyc_status make_dense(work *w, lyc_error *err)
{
    factors made;
    lyc_merge_layer *l = w->layer;
    lyc_truncated_svd svd = {0};
    float *change = lyc_arena_alloc(&w->arena, (size_t)w->elements, sizeof *change);
    if (change == NULL) {
        return no_memory(err);
    }
    LYC_TRY(compute_weight(change, w, err));
    lyc_status status = lyc_truncated_svd_compute(&svd, change, l->out, w->columns, l->rank, err);
    const double norm = svd.squared_norm;
    status = status != LYC_OK ? status : take_ranks(&made, w, &svd, err);
    lyc_truncated_svd_clear(&svd);
    LYC_TRY(status);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)l->out, (int)w->columns, (int)made.rank, -1.0F, made.up,
                (int)made.rank, made.down, (int)w->columns, 1.0F, change, (int)w->columns);
    double left = 0.0;
    for (int64_t i = 0; i < w->elements; i++) {
        left += (double)change[i] * (double)change[i];
    }
    l->error = norm > 0.0 ? sqrt(left / norm) : 0.0;
    return keep_factors(w, &made, err);
}

/* Biases are added whatever the method. */
static lyc_status make_bias(work *w, lyc_error *err)
{
    lyc_merge_layer *l = w->layer;
    float *x = lyc_arena_alloc(&w->arena, (size_t)l->out, sizeof *x);
    l->bias = lyc_alloc_zero((size_t)l->out, sizeof *l->bias);
    if (x == NULL || l->bias == NULL) {
        return no_memory(err);
    }
    for (size_t k = 0; k < l->count; k++) {
        LYC_TRY(compute_part(NULL, x, w, &l->parts[k], err));
        add(l->bias, x, l->out);
    }
    return LYC_OK;
}

lyc_status lyc_merge_layer_make(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_error *err)
{
    static lyc_status (*const makers[])(work * w, lyc_error * err) = {
        [LYC_MERGE_FORM_FACTORS] = make_factors, [LYC_MERGE_FORM_ADDED] = make_factors,
        [LYC_MERGE_FORM_SVD] = make_svd,         [LYC_MERGE_FORM_DENSE] = make_dense,
        [LYC_MERGE_FORM_FULL] = make_full,       [LYC_MERGE_FORM_NORM] = make_full,
    };
    work w = {.layer = layer, .m = m, .columns = layer->in * layer->kernel};
    w.elements = layer->out * w.columns;
    lyc_status status = makers[layer->form](&w, err);
    if (status == LYC_OK && layer->with_bias) {
        status = make_bias(&w, err);
    }
    lyc_arena_clear(&w.arena);
    return status == LYC_OK ? LYC_OK : lyc_wrap(err, "'%s'", layer->written);
}

void lyc_merge_layer_drop(lyc_merge_layer *layer)
{
    lyc_free(layer->up);
    lyc_free(layer->down);
    lyc_free(layer->weight);
    lyc_free(layer->bias);
    layer->up = layer->down = layer->weight = layer->bias = NULL;
}

int64_t lyc_merge_layer_numbers(const lyc_merge_layer *layer, const lyc_adapter_merge *m)
{
    const int64_t columns = layer->in * layer->kernel;
    const int64_t ranks = (layer->out + columns) * (layer->product_rank + layer->rank);
    const int64_t parts = lyc_merge_method_is_dense(m->options->method) ? (int64_t)layer->count + 2 : 1;
    const bool dense = layer->form >= LYC_MERGE_FORM_DENSE;
    return dense ? layer->out * columns * (parts + 3) : 6 * ranks;
}
