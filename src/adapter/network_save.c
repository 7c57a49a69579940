/* network_save.c - an adapter file from the adapters of a network
 *
 * One pass over the tensors in the order of the file, each converted to the type of the file; the hashes, which stand
 * in front of them, are filled in at the end (tensor/hashed_write.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/network_save.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adapter/network_save_internal.h"
#include "base/memory.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/hashed_write.h"
#include "tensor/shape.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of an adapter file");
}

/* --- what is written -----------------------------------------------------------------------------------------------
 */

static const char *entry_name(lyc_save *s, const lyc_network_entry *entry)
{
    if (s->options->scheme == LYC_KEY_KOHYA) {
        return entry->key;
    }
    return lyc_key_layer_name(&s->arena, s->options->scheme, entry->component, entry->module,
                              strcmp(entry->component, "text_encoder_2") == 0 ? "lora_te2" : "lora_te1");
}

static lyc_status check_finite(const lyc_network_entry *entry, const lyc_tensor_view *tensor, lyc_error *err)
{
    const float *x = tensor->data;
    const int64_t n = lyc_shape_elements(&tensor->shape);
    for (int64_t i = 0; tensor->dtype == LYC_F32 && i < n; i++) {
        if (!isfinite(x[i])) {
            return lyc_fail(err, LYC_E_NUMERIC, "%s of %s in %s has a number that is not finite", tensor->name,
                            entry->module, entry->component);
        }
    }
    return LYC_OK;
}

static lyc_status add_tensor(lyc_save *s, const char *name, const lyc_tensor_view *tensor, lyc_error *err)
{
    if (s->count == s->capacity) {
        const size_t capacity = s->capacity == 0 ? 1024 : 2 * s->capacity;
        lyc_saved_tensor *tensors = lyc_realloc(s->tensors, capacity * sizeof *tensors);
        if (tensors == NULL) {
            return no_memory(err);
        }
        s->tensors = tensors;
        s->capacity = capacity;
    }
    lyc_saved_tensor *t = &s->tensors[s->count];
    const bool converted = tensor->dtype == LYC_F32;
    *t = (lyc_saved_tensor){.name = name, .view = *tensor, .dtype = converted ? s->options->dtype : tensor->dtype};
    if (name == NULL || !lyc_hashmap_put(&s->by_name, lyc_span_of(name), (void *)(uintptr_t)(s->count + 1))) {
        return no_memory(err);
    }
    s->count++;
    return LYC_OK;
}

static lyc_status add_entry(lyc_save *s, size_t index, const lyc_network_entry *entry, lyc_error *err)
{
    lyc_adapter_file *written = &s->files[index];
    const char *layer = entry_name(s, entry);
    if (layer == NULL) {
        return no_memory(err);
    }
    LYC_TRY(lyc_adapter_write(written, entry->adapter, err));
    LYC_TRY(lyc_network_save_adjust(written, entry->adapter, entry->module, s->options->scheme, err));
    for (int i = 0; i < written->count; i++) {
        const lyc_tensor_view *tensor = &written->tensors[i];
        LYC_TRY(check_finite(entry, tensor, err));
        const char *suffix = lyc_key_suffix(s->options->scheme, tensor->name);
        LYC_TRY(add_tensor(s, lyc_arena_format(&s->arena, "%s.%s", layer, suffix), tensor, err));
    }
    return LYC_OK;
}

/* --- passes --------------------------------------------------------------------------------------------------------
 */

/* A tensor's bytes in the file's type; in *scratch where it has to be converted. */
static lyc_status tensor_bytes(const void **data, size_t *size, lyc_save *s, const lyc_saved_tensor *t, lyc_error *err)
{
    LYC_TRY(lyc_shape_bytes(size, &t->view.shape, t->dtype, err));
    *data = t->view.data;
    if (t->dtype == t->view.dtype) {
        return LYC_OK;
    }
    if (*size > s->scratch_size) {
        lyc_free(s->scratch);
        s->scratch = lyc_alloc(*size);
        s->scratch_size = s->scratch != NULL ? *size : 0;
        if (s->scratch == NULL) {
            return no_memory(err);
        }
    }
    const size_t n = (size_t)lyc_shape_elements(&t->view.shape);
    *data = s->scratch;
    return lyc_dtype_convert_parallel(s->scratch, t->dtype, t->view.data, t->view.dtype, n, err);
}

static const lyc_saved_tensor *tensor_named(const lyc_save *s, const char *name)
{
    return &s->tensors[(size_t)(uintptr_t)lyc_hashmap_get(&s->by_name, lyc_span_of(name)) - 1];
}

/* Numbers that were finite and are not in the file's type. */
static lyc_status check_overflow(const lyc_saved_tensor *t, const void *data, lyc_error *err)
{
    const size_t element = (size_t)lyc_dtype_bits(t->dtype) / 8;
    const int64_t n = lyc_shape_elements(&t->view.shape);
    for (int64_t i = 0; t->dtype == LYC_F16 && i < n; i++) {
        if (!isfinite(lyc_dtype_load(LYC_F16, (const char *)data + (size_t)i * element))) {
            return lyc_fail(err, LYC_E_NUMERIC, "'%s' has a number that is too large for F16; BF16 and F32 hold it",
                            t->name);
        }
    }
    return LYC_OK;
}

