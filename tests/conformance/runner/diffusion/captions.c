/* captions.c - a "caption" processed with "options" at "epoch" and "step": "result"
 *
 * The trainer draws from Python's generator. What depends on it is compared by what holds for every draw: the tags that
 * are kept stand first, all tags are of the caption, and none is missing where none is dropped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "data/caption.h"
#include "kind.h"

static bool flag(const json_t *options, const char *name)
{
    return json_is_true(json_object_get(options, name));
}

static double number(const json_t *options, const char *name, double standard)
{
    const json_t *value = json_object_get(options, name);
    return json_is_number(value) ? json_number_value(value) : standard;
}

static const char *text(const json_t *options, const char *name)
{
    return json_string_value(json_object_get(options, name));
}

static lyc_caption_options read_options(const json_t *o)
{
    const char *separator = text(o, "caption_separator");
    return (lyc_caption_options){
        .shuffle_caption = flag(o, "shuffle_caption"),
        .caption_separator = separator != NULL ? separator : ",",
        .keep_tokens = (int64_t)number(o, "keep_tokens", 0),
        .keep_tokens_separator = text(o, "keep_tokens_separator"),
        .secondary_separator = text(o, "secondary_separator"),
        .enable_wildcard = flag(o, "enable_wildcard"),
        .caption_prefix = text(o, "caption_prefix"),
        .caption_suffix = text(o, "caption_suffix"),
        .caption_dropout_rate = number(o, "caption_dropout_rate", 0),
        .caption_dropout_every_n_epochs = (int64_t)number(o, "caption_dropout_every_n_epochs", 0),
        .caption_tag_dropout_rate = number(o, "caption_tag_dropout_rate", 0),
        .token_warmup_min = (int64_t)number(o, "token_warmup_min", 1),
        .token_warmup_step = number(o, "token_warmup_step", 0),
    };
}

enum { MOST_LINES = 64, MOST_TAGS = 256 };

static size_t split(lyc_span *out, size_t most, const char *from, char at, bool trimmed)
{
    size_t count = 0;
    for (bool more = true; more && count < most;) {
        const char *end = strchr(from, at);
        lyc_span s = {from, end != NULL ? (size_t)(end - from) : strlen(from)};
        while (trimmed && s.length > 0 && s.text[0] == ' ') {
            s.text++;
            s.length--;
        }
        while (trimmed && s.length > 0 && s.text[s.length - 1] == ' ') {
            s.length--;
        }
        out[count++] = s;
        more = end != NULL;
        from = more ? end + 1 : from;
    }
    return count;
}

/* Whether every tag of a is one of b, each used once. */
static bool is_part(const lyc_span *a, size_t a_count, const lyc_span *b, size_t b_count)
{
    bool used[MOST_TAGS] = {false};
    for (size_t i = 0; i < a_count; i++) {
        size_t k = 0;
        while (k < b_count && (used[k] || !lyc_span_equal(a[i], b[k]))) {
            k++;
        }
        if (k == b_count) {
            return false;
        }
        used[k] = true;
    }
    return true;
}

/* What holds whatever was drawn: tags of both results are of one set. */
static void compare_tags(lyc_result *result, const char *got, const char *want, const char *caption,
                         const lyc_caption_options *o)
{
    lyc_span g[MOST_TAGS], w[MOST_TAGS], c[MOST_TAGS];
    const size_t got_count = split(g, MOST_TAGS, got, ',', true), want_count = split(w, MOST_TAGS, want, ',', true);
    const size_t caption_count = split(c, MOST_TAGS, caption, ',', true);
    lyc_result_count(result);
    if (o->caption_tag_dropout_rate > 0) {
        if (got[0] != '\0' && !is_part(g, got_count, c, caption_count)) {
            lyc_result_complain(result, "'%s' has tags that are not in '%s'", got, caption);
        }
    } else if (got_count != want_count || !is_part(g, got_count, w, want_count)) {
        lyc_result_complain(result, "'%s' has not the tags of '%s'", got, want);
    }
    for (size_t i = 0; i < (size_t)o->keep_tokens && i < caption_count && i < got_count; i++) {
        if (!lyc_span_equal(g[i], c[i])) {
            lyc_result_complain(result, "tag %zu of '%s' was not kept", i, got);
        }
    }
}

/* "{a|b|c} d": the result is the caption up to the braces and from them on. */
static void compare_wild(lyc_result *result, const char *got, const char *want, const char *caption)
{
    const char *open = strchr(caption, '{'), *close = strchr(caption, '}');
    lyc_result_count(result);
    if (open == NULL || close == NULL || strchr(caption, '\n') != NULL) {
        if (strchr(caption, '\n') == NULL && strcmp(got, want) != 0) {
            lyc_result_complain(result, "'%s', expected '%s'", got, want);
        } else if (strstr(caption, got) == NULL) {
            lyc_result_complain(result, "'%s' is no line of the caption", got);
        }
        return;
    }
    const size_t tail = strlen(want) < 8 ? strlen(want) : 8;
    if (strlen(got) < tail || strcmp(got + strlen(got) - tail, want + strlen(want) - tail) != 0 ||
        strncmp(got, caption, (size_t)(open - caption)) != 0) {
        lyc_result_complain(result, "'%s' is not of the form of '%s'", got, want);
    }
}

static void compare(lyc_result *result, const char *got, const char *want, const char *caption,
                    const lyc_caption_options *o)
{
    if (o->caption_dropout_rate > 0 && o->caption_dropout_rate < 1) {
        lyc_result_count(result);
        if (got[0] != '\0' && strcmp(got, caption) != 0 && strcmp(got, want) != 0) {
            lyc_result_complain(result, "'%s' is neither empty nor the caption", got);
        }
    } else if (o->shuffle_caption || o->caption_tag_dropout_rate > 0) {
        const size_t line = strcspn(caption, "\n");
        char first[4096] = {0};
        memcpy(first, caption, line < sizeof first - 1 ? line : sizeof first - 1);
        compare_tags(result, got, want, first, o);
    } else if (o->enable_wildcard) {
        compare_wild(result, got, want, caption);
    } else {
        lyc_result_count(result);
        if (strcmp(got, want) != 0) {
            lyc_result_complain(result, "'%s', expected '%s'", got, want);
        }
    }
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    const char *caption = lyc_case_text(c, "caption"), *want = lyc_case_text(c, "result");
    const json_t *json = c->json;
    const lyc_caption_options options = read_options(json_object_get(json, "options"));
    lyc_span lines[MOST_LINES];
    lyc_strbuf got = {0};
    if (caption == NULL || want == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "caption or result is missing");
    }
    const size_t count = split(lines, MOST_LINES, caption, '\n', false);
    for (uint64_t seed = 0; seed < 16; seed++) {
        const lyc_caption_moment moment = {
            .random = {.seed = seed, .purpose = LYC_RANDOM_CAPTION},
            .epoch = (int64_t)number(json, "epoch", 1),
            .step = (int64_t)number(json, "step", 0),
            .total_steps = (int64_t)number(json, "max_train_steps", 1),
        };
        got.length = 0;
        lyc_strbuf_append(&got, "");
        lyc_caption_finish(&got, lines, count, &options, &moment);
        compare(result, lyc_strbuf_text(&got), want, caption, &options);
    }
    const lyc_status status = lyc_strbuf_check(&got, "a caption", err);
    lyc_strbuf_clear(&got);
    return status;
}

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "caption") && lyc_case_has(c, "python_random_seed");
}

const lyc_kind lyc_kind_captions = {
    .name = "captions",
    .recognise = recognise,
    .run = run,
};
