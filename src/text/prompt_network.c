/* prompt_network.c - adapters named in a prompt
 *
 * The syntax is A1111's (modules/extra_networks.py), where the first number is the text encoder's. In the files and
 * posts of the field it is nearly always alone, and stands for both; where there are two, the first is the U-Net's
 * here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/prompt_network.h"

#include <string.h>

#include "base/memory.h"
#include "base/number.h"

enum { NETWORKS_MAX = 64 };

typedef struct extraction {
    lyc_arena *arena;
    lyc_prompt_networks *networks;
    lyc_strbuf rest;
    lyc_error *err;
} extraction;

/* The parts of a tag between its colons, one after the other; false at the end. */
static bool next_part(lyc_span *part, lyc_span *tag)
{
    if (tag->text == NULL) {
        return false;
    }
    const char *colon = memchr(tag->text, ':', tag->length);
    *part = (lyc_span){tag->text, colon != NULL ? (size_t)(colon - tag->text) : tag->length};
    *tag = colon != NULL ? (lyc_span){colon + 1, tag->length - part->length - 1} : (lyc_span){0};
    return true;
}

static lyc_span trim(lyc_span text)
{
    while (text.length > 0 && text.text[0] == ' ') {
        text = (lyc_span){text.text + 1, text.length - 1};
    }
    while (text.length > 0 && text.text[text.length - 1] == ' ') {
        text.length--;
    }
    return text;
}

/* What a tag says beside its name. */
typedef struct multipliers {
    double unet, text_encoder;
    bool has_unet, has_text_encoder;
} multipliers;

/* A part of a tag: "0.8", "te=0.5" or "unet=0.5". */
static bool read_multiplier(multipliers *m, lyc_span part)
{
    const char *equals = memchr(part.text, '=', part.length);
    const size_t name_length = equals != NULL ? (size_t)(equals - part.text) : 0;
    const lyc_span name = trim((lyc_span){part.text, name_length});
    const lyc_span value = trim(equals != NULL ? (lyc_span){equals + 1, part.length - name_length - 1} : part);
    const bool is_unet = equals != NULL ? lyc_span_is(name, "unet") : !m->has_unet;
    const bool is_text = equals != NULL ? lyc_span_is(name, "te") : !is_unet && !m->has_text_encoder;
    if (is_unet) {
        m->has_unet = true;
        return lyc_number_parse(&m->unet, value);
    }
    m->has_text_encoder = true;
    return is_text && lyc_number_parse(&m->text_encoder, value);
}

/* Replaces the network of the name, or adds one. */
static lyc_status put(extraction *e, lyc_span name, const multipliers *m)
{
    lyc_prompt_networks *list = e->networks;
    const double unet = m->has_unet ? m->unet : 1;
    const double text_encoder = m->has_text_encoder ? m->text_encoder : unet;
    size_t i = 0;
    while (i < list->count && !lyc_span_is(name, list->networks[i].name)) {
        i++;
    }
    if (i == NETWORKS_MAX) {
        return lyc_fail(e->err, LYC_E_ARGUMENT, "more than %d adapters in a prompt", NETWORKS_MAX);
    }
    const char *copy = i < list->count ? list->networks[i].name : lyc_arena_text_n(e->arena, name.text, name.length);
    if (copy == NULL) {
        return lyc_fail(e->err, LYC_E_MEMORY, "no memory for a prompt");
    }
    list->networks[i] = (lyc_prompt_network){.name = copy, .unet = unet, .text_encoder = text_encoder};
    list->count += i == list->count;
    return LYC_OK;
}

/* The inside of a tag behind "lora:". whole is for messages. */
static lyc_status read_tag(extraction *e, lyc_span tag, lyc_span whole)
{
    multipliers m = {0};
    lyc_span name = {0}, part = {0};
    char brief[LYC_BRIEF], brief_part[LYC_BRIEF];
    next_part(&name, &tag);
    name = trim(name);
    if (name.length == 0 || memchr(name.text, '\0', name.length) != NULL) {
        return lyc_fail(e->err, LYC_E_ARGUMENT, "%s names no adapter", lyc_text_brief(brief, sizeof brief, whole));
    }
    while (next_part(&part, &tag)) {
        if (!read_multiplier(&m, part)) {
            return lyc_fail(e->err, LYC_E_ARGUMENT,
                            "%s: '%s' is no multiplier; the forms are <lora:name:unet:te> and <lora:name:unet=1:te=1>",
                            lyc_text_brief(brief, sizeof brief, whole),
                            lyc_text_brief(brief_part, sizeof brief_part, part));
        }
    }
    return put(e, name, &m);
}

/* A text that begins with '<': takes a tag, or the character. */
static lyc_status take(size_t *taken, extraction *e, lyc_span text)
{
    static const char *const kinds[] = {"<lora:", "<lyco:"};
    const char *end = memchr(text.text, '>', text.length);
    *taken = 1;
    if (end == NULL) {
        lyc_strbuf_append_n(&e->rest, text.text, 1);
        return LYC_OK;
    }
    const lyc_span whole = {text.text, (size_t)(end - text.text) + 1};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const size_t prefix = strlen(kinds[i]);
        if (lyc_span_starts_with(whole, kinds[i])) {
            *taken = whole.length;
            return read_tag(e, (lyc_span){whole.text + prefix, whole.length - prefix - 1}, whole);
        }
    }
    if (lyc_span_starts_with(whole, "<hypernet:")) {
        char brief[LYC_BRIEF];
        return lyc_fail(e->err, LYC_E_UNSUPPORTED, "%s: hypernetworks are not supported",
                        lyc_text_brief(brief, sizeof brief, whole));
    }
    lyc_strbuf_append_n(&e->rest, text.text, 1);
    return LYC_OK;
}

static lyc_status extract(extraction *e, lyc_span text)
{
    for (size_t i = 0, taken; i < text.length; i += taken) {
        const char *open = memchr(text.text + i, '<', text.length - i);
        taken = open != NULL ? (size_t)(open - text.text) - i : text.length - i;
        if (taken > 0) {
            lyc_strbuf_append_n(&e->rest, text.text + i, taken);
        } else {
            LYC_TRY(take(&taken, e, (lyc_span){open, text.length - i}));
        }
    }
    return lyc_strbuf_check(&e->rest, "a prompt", e->err);
}

lyc_status lyc_prompt_network_extract(lyc_span *rest, lyc_prompt_networks *networks, lyc_arena *arena, lyc_span text,
                                      lyc_error *err)
{
    extraction e = {.arena = arena, .networks = networks, .err = err};
    *networks = (lyc_prompt_networks){.networks = lyc_arena_alloc(arena, NETWORKS_MAX, sizeof *networks->networks)};
    lyc_status status =
        networks->networks != NULL ? extract(&e, text) : lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    if (status == LYC_OK) {
        const char *copy = lyc_arena_text_n(arena, lyc_strbuf_text(&e.rest), e.rest.length);
        *rest = (lyc_span){copy, e.rest.length};
        status = copy != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    lyc_strbuf_clear(&e.rest);
    return status;
}
