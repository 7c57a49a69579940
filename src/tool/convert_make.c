/* convert_make.c - the adapter that a layer becomes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adapter/compute.h"
#include "adapter/svd.h"
#include "base/memory.h"
#include "tensor/shape.h"
#include "tool/convert.h"

lyc_status lyc_convert_new_lora(lyc_adapter **out, const char *name, const lyc_adapter_target *target, int64_t rank,
                                lyc_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, rank);
    const lyc_adapter_setting settings[] = {{"rank", text}, {"alpha", text}};
    return lyc_adapter_new(out, &lyc_adapter_lora, name, target, settings, 2, err);
}

static float *numbers(lyc_adapter *a, const char *param)
{
    return lyc_adapter_param_find(a, param)->data;
}

static lyc_status make_product(lyc_adapter *lora, const lyc_adapter *source, lyc_error *err)
{
    return lyc_adapter_product(numbers(lora, "lora_up.weight"), numbers(lora, "lora_down.weight"), source, 1.0, err);
}

static lyc_status make_difference(lyc_adapter *full, const lyc_convert_source *source, lyc_error *err)
{
    lyc_adapter_param *bias = lyc_adapter_param_find(full, "diff_b");
    lyc_adapter_change change = {.weight = numbers(full, "diff"), .bias = bias != NULL ? bias->data : NULL};
    return lyc_convert_change(&change, source, err);
}

/* --- approximation -------------------------------------------------------------------------------------------------
 */

/* The fewest ranks that keep a part of the sum of squares. */
static int64_t ranks_of_energy(const lyc_svd *svd, double energy)
{
    double total = 0.0, kept = 0.0;
    for (int64_t i = 0; i < svd->n; i++) {
        total += (double)svd->s[i] * (double)svd->s[i];
    }
    for (int64_t i = 0; i < svd->n; i++) {
        kept += (double)svd->s[i] * (double)svd->s[i];
        if (kept >= energy * total) {
            return i + 1;
        }
    }
    return svd->n;
}

static double error_of(const lyc_svd *svd, int64_t rank)
{
    double total = 0.0, lost = 0.0;
    for (int64_t i = svd->n - 1; i >= 0; i--) {
        const double square = (double)svd->s[i] * (double)svd->s[i];
        lost += i >= rank ? square : 0.0;
        total += square;
    }
    return total > 0.0 ? sqrt(lost / total) : 0.0;
}

/* B = U sqrt(S), A = sqrt(S) V: both factors as large as each other. */
static void take_ranks(lyc_adapter *lora, const lyc_svd *svd, int64_t rank)
{
    float *up = numbers(lora, "lora_up.weight");
    float *down = numbers(lora, "lora_down.weight");
    for (int64_t k = 0; k < rank; k++) {
        const float root = sqrtf(svd->s[k]);
        for (int64_t o = 0; o < svd->rows; o++) {
            up[o * rank + k] = svd->u[o * svd->n + k] * root;
        }
        for (int64_t j = 0; j < svd->columns; j++) {
            down[k * svd->columns + j] = svd->v[k * svd->columns + j] * root;
        }
    }
}

static lyc_status approximate(lyc_adapter **out, lyc_convert_layer *layer, const lyc_conversion *c,
                              const lyc_convert_source *source, lyc_error *err)
{
    lyc_svd svd;
    const lyc_adapter *a = source->adapter;
    float *change = lyc_alloc_zero((size_t)lyc_shape_elements(&layer->target.weight), sizeof *change);
    if (change == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the change of %s", a->name);
    }
    lyc_adapter_change wanted = {.weight = change};
    lyc_status status = lyc_convert_change(&wanted, source, err);
    if (status == LYC_OK) {
        status = lyc_svd_compute(&svd, change, a->out, a->in * a->kernel, err);
        status = status != LYC_OK ? lyc_wrap(err, "'%s'", a->name) : LYC_OK;
    }
    lyc_free(change);
    LYC_TRY(status);
    const double energy = c->options->energy > 0.0 ? c->options->energy : 0.99;
    const int64_t wanted_rank = c->options->rank > 0 ? c->options->rank : ranks_of_energy(&svd, energy);
    layer->rank = wanted_rank < svd.n ? wanted_rank : svd.n;
    layer->error = error_of(&svd, layer->rank);
    status = lyc_convert_new_lora(out, a->name, &layer->target, layer->rank, err);
    if (status == LYC_OK) {
        take_ranks(*out, &svd, layer->rank);
    }
    lyc_svd_clear(&svd);
    return status;
}

lyc_status lyc_convert_approximate(lyc_convert_layer *layer, const lyc_conversion *c, lyc_error *err)
{
    lyc_convert_source source;
    LYC_TRY(lyc_convert_open(&source, c, layer, true, err));
    const lyc_status status = approximate(&layer->kept, layer, c, &source, err);
    lyc_convert_close(&source);
    return status;
}

/* --- any form ------------------------------------------------------------------------------------------------------
 */

static lyc_status make_from(lyc_adapter **out, const lyc_convert_layer *layer, const lyc_convert_source *source,
                            bool empty, lyc_error *err)
{
    lyc_adapter_target target = layer->target;
    const lyc_adapter *a = source->adapter;
    if (layer->form == LYC_CONVERT_PRODUCT) {
        LYC_TRY(lyc_convert_new_lora(out, a->name, &target, layer->rank, err));
        return empty ? LYC_OK : make_product(*out, a, err);
    }
    target.has_bias = lyc_adapter_changes_bias(a);
    LYC_TRY(lyc_adapter_new(out, &lyc_adapter_full, a->name, &target, NULL, 0, err));
    return empty ? LYC_OK : make_difference(*out, source, err);
}

lyc_status lyc_convert_make(lyc_adapter **out, const lyc_conversion *c, const lyc_convert_layer *layer, bool empty,
                            lyc_error *err)
{
    lyc_convert_source source;
    lyc_adapter *made = NULL;
    if (layer->form == LYC_CONVERT_ROWS || layer->form == LYC_CONVERT_FUSED) {
        return lyc_convert_make_fused(out, c, layer, err);
    }
    LYC_TRY(lyc_convert_open(&source, c, layer, !empty, err));
    if (layer->form == LYC_CONVERT_SAME) {
        if (layer->swap) {
            lyc_convert_swap(source.adapter);
        }
        *out = source.adapter;
        return LYC_OK;
    }
    const lyc_status status = make_from(&made, layer, &source, empty, err);
    lyc_convert_close(&source);
    if (status != LYC_OK) {
        lyc_adapter_free(made);
        return status;
    }
    *out = made;
    return LYC_OK;
}
