/* recompute.c - repeats cheap steps so that a plan fits into its budget
 *
 * Where the most bytes are alive, values lie that were made long before and are needed long after. One of them is given
 * up: its later readers read a copy that is made again just before the first of them, from values that are alive there.
 * What those values need in turn, and is no longer alive, is made again as well (a chain), or kept alive when it is
 * much smaller; a copy that already exists further on moves forward instead. The value whose bytes cost the least time
 * is given up first; this repeats until the peak fits. Norms and activations go first, then whole blocks between the
 * values that residual connections keep anyway. Copies run the same kernels on the same bits, so results do not change.
 * (Greedy rematerialisation as in Kumar et al., arXiv 1905.11722, with chains.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "graph/program.h"

enum { MAX_CHAIN = 512, MAX_DEPTH = 128, MAX_EXTENDED = 64, NEAR = 8 };

typedef struct recomputer {
    lyc_program *p;
    lyc_liveness *l;
    int *next_member;  /* by slot: the next slot of the same buffer; -1 ends */
    int *first_member; /* by root slot */
    int *next_read;    /* by slot: first step after the peak that reads it; n_steps when none does */
    bool *refused;     /* by root slot: given up already */
    int capacity;
    unsigned mark; /* tells the steps of the present chain */
    lyc_step
        *chain[MAX_CHAIN]; /* in the order of running; those at or after the place are moved, the others repeated */
    int n_chain;
    int extended[MAX_EXTENDED]; /* slots that live on until the chain has read them */
    int n_extended;
    size_t extended_bytes; /* of these, what the peak gains */
    size_t extend_below;   /* smaller slots are kept rather than made again */
    double seconds;        /* what the chain costs */
    double most_seconds;   /* beyond that another candidate is better, so the search may stop */
} recomputer;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
}

static bool reserve(recomputer *r)
{
    if (r->p->n_slots <= r->capacity) {
        return true;
    }
    const int larger = r->p->n_slots * 2;
    int **arrays[] = {&r->next_member, &r->first_member, &r->next_read};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        int *moved = lyc_realloc(*arrays[i], (size_t)larger * sizeof(int));
        if (moved == NULL) {
            return false;
        }
        *arrays[i] = moved;
    }
    bool *refused = lyc_realloc(r->refused, (size_t)larger * sizeof(bool));
    if (refused == NULL) {
        return false;
    }
    memset(refused + r->capacity, 0, (size_t)(larger - r->capacity) * sizeof(bool));
    r->refused = refused;
    r->capacity = larger;
    return true;
}

static void release(recomputer *r)
{
    lyc_free(r->next_member);
    lyc_free(r->first_member);
    lyc_free(r->next_read);
    lyc_free(r->refused);
}

/* Members of every buffer, and who reads them after the peak. Reading by a view is none: the view has readers itself.
 */
static void index_slots(recomputer *r)
{
    const lyc_program *p = r->p;
    for (int i = 0; i < p->n_slots; i++) {
        r->first_member[i] = -1;
        r->next_read[i] = p->n_steps;
    }
    for (int i = p->n_slots - 1; i >= 0; i--) {
        const lyc_slot *slot = p->slots[i];
        if (slot->first_use >= 0) {
            r->next_member[i] = r->first_member[slot->root];
            r->first_member[slot->root] = i;
        }
    }
    for (int i = p->n_steps - 1; i > r->l->peak_step; i--) {
        const lyc_step *step = p->steps[i];
        for (int j = 0; j < step->n_inputs && !step->view; j++) {
            if (step->in[j] >= 0) {
                r->next_read[step->in[j]] = i;
            }
        }
    }
}

static bool alive_at(const lyc_slot *slot, int position)
{
    return slot->kind != LYC_SLOT_ARENA ||
           (slot->first_use >= 0 && slot->first_use < position && slot->last_use >= position);
}

