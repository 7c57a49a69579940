/* merge_adapters.c - several adapter files into one
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/merge_adapters.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/task.h"
#include "base/thread.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/output.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a file of several adapters");
}

/* --- options -------------------------------------------------------------------------------------------------------
 */

static lyc_status check_method(const lyc_merge_adapters_options *o, lyc_error *err)
{
    const bool dense = lyc_merge_method_is_dense(o->method);
    const bool by_factors = o->method == LYC_MERGE_CONCAT || o->method == LYC_MERGE_SUM;
    if (o->method < LYC_MERGE_CONCAT || o->method > LYC_MERGE_DARE_TIES) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d is no method", (int)o->method);
    }
    if (dense && !(o->density > 0.0 && o->density <= 1.0)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a density of %g, expected more than 0 and at most 1", o->density);
    }
    if (by_factors && (o->rank > 0 || o->conv_rank > 0)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "ranks are chosen for svd, ties and dare; concat and sum say their own");
    }
    if (o->full && (o->method == LYC_MERGE_SUM || o->method == LYC_MERGE_SVD || o->sd_scripts)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s makes factors, not the change itself",
                        o->sd_scripts                ? "sd-scripts"
                        : o->method == LYC_MERGE_SUM ? "sum"
                                                     : "svd");
    }
    if (!by_factors && (o->sd_scripts || o->shuffle)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s is for concat and sum",
                        o->shuffle ? "shuffling ranks" : "what merge_lora.py makes");
    }
    if (o->clamp_quantile < 0.0 || o->clamp_quantile > 1.0 || (o->clamp_quantile > 0.0 && o->method != LYC_MERGE_SVD)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a quantile of %g to cut at, expected 0 to 1, of svd", o->clamp_quantile);
    }
    return LYC_OK;
}

static lyc_status check_options(const lyc_merge_adapters_options *o, size_t count, lyc_error *err)
{
    if (count == 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "no adapter to merge");
    }
    if (o->rank < 0 || o->conv_rank < 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a rank of %" PRId64 ", expected at least 1, or 0",
                        o->rank < 0 ? o->rank : o->conv_rank);
    }
    if (!o->keep_dtype && o->dtype != LYC_F32 && o->dtype != LYC_F16 && o->dtype != LYC_BF16) {
        return lyc_fail(err, LYC_E_ARGUMENT, "adapters are written as F32, F16 or BF16, not as %s",
                        lyc_dtype_name(o->dtype));
    }
    return check_method(o, err);
}

/* --- making --------------------------------------------------------------------------------------------------------
 */

static int tensors_of(const lyc_merge_layer *layer)
{
    return (layer->rank > 0 ? 2 : 1) + layer->with_bias;
}

typedef struct make_work {
    lyc_adapter_merge *m;
    size_t first;
} make_work;

static void make_layers(void *context, int64_t first, int64_t last, int thread)
{
    const make_work *work = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        lyc_merge_layer *layer = &work->m->layers[work->first + (size_t)i];
        layer->status = lyc_merge_layer_make(layer, work->m, &layer->err);
        layer->left = tensors_of(layer);
    }
}

/* Layers from `first` on that are made at once: as many as keep within a gigabyte. */
static size_t wave_from(const lyc_adapter_merge *m, size_t first)
{
    enum { MOST = 64 };
    const int64_t room = (int64_t)1 << 28;
    int64_t numbers = lyc_merge_layer_numbers(&m->layers[first], m);
    size_t count = 1;
    while (count < MOST && first + count < m->count && numbers < room) {
        numbers += lyc_merge_layer_numbers(&m->layers[first + count], m);
        count += numbers < room;
    }
    return count;
}

static lyc_status make_wave(size_t *count, lyc_adapter_merge *m, size_t first, lyc_error *err)
{
    make_work work = {m, first};
    *count = wave_from(m, first);
    lyc_parallel_dynamic((int64_t)*count, 1, make_layers, &work);
    for (size_t i = first; i < first + *count; i++) {
        if (m->layers[i].status != LYC_OK) {
            *err = m->layers[i].err;
            return m->layers[i].status;
        }
    }
    return LYC_OK;
}

/* For the report alone. */
static lyc_status make_all(lyc_adapter_merge *m, const lyc_task *task, lyc_error *err)
{
    lyc_progress progress;
    size_t count;
    lyc_status status = LYC_OK;
    lyc_task_begin(&progress, task, "merging", "layer", (int64_t)m->count);
    for (size_t first = 0; first < m->count && status == LYC_OK; first += count) {
        status = lyc_task_check(task, err);
        count = 1;
        status = status != LYC_OK ? status : make_wave(&count, m, first, err);
        for (size_t i = first; i < first + count; i++) {
            lyc_merge_layer_drop(&m->layers[i]);
        }
        lyc_progress_add(&progress, (int64_t)count);
    }
    lyc_progress_finish(&progress);
    return status;
}

