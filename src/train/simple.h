/* simple.h - the short way: what a beginner does not say is chosen, and said
 *
 *     lycoris train --model M --images DIR --algo lokr --minutes 10
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_SIMPLE_H
#define LYC_TRAIN_SIMPLE_H

#include "train/config.h"

/* Where `algo`, `minutes` or `images` were given by hand and there is no file of options: gives everything that matters
 * and was not said a value. Each choice is a notice. Nothing otherwise. */
lyc_status lyc_train_simple_choose(lyc_train_config *config, lyc_error *err);

#endif
