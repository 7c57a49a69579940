/* text_encoders.c - the text encoders of a model with their tokenizers, and the states that condition its U-Net
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/text_encoders.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"

static const lyc_component_kind kinds[2] = {LYC_COMPONENT_TEXT_ENCODER, LYC_COMPONENT_TEXT_ENCODER_2};

/* What embedded vocabularies are padded with: SD 1.x and the first encoder of SDXL with the end token, OpenCLIP's with
 * "!". */
static int32_t embedded_pad(lyc_family family, int index)
{
    return family == LYC_FAMILY_SD2 || index == 1 ? 0 : 49407;
}

static lyc_status open_encoder(lyc_text_encoders *e, int index, const lyc_checkpoint *checkpoint,
                               const lyc_runner_options *options, lyc_error *err)
{
    const lyc_component *component = lyc_checkpoint_component(checkpoint, kinds[index]);
    const char *folder = lyc_checkpoint_tokenizer(checkpoint, index);
    LYC_TRY(folder != NULL ? lyc_tokenizer_open(&e->encoder[index].tokenizer, folder, err)
                           : lyc_tokenizer_embedded(&e->encoder[index].tokenizer,
                                                    embedded_pad(lyc_checkpoint_family(checkpoint), index), err));
    e->encoder[index].config = lyc_component_clip_text(component);
    const int32_t vocabulary = lyc_tokenizer_vocab_size(e->encoder[index].tokenizer);
    if (vocabulary > e->encoder[index].config->vocab_size) {
        return lyc_fail(err, LYC_E_SHAPE, "the tokenizer has %d tokens, %s has embeddings of %d", (int)vocabulary,
                        lyc_component_kind_name(kinds[index]), e->encoder[index].config->vocab_size);
    }
    return lyc_text_runner_new(&e->encoder[index].runner, component, options, err);
}

lyc_status lyc_text_encoders_init(lyc_text_encoders *e, const lyc_checkpoint *checkpoint,
                                  const lyc_runner_options *options, lyc_error *err)
{
    *e = (lyc_text_encoders){.is_xl = lyc_checkpoint_family(checkpoint) == LYC_FAMILY_SDXL};
    const int wanted = e->is_xl ? 2 : 1;
    for (int i = 0; i < wanted; i++) {
        const lyc_status status = open_encoder(e, i, checkpoint, options, err);
        e->count = i + 1;
        if (status != LYC_OK) {
            lyc_text_encoders_clear(e);
            return status;
        }
        e->width += (size_t)e->encoder[i].config->hidden_size;
    }
    if (e->is_xl) {
        const lyc_clip_text_config *second = e->encoder[1].config;
        e->pooled_width = (size_t)(second->projection_dim > 0 ? second->projection_dim : second->hidden_size);
    }
    return LYC_OK;
}

void lyc_text_encoders_clear(lyc_text_encoders *e)
{
    for (int i = 0; i < 2; i++) {
        lyc_tokenizer_free(e->encoder[i].tokenizer);
        lyc_text_runner_free(e->encoder[i].runner);
        lyc_free(e->encoder[i].rows);
    }
    *e = (lyc_text_encoders){0};
}

static lyc_status add_rows(lyc_text_encoders *e, int index, const char *name, const float *rows, int64_t count,
                           lyc_error *err)
{
    const size_t width = (size_t)e->encoder[index].config->hidden_size;
    const int64_t had = e->encoder[index].row_count;
    size_t numbers;
    if (!lyc_size_mul(&numbers, (size_t)(had + count), width) || numbers > SIZE_MAX / sizeof *rows) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %lld embeddings", (long long)(had + count));
    }
    float *grown = lyc_realloc(e->encoder[index].rows, numbers * sizeof *grown);
    if (grown == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for embeddings");
    }
    e->encoder[index].rows = grown;
    lyc_text_runner_set_rows(e->encoder[index].runner, grown, had);
    const int32_t first = e->encoder[index].config->vocab_size + (int32_t)had;
    LYC_TRY(lyc_tokenizer_add(e->encoder[index].tokenizer, name, first, (int32_t)count, err));
    memcpy(grown + (size_t)had * width, rows, (size_t)count * width * sizeof *rows);
    e->encoder[index].row_count = had + count;
    lyc_text_runner_set_rows(e->encoder[index].runner, grown, had + count);
    return LYC_OK;
}

