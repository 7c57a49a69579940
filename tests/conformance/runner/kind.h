/* kind.h - the entry of a kind of case
 *
 * A kind is one file <name>.c that ends in its entry, and one line in list.def. It says which cases are its own and
 * runs them; reading files, the tolerance rule and reporting are in case.h and compare.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_KIND_H
#define LYC_CONFORMANCE_KIND_H

#include <stdbool.h>

#include "case.h"
#include "compare.h"

typedef struct lyc_kind {
    const char *name;

    /* Cases of the folder of this name are of this kind, those alone whose name starts with prefix where that is not
     * NULL. */
    const char *folder;
    const char *prefix;

    /* Whether a case of a folder with another name is of this kind, by its members and the names of its tensors;
     * NULL: when its name starts with prefix. */
    bool (*recognise)(lyc_case *c);

    /* Computes what the case asks for and compares it: differences go to *result. An error is for what keeps the case
     * from being run, a missing file or member or a failing library; it counts as a failure too. */
    lyc_status (*run)(lyc_result *result, lyc_case *c, lyc_error *err);
} lyc_kind;

/* In the order of list.def, NULL at the end. */
extern const lyc_kind *const lyc_kinds[];

/* The kind of a case:
 *   1. its member "kind", when it has one (no kind of that name: not known here);
 *   2. else the first kind whose folder, and prefix, it has;
 *   3. else the first kind that recognises it.
 * NULL when it is not known. */
const lyc_kind *lyc_kind_of(lyc_case *c);

/* What a case that is not known is counted under: its member "kind", else the folder's name, with the first word of the
 * case's name behind it in a folder that has known kinds with prefixes ("diffusion/sampler"). */
void lyc_kind_label(char *label, size_t size, const lyc_case *c);

#endif
