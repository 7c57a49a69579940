/* lora_start.h - start values of LoRA from the base weight
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_LORA_START_H
#define LYC_ADAPTER_LORA_START_H

#include <stdint.h>

#include "base/error.h"

/* Both fill up [rows,rank] and down [rank,columns] from a weight [rows,columns]; what goes beyond its rank is zero. */

/* PiSSA (arXiv 2404.02948): scale * up down is the best approximation of that rank. */
lyc_status lyc_lora_start_pissa(float *up, float *down, const float *weight, int64_t rows, int64_t columns,
                                int64_t rank, double scale, lyc_error *err);

/* OLoRA (arXiv 2406.01775): up has the first columns of Q, down the first rows of R, of weight = Q R. */
lyc_status lyc_lora_start_olora(float *up, float *down, const float *weight, int64_t rows, int64_t columns,
                                int64_t rank, double scale, lyc_error *err);

#endif
