/* resize.c - LoRAs of fewer ranks
 *
 *     B A = U diag(S) V,   B' = U' diag(S'),   A' = V',   alpha' = scale rank'
 *
 * The decomposition is that of small matrices, through QR of the factors (truncated_svd.h). The rules and their one
 * rank more are those of sd-scripts' networks/resize_lora.py. A Tucker core is multiplied into A first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/resize.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adapter/adapter.h"
#include "adapter/network_file.h"
#include "base/memory.h"
#include "base/task.h"
#include "base/thread.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/output.h"
#include "tool/resize_metadata.h"
#include "tool/resize_rank.h"
#include "tool/tensor_set.h"
#include "tool/truncated_svd.h"

static const char UP[] = "lora_up.weight";
static const char DOWN[] = "lora_down.weight";
static const char MID[] = "lora_mid.weight";

typedef struct layer {
    size_t index; /* in the file */
    lyc_resized_layer report;
    float *up, *down; /* of a layer that is resized; up by rows [out,rank] */
    lyc_shape up_shape, down_shape;
    double scale; /* alpha / rank; NaN: the file does not say alpha */
    lyc_status status;
    lyc_error err;
} layer;

struct lyc_resizing {
    const lyc_network_file *file;
    const lyc_resize_options *options;
    layer *layers;
    size_t count;
    lyc_tensor_set set;
};

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the layers of a resized file");
}

static int64_t limit_of(const layer *l, const lyc_resize_options *o)
{
    return l->down_shape.rank > 2 && o->conv_rank > 0 ? o->conv_rank : o->rank;
}

/* --- one layer -----------------------------------------------------------------------------------------------------
 */

/* down [r,in*kernel] with the core [r,r,kernel] multiplied in. */
static float *expand_down(lyc_arena *arena, const lyc_adapter *a, int64_t rank)
{
    const float *down = lyc_adapter_param_find(a, DOWN)->data;
    const lyc_adapter_param *mid = lyc_adapter_param_find(a, MID);
    if (mid == NULL) {
        return lyc_arena_copy(arena, down, (size_t)(rank * a->in * a->kernel) * sizeof *down);
    }
    float *out = lyc_arena_alloc(arena, (size_t)(rank * a->in * a->kernel), sizeof *out);
    for (int64_t p = 0; out != NULL && p < rank; p++) {
        for (int64_t q = 0; q < rank; q++) {
            const float *core = mid->data + (p * rank + q) * a->kernel;
            for (int64_t i = 0; i < a->in; i++) {
                for (int64_t k = 0; k < a->kernel; k++) {
                    out[(p * a->in + i) * a->kernel + k] += core[k] * down[q * a->in + i];
                }
            }
        }
    }
    return out;
}

static void describe(layer *l, const lyc_truncated_svd *svd, int64_t rank)
{
    double kept = 0.0, all = 0.0;
    for (int64_t i = 0; i < svd->rank; i++) {
        kept += i < rank ? (double)svd->s[i] : 0.0;
        all += (double)svd->s[i];
    }
    double lost = 0.0;
    for (int64_t i = rank; i < svd->rank; i++) {
        lost += (double)svd->s[i] * (double)svd->s[i];
    }
    l->report.sum = all > 0.0 ? kept / all : 1.0;
    l->report.energy = lyc_truncated_svd_energy(svd, rank);
    l->report.error = svd->squared_norm > 0.0 ? sqrt(lost / svd->squared_norm) : 0.0;
}

/* The first `rank` ranks, which may be more than there are: the rest is zero. */
static lyc_status take_ranks(layer *l, const lyc_truncated_svd *svd, int64_t rank, lyc_error *err)
{
    l->up = lyc_alloc_zero((size_t)(svd->rows * rank), sizeof *l->up);
    l->down = lyc_alloc_zero((size_t)(rank * svd->columns), sizeof *l->down);
    if (l->up == NULL || l->down == NULL) {
        return no_memory(err);
    }
    lyc_truncated_svd_factors(l->up, l->down, svd, rank);
    l->up_shape.dims[1] = rank;
    l->down_shape.dims[0] = rank;
    l->report.resized = true;
    l->report.rank = rank;
    return LYC_OK;
}