/* The slot to read for a value at a position: itself or a copy that is alive there; else the nearest copy made later;
 * else itself. */
static lyc_slot *stand_in(const lyc_program *p, const lyc_slot *slot, int position)
{
    lyc_slot *later = NULL;
    for (int i = slot->origin; i >= 0; i = p->slots[i]->next_copy) {
        lyc_slot *copy = p->slots[i];
        if (alive_at(copy, position)) {
            return copy;
        }
        if (copy->kind == LYC_SLOT_ARENA && copy->producer->position >= position &&
            (later == NULL || copy->producer->position < later->producer->position)) {
            later = copy;
        }
    }
    return later != NULL ? later : p->slots[slot->id];
}

/* The slot of the value that was made last before the position; NULL when there is none. */
static lyc_slot *latest_before(const lyc_program *p, const lyc_slot *slot, int position)
{
    lyc_slot *latest = NULL;
    for (int i = slot->origin; i >= 0; i = p->slots[i]->next_copy) {
        lyc_slot *copy = p->slots[i];
        if (copy->first_use >= 0 && copy->first_use < position &&
            (latest == NULL || copy->first_use > latest->first_use)) {
            latest = copy;
        }
    }
    return latest;
}

static bool is_extended(const recomputer *r, int slot)
{
    for (int i = 0; i < r->n_extended; i++) {
        if (r->extended[i] == slot) {
            return true;
        }
    }
    return false;
}

/* Keeps a small value alive for the chain instead of making it again. Views are left alone: keeping one keeps all of
 * its source. */
static bool extend_life(recomputer *r, const lyc_slot *slot, int position)
{
    const lyc_slot *kept = latest_before(r->p, slot, position);
    if (kept == NULL || kept->view_of >= 0 || kept->bytes >= r->extend_below) {
        return false;
    }
    if (is_extended(r, kept->id)) {
        return true;
    }
    if (r->n_extended == MAX_EXTENDED) {
        return false;
    }
    r->extended[r->n_extended++] = kept->id;
    r->extended_bytes += kept->first_use <= r->l->peak_step ? lyc_align_bytes(kept->bytes) : 0;
    return true;
}

/* Adds to the chain what must run before `position` to have the slot's value there, producers first. False when that is
 * impossible or too long. */
static bool extend_chain(recomputer *r, const lyc_slot *slot, int position, int depth)
{
    lyc_step *step = slot->producer;
    if (step->mark == r->mark) {
        return true;
    }
    if (depth > MAX_DEPTH || (step->position >= position && !step->recomputed)) {
        return false;
    }
    r->seconds += step->position < position ? step->seconds : 0.0; /* moving a copy costs nothing */
    if (r->seconds > r->most_seconds) {
        return false;
    }
    for (int j = 0; j < step->n_inputs; j++) {
        if (step->in[j] < 0) {
            continue;
        }
        const lyc_slot *in = stand_in(r->p, r->p->slots[step->in[j]], position);
        if (!alive_at(in, position) && !extend_life(r, in, position) && !extend_chain(r, in, position, depth + 1)) {
            return false;
        }
    }
    if (r->n_chain == MAX_CHAIN) {
        return false;
    }
    step->mark = r->mark;
    r->chain[r->n_chain++] = step;
    return true;
}

/* Whether a slot holds a value over the peak that is read later: not the results that take its memory afterwards. */
static bool is_given_up(const recomputer *r, int slot)
{
    return r->p->slots[slot]->producer->position < r->l->peak_step && r->next_read[slot] < r->p->n_steps;
}

/* The chain that makes those members of a buffer again that are read later. The buffer's own slots are alive at the
 * place, so their producers are asked directly; leaning on another member of the same buffer is allowed only when that
 * is made again too. */
