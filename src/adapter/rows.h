/* rows.h - a part of an adapter: the rows of its change from one output to another
 *
 * Changes of large layers are computed a few rows at a time, in memory that stays in the cache.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_ROWS_H
#define LYC_ADAPTER_ROWS_H

#include "adapter/adapter.h"

/* Parts begin at multiples of this, and have as many rows; 0: the change cannot be had in parts. */
int64_t lyc_adapter_row_step(const lyc_adapter *a);

/* Rows [first,first+count): an adapter of a layer with so many outputs, that borrows from the whole. */
lyc_status lyc_adapter_rows(lyc_adapter **out, const lyc_adapter *a, int64_t first, int64_t count, lyc_error *err);
void lyc_adapter_rows_free(lyc_adapter *part);

/* For algorithms: leaves rows [first,first+count) of a parameter [all,..] of a part; nothing when it has none. */
void lyc_adapter_keep_rows(lyc_adapter *part, const char *name, int64_t first, int64_t count);

#endif
