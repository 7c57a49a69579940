/* text_encoders.h - the text encoders of a model with their tokenizers, and the states that condition its U-Net
 *
 * Which layer's states these are is a convention: SD 1.x and 2.x take the last layer behind the final norm, SDXL the
 * last but one of both encoders without it, put side by side, and the pooled output of the second.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_TEXT_ENCODERS_H
#define LYC_DIFFUSION_TEXT_ENCODERS_H

#include "checkpoint/checkpoint.h"
#include "model/text_runner.h"
#include "text/prompt.h"
#include "text/sequence.h"
#include "text/state_weight.h"

typedef struct lyc_text_encoders {
    int count; /* 1 or 2 */
    struct {
        lyc_tokenizer *tokenizer;
        lyc_text_runner *runner;
        const lyc_clip_text_config *config;
        float *rows; /* [row_count,hidden]: embeddings of names that were added */
        int64_t row_count;
    } encoder[2];
    bool is_xl;
    size_t width;        /* of a state */
    size_t pooled_width; /* 0: the model takes none */
} lyc_text_encoders;

/* Borrows the checkpoint. */
lyc_status lyc_text_encoders_init(lyc_text_encoders *encoders, const lyc_checkpoint *checkpoint,
                                  const lyc_runner_options *options, lyc_error *err);
void lyc_text_encoders_clear(lyc_text_encoders *encoders);

/* A name that stands for `count` embeddings in each encoder: rows[i] [count,hidden of encoder i]. LYC_E_ARGUMENT: the
 * name is taken, or is none. */
lyc_status lyc_text_encoders_add(lyc_text_encoders *encoders, const char *name, const float *const rows[2],
                                 int64_t count, lyc_error *err);

/* What is asked of encoder `index` (0 or 1); clip_skip from 1. */
lyc_clip_text_request lyc_text_layer(bool is_xl, int index, int clip_skip);

/* How prompts become states. */
typedef struct lyc_text_request {
    const char *prompt;
    const char *negative;
    bool guided;        /* a branch for the negative prompt is needed */
    bool zero_negative; /* an empty negative prompt is zeros */
    int clip_skip;      /* from 1, as kohya counts */
    bool plain;         /* no syntax in prompts */
    lyc_sequence_options sequences;
    lyc_state_weighing weighing;
} lyc_text_request;

/* Of the branches that the U-Net computes: the negative prompt first where there is one, then each condition. */
typedef struct lyc_conditions {
    size_t branches;
    bool guided; /* branch 0 is the unconditional one */
    size_t tokens;
    size_t width;
    size_t pooled_width;
    float *states;                             /* [branches,tokens,width] */
    float *pooled;                             /* [branches,pooled_width]; NULL: none */
    double weights[LYC_PROMPT_MAX_CONDITIONS]; /* of the conditions */
    size_t dropped_tokens;                     /* of all prompts: words that found no place */
} lyc_conditions;

/* LYC_E_ARGUMENT: a prompt that cannot be read, a clip skip beyond the encoder's layers. */
lyc_status lyc_conditions_make(lyc_conditions *out, lyc_text_encoders *encoders, const lyc_text_request *request,
                               lyc_error *err);
void lyc_conditions_clear(lyc_conditions *conditions);

/* The same errors, without computing. */
lyc_status lyc_text_request_check(const lyc_text_encoders *encoders, const lyc_text_request *request, lyc_error *err);

#endif