static lyc_status make_plan(lyc_safetensors_plan *plan, const lyc_save *s, lyc_error *err)
{
    const lyc_network_save_options *o = s->options;
    for (size_t i = 0; i < s->count; i++) {
        LYC_TRY(
            lyc_safetensors_plan_add(plan, s->tensors[i].name, s->tensors[i].dtype, &s->tensors[i].view.shape, err));
    }
    for (size_t i = 0; i < o->metadata_count; i++) {
        LYC_TRY(lyc_safetensors_plan_metadata_n(plan, &o->metadata[i], err));
    }
    return o->scheme == LYC_KEY_PEFT ? lyc_safetensors_plan_metadata(plan, "format", "pt", err) : LYC_OK;
}

static lyc_status produce(void *context, const void **data, const lyc_tensor_view *tensor, lyc_error *err)
{
    size_t size;
    lyc_save *s = context;
    const lyc_saved_tensor *t = tensor_named(s, tensor->name);
    LYC_TRY(tensor_bytes(data, &size, s, t, err));
    return check_overflow(t, *data, err);
}

/* PEFT knows no hashes of sd-scripts. */
static lyc_status write_plain(const char *path, lyc_save *s, lyc_safetensors_plan *plan,
                              const lyc_safetensors_writer_options *options, lyc_error *err)
{
    lyc_safetensors_writer *writer = NULL;
    lyc_status status = lyc_safetensors_writer_open(&writer, plan, path, options, err);
    for (size_t i = 0; i < s->count && status == LYC_OK; i++) {
        const void *data;
        const lyc_tensor_view tensor = lyc_safetensors_plan_tensor(plan, i);
        status = produce(s, &data, &tensor, err);
        status =
            status != LYC_OK ? status : lyc_safetensors_writer_put(writer, tensor.name, data, tensor.size_bytes, err);
    }
    status = status != LYC_OK ? status : lyc_safetensors_writer_commit(writer, err);
    lyc_safetensors_writer_close(writer);
    return status;
}

static lyc_status write_tensors(const char *path, lyc_save *s, lyc_error *err)
{
    lyc_safetensors_plan *plan = NULL;
    const lyc_safetensors_writer_options options = {.force = s->options->force};
    lyc_status status = lyc_safetensors_plan_new(&plan, err);
    status = status != LYC_OK ? status : make_plan(plan, s, err);
    if (status == LYC_OK) {
        status = s->options->scheme == LYC_KEY_PEFT
                     ? write_plain(path, s, plan, &options, err)
                     : lyc_hashed_write(path, plan, &options, produce, s, "writing", NULL, err);
    }
    lyc_safetensors_plan_free(plan);
    return status;
}

/* --- all together --------------------------------------------------------------------------------------------------
 */

static lyc_status check_options(const lyc_network *network, size_t member, const lyc_network_save_options *o,
                                lyc_error *err)
{
    if (o->dtype != LYC_F32 && o->dtype != LYC_F16 && o->dtype != LYC_BF16) {
        return lyc_fail(err, LYC_E_ARGUMENT, "adapters are written as F32, F16 or BF16, not as %s",
                        lyc_dtype_name(o->dtype));
    }
    for (size_t i = 0; o->scheme == LYC_KEY_PEFT && i < lyc_network_entry_count(network, member); i++) {
        const lyc_network_entry *first = lyc_network_entry_at(network, member, 0);
        const lyc_network_entry *entry = lyc_network_entry_at(network, member, i);
        if (strcmp(first->component, entry->component) != 0) {
            return lyc_fail(err, LYC_E_UNSUPPORTED, "a folder of PEFT is for one model, not for %s and %s",
                            first->component, entry->component);
        }
        if (first->adapter->algorithm != entry->adapter->algorithm) {
            return lyc_fail(err, LYC_E_UNSUPPORTED, "a folder of PEFT has one algorithm, not %s and %s",
                            first->adapter->algorithm->name, entry->adapter->algorithm->name);
        }
    }
    return LYC_OK;
}

static lyc_status save(const char *path, lyc_save *s, const lyc_network *network, size_t member, lyc_error *err)
{
    const size_t n = lyc_network_entry_count(network, member);
    LYC_TRY(check_options(network, member, s->options, err));
    s->files = lyc_alloc_zero(n + 1, sizeof *s->files);
    if (s->files == NULL) {
        return no_memory(err);
    }
    s->file_count = n;
    for (size_t i = 0; i < n; i++) {
        LYC_TRY(add_entry(s, i, lyc_network_entry_at(network, member, i), err));
    }
    return s->options->scheme == LYC_KEY_PEFT ? lyc_save_peft(path, s, network, member, write_tensors, err)
                                              : write_tensors(path, s, err);
}

lyc_status lyc_network_save(const char *path, const lyc_network *network, size_t member,
                            const lyc_network_save_options *options, lyc_error *err)
{
    lyc_save s = {.options = options};
    const lyc_status status = save(path, &s, network, member, err);
    for (size_t i = 0; i < s.file_count; i++) {
        lyc_adapter_file_clear(&s.files[i]);
    }
    lyc_free(s.files);
    lyc_free(s.tensors);
    lyc_free(s.scratch);
    lyc_hashmap_clear(&s.by_name);
    lyc_arena_clear(&s.arena);
    return status;
}
