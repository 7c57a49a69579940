/* stages.h - what is trained before a U-Net can be
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_PRETRAIN_STAGES_H
#define LYC_PRETRAIN_STAGES_H

#include "lycoris/pretrain.h"
#include "pretrain/picture_source.h"

/* *finished: the component of the model was written anew. */
lyc_status lyc_pretrain_autoencoder(bool *finished, const lyc_pretrain_options *options, lyc_picture_source *pictures,
                                    lyc_error *err);
lyc_status lyc_pretrain_contrastive(bool *finished, const lyc_pretrain_options *options, lyc_picture_source *pictures,
                                    lyc_error *err);

#endif
