/* prompt_weight.c - the brackets of a prompt
 *
 *     \( \) \[ \] \\     the character itself; a backslash before anything else is dropped
 *     (                  opens, closed by :number) with that weight or by ) with 1.1
 *     [                  opens, closed by ] with 1/1.1
 *     BREAK              ends the sequence
 *
 * Closing multiplies the weight of everything since the bracket opened. What is not closed is closed at the end.
 * Neighbours of equal weight are one item. Source: parse_prompt_attention of A1111's modules/prompt_parser.py, which
 * sd-scripts uses too. There, brackets around BREAK turn it into text; here it stays what it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/prompt_weight.h"

#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"

static const double round_factor = 1.1;
static const double square_factor = 1 / 1.1;
static const char break_word[] = "BREAK";

/* An item while it is made: its text is in the buffer of the parser. */
typedef struct part {
    size_t start, length;
    double weight;
    bool is_break;
} part;

typedef struct parser {
    lyc_span text;
    size_t position;
    bool breaks;
    lyc_strbuf buffer; /* the texts of all parts, one behind the other */
    part *parts;
    size_t count, capacity;
    size_t *open; /* [open_count]: the part at which a bracket opened, with its kind in the lowest bit */
    size_t open_count, open_capacity;
    lyc_error *err;
} parser;

/* --- growing lists -------------------------------------------------------------------------------------------------
 */

static lyc_status reserve(void **list, size_t *capacity, size_t count, size_t size, lyc_error *err)
{
    size_t wanted = 32, bytes = 0;
    if (count < *capacity) {
        return LYC_OK;
    }
    void *grown = NULL;
    if ((*capacity == 0 || lyc_size_mul(&wanted, *capacity, 2)) && lyc_size_mul(&bytes, wanted, size)) {
        grown = lyc_realloc(*list, bytes);
    }
    if (grown == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    *list = grown;
    *capacity = wanted;
    return LYC_OK;
}

static lyc_status add_part(parser *p, lyc_span text, bool is_break)
{
    void *list = p->parts;
    LYC_TRY(reserve(&list, &p->capacity, p->count, sizeof *p->parts, p->err));
    p->parts = list;
    p->parts[p->count++] = (part){.start = p->buffer.length, .length = text.length, .weight = 1, .is_break = is_break};
    if (text.length > 0) {
        lyc_strbuf_append_n(&p->buffer, text.text, text.length);
    }
    return lyc_strbuf_check(&p->buffer, "a prompt", p->err);
}

/* --- brackets ------------------------------------------------------------------------------------------------------
 */

enum { ROUND, SQUARE };

static lyc_status open_bracket(parser *p, size_t kind)
{
    void *list = p->open;
    LYC_TRY(reserve(&list, &p->open_capacity, p->open_count, sizeof *p->open, p->err));
    p->open = list;
    p->open[p->open_count++] = p->count << 1 | kind;
    return LYC_OK;
}

static void multiply_from(parser *p, size_t first, double factor)
{
    for (size_t i = first; i < p->count; i++) {
        p->parts[i].weight *= factor; /* fits: not a size */
    }
}

/* Closes the innermost bracket of a kind, which need not be the innermost of all; false when none is open. */
static bool close_bracket(parser *p, size_t kind, double factor)
{
    for (size_t i = p->open_count; i-- > 0;) {
        if ((p->open[i] & 1) == kind) {
            multiply_from(p, p->open[i] >> 1, factor);
            p->open_count--;
            memmove(p->open + i, p->open + i + 1, (p->open_count - i) * sizeof *p->open); /* fits: in memory */
            return true;
        }
    }
    return false;
}

/* --- scanning ------------------------------------------------------------------------------------------------------
 */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Whether the byte belongs to a word, for the ends of BREAK; bytes beyond ASCII are taken for letters. */
static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}

/* Length of ":number)" at the start of the text, blanks around the number allowed; 0 when it is not that. */
static size_t closing_weight(double *weight, lyc_span text)
{
    size_t i = 1;
    while (i < text.length && is_blank(text.text[i])) {
        i++;
    }
    const size_t start = i;
    if (i < text.length && (text.text[i] == '+' || text.text[i] == '-')) {
        i++;
    }
    while (i < text.length && ((text.text[i] >= '0' && text.text[i] <= '9') || text.text[i] == '.')) {
        i++;
    }
    const bool plus = start < text.length && text.text[start] == '+';
    const lyc_span number = {text.text + start + plus, i - start - plus};
    while (i < text.length && is_blank(text.text[i])) {
        i++;
    }
    return i < text.length && text.text[i] == ')' && lyc_number_parse(weight, number) ? i + 1 : 0;
}

/* The place of the next BREAK that is a word by itself; the length when there is none. */
static size_t find_break(lyc_span text)
{
    const size_t length = strlen(break_word);
    for (size_t i = 0; i + length <= text.length; i++) {
        const bool starts = i == 0 || !is_word_byte(text.text[i - 1]);
        const bool ends = i + length == text.length || !is_word_byte(text.text[i + length]);
        if (starts && ends && memcmp(text.text + i, break_word, length) == 0) {
            return i;
        }
    }
    return text.length;
}

