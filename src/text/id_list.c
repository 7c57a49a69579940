/* id_list.c - a growing list of token ids
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/id_list.h"

#include "base/memory.h"
#include "base/size.h"

enum { CAPACITY_MIN = 128 };

static lyc_status grow(lyc_id_list *list, lyc_error *err)
{
    size_t capacity = CAPACITY_MIN;
    size_t bytes = 0;
    int32_t *ids = NULL;
    if ((list->capacity == 0 || lyc_size_mul(&capacity, list->capacity, 2)) &&
        lyc_size_mul(&bytes, capacity, sizeof *ids)) {
        ids = lyc_realloc(list->ids, bytes);
    }
    if (ids == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for more than %zu tokens", list->count);
    }
    list->ids = ids;
    list->capacity = capacity;
    return LYC_OK;
}

lyc_status lyc_id_list_append(lyc_id_list *list, int32_t id, lyc_error *err)
{
    if (list->count == list->capacity) {
        LYC_TRY(grow(list, err));
    }
    list->ids[list->count++] = id;
    return LYC_OK;
}

void lyc_id_list_clear(lyc_id_list *list)
{
    lyc_free(list->ids);
    *list = (lyc_id_list){0};
}
