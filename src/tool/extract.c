/* extract.c - adapters from the difference of two models
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/extract.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/task.h"
#include "base/thread.h"
#include "tensor/shape.h"
#include "tool/output.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the layers of an extraction");
}

/* --- options -------------------------------------------------------------------------------------------------------
 */

static bool is_mode(const lyc_extract_options *o, const char *mode)
{
    return strcmp(o->mode, mode) == 0;
}

static lyc_status check_value(double value, const char *mode, lyc_error *err)
{
    return value >= 0.0 && value <= 1.0
               ? LYC_OK
               : lyc_fail(err, LYC_E_ARGUMENT, "a %s of %g, expected from 0 to 1", mode, value);
}

static lyc_status check_algorithm(const lyc_extract_options *o, lyc_error *err)
{
    static const char *const names[] = {"lora", "loha", "lokr"};
    bool known = o->algorithm == NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !known; i++) {
        known = strcmp(o->algorithm, names[i]) == 0;
    }
    if (!known) {
        return lyc_fail(err, LYC_E_ARGUMENT, "differences are extracted as lora, loha or lokr, not as '%s'",
                        o->algorithm);
    }
    const bool lora = o->algorithm == NULL || strcmp(o->algorithm, "lora") == 0;
    return lora || !(o->tucker || o->sparse)
               ? LYC_OK
               : lyc_fail(err, LYC_E_ARGUMENT, "cores and sparse remainders are for lora, not for %s", o->algorithm);
}

static lyc_status check_options(const lyc_extract_options *o, lyc_error *err)
{
    static const char *const modes[] = {"fixed", "threshold", "ratio", "quantile", "full"};
    bool known = false;
    for (size_t i = 0; o->mode != NULL && i < sizeof modes / sizeof modes[0]; i++) {
        known |= is_mode(o, modes[i]);
    }
    if (!known) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "'%s' is no way to choose ranks; expected fixed, threshold, ratio, quantile or full",
                        o->mode != NULL ? o->mode : "");
    }
    if (is_mode(o, "fixed") && (o->rank < 1 || o->conv_rank < 0)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a rank of %" PRId64 ", expected at least 1",
                        o->rank < 1 ? o->rank : o->conv_rank);
    }
    if (is_mode(o, "ratio") || is_mode(o, "quantile")) {
        LYC_TRY(check_value(o->value, o->mode, err));
        LYC_TRY(o->conv_value < 0.0 ? LYC_OK : check_value(o->conv_value, o->mode, err));
    }
    if (is_mode(o, "threshold") && !(o->value >= 0.0)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a threshold of %g, expected 0 or more", o->value);
    }
    LYC_TRY(check_value(o->sparsity, "sparsity", err));
    if (o->dtype != LYC_F32 && o->dtype != LYC_F16 && o->dtype != LYC_BF16) {
        return lyc_fail(err, LYC_E_ARGUMENT, "adapters are written as F32, F16 or BF16, not as %s",
                        lyc_dtype_name(o->dtype));
    }
    return check_algorithm(o, err);
}

/* --- layers of both models -----------------------------------------------------------------------------------------
 */

static bool has_component(const lyc_base_model *model, const char *component)
{
    for (size_t i = 0; i < lyc_base_model_module_count(model); i++) {
        if (strcmp(lyc_base_model_module(model, i).component, component) == 0) {
            return true;
        }
    }
    return false;
}

static bool find_module(lyc_base_module *out, const lyc_base_model *model, const lyc_base_module_name *name)
{
    for (size_t unit = 0; unit < lyc_base_model_unit_count(model); unit++) {
        if (lyc_base_model_find(out, model, unit, name->component, name->entry->name)) {
            return true;
        }
    }
    return false;
}

