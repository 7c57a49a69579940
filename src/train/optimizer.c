/* optimizer.c - optimisers by name, their state, and the pieces in which they work
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/optimizer_entry.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "tensor/shape.h"
#include "train/moments.h"

const lyc_optimizer_entry *const lyc_optimizer_entries[] = {
#define LYC_OPTIMIZER(name) &lyc_optimizer_##name,
#include "train/optimizers.def"
#undef LYC_OPTIMIZER
    NULL,
};

/* --- names ---------------------------------------------------------------------------------------------------------
 */

static bool is_called(const lyc_optimizer_entry *entry, const char *name)
{
    if (strcasecmp(entry->name, name) == 0) {
        return true;
    }
    for (const char *const *alias = entry->aliases; alias != NULL && *alias != NULL; alias++) {
        if (strcasecmp(*alias, name) == 0) {
            return true;
        }
    }
    return false;
}

const lyc_optimizer_entry *lyc_optimizer_find(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; lyc_optimizer_entries[i] != NULL; i++) {
        if (is_called(lyc_optimizer_entries[i], dot != NULL ? dot + 1 : name)) {
            return lyc_optimizer_entries[i];
        }
    }
    return NULL;
}

const char *lyc_optimizer_name_at(size_t index)
{
    size_t count = 0;
    while (lyc_optimizer_entries[count] != NULL) {
        count++;
    }
    return index < count ? lyc_optimizer_entries[index]->name : NULL;
}

const char *lyc_optimizer_summary(const lyc_optimizer_entry *entry)
{
    return entry->summary;
}

const lyc_option *lyc_optimizer_options(const lyc_optimizer_entry *entry)
{
    return entry->options;
}

double lyc_optimizer_bytes_per_number(const lyc_optimizer_entry *entry)
{
    return entry->bytes_per_number;
}

const char *lyc_optimizer_doubt(const lyc_optimizer_entry *entry, double rate)
{
    if (entry->least_rate > 0.0 && rate <= entry->least_rate) {
        return "finds its own rate and is meant to be used with 1.0";
    }
    if (entry->usual_rate > 0.0 && entry->least_rate == 0.0 && rate > 0.1) {
        return "is used with rates of 1e-3 and less";
    }
    return NULL;
}

/* Optimisers that users of sd-scripts know and that are not here. */
static lyc_status refuse(const char *name, lyc_error *err)
{
    static const struct {
        const char *name, *advice;
    } others[] = {
        {"DAdaptAdam", "Prodigy does the same"},
        {"DAdaptAdan", "Prodigy does the same"},
        {"DAdaptAdaGrad", "Prodigy does the same"},
        {"DAdaptAdanIP", "Prodigy does the same"},
        {"DAdaptLion", "Prodigy does the same"},
        {"DAdaptSGD", "Prodigy does the same"},
        {"Lion8bit", "Lion has half of AdamW's state"},
        {"SGDNesterov8bit", "SGDNesterov has little state"},
        {"PagedLion8bit", "Lion has half of AdamW's state"},
        {"PagedAdamW", "AdamW is the same"},
        {"PagedAdamW32bit", "AdamW is the same"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcasecmp(others[i].name, name) == 0) {
            return lyc_fail(err, LYC_E_UNSUPPORTED, "the optimiser %s is not here; %s", name, others[i].advice);
        }
    }
    const char *near = NULL;
    int best = 0, distance;
    for (size_t i = 0; lyc_optimizer_entries[i] != NULL; i++) {
        if (lyc_text_resembles(&distance, name, lyc_optimizer_entries[i]->name) && (near == NULL || distance < best)) {
            near = lyc_optimizer_entries[i]->name;
            best = distance;
        }
    }
    return near != NULL ? lyc_fail(err, LYC_E_ARGUMENT, "there is no optimiser '%s'; '%s' is meant?", name, near)
                        : lyc_fail(err, LYC_E_ARGUMENT, "there is no optimiser '%s'", name);
}

/* --- arguments -----------------------------------------------------------------------------------------------------
 */

enum { VALUE = 64 };

/* "betas" and "eps" of two numbers are two options. */
static const struct pair_name {
    const char *name, *first, *second;
} pairs[] = {{"betas", "beta1", "beta2"}, {"eps", "eps1", "eps2"}};

static lyc_status set(void *config, const lyc_optimizer_entry *entry, const char *key, const char *value,
                      lyc_error *err)
{
    lyc_error own;
    const lyc_option *option = lyc_option_find(entry->options, key);
    if (option == NULL) {
        const char *near = NULL;
        int best = 0, distance;
        for (const lyc_option *o = entry->options; o->name != NULL; o++) {
            if (lyc_text_resembles(&distance, key, o->name) && (near == NULL || distance < best)) {
                near = o->name;
                best = distance;
            }
        }
        return near != NULL
                   ? lyc_fail(err, LYC_E_ARGUMENT, "%s has no argument '%s'; '%s' is meant?", entry->name, key, near)
                   : lyc_fail(err, LYC_E_ARGUMENT, "%s has no argument '%s'", entry->name, key);
    }
    if (lyc_option_set(config, option, value, &own) != LYC_OK) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s of %s: %s", key, entry->name, own.message);
    }
    return LYC_OK;
}

