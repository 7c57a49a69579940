/* liveness.c - which bytes are alive at every step
 *
 * Three things share memory: views with their source, results written in place with the operand they replace, and, over
 * time, everything in the arena. This file decides the first two for the present order and adds up the bytes; place.c
 * does the third. Workspaces count at their step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "graph/program.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
}

/* Room for one buffer a slot, one a step, and the sums. */
static lyc_status reserve(lyc_liveness *l, const lyc_program *p, lyc_error *err)
{
    const int buffers = p->n_slots + p->n_steps;
    if (buffers > l->capacity_buffers) {
        lyc_buffer *moved = lyc_realloc(l->buffers, (size_t)buffers * 2 * sizeof *moved);
        if (moved == NULL) {
            return no_memory(err);
        }
        l->buffers = moved;
        l->capacity_buffers = buffers * 2;
    }
    if (p->n_steps + 1 > l->capacity_steps) {
        size_t *moved = lyc_realloc(l->alive, (size_t)(p->n_steps + 1) * 2 * sizeof *moved);
        if (moved == NULL) {
            return no_memory(err);
        }
        l->alive = moved;
        l->capacity_steps = (p->n_steps + 1) * 2;
    }
    return LYC_OK;
}

void lyc_liveness_clear(lyc_liveness *l)
{
    lyc_free(l->buffers);
    lyc_free(l->alive);
    memset(l, 0, sizeof *l);
}

static void touch(lyc_slot *slot, int position)
{
    if (slot->first_use < 0 || position < slot->first_use) {
        slot->first_use = position;
    }
    if (position > slot->last_use) {
        slot->last_use = position;
    }
}

/* First and last step that touches each slot; a kept one lives until the end. */
static void find_uses(lyc_program *p)
{
    for (int i = 0; i < p->n_slots; i++) {
        p->slots[i]->first_use = -1;
        p->slots[i]->last_use = -1;
        p->slots[i]->root = p->slots[i]->id;
    }
    for (int i = 0; i < p->n_steps; i++) {
        const lyc_step *step = p->steps[i];
        for (int j = 0; j < step->n_inputs; j++) {
            if (step->in[j] >= 0) {
                touch(p->slots[step->in[j]], i);
            }
        }
        for (int k = 0; k < step->n_outputs; k++) {
            if (step->out[k] >= 0) {
                touch(p->slots[step->out[k]], i);
            }
        }
    }
    for (int i = 0; i < p->n_slots; i++) {
        if (p->slots[i]->kept && p->slots[i]->first_use >= 0) {
            touch(p->slots[i], p->n_steps);
        }
    }
}

/* The buffer of a slot takes over the uses of another slot that now lies in it. */
static void join(lyc_buffer *buffer_of_root, lyc_slot *slot, int root)
{
    slot->root = root;
    if (slot->last_use > buffer_of_root[root].last) {
        buffer_of_root[root].last = slot->last_use;
    }
}

/* Whether output 0 of the step may take the memory of input j: the operand's buffer is not needed after the step, has
 * the same size, and no other operand of the step lies in it unless in the same way. */
static bool may_replace(const lyc_program *p, const lyc_buffer *buffers, const lyc_step *step, int j)
{
    if ((step->op->in_place >> j & 1) == 0 || step->in[j] < 0) {
        return false;
    }
    const lyc_slot *in = p->slots[step->in[j]];
    const lyc_slot *out = p->slots[step->out[0]];
    if (in->kind != LYC_SLOT_ARENA || in->dtype != out->dtype || in->bytes != out->bytes) {
        return false;
    }
    const lyc_buffer *buffer = &buffers[in->root];
    if (buffer->last != step->position || buffer->bytes != in->bytes) {
        return false;
    }
    for (int i = 0; i < step->n_inputs; i++) {
        const lyc_slot *other = step->in[i] >= 0 ? p->slots[step->in[i]] : NULL;
        if (i != j && other != NULL && other->root == in->root &&
            ((step->op->in_place >> i & 1) == 0 || other->bytes != in->bytes)) {
            return false; /* a smaller one is a part that is read again after it was overwritten: x - x[0] */
        }
    }
    return true;
}