/* Every module of the one, of networks that both have, must be in the other. */
static lyc_status check_modules(const lyc_base_model *has, const lyc_base_model *lacks, const char *path,
                                lyc_error *err)
{
    char brief[LYC_BRIEF];
    lyc_base_module module;
    for (size_t i = 0; i < lyc_base_model_module_count(has); i++) {
        const lyc_base_module_name name = lyc_base_model_module(has, i);
        if (has_component(lacks, name.component) && !find_module(&module, lacks, &name)) {
            return lyc_fail(err, LYC_E_SHAPE, "%s has no '%s' in its %s, as the other model has", path,
                            lyc_text_brief(brief, sizeof brief, lyc_span_of(name.entry->name)), name.component);
        }
    }
    return LYC_OK;
}

static bool same_but_ones(const lyc_shape *a, const lyc_shape *b)
{
    for (int i = 0; i < a->rank || i < b->rank; i++) {
        if ((i < a->rank ? a->dims[i] : 1) != (i < b->rank ? b->dims[i] : 1)) {
            return false;
        }
    }
    return true;
}

static lyc_status check_shapes(const lyc_shape *base, const lyc_shape *tuned, const char *what, const char *module,
                               lyc_error *err)
{
    char text[LYC_SHAPE_TEXT], other[LYC_SHAPE_TEXT];
    return same_but_ones(base, tuned)
               ? LYC_OK
               : lyc_fail(err, LYC_E_SHAPE, "the %s of '%s' is %s in the one model and %s in the other", what, module,
                          lyc_shape_text(text, sizeof text, base), lyc_shape_text(other, sizeof other, tuned));
}

static const char *layer_name(lyc_extraction *x, const lyc_base_module_name *name, const lyc_base_module *module)
{
    const bool transformer = strcmp(name->component, "transformer") == 0;
    const bool original = transformer ? module->original : x->original_paths && strcmp(name->component, "unet") == 0;
    const char *text = strcmp(name->component, "text_encoder") == 0     ? x->first_text
                       : strcmp(name->component, "text_encoder_3") == 0 ? "lora_te3"
                                                                        : "lora_te2";
    return lyc_key_layer_name(&x->arena, LYC_KEY_KOHYA, name->component,
                              original ? name->entry->original : name->entry->name, text);
}

static lyc_status add_layer(lyc_extraction *x, const lyc_base_module_name *name, const lyc_base_module *base,
                            const lyc_base_module *tuned, lyc_error *err)
{
    lyc_extract_layer *l = &x->layers[x->count];
    const lyc_shape *shape = &base->weight.shape;
    LYC_TRY(check_shapes(shape, &tuned->weight.shape, "weight", name->entry->name, err));
    if (base->bias.count > 0 || tuned->bias.count > 0) {
        LYC_TRY(check_shapes(&base->bias.shape, &tuned->bias.shape, "bias", name->entry->name, err));
    }
    *l = (lyc_extract_layer){.owner = x,
                             .name = layer_name(x, name, base),
                             .component = name->component,
                             .module = name->entry->name,
                             .base = *base,
                             .tuned = *tuned,
                             .is_norm = shape->rank == 1,
                             .is_table = name->entry->is_table,
                             .out = shape->dims[0],
                             .in = shape->rank > 1 ? shape->dims[1] : 1,
                             .kernel = lyc_shape_product(shape, 2, shape->rank)};
    l->exchanged = base->original != tuned->original && strcmp(name->component, "transformer") == 0 &&
                   lyc_fused_swaps_halves(l->module, l->out, l->in);
    x->count++;
    return l->name != NULL ? LYC_OK : no_memory(err);
}

static bool is_wanted(const lyc_extract_options *o, const lyc_base_module_name *name, const lyc_base_module *module)
{
    const bool full = is_mode(o, "full");
    if (o->without_text && strncmp(name->component, "text_encoder", 12) == 0) {
        return false;
    }
    return module->weight.shape.rank == 1 ? full || o->norms : full || !name->entry->is_table;
}

