/* lycoris.c - LyCORIS, when it makes a network from a file (create_network_from_weights, tools/merge.py)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/factorization.h"
#include "tool/consumer/consumer.h"

static const char *const algorithms[] = {"lora", "loha",     "lokr", "dylora", "glora", "full",
                                         "norm", "diag-oft", "boft", "tlora",  NULL};

static bool divides(int64_t factor, const int64_t first[2], const int64_t second[2])
{
    return factor > 0 && first[0] * second[0] % factor == 0 && first[1] * second[1] % factor == 0 &&
           (factor == first[0] || factor == second[0]) && (factor == first[1] || factor == second[1]);
}

static bool gives(int64_t factor, const int64_t first[2], const int64_t second[2])
{
    int64_t small[2], large;
    for (int i = 0; i < 2; i++) {
        lyc_factorization(&small[i], &large, first[i] * second[i], factor);
    }
    return small[0] == first[0] && small[1] == first[1];
}

/* Its loader guesses the factor from the shapes of both matrices, where a 3x3 kernel counts as inputs, and makes a
 * module with it, whose matrices may then have other shapes (LokrModule.make_module_from_state_dict). */
static bool guesses_the_wrong_factor(const lyc_consumer_layer *candidate)
{
    int64_t first[2], second[2], longest[2];
    if (!lyc_consumer_lokr(first, second, longest, candidate)) {
        return false;
    }
    int64_t factor = longest[0] < longest[1] ? longest[0] : longest[1];
    for (int i = 1; i >= 0; i--) {
        factor = divides(longest[i], first, second) ? longest[i] : factor;
    }
    if (gives(-1, first, second)) {
        factor = -1;
    }
    if (lyc_consumer_tensor(candidate, "lokr_w2") == NULL && candidate->kernel > 0) {
        second[1] /= candidate->kernel;
    }
    return !gives(factor, first, second);
}

/* It decomposes the first matrix together with the second one alone. */
static bool decomposes_the_first_alone(const lyc_consumer_layer *candidate)
{
    return lyc_consumer_tensor(candidate, "lokr_w1_a") != NULL && lyc_consumer_tensor(candidate, "lokr_w2") != NULL;
}

static bool needs_alpha(const lyc_consumer_layer *candidate)
{
    const char first = candidate->layer.algorithm[0];
    const bool none = candidate->layer.rank == 0 && first != 'b' && first != 'd';
    return lyc_consumer_lacks_alpha(candidate) && !none;
}

static const lyc_consumer_rule rules[] = {
    {.algorithm = "tlora",
     .verdict = LYC_VERDICT_DIFFERS,
     .reason = "start values are not read: right only where they were the first singular vectors of the same model"},
    {.tensor = "dora_scale",
     .when = lyc_consumer_dora_on_inputs,
     .verdict = LYC_VERDICT_DROPPED,
     .reason = "DoRA over inputs cannot be made from a file"},
    {.algorithm = "lokr",
     .tensor = "lokr_t2",
     .verdict = LYC_VERDICT_DROPPED,
     .reason = "a LoKr with Tucker's core cannot be made from a file"},
    {.algorithm = "lokr",
     .when = decomposes_the_first_alone,
     .verdict = LYC_VERDICT_DROPPED,
     .reason = "a LoKr of which the first matrix alone is decomposed cannot be made from a file"},
    {.algorithm = "lokr",
     .when = guesses_the_wrong_factor,
     .verdict = LYC_VERDICT_DROPPED,
     .reason = "a LoKr whose sides are divided differently cannot be made from a file"},
    {.when = needs_alpha, .verdict = LYC_VERDICT_DROPPED, .reason = "a layer without alpha fails"},
    {.tensor = "bias_values", .verdict = LYC_VERDICT_DIFFERS, .reason = "the sparse residual is not read"},
    {0},
};

const lyc_consumer lyc_consumer_lycoris = {
    .info = {.name = "lycoris", .title = "LyCORIS", .version = "4.1.3"},
    .unet = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_WRAPPER,
    .text = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_WRAPPER,
    .transformer = 1 << LYC_KEY_KOHYA | 1 << LYC_KEY_WRAPPER,
    .writes = LYC_KEY_KOHYA,
    .algorithms = algorithms,
    .rules = rules,
};
