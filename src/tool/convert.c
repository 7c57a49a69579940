/* convert.c - adapter files under other names and as other algorithms
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/convert.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "adapter/network_save.h"
#include "base/memory.h"
#include "base/task.h"
#include "tensor/dtype.h"
#include "tensor/hashed_write.h"
#include "tensor/shape.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of a converted file");
}

/* --- options -------------------------------------------------------------------------------------------------------
 */

static lyc_status find_scheme(lyc_conversion *c, lyc_error *err)
{
    static const lyc_key_scheme written[] = {LYC_KEY_KOHYA, LYC_KEY_WRAPPER, LYC_KEY_DIFFUSERS, LYC_KEY_BARE,
                                             LYC_KEY_PEFT};
    const char *name = c->options->scheme;
    if (name == NULL) {
        c->scheme = c->consumer != NULL ? c->consumer->writes : LYC_KEY_KOHYA;
        c->keep_scheme = c->consumer == NULL;
        return LYC_OK;
    }
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        if (strcmp(lyc_key_scheme_name(written[i]), name) == 0) {
            c->scheme = written[i];
            return LYC_OK;
        }
    }
    return lyc_fail(err, LYC_E_ARGUMENT, "names of '%s'; expected kohya, wrapper, diffusers, bare or peft", name);
}

static lyc_status check_options(lyc_conversion *c, lyc_error *err)
{
    size_t consumer;
    const lyc_convert_options *o = c->options;
    if (o->consumer != NULL && !lyc_consumer_find(&consumer, o->consumer)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is no program that is known here", o->consumer);
    }
    c->consumer = o->consumer != NULL ? lyc_consumers[consumer] : NULL;
    if (o->algorithm != NULL && strcmp(o->algorithm, "lora") != 0 && strcmp(o->algorithm, "full") != 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "adapters are converted to lora or full, not to '%s'", o->algorithm);
    }
    if (o->paths != NULL && strcmp(o->paths, "diffusers") != 0 && strcmp(o->paths, "original") != 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "paths of '%s'; expected diffusers or original", o->paths);
    }
    if (!o->keep_dtype && o->dtype != LYC_F32 && o->dtype != LYC_F16 && o->dtype != LYC_BF16) {
        return lyc_fail(err, LYC_E_ARGUMENT, "adapters are written as F32, F16 or BF16, not as %s",
                        lyc_dtype_name(o->dtype));
    }
    return find_scheme(c, err);
}

/* As the layers say it, unless the user does. */
static void choose_naming(lyc_conversion *c)
{
    c->naming = lyc_layer_naming_of(&c->file, 1);
    if (c->options->paths != NULL) {
        c->naming.original_paths = strcmp(c->options->paths, "original") == 0;
    }
}

/* --- planning ------------------------------------------------------------------------------------------------------
 */

static bool is_float(lyc_dtype dtype)
{
    return dtype == LYC_F16 || dtype == LYC_BF16 || dtype == LYC_F32 || dtype == LYC_F64 || dtype == LYC_F8_E4M3 ||
           dtype == LYC_F8_E5M2;
}

static lyc_dtype copied_type(const lyc_conversion *c, const lyc_tensor_view *tensor)
{
    return c->options->keep_dtype || !is_float(tensor->dtype) ? tensor->dtype : c->options->dtype;
}

static lyc_status add_tensor(lyc_conversion *c, lyc_safetensors_plan *plan, size_t layer, const lyc_tensor_view *tensor,
                             lyc_dtype dtype, const lyc_tensor_view *copied, lyc_error *err)
{
    const lyc_file_layer *source = lyc_network_file_at(c->file, c->layers[layer].index);
    const char *suffix = lyc_key_suffix(lyc_convert_scheme(c, source), tensor->name);
    const char *name = lyc_arena_format(&c->arena, "%s.%s", c->layers[layer].written, suffix);
    lyc_convert_tensor *t = lyc_arena_alloc(&c->arena, 1, sizeof *t);
    if (name == NULL || t == NULL || !lyc_hashmap_put(&c->tensors, lyc_span_of(name), t)) {
        return no_memory(err);
    }
    *t = (lyc_convert_tensor){.layer = layer, .suffix = lyc_arena_text(&c->arena, tensor->name), .copied = copied};
    return t->suffix == NULL ? no_memory(err) : lyc_safetensors_plan_add(plan, name, dtype, &tensor->shape, err);
}

/* A copied layer: its tensors; alpha goes where the scheme has none (it says nothing then), and comes where a reader
 * may need it. */
