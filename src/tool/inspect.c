/* inspect.c - statistics of every tensor of a file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/inspect.h"

#include "base/task.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/statistics.h"

static bool is_wanted(const lyc_inspect_visitor *visitor, const lyc_tensor_view *tensor)
{
    return visitor->wanted == NULL || visitor->wanted(visitor->context, tensor);
}

/* Bytes that will be read. */
static int64_t wanted_bytes(const lyc_safetensors *file, const lyc_inspect_visitor *visitor)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        if (is_wanted(visitor, &tensor) && lyc_dtype_computable(tensor.dtype)) {
            bytes += (int64_t)tensor.size_bytes;
        }
    }
    return bytes;
}

static lyc_status visit(const lyc_tensor_view *tensor, const lyc_inspect_visitor *visitor, lyc_progress *progress,
                        const lyc_task *task, lyc_error *err)
{
    if (!lyc_dtype_computable(tensor->dtype)) {
        return visitor->visit(visitor->context, tensor, NULL, err);
    }
    lyc_tensor_statistics statistics;
    LYC_TRY(lyc_statistics_compute(&statistics, tensor->data, tensor->dtype, (size_t)lyc_shape_elements(&tensor->shape),
                                   progress, task, err));
    return visitor->visit(visitor->context, tensor, &statistics, err);
}

lyc_status lyc_inspect_statistics(const lyc_safetensors *file, const lyc_inspect_visitor *visitor, const lyc_task *task,
                                  lyc_error *err)
{
    lyc_progress progress;
    lyc_task_begin(&progress, task, "reading", "B", wanted_bytes(file, visitor));
    lyc_status status = LYC_OK;
    for (size_t i = 0; i < lyc_safetensors_count(file) && status == LYC_OK; i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        if (is_wanted(visitor, &tensor)) {
            status = visit(&tensor, visitor, &progress, task, err);
        }
    }
    lyc_progress_finish(&progress);
    return status == LYC_OK ? lyc_safetensors_check(file, err) : status;
}
