/* adafactor.c - Adafactor: second moments as an outer product of rows and columns
 *
 *     a = (relative_step ? min(warmup_init ? 1e-6 k : 1e-2, 1 / sqrt(k)) : rate) (scale_parameter ? max(eps2, RMS(p)) :
 * 1) b = 1 - k^decay_rate;   u = g^2 + eps1 over the last two axes: row = b row + (1 - b) mean_last(u),  col = b col +
 * (1 - b) mean_secondlast(u), step = g sqrt(mean(row) / row) / sqrt(col);      vectors: v = b v + (1 - b) u,  step = g
 * / sqrt(v) step *= a / max(1, RMS(step) / clip_threshold);  beta1: m = beta1 m + (1 - beta1) step, step = m p -= wd a
 * p;   p -= step
 *
 * arXiv 1804.04235, as in transformers: a convolution's last two axes are its kernel, where nothing is saved. A tensor
 * is worked on by one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stddef.h>

#include "base/error.h"
#include "base/thread.h"
#include "train/optimizer_entry.h"

typedef struct adafactor_config {
    double eps1, eps2, clip_threshold, decay_rate, beta1, weight_decay;
    bool scale_parameter, relative_step, warmup_init;
} adafactor_config;

static lyc_status check(void *config, lyc_error *err)
{
    const adafactor_config *c = config;
    if (c->warmup_init && !c->relative_step) {
        return lyc_fail(err, LYC_E_ARGUMENT, "warmup_init needs relative_step");
    }
    return LYC_OK;
}

static bool is_matrix(const lyc_optimizer_slot *slot)
{
    return slot->param->shape.rank >= 2;
}

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    const adafactor_config *c = config;
    lyc_shape row = slot->param->shape, column = slot->param->shape;
    if (is_matrix(slot)) {
        column.dims[column.rank - 2] = column.dims[column.rank - 1];
        row.rank--;
        column.rank--;
        LYC_TRY(lyc_optimizer_add_state(slot, "exp_avg_sq_row", LYC_F32, &row, err));
        LYC_TRY(lyc_optimizer_add_state(slot, "exp_avg_sq_col", LYC_F32, &column, err));
    } else {
        LYC_TRY(lyc_optimizer_add_state(slot, "exp_avg_sq", LYC_F32, &slot->param->shape, err));
    }
    return c->beta1 > 0.0 ? lyc_optimizer_add_state(slot, "exp_avg", LYC_F32, &slot->param->shape, err) : LYC_OK;
}

static double root_mean_square(const float *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return n > 0 ? sqrt(sum / (double)n) : 0.0;
}

/* One matrix of a tensor [.., rows, columns]. */
typedef struct matrix {
    const float *g;
    float *row, *column;
    int64_t rows, columns;
    float scale, eps, keep, more;
} matrix;

static void gather_matrix(const matrix *m)
{
    for (int64_t r = 0; r < m->rows; r++) {
        double sum = 0.0;
        for (int64_t c = 0; c < m->columns; c++) {
            const float g = m->g[r * m->columns + c] * m->scale;
            sum += (double)(g * g + m->eps);
        }
        m->row[r] = m->keep * m->row[r] + m->more * (float)(sum / (double)m->columns);
    }
    for (int64_t c = 0; c < m->columns; c++) {
        double sum = 0.0;
        for (int64_t r = 0; r < m->rows; r++) {
            const float g = m->g[r * m->columns + c] * m->scale;
            sum += (double)(g * g + m->eps);
        }
        m->column[c] = m->keep * m->column[c] + m->more * (float)(sum / (double)m->rows);
    }
}

/* What the step at a place is, before it is scaled. */
typedef struct direction {
    const lyc_optimizer_slot *slot;
    int64_t rows, columns; /* 0: a vector */
    float scale;
} direction;

static float mean_row(const direction *d, int64_t matrix_index)
{
    const float *row = lyc_optimizer_numbers(d->slot, 0) + matrix_index * d->rows;
    double sum = 0.0;
    for (int64_t r = 0; r < d->rows; r++) {
        sum += (double)row[r];
    }
    return (float)(sum / (double)d->rows);
}

/* Calls visit with each step of the tensor in order. */
typedef void (*visitor)(void *context, int64_t index, float step);

static void visit_all(const direction *d, visitor visit, void *context)
{
    const float *g = d->slot->param->gradient;
    const int64_t size = d->rows * d->columns;
    if (size == 0) {
        const float *v = lyc_optimizer_numbers(d->slot, 0);
        for (int64_t i = 0; i < d->slot->param->count; i++) {
            visit(context, i, g[i] * d->scale / sqrtf(v[i]));
        }
        return;
    }
    for (int64_t k = 0; k < d->slot->param->count / size; k++) {
        const float mean = mean_row(d, k);
        const float *row = lyc_optimizer_numbers(d->slot, 0) + k * d->rows;
        const float *column = lyc_optimizer_numbers(d->slot, 1) + k * d->columns;
        for (int64_t r = 0; r < d->rows; r++) {
            const float by_row = d->scale * sqrtf(mean / row[r]);
            for (int64_t c = 0; c < d->columns; c++) {
                const int64_t i = k * size + r * d->columns + c;
                visit(context, i, g[i] * by_row / sqrtf(column[c]));
            }
        }
    }
}

static void add_square(void *context, int64_t index, float step)
{
    (void)index;
    *(double *)context += (double)step * (double)step;
}

typedef struct mover {
    float *p, *m; /* m NULL: none */
    float factor, keep, beta1;
} mover;

