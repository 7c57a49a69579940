/* weights_file.c - rows of trained numbers as a file of safetensors
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pretrain/weights_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "lycoris/safetensors.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

typedef struct writing {
    const lyc_trainables *set;
    const char *component;
    const lyc_weights_form *form;
    lyc_safetensors_plan *plan;
    lyc_safetensors_writer *writer;
} writing;

/* Row names are "<component>.<name>". */
static bool name_of(char out[LYC_WEIGHTS_NAME], const writing *w, const lyc_trainable *row)
{
    const size_t length = strlen(w->component);
    if (strncmp(row->name, w->component, length) != 0 || row->name[length] != '.') {
        return false;
    }
    const char *name = row->name + length + 1;
    return w->form->namer != NULL ? w->form->namer(out, name)
                                  : snprintf(out, LYC_WEIGHTS_NAME, "%s", name) < LYC_WEIGHTS_NAME;
}

static lyc_status plan_file(writing *w, lyc_error *err)
{
    char name[LYC_WEIGHTS_NAME];
    LYC_TRY(lyc_safetensors_plan_new(&w->plan, err));
    for (size_t i = 0; i < w->set->count; i++) {
        const lyc_trainable *row = &w->set->rows[i];
        if (name_of(name, w, row)) {
            LYC_TRY(lyc_safetensors_plan_add(w->plan, name, w->form->dtype, &row->shape, err));
        }
    }
    return lyc_safetensors_plan_metadata(w->plan, "format", "pt", err);
}

static lyc_status write_row(writing *w, const char *name, const lyc_trainable *row, lyc_error *err)
{
    size_t size;
    LYC_TRY(lyc_shape_bytes(&size, &row->shape, w->form->dtype, err));
    char *data = lyc_alloc(size > 0 ? size : 1);
    if (data == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", name);
    }
    const size_t element = (size_t)lyc_dtype_bits(w->form->dtype) / 8;
    lyc_status status = lyc_dtype_convert_parallel(data, w->form->dtype, row->value, LYC_F32, (size_t)row->count, err);
    for (int64_t i = 0; status == LYC_OK && i < row->count; i++) {
        if (!isfinite(lyc_dtype_load(w->form->dtype, data + (size_t)i * element))) {
            status = lyc_fail(err, LYC_E_NUMERIC, "%s has a number that is not finite in %s", name,
                              lyc_dtype_name(w->form->dtype));
        }
    }
    status = status == LYC_OK ? lyc_safetensors_writer_put(w->writer, name, data, size, err) : status;
    lyc_free(data);
    return status;
}

static lyc_status write_file(writing *w, const char *path, lyc_error *err)
{
    char name[LYC_WEIGHTS_NAME];
    const lyc_safetensors_writer_options options = {.force = w->form->force};
    LYC_TRY(plan_file(w, err));
    LYC_TRY(lyc_safetensors_writer_open(&w->writer, w->plan, path, &options, err));
    for (size_t i = 0; i < w->set->count; i++) {
        if (name_of(name, w, &w->set->rows[i])) {
            LYC_TRY(write_row(w, name, &w->set->rows[i], err));
        }
    }
    return lyc_safetensors_writer_commit(w->writer, err);
}

lyc_status lyc_weights_write(const char *path, const lyc_trainables *set, const char *component,
                             const lyc_weights_form *form, lyc_error *err)
{
    writing w = {.set = set, .component = component, .form = form};
    const lyc_status status = write_file(&w, path, err);
    lyc_safetensors_writer_close(w.writer);
    lyc_safetensors_plan_free(w.plan);
    return status;
}
