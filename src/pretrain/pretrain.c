/* pretrain.c - what of a new model learns before its U-Net can
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pretrain/stages.h"

lyc_status lyc_pretrain(bool *finished, lyc_pretrain_stage stage, const lyc_pretrain_options *options,
                        const lyc_task *task, lyc_error *err)
{
    lyc_picture_source *pictures = NULL;
    const lyc_picture_source_options from = {.image_dir = options->image_dir,
                                             .resolution = options->resolution,
                                             .batch_size = options->batch_size,
                                             .validation_split = options->validation_split,
                                             .seed = options->seed};
    *finished = false;
    LYC_TRY(lyc_picture_source_open(&pictures, &from, task, err));
    const lyc_status status = stage == LYC_PRETRAIN_AUTOENCODER
                                  ? lyc_pretrain_autoencoder(finished, options, pictures, err)
                                  : lyc_pretrain_contrastive(finished, options, pictures, err);
    lyc_picture_source_close(pictures);
    return status;
}
