/* test_sequence.c - token sequences of prompts, against the table
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/table.h"
#include "text/sequence.h"

enum { TEXT_SIZE = 16384 };

static lyc_tokenizer *tokenizer(int32_t pad)
{
    lyc_tokenizer *t = NULL;
    assert_int_equal(lyc_tokenizer_embedded(&t, pad, NULL), LYC_OK);
    return t;
}

/* "cat*3" becomes "cat cat cat". */
static void expand(char out[TEXT_SIZE], const char *text)
{
    size_t n = 0;
    while (*text != '\0') {
        if (strncmp(text, "cat*", 4) != 0) {
            out[n++] = *text++;
            continue;
        }
        char *end;
        const long count = strtol(text + 4, &end, 10);
        for (long i = 0; i < count; i++) {
            n += (size_t)snprintf(out + n, TEXT_SIZE - n, "%scat", i > 0 ? " " : "");
        }
        text = end;
    }
    out[n] = '\0';
}

/* Numbers with runs as "7*3". */
static size_t print_runs(char *out, size_t size, const double *values, size_t count)
{
    size_t n = 0;
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i; end < count && values[end] == values[i]; end++) {
        }
        n += (size_t)snprintf(out + n, size - n, "%s%.6g", i > 0 ? " " : "", values[i]);
        if (end - i > 1) {
            n += (size_t)snprintf(out + n, size - n, "*%zu", end - i);
        }
    }
    return n;
}

static void print_sequences(char out[TEXT_SIZE], const lyc_sequences *s)
{
    double values[LYC_SEQUENCE_LENGTH];
    size_t n = 0;
    for (size_t k = 0; k < s->count; k++) {
        bool is_weighted = false;
        n += (size_t)snprintf(out + n, TEXT_SIZE - n, "%s", k > 0 ? " | " : "");
        for (size_t i = 0; i < s->length; i++) {
            values[i] = s->ids[k * s->length + i];
            is_weighted = is_weighted || s->weights[k * s->length + i] != 1;
        }
        n += print_runs(out + n, TEXT_SIZE - n, values, s->length);
        for (size_t i = 0; i < s->length; i++) {
            values[i] = (double)s->weights[k * s->length + i];
        }
        if (is_weighted) {
            n += (size_t)snprintf(out + n, TEXT_SIZE - n, " @ ");
            n += print_runs(out + n, TEXT_SIZE - n, values, s->length);
        }
    }
}