static lyc_status plan_copy(lyc_conversion *c, lyc_safetensors_plan *plan, size_t layer, lyc_error *err)
{
    const lyc_file_layer *source = lyc_network_file_at(c->file, c->layers[layer].index);
    const lyc_key_scheme scheme = lyc_convert_scheme(c, source);
    const bool without = scheme == LYC_KEY_DIFFUSERS || scheme == LYC_KEY_BARE || scheme == LYC_KEY_PEFT;
    for (size_t i = 0; i < source->group.count; i++) {
        const lyc_tensor_view *tensor = &source->group.tensors[i];
        if (!(without && strcmp(tensor->name, "alpha") == 0)) {
            LYC_TRY(add_tensor(c, plan, layer, tensor, copied_type(c, tensor), tensor, err));
        }
    }
    const int64_t rank = lyc_adapter_extent(&source->group, "lora_down.weight", 0);
    const bool wanted = (scheme == LYC_KEY_KOHYA || scheme == LYC_KEY_WRAPPER) && rank > 0 &&
                        lyc_adapter_group_find(&source->group, "alpha") == NULL;
    if (!wanted) {
        return LYC_OK;
    }
    const float value = (float)rank;
    lyc_tensor_view *alpha = lyc_arena_alloc(&c->arena, 1, sizeof *alpha);
    const void *data = lyc_arena_copy(&c->arena, &value, sizeof value);
    if (alpha == NULL || data == NULL) {
        return no_memory(err);
    }
    *alpha = (lyc_tensor_view){.name = "alpha", .dtype = LYC_F32, .data = data, .size_bytes = sizeof value};
    return add_tensor(c, plan, layer, alpha, copied_type(c, alpha), alpha, err);
}

static lyc_status write_made(lyc_adapter_file *written, const lyc_adapter *a, const lyc_file_layer *source,
                             const lyc_conversion *c, lyc_error *err)
{
    LYC_TRY(lyc_adapter_write(written, a, err));
    return lyc_network_save_adjust(written, a, source->entry->name, lyc_convert_scheme(c, source), err);
}

static lyc_status plan_written(lyc_conversion *c, lyc_safetensors_plan *plan, size_t layer,
                               const lyc_adapter_file *written, lyc_error *err)
{
    for (int i = 0; i < written->count; i++) {
        const lyc_tensor_view *tensor = &written->tensors[i];
        const lyc_dtype dtype = tensor->dtype == LYC_F32 ? c->layers[layer].dtype : tensor->dtype;
        LYC_TRY(add_tensor(c, plan, layer, tensor, dtype, NULL, err));
    }
    return LYC_OK;
}

static lyc_status plan_made(lyc_conversion *c, lyc_safetensors_plan *plan, size_t layer, lyc_error *err)
{
    lyc_convert_layer *l = &c->layers[layer];
    const lyc_file_layer *source = lyc_network_file_at(c->file, l->index);
    lyc_adapter *a = NULL;
    lyc_adapter_file written = {0};
    if (l->form == LYC_CONVERT_SVD) {
        LYC_TRY(lyc_convert_approximate(l, c, err));
    } else {
        LYC_TRY(lyc_convert_make(&a, c, l, true, err));
    }
    lyc_status status = write_made(&written, l->kept != NULL ? l->kept : a, source, c, err);
    status = status != LYC_OK ? status : plan_written(c, plan, layer, &written, err);
    lyc_adapter_file_clear(&written);
    lyc_adapter_free(a);
    return status;
}

/* A layer of the file: one layer of the output, or as many as it has parts there. */
static lyc_status plan_source(lyc_conversion *c, lyc_safetensors_plan *plan, size_t index, lyc_error *err)
{
    int count = 1;
    lyc_convert_layer *layers = &c->layers[c->count];
    if (lyc_convert_is_fused(c, lyc_network_file_at(c->file, index))) {
        LYC_TRY(lyc_convert_choose_fused(layers, &count, c, index, err));
    } else {
        LYC_TRY(lyc_convert_choose(layers, c, index, err));
    }
    for (int i = 0; i < count; i++) {
        const size_t at = c->count++;
        LYC_TRY(layers[i].form == LYC_CONVERT_COPY ? plan_copy(c, plan, at, err) : plan_made(c, plan, at, err));
    }
    return LYC_OK;
}

