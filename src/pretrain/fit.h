/* fit.h - a training loop for any loss: a graph, what it is fed with, and AdamW
 *
 * The loop of `train` (train/trainer.h) knows latents, captions and a U-Net; this one knows a problem: the graph of a
 * step with its losses, and a function that feeds it. Weights, optimiser, average and states are those of `train`. What
 * a step is fed with depends on its number alone, so a run that goes on from a state gives the bits of one that was not
 * interrupted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_PRETRAIN_FIT_H
#define LYC_PRETRAIN_FIT_H

#include "graph/plan_cache.h"
#include "lycoris/pretrain.h"
#include "model/module.h"
#include "train/trainable.h"

/* What measuring found; NaN: nothing. */
typedef struct lyc_fit_quality {
    double first, second;
} lyc_fit_quality;

typedef struct lyc_fit_problem {
    const char *name; /* "autoencoder" */
    lyc_trainables *set;
    const char *component; /* of all rows of the set */
    uint64_t fingerprint;  /* of what it is fed with */

    /* Graphs of the same key are alike. */
    const char *(*key)(void *context, int64_t step);
    /* *losses: [n], whose mean is made smaller; *handles: what feed wants to find again. */
    lyc_status (*build)(lyc_value **losses, void **handles, lyc_module *m, lyc_arena *arena, void *context,
                        lyc_error *err);
    /* Binds the inputs (lyc_runner_bind). */
    lyc_status (*feed)(void *context, const lyc_cached_plan *plan, void *handles, int64_t step, lyc_error *err);
    /* NULL: nothing to measure. Weights are those to be used. */
    lyc_status (*measure)(lyc_fit_quality *out, void *context, lyc_error *err);
    /* The step whose batch comes next is read before key. */
    lyc_status (*begin_step)(void *context, int64_t step, lyc_error *err);
    void *context;
} lyc_fit_problem;

typedef struct lyc_fit lyc_fit;

/* Borrows both. The set has all its rows. */
lyc_status lyc_fit_new(lyc_fit **out, const lyc_fit_problem *problem, const lyc_pretrain_options *options,
                       lyc_error *err);
void lyc_fit_free(lyc_fit *fit);

/* Goes on from the state, if there is one. *finished: false when it was stopped. The set's values are those to be used
 * then. */
lyc_status lyc_fit_run(bool *finished, lyc_fit *fit, lyc_error *err);

/* A graph that uses the weights and changes nothing, for measuring: built once for a key, its parameters bound. */
typedef lyc_status (*lyc_fit_builder)(void **handles, lyc_module *m, lyc_arena *arena, void *context, lyc_error *err);
lyc_status lyc_fit_plan(const lyc_cached_plan **out, void **handles_out, lyc_fit *fit, const char *key,
                        lyc_fit_builder build_graph, void *context, lyc_error *err);

#endif
