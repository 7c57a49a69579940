/* caption.c - from the lines of a caption file to the text of one use
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/caption.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

/* The stream of one use, number by number. */
typedef struct draws {
    const lyc_native_random *random;
    uint64_t next;
} draws;

static double uniform(draws *d)
{
    return (double)lyc_native_random_uniform(d->random, d->next++);
}

static size_t below(draws *d, size_t count)
{
    /* fits: 32 bits by a number of lines or tags */
    return (size_t)(((uint64_t)lyc_native_random_bits(d->random, d->next++) * (uint64_t)count) >> 32);
}

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static lyc_span trimmed(lyc_span s)
{
    while (s.length > 0 && strchr(" \t\r\n\v\f", s.text[0]) != NULL) {
        s.text++;
        s.length--;
    }
    while (s.length > 0 && strchr(" \t\r\n\v\f", s.text[s.length - 1]) != NULL) {
        s.length--;
    }
    return s;
}

/* Where `what`, which is not empty, is first; NULL: nowhere. */
static const char *find(lyc_span s, const char *what)
{
    const size_t length = strlen(what);
    for (size_t i = 0; i + length <= s.length; i++) {
        if (memcmp(s.text + i, what, length) == 0) {
            return s.text + i;
        }
    }
    return NULL;
}

/* Cuts s at the first `what`; false: it is not there, and all of s is before it. */
static bool cut(lyc_span *before, lyc_span *after, lyc_span s, const char *what)
{
    const char *at = find(s, what);
    *before = s;
    *after = (lyc_span){s.text + s.length, 0};
    if (at == NULL) {
        return false;
    }
    before->length = (size_t)(at - s.text);
    const size_t skipped = before->length + strlen(what);
    *after = (lyc_span){s.text + skipped, s.length - skipped};
    return true;
}

/* --- wildcards -----------------------------------------------------------------------------------------------------
 */

static lyc_span pick(lyc_span choices, draws *d)
{
    size_t count = 1;
    for (size_t i = 0; i < choices.length; i++) {
        count += choices.text[i] == '|';
    }
    lyc_span choice, rest = choices;
    for (size_t i = below(d, count) + 1; i > 0; i--) {
        cut(&choice, &rest, rest, "|");
    }
    return choice;
}

/* {a|b|c} is one of them, {{ and }} are braces. */
static void append_wild(lyc_strbuf *out, lyc_span text, draws *d)
{
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.text[i];
        const lyc_span rest = {text.text + i + 1, text.length - i - 1};
        if ((c == '{' || c == '}') && rest.length > 0 && rest.text[0] == c) {
            lyc_strbuf_append_char(out, c);
            i++;
            continue;
        }
        const char *end = c == '{' ? find(rest, "}") : NULL;
        if (end == NULL || end == rest.text) {
            lyc_strbuf_append_char(out, c);
            continue;
        }
        const lyc_span choice = pick((lyc_span){rest.text, (size_t)(end - rest.text)}, d);
        lyc_strbuf_append_n(out, choice.text, choice.length);
        i += (size_t)(end - rest.text) + 1;
    }
}

/* --- tags ----------------------------------------------------------------------------------------------------------
 */

/* [0,fixed) stay, [fixed,suffix) are moved and dropped, [suffix,count) stay last. */
typedef struct tags {
    lyc_span *items;
    size_t count, fixed, suffix;
} tags;

static void add_tags(tags *t, lyc_span text, const char *separator, bool empty_ones)
{
    lyc_span tag, rest = text;
    for (bool more = true; more;) {
        more = cut(&tag, &rest, rest, separator);
        tag = trimmed(tag);
        if (empty_ones || tag.length > 0) {
            t->items[t->count++] = tag;
        }
    }
}

static void split(tags *t, lyc_span text, const lyc_caption_options *o)
{
    const char *separator = given(o->caption_separator) ? o->caption_separator : ",";
    lyc_span kept, rest;
    if (given(o->keep_tokens_separator) && cut(&kept, &rest, text, o->keep_tokens_separator)) {
        lyc_span moved, last;
        cut(&moved, &last, rest, o->keep_tokens_separator);
        add_tags(t, kept, separator, false);
        t->fixed = t->count;
        add_tags(t, moved, separator, false);
        t->suffix = t->count;
        add_tags(t, last, separator, false);
        return;
    }
    add_tags(t, trimmed(text), separator, true);
    t->fixed = (uint64_t)o->keep_tokens < t->count ? (size_t)o->keep_tokens : t->count;
    t->suffix = t->count;
}

static void remove_tags(tags *t, size_t first, size_t last)
{
    /* fits: bytes of an array in memory */
    memmove(t->items + first, t->items + last, (t->count - last) * sizeof t->items[0]);
    t->count -= last - first;
    t->suffix -= last - first;
}

static void warm_up(tags *t, const lyc_caption_options *o, const lyc_caption_moment *m)
{
    const double given_steps = o->token_warmup_step;
    /* fits: floating point */
    const double steps = given_steps < 1.0 ? floor(given_steps * (double)m->total_steps) : given_steps;
    if (!(steps > 0.0) || (double)m->step >= steps) {
        return;
    }
    const double moved = (double)(t->suffix - t->fixed), least = (double)o->token_warmup_min;
    /* fits: floating point */
    const double used = floor((double)m->step * ((moved - least) / steps)) + least;
    if (used < moved) {
        remove_tags(t, t->fixed + (size_t)fmax(used, 0.0), t->suffix);
    }
}

static void shuffle(tags *t, draws *d)
{
    for (size_t n = t->suffix - t->fixed; n > 1; n--) {
        lyc_span *a = &t->items[t->fixed + n - 1], *b = &t->items[t->fixed + below(d, n)];
        const lyc_span held = *a;
        *a = *b;
        *b = held;
    }
}

