/* kind.c - which kind a case is of
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kind.h"

#include <stdio.h>
#include <string.h>

#define LYC_KIND(name) extern const lyc_kind lyc_kind_##name;
#include "list.def"
#undef LYC_KIND

const lyc_kind *const lyc_kinds[] = {
#define LYC_KIND(name) &lyc_kind_##name,
#include "list.def"
#undef LYC_KIND
    NULL,
};

static const lyc_kind *kind_by_name(const char *name)
{
    for (const lyc_kind *const *kind = lyc_kinds; *kind != NULL; kind++) {
        if (strcmp((*kind)->name, name) == 0) {
            return *kind;
        }
    }
    return NULL;
}

static bool is_in_place(const lyc_kind *kind, const lyc_case *c)
{
    return kind->folder != NULL && strcmp(kind->folder, c->folder_name) == 0 &&
           (kind->prefix == NULL || strncmp(c->name, kind->prefix, strlen(kind->prefix)) == 0);
}

/* In a folder of another name: by its own rule, or by the beginning of the case's name. */
static bool recognises(const lyc_kind *kind, lyc_case *c)
{
    if (kind->recognise != NULL) {
        return kind->recognise(c);
    }
    return kind->prefix != NULL && strncmp(c->name, kind->prefix, strlen(kind->prefix)) == 0;
}

const lyc_kind *lyc_kind_of(lyc_case *c)
{
    const char *named = lyc_case_text(c, "kind");
    if (named != NULL) {
        return kind_by_name(named);
    }
    for (const lyc_kind *const *kind = lyc_kinds; *kind != NULL; kind++) {
        if (is_in_place(*kind, c)) {
            return *kind;
        }
    }
    for (const lyc_kind *const *kind = lyc_kinds; *kind != NULL; kind++) {
        if (recognises(*kind, c)) {
            return *kind;
        }
    }
    return NULL;
}

/* Whether the folder's cases are told apart by the beginnings of their names. */
static bool folder_has_prefixes(const char *folder)
{
    for (const lyc_kind *const *kind = lyc_kinds; *kind != NULL; kind++) {
        if ((*kind)->folder != NULL && strcmp((*kind)->folder, folder) == 0 && (*kind)->prefix != NULL) {
            return true;
        }
    }
    return false;
}

void lyc_kind_label(char *label, size_t size, const lyc_case *c)
{
    const char *named = lyc_case_text(c, "kind");
    if (named != NULL) {
        snprintf(label, size, "%s", named);
    } else if (folder_has_prefixes(c->folder_name)) {
        snprintf(label, size, "%s/%.*s", c->folder_name, (int)strcspn(c->name, "_"), c->name);
    } else {
        snprintf(label, size, "%s", c->folder_name);
    }
}
