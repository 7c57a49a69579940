/* optimizer.c - steps of an optimiser from given gradients
 *
 * "optimiser" names it ("torch.optim.adamw.AdamW"), "options" its arguments, lr among them. Gradients of a matrix and a
 * vector come from the file "inputs", values after each step are wanted; or one tensor has "initial", "gradients",
 * "after_each_step" in the case's own file, and of the state codes that may differ where two are equally near.
 * "gradient_norm_before_clipping": gradients are clipped to a norm of 1, that of the name ("..._clipped_to_norm_1").
 * "estimated_step_size_d" is d after each step. A file of code tables has them alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kind.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "train/code_table.h"
#include "train/gradient_clip.h"
#include "train/optimizer.h"

enum { MAX_ARGS = 16, ARG = 64, MAX_PARAMS = 2 };

/* A tensor that is trained, its gradients [steps,..] and what it should be after each step [steps,..]. */
typedef struct subject {
    lyc_tensor_view initial, gradients, wanted;
} subject;

typedef struct run_state {
    lyc_case *c;
    subject subjects[MAX_PARAMS];
    size_t count;
    int64_t steps;
    double rate, clip;
    lyc_trainable params[MAX_PARAMS];
    lyc_tensor_view norms, d;
    bool has_norms, has_d;
} run_state;

/* --- options -------------------------------------------------------------------------------------------------------
 */

/* "betas" of a JSON array as "0.9,0.99"; null options are left out. */
static bool write_arg(char out[ARG], const char *name, const json_t *value)
{
    if (json_is_array(value) && json_array_size(value) == 2) {
        snprintf(out, ARG, "%s=%.17g,%.17g", name, json_number_value(json_array_get(value, 0)),
                 json_number_value(json_array_get(value, 1)));
    } else if (json_is_boolean(value)) {
        snprintf(out, ARG, "%s=%s", name, json_is_true(value) ? "true" : "false");
    } else if (json_is_number(value)) {
        snprintf(out, ARG, "%s=%.17g", name, json_number_value(value));
    } else {
        return false;
    }
    return true;
}

static lyc_status make_optimizer(lyc_optimizer **out, run_state *s, lyc_error *err)
{
    const char *name, *optimiser = lyc_case_text(s->c, "optimiser");
    const json_t *options = json_object_get(s->c->json, "options");
    json_t *value;
    char args[MAX_ARGS][ARG];
    const char *pointers[MAX_ARGS];
    size_t count = 0;
    char first[ARG];
    json_object_foreach((json_t *)options, name, value)
    {
        if (strcmp(name, "lr") == 0) {
            s->rate = json_is_number(value) ? json_number_value(value) : 0.0;
        } else if (count < MAX_ARGS && write_arg(args[count], name, value)) {
            pointers[count] = args[count];
            count++;
        }
    }
    snprintf(first, sizeof first, "%s", optimiser);
    first[strcspn(first, " ")] = '\0';
    return lyc_optimizer_new(out, strncmp(optimiser, "bitsandbytes ", 13) == 0 ? "AdamW8bit" : first, pointers, count,
                             s->params, s->count, err);
}

/* --- inputs --------------------------------------------------------------------------------------------------------
 */

static lyc_status need(lyc_tensor_view *out, const lyc_safetensors *file, const char *name, lyc_error *err)
{
    if (!lyc_safetensors_find(out, file, name) || out->dtype != LYC_F32) {
        return lyc_fail(err, LYC_E_FORMAT, "tensor %s of type F32 is missing", name);
    }
    return LYC_OK;
}

static lyc_status take_subject(run_state *s, const lyc_safetensors *inputs, const lyc_safetensors *own,
                               const char *name, lyc_error *err)
{
    char text[96];
    subject *to = &s->subjects[s->count];
    snprintf(text, sizeof text, "initial_%s", name);
    LYC_TRY(need(&to->initial, inputs, text, err));
    snprintf(text, sizeof text, "%s_gradients", name);
    LYC_TRY(need(&to->gradients, inputs, text, err));
    snprintf(text, sizeof text, "%s_after_each_step", name);
    LYC_TRY(need(&to->wanted, own, text, err));
    s->count++;
    return LYC_OK;
}

static lyc_status read_subjects(run_state *s, const lyc_safetensors *own, lyc_safetensors **inputs, lyc_error *err)
{
    char path[4096];
    const char *file = lyc_case_text(s->c, "inputs");
    if (file == NULL) {
        LYC_TRY(need(&s->subjects[0].initial, own, "initial", err));
        LYC_TRY(need(&s->subjects[0].gradients, own, "gradients", err));
        LYC_TRY(need(&s->subjects[0].wanted, own, "after_each_step", err));
        s->count = 1;
        return LYC_OK;
    }
    LYC_TRY(lyc_case_path(path, sizeof path, s->c, file, err));
    LYC_TRY(lyc_safetensors_open(inputs, path, NULL, err));
    LYC_TRY(take_subject(s, *inputs, own, "matrix", err));
    return take_subject(s, *inputs, own, "vector", err);
}

