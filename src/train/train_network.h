/* train_network.h - the adapters that a run trains, and those that belong to its model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_TRAIN_NETWORK_H
#define LYC_TRAIN_TRAIN_NETWORK_H

#include "train/setup.h"
#include "train/train_model.h"

/* Member 0 is trained, new or from network_weights; base_weights are frozen members at their strengths, so the model's
 * own weights are never copied: for algorithms that add, a model that they were merged into. samples: of a batch.
 * *left_out: layers of network_weights that are not trained here and will not be in the result. LYC_E_ARGUMENT,
 * LYC_E_UNSUPPORTED, LYC_E_SHAPE: nothing matches, adapters of another model, start weights of other ranks. */
lyc_status lyc_train_network_make(lyc_network **out, size_t *left_out, const lyc_train_setup *setup,
                                  const lyc_train_model *model, const lyc_network_args *args, size_t samples,
                                  lyc_error *err);

/* The layers that arguments choose, from the parts of the model that are trained. */
lyc_status lyc_train_network_select(lyc_selection *out, const lyc_train_setup *setup, const lyc_train_model *model,
                                    const lyc_network_args *args, lyc_error *err);

#endif