static lyc_status shrink(layer *l, const lyc_adapter *a, const lyc_resize_options *o, lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_truncated_svd svd = {0};
    const int64_t limit = limit_of(l, o), before = l->report.before;
    const float *down = expand_down(&arena, a, before);
    lyc_status status = down == NULL ? no_memory(err) : LYC_OK;
    if (status == LYC_OK) {
        status = lyc_truncated_svd_product(&svd, lyc_adapter_param_find(a, UP)->data, down, a->out, before,
                                           a->in * a->kernel, err);
    }
    if (status == LYC_OK) {
        const bool grows = o->allow_grow && lyc_resize_is_fixed(o) && limit > before;
        const int64_t rank = grows ? limit : lyc_resize_rank(&svd, limit, o);
        describe(l, &svd, rank);
        if (rank < before || grows) {
            status = take_ranks(l, &svd, rank, err);
        }
    }
    lyc_truncated_svd_clear(&svd);
    lyc_arena_clear(&arena);
    return status;
}

/* Shapes as the file has them: [out,r] or [out,r,1,1], [r,in] or [r,in,k,k]; of Tucker the kernel is that of the core.
 */
static void read_shapes(layer *l, const lyc_adapter_group *group)
{
    const lyc_tensor_view *mid = lyc_adapter_group_find(group, MID);
    l->up_shape = lyc_adapter_group_find(group, UP)->shape;
    l->down_shape = lyc_adapter_group_find(group, DOWN)->shape;
    if (mid != NULL) {
        const int64_t rank = l->down_shape.dims[0], in = l->down_shape.dims[1];
        l->down_shape = mid->shape;
        l->down_shape.dims[0] = rank;
        l->down_shape.dims[1] = in;
    }
}

static lyc_status resize_layer(layer *l, const lyc_network_file *file, const lyc_resize_options *o, lyc_error *err)
{
    lyc_adapter *a = NULL;
    lyc_adapter_target target;
    const lyc_file_layer *source = lyc_network_file_at(file, l->index);
    LYC_TRY(lyc_network_file_target(&target, file, l->index, err));
    LYC_TRY(lyc_network_file_adapter(&a, file, l->index, &target, err));
    const lyc_adapter_config *config = a->config;
    const bool has_alpha = lyc_adapter_group_find(&source->group, "alpha") != NULL;
    read_shapes(l, &source->group);
    l->report.before = l->report.rank = config->rank;
    l->report.dora = config->weight_decompose;
    l->scale = has_alpha ? a->scale : (double)NAN;
    const lyc_status status = shrink(l, a, o, err);
    l->report.alpha = l->scale * (double)l->report.rank;
    lyc_adapter_free(a);
    return status != LYC_OK ? lyc_wrap(err, "'%s'", source->name) : LYC_OK;
}

typedef struct resize_work {
    lyc_resizing *resizing;
    size_t first;
} resize_work;

static void resize_layers(void *context, int64_t first, int64_t last, int thread)
{
    const resize_work *work = context;
    const lyc_resizing *z = work->resizing;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        layer *l = &z->layers[work->first + (size_t)i];
        if (strcmp(l->report.algorithm, "lora") == 0) {
            l->status = resize_layer(l, z->file, z->options, &l->err);
        }
    }
}

static lyc_status resize_all(lyc_resizing *z, const lyc_task *task, lyc_error *err)
{
    enum { AT_ONCE = 64 };
    lyc_progress progress;
    lyc_status status = LYC_OK;
    lyc_task_begin(&progress, task, "resizing", "layer", (int64_t)z->count);
    for (size_t first = 0; first < z->count && status == LYC_OK; first += AT_ONCE) {
        const size_t count = z->count - first < AT_ONCE ? z->count - first : AT_ONCE;
        status = lyc_task_check(task, err);
        if (status == LYC_OK) {
            resize_work work = {z, first};
            lyc_parallel_dynamic((int64_t)count, 1, resize_layers, &work);
        }
        for (size_t i = first; i < first + count && status == LYC_OK; i++) {
            status = z->layers[i].status;
            if (status != LYC_OK) {
                *err = z->layers[i].err;
            }
        }
        lyc_progress_add(&progress, (int64_t)count);
    }
    lyc_progress_finish(&progress);
    return status;
}

/* --- checks --------------------------------------------------------------------------------------------------------
 */

static lyc_status check_options(const lyc_resize_options *o, lyc_error *err)
{
    if (o->rank < 1 || o->conv_rank < 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a rank of %" PRId64 ", expected at least 1",
                        o->rank < 1 ? o->rank : o->conv_rank);
    }
    if (!o->keep_dtype && o->dtype != LYC_F32 && o->dtype != LYC_F16 && o->dtype != LYC_BF16) {
        return lyc_fail(err, LYC_E_ARGUMENT, "adapters are written as F32, F16 or BF16, not as %s",
                        lyc_dtype_name(o->dtype));
    }
    return lyc_resize_check_method(o, err);
}