static void move(void *context, int64_t index, float step)
{
    const mover *to = context;
    float way = step * to->factor;
    if (to->m != NULL) {
        to->m[index] = to->beta1 * to->m[index] + (1.0f - to->beta1) * way;
        way = to->m[index];
    }
    to->p[index] = to->p[index] * to->keep - way;
}

static void gather(const direction *d, const adafactor_config *c, double b)
{
    const lyc_trainable *param = d->slot->param;
    const float keep = (float)b, more = (float)(1.0 - b), eps = (float)c->eps1;
    const int64_t size = d->rows * d->columns;
    if (size == 0) {
        float *v = lyc_optimizer_numbers(d->slot, 0);
        for (int64_t i = 0; i < param->count; i++) {
            const float g = param->gradient[i] * d->scale;
            v[i] = keep * v[i] + more * (g * g + eps);
        }
        return;
    }
    for (int64_t k = 0; k < param->count / size; k++) {
        gather_matrix(&(matrix){.g = param->gradient + k * size,
                                .row = lyc_optimizer_numbers(d->slot, 0) + k * d->rows,
                                .column = lyc_optimizer_numbers(d->slot, 1) + k * d->columns,
                                .rows = d->rows,
                                .columns = d->columns,
                                .scale = d->scale,
                                .eps = eps,
                                .keep = keep,
                                .more = more});
    }
}

static void step_tensor(const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot)
{
    const adafactor_config *c = step->optimizer->config;
    const double k = (double)step->k;
    const lyc_shape *shape = &slot->param->shape;
    const direction d = {.slot = slot,
                         .rows = is_matrix(slot) ? shape->dims[shape->rank - 2] : 0,
                         .columns = is_matrix(slot) ? shape->dims[shape->rank - 1] : 0,
                         .scale = (float)step->optimizer->scale};
    const double relative = fmin(c->warmup_init ? 1e-6 * k : 1e-2, 1.0 / sqrt(k));
    double rate = c->relative_step ? relative : lyc_optimizer_rate(step, slot);
    if (c->scale_parameter) {
        rate *= fmax(c->eps2, root_mean_square(slot->param->value, slot->param->count));
    }
    gather(&d, c, 1.0 - pow(k, c->decay_rate));
    double squares = 0.0;
    visit_all(&d, add_square, &squares);
    const double size = sqrt(squares / (double)slot->param->count);
    mover to = {.p = slot->param->value,
                .m = c->beta1 > 0.0 ? lyc_optimizer_numbers(slot, slot->state_count - 1) : NULL,
                .factor = (float)(rate / fmax(1.0, size / c->clip_threshold)),
                .keep = (float)(1.0 - c->weight_decay * rate),
                .beta1 = (float)c->beta1};
    visit_all(&d, move, &to);
}

static void step_tensors(void *context, int64_t first, int64_t last, int thread)
{
    const lyc_optimizer_step_context *step = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const lyc_optimizer_slot *slot = &step->optimizer->slots[i];
        if (slot->param->gradient != NULL && slot->param->count > 0) {
            step_tensor(step, slot);
        }
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    lyc_parallel_dynamic((int64_t)step->optimizer->count, 1, step_tensors, (void *)step);
    return LYC_OK;
}

#define AT(member) .offset = offsetof(adafactor_config, member)
static const lyc_option options[] = {
    {.name = "eps1",
     .kind = LYC_OPTION_FLOAT,
     AT(eps1),
     .standard = "1e-30",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "added to squares; eps=A,B sets both"},
    {.name = "eps2",
     .kind = LYC_OPTION_FLOAT,
     AT(eps2),
     .standard = "1e-3",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "the least size of a tensor that scales its step"},
    {.name = "clip_threshold",
     .kind = LYC_OPTION_FLOAT,
     AT(clip_threshold),
     .standard = "1",
     .min = 1e-30,
     .max = LYC_OPTION_UNLIMITED,
     .help = "the largest size of a step before it is scaled"},
    {.name = "decay_rate",
     .kind = LYC_OPTION_FLOAT,
     AT(decay_rate),
     .standard = "-0.8",
     .min = -10,
     .max = 0,
     .help = "how fast squares are forgotten less"},
    {.name = "beta1",
     .kind = LYC_OPTION_FLOAT,
     AT(beta1),
     .standard = "0",
     .min = 0,
     .max = 1,
     .help = "how much of the last step is kept; 0: none"},
    {.name = "weight_decay",
     .kind = LYC_OPTION_FLOAT,
     AT(weight_decay),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "how strongly weights are pulled to zero"},
    {.name = "scale_parameter",
     .kind = LYC_OPTION_BOOL,
     AT(scale_parameter),
     .standard = "true",
     .help = "steps in proportion to the tensor"},
    {.name = "relative_step",
     .kind = LYC_OPTION_BOOL,
     AT(relative_step),
     .standard = "true",
     .help = "a rate of its own; the given ones are not used"},
    {.name = "warmup_init", .kind = LYC_OPTION_BOOL, AT(warmup_init), .help = "that rate begins small"},
    {0},
};

const lyc_optimizer_entry lyc_optimizer_adafactor = {
    .name = "Adafactor",
    .summary = "second moments of rows and columns alone: little memory",
    .source = "arXiv 1804.04235",
    .options = options,
    .config_size = sizeof(adafactor_config),
    .bytes_per_number = 0.1,
    .check = check,
    .add_states = add_states,
    .step = run,
};