/* --- the file ------------------------------------------------------------------------------------------------------
 */

/* A tensor of a layer. */
typedef struct wanted {
    lyc_adapter_merge *m;
    size_t layer;
    size_t member; /* offset of the numbers in the layer */
    size_t bytes;
} wanted;

static lyc_status make_tensor(void *context, float *out, lyc_error *err)
{
    const wanted *w = context;
    size_t count;
    lyc_merge_layer *layer = &w->m->layers[w->layer];
    if (layer->left == 0) {
        LYC_TRY(make_wave(&count, w->m, w->layer, err));
    }
    memcpy(out, *(float **)((char *)layer + w->member), w->bytes);
    if (--layer->left == 0) {
        lyc_merge_layer_drop(layer);
    }
    return LYC_OK;
}

static lyc_status plan_tensor(lyc_adapter_merge *m, size_t layer, const char *suffix, size_t member, lyc_shape shape,
                              lyc_error *err)
{
    const char *written = m->layers[layer].written;
    const char *name = lyc_arena_format(&m->arena, "%s.%s", written, lyc_key_suffix(m->scheme, suffix));
    wanted *w = lyc_arena_alloc(&m->arena, 1, sizeof *w);
    if (name == NULL || w == NULL) {
        return no_memory(err);
    }
    *w = (wanted){.m = m, .layer = layer, .member = member};
    LYC_TRY(lyc_shape_bytes(&w->bytes, &shape, LYC_F32, err));
    return lyc_tensor_set_add_made(&m->set, name, make_tensor, w, &shape, m->dtype, err);
}

/* Diffusers' names have no alpha, which is as large as the rank then. An alpha that the type does not hold is F32. */
static lyc_status plan_alpha(lyc_adapter_merge *m, const lyc_merge_layer *layer, lyc_error *err)
{
    const bool without =
        (m->scheme == LYC_KEY_DIFFUSERS || m->scheme == LYC_KEY_BARE) && layer->alpha == (double)layer->rank;
    const float value = (float)layer->alpha;
    float back = 0.0F;
    unsigned char narrow[8];
    if (without) {
        return LYC_OK;
    }
    LYC_TRY(lyc_dtype_convert(narrow, m->dtype, &value, LYC_F32, 1, err));
    LYC_TRY(lyc_dtype_convert(&back, LYC_F32, narrow, m->dtype, 1, err));
    const char *name = lyc_arena_format(&m->arena, "%s.alpha", layer->written);
    return name == NULL ? no_memory(err)
                        : lyc_tensor_set_add_number(&m->set, name, layer->alpha, &(lyc_shape){0},
                                                    back == value ? m->dtype : LYC_F32, err);
}

static lyc_status plan_factors(lyc_adapter_merge *m, size_t index, lyc_error *err)
{
    const lyc_merge_layer *l = &m->layers[index];
    lyc_shape up = l->target.weight, down = l->target.weight;
    up.dims[1] = l->rank;
    for (int i = 2; i < up.rank; i++) {
        up.dims[i] = 1;
    }
    down.dims[0] = l->rank;
    LYC_TRY(plan_alpha(m, l, err));
    LYC_TRY(plan_tensor(m, index, "lora_down.weight", offsetof(lyc_merge_layer, down), down, err));
    return plan_tensor(m, index, "lora_up.weight", offsetof(lyc_merge_layer, up), up, err);
}

static lyc_status plan_file(lyc_adapter_merge *m, const char *path, lyc_error *err)
{
    for (size_t i = 0; i < m->count; i++) {
        const lyc_merge_layer *l = &m->layers[i];
        const bool norm = l->form == LYC_MERGE_FORM_NORM;
        LYC_TRY(l->rank > 0 ? plan_factors(m, i, err)
                            : plan_tensor(m, i, norm ? "w_norm" : "diff", offsetof(lyc_merge_layer, weight),
                                          l->target.weight, err));
        if (l->with_bias) {
            LYC_TRY(
                plan_tensor(m, i, norm ? "b_norm" : "diff_b", offsetof(lyc_merge_layer, bias), LYC_SHAPE(l->out), err));
        }
    }
    return lyc_adapter_merge_metadata(m, path, err);
}