static void make(lyc_sequences *s, const lyc_tokenizer *t, const char *text, const lyc_sequence_options *options)
{
    lyc_error err = {0};
    lyc_prompt prompt;
    const bool is_a1111 = options->style == LYC_SEQUENCE_A1111;
    assert_int_equal(lyc_prompt_parse(&prompt, lyc_span_of(text), is_a1111 ? &LYC_PROMPT_POSITIVE : NULL, &err),
                     LYC_OK);
    if (lyc_sequences_make(s, t, &prompt.conditions[0].items, options, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    lyc_prompt_clear(&prompt);
}

static void test_table_of_prompts(void **state)
{
    (void)state;
    lyc_tokenizer *tokenizers[2] = {tokenizer(49407), tokenizer(0)};
    test_table table;
    test_table_open(&table, "tests/text/sequences.txt");
    while (test_table_next(&table)) {
        char style[16], text[TEXT_SIZE], got[TEXT_SIZE];
        int chunks, pad, start;
        char *arrow = strstr(table.line, " => ");
        assert_non_null(arrow);
        *arrow = '\0';
        assert_int_equal(sscanf(table.line, "%15s %d %d%n", style, &chunks, &pad, &start), 3);
        expand(text, table.line + start + (table.line[start] == ' '));
        lyc_sequence_options options = LYC_SEQUENCE_DEFAULT;
        options.style = strcmp(style, "a1111") == 0 ? LYC_SEQUENCE_A1111 : LYC_SEQUENCE_TRAINER;
        options.chunks = chunks;
        lyc_sequences s;
        make(&s, tokenizers[pad == 0], text, &options);
        print_sequences(got, &s);
        if (strcmp(got, arrow + 4) != 0) {
            fail_msg("line %d: %s, expected %s", table.number, got, arrow + 4);
        }
        lyc_sequences_clear(&s);
    }
    test_table_close(&table, 80);
    lyc_tokenizer_free(tokenizers[0]);
    lyc_tokenizer_free(tokenizers[1]);
}

/* The trainer's states: one start, all inner ones, one end; A1111's: all. */
static void test_states(void **state)
{
    (void)state;
    lyc_tokenizer *t = tokenizer(49407);
    lyc_sequence_options options = {.style = LYC_SEQUENCE_TRAINER, .chunks = 2};
    lyc_sequences s;
    int32_t rows[231];
    float weights[231];
    make(&s, t, "a cat", &options);
    assert_int_equal(lyc_sequences_state_count(&s), 152);
    lyc_sequences_states(rows, weights, &s);
    assert_int_equal(rows[0], 0);
    assert_int_equal(rows[75], 75);
    assert_int_equal(rows[76], 78); /* neither the end of the first nor the start of the second */
    assert_int_equal(rows[151], 153);
    assert_int_equal(lyc_sequences_end(&s, t, 0), 3);
    lyc_sequences_clear(&s);

    options = LYC_SEQUENCE_DEFAULT;
    make(&s, t, "a (cat:1.5)", &options);
    assert_true(s.is_weighted);
    assert_int_equal(lyc_sequences_extend(&s, t, 3, NULL), LYC_OK);
    assert_int_equal(lyc_sequences_state_count(&s), 231);
    lyc_sequences_states(rows, weights, &s);
    assert_int_equal(rows[230], 230);
    assert_true(weights[1] == 1 && weights[2] == 1.5F && weights[3] == 1 && weights[79] == 1);
    assert_int_equal(s.ids[154], 49406);
    assert_int_equal(s.ids[155], 49407);
    lyc_sequences_clear(&s);
    lyc_tokenizer_free(t);
}

/* An embedding of several tokens moves to the next sequence as a whole. */
static void test_embedding_is_not_cut(void **state)
{
    (void)state;
    lyc_tokenizer *t = tokenizer(49407);
    char text[TEXT_SIZE];
    lyc_sequences s;
    assert_int_equal(lyc_tokenizer_add(t, "thing", 49408, 4, NULL), LYC_OK);
    expand(text, "cat*73 thing");
    make(&s, t, text, &LYC_SEQUENCE_DEFAULT);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.ids[73], 2368);
    assert_int_equal(s.ids[74], 49407);
    assert_int_equal(s.ids[78], 49408);
    assert_int_equal(s.ids[81], 49411);
    lyc_sequences_clear(&s);
    lyc_tokenizer_free(t);
}

static void test_truncate(void **state)
{
    (void)state;
    lyc_tokenizer *t = tokenizer(49407);
    char text[TEXT_SIZE];
    lyc_sequences s;
    lyc_sequence_options options = {.style = LYC_SEQUENCE_TRUNCATE};
    expand(text, "cat*80");
    make(&s, t, text, &options);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.token_count, 75);
    assert_int_equal(s.dropped_count, 5);
    assert_int_equal(s.ids[76], 49407);
    lyc_sequences_clear(&s);

    lyc_error err = {0};
    lyc_arena arena = {0};
    lyc_prompt_items items;
    memset(text, 'a', 9999);
    for (int i = 0; i < 9999; i += 1) {
        text[i] = i % 2 == 0 ? '1' : ' ';
    }
    text[9999] = '\0';
    assert_int_equal(lyc_prompt_weight_plain(&items, &arena, lyc_span_of(text), &err), LYC_OK);
    options = (lyc_sequence_options){.style = LYC_SEQUENCE_A1111, .length = 40};
    assert_int_equal(lyc_sequences_make(&s, t, &items, &options, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "a prompt of more than 128 sequences of 40 tokens");
    options.length = 2;
    assert_int_equal(lyc_sequences_make(&s, t, &items, &options, &err), LYC_E_ARGUMENT);
    options = (lyc_sequence_options){.style = LYC_SEQUENCE_TRAINER};
    assert_int_equal(lyc_sequences_make(&s, t, &items, &options, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "0 sequences for a prompt");
    lyc_arena_clear(&arena);
    lyc_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_of_prompts),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_embedding_is_not_cut),
        cmocka_unit_test(test_truncate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
