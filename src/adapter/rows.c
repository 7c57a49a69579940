/* rows.c - a part of an adapter
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/rows.h"

#include <string.h>

#include "adapter/compute.h"
#include "base/memory.h"
#include "tensor/shape.h"

int64_t lyc_adapter_row_step(const lyc_adapter *a)
{
    const bool possible = a->algorithm->take_rows != NULL && !lyc_adapter_depends_on_weight(a) && !a->incomplete;
    return !possible ? 0 : a->algorithm->row_step != NULL ? a->algorithm->row_step(a) : 1;
}

lyc_status lyc_adapter_rows(lyc_adapter **out, const lyc_adapter *a, int64_t first, int64_t count, lyc_error *err)
{
    lyc_adapter *part = lyc_alloc(sizeof *part + a->algorithm->config_size);
    if (part == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a part of %s", a->name);
    }
    *part = *a;
    part->config = part + 1;
    memcpy(part->config, a->config, a->algorithm->config_size); /* fits: behind the adapter */
    part->arena = (lyc_arena){0};
    part->target.weight.dims[0] = part->out = count;
    a->algorithm->take_rows(part, first, count);
    *out = part;
    return LYC_OK;
}

void lyc_adapter_rows_free(lyc_adapter *part)
{
    lyc_free(part);
}

void lyc_adapter_keep_rows(lyc_adapter *part, const char *name, int64_t first, int64_t count)
{
    lyc_adapter_param *p = lyc_adapter_param_find(part, name);
    if (p != NULL) {
        const int64_t row = lyc_shape_elements(&p->shape) / p->shape.dims[0];
        p->data += first * row;
        p->shape.dims[0] = count;
    }
}