/* The modules of base that tuned has as well, each once: a folder may have several files of a network. */
static lyc_status list_layers(lyc_extraction *x, lyc_error *err)
{
    char key[LYC_KEY_PATH + 64];
    lyc_hashmap seen = {0};
    lyc_status status = LYC_OK;
    const size_t count = lyc_base_model_module_count(x->base);
    x->layers = lyc_alloc_zero(count + 1, sizeof *x->layers);
    if (x->layers == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count && status == LYC_OK; i++) {
        lyc_base_module base, tuned;
        const lyc_base_module_name name = lyc_base_model_module(x->base, i);
        snprintf(key, sizeof key, "%s/%s", name.component, name.entry->name);
        if (lyc_hashmap_find(&seen, lyc_span_of(key)) != NULL ||
            !lyc_base_model_find(&base, x->base, name.unit, name.component, name.entry->name) ||
            !is_wanted(x->options, &name, &base) || !find_module(&tuned, x->tuned, &name)) {
            continue;
        }
        status = lyc_hashmap_put(&seen, lyc_span_of(key), x) ? add_layer(x, &name, &base, &tuned, err) : no_memory(err);
    }
    lyc_hashmap_clear(&seen);
    return status;
}

/* Stable Diffusion XL has transformers of several blocks; files have the paths of the original code then. */
static void look_for_family(lyc_extraction *x)
{
    bool xl = false, several = false;
    for (size_t i = 0; i < lyc_base_model_module_count(x->base); i++) {
        const lyc_base_module_name name = lyc_base_model_module(x->base, i);
        const bool unet = strcmp(name.component, "unet") == 0;
        xl |= unet && strstr(name.entry->name, ".transformer_blocks.1.") != NULL;
        several |= strncmp(name.component, "text_encoder_", 13) == 0 || strcmp(name.component, "transformer") == 0;
    }
    x->original_paths = xl && !x->options->exact_names;
    x->first_text = xl || several ? "lora_te1" : "lora_te";
}

/* --- computing -----------------------------------------------------------------------------------------------------
 */

typedef struct extract_work {
    lyc_extraction *x;
    size_t first;
} extract_work;

static void make_layers(void *context, int64_t first, int64_t last, int thread)
{
    const extract_work *work = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        lyc_extract_layer *l = &work->x->layers[work->first + (size_t)i];
        l->status = lyc_extract_make(l, &l->err);
        if (l->status != LYC_OK) {
            lyc_wrap(&l->err, "'%s'", l->module);
        }
    }
}

static lyc_status make_all(lyc_extraction *x, const lyc_task *task, lyc_error *err)
{
    enum { AT_ONCE = 32 };
    lyc_progress progress;
    lyc_status status = LYC_OK;
    lyc_task_begin(&progress, task, "extracting", "layer", (int64_t)x->count);
    for (size_t first = 0; first < x->count && status == LYC_OK; first += AT_ONCE) {
        const size_t count = x->count - first < AT_ONCE ? x->count - first : AT_ONCE;
        status = lyc_task_check(task, err);
        if (status == LYC_OK) {
            extract_work work = {x, first};
            lyc_parallel_dynamic((int64_t)count, 1, make_layers, &work);
        }
        for (size_t i = first; i < first + count && status == LYC_OK; i++) {
            status = x->layers[i].status;
            if (status != LYC_OK) {
                *err = x->layers[i].err;
            }
        }
        lyc_progress_add(&progress, (int64_t)count);
    }
    lyc_progress_finish(&progress);
    return status;
}

/* --- the file ------------------------------------------------------------------------------------------------------
 */

static lyc_status make_weight(void *context, float *out, lyc_error *err)
{
    return lyc_extract_weight(out, NULL, context, err);
}

static lyc_status make_bias(void *context, float *out, lyc_error *err)
{
    return lyc_extract_bias(out, NULL, context, err);
}

