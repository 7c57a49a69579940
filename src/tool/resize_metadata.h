/* resize_metadata.h - what a resized file says about itself
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_RESIZE_METADATA_H
#define LYC_TOOL_RESIZE_METADATA_H

#include "lycoris/resize.h"
#include "tool/tensor_set.h"

/* Takes over the file's metadata with the new ranks, and a training comment that says what was done, as sd-scripts
 * words it. before: the largest rank; scale: alpha / rank of all layers, NaN when they differ. */
lyc_status lyc_resize_metadata(lyc_tensor_set *set, const lyc_safetensors *file, const lyc_resize_options *options,
                               int64_t before, double scale, lyc_error *err);

#endif