static void drop(tags *t, double rate, draws *d)
{
    for (size_t i = t->fixed; i < t->suffix;) {
        if (uniform(d) < rate) {
            remove_tags(t, i, i + 1);
        } else {
            i++;
        }
    }
}

static bool changes_tags(const lyc_caption_options *o)
{
    return o->shuffle_caption || o->token_warmup_step > 0.0 || o->caption_tag_dropout_rate > 0.0;
}

static void append_tags(lyc_strbuf *out, lyc_span text, const lyc_caption_options *o, const lyc_caption_moment *m,
                        draws *d)
{
    /* a separator has at least one byte, so there are at most length + 1 tags, and 3 parts */
    tags t = {.items = lyc_alloc_zero(text.length + 3, sizeof *t.items)};
    if (t.items == NULL) {
        out->failed = true;
        return;
    }
    split(&t, text, o);
    warm_up(&t, o, m);
    if (o->shuffle_caption) {
        shuffle(&t, d);
    }
    if (o->caption_tag_dropout_rate > 0.0) {
        drop(&t, o->caption_tag_dropout_rate, d);
    }
    for (size_t i = 0; i < t.count; i++) {
        lyc_strbuf_append(out, i > 0 ? ", " : "");
        lyc_strbuf_append_n(out, t.items[i].text, t.items[i].length);
    }
    lyc_free(t.items);
}

/* Tags stay as they are; what only marked those to be kept goes. */
static void append_unmarked(lyc_strbuf *out, lyc_span text, const lyc_caption_options *o)
{
    const char *separator = given(o->caption_separator) ? o->caption_separator : ",";
    lyc_span part, rest = text;
    if (!given(o->keep_tokens_separator) || find(text, o->keep_tokens_separator) == NULL) {
        lyc_strbuf_append_n(out, text.text, text.length);
        return;
    }
    bool first = true;
    for (bool more = true; more;) {
        more = cut(&part, &rest, rest, o->keep_tokens_separator);
        part = trimmed(part);
        while (lyc_span_ends_with(part, separator)) {
            part.length -= strlen(separator);
            part = trimmed(part);
        }
        if (part.length > 0) {
            lyc_strbuf_append(out, first ? "" : separator);
            lyc_strbuf_append(out, first ? "" : " ");
            lyc_strbuf_append_n(out, part.text, part.length);
            first = false;
        }
    }
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */

static void append_replaced(lyc_strbuf *out, lyc_span text, const char *what, const char *by)
{
    lyc_span part, rest = text;
    while (cut(&part, &rest, rest, what)) {
        lyc_strbuf_append_n(out, part.text, part.length);
        lyc_strbuf_append(out, by);
    }
    lyc_strbuf_append_n(out, part.text, part.length);
}

static bool dropped(const lyc_caption_options *o, const lyc_caption_moment *m, draws *d)
{
    const double u = uniform(d); /* drawn whether or not it is asked for: what follows does not depend on the rate */
    return (o->caption_dropout_rate > 0.0 && u < o->caption_dropout_rate) ||
           (o->caption_dropout_every_n_epochs > 0 && m->epoch % o->caption_dropout_every_n_epochs == 0);
}

/* The line with prefix and suffix. sd-scripts puts them around all lines: without wildcards a suffix is lost with the
 * lines that are not used. */
static void append_line(lyc_strbuf *out, const lyc_span *lines, size_t count, const lyc_caption_options *o, draws *d)
{
    const size_t line = o->enable_wildcard ? below(d, count) : 0;
    if (given(o->caption_prefix)) {
        lyc_strbuf_append(out, o->caption_prefix);
        lyc_strbuf_append_char(out, ' ');
    }
    lyc_strbuf_append_n(out, lines[line].text, lines[line].length);
    if (given(o->caption_suffix) && (o->enable_wildcard || count == 1)) {
        lyc_strbuf_append_char(out, ' ');
        lyc_strbuf_append(out, o->caption_suffix);
    }
}

void lyc_caption_finish(lyc_strbuf *out, const lyc_span *lines, size_t count, const lyc_caption_options *options,
                        const lyc_caption_moment *moment)
{
    draws d = {.random = &moment->random};
    lyc_strbuf line = {0}, text = {0}, tagged = {0};
    if (dropped(options, moment, &d)) {
        return;
    }
    append_line(&line, lines, count, options, &d);
    const lyc_span whole = {lyc_strbuf_text(&line), line.length};
    if (options->enable_wildcard) {
        append_wild(&text, whole, &d);
    } else {
        lyc_strbuf_append_n(&text, whole.text, whole.length);
    }
    const lyc_span chosen = {lyc_strbuf_text(&text), text.length};
    if (changes_tags(options)) {
        append_tags(&tagged, chosen, options, moment, &d);
    } else {
        append_unmarked(&tagged, chosen, options);
    }
    if (given(options->secondary_separator)) {
        append_replaced(out, (lyc_span){lyc_strbuf_text(&tagged), tagged.length}, options->secondary_separator,
                        given(options->caption_separator) ? options->caption_separator : ",");
    } else {
        lyc_strbuf_append_n(out, lyc_strbuf_text(&tagged), tagged.length);
    }
    out->failed = out->failed || line.failed || text.failed || tagged.failed;
    lyc_strbuf_clear(&line);
    lyc_strbuf_clear(&text);
    lyc_strbuf_clear(&tagged);
}

bool lyc_caption_is_fixed(const lyc_caption_options *o)
{
    return !changes_tags(o) && !o->enable_wildcard && !(o->caption_dropout_rate > 0.0) &&
           o->caption_dropout_every_n_epochs == 0;
}
