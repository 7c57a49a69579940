/* unet_runner_internal.h - what the runners of U-Net and ControlNet share
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_UNET_RUNNER_INTERNAL_H
#define LYC_MODEL_UNET_RUNNER_INTERNAL_H

#include "model/unet_runner.h"

struct lyc_unet_text {
    int64_t n;
    int64_t tokens;
    lyc_dtype dtype;
    int count;
    size_t bytes[LYC_UNET_MAX_CROSS]; /* of one k or v */
    void *k[LYC_UNET_MAX_CROSS];
    void *v[LYC_UNET_MAX_CROSS];
    void *memory; /* of them all */
    size_t memory_bytes;
};

/* Keys and values by the plan of `runner`; down: of the down path and mid block alone. */
lyc_status lyc_unet_text_compute(lyc_unet_text **out, lyc_runner *runner, const lyc_unet_config *config, bool down,
                                 const float *states, int64_t n, int64_t tokens, lyc_error *err);

/* Inputs that both have, as graph inputs and as they enter the builder. */
typedef struct lyc_unet_handles {
    lyc_value *latents, *timesteps, *pooled, *sizes, *guidance;
    lyc_unet_keys keys;
} lyc_unet_handles;

void lyc_unet_handles_build(lyc_unet_handles *h, lyc_unet_inputs *in, lyc_graph *g, const lyc_unet_config *config,
                            const lyc_unet_call *call, bool down);

/* Errors: inputs that the model wants or does not take, keys of another count of prompts. */
lyc_status lyc_unet_call_check(const lyc_unet_call *call, const lyc_unet_config *config, lyc_error *err);
lyc_status lyc_unet_handles_bind(const lyc_unet_handles *h, const lyc_cached_plan *plan, const lyc_unet_call *call,
                                 lyc_error *err);

#endif
