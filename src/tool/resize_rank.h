/* resize_rank.h - how many ranks a layer keeps
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_RESIZE_RANK_H
#define LYC_TOOL_RESIZE_RANK_H

#include "lycoris/resize.h"
#include "tool/truncated_svd.h"

/* Whether every layer gets the rank that is told. */
bool lyc_resize_is_fixed(const lyc_resize_options *o);

/* LYC_E_ARGUMENT: the method or its parameter make no sense. */
lyc_status lyc_resize_check_method(const lyc_resize_options *o, lyc_error *err);

/* Ranks of a change of these singular values, at least 1, at most limit and what there are. */
int64_t lyc_resize_rank(const lyc_truncated_svd *svd, int64_t limit, const lyc_resize_options *o);

#endif
