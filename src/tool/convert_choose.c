/* convert_choose.c - what becomes of a layer when a file is converted
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "adapter/compute.h"
#include "tensor/dtype.h"
#include "tool/convert.h"

/* --- names ---------------------------------------------------------------------------------------------------------
 */

lyc_key_scheme lyc_convert_scheme(const lyc_conversion *c, const lyc_file_layer *layer)
{
    return c->keep_scheme ? layer->scheme : c->scheme;
}

const char *lyc_convert_name(lyc_conversion *c, const lyc_file_layer *layer)
{
    const lyc_key_scheme scheme = lyc_convert_scheme(c, layer);
    if (scheme == layer->scheme && c->options->paths == NULL) {
        return layer->name;
    }
    return lyc_layer_naming_name(&c->arena, &c->naming, scheme, layer);
}

/* --- forms ---------------------------------------------------------------------------------------------------------
 */

static bool is_lora(const lyc_file_layer *layer)
{
    return lyc_adapter_group_find(&layer->group, "lora_up.weight") != NULL;
}

static bool is_tucker_lora(const lyc_file_layer *layer)
{
    return lyc_adapter_group_find(&layer->group, "lora_mid.weight") != NULL;
}

/* Schemes in whose files there are LoRAs alone, with their scale in the numbers. */
static bool folds_scale(lyc_key_scheme scheme)
{
    return scheme == LYC_KEY_DIFFUSERS || scheme == LYC_KEY_BARE || scheme == LYC_KEY_PEFT;
}

/* How a layer stays what it is: as it lies, where the scheme keeps alpha or alpha says nothing. */
static lyc_convert_form same_form(const lyc_conversion *c, const lyc_file_layer *layer)
{
    double alpha = (double)NAN;
    const lyc_key_scheme scheme = lyc_convert_scheme(c, layer);
    if (!folds_scale(scheme)) {
        return LYC_CONVERT_COPY;
    }
    if (lyc_adapter_number(&alpha, &layer->group, "alpha", (double)NAN, NULL) != LYC_OK) {
        return LYC_CONVERT_SAME;
    }
    const int64_t rank = lyc_adapter_extent(&layer->group, "lora_down.weight", 0);
    const bool plain = is_lora(layer) && !is_tucker_lora(layer) &&
                       lyc_adapter_group_find(&layer->group, "dora_scale") == NULL &&
                       (isnan(alpha) || alpha == (double)rank);
    return plain ? LYC_CONVERT_COPY : LYC_CONVERT_SAME;
}

/* Whether a program loads a LoRA, a difference, or the layer as it is. */
static lyc_verdict judge_as_it_is(const lyc_conversion *c, const lyc_file_layer *layer, size_t index)
{
    int count;
    const char *reasons[LYC_CONSUMER_REASONS];
    lyc_verdict verdicts[LYC_CONSUMER_REASONS];
    const lyc_consumer_layer candidate = {
        .layer = lyc_network_file_layer(c->file, index), .scheme = lyc_convert_scheme(c, layer), .kernel = 1};
    return lyc_consumer_judge(reasons, verdicts, &count, c->consumer, &candidate);
}

static bool reads(const lyc_consumer *consumer, const char *algorithm)
{
    for (const char *const *known = consumer->algorithms; *known != NULL; known++) {
        if (strcmp(*known, algorithm) == 0) {
            return true;
        }
    }
    return false;
}

/* The ranks from which on an exact product is no longer smaller than what it stands for. */
static int64_t most_ranks(const lyc_conversion *c, const lyc_adapter_target *target)
{
    const int64_t out = target->weight.dims[0];
    int64_t in = 1;
    for (int i = 1; i < target->weight.rank; i++) {
        in = lyc_adapter_extent_times(in, target->weight.dims[i]);
    }
    return c->options->max_rank > 0 ? c->options->max_rank : (out < in ? out : in) / 2;
}

/* An exact LoRA where there is one of few ranks, else an approximation. */
static lyc_status choose_lora(lyc_convert_layer *layer, lyc_conversion *c, const lyc_adapter *a, lyc_error *err)
{
    int64_t rank;
    LYC_TRY(lyc_adapter_product_rank(&rank, a, err));
    const bool asked = c->options->rank > 0 && rank > c->options->rank;
    layer->form = rank > 0 && rank <= most_ranks(c, &layer->target) && !asked ? LYC_CONVERT_PRODUCT : LYC_CONVERT_SVD;
    layer->rank = rank;
    return LYC_OK;
}

