/* samplers.c - the list of samplers, and finding one by the names that programs give it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/string.h"
#include "diffusion/sampler.h"

#define LYC_SAMPLER(name) extern const lyc_sampler lyc_sampler_##name;
#include "diffusion/list.def"
#undef LYC_SAMPLER

const lyc_sampler *const lyc_samplers[] = {
#define LYC_SAMPLER(name) &lyc_sampler_##name,
#include "diffusion/list.def"
#undef LYC_SAMPLER
    NULL,
};

enum { NAME_SIZE = 64 };

/* Lower case, without spaces, underscores and the "k_" in front that kohya's programs know. Too long a name is cut: it
 * matches nothing. */
static void simplify(char out[NAME_SIZE], lyc_span name)
{
    size_t length = 0;
    if (name.length > 2 && (name.text[0] == 'k' || name.text[0] == 'K') && name.text[1] == '_') {
        name = (lyc_span){name.text + 2, name.length - 2};
    }
    for (size_t i = 0; i < name.length && length + 1 < NAME_SIZE; i++) {
        const char c = name.text[i];
        if (c != ' ' && c != '_') {
            out[length++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        }
    }
    out[length] = '\0';
}

static bool names(const char *simple, lyc_span name)
{
    char other[NAME_SIZE];
    simplify(other, name);
    return other[0] != '\0' && strcmp(simple, other) == 0;
}

static bool names_text(const char *simple, const char *name)
{
    return name != NULL && names(simple, lyc_span_of(name));
}

static bool is_called(const lyc_sampler *sampler, const char *simple)
{
    if (names_text(simple, sampler->name) || names_text(simple, sampler->label) ||
        names_text(simple, sampler->diffusers)) {
        return true;
    }
    for (const char *word = sampler->aliases; word != NULL && *word != '\0';) {
        const size_t length = strcspn(word, " ");
        if (names(simple, (lyc_span){word, length})) {
            return true;
        }
        word += length + strspn(word + length, " ");
    }
    return false;
}

static const lyc_sampler *find_exactly(const char *simple)
{
    for (const lyc_sampler *const *s = lyc_samplers; *s != NULL; s++) {
        if (is_called(*s, simple)) {
            return *s;
        }
    }
    return NULL;
}

/* Takes "karras" or another curve from the end of a name. */
static lyc_sigma_curve take_curve(char *simple)
{
    for (int curve = LYC_CURVE_NONE + 1; curve < LYC_CURVE_COUNT; curve++) {
        const char *suffix = lyc_sigma_curve_name((lyc_sigma_curve)curve);
        const size_t length = strlen(simple);
        if (length > strlen(suffix) && strcmp(simple + length - strlen(suffix), suffix) == 0) {
            simple[length - strlen(suffix)] = '\0';
            return (lyc_sigma_curve)curve;
        }
    }
    return LYC_CURVE_NONE;
}

static const char *nearest(const char *simple)
{
    const char *best = NULL;
    int best_distance = 0;
    for (const lyc_sampler *const *s = lyc_samplers; *s != NULL; s++) {
        char other[NAME_SIZE];
        int distance;
        simplify(other, lyc_span_of((*s)->name));
        if (lyc_text_resembles(&distance, simple, other) && (best == NULL || distance < best_distance)) {
            best = (*s)->name;
            best_distance = distance;
        }
    }
    return best;
}

lyc_status lyc_sampler_find(const lyc_sampler **sampler, lyc_sigma_curve *curve, const char *name, lyc_error *err)
{
    char simple[NAME_SIZE];
    simplify(simple, lyc_span_of(name));
    *curve = LYC_CURVE_NONE;
    *sampler = find_exactly(simple);
    if (*sampler == NULL) {
        *curve = take_curve(simple);
        *sampler = find_exactly(simple);
    }
    if (*sampler == NULL) {
        const char *meant = nearest(simple);
        return meant != NULL
                   ? lyc_fail(err, LYC_E_ARGUMENT, "there is no sampler '%s'; did you mean '%s'?", name, meant)
                   : lyc_fail(err, LYC_E_ARGUMENT, "there is no sampler '%s'", name);
    }
    if (*curve != LYC_CURVE_NONE && (*sampler)->timeline != LYC_TIMELINE_FRACTIONAL &&
        (*sampler)->timeline != LYC_TIMELINE_INTERVALS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s sigmas are not defined for the sampler %s",
                        lyc_sigma_curve_name(*curve), (*sampler)->name);
    }
    return LYC_OK;
}
