/* toml.h - TOML files as JSON trees
 *
 * Tables and their keys keep the order of the file: which of two patterns comes first may matter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFIG_TOML_H
#define LYC_CONFIG_TOML_H

#include <jansson.h>

#include "base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LYC_TOML_MAX_BYTES = 16 << 20 };

/* LYC_E_IO: the file cannot be read; LYC_E_FORMAT: it is no TOML, with line and column, or has what JSON has not
 * (dates, infinity). The caller releases the tree with json_decref. */
lyc_status lyc_toml_read(json_t **out, const char *path, lyc_error *err);

/* The same with text in memory. */
lyc_status lyc_toml_parse(json_t **out, const char *text, size_t length, lyc_error *err);

#ifdef __cplusplus
}
#endif
#endif
