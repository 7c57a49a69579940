/* schedule.c - an order of steps with fewer bytes alive
 *
 * The order of building is a good one: a model's layers follow each other, and gradients come back the same way. Where
 * branches are built early and used late (projections of the time embedding, keys and values of all layers) another is
 * better: among the steps that are ready take the one that frees most and needs least. The result is used only when its
 * peak is lower.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "graph/program.h"

typedef struct scheduler {
    lyc_program *p;
    int *waiting;      /* by step position: producers that have not run */
    int *readers;      /* by slot: steps that still have to read it */
    int *first_reader; /* by slot: head of a list of uses */
    int *next_reader;  /* by use: next use of the same slot */
    int *reader_step;  /* by use: position of the reading step */
    lyc_step **ready;
    int n_ready;
    lyc_step **order;
} scheduler;

static int count_uses(const lyc_program *p)
{
    int uses = 0;
    for (int i = 0; i < p->n_steps; i++) {
        uses += p->steps[i]->n_inputs;
    }
    return uses;
}

static bool allocate(scheduler *s, int uses)
{
    const size_t steps = (size_t)s->p->n_steps + 1;
    const size_t slots = (size_t)s->p->n_slots + 1;
    s->waiting = lyc_alloc_zero(steps, sizeof(int));
    s->readers = lyc_alloc_zero(slots, sizeof(int));
    s->first_reader = lyc_alloc_zero(slots, sizeof(int));
    s->next_reader = lyc_alloc_zero((size_t)uses + 1, sizeof(int));
    s->reader_step = lyc_alloc_zero((size_t)uses + 1, sizeof(int));
    s->ready = lyc_alloc_zero(steps, sizeof(lyc_step *));
    s->order = lyc_alloc_zero(steps, sizeof(lyc_step *));
    return s->waiting != NULL && s->readers != NULL && s->first_reader != NULL && s->next_reader != NULL &&
           s->reader_step != NULL && s->ready != NULL && s->order != NULL;
}

static void release(scheduler *s)
{
    lyc_free(s->waiting);
    lyc_free(s->readers);
    lyc_free(s->first_reader);
    lyc_free(s->next_reader);
    lyc_free(s->reader_step);
    lyc_free(s->ready);
    lyc_free(s->order);
}

static void prepare(scheduler *s)
{
    lyc_program *p = s->p;
    int use = 0;
    for (int i = 0; i < p->n_slots; i++) {
        s->first_reader[i] = -1;
        s->readers[i] = p->slots[i]->kept;
    }
    for (int i = 0; i < p->n_steps; i++) {
        for (int j = 0; j < p->steps[i]->n_inputs; j++) {
            const int slot = p->steps[i]->in[j];
            if (slot >= 0 && p->slots[slot]->kind == LYC_SLOT_ARENA) {
                s->waiting[i]++;
                s->readers[slot]++;
                s->reader_step[use] = i;
                s->next_reader[use] = s->first_reader[slot];
                s->first_reader[slot] = use++;
            }
        }
        if (s->waiting[i] == 0) {
            s->ready[s->n_ready++] = p->steps[i];
        }
    }
}

/* Bytes that running the step adds to what is alive. */
static double growth(const scheduler *s, const lyc_step *step)
{
    double bytes = 0;
    if (step->view) {
        return -1.0;
    }
    for (int k = 0; k < step->n_outputs; k++) {
        bytes += step->out[k] >= 0 ? (double)s->p->slots[step->out[k]]->bytes : 0.0;
    }
    for (int j = 0; j < step->n_inputs; j++) {
        const int slot = step->in[j];
        if (slot >= 0 && s->p->slots[slot]->kind == LYC_SLOT_ARENA && s->readers[slot] == 1) {
            bytes -= (double)s->p->slots[slot]->bytes;
        }
    }
    return bytes;
}

static lyc_step *take_best(scheduler *s)
{
    int best = 0;
    double least = growth(s, s->ready[0]);
    for (int i = 1; i < s->n_ready; i++) {
        const double bytes = growth(s, s->ready[i]);
        if (bytes < least || (bytes == least && s->ready[i]->position < s->ready[best]->position)) {
            best = i;
            least = bytes;
        }
    }
    lyc_step *step = s->ready[best];
    s->ready[best] = s->ready[--s->n_ready];
    return step;
}

static void run(scheduler *s)
{
    for (int count = 0; s->n_ready > 0; count++) {
        lyc_step *step = take_best(s);
        s->order[count] = step;
        for (int j = 0; j < step->n_inputs; j++) {
            if (step->in[j] >= 0) {
                s->readers[step->in[j]]--;
            }
        }
        for (int k = 0; k < step->n_outputs; k++) {
            const int use = step->out[k] >= 0 ? s->first_reader[step->out[k]] : -1;
            for (int u = use; u >= 0; u = s->next_reader[u]) {
                const int reader = s->reader_step[u];
                if (--s->waiting[reader] == 0) {
                    s->ready[s->n_ready++] = s->p->steps[reader];
                }
            }
        }
    }
}

/* Swaps the program's order with the scheduler's. */
static void exchange(scheduler *s)
{
    for (int i = 0; i < s->p->n_steps; i++) {
        lyc_step *step = s->p->steps[i];
        s->p->steps[i] = s->order[i];
        s->order[i] = step;
    }
    for (int i = 0; i < s->p->n_steps; i++) {
        s->p->steps[i]->position = i;
    }
}

lyc_status lyc_program_schedule(lyc_program *p, lyc_liveness *l, lyc_error *err)
{
    LYC_TRY(lyc_liveness_compute(l, p, err));
    scheduler s = {.p = p};
    lyc_status status = LYC_OK;
    if (!allocate(&s, count_uses(p))) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
        goto done;
    }
    const size_t before = l->peak_bytes;
    prepare(&s);
    run(&s);
    exchange(&s);
    status = lyc_liveness_compute(l, p, err);
    if (status == LYC_OK && l->peak_bytes >= before) {
        exchange(&s);
        status = lyc_liveness_compute(l, p, err);
    }
done:
    release(&s);
    return status;
}