/* A rank that no layer of its kind has is a mistake. */
static lyc_status check_ranks(const lyc_resizing *z, lyc_error *err)
{
    int64_t most[2] = {0, 0}; /* linear, convolutions */
    const lyc_resize_options *o = z->options;
    for (size_t i = 0; i < z->count; i++) {
        const lyc_adapter_group *group = &lyc_network_file_at(z->file, i)->group;
        const lyc_tensor_view *down = lyc_adapter_group_find(group, DOWN);
        if (down != NULL && down->shape.rank > 1) {
            int64_t *kind = &most[down->shape.rank > 2];
            *kind = down->shape.dims[0] > *kind ? down->shape.dims[0] : *kind;
        }
    }
    if (most[0] == 0 && most[1] == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: no layer is a LoRA", lyc_network_file_path(z->file));
    }
    const int64_t limits[2] = {o->rank, o->conv_rank > 0 ? o->conv_rank : o->rank};
    for (int kind = 0; lyc_resize_is_fixed(o) && !o->allow_grow && kind < 2; kind++) {
        if (most[kind] > 0 && limits[kind] > most[kind] && (kind == 0 || o->conv_rank > 0 || most[0] == 0)) {
            return lyc_fail(err, LYC_E_ARGUMENT, "%s: rank %" PRId64 " of %s, which have %" PRId64 " at most",
                            lyc_network_file_path(z->file), limits[kind], kind == 0 ? "linear layers" : "convolutions",
                            most[kind]);
        }
    }
    return LYC_OK;
}

/* --- the file ------------------------------------------------------------------------------------------------------
 */

/* What a tensor of the file is to a layer. */
typedef struct place {
    const layer *owner;
    const char *suffix;
} place;

static lyc_status find_places(lyc_hashmap *places, lyc_resizing *z, lyc_error *err)
{
    const lyc_safetensors *file = lyc_network_file_tensors(z->file);
    const lyc_tensor_view first =
        lyc_safetensors_count(file) > 0 ? lyc_safetensors_tensor(file, 0) : (lyc_tensor_view){0};
    lyc_hashmap by_offset = {0};
    char key[32];
    lyc_status status = LYC_OK;
    for (size_t i = 0; i < z->count && status == LYC_OK; i++) {
        const lyc_adapter_group *group = &lyc_network_file_at(z->file, z->layers[i].index)->group;
        for (size_t k = 0; k < group->count && status == LYC_OK; k++) {
            place *p = lyc_arena_alloc(&z->set.arena, 1, sizeof *p);
            snprintf(key, sizeof key, "%tx", (const char *)group->tensors[k].data - (const char *)first.data);
            status = p != NULL && lyc_hashmap_put(&by_offset, lyc_span_of(key), p) ? LYC_OK : no_memory(err);
            if (status == LYC_OK) {
                *p = (place){&z->layers[i], group->tensors[k].name};
            }
        }
    }
    size_t found = 0;
    for (size_t i = 0; i < lyc_safetensors_count(file) && status == LYC_OK; i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        snprintf(key, sizeof key, "%tx", (const char *)tensor.data - (const char *)first.data);
        place *p = lyc_hashmap_get(&by_offset, lyc_span_of(key));
        found += p != NULL;
        status = p == NULL || lyc_hashmap_put(places, lyc_span_of(tensor.name), p) ? LYC_OK : no_memory(err);
    }
    if (status == LYC_OK && found < by_offset.count) {
        status = lyc_fail(err, LYC_E_UNSUPPORTED,
                          "%s: ranks and scales are said elsewhere than in its tensors; `lycoris convert --to kohya` "
                          "writes a file that can be resized",
                          lyc_network_file_path(z->file));
    }
    lyc_hashmap_clear(&by_offset);
    return status;
}

static lyc_status plan_tensor(lyc_resizing *z, const lyc_tensor_view *tensor, const place *p, lyc_error *err)
{
    const lyc_dtype dtype = z->options->keep_dtype ? tensor->dtype : z->options->dtype;
    const layer *l = p != NULL ? p->owner : NULL;
    if (l == NULL || !l->report.resized) {
        return lyc_tensor_set_add(&z->set, tensor->name, tensor, dtype, err);
    }
    if (strcmp(p->suffix, UP) == 0) {
        return lyc_tensor_set_add_f32(&z->set, tensor->name, l->up, &l->up_shape, dtype, err);
    }
    if (strcmp(p->suffix, DOWN) == 0) {
        return lyc_tensor_set_add_f32(&z->set, tensor->name, l->down, &l->down_shape, dtype, err);
    }
    if (strcmp(p->suffix, MID) == 0) {
        return LYC_OK;
    }
    if (strcmp(p->suffix, "alpha") == 0) {
        const lyc_dtype type = lyc_dtype_is_float(dtype) && lyc_dtype_is_float(tensor->dtype) ? dtype : LYC_F32;
        return lyc_tensor_set_add_number(&z->set, tensor->name, l->report.alpha, &tensor->shape, type, err);
    }
    return lyc_tensor_set_add(&z->set, tensor->name, tensor, dtype, err);
}

