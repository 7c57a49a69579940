/* case.c - a case of a cases.json: its members, its tolerance, its tensors
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case.h"

#include <stdio.h>
#include <string.h>

static double number_member(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return json_is_number(value) ? json_number_value(value) : 0;
}

static const struct {
    const char *file, *member;
} documents[] = {
    {"cases.json", "cases"},          {"layer_lists.json", "lists"}, {"parameter_counts.json", "configs"},
    {"learning_rates.json", "cases"}, {"buckets.json", "cases"},     {"captions.json", "cases"},
    {"resize.json", "images"},
};
enum { DOCUMENT_COUNT = sizeof documents / sizeof documents[0] };

bool lyc_case_document(const char *name)
{
    for (size_t i = 0; i < DOCUMENT_COUNT; i++) {
        if (strcmp(documents[i].file, name) == 0) {
            return true;
        }
    }
    return false;
}

const json_t *lyc_case_array(const json_t *document)
{
    const json_t *array = NULL;
    for (size_t i = 0; i < DOCUMENT_COUNT && array == NULL; i++) {
        array = json_object_get(document, documents[i].member);
    }
    return array;
}

/* The member "case", else the file's name without its ending, else the number. */
static void set_name(lyc_case *c, size_t index)
{
    const char *named = lyc_case_text(c, "case");
    const char *file = lyc_case_text(c, "file");
    if (named != NULL) {
        snprintf(c->name, sizeof c->name, "%s", named);
    } else if (file != NULL) {
        const char *dot = strrchr(file, '.');
        const int length = dot != NULL && dot > file ? (int)(dot - file) : (int)strlen(file);
        snprintf(c->name, sizeof c->name, "%.*s", length, file);
    } else if (lyc_case_text(c, "architecture") != NULL && lyc_case_text(c, "preset") != NULL) {
        snprintf(c->name, sizeof c->name, "%s/%s", lyc_case_text(c, "architecture"), lyc_case_text(c, "preset"));
    } else if (lyc_case_text(c, "schedule") != NULL) {
        snprintf(c->name, sizeof c->name, "%s_%zu", lyc_case_text(c, "schedule"), index);
    } else if (lyc_case_text(c, "config") != NULL) {
        snprintf(c->name, sizeof c->name, "%s", lyc_case_text(c, "config"));
    } else {
        snprintf(c->name, sizeof c->name, "%zu", index);
    }
}

/* The case's own, else the one that all cases of the document share. */
static double tolerance(const json_t *json, const json_t *document, const char *name)
{
    return number_member(json_object_get(json, name) != NULL ? json : document, name);
}

void lyc_case_init(lyc_case *c, const char *folder, const json_t *document, size_t index)
{
    const char *slash = strrchr(folder, '/');
    const json_t *json = json_array_get(lyc_case_array(document), index);
    *c = (lyc_case){
        .folder = folder,
        .folder_name = slash != NULL ? slash + 1 : folder,
        .json = json,
        .document = document,
        .absolute_tolerance = tolerance(json, document, "absolute_tolerance"),
        .relative_tolerance = tolerance(json, document, "relative_tolerance"),
    };
    set_name(c, index);
}

void lyc_case_clear(lyc_case *c)
{
    lyc_safetensors_close(c->file);
    c->file = NULL;
}

const char *lyc_case_text(const lyc_case *c, const char *name)
{
    return json_string_value(json_object_get(c->json, name));
}

bool lyc_case_has(const lyc_case *c, const char *name)
{
    return json_object_get(c->json, name) != NULL;
}

lyc_status lyc_case_path(char *path, size_t size, const lyc_case *c, const char *file, lyc_error *err)
{
    if ((size_t)snprintf(path, size, "%s/%s", c->folder, file) >= size) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the path of %s is too long", file);
    }
    return LYC_OK;
}

lyc_status lyc_case_open(const lyc_safetensors **file, lyc_case *c, lyc_error *err)
{
    char path[4096];
    const char *name = lyc_case_text(c, "file");
    if (name == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no member \"file\"");
    }
    if (c->file == NULL) {
        LYC_TRY(lyc_case_path(path, sizeof path, c, name, err));
        LYC_TRY(lyc_safetensors_open(&c->file, path, NULL, err));
    }
    *file = c->file;
    return LYC_OK;
}
