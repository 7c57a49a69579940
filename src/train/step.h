/* step.h - one training step: a graph from texts and noisy latents to losses and gradients, and its plans by shape
 *
 *     lyc_train_step_new(&step, model, &options, err);
 *     ... for each batch:
 *     lyc_train_step_run(&result, step, &input, err);         gradients go to the rows of options.trainables
 *     ... after the last batch of an accumulation: the optimiser, then
 *     lyc_train_step_begin(step);
 *
 * All in one graph, with the text encoders where something in them is trained:
 *
 *     states = text encoders(ids)     or given
 *     prediction = U-Net(noisy, timesteps, states)
 *     losses[i] = mean of the element losses of sample i;  gradients are those of sum_i weights[i] losses[i]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_STEP_H
#define LYC_TRAIN_STEP_H

#include "graph/ops/sample_loss.h"
#include "graph/plan.h"
#include "train/trainable.h"

/* The networks of a model that take part. Borrowed. */
typedef struct lyc_step_model {
    const lyc_component *unet;
    const lyc_component *text[2]; /* of SDXL both; NULL: none */
    bool is_xl;
} lyc_step_model;

typedef struct lyc_step_options {
    const lyc_backend *backend;
    lyc_precision precision;
    size_t budget_bytes; /* of all memory that a plan knows of; 0: none. What does not fit is computed again */
    size_t optimiser_bytes_per_param;
    lyc_loss_kind loss;
    lyc_trainables *trainables;
    lyc_network *network; /* adapters, trained ones among them; NULL: native training */
    bool native_unet;     /* whole components are trained */
    bool native_text[2];
    bool text_in_graph; /* texts are given as ids: something in a text encoder is trained */
    int clip_skip;      /* from 1 */
    bool with_mask;     /* inputs have masks */
    bool check_finite;  /* every result is looked at: slow, for finding where a number that is not finite is born */
} lyc_step_options;

typedef struct lyc_step_input {
    int64_t n, h, w;
    const float *noisy;     /* [n,h,w,c] */
    const float *target;    /* [n,h,w,c] */
    const float *timesteps; /* [n] */
    const float *weights;   /* [n] */
    const float *huber;     /* [n]; looked at for losses that have a parameter */
    const float *mask;      /* [n,h,w]; with options.with_mask */
    const float *sizes;     /* SDXL: [n,6] */
    uint64_t seed;          /* of dropouts and drawn ranks, with the number of the batch */
    uint32_t step;

    int64_t tokens;      /* of states, or of the texts' sequences put together */
    const float *states; /* [n,tokens,width]; unless text_in_graph */
    const float *pooled; /* SDXL: [n,pooled width] */

    int64_t chunks;        /* text_in_graph: sequences of a text, tokens = 75 chunks + 2 with sequences of 77 */
    const int32_t *ids[2]; /* of each encoder: [n,chunks,length] */
    const int32_t *eos[2]; /* SDXL: rows of the end tokens, [n,chunks] */
} lyc_step_input;

typedef struct lyc_step_result {
    const float *losses; /* [n], until the next call */
    double loss;         /* sum of weights[i] losses[i] */
    bool finite;         /* all losses are */
} lyc_step_result;

typedef struct lyc_train_step lyc_train_step;

/* Borrows everything but the options themselves. */
lyc_status lyc_train_step_new(lyc_train_step **out, const lyc_step_model *model, const lyc_step_options *options,
                              lyc_error *err);
void lyc_train_step_free(lyc_train_step *step);

/* Losses and gradients. The first call after lyc_train_step_begin sets the rows' gradients, further ones add to them. A
 * gradient stays until the next call; with `more` until lyc_train_step_begin. */
lyc_status lyc_train_step_run(lyc_step_result *out, lyc_train_step *step, const lyc_step_input *input, bool more,
                              lyc_error *err);
void lyc_train_step_begin(lyc_train_step *step);

/* Losses alone, without dropouts, as for validation; and predictions [n,h,w,c]. Gradients that were summed stay. */
lyc_status lyc_train_step_measure(lyc_step_result *out, lyc_train_step *step, const lyc_step_input *input,
                                  lyc_error *err);
lyc_status lyc_train_step_predict(float *out, lyc_train_step *step, const lyc_step_input *input, lyc_error *err);

/* Where the first number of a batch is born that is not finite: LYC_E_NUMERIC with layer and operation; LYC_OK: none
 * is. Runs the step again and looks at every result. */
lyc_status lyc_train_step_explain(lyc_train_step *step, const lyc_step_input *input, lyc_error *err);

/* Memory of the plan of a shape, built when it is not there. */
lyc_status lyc_train_step_plan(lyc_plan **out, lyc_train_step *step, const lyc_step_input *input, lyc_error *err);

/* Bytes of packed weights, the arena, and sums of gradients. */
size_t lyc_train_step_bytes(const lyc_train_step *step);

#endif
