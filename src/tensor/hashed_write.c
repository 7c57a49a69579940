/* hashed_write.c - a safetensors file with the hashes of sd-scripts in its metadata
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/hashed_write.h"

#include "base/task.h"
#include "tensor/model_hash.h"
#include "tensor/safetensors_plan.h"

static const char MODEL_HASH[] = "sshs_model_hash";
static const char LEGACY_HASH[] = "sshs_legacy_hash";

/* What sd-scripts hashes: the same tensors, and of the metadata what begins with ss_. */
static lyc_status begin_hashes(lyc_model_hasher *h, const lyc_safetensors_plan *plan, lyc_error *err)
{
    lyc_safetensors_plan *hashed = NULL;
    const void *header;
    size_t size;
    lyc_model_hasher_init(h);
    lyc_status status = lyc_safetensors_plan_copy(&hashed, plan, "ss_", err);
    status = status != LYC_OK ? status : lyc_safetensors_plan_header(&header, &size, hashed, err);
    if (status == LYC_OK) {
        lyc_model_hasher_header(h, header, size);
    }
    lyc_safetensors_plan_free(hashed);
    return status;
}

/* Texts of the hashes' lengths, so that the header has its size. */
static lyc_status leave_room(lyc_safetensors_plan *plan, lyc_error *err)
{
    char model[LYC_SHA256_HEX], legacy[LYC_LEGACY_HASH];
    lyc_model_hasher nothing;
    lyc_model_hasher_init(&nothing);
    lyc_model_hasher_finish(model, legacy, &nothing);
    LYC_TRY(lyc_safetensors_plan_metadata(plan, MODEL_HASH, model, err));
    return lyc_safetensors_plan_metadata(plan, LEGACY_HASH, legacy, err);
}

static lyc_status write_tensors(lyc_safetensors_writer *writer, lyc_model_hasher *h, const lyc_safetensors_plan *plan,
                                lyc_tensor_producer produce, void *context, lyc_progress *progress,
                                const lyc_task *task, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_plan_count(plan); i++) {
        const void *data = NULL;
        const lyc_tensor_view tensor = lyc_safetensors_plan_tensor(plan, i);
        LYC_TRY(lyc_task_check(task, err));
        LYC_TRY(produce(context, &data, &tensor, err));
        lyc_model_hasher_data(h, data, tensor.size_bytes);
        LYC_TRY(lyc_safetensors_writer_put(writer, tensor.name, data, tensor.size_bytes, err));
        lyc_progress_add(progress, (int64_t)tensor.size_bytes);
    }
    return LYC_OK;
}

static lyc_status fill_in(lyc_safetensors_writer *writer, lyc_model_hasher *h, lyc_error *err)
{
    char model[LYC_SHA256_HEX], legacy[LYC_LEGACY_HASH];
    lyc_model_hasher_finish(model, legacy, h);
    LYC_TRY(lyc_safetensors_writer_metadata(writer, MODEL_HASH, model, err));
    return lyc_safetensors_writer_metadata(writer, LEGACY_HASH, legacy, err);
}

lyc_status lyc_hashed_write(const char *path, lyc_safetensors_plan *plan, const lyc_safetensors_writer_options *options,
                            lyc_tensor_producer produce, void *context, const char *label, const lyc_task *task,
                            lyc_error *err)
{
    lyc_progress progress;
    lyc_model_hasher hasher;
    lyc_safetensors_writer *writer = NULL;
    LYC_TRY(begin_hashes(&hasher, plan, err));
    LYC_TRY(leave_room(plan, err));
    LYC_TRY(lyc_safetensors_writer_open(&writer, plan, path, options, err));
    lyc_task_begin(&progress, task, label, "B", (int64_t)lyc_safetensors_plan_file_bytes(plan));
    lyc_status status = write_tensors(writer, &hasher, plan, produce, context, &progress, task, err);
    status = status != LYC_OK ? status : fill_in(writer, &hasher, err);
    lyc_progress_finish(&progress);
    status = status != LYC_OK ? status : lyc_safetensors_writer_commit(writer, err);
    lyc_safetensors_writer_close(writer);
    return status;
}
