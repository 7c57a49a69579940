/* block_weights.h - strengths by block of a U-Net
 *
 * Slots: 0 BASE (text encoders), 1 to 12 IN00 to IN11, 13 MID, 14 to 25 OUT00 to OUT11, after the blocks of the
 * original code. Lists in use are shorter: 12 and 20 numbers are for SDXL, 17 and 26 for SD 1.x and 2.x.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_BLOCK_WEIGHTS_H
#define LYC_ADAPTER_BLOCK_WEIGHTS_H

#include <stddef.h>

#include "base/error.h"

enum { LYC_BLOCK_SLOTS = 26 };

/* The slot of a module of diffusers' or the original name; -1: it is in none. Its place in the original
 * code decides: SD 1.x, 2.x and XL have two layers a level, so that block is 3 * level + layer there. */
int lyc_block_slot(const char *component, const char *module);

/* Spreads a list of 12, 17, 20 or 26 numbers over the slots; the others get 1. LYC_E_ARGUMENT: another count. */
lyc_status lyc_block_weights(double out[LYC_BLOCK_SLOTS], const double *list, size_t count, lyc_error *err);

#endif
