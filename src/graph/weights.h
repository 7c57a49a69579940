/* weights.h - frozen weights in the forms that kernels take, made once and shared by all plans of a model
 *
 * Aspect-ratio buckets, samplers with several resolutions, training beside sampling: each has its own plan, all share
 * one store. A form is known by the weight's address, its own size and the name of its format.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_WEIGHTS_H
#define LYC_GRAPH_WEIGHTS_H

#include "graph/backend.h"

typedef struct lyc_weight_store lyc_weight_store;

lyc_status lyc_weight_store_new(lyc_weight_store **out, const lyc_backend *backend, lyc_error *err);

/* Also frees every form; plans that use them must be gone. Accepts NULL. */
void lyc_weight_store_free(lyc_weight_store *store);

/* Fills dst with one form of the weight at src. Several run at the same time. */
typedef lyc_status (*lyc_weight_maker)(void *dst, const void *src, void *context, lyc_error *err);

/* Borrows the form `key` of the weight at src. One that is not there yet gets its memory now and its contents with
 * lyc_weight_store_make, until which src and context (kept) must stay. Not thread-safe: plans of one store are compiled
 * one after the other. */
lyc_status lyc_weight_store_get(const void **made, lyc_weight_store *store, const void *src, const char *key,
                                size_t bytes, lyc_weight_maker make, void *context, lyc_error *err);

/* Makes what was asked for since the last time, on all threads: a model has many small weights and a few large ones, so
 * small ones go side by side. When one fails, all of them are given up as by lyc_weight_store_forget. */
lyc_status lyc_weight_store_make(lyc_weight_store *store, lyc_error *err);

/* Gives up what was asked for and is not made yet. */
void lyc_weight_store_forget(lyc_weight_store *store);

/* Bytes of all forms, and how many there are. */
size_t lyc_weight_store_bytes(const lyc_weight_store *store);
int lyc_weight_store_count(const lyc_weight_store *store);

#endif
