/* plan_cache.h - the plans of one model, by shape
 *
 * Aspect-ratio buckets come and go in any order; each shape is built and compiled once. All plans share the packed
 * frozen weights and one arena, so many shapes cost no more memory than the largest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_PLAN_CACHE_H
#define LYC_GRAPH_PLAN_CACHE_H

#include "base/arena.h"
#include "graph/plan.h"

typedef struct lyc_plan_cache lyc_plan_cache;

/* A graph, its plan, and what its builder wants to find again (inputs, outputs, parameters). */
typedef struct lyc_cached_plan {
    lyc_graph *graph;
    lyc_plan *plan;
    void *handles;
} lyc_cached_plan;

/* Builds the graph of one shape; *handles (from the arena, or NULL) lives as long as the plan. */
typedef lyc_status (*lyc_graph_builder)(lyc_graph *g, void **handles, lyc_arena *arena, void *context, lyc_error *err);

/* options->weights and options->arena are ignored: the cache has its own. Borrows options->backend. */
lyc_status lyc_plan_cache_new(lyc_plan_cache **out, const lyc_plan_options *options, lyc_error *err);
void lyc_plan_cache_free(lyc_plan_cache *cache);

/* The plan of a key ("2x64x64x4 77"), built when it is asked for first; borrowed until the cache is freed. Results of a
 * run last until another plan of the cache runs or is built. */
lyc_status lyc_plan_cache_get(const lyc_cached_plan **out, lyc_plan_cache *cache, const char *key,
                              lyc_graph_builder build, void *context, lyc_error *err);

int lyc_plan_cache_count(const lyc_plan_cache *cache);

/* Bytes of the shared arena and of the packed weights. */
size_t lyc_plan_cache_bytes(const lyc_plan_cache *cache);

#endif