static lyc_status plan_layers(lyc_conversion *c, lyc_safetensors_plan *plan, const lyc_task *task, lyc_error *err)
{
    lyc_progress progress;
    const size_t count = lyc_network_file_count(c->file);
    c->layers = lyc_alloc_zero((count + 1) * LYC_FUSED_PARTS, sizeof *c->layers); /* fits: layers of a file */
    if (c->layers == NULL) {
        return no_memory(err);
    }
    lyc_task_begin(&progress, task, "planning", "layer", (int64_t)count);
    lyc_status status = LYC_OK;
    for (size_t i = 0; i < count && status == LYC_OK; i++) {
        status = lyc_task_check(task, err);
        status = status != LYC_OK ? status : plan_source(c, plan, i, err);
        lyc_progress_add(&progress, 1);
    }
    lyc_progress_finish(&progress);
    return status;
}

static bool all_are_loras(const lyc_conversion *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const char *from = lyc_network_file_at(c->file, c->layers[i].index)->algorithm->name;
        const bool same = c->layers[i].form == LYC_CONVERT_COPY || c->layers[i].form == LYC_CONVERT_SAME;
        if (c->layers[i].form == LYC_CONVERT_DIFFERENCE || c->layers[i].dense || (same && strcmp(from, "lora") != 0)) {
            return false;
        }
    }
    return true;
}

/* What the file said, but for what is no longer so. */
static lyc_status plan_metadata(lyc_conversion *c, lyc_safetensors_plan *plan, lyc_error *err)
{
    const lyc_safetensors *file = lyc_network_file_tensors(c->file);
    bool changed = false;
    for (size_t i = 0; i < c->count; i++) {
        changed |= c->layers[i].form != LYC_CONVERT_COPY && c->layers[i].form != LYC_CONVERT_SAME;
    }
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        const lyc_span key = {entry.key, entry.key_length};
        const bool stale = lyc_span_starts_with(key, "sshs_") || lyc_span_is(key, "modelspec.hash_sha256") ||
                           lyc_span_is(key, "lora_adapter_metadata") ||
                           (changed && (lyc_span_is(key, "ss_network_module") || lyc_span_is(key, "ss_network_dim") ||
                                        lyc_span_is(key, "ss_network_alpha") || lyc_span_is(key, "ss_network_args")));
        if (!stale) {
            LYC_TRY(lyc_safetensors_plan_metadata_n(plan, &entry, err));
        }
    }
    if (changed) {
        LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_module",
                                              all_are_loras(c) ? "networks.lora" : "lycoris.kohya", err));
        LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_dim", "Dynamic", err));
        LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_alpha", "Dynamic", err));
    }
    return c->scheme == LYC_KEY_DIFFUSERS && !c->keep_scheme ? lyc_safetensors_plan_metadata(plan, "format", "pt", err)
                                                             : LYC_OK;
}

