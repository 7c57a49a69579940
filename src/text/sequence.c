/* sequence.c - the tokens of a prompt as sequences that fit the text encoder
 *
 * Sources: sd-scripts library/strategy_base.py (_get_input_ids), A1111 modules/sd_hijack_clip.py (tokenize_line).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/sequence.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"
#include "text/tokenizer_internal.h"

/* A condition tokenised: its ids, where its items and breaks are. */
typedef struct token_text {
    lyc_id_list list;
    size_t *ends; /* [items]: number of ids after each item */
} token_text;

static lyc_status tokenise(token_text *out, const lyc_tokenizer *t, const lyc_prompt_items *items, lyc_error *err)
{
    out->ends = lyc_alloc_zero(items->count, sizeof *out->ends);
    if (out->ends == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    for (size_t i = 0; i < items->count; i++) {
        if (!items->items[i].is_break) {
            LYC_TRY(lyc_tokenizer_encode_span(&out->list, t, items->items[i].text, err));
        }
        out->ends[i] = out->list.count;
    }
    return LYC_OK;
}

static void tokens_clear(token_text *tokens)
{
    lyc_id_list_clear(&tokens->list);
    lyc_free(tokens->ends);
}

/* --- the arrays ----------------------------------------------------------------------------------------------------
 */

/* Room for count sequences. */
static lyc_status reserve(lyc_sequences *s, size_t count, lyc_error *err)
{
    if (count > LYC_SEQUENCE_MAX) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a prompt of more than %d sequences of %zu tokens", LYC_SEQUENCE_MAX,
                        s->length);
    }
    if (count <= s->capacity) {
        return LYC_OK;
    }
    const size_t capacity = count > s->capacity + s->capacity ? count : s->capacity + s->capacity;
    size_t elements = 0, bytes = 0;
    static_assert(sizeof *s->ids == sizeof *s->weights, "one size for both");
    if (!lyc_size_mul(&elements, capacity, s->length) || !lyc_size_mul(&bytes, elements, sizeof *s->ids)) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    int32_t *ids = lyc_realloc(s->ids, bytes);
    s->ids = ids != NULL ? ids : s->ids;
    float *weights = ids != NULL ? lyc_realloc(s->weights, bytes) : NULL;
    s->weights = weights != NULL ? weights : s->weights;
    if (weights == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    s->capacity = capacity;
    return LYC_OK;
}

/* Appends [BOS] ids [EOS] and padding; count is at most length - 2. */
static lyc_status append(lyc_sequences *s, const lyc_tokenizer *t, const int32_t *ids, const float *weights,
                         size_t count, lyc_error *err)
{
    LYC_TRY(reserve(s, s->count + 1, err));
    int32_t *to = s->ids + s->count * s->length;       /* fits: reserved */
    float *weight = s->weights + s->count * s->length; /* fits: reserved */
    for (size_t i = 0; i < s->length; i++) {
        const bool is_text = i > 0 && i <= count;
        to[i] = is_text ? ids[i - 1] : i == 0 ? t->bos : i == count + 1 ? t->eos : t->pad;
        weight[i] = is_text ? weights[i - 1] : 1;
        s->is_weighted = s->is_weighted || weight[i] != 1;
    }
    s->count++;
    return LYC_OK;
}

/* --- truncate, trainer ---------------------------------------------------------------------------------------------
 */

/* The weights of all tokens; to be released. */
static float *token_weights(const token_text *tokens, const lyc_prompt_items *items)
{
    float *weights = lyc_alloc_zero(tokens->list.count + 1, sizeof *weights);
    for (size_t item = 0, i = 0; weights != NULL && item < items->count; item++) {
        for (; i < tokens->ends[item]; i++) {
            weights[i] = (float)items->items[item].weight;
        }
    }
    return weights;
}

/* The id at a place of [BOS] ids [EOS] padding ... */
static int32_t long_id(const lyc_tokenizer *t, const int32_t *ids, size_t count, size_t place)
{
    return place == 0 ? t->bos : place <= count ? ids[place - 1] : place == count + 1 ? t->eos : t->pad;
}

/* A text of that many sequences is one long sequence first, and then cut: each piece gets the first and the last token
 * of the long one. Where padding is not EOS, a piece that text fills ends in EOS and an empty one begins with it. */
