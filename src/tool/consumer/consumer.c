/* consumer.c - what a program makes of a layer
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/consumer/consumer.h"

#include <math.h>
#include <string.h>

const lyc_consumer *const lyc_consumers[] = {
#define LYC_CONSUMER(name) &lyc_consumer_##name,
#include "tool/consumer/list.def"
#undef LYC_CONSUMER
    NULL,
};

const lyc_tensor_view *lyc_consumer_tensor(const lyc_consumer_layer *candidate, const char *name)
{
    for (size_t i = 0; i < candidate->layer.tensor_count; i++) {
        if (strcmp(candidate->layer.tensors[i].name, name) == 0) {
            return &candidate->layer.tensors[i];
        }
    }
    return NULL;
}

/* A vector, as PEFT writes it, is of outputs. */
bool lyc_consumer_dora_on_inputs(const lyc_consumer_layer *candidate)
{
    const lyc_tensor_view *scale = lyc_consumer_tensor(candidate, "dora_scale");
    return scale != NULL && scale->shape.rank > 1 && scale->shape.dims[0] == 1 && scale->shape.dims[1] > 1 &&
           candidate->scheme != LYC_KEY_PEFT;
}

bool lyc_consumer_dora_on_outputs(const lyc_consumer_layer *candidate)
{
    return lyc_consumer_tensor(candidate, "dora_scale") != NULL && !lyc_consumer_dora_on_inputs(candidate);
}

bool lyc_consumer_has_constraint(const lyc_consumer_layer *candidate)
{
    return !isnan(candidate->layer.alpha) && candidate->layer.alpha > 0.0;
}

bool lyc_consumer_lacks_alpha(const lyc_consumer_layer *candidate)
{
    return isnan(candidate->layer.alpha);
}

/* The first two extents of a matrix, or of the product of its factors. False: the layer has neither. */
static bool extents(int64_t out[2], int64_t *longest, const lyc_consumer_layer *candidate, const char *const names[3])
{
    const lyc_tensor_view *whole = lyc_consumer_tensor(candidate, names[0]);
    const lyc_tensor_view *left = lyc_consumer_tensor(candidate, names[1]);
    const lyc_tensor_view *right = lyc_consumer_tensor(candidate, names[2]);
    if (whole != NULL ? whole->shape.rank < 2 : left == NULL || right == NULL || right->shape.rank < 2) {
        return false;
    }
    out[0] = (whole != NULL ? whole : left)->shape.dims[0];
    out[1] = (whole != NULL ? whole : right)->shape.dims[1];
    *longest = out[0] > out[1] ? out[0] : out[1];
    for (int i = 2; whole != NULL && i < whole->shape.rank; i++) {
        *longest = whole->shape.dims[i] > *longest ? whole->shape.dims[i] : *longest;
    }
    return true;
}

bool lyc_consumer_lokr(int64_t first[2], int64_t second[2], int64_t longest[2], const lyc_consumer_layer *candidate)
{
    static const char *const names[2][3] = {{"lokr_w1", "lokr_w1_a", "lokr_w1_b"},
                                            {"lokr_w2", "lokr_w2_a", "lokr_w2_b"}};
    return extents(first, &longest[0], candidate, names[0]) && extents(second, &longest[1], candidate, names[1]);
}

static unsigned schemes_of(const lyc_consumer *consumer, const char *component)
{
    if (strcmp(component, "unet") == 0) {
        return consumer->unet;
    }
    return strncmp(component, "text_encoder", 12) == 0 ? consumer->text : consumer->transformer;
}

static bool reads_algorithm(const lyc_consumer *consumer, const char *algorithm)
{
    for (const char *const *known = consumer->algorithms; *known != NULL; known++) {
        if (strcmp(*known, algorithm) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_true(const lyc_consumer_rule *rule, const lyc_consumer_layer *candidate)
{
    return (rule->algorithm == NULL || strcmp(rule->algorithm, candidate->layer.algorithm) == 0) &&
           (rule->tensor == NULL || lyc_consumer_tensor(candidate, rule->tensor) != NULL) &&
           (rule->when == NULL || rule->when(candidate));
}

lyc_verdict lyc_consumer_judge(const char *reasons[LYC_CONSUMER_REASONS], lyc_verdict verdicts[LYC_CONSUMER_REASONS],
                               int *count, const lyc_consumer *consumer, const lyc_consumer_layer *candidate)
{
    *count = 0;
    lyc_verdict worst = LYC_VERDICT_LOADS;
    if ((schemes_of(consumer, candidate->layer.component) & 1u << candidate->scheme) == 0) {
        reasons[0] = "names of this kind are not known";
    } else if (!reads_algorithm(consumer, candidate->layer.algorithm)) {
        reasons[0] = "the algorithm is not known";
    } else {
        for (const lyc_consumer_rule *rule = consumer->rules; rule->reason != NULL; rule++) {
            if (*count < LYC_CONSUMER_REASONS && is_true(rule, candidate)) {
                reasons[*count] = rule->reason;
                verdicts[(*count)++] = rule->verdict;
                worst = rule->verdict > worst ? rule->verdict : worst;
            }
        }
        return worst;
    }
    verdicts[0] = LYC_VERDICT_DROPPED;
    *count = 1;
    return LYC_VERDICT_DROPPED;
}