static lyc_status refuse(const lyc_conversion *c, const lyc_file_layer *layer, const char *why, lyc_error *err)
{
    return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: '%s' is %s, %s", lyc_network_file_path(c->file), layer->name,
                    layer->algorithm->name, why);
}

/* The adapter of a layer, and in layer->target what it is for. */
static lyc_status open_layer(lyc_adapter **a, lyc_convert_layer *layer, const lyc_conversion *c,
                             const lyc_file_layer *source, lyc_error *err)
{
    LYC_TRY(lyc_convert_needs_base(source) ? lyc_convert_find_base(layer, c, err)
                                           : lyc_network_file_target(&layer->target, c->file, layer->index, err));
    return lyc_network_file_adapter(a, c->file, layer->index, &layer->target, err);
}

/* For a program: as it is, exactly as a LoRA, as a difference, as an approximation, what is known first. */
static lyc_status choose_for_consumer(lyc_convert_layer *layer, lyc_conversion *c, const lyc_file_layer *source,
                                      lyc_error *err)
{
    lyc_adapter *a = NULL;
    if (judge_as_it_is(c, source, layer->index) <= LYC_VERDICT_LIMITED) {
        layer->form = same_form(c, source);
        return LYC_OK;
    }
    if (source->algorithm->for_norms) {
        return refuse(c, source, "which the program does not know and which has no other form", err);
    }
    LYC_TRY(open_layer(&a, layer, c, source, err));
    const lyc_status status = choose_lora(layer, c, a, err);
    if (status == LYC_OK && layer->form == LYC_CONVERT_SVD && reads(c->consumer, "full")) {
        layer->form = LYC_CONVERT_DIFFERENCE;
    }
    lyc_adapter_free(a);
    return status;
}

static lyc_status choose_algorithm(lyc_convert_layer *layer, lyc_conversion *c, const lyc_file_layer *source,
                                   lyc_error *err)
{
    lyc_adapter *a = NULL;
    const char *wanted = c->options->algorithm;
    const bool already = strcmp(wanted, source->algorithm->name) == 0 && !is_tucker_lora(source);
    if (wanted == NULL || already || source->algorithm->for_norms) {
        layer->form = same_form(c, source);
        return LYC_OK;
    }
    LYC_TRY(open_layer(&a, layer, c, source, err));
    lyc_status status = LYC_OK;
    if (strcmp(wanted, "full") == 0) {
        layer->form = LYC_CONVERT_DIFFERENCE;
    } else {
        status = choose_lora(layer, c, a, err);
    }
    lyc_adapter_free(a);
    return status;
}

lyc_dtype lyc_convert_dtype(const lyc_conversion *c, const lyc_file_layer *layer)
{
    for (size_t i = 0; c->options->keep_dtype && i < layer->group.count; i++) {
        const lyc_dtype dtype = layer->group.tensors[i].dtype;
        if (layer->group.tensors[i].shape.rank > 0 && (dtype == LYC_F16 || dtype == LYC_BF16 || dtype == LYC_F32)) {
            return dtype;
        }
    }
    return c->options->keep_dtype ? LYC_F16 : c->options->dtype;
}

lyc_status lyc_convert_choose(lyc_convert_layer *layer, lyc_conversion *c, size_t index, lyc_error *err)
{
    const lyc_file_layer *source = lyc_network_file_at(c->file, index);
    *layer = (lyc_convert_layer){
        .index = index, .dtype = lyc_convert_dtype(c, source), .written = lyc_convert_name(c, source)};
    if (layer->written == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the names of layers");
    }
    LYC_TRY(c->consumer != NULL             ? choose_for_consumer(layer, c, source, err)
            : c->options->algorithm != NULL ? choose_algorithm(layer, c, source, err)
                                            : LYC_OK);
    if (c->consumer == NULL && c->options->algorithm == NULL) {
        layer->form = same_form(c, source);
    }
    if (strcmp(source->component, "transformer") == 0) {
        if (!layer->based) {
            LYC_TRY(lyc_network_file_target(&layer->target, c->file, index, err));
        }
        layer->swap = lyc_convert_swaps(c, source, &layer->target);
        if (layer->swap && layer->form != LYC_CONVERT_COPY && layer->form != LYC_CONVERT_SAME) {
            return refuse(c, source, "which is not converted together with its halves", err);
        }
        layer->form = layer->swap ? LYC_CONVERT_SAME : layer->form;
    }
    if (layer->form == LYC_CONVERT_SAME) {
        return lyc_network_file_target(&layer->target, c->file, index, err);
    }
    return LYC_OK;
}