static lyc_status make_params(run_state *s, lyc_error *err)
{
    static const char *const names[] = {"matrix", "vector"};
    for (size_t i = 0; i < s->count; i++) {
        const lyc_tensor_view *initial = &s->subjects[i].initial;
        const int64_t n = lyc_shape_elements(&initial->shape);
        float *value = lyc_alloc_zero((size_t)n + 1, sizeof *value);
        if (value == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for a parameter");
        }
        memcpy(value, initial->data, initial->size_bytes);
        s->params[i] = (lyc_trainable){.name = names[i], .value = value, .count = n, .shape = initial->shape};
        s->steps = s->subjects[i].wanted.shape.dims[0];
    }
    const char *clip = strstr(s->c->name, "clipped_to_norm_");
    s->clip = clip != NULL ? strtod(clip + strlen("clipped_to_norm_"), NULL) : 0.0;
    return LYC_OK;
}

/* --- steps ---------------------------------------------------------------------------------------------------------
 */

static lyc_status compare_number(lyc_result *result, const run_state *s, const lyc_tensor_view *wanted, int64_t step,
                                 double got)
{
    const float number = (float)got;
    const lyc_shape one = {.rank = 1, .dims = {1}};
    lyc_compare_values(
        result, wanted->name, &one, (lyc_values){&number, LYC_F32},
        (lyc_values){(const char *)wanted->data + (size_t)step * (size_t)lyc_dtype_bits(wanted->dtype) / 8,
                     wanted->dtype},
        (lyc_tolerance){s->c->absolute_tolerance, s->c->relative_tolerance});
    return LYC_OK;
}

static lyc_status run_step(lyc_result *result, run_state *s, lyc_optimizer *optimizer, int64_t step, lyc_error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        s->params[i].gradient = (const float *)s->subjects[i].gradients.data + step * s->params[i].count;
    }
    if (s->clip > 0.0) {
        lyc_gradient_norm norm;
        lyc_gradient_norm_compute(&norm, s->params, s->count, 1.0);
        lyc_optimizer_set_scale(optimizer, lyc_gradient_clip(norm.norm, s->clip));
        if (s->has_norms) {
            LYC_TRY(compare_number(result, s, &s->norms, step, norm.norm));
        }
    }
    LYC_TRY(lyc_optimizer_step(optimizer, &s->rate, err));
    for (size_t i = 0; i < s->count; i++) {
        const lyc_tensor_view *wanted = &s->subjects[i].wanted;
        lyc_compare_values(result, wanted->name, &s->params[i].shape, (lyc_values){s->params[i].value, LYC_F32},
                           (lyc_values){(const float *)wanted->data + step * s->params[i].count, LYC_F32},
                           (lyc_tolerance){s->c->absolute_tolerance, s->c->relative_tolerance});
    }
    return s->has_d ? compare_number(result, s, &s->d, step, lyc_optimizer_effective_rate(optimizer, 1.0)) : LYC_OK;
}

static lyc_status run_steps(lyc_result *result, run_state *s, lyc_error *err)
{
    lyc_optimizer *optimizer = NULL;
    LYC_TRY(make_optimizer(&optimizer, s, err));
    lyc_status status = LYC_OK;
    for (int64_t step = 0; step < s->steps && status == LYC_OK; step++) {
        status = run_step(result, s, optimizer, step, err);
    }
    lyc_optimizer_free(optimizer);
    return status;
}

static lyc_status compare_tables(lyc_result *result, const lyc_safetensors *file, lyc_error *err)
{
    static const char *const names[] = {"dynamic_map_signed", "dynamic_map_unsigned"};
    lyc_code_table *table = lyc_alloc_zero(1, sizeof *table);
    lyc_status status = table != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a table");
    for (int i = 0; i < 2 && status == LYC_OK; i++) {
        lyc_tensor_view wanted;
        status = need(&wanted, file, names[i], err);
        if (status == LYC_OK) {
            lyc_code_table_make(table, i == 0);
            lyc_compare_values(result, names[i], &wanted.shape, (lyc_values){table->values, LYC_F32},
                               (lyc_values){wanted.data, LYC_F32}, (lyc_tolerance){0.0, 0.0});
        }
    }
    lyc_free(table);
    return status;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    run_state s = {.c = c};
    const lyc_safetensors *own = NULL;
    lyc_safetensors *inputs = NULL;
    LYC_TRY(lyc_case_open(&own, c, err));
    if (!lyc_case_has(c, "optimiser")) {
        return compare_tables(result, own, err);
    }
    s.has_norms = lyc_safetensors_find(&s.norms, own, "gradient_norm_before_clipping");
    s.has_d = lyc_safetensors_find(&s.d, own, "estimated_step_size_d");
    lyc_status status = read_subjects(&s, own, &inputs, err);
    status = status != LYC_OK ? status : make_params(&s, err);
    status = status != LYC_OK ? status : run_steps(result, &s, err);
    for (size_t i = 0; i < s.count; i++) {
        lyc_free(s.params[i].value);
    }
    lyc_safetensors_close(inputs);
    return status;
}

static bool recognise(lyc_case *c)
{
    lyc_tensor_view table;
    const lyc_safetensors *file = NULL;
    if (lyc_case_has(c, "optimiser")) {
        return true;
    }
    return lyc_case_has(c, "file") && lyc_case_open(&file, c, NULL) == LYC_OK &&
           lyc_safetensors_find(&table, file, "dynamic_map_signed");
}

const lyc_kind lyc_kind_optimizer = {
    .name = "optimizer",
    .recognise = recognise,
    .run = run,
};