lyc_status lyc_text_encoders_add(lyc_text_encoders *e, const char *name, const float *const rows[2], int64_t count,
                                 lyc_error *err)
{
    for (int i = 0; i < e->count; i++) {
        LYC_TRY(add_rows(e, i, name, rows[i], count, err));
    }
    return LYC_OK;
}

/* SDXL's standard, clip skip 1 or 2, is the last layer but one. */
lyc_clip_text_request lyc_text_layer(bool is_xl, int index, int clip_skip)
{
    if (!is_xl) {
        return (lyc_clip_text_request){.skip = clip_skip - 1, .final_norm = true};
    }
    return (lyc_clip_text_request){.skip = clip_skip <= 2 ? 1 : clip_skip - 1, .pooled = index == 1};
}

/* --- prompts to sequences --- */

/* One text of a request: a prompt of one or more conditions, each with sequences for every encoder. */
typedef struct text {
    lyc_prompt prompt;
    lyc_sequences sequences[LYC_PROMPT_MAX_CONDITIONS][2];
} text;

static lyc_status read_text(text *t, const lyc_text_encoders *e, const char *prompt, const lyc_text_request *r,
                            bool negative, lyc_error *err)
{
    const lyc_prompt_options syntax = negative ? LYC_PROMPT_NEGATIVE : LYC_PROMPT_POSITIVE;
    LYC_TRY(lyc_prompt_parse(&t->prompt, lyc_span_of(prompt != NULL ? prompt : ""), r->plain ? NULL : &syntax, err));
    for (size_t k = 0; k < t->prompt.condition_count; k++) {
        for (int i = 0; i < e->count; i++) {
            lyc_sequence_options options = r->sequences;
            options.length = e->encoder[i].config->max_positions;
            LYC_TRY(lyc_sequences_make(&t->sequences[k][i], e->encoder[i].tokenizer, &t->prompt.conditions[k].items,
                                       &options, err));
        }
    }
    return LYC_OK;
}

static void clear_text(text *t)
{
    for (size_t k = 0; k < LYC_PROMPT_MAX_CONDITIONS; k++) {
        lyc_sequences_clear(&t->sequences[k][0]);
        lyc_sequences_clear(&t->sequences[k][1]);
    }
    lyc_prompt_clear(&t->prompt);
}

static size_t longest(const text *t, const lyc_text_encoders *e, size_t count)
{
    for (size_t k = 0; k < t->prompt.condition_count; k++) {
        for (int i = 0; i < e->count; i++) {
            count = t->sequences[k][i].count > count ? t->sequences[k][i].count : count;
        }
    }
    return count;
}

/* All branches need equally many states. */
static lyc_status extend(text *t, const lyc_text_encoders *e, size_t count, lyc_error *err)
{
    for (size_t k = 0; k < t->prompt.condition_count; k++) {
        for (int i = 0; i < e->count; i++) {
            LYC_TRY(lyc_sequences_extend(&t->sequences[k][i], e->encoder[i].tokenizer, count, err));
        }
    }
    return LYC_OK;
}

/* --- sequences to states --- */

typedef struct encoded {
    float *states; /* [count * length,width]: the encoder's output */
    float *pooled; /* [count,pooled width] */
    int32_t *rows;
    int32_t *ends;
    float *weights;
    float *chosen; /* [tokens,width] */
} encoded;

static void clear_encoded(encoded *x)
{
    lyc_free(x->states);
    lyc_free(x->pooled);
    lyc_free(x->rows);
    lyc_free(x->ends);
    lyc_free(x->weights);
    lyc_free(x->chosen);
}