static lyc_status plan_metadata(lyc_resizing *z, lyc_error *err)
{
    int64_t before = 0;
    double scale = (double)NAN;
    bool uniform = true, first = true;
    for (size_t i = 0; i < z->count; i++) {
        const layer *l = &z->layers[i];
        if (l->report.before > 0) {
            uniform &= first || l->scale == scale;
            scale = l->scale;
            first = false;
            before = l->report.before > before ? l->report.before : before;
        }
    }
    return lyc_resize_metadata(&z->set, lyc_network_file_tensors(z->file), z->options, before,
                               uniform && !isnan(scale) ? scale : (double)NAN, err);
}

static lyc_status plan_file(lyc_resizing *z, lyc_error *err)
{
    lyc_hashmap places = {0};
    const lyc_safetensors *file = lyc_network_file_tensors(z->file);
    lyc_status status = find_places(&places, z, err);
    for (size_t i = 0; i < lyc_safetensors_count(file) && status == LYC_OK; i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        status = plan_tensor(z, &tensor, lyc_hashmap_get(&places, lyc_span_of(tensor.name)), err);
    }
    lyc_hashmap_clear(&places);
    return status != LYC_OK ? status : plan_metadata(z, err);
}

static lyc_status write_file(const char *path, lyc_resizing *z, const lyc_task *task, lyc_error *err)
{
    const lyc_resize_options *o = z->options;
    const lyc_safetensors *inputs[] = {lyc_network_file_tensors(z->file)};
    const lyc_safetensors_writer_options options = {.force = o->force, .inputs = inputs, .input_count = 1};
    LYC_TRY(plan_file(z, err));
    return o->dry_run ? lyc_safetensors_check(inputs[0], err)
                      : lyc_tensor_set_write(path, &z->set, &options, task, err);
}

static lyc_status resize(const char *path, lyc_resizing *z, const lyc_task *task, lyc_error *err)
{
    const char *input = lyc_network_file_path(z->file);
    const lyc_tool_output_options output = {
        .path = path, .force = z->options->force, .inputs = &input, .input_count = 1};
    LYC_TRY(check_options(z->options, err));
    z->count = lyc_network_file_count(z->file);
    z->layers = lyc_alloc_zero(z->count + 1, sizeof *z->layers);
    if (z->layers == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < z->count; i++) {
        const lyc_file_layer *source = lyc_network_file_at(z->file, i);
        z->layers[i].index = i;
        z->layers[i].report = (lyc_resized_layer){.name = source->name,
                                                  .algorithm = source->algorithm->name,
                                                  .alpha = (double)NAN,
                                                  .sum = 1.0,
                                                  .energy = 1.0};
    }
    LYC_TRY(check_ranks(z, err));
    if (!z->options->dry_run) {
        LYC_TRY(lyc_tool_output_check(&output, 0, err));
    }
    LYC_TRY(resize_all(z, task, err));
    return write_file(path, z, task, err);
}

lyc_status lyc_resize(lyc_resizing **out, const char *path, const lyc_network_file *file,
                      const lyc_resize_options *options, const lyc_task *task, lyc_error *err)
{
    lyc_resizing *z = lyc_alloc_zero(1, sizeof *z);
    if (z == NULL) {
        return no_memory(err);
    }
    z->file = file;
    z->options = options;
    lyc_status status = lyc_tensor_set_start(&z->set, options->allow_overflow, err);
    status = status != LYC_OK ? status : resize(path, z, task, err);
    if (status != LYC_OK) {
        lyc_resizing_free(z);
        return status;
    }
    *out = z;
    return LYC_OK;
}

void lyc_resizing_free(lyc_resizing *z)
{
    if (z == NULL) {
        return;
    }
    for (size_t i = 0; i < z->count && z->layers != NULL; i++) {
        lyc_free(z->layers[i].up);
        lyc_free(z->layers[i].down);
    }
    lyc_free(z->layers);
    lyc_tensor_set_clear(&z->set);
    lyc_free(z);
}

size_t lyc_resizing_count(const lyc_resizing *z)
{
    return z->count;
}

lyc_resized_layer lyc_resizing_layer(const lyc_resizing *z, size_t index)
{
    assert(index < z->count);
    return z->layers[index].report;
}
