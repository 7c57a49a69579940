/* fuse.c - what a product can do to its result while it is in registers
 *
 *     h = a b + bias;  y = silu(h)    becomes one step when nobody else reads h
 *     h = a b + bias;  y = h + r      likewise; the step moves to the place of the addition, where r is there
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "graph/program.h"

/* How often each slot is read; outputs count as read once more. */
static lyc_status count_reads(int **reads, const lyc_program *p, lyc_error *err)
{
    *reads = lyc_alloc_zero((size_t)p->n_slots + 1, sizeof(int));
    if (*reads == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
    }
    for (int i = 0; i < p->n_steps; i++) {
        for (int j = 0; j < p->steps[i]->n_inputs; j++) {
            if (p->steps[i]->in[j] >= 0) {
                (*reads)[p->steps[i]->in[j]]++;
            }
        }
    }
    for (int i = 0; i < p->n_slots; i++) {
        (*reads)[i] += p->slots[i]->kept;
    }
    return LYC_OK;
}

static int activation_of(const lyc_step *step)
{
    return step->op->activation == 0 ? 0 : *(const int *)((const char *)step->attr + step->op->activation - 1);
}

static bool has_residual(const lyc_step *step)
{
    return step->op->residual < step->n_inputs && step->in[step->op->residual] >= 0;
}

/* The producer of slot when it is a product whose only reader is the one that asks. */
static lyc_step *sole_product(const lyc_program *p, const int *reads, int slot)
{
    if (slot < 0 || p->slots[slot]->kind != LYC_SLOT_ARENA || reads[slot] != 1 || p->slots[slot]->output_index != 0) {
        return NULL;
    }
    lyc_step *step = p->slots[slot]->producer;
    return step->op->residual != 0 && !has_residual(step) ? step : NULL;
}

/* The product takes over the place and the result of the step that used it. */
static void absorb(lyc_program *p, lyc_step *product, const lyc_step *user)
{
    lyc_slot *out = p->slots[user->out[0]];
    product->out[0] = out->id;
    out->producer = product;
    out->output_index = 0;
    int place = user->position;
    int from = product->position;
    lyc_program_remove_step(p, place);
    lyc_program_move_step(p, from, place - 1);
}

static lyc_status fuse_activation(bool *fused, lyc_program *p, const int *reads, lyc_step *step, lyc_error *err)
{
    lyc_step *product = sole_product(p, reads, step->in[0]);
    if (product == NULL || product->op->activation == 0 || activation_of(product) != 0) {
        return LYC_OK;
    }
    char *attr = lyc_arena_copy(&p->arena, product->attr, product->op->attr_size);
    if (attr == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
    }
    memcpy(attr + product->op->activation - 1, &step->op->is_activation, sizeof(int));
    product->attr = attr;
    absorb(p, product, step);
    *fused = true;
    return LYC_OK;
}

/* Position after which a slot is there. */
static int made_at(const lyc_program *p, int slot)
{
    return p->slots[slot]->kind == LYC_SLOT_ARENA ? p->slots[slot]->producer->position : -1;
}

static bool fuse_addition(lyc_program *p, const int *reads, const lyc_step *step)
{
    const int first = made_at(p, step->in[0]) > made_at(p, step->in[1]) ? 0 : 1; /* the later operand is the product */
    for (int k = 0; k < 2; k++) {
        const int mine = k == 0 ? first : 1 - first;
        const int other = step->in[1 - mine];
        lyc_step *product = sole_product(p, reads, step->in[mine]);
        const lyc_slot *out = p->slots[step->out[0]];
        if (product != NULL && other != step->in[mine] && lyc_shape_equal(&p->slots[other]->shape, &out->shape) &&
            lyc_shape_equal(&p->slots[step->in[mine]]->shape, &out->shape) && p->slots[other]->dtype == out->dtype &&
            p->slots[step->in[mine]]->dtype == out->dtype) {
            const int residual = product->op->residual;
            for (int i = product->n_inputs; i < residual; i++) {
                product->in[i] = -1;
            }
            product->in[residual] = other;
            product->n_inputs = product->n_inputs > residual ? product->n_inputs : residual + 1;
            absorb(p, product, step);
            return true;
        }
    }
    return false;
}

lyc_status lyc_program_fuse(lyc_program *p, lyc_error *err)
{
    int *reads;
    LYC_TRY(count_reads(&reads, p, err));
    lyc_status status = LYC_OK;
    for (int i = 0; i < p->n_steps && status == LYC_OK; i++) {
        lyc_step *step = p->steps[i];
        bool fused = false;
        if (step->op->is_activation != 0) {
            status = fuse_activation(&fused, p, reads, step, err);
        } else if (step->op == &lyc_op_add) {
            fused = fuse_addition(p, reads, step);
        }
        i -= fused; /* the list is one step shorter */
    }
    lyc_free(reads);
    return status;
}