static lyc_span skip(lyc_span text, size_t count)
{
    return (lyc_span){text.text + count, text.length - count};
}

/* Text without brackets: cut at BREAK, whose blanks go with it. */
static lyc_status add_text(parser *p, lyc_span text)
{
    for (;;) {
        const size_t at = p->breaks ? find_break(text) : text.length;
        size_t end = at;
        while (at < text.length && end > 0 && is_blank(text.text[end - 1])) {
            end--;
        }
        LYC_TRY(add_part(p, (lyc_span){text.text, end}, false));
        if (at == text.length) {
            return LYC_OK;
        }
        LYC_TRY(add_part(p, (lyc_span){0}, true));
        text = skip(text, at + strlen(break_word));
        while (text.length > 0 && is_blank(text.text[0])) {
            text = skip(text, 1);
        }
    }
}

/* Whether the character begins something else than text. */
static bool is_special(char c)
{
    return c == '\\' || c == '(' || c == ')' || c == '[' || c == ']' || c == ':';
}

/* Takes one thing from the text: an escape, a bracket, or text up to the next of them. */
static lyc_status step(parser *p)
{
    const lyc_span rest = skip(p->text, p->position);
    const char c = rest.text[0];
    double weight = 1;
    size_t taken = 1;
    if (c == '\\') {
        const bool escapes = rest.length > 1 && is_special(rest.text[1]) && rest.text[1] != ':';
        taken += escapes;
        LYC_TRY(add_part(p, (lyc_span){rest.text + 1, escapes}, false));
    } else if (c == '(' || c == '[') {
        LYC_TRY(open_bracket(p, c == '(' ? ROUND : SQUARE));
    } else if (c == ':' && (taken = closing_weight(&weight, rest)) > 0) {
        if (!close_bracket(p, ROUND, weight)) {
            LYC_TRY(add_part(p, (lyc_span){rest.text, taken}, false));
        }
    } else if (c == ')' ? close_bracket(p, ROUND, round_factor) : c == ']' && close_bracket(p, SQUARE, square_factor)) {
        taken = 1;
    } else {
        for (taken = 1; !is_special(c) && taken < rest.length && !is_special(rest.text[taken]);) {
            taken++;
        }
        LYC_TRY(add_text(p, (lyc_span){rest.text, taken}));
    }
    p->position += taken;
    return LYC_OK;
}

static lyc_status scan(parser *p)
{
    while (p->position < p->text.length) {
        LYC_TRY(step(p));
    }
    while (close_bracket(p, ROUND, round_factor)) {
    }
    while (close_bracket(p, SQUARE, square_factor)) {
    }
    return LYC_OK;
}

/* Copies the parts into the arena, neighbours of equal weight as one. */
static lyc_status finish(lyc_prompt_items *out, lyc_arena *arena, const parser *p)
{
    const char *texts = lyc_arena_text_n(arena, lyc_strbuf_text(&p->buffer), p->buffer.length);
    lyc_prompt_item *items = lyc_arena_alloc(arena, p->count + 1, sizeof *items);
    size_t count = 0;
    if (texts == NULL || items == NULL) {
        return lyc_fail(p->err, LYC_E_MEMORY, "no memory for a prompt");
    }
    for (size_t i = 0; i < p->count; i++) {
        const part *next = &p->parts[i];
        lyc_prompt_item *last = count > 0 ? &items[count - 1] : NULL;
        if (last != NULL && !last->is_break && !next->is_break && last->weight == next->weight) {
            last->text.length += next->length; /* parts follow one another in the buffer */
        } else {
            items[count++] = (lyc_prompt_item){
                .text = {texts + next->start, next->length}, .weight = next->weight, .is_break = next->is_break};
        }
    }
    if (count == 0) {
        items[count++] = (lyc_prompt_item){.text = {texts, 0}, .weight = 1};
    }
    *out = (lyc_prompt_items){items, count};
    return LYC_OK;
}

lyc_status lyc_prompt_weight_parse(lyc_prompt_items *out, lyc_arena *arena, lyc_span text, bool breaks, lyc_error *err)
{
    parser p = {.text = text, .breaks = breaks, .err = err};
    lyc_status status = scan(&p);
    if (status == LYC_OK) {
        status = finish(out, arena, &p);
    }
    lyc_strbuf_clear(&p.buffer);
    lyc_free(p.parts);
    lyc_free(p.open);
    return status;
}

lyc_status lyc_prompt_weight_plain(lyc_prompt_items *out, lyc_arena *arena, lyc_span text, lyc_error *err)
{
    const char *copy = lyc_arena_text_n(arena, text.length > 0 ? text.text : "", text.length);
    lyc_prompt_item *item = lyc_arena_alloc(arena, 1, sizeof *item);
    if (copy == NULL || item == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    *item = (lyc_prompt_item){.text = {copy, text.length}, .weight = 1};
    *out = (lyc_prompt_items){item, 1};
    return LYC_OK;
}