/* One of the values of a Python literal, without brackets and quotes; True and False in small letters. Returns what is
 * behind its comma, or NULL. */
static const char *take_value(char out[VALUE], const char *text)
{
    size_t n = 0;
    while (*text != '\0' && *text != ',') {
        if (strchr(" ()[]'\"", *text) == NULL && n + 1 < VALUE) {
            out[n++] = *text;
        }
        text++;
    }
    out[n] = '\0';
    if (strcmp(out, "True") == 0 || strcmp(out, "False") == 0) {
        out[0] = (char)tolower((unsigned char)out[0]);
    }
    return *text == ',' ? text + 1 : NULL;
}

static lyc_status parse(void *config, const lyc_optimizer_entry *entry, const char *arg, lyc_error *err)
{
    char key[VALUE], first[VALUE], second[VALUE];
    const char *equals = strchr(arg, '=');
    if (equals == NULL || equals == arg || (size_t)(equals - arg) >= sizeof key) {
        return lyc_fail(err, LYC_E_ARGUMENT, "argument '%s' of %s is not name=value", arg, entry->name);
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - arg), arg);
    const char *rest = take_value(first, equals + 1);
    if (strcmp(first, "None") == 0) {
        return LYC_OK;
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (strcmp(key, pairs[i].name) == 0 && lyc_option_find(entry->options, pairs[i].first) != NULL &&
            lyc_option_find(entry->options, key) == NULL) {
            if (rest == NULL) {
                return lyc_fail(err, LYC_E_ARGUMENT, "%s of %s takes two numbers, found '%s'", key, entry->name,
                                equals + 1);
            }
            take_value(second, rest);
            LYC_TRY(set(config, entry, pairs[i].first, first, err));
            return set(config, entry, pairs[i].second, second, err);
        }
    }
    return set(config, entry, key, first, err);
}

static lyc_status configure(lyc_optimizer *o, const char *const *args, size_t count, lyc_error *err)
{
    o->config = lyc_alloc_zero(1, o->entry->config_size);
    o->more = lyc_alloc_zero(1, o->entry->more_size + 1);
    if (o->config == NULL || o->more == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an optimiser");
    }
    LYC_TRY(lyc_option_reset(o->config, o->entry->options, err));
    for (size_t i = 0; i < count; i++) {
        LYC_TRY(parse(o->config, o->entry, args[i], err));
    }
    return o->entry->check != NULL ? o->entry->check(o->config, err) : LYC_OK;
}

lyc_status lyc_moments_check(void *config, lyc_error *err)
{
    const lyc_moments_config *c = config;
    if (c->beta1 >= 1.0 || c->beta2 >= 1.0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "betas of %g and %g, expected less than 1", c->beta1, c->beta2);
    }
    return LYC_OK;
}

/* --- making one ----------------------------------------------------------------------------------------------------
 */

lyc_status lyc_optimizer_add_state(lyc_optimizer_slot *slot, const char *name, lyc_dtype dtype, const lyc_shape *shape,
                                   lyc_error *err)
{
    size_t bytes;
    LYC_TRY(lyc_shape_bytes(&bytes, shape, dtype, err));
    void *data = lyc_alloc_zero(bytes + 1, 1);
    if (data == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the state of %s, %zu bytes", slot->param->name, bytes);
    }
    slot->states[slot->state_count++] =
        (lyc_optimizer_state){.name = name, .dtype = dtype, .shape = *shape, .data = data};
    return LYC_OK;
}

static lyc_status make_slots(lyc_optimizer *o, lyc_trainable *params, size_t count, lyc_error *err)
{
    size_t pieces = 0;
    o->slots = lyc_alloc_zero(count + 1, sizeof *o->slots);
    if (o->slots == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an optimiser");
    }
    o->count = count;
    for (size_t i = 0; i < count; i++) {
        o->slots[i].param = &params[i];
        pieces += (size_t)((params[i].count + LYC_OPTIMIZER_PIECE - 1) / LYC_OPTIMIZER_PIECE);
        if (o->entry->add_states != NULL) {
            LYC_TRY(o->entry->add_states(&o->slots[i], o->config, err));
        }
    }
    o->pieces = lyc_alloc_zero(pieces + 1, sizeof *o->pieces);
    o->sums = lyc_alloc_zero(pieces + 1, LYC_OPTIMIZER_SUMS * sizeof *o->sums);
    if (o->pieces == NULL || o->sums == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an optimiser");
    }
    for (size_t i = 0; i < count; i++) {
        for (int64_t first = 0; first < params[i].count; first += LYC_OPTIMIZER_PIECE) {
            const int64_t end = first + LYC_OPTIMIZER_PIECE;
            o->pieces[o->piece_count++] =
                (lyc_optimizer_piece){.slot = i, .first = first, .last = end < params[i].count ? end : params[i].count};
        }
    }
    return LYC_OK;
}

