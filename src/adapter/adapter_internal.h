/* adapter_internal.h - shared by the files that make adapters
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_ADAPTER_INTERNAL_H
#define LYC_ADAPTER_ADAPTER_INTERNAL_H

#include "adapter/adapter.h"

/* What messages call an adapter's layer: its name without the member and the component that a network puts in front
 * ("0/unet/"). */
const char *lyc_adapter_layer_name(const char *name);

/* An adapter with standard options and no parameters yet. */
lyc_status lyc_adapter_alloc(lyc_adapter **out, const lyc_adapter_algorithm *algorithm, const char *name,
                             const lyc_adapter_target *target, lyc_error *err);

/* Scale, parameters and their memory, once the options are known. With the group of a file its tensors must be there
 * and have the shapes, before memory is taken for them. */
lyc_status lyc_adapter_complete(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err);
lyc_status lyc_adapter_check_param(const lyc_adapter_param *p, const lyc_adapter_group *group, lyc_error *err);

/* A tensor's numbers as f32. */
lyc_status lyc_adapter_load(float *out, const lyc_tensor_view *tensor, lyc_error *err);

#endif