static lyc_status allocate_encoded(encoded *x, const lyc_sequences *s, size_t width, size_t pooled, lyc_error *err)
{
    const size_t tokens = lyc_sequences_state_count(s);
    size_t numbers;
    const bool fits = lyc_size_mul(&numbers, s->count * s->length, width);
    x->states = fits ? lyc_alloc_zero(numbers, sizeof *x->states) : NULL;
    x->pooled = lyc_alloc_zero(s->count * (pooled + 1), sizeof *x->pooled);
    x->rows = lyc_alloc_zero(tokens, sizeof *x->rows);
    x->ends = lyc_alloc_zero(s->count, sizeof *x->ends);
    x->weights = lyc_alloc_zero(tokens, sizeof *x->weights);
    x->chosen = fits ? lyc_alloc_zero(tokens * width, sizeof *x->chosen) : NULL;
    if (x->states == NULL || x->pooled == NULL || x->rows == NULL || x->ends == NULL || x->weights == NULL ||
        x->chosen == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the states of a prompt");
    }
    return LYC_OK;
}

/* The states of one condition by one encoder, into columns of `out` [tokens,out_width] that begin at `column`. */
static lyc_status encode(float *out, float *pooled, lyc_text_encoders *e, int index, const lyc_sequences *s,
                         const lyc_text_request *r, size_t column, lyc_error *err)
{
    encoded x = {0};
    const size_t width = (size_t)e->encoder[index].config->hidden_size;
    const lyc_clip_text_request layer = lyc_text_layer(e->is_xl, index, r->clip_skip);
    const size_t tokens = lyc_sequences_state_count(s);
    lyc_status status = allocate_encoded(&x, s, width, layer.pooled ? e->pooled_width : 0, err);
    if (status != LYC_OK) {
        goto done;
    }
    for (size_t i = 0; i < s->count; i++) {
        x.ends[i] = (int32_t)lyc_sequences_end(s, e->encoder[index].tokenizer, i);
    }
    status = lyc_text_runner_encode(x.states, layer.pooled ? x.pooled : NULL, e->encoder[index].runner, s->ids, x.ends,
                                    (int64_t)s->count, (int64_t)s->length, &layer, err);
    if (status != LYC_OK) {
        goto done;
    }
    lyc_sequences_states(x.rows, x.weights, s);
    for (size_t t = 0; t < tokens; t++) {
        memcpy(x.chosen + t * width, x.states + (size_t)x.rows[t] * width, width * sizeof *x.chosen);
    }
    if (s->is_weighted) {
        lyc_states_weigh(x.chosen, x.weights, tokens, width, s->length, r->weighing);
    }
    for (size_t t = 0; t < tokens; t++) {
        memcpy(out + t * e->width + column, x.chosen + t * width, width * sizeof *out);
    }
    if (layer.pooled) { /* of the first sequence, as other programs do */
        memcpy(pooled, x.pooled, e->pooled_width * sizeof *pooled);
    }
done:
    clear_encoded(&x);
    return status;
}

static lyc_status encode_branch(lyc_conditions *out, size_t branch, lyc_text_encoders *e, const lyc_sequences *s,
                                const lyc_text_request *r, lyc_error *err)
{
    float *states = out->states + branch * out->tokens * out->width;
    float *pooled = out->pooled != NULL ? out->pooled + branch * out->pooled_width : NULL;
    size_t column = 0;
    for (int i = 0; i < e->count; i++) {
        LYC_TRY(encode(states, pooled, e, i, &s[i], r, column, err));
        column += (size_t)e->encoder[i].config->hidden_size;
        out->dropped_tokens += i == 0 ? s[i].dropped_count : 0;
    }
    return LYC_OK;
}

static lyc_status allocate(lyc_conditions *out, const lyc_text_encoders *e, lyc_error *err)
{
    size_t numbers;
    out->width = e->width;
    out->pooled_width = e->pooled_width;
    if (lyc_size_mul(&numbers, out->branches * out->tokens, out->width)) {
        out->states = lyc_alloc_zero(numbers, sizeof *out->states);
        out->pooled = e->pooled_width > 0 ? lyc_alloc_zero(out->branches * e->pooled_width, sizeof *out->pooled) : NULL;
    }
    if (out->states == NULL || (e->pooled_width > 0 && out->pooled == NULL)) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the states of a prompt");
    }
    return LYC_OK;
}

