/* bundle_names.c - what embeddings are called in files and in bundles
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/path.h"
#include "tool/bundle_internal.h"

static lyc_span head(lyc_span text, size_t length)
{
    return (lyc_span){text.text, length};
}

static lyc_span tail(lyc_span text, size_t from)
{
    return (lyc_span){text.text + from, text.length - from};
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

lyc_span lyc_bundle_stem(lyc_span *step, const char *path)
{
    static const char ending[] = ".safetensors", word[] = "step";
    lyc_span stem = lyc_path_name(path);
    *step = (lyc_span){"", 0};
    if (lyc_span_ends_with(stem, ending)) {
        stem.length -= strlen(ending);
    }
    size_t digits = stem.length;
    while (digits > 0 && stem.text[digits - 1] >= '0' && stem.text[digits - 1] <= '9') {
        digits--;
    }
    size_t end = digits;
    if (lyc_span_ends_with(head(stem, end), word)) {
        end -= strlen(word);
    }
    if (digits == stem.length || end < 2 || stem.text[end - 1] != '-') {
        return stem;
    }
    *step = tail(stem, digits);
    return head(stem, end - 1);
}

/* --- tensors -------------------------------------------------------------------------------------------------------
 */

static const char of_dictionary[] = "string_to_param."; /* classic files: a dictionary of a dictionary */
static const char *const flat[] = {"emb_params", "clip_l", "clip_g"};
enum { FLAT = sizeof flat / sizeof flat[0] };

bool lyc_bundle_is_known_key(lyc_span key)
{
    for (size_t i = 0; i < FLAT; i++) {
        if (lyc_span_is(key, flat[i])) {
            return true;
        }
    }
    return lyc_span_starts_with(key, of_dictionary) && key.length > strlen(of_dictionary);
}

bool lyc_bundle_is_part(const char *tensor)
{
    return lyc_span_starts_with(lyc_span_of(tensor), LYC_BUNDLE_PREFIX);
}

lyc_status lyc_bundle_split(lyc_span *name, lyc_span *key, const char *tensor, lyc_error *err)
{
    char brief[LYC_BRIEF];
    const lyc_span rest = tail(lyc_span_of(tensor), strlen(LYC_BUNDLE_PREFIX));
    size_t first = rest.length, dot = rest.length;
    for (size_t i = rest.length; i-- > 0;) {
        if (rest.text[i] == '.') {
            first = i;
            dot = lyc_bundle_is_known_key(tail(rest, i + 1)) ? i : dot;
        }
    }
    dot = dot < rest.length ? dot : first;
    if (dot == 0 || dot + 1 >= rest.length) {
        return lyc_fail(err, LYC_E_FORMAT, "'%s' is no tensor of an embedding, expected " LYC_BUNDLE_PREFIX "NAME.KEY",
                        lyc_text_brief(brief, sizeof brief, lyc_span_of(tensor)));
    }
    *name = head(rest, dot);
    *key = tail(rest, dot + 1);
    return LYC_OK;
}

int64_t lyc_bundle_vectors(const lyc_tensor_view *tensor)
{
    return tensor->shape.rank > 1 ? tensor->shape.dims[0] : 1;
}