static lyc_status plan_embeddings(lyc_conversion *c, lyc_safetensors_plan *plan, lyc_error *err)
{
    for (size_t i = 0; i < lyc_network_file_embedding_count(c->file); i++) {
        const lyc_tensor_view tensor = lyc_network_file_embedding(c->file, i);
        lyc_convert_tensor *t = lyc_arena_alloc(&c->arena, 1, sizeof *t);
        lyc_tensor_view *copied = lyc_arena_copy(&c->arena, &tensor, sizeof tensor);
        if (t == NULL || copied == NULL || !lyc_hashmap_put(&c->tensors, lyc_span_of(tensor.name), t)) {
            return no_memory(err);
        }
        *t = (lyc_convert_tensor){.copied = copied};
        LYC_TRY(lyc_safetensors_plan_add(plan, tensor.name, copied_type(c, &tensor), &tensor.shape, err));
    }
    return LYC_OK;
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

static void drop_made(lyc_conversion *c)
{
    lyc_adapter_file_clear(&c->written);
    lyc_adapter_free(c->adapter);
    c->written = (lyc_adapter_file){0};
    c->adapter = NULL;
    c->made = 0;
}

static lyc_status make_layer(lyc_conversion *c, size_t layer, lyc_error *err)
{
    const lyc_convert_layer *l = &c->layers[layer];
    if (c->made == layer + 1) {
        return LYC_OK;
    }
    drop_made(c);
    if (l->kept == NULL) {
        LYC_TRY(lyc_convert_make(&c->adapter, c, l, false, err));
    }
    const lyc_adapter *a = l->kept != NULL ? l->kept : c->adapter;
    LYC_TRY(write_made(&c->written, a, lyc_network_file_at(c->file, l->index), c, err));
    c->made = layer + 1;
    return LYC_OK;
}

/* The tensor in the type of the output. A number that was finite and is not any more is an error unless allowed. */
static lyc_status narrow(const void **data, lyc_conversion *c, const lyc_tensor_view *from, const lyc_tensor_view *to,
                         lyc_error *err)
{
    if (from->dtype == to->dtype) {
        *data = from->data;
        return LYC_OK;
    }
    if (to->size_bytes > c->narrow_size) {
        lyc_free(c->narrow);
        c->narrow = lyc_alloc(to->size_bytes);
        c->narrow_size = c->narrow != NULL ? to->size_bytes : 0;
        if (c->narrow == NULL) {
            return no_memory(err);
        }
    }
    const size_t n = (size_t)lyc_shape_elements(&to->shape);
    LYC_TRY(lyc_dtype_convert_parallel(c->narrow, to->dtype, from->data, from->dtype, n, err));
    *data = c->narrow;
    return LYC_OK;
}

static lyc_status check_numbers(const lyc_conversion *c, const lyc_tensor_view *tensor, const void *data,
                                lyc_error *err)
{
    char brief[LYC_BRIEF];
    const size_t element = (size_t)lyc_dtype_bits(tensor->dtype) / 8;
    const size_t n = (size_t)lyc_shape_elements(&tensor->shape);
    for (size_t i = 0; !c->options->allow_overflow && i < n; i++) {
        if (!isfinite(lyc_dtype_load(tensor->dtype, (const char *)data + i * element))) {
            return lyc_fail(err, LYC_E_NUMERIC,
                            "'%s' has a number that is not finite, or too large for %s; BF16 and F32 "
                            "hold more",
                            lyc_text_brief(brief, sizeof brief, lyc_span_of(tensor->name)),
                            lyc_dtype_name(tensor->dtype));
        }
    }
    return LYC_OK;
}

static lyc_status produce_tensor(const void **data, lyc_conversion *c, const lyc_tensor_view *tensor, lyc_error *err)
{
    const lyc_convert_tensor *t = lyc_hashmap_get(&c->tensors, lyc_span_of(tensor->name));
    if (t->copied != NULL) {
        LYC_TRY(narrow(data, c, t->copied, tensor, err));
        return t->copied->dtype == tensor->dtype ? LYC_OK : check_numbers(c, tensor, *data, err);
    }
    LYC_TRY(make_layer(c, t->layer, err));
    for (int i = 0; i < c->written.count; i++) {
        if (strcmp(c->written.tensors[i].name, t->suffix) == 0) {
            LYC_TRY(narrow(data, c, &c->written.tensors[i], tensor, err));
            return is_float(tensor->dtype) ? check_numbers(c, tensor, *data, err) : LYC_OK;
        }
    }
    return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is not made by its layer", tensor->name);
}

static lyc_status produce(void *context, const void **data, const lyc_tensor_view *tensor, lyc_error *err)
{
    lyc_conversion *c = context;
    LYC_TRY(produce_tensor(data, c, tensor, err));
    c->left--;
    for (size_t i = 0; c->left == 0 && i < c->input_count; i++) {
        LYC_TRY(lyc_safetensors_check(c->inputs[i], err));
    }
    return LYC_OK;
}

/* The adapter's file, and those of the base model. */
static lyc_status list_inputs(lyc_conversion *c, lyc_error *err)
{
    const size_t files = c->base != NULL ? lyc_base_model_file_count(c->base) : 0;
    c->inputs = lyc_arena_alloc(&c->arena, files + 1, sizeof *c->inputs);
    if (c->inputs == NULL) {
        return no_memory(err);
    }
    c->inputs[c->input_count++] = lyc_network_file_tensors(c->file);
    for (size_t i = 0; i < files; i++) {
        c->inputs[c->input_count++] = lyc_base_model_file(c->base, i)->tensors;
    }
    return LYC_OK;
}

static lyc_status write_file(const char *path, lyc_conversion *c, lyc_safetensors_plan *plan, const lyc_task *task,
                             lyc_error *err)
{
    LYC_TRY(list_inputs(c, err));
    c->left = lyc_safetensors_plan_count(plan);
    const lyc_safetensors_writer_options options = {
        .force = c->options->force, .inputs = c->inputs, .input_count = c->input_count};
    return lyc_hashed_write(path, plan, &options, produce, c, "writing", task, err);
}

/* A folder of PEFT says ranks and scales of all layers beside the tensors: it is written as a network is. */
static lyc_status adopt_layers(lyc_network *network, size_t member, const lyc_conversion *c, lyc_error *err)
{
    for (size_t i = 0; i < c->count; i++) {
        lyc_convert_layer *l = &c->layers[i];
        const lyc_file_layer *source = lyc_network_file_at(c->file, l->index);
        lyc_adapter *a = l->kept;
        l->kept = NULL;
        if (l->form == LYC_CONVERT_COPY) {
            l->form = LYC_CONVERT_SAME;
            LYC_TRY(lyc_network_file_target(&l->target, c->file, l->index, err));
        }
        if (a == NULL) {
            LYC_TRY(lyc_convert_make(&a, c, l, false, err));
        }
        const char *module = l->form == LYC_CONVERT_ROWS ? l->fused.parts[l->part] : source->entry->name;
        LYC_TRY(lyc_network_adopt(network, member, a, source->component, module, source->name, err));
    }
    return LYC_OK;
}

static lyc_status write_folder(const char *path, lyc_conversion *c, lyc_error *err)
{
    size_t member;
    lyc_network *network = NULL;
    const lyc_network_save_options options = {
        .scheme = LYC_KEY_PEFT, .dtype = c->layers[0].dtype, .force = c->options->force};
    LYC_TRY(lyc_network_new(&network, LYC_NETWORK_FIXED, err));
    lyc_status status = lyc_network_add_empty(&member, network, err);
    status = status != LYC_OK ? status : adopt_layers(network, member, c, err);
    status = status != LYC_OK ? status : lyc_network_save(path, network, member, &options, err);
    lyc_network_free(network);
    return status;
}

static lyc_status convert(const char *path, lyc_conversion *c, lyc_safetensors_plan *plan, const lyc_task *task,
                          lyc_error *err)
{
    char brief[LYC_BRIEF];
    const size_t unmatched = lyc_network_file_unmatched_count(c->file);
    LYC_TRY(check_options(c, err));
    if (c->options->strict && unmatched > 0) {
        const char *first = lyc_network_file_unmatched(c->file, 0);
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: %zu tensors belong to no known layer ('%s' ...)",
                        lyc_network_file_path(c->file), unmatched,
                        lyc_text_brief(brief, sizeof brief, lyc_span_of(first)));
    }
    if (c->options->base != NULL) {
        LYC_TRY(lyc_base_model_open(&c->base, c->options->base, NULL, err));
    }
    choose_naming(c);
    LYC_TRY(plan_layers(c, plan, task, err));
    LYC_TRY(plan_metadata(c, plan, err));
    LYC_TRY(plan_embeddings(c, plan, err));
    if (c->options->dry_run) {
        return LYC_OK;
    }
    return c->scheme == LYC_KEY_PEFT && !c->keep_scheme ? write_folder(path, c, err)
                                                        : write_file(path, c, plan, task, err);
}