/* Before any work: whether there will be room, and nothing in the way. */
static lyc_status check_output(const char *path, lyc_adapter_merge *m, lyc_error *err)
{
    const char **inputs = lyc_arena_alloc(&m->arena, m->file_count, sizeof *inputs);
    if (inputs == NULL) {
        return no_memory(err);
    }
    for (size_t k = 0; k < m->file_count; k++) {
        inputs[k] = m->files[k].given->path;
    }
    const lyc_tool_output_options output = {
        .path = path, .force = m->options->force, .inputs = inputs, .input_count = m->file_count};
    return lyc_tool_output_check(&output, lyc_tensor_set_bytes(&m->set), err);
}

static lyc_status write_file(const char *path, lyc_adapter_merge *m, const lyc_task *task, lyc_error *err)
{
    const lyc_safetensors **inputs = lyc_arena_alloc(&m->arena, m->file_count, sizeof *inputs);
    if (inputs == NULL) {
        return no_memory(err);
    }
    for (size_t k = 0; k < m->file_count; k++) {
        inputs[k] = lyc_network_file_tensors(m->files[k].network);
    }
    const lyc_safetensors_writer_options options = {
        .force = m->options->force, .inputs = inputs, .input_count = m->file_count};
    return lyc_tensor_set_write(path, &m->set, &options, task, err);
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */

static lyc_status merge(const char *path, lyc_adapter_merge *m, const lyc_merge_input *inputs, size_t count,
                        const lyc_task *task, lyc_error *err)
{
    LYC_TRY(check_options(m->options, count, err));
    LYC_TRY(lyc_adapter_merge_plan(m, inputs, count, err));
    LYC_TRY(plan_file(m, path, err));
    if (m->options->dry_run) {
        return make_all(m, task, err);
    }
    LYC_TRY(check_output(path, m, err));
    return write_file(path, m, task, err);
}

lyc_status lyc_merge_adapters(lyc_adapter_merge **out, const char *path, const lyc_merge_input *inputs, size_t count,
                              const lyc_merge_adapters_options *options, const lyc_task *task, lyc_error *err)
{
    lyc_adapter_merge *m = lyc_alloc_zero(1, sizeof *m);
    if (m == NULL) {
        return no_memory(err);
    }
    m->options = options;
    lyc_status status = lyc_tensor_set_start(&m->set, options->allow_overflow, err);
    status = status != LYC_OK ? status : merge(path, m, inputs, count, task, err);
    if (status != LYC_OK) {
        lyc_adapter_merge_free(m);
        return status;
    }
    *out = m;
    return LYC_OK;
}

void lyc_adapter_merge_free(lyc_adapter_merge *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->count; i++) {
        lyc_merge_layer_drop(&m->layers[i]);
    }
    for (size_t k = 0; k < m->file_count; k++) {
        lyc_network_file_close(m->files[k].network);
    }
    lyc_tensor_set_clear(&m->set);
    lyc_arena_clear(&m->arena);
    lyc_free(m);
}

/* --- the report ----------------------------------------------------------------------------------------------------
 */

size_t lyc_adapter_merge_input_count(const lyc_adapter_merge *m)
{
    return m->file_count;
}

lyc_merged_input lyc_adapter_merge_input(const lyc_adapter_merge *m, size_t index)
{
    assert(index < m->file_count);
    const lyc_merge_file *f = &m->files[index];
    return (lyc_merged_input){.path = lyc_network_file_path(f->network),
                              .layers = lyc_network_file_count(f->network),
                              .shared = f->shared,
                              .unmatched = lyc_network_file_unmatched_count(f->network),
                              .embeddings = lyc_network_file_embedding_count(f->network)};
}

const char *lyc_adapter_merge_unmatched(const lyc_adapter_merge *m, size_t input, size_t index)
{
    assert(input < m->file_count);
    const lyc_network_file *file = m->files[input].network;
    return index < lyc_network_file_unmatched_count(file) ? lyc_network_file_unmatched(file, index) : NULL;
}

size_t lyc_adapter_merge_count(const lyc_adapter_merge *m)
{
    return m->count;
}

lyc_merged_layer lyc_adapter_merge_layer(const lyc_adapter_merge *m, size_t index)
{
    assert(index < m->count);
    const lyc_merge_layer *l = &m->layers[index];
    return (lyc_merged_layer){
        .name = l->written,
        .algorithm = l->rank > 0                      ? "lora"
                     : l->form == LYC_MERGE_FORM_NORM ? "norm"
                                                      : "full",
        .inputs = l->count,
        .rank = l->rank,
        .alpha = l->alpha,
        .energy = l->energy,
        .error = l->error,
        .departure = l->departure,
    };
}