lyc_status lyc_optimizer_new(lyc_optimizer **out, const char *name, const char *const *args, size_t arg_count,
                             lyc_trainable *params, size_t count, lyc_error *err)
{
    const lyc_optimizer_entry *entry = lyc_optimizer_find(name);
    if (entry == NULL) {
        return refuse(name, err);
    }
    lyc_optimizer *o = lyc_alloc_zero(1, sizeof *o);
    if (o == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an optimiser");
    }
    o->entry = entry;
    o->scale = 1.0;
    lyc_status status = configure(o, args, arg_count, err);
    status = status != LYC_OK ? status : make_slots(o, params, count, err);
    if (status != LYC_OK) {
        lyc_optimizer_free(o);
        return status;
    }
    if (entry->begin != NULL) {
        entry->begin(o);
    }
    *out = o;
    return LYC_OK;
}

void lyc_optimizer_free(lyc_optimizer *o)
{
    if (o == NULL) {
        return;
    }
    for (size_t i = 0; i < o->count; i++) {
        for (int k = 0; k < o->slots[i].state_count; k++) {
            lyc_free(o->slots[i].states[k].data);
        }
    }
    lyc_free(o->slots);
    lyc_free(o->pieces);
    lyc_free(o->sums);
    lyc_free(o->config);
    lyc_free(o->more);
    lyc_free(o);
}

const lyc_optimizer_entry *lyc_optimizer_entry_of(const lyc_optimizer *o)
{
    return o->entry;
}

void lyc_optimizer_set_scale(lyc_optimizer *o, double scale)
{
    o->scale = scale;
}

int64_t lyc_optimizer_steps(const lyc_optimizer *o)
{
    return o->steps;
}

double lyc_optimizer_effective_rate(const lyc_optimizer *o, double rate)
{
    return o->entry->effective_rate != NULL ? o->entry->effective_rate(o, rate) : rate;
}

/* --- stepping ------------------------------------------------------------------------------------------------------
 */

double lyc_optimizer_rate(const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot)
{
    return step->rates[slot->param->group];
}

typedef struct piece_loop {
    const lyc_optimizer_step_context *step;
    lyc_optimizer_update update;
} piece_loop;

static void run_pieces(void *context, int64_t first, int64_t last, int thread)
{
    const piece_loop *loop = context;
    lyc_optimizer *o = loop->step->optimizer;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const lyc_optimizer_piece *piece = &o->pieces[i];
        double *sums = o->sums + i * LYC_OPTIMIZER_SUMS;
        memset(sums, 0, LYC_OPTIMIZER_SUMS * sizeof *sums);
        if (o->slots[piece->slot].param->gradient != NULL) {
            loop->update(sums, loop->step, &o->slots[piece->slot], piece->first, piece->last);
        }
    }
}

void lyc_optimizer_for_pieces(double totals[LYC_OPTIMIZER_SUMS], const lyc_optimizer_step_context *step,
                              lyc_optimizer_update update)
{
    const lyc_optimizer *o = step->optimizer;
    piece_loop loop = {.step = step, .update = update};
    lyc_parallel_dynamic((int64_t)o->piece_count, 1, run_pieces, &loop);
    if (totals == NULL) {
        return;
    }
    memset(totals, 0, LYC_OPTIMIZER_SUMS * sizeof *totals);
    for (size_t i = 0; i < o->piece_count; i++) {
        for (int k = 0; k < LYC_OPTIMIZER_SUMS; k++) {
            totals[k] += o->sums[i * LYC_OPTIMIZER_SUMS + (size_t)k];
        }
    }
}

lyc_status lyc_optimizer_step(lyc_optimizer *o, const double *rates, lyc_error *err)
{
    if (o->evaluating) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s steps on the weights for training, not on those for use",
                        o->entry->name);
    }
    const lyc_optimizer_step_context step = {.optimizer = o, .rates = rates, .k = o->steps + 1};
    LYC_TRY(o->entry->step(&step, err));
    o->steps++;
    return LYC_OK;
}

void lyc_optimizer_evaluate(lyc_optimizer *o)
{
    if (o->entry->exchange != NULL && !o->evaluating && o->steps > 0) {
        o->entry->exchange(o, true);
        o->evaluating = true;
    }
}

void lyc_optimizer_train(lyc_optimizer *o)
{
    if (o->entry->exchange != NULL && o->evaluating) {
        o->entry->exchange(o, false);
        o->evaluating = false;
    }
}
