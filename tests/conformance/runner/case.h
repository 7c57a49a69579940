/* case.h - a case of a cases.json: its members, its tolerance, its tensors
 *
 *     {"made_with": ..., <members shared by the cases>,
 *      "cases": [{"case": "a name", "file": "x.safetensors", "absolute_tolerance": 1e-6, ...}, ...]}
 *
 * A case without a name has that of its file, or its number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_CASE_H
#define LYC_CONFORMANCE_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "lycoris/safetensors.h"

typedef struct lyc_case {
    const char *folder;      /* where cases.json is, as the user named it */
    const char *folder_name; /* the last part of its path */
    char name[160];
    const json_t *json;
    const json_t *document; /* the whole of cases.json */
    double absolute_tolerance;
    double relative_tolerance;
    lyc_safetensors *file; /* the member "file", opened when a tensor is first asked for */
} lyc_case;

/* Whether a file of this name holds cases: cases.json, and those of networks that are no files of their own. */
bool lyc_case_document(const char *name);

/* The array of the cases of a document: "cases", "lists" of layer_lists.json, "configs" of parameter_counts.json. */
const json_t *lyc_case_array(const json_t *document);

/* The index-th case; keeps its arguments. */
void lyc_case_init(lyc_case *c, const char *folder, const json_t *document, size_t index);
void lyc_case_clear(lyc_case *c);

/* A member of the case that is text; NULL when there is none. */
const char *lyc_case_text(const lyc_case *c, const char *name);

/* Whether the case has the member. */
bool lyc_case_has(const lyc_case *c, const char *name);

/* The path of a file beside cases.json. */
lyc_status lyc_case_path(char *path, size_t size, const lyc_case *c, const char *file, lyc_error *err);

/* Opens the member "file" if that was not done; the file belongs to the case. */
lyc_status lyc_case_open(const lyc_safetensors **file, lyc_case *c, lyc_error *err);

#endif