static lyc_status plan_whole(lyc_extraction *x, lyc_extract_layer *l, const char *suffix, bool bias, lyc_error *err)
{
    const char *name = lyc_arena_format(&x->arena, "%s.%s", l->name, suffix);
    const lyc_shape *shape = bias ? &l->base.bias.shape : &l->base.weight.shape;
    return name == NULL ? no_memory(err)
                        : lyc_tensor_set_add_made(&x->set, name, bias ? make_bias : make_weight, l, shape,
                                                  x->options->dtype, err);
}

static lyc_status plan_factors(lyc_extraction *x, const lyc_extract_layer *l, lyc_error *err)
{
    const char *name = lyc_arena_format(&x->arena, "%s.alpha", l->name);
    if (name == NULL) {
        return no_memory(err);
    }
    LYC_TRY(lyc_tensor_set_add_number(&x->set, name, (double)l->rank, &(lyc_shape){0}, x->options->dtype, err));
    for (int i = 0; i < l->count; i++) {
        const lyc_extract_tensor *t = &l->tensors[i];
        lyc_tensor_view view = {.dtype = t->dtype, .shape = t->shape, .data = t->data};
        name = lyc_arena_format(&x->arena, "%s.%s", l->name, t->suffix);
        if (name == NULL) {
            return no_memory(err);
        }
        LYC_TRY(lyc_shape_bytes(&view.size_bytes, &view.shape, view.dtype, err));
        LYC_TRY(lyc_tensor_set_add(&x->set, name, &view, x->options->dtype, err));
    }
    return LYC_OK;
}

static lyc_status plan_layer(lyc_extraction *x, lyc_extract_layer *l, lyc_error *err)
{
    const bool norm = l->form == LYC_EXTRACT_NORM;
    if (l->form == LYC_EXTRACT_NOTHING) {
        return LYC_OK;
    }
    LYC_TRY(norm || l->form == LYC_EXTRACT_FULL ? plan_whole(x, l, norm ? "w_norm" : "diff", false, err)
                                                : plan_factors(x, l, err));
    return l->with_bias ? plan_whole(x, l, norm ? "b_norm" : "diff_b", true, err) : LYC_OK;
}

static lyc_status plan_metadata(lyc_extraction *x, lyc_error *err)
{
    const lyc_extract_options *o = x->options;
    const int64_t conv = o->conv_rank > 0 ? o->conv_rank : o->rank;
    bool plain = true;
    char rank[32] = "Dynamic", arguments[160];
    for (size_t i = 0; i < x->count; i++) {
        plain &= x->layers[i].form == LYC_EXTRACT_NOTHING || x->layers[i].form == LYC_EXTRACT_LORA;
    }
    const char *algorithm = is_mode(o, "full") ? "full" : o->algorithm != NULL ? o->algorithm : "lora";
    snprintf(arguments, sizeof arguments, "{\"algo\": \"%s\"}", algorithm);
    if (is_mode(o, "fixed")) {
        snprintf(rank, sizeof rank, "%" PRId64, o->rank);
        snprintf(arguments, sizeof arguments,
                 "{\"algo\": \"%s\", \"conv_dim\": \"%" PRId64 "\", \"conv_alpha\": \"%" PRId64 "\"}", algorithm, conv,
                 conv);
    }
    lyc_safetensors_plan *plan = x->set.plan;
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_module", plain ? "networks.lora" : "lycoris.kohya", err));
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_dim", rank, err));
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_alpha", rank, err));
    return lyc_safetensors_plan_metadata(plan, "ss_network_args", arguments, err);
}

