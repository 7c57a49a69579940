/* log.h - making log messages inside the library
 *
 *     if (lyc_log_enabled(LYC_LOG_DEBUG, LYC_LOG_KERNELS))
 *         lyc_log_write(LYC_LOG_DEBUG, LYC_LOG_KERNELS, "matmul,avx2,%s,%.3f ms", shapes, ms);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_LOG_H
#define LYC_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"
#include "lycoris/log.h"

/* Whether a message would reach anybody; a few instructions. */
bool lyc_log_enabled(lyc_log_level level, lyc_log_category category);

/* Makes the message printable and hands it to the sink, if it is enabled. Any thread. Long messages are cut at 4 KiB.
 */
void lyc_log_write(lyc_log_level level, lyc_log_category category, const char *format, ...) LYC_PRINTF(3, 4);

#endif
