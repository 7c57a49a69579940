/* memory_limit.h - how much memory this process can have
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_MEMORY_LIMIT_H
#define LYC_BASE_MEMORY_LIMIT_H

#include <stdint.h>

/* Bytes of the machine's memory, or of the smallest limit of the control groups that the process is in; and how many of
 * them can still be had without swapping. 0 when the system does not say. */
void lyc_memory_limits(uint64_t *total, uint64_t *available);

/* The same of a system whose files lie below root ("" for this one). */
void lyc_memory_limits_of(uint64_t *total, uint64_t *available, const char *root);

#endif