/* Roots in the order of the steps: a view joins its source, a result may replace an operand. */
static void find_roots(lyc_liveness *l, lyc_program *p)
{
    for (int i = 0; i < p->n_slots; i++) {
        const lyc_slot *slot = p->slots[i];
        l->buffers[i] = (lyc_buffer){
            .root = slot->id, .first = slot->first_use, .last = slot->last_use, .bytes = lyc_align_bytes(slot->bytes)};
    }
    /* Views first: their uses lengthen the lives that decide what may be replaced. */
    for (int i = 0; i < p->n_steps; i++) {
        if (p->steps[i]->view) {
            lyc_slot *slot = p->slots[p->steps[i]->out[0]];
            join(l->buffers, slot, p->slots[slot->view_of]->root);
        }
    }
    for (int i = 0; i < p->n_slots; i++) {
        l->buffers[i].bytes = p->slots[i]->bytes; /* exact for the comparison below */
    }
    for (int i = 0; i < p->n_steps; i++) {
        const lyc_step *step = p->steps[i];
        if (step->view) {
            /* the source may meanwhile lie in another buffer */
            lyc_slot *slot = p->slots[step->out[0]];
            slot->root = p->slots[slot->view_of]->root;
            continue;
        }
        lyc_slot *out = p->slots[step->out[0]];
        for (int j = 0; j < step->n_inputs; j++) {
            if (may_replace(p, l->buffers, step, j)) {
                const int root = p->slots[step->in[j]]->root;
                if (l->buffers[out->id].last > l->buffers[root].last) {
                    l->buffers[root].last = l->buffers[out->id].last; /* with its views */
                }
                out->root = root;
                break;
            }
        }
    }
}

/* Drops what is no root, adds workspaces. */
static void list_buffers(lyc_liveness *l, const lyc_program *p)
{
    int count = 0;
    for (int i = 0; i < p->n_slots; i++) {
        const lyc_slot *slot = p->slots[i];
        if (slot->kind == LYC_SLOT_ARENA && slot->root == slot->id && slot->first_use >= 0) {
            lyc_buffer buffer = l->buffers[i];
            buffer.bytes = lyc_align_bytes(slot->bytes);
            l->buffers[count++] = buffer;
        }
    }
    for (int i = 0; i < p->n_steps; i++) {
        if (p->steps[i]->workspace_bytes > 0) {
            l->buffers[count++] =
                (lyc_buffer){.root = -1, .first = i, .last = i, .bytes = lyc_align_bytes(p->steps[i]->workspace_bytes)};
        }
    }
    l->n_buffers = count;
}

static void sum_alive(lyc_liveness *l, int n_steps)
{
    /* Differences first: bytes that begin at a step minus bytes that ended before it (wrapping is harmless). */
    memset(l->alive, 0, (size_t)(n_steps + 1) * sizeof *l->alive);
    for (int i = 0; i < l->n_buffers; i++) {
        l->alive[l->buffers[i].first] += l->buffers[i].bytes;
        if (l->buffers[i].last + 1 <= n_steps) {
            l->alive[l->buffers[i].last + 1] -= l->buffers[i].bytes;
        }
    }
    l->n_steps = n_steps;
    l->peak_step = 0;
    l->peak_bytes = 0;
    size_t alive = 0;
    for (int i = 0; i < n_steps; i++) {
        alive += l->alive[i];
        l->alive[i] = alive;
        if (alive > l->peak_bytes) {
            l->peak_bytes = alive;
            l->peak_step = i;
        }
    }
}

lyc_status lyc_liveness_compute(lyc_liveness *l, lyc_program *p, lyc_error *err)
{
    LYC_TRY(reserve(l, p, err));
    find_uses(p);
    find_roots(l, p);
    list_buffers(l, p);
    sum_alive(l, p->n_steps);
    return LYC_OK;
}
