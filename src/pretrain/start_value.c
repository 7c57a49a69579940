/* start_value.c - the numbers that a tensor of a new network has before it learns
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pretrain/start_value.h"

#include <math.h>
#include <string.h>

#include "base/string.h"
#include "tensor/random.h"

typedef enum rule { ZERO, ONE, LAYER, TABLE, LOGIT_SCALE } rule;

/* The first line whose text ends a name. Weights of rank 1 are those of norms and found before. */
static const struct {
    const char *end;
    rule rule;
} rules[] = {
    {"logit_scale", LOGIT_SCALE}, {".bias", ZERO},
    {"class_token", TABLE},       {"class_embedding", TABLE},
    {"positions", TABLE},         {"embedding.weight", TABLE},
    {".conv2.weight", ZERO},      {".proj_out.weight", ZERO},
    {".to_out.0.weight", ZERO},   {".weight", LAYER},
};

static rule rule_of(const char *name, const lyc_shape *shape)
{
    const lyc_span text = lyc_span_of(name);
    if (shape->rank == 1 && lyc_span_ends_with(text, ".weight")) {
        return ONE;
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (lyc_span_ends_with(text, rules[i].end)) {
            return rules[i].rule;
        }
    }
    return LAYER;
}

/* FNV-1a: a stream of its own for each name. */
static uint32_t hash(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name != '\0'; name++) {
        h = (h ^ (unsigned char)*name) * 16777619u;
    }
    return h;
}

static void normals(float *out, int64_t count, double deviation, const char *name, uint64_t seed)
{
    const lyc_native_random random = {.seed = seed, .purpose = LYC_RANDOM_INIT, .step = hash(name)};
    lyc_native_random_normals(&random, out, 0, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        out[i] *= (float)deviation;
    }
}

static void fill(float *out, int64_t count, float value)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = value;
    }
}

void lyc_start_value(float *out, const char *name, const lyc_shape *shape, uint64_t seed)
{
    const int64_t count = lyc_shape_elements(shape);
    const int64_t inputs = shape->rank > 1 ? count / shape->dims[0] : 1;
    switch (rule_of(name, shape)) {
    case ZERO:
        fill(out, count, 0.0f);
        break;
    case ONE:
        fill(out, count, 1.0f);
        break;
    case TABLE:
        normals(out, count, 0.02, name, seed);
        break;
    case LOGIT_SCALE:
        fill(out, count, logf(1.0f / 0.07f));
        break;
    case LAYER:
        normals(out, count, 1.0 / sqrt((double)inputs), name, seed);
        break;
    }
}
