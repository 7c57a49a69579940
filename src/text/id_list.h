/* id_list.h - a growing list of token ids
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_ID_LIST_H
#define LYC_TEXT_ID_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* {0} is empty. */
typedef struct lyc_id_list {
    int32_t *ids;
    size_t count, capacity;
} lyc_id_list;

lyc_status lyc_id_list_append(lyc_id_list *list, int32_t id, lyc_error *err);
void lyc_id_list_clear(lyc_id_list *list);

#endif
