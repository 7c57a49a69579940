/* optimizer_entry.h - what an optimiser provides, and what it is given
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_OPTIMIZER_ENTRY_H
#define LYC_TRAIN_OPTIMIZER_ENTRY_H

#include "train/optimizer.h"

enum {
    LYC_OPTIMIZER_STATES = 6,
    LYC_OPTIMIZER_NUMBERS = 6,
    LYC_OPTIMIZER_PIECE = 16384, /* numbers of a piece; a multiple of the blocks of 8-bit states */
    LYC_OPTIMIZER_SUMS = 4,
};

/* A tensor of state of a parameter. Zeros at the start, unless the entry's `begin` fills them. */
typedef struct lyc_optimizer_state {
    const char *name;
    lyc_dtype dtype;
    lyc_shape shape;
    void *data;
} lyc_optimizer_state;

/* A parameter and its state. */
typedef struct lyc_optimizer_slot {
    lyc_trainable *param;
    int state_count;
    lyc_optimizer_state states[LYC_OPTIMIZER_STATES];
} lyc_optimizer_slot;

/* Neighbouring numbers of one parameter. */
typedef struct lyc_optimizer_piece {
    size_t slot;
    int64_t first, last;
} lyc_optimizer_piece;

struct lyc_optimizer {
    const lyc_optimizer_entry *entry;
    void *config; /* entry->config_size bytes */
    lyc_optimizer_slot *slots;
    size_t count;
    lyc_optimizer_piece *pieces;
    size_t piece_count;
    double *sums; /* [piece_count,LYC_OPTIMIZER_SUMS], scratch */
    double scale;
    int64_t steps;
    double numbers[LYC_OPTIMIZER_NUMBERS]; /* what the entry keeps for all parameters */
    void *more;                            /* entry->more_size bytes of the entry's own */
    bool evaluating;
};

/* What a step is about. */
typedef struct lyc_optimizer_step_context {
    lyc_optimizer *optimizer;
    const double *rates; /* of groups */
    int64_t k;           /* this step, from 1 */
} lyc_optimizer_step_context;

struct lyc_optimizer_entry {
    const char *name;
    const char *const *aliases; /* NULL-terminated, or NULL */
    const char *summary;
    const char *source;
    const lyc_option *options;
    size_t config_size;
    size_t more_size;
    double bytes_per_number;
    double usual_rate; /* 0: none */
    double least_rate; /* below it the rate is doubtful; 0: none */

    /* Checks the options; may be NULL. */
    lyc_status (*check)(void *config, lyc_error *err);

    /* Adds the states of a parameter, by lyc_optimizer_add_state; may be NULL. */
    lyc_status (*add_states)(lyc_optimizer_slot *slot, const void *config, lyc_error *err);

    /* Fills states that do not begin with zeros, and the numbers; may be NULL. */
    void (*begin)(lyc_optimizer *optimizer);

    /* Names of the numbers that are state; NULL-terminated. */
    const char *number_names[LYC_OPTIMIZER_NUMBERS + 1];

    lyc_status (*step)(const lyc_optimizer_step_context *step, lyc_error *err);

    double (*effective_rate)(const lyc_optimizer *optimizer, double rate); /* NULL: the rate itself */

    /* For schedule-free optimisers: the values for use, and those for training; NULL: they are the same. */
    void (*exchange)(lyc_optimizer *optimizer, bool evaluate);
};

/* A state of the parameter's shape, or of another. */
lyc_status lyc_optimizer_add_state(lyc_optimizer_slot *slot, const char *name, lyc_dtype dtype, const lyc_shape *shape,
                                   lyc_error *err);

/* Calls update for every piece of the parameters that have a gradient; what it writes to sums
 * [LYC_OPTIMIZER_SUMS] is added up over the pieces in their order, into totals (NULL: not wanted). */
typedef void (*lyc_optimizer_update)(double *sums, const lyc_optimizer_step_context *step,
                                     const lyc_optimizer_slot *slot, int64_t first, int64_t last);
void lyc_optimizer_for_pieces(double totals[LYC_OPTIMIZER_SUMS], const lyc_optimizer_step_context *step,
                              lyc_optimizer_update update);

/* The rate of a slot's group. */
double lyc_optimizer_rate(const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot);

static inline float *lyc_optimizer_numbers(const lyc_optimizer_slot *slot, int state)
{
    return slot->states[state].data;
}

/* Every optimiser's entry: lyc_optimizer_adamw and so on; NULL-terminated. */
extern const lyc_optimizer_entry *const lyc_optimizer_entries[];
#define LYC_OPTIMIZER(name) extern const lyc_optimizer_entry lyc_optimizer_##name;
#include "train/optimizers.def"
#undef LYC_OPTIMIZER

#endif
