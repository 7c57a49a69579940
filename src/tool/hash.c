/* hash.c - the hashes by which model and adapter files are known
 *
 * Those of the tensors alone are explained in tensor/model_hash.h; the whole file's are the same of all its bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/file.h"
#include "base/string.h"
#include "base/task.h"
#include "lycoris/inspect.h"
#include "tensor/model_hash.h"

enum { CHUNK = 4 << 20, RELEASED = 64 << 20 };

/* Hashes bytes, asking the task between chunks. */
static lyc_status hash_bytes(lyc_model_hasher *h, const void *data, size_t size, lyc_progress *progress,
                             const lyc_task *task, lyc_error *err)
{
    for (size_t at = 0; at < size; at += CHUNK) {
        LYC_TRY(lyc_task_check(task, err));
        const size_t n = size - at < CHUNK ? size - at : CHUNK;
        lyc_model_hasher_data(h, (const char *)data + at, n);
        lyc_progress_add(progress, (int64_t)n);
    }
    return LYC_OK;
}

static lyc_status hash_file(lyc_file_hashes *out, const lyc_file_map *map, lyc_progress *progress, const lyc_task *task,
                            lyc_error *err)
{
    lyc_model_hasher h;
    lyc_model_hasher_init(&h);
    lyc_file_map_advise(map, 0, lyc_file_map_size(map), LYC_FILE_SEQUENTIAL);
    const size_t size = lyc_file_map_size(map);
    for (size_t at = 0; at < size; at += RELEASED) { /* a large file does not stay in memory */
        const size_t n = size - at < RELEASED ? size - at : RELEASED;
        LYC_TRY(hash_bytes(&h, lyc_file_map_data(map) + at, n, progress, task, err));
        lyc_file_map_advise(map, at, n, LYC_FILE_DONE);
    }
    lyc_model_hasher_finish(out->sha256, out->legacy, &h);
    return lyc_file_map_check(map, err);
}

/* --- the file that sd-scripts would make ----------------------------------------------------------------------------
 */

static lyc_status make_plan(lyc_safetensors_plan *plan, const lyc_safetensors *file, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        LYC_TRY(lyc_safetensors_plan_add(plan, tensor.name, tensor.dtype, &tensor.shape, err));
    }
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        if (lyc_span_starts_with((lyc_span){entry.key, entry.key_length}, "ss_")) {
            LYC_TRY(lyc_safetensors_plan_metadata_n(plan, &entry, err));
        }
    }
    return LYC_OK;
}

/* The data in the plan's order. */
static lyc_status hash_data(lyc_model_hasher *h, const lyc_safetensors_plan *plan, const lyc_safetensors *file,
                            lyc_progress *progress, const lyc_task *task, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_plan_count(plan); i++) {
        lyc_tensor_view tensor;
        if (lyc_safetensors_find(&tensor, file, lyc_safetensors_plan_tensor(plan, i).name)) {
            LYC_TRY(hash_bytes(h, tensor.data, tensor.size_bytes, progress, task, err));
        }
    }
    return LYC_OK;
}

static lyc_status hash_tensors(lyc_file_hashes *out, const lyc_safetensors *file, lyc_progress *progress,
                               const lyc_task *task, lyc_error *err)
{
    lyc_safetensors_plan *plan = NULL;
    const void *header;
    size_t size;
    lyc_model_hasher h;
    lyc_model_hasher_init(&h);
    lyc_status status = lyc_safetensors_plan_new(&plan, err);
    status = status != LYC_OK ? status : make_plan(plan, file, err);
    status = status != LYC_OK ? status : lyc_safetensors_plan_header(&header, &size, plan, err);
    if (status == LYC_OK) {
        lyc_model_hasher_header(&h, header, size);
        status = hash_data(&h, plan, file, progress, task, err);
    }
    lyc_model_hasher_finish(out->model, out->model_legacy, &h);
    lyc_safetensors_plan_free(plan);
    return status == LYC_OK ? lyc_safetensors_check(file, err) : status;
}

lyc_status lyc_inspect_hashes(lyc_file_hashes *out, const char *path, const lyc_safetensors *file, const lyc_task *task,
                              lyc_error *err)
{
    lyc_progress progress;
    lyc_file_map *map = NULL;
    LYC_TRY(lyc_file_map_open(&map, path, err));
    lyc_task_begin(&progress, task, "hashing", "B",
                   (int64_t)(lyc_file_map_size(map) + (file != NULL ? lyc_safetensors_data_bytes(file) : 0)));
    lyc_status status = hash_file(out, map, &progress, task, err);
    if (status == LYC_OK && file != NULL) {
        status = hash_tensors(out, file, &progress, task, err);
    }
    lyc_progress_finish(&progress);
    lyc_file_map_close(map);
    return status;
}