static void cut(lyc_sequences *s, const lyc_tokenizer *t, const int32_t *text, const float *weights, size_t chunks)
{
    const size_t inner = s->length - 2;
    const size_t last = s->length - 1;
    for (size_t k = 0; k < chunks; k++) {
        int32_t *ids = s->ids + k * s->length;      /* fits: reserved */
        float *weight = s->weights + k * s->length; /* fits: reserved */
        for (size_t i = 0; i < s->length; i++) {
            /* fits: reserved */
            const size_t place = i == 0 ? 0 : i == last ? chunks * inner + 1 : k * inner + i; /* fits: see above */
            const bool is_text = place > 0 && place <= s->token_count;
            ids[i] = long_id(t, text, s->token_count, place);
            weight[i] = is_text ? weights[place - 1] : 1;
            s->is_weighted = s->is_weighted || weight[i] != 1;
        }
        if (chunks > 1 && t->pad != t->eos) {
            ids[last] = ids[last - 1] != t->eos && ids[last - 1] != t->pad ? t->eos : ids[last];
            ids[1] = ids[1] == t->pad ? t->eos : ids[1];
        }
    }
    s->count = chunks;
}

static lyc_status make_fixed(lyc_sequences *s, const lyc_tokenizer *t, const token_text *tokens, const float *weights,
                             size_t chunks, lyc_error *err)
{
    const size_t room = chunks * (s->length - 2); /* fits: at most LYC_SEQUENCE_MAX of 65,536 */
    LYC_TRY(reserve(s, chunks, err));
    s->token_count = tokens->list.count < room ? tokens->list.count : room;
    s->dropped_count = tokens->list.count - s->token_count;
    cut(s, t, tokens->list.ids, weights, chunks);
    return LYC_OK;
}

/* --- a1111 ---------------------------------------------------------------------------------------------------------
 */

/* A sequence that is being filled. */
typedef struct chunk {
    int32_t *ids; /* [inner] */
    float *weights;
    size_t count, inner;
    size_t comma; /* index of the last comma + 1; 0: none */
} chunk;

static lyc_status flush(lyc_sequences *s, const lyc_tokenizer *t, chunk *c, lyc_error *err)
{
    LYC_TRY(append(s, t, c->ids, c->weights, c->count, err));
    c->count = 0;
    c->comma = 0;
    return LYC_OK;
}

/* The chunk is full: ends it, at its last comma when that is near. */
static lyc_status end_chunk(lyc_sequences *s, const lyc_tokenizer *t, chunk *c, size_t backtrack, lyc_error *err)
{
    const size_t keep = c->comma;
    const size_t moved = c->count - keep;
    if (keep == 0 || moved + 1 > backtrack) {
        return flush(s, t, c, err);
    }
    c->count = keep;
    LYC_TRY(append(s, t, c->ids, c->weights, keep, err));
    memmove(c->ids, c->ids + keep, moved * sizeof *c->ids);             /* fits: in memory */
    memmove(c->weights, c->weights + keep, moved * sizeof *c->weights); /* fits: in memory */
    c->count = moved;
    c->comma = 0;
    return LYC_OK;
}

/* Tokens that belong together, from ids on: an embedding of several, else one. */
static size_t group_size(const lyc_tokenizer *t, const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < t->added.count; i++) {
        const lyc_id_range range = t->added.tokens[i].ids;
        if (range.first == ids[0] && range.count > 1) {
            return (size_t)range.count < count ? (size_t)range.count : count;
        }
    }
    return 1;
}

static lyc_status add_item(lyc_sequences *s, const lyc_tokenizer *t, chunk *c, const int32_t *ids, size_t count,
                           float weight, size_t backtrack, lyc_error *err)
{
    const int32_t comma = lyc_vocabulary_id(&t->vocabulary, lyc_span_of(",</w>"));
    for (size_t i = 0, group; i < count; i += group) {
        group = group_size(t, ids + i, count - i);
        if (c->count == c->inner && ids[i] == comma) {
            LYC_TRY(flush(s, t, c, err));
        } else if (c->count == c->inner) {
            LYC_TRY(end_chunk(s, t, c, backtrack, err));
        }
        if (group > 1 && group <= c->inner && c->count + group > c->inner) {
            LYC_TRY(flush(s, t, c, err));
        }
        group = group > c->inner - c->count ? c->inner - c->count : group;
        for (size_t k = 0; k < group; k++) {
            c->ids[c->count] = ids[i + k];
            c->weights[c->count++] = weight;
        }
        c->comma = ids[i] == comma ? c->count : c->comma;
    }
    return LYC_OK;
}

static lyc_status fill(lyc_sequences *s, const lyc_tokenizer *t, chunk *c, const token_text *tokens,
                       const lyc_prompt_items *items, size_t backtrack, lyc_error *err)
{
    for (size_t item = 0, start = 0; item < items->count; item++) {
        if (items->items[item].is_break) {
            LYC_TRY(flush(s, t, c, err));
        }
        LYC_TRY(add_item(s, t, c, tokens->list.ids + start, tokens->ends[item] - start,
                         (float)items->items[item].weight, backtrack, err));
        start = tokens->ends[item];
    }
    s->token_count = tokens->list.count;
    return c->count > 0 || s->count == 0 ? flush(s, t, c, err) : LYC_OK;
}

