/* plan_cache.c - a table of plans with one store of weights and one arena
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/plan_cache.h"

#include "base/hashmap.h"
#include "base/memory.h"

struct lyc_plan_cache {
    lyc_plan_options options;
    lyc_weight_store *weights;
    lyc_shared_arena arena;
    lyc_hashmap plans; /* key to entry */
};

typedef struct entry {
    lyc_cached_plan cached;
    lyc_arena arena; /* of the handles */
} entry;

lyc_status lyc_plan_cache_new(lyc_plan_cache **out, const lyc_plan_options *options, lyc_error *err)
{
    lyc_plan_cache *cache = lyc_alloc_zero(1, sizeof *cache);
    if (cache == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a cache of plans");
    }
    const lyc_status status = lyc_weight_store_new(&cache->weights, options->backend, err);
    if (status != LYC_OK) {
        lyc_free(cache);
        return status;
    }
    cache->options = *options;
    cache->options.weights = cache->weights;
    cache->options.arena = &cache->arena;
    *out = cache;
    return LYC_OK;
}

static void free_entry(entry *e)
{
    if (e != NULL) {
        lyc_plan_free(e->cached.plan);
        lyc_graph_free(e->cached.graph);
        lyc_arena_clear(&e->arena);
        lyc_free(e);
    }
}

void lyc_plan_cache_free(lyc_plan_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < cache->plans.count; i++) {
        free_entry(cache->plans.entries[i].value);
    }
    lyc_hashmap_clear(&cache->plans);
    lyc_shared_arena_clear(&cache->arena, cache->options.backend);
    lyc_weight_store_free(cache->weights);
    lyc_free(cache);
}

static lyc_status make(entry *e, lyc_plan_cache *cache, lyc_graph_builder build, void *context, lyc_error *err)
{
    LYC_TRY(lyc_graph_new(&e->cached.graph, err));
    LYC_TRY(build(e->cached.graph, &e->cached.handles, &e->arena, context, err));
    return lyc_plan_compile(&e->cached.plan, e->cached.graph, &cache->options, err);
}

lyc_status lyc_plan_cache_get(const lyc_cached_plan **out, lyc_plan_cache *cache, const char *key,
                              lyc_graph_builder build, void *context, lyc_error *err)
{
    entry *e = lyc_hashmap_get(&cache->plans, lyc_span_of(key));
    if (e == NULL) {
        e = lyc_alloc_zero(1, sizeof *e);
        if (e == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
        }
        lyc_status status = make(e, cache, build, context, err);
        if (status == LYC_OK && !lyc_hashmap_put(&cache->plans, lyc_span_of(key), e)) {
            status = lyc_fail(err, LYC_E_MEMORY, "no memory for a cache of plans");
        }
        if (status != LYC_OK) {
            free_entry(e);
            return status;
        }
    }
    *out = &e->cached;
    return LYC_OK;
}

int lyc_plan_cache_count(const lyc_plan_cache *cache)
{
    return (int)cache->plans.count;
}

size_t lyc_plan_cache_bytes(const lyc_plan_cache *cache)
{
    return cache->arena.bytes + lyc_weight_store_bytes(cache->weights);
}
