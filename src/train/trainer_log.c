/* trainer_log.c - what a run tells: a line for each step as CSV, JSON lines and events of TensorBoard; warnings
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "train/trainer_internal.h"

enum { MAX_NUMBERS = 32 };

typedef struct line {
    lyc_log_number numbers[MAX_NUMBERS];
    char names[MAX_NUMBERS][64];
    size_t count;
} line;

void lyc_trainer_warn(const lyc_trainer *t, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (t->hooks.warn != NULL) {
        t->hooks.warn(t->hooks.context, text);
    }
}

lyc_status lyc_trainer_open_logs(lyc_trainer *t, lyc_error *err)
{
    if (t->options.log_path != NULL && t->log == NULL) {
        LYC_TRY(lyc_train_log_open(&t->log, t->options.log_path, t->resumed_at, err));
    }
    if (t->options.event_folder != NULL && t->events == NULL) {
        LYC_TRY(lyc_event_file_open(&t->events, t->options.event_folder, lyc_clock_unix_s(), t->resumed_at, err));
    }
    return LYC_OK;
}

static void add(line *l, double value, const char *format, ...) LYC_PRINTF(3, 4);
static void add(line *l, double value, const char *format, ...)
{
    va_list arguments;
    if (l->count == MAX_NUMBERS) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(l->names[l->count], sizeof l->names[0], format, arguments);
    va_end(arguments);
    l->numbers[l->count] = (lyc_log_number){l->names[l->count], value};
    l->count++;
}

/* A measurement is in the line of its step alone. */
static void fill(line *l, const lyc_trainer *t)
{
    const lyc_train_progress *p = &t->progress;
    add(l, p->loss, "loss/current");
    add(l, p->average_loss, "loss/average");
    add(l, p->validation_loss, "loss/validation/average");
    add(l, p->gradient_norm, "norm/gradient");
    for (int i = 0; i < t->set.group_count; i++) {
        const lyc_trainable_group *g = &t->set.groups[i];
        add(l, t->rates[i], "lr/%s%s", g->component, g->plus ? "_plus" : "");
        add(l, lyc_optimizer_effective_rate(t->optimizer, t->rates[i]), "lr/d*lr/%s%s", g->component,
            g->plus ? "_plus" : "");
    }
    if (t->options.scale_weight_norms > 0) {
        add(l, (double)t->norms.scaled, "max_norm/keys_scaled");
        add(l, t->norms.max, "max_norm/max_key_norm");
        add(l, t->norms.mean, "norm/avg_key_norm");
    }
    add(l, p->movement, "movement/all");
    for (int i = 0; i < LYC_MOVEMENT_GROUPS; i++) {
        add(l, t->movement.groups[i], "movement/%s", lyc_movement_group_name(i));
    }
}

lyc_status lyc_trainer_write_logs(lyc_trainer *t, lyc_error *err)
{
    line l = {.count = 0};
    fill(&l, t);
    if (t->log != NULL) {
        LYC_TRY(lyc_train_log_write(t->log, t->progress.step, l.numbers, l.count, err));
    }
    const double seconds = lyc_clock_unix_s();
    if (t->events != NULL) { /* times are no part of the other logs, which are the same each time */
        LYC_TRY(lyc_event_file_scalar(t->events, seconds, t->progress.step, "time/seconds", t->progress.seconds, err));
        LYC_TRY(lyc_event_file_scalar(t->events, seconds, t->progress.step, "memory/bytes",
                                      (double)lyc_trainer_bytes(t), err));
    }
    for (size_t i = 0; t->events != NULL && i < l.count; i++) {
        if (!isnan(l.numbers[i].value)) {
            LYC_TRY(lyc_event_file_scalar(t->events, seconds, t->progress.step, l.names[i], l.numbers[i].value, err));
        }
    }
    return LYC_OK;
}

lyc_status lyc_trainer_flush_logs(lyc_trainer *t, lyc_error *err)
{
    if (t->log != NULL) {
        LYC_TRY(lyc_train_log_flush(t->log, err));
    }
    return t->events != NULL ? lyc_event_file_flush(t->events, err) : LYC_OK;
}

lyc_status lyc_trainer_log_picture(lyc_trainer *t, const char *tag, const void *png, size_t size, int width, int height,
                                   lyc_error *err)
{
    return t->events != NULL ? lyc_event_file_image(t->events, lyc_clock_unix_s(), t->progress.step, tag, png, size,
                                                    width, height, err)
                             : LYC_OK;
}

lyc_status lyc_trainer_measure(lyc_trainer *t, lyc_error *err)
{
    bool moves = false;
    LYC_TRY(lyc_movement_measure(&t->movement, t->model, t->network, 0, &t->set, err));
    t->progress.movement = t->movement.all;
    for (int i = 0; i < t->set.group_count; i++) {
        moves = moves || t->rates[i] > 0;
    }
    if (moves && !(t->movement.all > 0) && !t->was_still) {
        t->was_still = true;
        lyc_trainer_warn(t, "step %lld: no weight has moved: rates, strengths and captions are worth a look",
                         (long long)t->progress.step);
    }
    return LYC_OK;
}
