/* resize_metadata.c - what a resized file says about itself
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/resize_metadata.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for metadata");
}

static bool is_fixed(const lyc_resize_options *o)
{
    return o->method == NULL || strcmp(o->method, "fixed") == 0;
}

/* "8" or "Dynamic"; ranks and alphas of the options. */
typedef struct numbers {
    char dim[32], alpha[32], conv_dim[32], conv_alpha[32];
} numbers;

static numbers new_numbers(const lyc_resize_options *o, double scale)
{
    numbers n = {"Dynamic", "Dynamic", "Dynamic", "Dynamic"};
    const int64_t conv = o->conv_rank > 0 ? o->conv_rank : o->rank;
    if (!is_fixed(o)) {
        return n;
    }
    snprintf(n.dim, sizeof n.dim, "%" PRId64, o->rank);
    snprintf(n.conv_dim, sizeof n.conv_dim, "%" PRId64, conv);
    if (!isnan(scale)) {
        snprintf(n.alpha, sizeof n.alpha, "%.9g", scale * (double)o->rank);
        snprintf(n.conv_alpha, sizeof n.conv_alpha, "%.9g", scale * (double)conv);
    }
    return n;
}

/* The ranks of convolutions are among the arguments. */
static lyc_status plan_arguments(lyc_tensor_set *set, const char *text, const numbers *n, lyc_error *err)
{
    lyc_status status = LYC_OK;
    json_t *tree = json_loads(text, 0, NULL);
    if (json_is_object(tree) && json_object_get(tree, "conv_dim") != NULL) {
        const bool set_both = json_object_set_new(tree, "conv_dim", json_string(n->conv_dim)) == 0 &&
                              (json_object_get(tree, "conv_alpha") == NULL ||
                               json_object_set_new(tree, "conv_alpha", json_string(n->conv_alpha)) == 0);
        const size_t size = set_both ? json_dumpb(tree, NULL, 0, JSON_ENSURE_ASCII) : 0;
        char *changed = size > 0 ? lyc_arena_alloc(&set->arena, size + 1, 1) : NULL;
        status = changed == NULL || json_dumpb(tree, changed, size, JSON_ENSURE_ASCII) != size
                     ? no_memory(err)
                     : lyc_safetensors_plan_metadata(set->plan, "ss_network_args", changed, err);
    }
    json_decref(tree);
    return status;
}

static lyc_status plan_comment(lyc_tensor_set *set, const char *old, const lyc_resize_options *o, int64_t before,
                               lyc_error *err)
{
    char conv[48] = "";
    const char *comment;
    if (o->conv_rank > 0 && o->conv_rank != o->rank) {
        snprintf(conv, sizeof conv, " (conv: %" PRId64 ")", o->conv_rank);
    }
    old = old != NULL ? old : "";
    if (is_fixed(o)) {
        comment = lyc_arena_format(&set->arena, "dimension is resized from %" PRId64 " to %" PRId64 "%s; %s", before,
                                   o->rank, conv, old);
    } else {
        comment = lyc_arena_format(&set->arena, "Dynamic resize with %s: %g from %" PRId64 "; %s", o->method,
                                   o->parameter, before, old);
    }
    return comment == NULL ? no_memory(err)
                           : lyc_safetensors_plan_metadata(set->plan, "ss_training_comment", comment, err);
}

lyc_status lyc_resize_metadata(lyc_tensor_set *set, const lyc_safetensors *file, const lyc_resize_options *options,
                               int64_t before, double scale, lyc_error *err)
{
    const numbers n = new_numbers(options, scale);
    const char *arguments = lyc_safetensors_metadata(file, "ss_network_args");
    LYC_TRY(lyc_tensor_set_copy_metadata(set, file, NULL, err));
    LYC_TRY(lyc_safetensors_plan_metadata(set->plan, "ss_network_dim", n.dim, err));
    LYC_TRY(lyc_safetensors_plan_metadata(set->plan, "ss_network_alpha", n.alpha, err));
    if (arguments != NULL) {
        LYC_TRY(plan_arguments(set, arguments, &n, err));
    }
    return plan_comment(set, lyc_safetensors_metadata(file, "ss_training_comment"), options, before, err);
}