lyc_status lyc_convert(lyc_conversion **out, const char *path, const lyc_network_file *file,
                       const lyc_convert_options *options, const lyc_task *task, lyc_error *err)
{
    lyc_safetensors_plan *plan = NULL;
    lyc_conversion *c = lyc_alloc_zero(1, sizeof *c);
    if (c == NULL) {
        return no_memory(err);
    }
    c->file = file;
    c->options = options;
    c->keep_dtype = options->keep_dtype;
    lyc_status status = lyc_safetensors_plan_new(&plan, err);
    status = status != LYC_OK ? status : convert(path, c, plan, task, err);
    drop_made(c);
    lyc_safetensors_plan_free(plan);
    if (status != LYC_OK) {
        lyc_conversion_free(c);
        return status;
    }
    *out = c;
    return LYC_OK;
}

void lyc_conversion_free(lyc_conversion *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        lyc_adapter_free(c->layers[i].kept);
    }
    lyc_free(c->layers);
    lyc_free(c->narrow);
    lyc_base_model_close(c->base);
    lyc_hashmap_clear(&c->tensors);
    lyc_arena_clear(&c->arena);
    lyc_free(c);
}

size_t lyc_conversion_count(const lyc_conversion *c)
{
    return c->count;
}

static const char *algorithm_of(const lyc_convert_layer *l, const char *from)
{
    const bool parts = l->form == LYC_CONVERT_ROWS || l->form == LYC_CONVERT_FUSED;
    if (l->form == LYC_CONVERT_DIFFERENCE || (parts && l->dense)) {
        return "full";
    }
    return l->form == LYC_CONVERT_PRODUCT || l->form == LYC_CONVERT_SVD || parts ? "lora" : from;
}

lyc_converted_layer lyc_conversion_layer(const lyc_conversion *c, size_t index)
{
    assert(index < c->count);
    const lyc_convert_layer *l = &c->layers[index];
    const lyc_file_layer *source = lyc_network_file_at(c->file, l->index);
    const char *from = source->algorithm->name;
    return (lyc_converted_layer){
        .name = source->name,
        .written = l->written,
        .from = from,
        .to = algorithm_of(l, from),
        .copied = l->form == LYC_CONVERT_COPY && c->keep_dtype,
        .rank = l->rank,
        .error = l->error,
    };
}
