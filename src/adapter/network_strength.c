/* network_strength.c - strengths, block weights, step ranges, ranks: what changes between runs of one plan
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/network_internal.h"
#include "base/memory.h"

bool lyc_network_is_text(const char *component)
{
    return strncmp(component, "text_encoder", strlen("text_encoder")) == 0;
}

static bool acts_now(const lyc_network *network, const lyc_member *m)
{
    if (network->steps <= 0) {
        return true;
    }
    const double at = (double)network->step / network->steps;
    return at >= m->from && at < m->to;
}

static bool set(float *strength, double value)
{
    const bool changed = *strength != (float)value;
    *strength = (float)value;
    return changed;
}

void lyc_network_fill_strengths(lyc_network *network)
{
    bool changed = false;
    for (size_t k = 0; k < network->count; k++) {
        lyc_member *m = network->members[k];
        const double unet = acts_now(network, m) ? m->unet : 0;
        for (int i = 0; i <= LYC_NETWORK_BLOCKS; i++) {
            changed = set(&m->strengths[0][i], unet * m->blocks[i]) || changed;
            changed = set(&m->strengths[1][i], m->text * m->blocks[i]) || changed;
        }
    }
    network->revision += changed;
}

void lyc_network_set_strength(lyc_network *network, size_t member, double unet, double text)
{
    network->members[member]->unet = unet;
    network->members[member]->text = text;
    lyc_network_fill_strengths(network);
}

void lyc_network_set_blocks(lyc_network *network, size_t member, const double weights[LYC_NETWORK_BLOCKS])
{
    memcpy(network->members[member]->blocks, weights, LYC_NETWORK_BLOCKS * sizeof *weights);
    lyc_network_fill_strengths(network);
}

void lyc_network_set_range(lyc_network *network, size_t member, double from, double to)
{
    network->members[member]->from = from;
    network->members[member]->to = to;
    lyc_network_fill_strengths(network);
}

void lyc_network_set_step(lyc_network *network, int step, int steps)
{
    network->step = step;
    network->steps = steps;
    lyc_network_fill_strengths(network);
}

/* --- ranks ---------------------------------------------------------------------------------------------------------
 */

static bool set_rank(const lyc_network *network, lyc_member_layer *layer, size_t sample, double timestep)
{
    const lyc_adapter *a = layer->entry.adapter;
    /* Ranks that are drawn are for training: otherwise all act. */
    const bool drawn = !a->algorithm->ranks_by_timestep;
    const lyc_adapter_config *config = a->config;
    const double ranks = drawn && network->use != LYC_NETWORK_TRAINED ? (double)config->rank
                                                                      : a->algorithm->ranks(a, timestep, network->draw);
    return set(&layer->ranks[sample], ranks);
}

void lyc_network_fill_ranks(const lyc_network *network, lyc_member_layer *layer)
{
    for (size_t i = 0; layer->ranks != NULL && i < network->sample_capacity; i++) {
        set_rank(network, layer, i, (double)network->timestep);
    }
}

void lyc_network_set_timesteps(lyc_network *network, const float *timesteps, size_t count, double draw)
{
    bool changed = false;
    network->timestep = count > 0 ? timesteps[0] : network->timestep;
    network->draw = draw;
    for (size_t k = 0; k < network->count; k++) {
        lyc_member *m = network->members[k];
        for (size_t i = 0; i < m->count; i++) {
            for (size_t s = 0; m->layers[i].ranks != NULL && s < network->sample_capacity; s++) {
                const double t = (double)(s < count ? timesteps[s] : network->timestep);
                changed = set_rank(network, &m->layers[i], s, t) || changed;
            }
        }
    }
    network->revision += changed;
}

lyc_status lyc_network_set_samples(lyc_network *network, size_t samples, lyc_error *err)
{
    if (network->count > 0 && samples > network->sample_capacity) {
        return lyc_fail(err, LYC_E_ARGUMENT, "samples with ranks of their own come before adapters");
    }
    network->samples = samples > 0 ? samples : 1;
    network->sample_capacity = network->count > 0 ? network->sample_capacity : network->samples;
    return LYC_OK;
}

void lyc_network_set_key(lyc_network *network, uint32_t seed, uint32_t step)
{
    network->key[0] = (int32_t)seed;
    network->key[1] = (int32_t)step;
}

uint64_t lyc_network_active(const lyc_network *network, const char *component)
{
    uint64_t active = 0;
    for (size_t k = 0; k < network->count; k++) {
        const lyc_member *m = network->members[k];
        const double strength = lyc_network_is_text(component) ? m->text : acts_now(network, m) ? m->unet : 0;
        const bool acts = network->use == LYC_NETWORK_TRAINED || strength < 0 || strength > 0;
        active |= acts ? (uint64_t)1 << k : 0;
    }
    return active;
}

uint64_t lyc_network_revision(const lyc_network *network)
{
    return network->revision;
}
