/* tensor_list.h - the tensors that a network of a configuration has: names of diffusers, shapes
 *
 * What a file must hold is checked against this list, and files of any size are made from it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_TENSOR_LIST_H
#define LYC_CHECKPOINT_TENSOR_LIST_H

#include "base/error.h"
#include "checkpoint/config.h"
#include "lycoris/tensor.h"

/* Called for each tensor in the order of the forward pass; name is borrowed during the call. Another status than
 * LYC_OK ends the walk and is returned. */
typedef lyc_status (*lyc_tensor_visit)(void *context, const char *name, const lyc_shape *shape, lyc_error *err);

/* LYC_E_FORMAT names a group norm whose channels the groups do not divide. */
lyc_status lyc_unet_tensors(const lyc_unet_config *config, lyc_tensor_visit visit, void *context, lyc_error *err);
lyc_status lyc_controlnet_tensors(const lyc_unet_config *config, lyc_tensor_visit visit, void *context, lyc_error *err);
lyc_status lyc_vae_tensors(const lyc_vae_config *config, lyc_tensor_visit visit, void *context, lyc_error *err);
lyc_status lyc_clip_text_tensors(const lyc_clip_text_config *config, lyc_tensor_visit visit, void *context,
                                 lyc_error *err);

#endif
