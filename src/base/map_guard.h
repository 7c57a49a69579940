/* map_guard.h - mappings that survive the loss of their pages; see file.h
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_MAP_GUARD_H
#define LYC_BASE_MAP_GUARD_H

#include <stdbool.h>
#include <stddef.h>

enum { LYC_MAP_GUARDS = 1024 }; /* mappings guarded at one time */

/* Installs the handler; the first mapping does it. Again for programs (test frameworks) that have put their own in its
 * place meanwhile: faults elsewhere then go to that one. */
void lyc_map_guard_install(void);

/* Watches a read-only mapping that begins at data (page-aligned): a page of it that cannot be read becomes zero, and
 * all behind it too. Returns a handle; -1 when there are too many. */
int lyc_map_guard_add(const void *data, size_t size);

/* Before the mapping is removed. */
void lyc_map_guard_remove(int guard);

/* Whether pages were lost. */
bool lyc_map_guard_is_damaged(int guard);

#endif