static bool chain_for(recomputer *r, int root, int position, size_t extend_below, double most_seconds)
{
    r->mark++;
    r->n_chain = 0;
    r->n_extended = 0;
    r->extended_bytes = 0;
    r->extend_below = extend_below;
    r->seconds = 1e-7;
    r->most_seconds = most_seconds;
    for (int m = r->first_member[root]; m >= 0; m = r->next_member[m]) {
        if (is_given_up(r, m) && !extend_chain(r, r->p->slots[m], position, 0)) {
            return false;
        }
    }
    for (int i = 0; i < r->n_chain; i++) {
        for (int j = 0; j < r->chain[i]->n_inputs; j++) {
            const int in = r->chain[i]->in[j];
            const lyc_slot *read = in >= 0 ? stand_in(r->p, r->p->slots[in], position) : NULL;
            if (read != NULL && read->kind == LYC_SLOT_ARENA && read->root == root && read->producer->mark != r->mark) {
                return false;
            }
        }
    }
    return r->n_chain > 0;
}

static bool touches(const lyc_program *p, const lyc_step *step, int root)
{
    for (int j = 0; j < step->n_inputs; j++) {
        if (step->in[j] >= 0 && p->slots[step->in[j]]->root == root) {
            return true;
        }
    }
    for (int k = 0; k < step->n_outputs; k++) {
        if (step->out[k] >= 0 && p->slots[step->out[k]]->root == root) {
            return true;
        }
    }
    return false;
}

/* Made before the peak, needed after it, untouched there, and not kept for the caller. */
static bool is_candidate(const recomputer *r, const lyc_buffer *b)
{
    const int peak = r->l->peak_step;
    return b->root >= 0 && !r->refused[b->root] && b->first < peak && b->last > peak && b->last < r->p->n_steps &&
           !touches(r->p, r->p->steps[peak], b->root);
}

static int first_read(const recomputer *r, int root)
{
    int first = r->p->n_steps;
    for (int m = r->first_member[root]; m >= 0; m = r->next_member[m]) {
        first = is_given_up(r, m) && r->next_read[m] < first ? r->next_read[m] : first;
    }
    return first;
}

/* What giving up a buffer gains a second, with or without keeping smaller values alive; 0 when that is impossible or
 * below the best so far. */
static double score(recomputer *r, const lyc_buffer *b, int place, size_t extend_below, double best)
{
    const double most_seconds = best > 0.0 ? (double)b->bytes / best : HUGE_VAL;
    if (!chain_for(r, b->root, place, extend_below, most_seconds) || r->extended_bytes >= b->bytes) {
        return 0.0;
    }
    if (place - r->l->peak_step < NEAR + r->n_chain) {
        return 0.0; /* needed so soon that its copy would take the place of another at the same peak, and so on */
    }
    return (double)(b->bytes - r->extended_bytes) / r->seconds;
}

typedef struct candidate {
    int root;
    int place;           /* of its copy */
    size_t extend_below; /* see recomputer */
} candidate;

/* The buffer with the most bytes a second; root -1 when there is none. */
static candidate best_candidate(recomputer *r)
{
    candidate best = {.root = -1};
    double best_score = 0.0;
    for (int i = 0; i < r->l->n_buffers; i++) {
        const lyc_buffer *b = &r->l->buffers[i];
        if (!is_candidate(r, b)) {
            continue;
        }
        const int place = first_read(r, b->root);
        for (int keep = 0; keep < 2 && place < r->p->n_steps; keep++) {
            const size_t extend_below = keep ? b->bytes * 3 / 4 : 0;
            const double gain = score(r, b, place, extend_below, best_score);
            if (gain > best_score) {
                best_score = gain;
                best = (candidate){b->root, place, extend_below};
            }
        }
    }
    return best;
}

/* Readers at or after a position read the copy instead. */
static void redirect(lyc_program *p, int from_slot, int to_slot, int position)
{
    for (int i = position; i < p->n_steps; i++) {
        lyc_step *step = p->steps[i];
        for (int j = 0; j < step->n_inputs; j++) {
            if (step->in[j] == from_slot) {
                step->in[j] = to_slot;
            }
        }
        if (step->view) {
            p->slots[step->out[0]]->view_of = step->in[0];
        }
    }
}

