/* optimizer_state.c - all that the next steps of an optimiser depend on, as tensors with names
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "train/optimizer_entry.h"

/* Numbers of all parameters, as many as have names, and the steps before them. */
static int number_count(const lyc_optimizer *o)
{
    int count = 0;
    while (o->entry->number_names[count] != NULL) {
        count++;
    }
    return count;
}

size_t lyc_optimizer_state_count(const lyc_optimizer *o)
{
    size_t count = 1 + (size_t)number_count(o);
    for (size_t i = 0; i < o->count; i++) {
        count += (size_t)o->slots[i].state_count;
    }
    return count;
}

/* The state at an index: of the optimiser (*slot NULL), or of a parameter. */
static int locate(const lyc_optimizer_slot **slot, const lyc_optimizer *o, size_t index)
{
    const size_t own = 1 + (size_t)number_count(o);
    *slot = NULL;
    if (index < own) {
        return (int)index;
    }
    index -= own;
    for (size_t i = 0; i < o->count; i++) {
        if (index < (size_t)o->slots[i].state_count) {
            *slot = &o->slots[i];
            return (int)index;
        }
        index -= (size_t)o->slots[i].state_count;
    }
    return -1;
}

static void state_name(char *out, size_t size, const lyc_optimizer *o, const lyc_optimizer_slot *slot, int state)
{
    if (slot != NULL) {
        snprintf(out, size, "%s.%s", slot->param->name, slot->states[state].name);
    } else {
        snprintf(out, size, "optimizer.%s", state == 0 ? "step" : o->entry->number_names[state - 1]);
    }
}

void lyc_optimizer_state_name(char *out, size_t size, const lyc_optimizer *o, size_t index)
{
    const lyc_optimizer_slot *slot;
    const int state = locate(&slot, o, index);
    state_name(out, size, o, slot, state);
}

lyc_tensor_view lyc_optimizer_state_at(const lyc_optimizer *o, size_t index)
{
    const lyc_optimizer_slot *slot;
    const int state = locate(&slot, o, index);
    lyc_tensor_view view = {.name = "optimizer"};
    if (slot == NULL) {
        view.dtype = state == 0 ? LYC_I64 : LYC_F64;
        view.data = state == 0 ? (const void *)&o->steps : (const void *)&o->numbers[state - 1];
    } else {
        view.dtype = slot->states[state].dtype;
        view.shape = slot->states[state].shape;
        view.data = slot->states[state].data;
    }
    lyc_shape_bytes(&view.size_bytes, &view.shape, view.dtype, NULL);
    return view;
}

lyc_status lyc_optimizer_load(lyc_optimizer *o, const lyc_safetensors *file, lyc_error *err)
{
    char name[1024];
    for (size_t i = 0; i < lyc_optimizer_state_count(o); i++) {
        lyc_tensor_view found;
        const lyc_tensor_view mine = lyc_optimizer_state_at(o, i);
        lyc_optimizer_state_name(name, sizeof name, o, i);
        if (!lyc_safetensors_find(&found, file, name)) {
            return lyc_fail(err, LYC_E_FORMAT, "the state of %s has no '%s'", o->entry->name, name);
        }
        if (found.dtype != mine.dtype || !lyc_shape_equal(&found.shape, &mine.shape)) {
            char is[LYC_SHAPE_TEXT], wanted[LYC_SHAPE_TEXT];
            return lyc_fail(err, LYC_E_FORMAT, "'%s' of the state is %s %s, expected %s %s", name,
                            lyc_dtype_name(found.dtype), lyc_shape_text(is, sizeof is, &found.shape),
                            lyc_dtype_name(mine.dtype), lyc_shape_text(wanted, sizeof wanted, &mine.shape));
        }
        LYC_TRY(lyc_safetensors_read((void *)mine.data, file, &found, err));
    }
    return LYC_OK;
}
