/* tools_layers.h - adapter files that tools wrote, against numbers of their layers
 *
 * "layers" of a case: {"columns": [...], "<name>": [values of the columns], ...}. What the columns are called says what
 * they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_TOOLS_LAYERS_H
#define LYC_CONFORMANCE_TOOLS_LAYERS_H

#include "case.h"
#include "compare.h"
#include "lycoris/adapter.h"

/* A path for a file that a case writes; the caller removes it. */
void lyc_tools_scratch(char path[256]);

/* The file has exactly these layers: kind, rank, alpha, and of the change, rebuilt from its factors, the norm and the
 * sum of value(i) cos(0.37 i). */
lyc_status lyc_tools_compare_layers(lyc_result *result, const lyc_case *c, const char *path, lyc_error *err);

#endif