static lyc_slot *copy_slot(lyc_program *p, lyc_slot *slot, lyc_step *producer)
{
    lyc_slot *copy = lyc_program_add_slot(p);
    if (copy == NULL) {
        return NULL;
    }
    const int id = copy->id;
    *copy = *slot;
    copy->id = id;
    copy->producer = producer;
    copy->kept = false;
    copy->value = NULL;
    copy->first_use = copy->last_use = -1;
    lyc_slot *origin = p->slots[slot->origin];
    copy->next_copy = origin->next_copy;
    origin->next_copy = id;
    return copy;
}

/* Runs a step again at a position. Its inputs are read from what stands in for them at `place` (numbers of the last
 * liveness, in which the chain begins at `place`), from the copies that the chain has made, or from what lives on. */
static lyc_status repeat_step(const recomputer *r, const lyc_step *step, int position, int place, lyc_error *err)
{
    lyc_program *p = r->p;
    lyc_step *copy = lyc_program_insert_step(p, position);
    if (copy == NULL) {
        return no_memory(err);
    }
    *copy = *step;
    copy->position = position;
    copy->recomputed = true;
    copy->mark = 0;
    for (int j = 0; j < copy->n_inputs; j++) {
        for (int i = copy->in[j] >= 0 ? p->slots[copy->in[j]]->origin : -1; i >= 0; i = p->slots[i]->next_copy) {
            const lyc_slot *slot = p->slots[i];
            const bool made_by_chain = slot->kind == LYC_SLOT_ARENA && slot->producer->position >= place &&
                                       slot->producer->position < position;
            if (made_by_chain) {
                copy->in[j] = slot->id;
                break;
            }
            if (alive_at(slot, place) || is_extended(r, slot->id)) {
                copy->in[j] = slot->id;
            }
        }
    }
    for (int k = 0; k < step->n_outputs; k++) {
        if (step->out[k] >= 0) {
            const int old = step->out[k];
            lyc_slot *slot = copy_slot(p, p->slots[old], copy);
            if (slot == NULL) {
                return no_memory(err);
            }
            copy->out[k] = slot->id;
            slot->view_of = copy->view ? copy->in[0] : -1;
            redirect(p, old, slot->id, position + 1);
        }
    }
    return LYC_OK;
}

static lyc_status apply_chain(recomputer *r, int place, lyc_error *err)
{
    int position = place;
    for (int i = 0; i < r->n_chain; i++, position++) {
        lyc_step *step = r->chain[i];
        if (step->position >= position) {
            lyc_program_move_step(r->p, step->position, position);
        } else {
            LYC_TRY(repeat_step(r, step, position, place, err));
        }
    }
    return LYC_OK;
}

lyc_status lyc_program_recompute(lyc_program *p, lyc_liveness *l, size_t bytes, lyc_error *err)
{
    recomputer r = {.p = p, .l = l, .mark = 1};
    lyc_status status = lyc_liveness_compute(l, p, err);
    const int most = 16 * p->n_steps + 1024; /* every round gives up a value for good, so this is never reached */
    for (int round = 0; status == LYC_OK && l->peak_bytes > bytes && round < most; round++) {
        if (!reserve(&r)) {
            status = no_memory(err);
            break;
        }
        index_slots(&r);
        const candidate best = best_candidate(&r);
        if (best.root < 0) {
            break;
        }
        r.refused[best.root] = true; /* the copies have slots of their own */
        const bool found = chain_for(&r, best.root, best.place, best.extend_below, HUGE_VAL);
        assert(found);
        (void)found;
        status = apply_chain(&r, best.place, err);
        if (status == LYC_OK) {
            status = lyc_liveness_compute(l, p, err);
        }
    }
    release(&r);
    return status;
}