/* Reads both texts and makes them equally long. */
static lyc_status read_texts(text *prompt, text *negative, const lyc_text_encoders *e, const lyc_text_request *r,
                             lyc_error *err)
{
    if (read_text(prompt, e, r->prompt, r, false, err) != LYC_OK) {
        return lyc_wrap(err, "prompt");
    }
    if (read_text(negative, e, r->negative, r, true, err) != LYC_OK) {
        return lyc_wrap(err, "negative prompt");
    }
    if (r->sequences.style == LYC_SEQUENCE_A1111) {
        const size_t count = longest(prompt, e, r->guided ? longest(negative, e, 1) : 1);
        LYC_TRY(extend(prompt, e, count, err));
        LYC_TRY(extend(negative, e, count, err));
    }
    return LYC_OK;
}

/* Guidance up to 1 leaves the negative prompt out, but several conditions, or one that is weighted, are differences. */
static bool needs_negative(const text *prompt, const lyc_text_request *r)
{
    return r->guided || prompt->prompt.condition_count > 1 || prompt->prompt.conditions[0].weight < 1 ||
           prompt->prompt.conditions[0].weight > 1;
}

static lyc_status check_layer(const lyc_text_encoders *e, const lyc_text_request *r, lyc_error *err)
{
    for (int i = 0; i < e->count; i++) {
        const int layers = e->encoder[i].config->layers;
        if (r->clip_skip < 1 || lyc_text_layer(e->is_xl, i, r->clip_skip).skip >= layers) {
            return lyc_fail(err, LYC_E_ARGUMENT, "clip skip %d, expected 1 to %d", r->clip_skip, layers);
        }
    }
    return LYC_OK;
}

lyc_status lyc_conditions_make(lyc_conditions *out, lyc_text_encoders *e, const lyc_text_request *r, lyc_error *err)
{
    text *texts = lyc_alloc_zero(2, sizeof *texts); /* prompt and negative prompt */
    *out = (lyc_conditions){0};
    if (texts == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    lyc_status status = check_layer(e, r, err);
    status = status == LYC_OK ? read_texts(&texts[0], &texts[1], e, r, err) : status;
    if (status != LYC_OK) {
        goto done;
    }
    out->guided = needs_negative(&texts[0], r);
    out->branches = texts[0].prompt.condition_count + (out->guided ? 1 : 0);
    out->tokens = lyc_sequences_state_count(&texts[0].sequences[0][0]);
    if ((status = allocate(out, e, err)) != LYC_OK) {
        goto done;
    }
    const bool empty = r->negative == NULL || r->negative[0] == '\0';
    if (out->guided && !(r->zero_negative && empty)) {
        status = encode_branch(out, 0, e, texts[1].sequences[0], r, err);
    }
    for (size_t k = 0; status == LYC_OK && k < texts[0].prompt.condition_count; k++) {
        out->weights[k] = texts[0].prompt.conditions[k].weight;
        status = encode_branch(out, k + (out->guided ? 1 : 0), e, texts[0].sequences[k], r, err);
    }
done:
    clear_text(&texts[0]);
    clear_text(&texts[1]);
    lyc_free(texts);
    if (status != LYC_OK) {
        lyc_conditions_clear(out);
    }
    return status;
}

void lyc_conditions_clear(lyc_conditions *conditions)
{
    lyc_free(conditions->states);
    lyc_free(conditions->pooled);
    *conditions = (lyc_conditions){0};
}

lyc_status lyc_text_request_check(const lyc_text_encoders *e, const lyc_text_request *r, lyc_error *err)
{
    text *texts = lyc_alloc_zero(2, sizeof *texts);
    if (texts == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    lyc_status status = check_layer(e, r, err);
    status = status == LYC_OK ? read_texts(&texts[0], &texts[1], e, r, err) : status;
    clear_text(&texts[0]);
    clear_text(&texts[1]);
    lyc_free(texts);
    return status;
}