static lyc_status make_a1111(lyc_sequences *s, const lyc_tokenizer *t, const token_text *tokens,
                             const lyc_prompt_items *items, size_t backtrack, lyc_error *err)
{
    chunk c = {.inner = s->length - 2};
    c.ids = lyc_alloc_zero(s->length, sizeof *c.ids);
    c.weights = lyc_alloc_zero(s->length, sizeof *c.weights);
    const lyc_status status = c.ids != NULL && c.weights != NULL
                                  ? fill(s, t, &c, tokens, items, backtrack, err)
                                  : lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    lyc_free(c.ids);
    lyc_free(c.weights);
    return status;
}

/* --- both --------------------------------------------------------------------------------------------------------- */

static lyc_status check_options(const lyc_sequence_options *options, lyc_error *err)
{
    if (options->length != 0 && (options->length < 3 || options->length > 1 << 16)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "sequences of %d tokens", options->length);
    }
    if (options->style == LYC_SEQUENCE_TRAINER && (options->chunks < 1 || options->chunks > LYC_SEQUENCE_MAX)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d sequences for a prompt", options->chunks);
    }
    return options->backtrack < 0 ? lyc_fail(err, LYC_E_ARGUMENT, "a backtrack of %d tokens", options->backtrack)
                                  : LYC_OK;
}

static lyc_status make(lyc_sequences *s, const lyc_tokenizer *t, const token_text *tokens,
                       const lyc_prompt_items *items, const lyc_sequence_options *options, lyc_error *err)
{
    if (options->style == LYC_SEQUENCE_A1111) {
        return make_a1111(s, t, tokens, items, (size_t)options->backtrack, err);
    }
    float *weights = token_weights(tokens, items);
    const size_t chunks = options->style == LYC_SEQUENCE_TRAINER ? (size_t)options->chunks : 1;
    const lyc_status status = weights != NULL ? make_fixed(s, t, tokens, weights, chunks, err)
                                              : lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    lyc_free(weights);
    return status;
}

lyc_status lyc_sequences_make(lyc_sequences *out, const lyc_tokenizer *t, const lyc_prompt_items *items,
                              const lyc_sequence_options *options, lyc_error *err)
{
    token_text tokens = {0};
    *out = (lyc_sequences){.style = options->style};
    LYC_TRY(check_options(options, err));
    out->length = options->length != 0 ? (size_t)options->length : LYC_SEQUENCE_LENGTH;
    lyc_status status = tokenise(&tokens, t, items, err);
    if (status == LYC_OK) {
        status = make(out, t, &tokens, items, options, err);
    }
    tokens_clear(&tokens);
    if (status != LYC_OK) {
        lyc_sequences_clear(out);
    }
    return status;
}

lyc_status lyc_sequences_extend(lyc_sequences *s, const lyc_tokenizer *t, size_t count, lyc_error *err)
{
    while (s->count < count) {
        LYC_TRY(append(s, t, NULL, NULL, 0, err));
    }
    return LYC_OK;
}

void lyc_sequences_clear(lyc_sequences *s)
{
    lyc_free(s->ids);
    lyc_free(s->weights);
    *s = (lyc_sequences){0};
}

size_t lyc_sequences_state_count(const lyc_sequences *s)
{
    const size_t inner = s->length - 2;
    return s->style == LYC_SEQUENCE_TRAINER ? s->count * inner + 2  /* fits: reserved */
                                            : s->count * s->length; /* fits: reserved */
}

void lyc_sequences_states(int32_t *rows, float *weights, const lyc_sequences *s)
{
    const size_t row_count = s->count * s->length; /* fits: reserved */
    size_t state = 0;
    for (size_t row = 0; row < row_count; row++) {
        const size_t at = row % s->length;
        const bool is_inner_end = (at == 0 && row > 0) || (at == s->length - 1 && row + 1 < row_count);
        if (s->style == LYC_SEQUENCE_TRAINER && is_inner_end) {
            continue;
        }
        if (rows != NULL) {
            rows[state] = (int32_t)row;
        }
        if (weights != NULL) {
            weights[state] = s->weights[row];
        }
        state++;
    }
}

size_t lyc_sequences_end(const lyc_sequences *s, const lyc_tokenizer *t, size_t sequence)
{
    const int32_t *ids = s->ids + sequence * s->length; /* fits: reserved */
    size_t largest = 0;
    for (size_t i = 0; i < s->length; i++) {
        if (ids[i] == t->eos) {
            return i;
        }
        largest = ids[i] > ids[largest] ? i : largest;
    }
    return largest;
}
