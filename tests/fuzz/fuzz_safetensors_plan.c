/* fuzz_safetensors_plan.c - what the reader accepts the planner can write, and the reader then finds the same in it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lycoris/safetensors.h"
#include "tensor/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

static lyc_safetensors_plan *plan_of(const lyc_safetensors *file)
{
    lyc_safetensors_plan *plan = NULL;
    require(lyc_safetensors_plan_new(&plan, NULL) == LYC_OK);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        require(lyc_safetensors_plan_add(plan, t.name, t.dtype, &t.shape, NULL) == LYC_OK);
    }
    require(lyc_safetensors_plan_copy_metadata(plan, file, NULL) == LYC_OK);
    return plan;
}

/* Header and data of the plan as a file in memory; to be released with free(). */
static uint8_t *write_plan(size_t *size, const lyc_safetensors *file, lyc_safetensors_plan *plan)
{
    const void *header;
    size_t header_size;
    require(lyc_safetensors_plan_header(&header, &header_size, plan, NULL) == LYC_OK && header_size % 8 == 0);
    *size = header_size + (size_t)lyc_safetensors_data_bytes(file);
    uint8_t *bytes = malloc(*size);
    require(bytes != NULL);
    memcpy(bytes, header, header_size);
    for (size_t i = 0; i < lyc_safetensors_plan_count(plan); i++) {
        const lyc_tensor_view to = lyc_safetensors_plan_tensor(plan, i);
        lyc_tensor_view from;
        require(lyc_safetensors_find(&from, file, to.name) && from.size_bytes == to.size_bytes);
        require(to.file_offset <= *size && to.size_bytes <= *size - to.file_offset);
        if (to.size_bytes > 0) {
            memcpy(bytes + to.file_offset, from.data, to.size_bytes);
        }
    }
    return bytes;
}

static void require_same(const lyc_safetensors *a, const lyc_safetensors *b)
{
    require(lyc_safetensors_count(a) == lyc_safetensors_count(b));
    for (size_t i = 0; i < lyc_safetensors_count(a); i++) {
        const lyc_tensor_view x = lyc_safetensors_tensor(a, i);
        lyc_tensor_view y;
        require(lyc_safetensors_find(&y, b, x.name) && x.dtype == y.dtype && lyc_shape_equal(&x.shape, &y.shape));
        require(x.size_bytes == y.size_bytes && memcmp(x.data, y.data, x.size_bytes) == 0);
    }
    require(lyc_safetensors_metadata_count(a) == lyc_safetensors_metadata_count(b));
    require(lyc_safetensors_has_metadata(a) == lyc_safetensors_has_metadata(b));
    for (size_t i = 0; i < lyc_safetensors_metadata_count(a); i++) {
        const lyc_metadata_entry x = lyc_safetensors_metadata_at(a, i);
        if (strlen(x.key) == x.key_length) {
            const char *value = lyc_safetensors_metadata(b, x.key);
            require(value != NULL && memcmp(value, x.value, x.value_length + 1) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lyc_safetensors *file = NULL;
    if (lyc_safetensors_open_memory(&file, data, size, NULL, NULL) != LYC_OK) {
        return 0;
    }
    lyc_safetensors_plan *plan = plan_of(file);
    lyc_safetensors *again = NULL;
    size_t written_size;
    uint8_t *written = write_plan(&written_size, file, plan);
    lyc_error err;
    require(lyc_safetensors_open_memory(&again, written, written_size, NULL, &err) == LYC_OK);
    require_same(file, again);
    lyc_safetensors_close(again);
    free(written);
    lyc_safetensors_plan_free(plan);
    lyc_safetensors_close(file);
    return 0;
}