static lyc_status write_file(const char *path, lyc_extraction *x, const lyc_task *task, lyc_error *err)
{
    const size_t files = lyc_base_model_file_count(x->base), others = lyc_base_model_file_count(x->tuned);
    const lyc_safetensors **inputs = lyc_arena_alloc(&x->arena, files + others + 1, sizeof *inputs);
    if (inputs == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < files + others; i++) {
        inputs[i] =
            i < files ? lyc_base_model_file(x->base, i)->tensors : lyc_base_model_file(x->tuned, i - files)->tensors;
    }
    for (size_t i = 0; i < x->count; i++) {
        LYC_TRY(plan_layer(x, &x->layers[i], err));
    }
    LYC_TRY(plan_metadata(x, err));
    const lyc_safetensors_writer_options options = {
        .force = x->options->force, .inputs = inputs, .input_count = files + others};
    return x->options->dry_run ? LYC_OK : lyc_tensor_set_write(path, &x->set, &options, task, err);
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */

static lyc_status open_both(lyc_extraction *x, const char *base, const char *tuned, lyc_error *err)
{
    const lyc_base_model_options options = {.exact = x->options->exact_names};
    LYC_TRY(lyc_base_model_open(&x->base, base, &options, err));
    LYC_TRY(lyc_base_model_open(&x->tuned, tuned, &options, err));
    LYC_TRY(check_modules(x->base, x->tuned, tuned, err));
    LYC_TRY(check_modules(x->tuned, x->base, base, err));
    look_for_family(x);
    LYC_TRY(list_layers(x, err));
    return x->count > 0 ? LYC_OK
                        : lyc_fail(err, LYC_E_SHAPE, "%s and %s have no layers in common that are known", base, tuned);
}

static lyc_status check_output(const char *path, const lyc_extraction *x, const char *base, const char *tuned,
                               lyc_error *err)
{
    const char *inputs[] = {base, tuned};
    const lyc_tool_output_options output = {
        .path = path, .force = x->options->force, .inputs = inputs, .input_count = 2};
    return x->options->dry_run ? LYC_OK : lyc_tool_output_check(&output, 0, err);
}

static lyc_status extract(const char *path, lyc_extraction *x, const char *base, const char *tuned,
                          const lyc_task *task, lyc_error *err)
{
    LYC_TRY(check_options(x->options, err));
    LYC_TRY(check_output(path, x, base, tuned, err));
    LYC_TRY(open_both(x, base, tuned, err));
    LYC_TRY(make_all(x, task, err));
    bool differ = false;
    for (size_t i = 0; i < x->count; i++) {
        differ |= x->layers[i].form != LYC_EXTRACT_NOTHING;
    }
    if (!differ) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s and %s do not differ in any layer", base, tuned);
    }
    return write_file(path, x, task, err);
}

lyc_status lyc_extract(lyc_extraction **out, const char *path, const char *base, const char *tuned,
                       const lyc_extract_options *options, const lyc_task *task, lyc_error *err)
{
    lyc_extraction *x = lyc_alloc_zero(1, sizeof *x);
    if (x == NULL) {
        return no_memory(err);
    }
    x->options = options;
    lyc_status status = lyc_tensor_set_start(&x->set, options->allow_overflow, err);
    status = status != LYC_OK ? status : extract(path, x, base, tuned, task, err);
    if (status != LYC_OK) {
        lyc_extraction_free(x);
        return status;
    }
    *out = x;
    return LYC_OK;
}

void lyc_extraction_free(lyc_extraction *x)
{
    if (x == NULL) {
        return;
    }
    for (size_t i = 0; i < x->count; i++) {
        for (int k = 0; k < x->layers[i].count; k++) {
            lyc_free(x->layers[i].tensors[k].data);
        }
    }
    lyc_free(x->layers);
    lyc_tensor_set_clear(&x->set);
    lyc_base_model_close(x->base);
    lyc_base_model_close(x->tuned);
    lyc_arena_clear(&x->arena);
    lyc_free(x);
}

size_t lyc_extraction_count(const lyc_extraction *x)
{
    return x->count;
}

lyc_extracted_layer lyc_extraction_layer(const lyc_extraction *x, size_t index)
{
    static const char *const names[] = {NULL, "lora", "loha", "lokr", "full", "norm"};
    assert(index < x->count);
    const lyc_extract_layer *l = &x->layers[index];
    return (lyc_extracted_layer){.name = l->name,
                                 .component = l->component,
                                 .algorithm = names[l->form],
                                 .rank = l->rank,
                                 .energy = l->energy,
                                 .error = l->error};
}
