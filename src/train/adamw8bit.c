/* adamw8bit.c - AdamW with moments of 8 bits
 *
 * Each block of 256 numbers has a scale, the largest magnitude in it, and codes into a table of 256 values that lie
 * densely near zero (arXiv 2110.02861; tables and layout of bitsandbytes). A step widens the moments, goes as AdamW and
 * narrows them again: code = nearest entry to value / scale; a block of zeros has the code of 0 and scale 0. Tensors of
 * fewer than 4096 numbers keep f32.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "train/code_table.h"
#include "train/moments.h"

enum { BLOCK = LYC_CODE_BLOCK, LEAST = 4096 };

/* States of a narrow tensor. */
enum { M_CODES, M_SCALES, V_CODES, V_SCALES };

static bool is_narrow(const lyc_optimizer_slot *slot)
{
    return slot->param->count >= LEAST;
}

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    const lyc_shape blocks = {.rank = 1, .dims = {(slot->param->count + BLOCK - 1) / BLOCK}};
    (void)config;
    if (!is_narrow(slot)) {
        LYC_TRY(lyc_optimizer_add_state(slot, "exp_avg", LYC_F32, &slot->param->shape, err));
        return lyc_optimizer_add_state(slot, "exp_avg_sq", LYC_F32, &slot->param->shape, err);
    }
    LYC_TRY(lyc_optimizer_add_state(slot, "state1", LYC_U8, &slot->param->shape, err));
    LYC_TRY(lyc_optimizer_add_state(slot, "absmax1", LYC_F32, &blocks, err));
    LYC_TRY(lyc_optimizer_add_state(slot, "state2", LYC_U8, &slot->param->shape, err));
    return lyc_optimizer_add_state(slot, "absmax2", LYC_F32, &blocks, err);
}

static void begin(lyc_optimizer *optimizer)
{
    lyc_code_table *tables = optimizer->more;
    lyc_code_table_make(&tables[LYC_CODES_SIGNED], true);
    lyc_code_table_make(&tables[LYC_CODES_UNSIGNED], false);
    for (size_t i = 0; i < optimizer->count; i++) {
        const lyc_optimizer_slot *slot = &optimizer->slots[i];
        for (int64_t k = 0; is_narrow(slot) && k < slot->param->count; k++) {
            ((uint8_t *)slot->states[M_CODES].data)[k] = tables[LYC_CODES_SIGNED].zero;
            ((uint8_t *)slot->states[V_CODES].data)[k] = tables[LYC_CODES_UNSIGNED].zero;
        }
    }
}

static void update_numbers(float *restrict p, float *restrict m, float *restrict v, const float *restrict gradient,
                           int64_t n, const lyc_moments_step *s)
{
    for (int64_t i = 0; i < n; i++) {
        const float g = gradient[i] * s->scale;
        m[i] = s->b1 * m[i] + s->c1 * g;
        v[i] = s->b2 * v[i] + s->c2 * g * g;
        p[i] = p[i] * s->keep - s->rate * m[i] / (sqrtf(v[i]) * s->unbias + s->eps);
    }
}

static void update(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                   int64_t last)
{
    const lyc_moments_step s = lyc_moments_step_of(step->optimizer->config, step, slot);
    const lyc_code_table *tables = step->optimizer->more;
    float *p = slot->param->value;
    const float *g = slot->param->gradient;
    (void)sums;
    if (!is_narrow(slot)) {
        update_numbers(p + first, lyc_optimizer_numbers(slot, 0) + first, lyc_optimizer_numbers(slot, 1) + first,
                       g + first, last - first, &s);
        return;
    }
    for (int64_t at = first; at < last; at += BLOCK) {
        float m[BLOCK], v[BLOCK];
        const int64_t n = last - at < BLOCK ? last - at : BLOCK;
        uint8_t *codes_m = (uint8_t *)slot->states[M_CODES].data + at;
        uint8_t *codes_v = (uint8_t *)slot->states[V_CODES].data + at;
        float *scale_m = lyc_optimizer_numbers(slot, M_SCALES) + at / BLOCK;
        float *scale_v = lyc_optimizer_numbers(slot, V_SCALES) + at / BLOCK;
        lyc_code_widen(m, codes_m, *scale_m, n, &tables[LYC_CODES_SIGNED]);
        lyc_code_widen(v, codes_v, *scale_v, n, &tables[LYC_CODES_UNSIGNED]);
        update_numbers(p + at, m, v, g + at, n, &s);
        lyc_code_narrow(codes_m, scale_m, m, n, &tables[LYC_CODES_SIGNED]);
        lyc_code_narrow(codes_v, scale_v, v, n, &tables[LYC_CODES_UNSIGNED]);
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    lyc_optimizer_for_pieces(NULL, step, update);
    return LYC_OK;
}

static const lyc_option options[] = {LYC_MOMENTS_OPTIONS("0.9", "0.999", "1e-8", "0.01"), {0}};

const lyc_optimizer_entry lyc_optimizer_adamw8bit = {
    .name = "AdamW8bit",
    .aliases = (const char *const[]){"PagedAdamW8bit", NULL},
    .summary = "AdamW with moments of 8 bits: a quarter of its memory",
    .source = "arXiv 2110.02861",
    .options = options,
    .config_size = sizeof(lyc_moments_config),
    .more_size = 2 * sizeof(lyc_code_table),
    .bytes_per_number = 2.03,
    .usual_rate = 1e-4,
    .check = lyc_moments_check,
    .add_states = add_states,
    .begin = begin,
    .step = run,
};
