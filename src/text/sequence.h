/* sequence.h - the tokens of a prompt as sequences that fit the text encoder
 *
 * A text encoder reads 77 tokens: [BOS] 75 of the text [EOS]. Longer prompts become several sequences, encoded as a
 * batch, whose states are then put together. Three ways are in use:
 *
 *   truncate  one sequence; what is too much is dropped.
 *   trainer   a fixed number of sequences (max_token_length 150: 2, 225: 3), cut wherever 75 tokens end. States: the
 * first of the first sequence, 1 to 75 of each, the last of the last. a1111     as many as needed; a cut less than 20
 * tokens behind a comma moves to the comma, BREAK ends a sequence, and an embedding of several tokens is not cut.
 * States: all of all sequences.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_SEQUENCE_H
#define LYC_TEXT_SEQUENCE_H

#include "text/prompt.h"
#include "text/tokenizer.h"

enum {
    LYC_SEQUENCE_LENGTH = 77,   /* of the text encoders of SD 1.x, 2.x and XL */
    LYC_SEQUENCE_MAX = 128,     /* sequences of one prompt */
    LYC_SEQUENCE_BACKTRACK = 20 /* A1111's "comma padding backtrack" */
};

typedef enum lyc_sequence_style { LYC_SEQUENCE_TRUNCATE, LYC_SEQUENCE_TRAINER, LYC_SEQUENCE_A1111 } lyc_sequence_style;

typedef struct lyc_sequence_options {
    lyc_sequence_style style;
    int length;    /* tokens of a sequence: the positions of the text encoder; 0: LYC_SEQUENCE_LENGTH */
    int chunks;    /* trainer: how many sequences, at least 1 */
    int backtrack; /* a1111: how far a comma may be; 0: cut anywhere */
} lyc_sequence_options;

#define LYC_SEQUENCE_DEFAULT                                                                                           \
    ((lyc_sequence_options){LYC_SEQUENCE_A1111, LYC_SEQUENCE_LENGTH, 1, LYC_SEQUENCE_BACKTRACK})

typedef struct lyc_sequences {
    lyc_sequence_style style;
    int32_t *ids;   /* [count,length] */
    float *weights; /* [count,length]; BOS, EOS and padding have 1 */
    size_t count;   /* at least 1 */
    size_t length;
    size_t token_count;   /* of the text, without BOS, EOS and padding */
    size_t dropped_count; /* tokens that found no place (truncate, trainer) */
    bool is_weighted;     /* a weight is not 1 */
    size_t capacity;
} lyc_sequences;

/* The sequences of a condition. LYC_E_ARGUMENT: too many of them, or options that make no sense. */
lyc_status lyc_sequences_make(lyc_sequences *out, const lyc_tokenizer *t, const lyc_prompt_items *items,
                              const lyc_sequence_options *options, lyc_error *err);

/* Appends sequences of an empty text until there are count (a1111): prompt and negative prompt need equally many. */
lyc_status lyc_sequences_extend(lyc_sequences *s, const lyc_tokenizer *t, size_t count, lyc_error *err);
void lyc_sequences_clear(lyc_sequences *s);

/* How many states condition the U-Net, and for each of them the row of the encoder's output [count * length, width]
 * that it is, and its weight; rows and weights have room for lyc_sequences_state_count, each may be NULL. */
size_t lyc_sequences_state_count(const lyc_sequences *s);
void lyc_sequences_states(int32_t *rows, float *weights, const lyc_sequences *s);

/* Index of the first end token of a sequence: the position that is pooled. When it has none (tiny vocabularies), of the
 * largest id. */
size_t lyc_sequences_end(const lyc_sequences *s, const lyc_tokenizer *t, size_t sequence);

#endif
