/* weights.h - frozen weights in the forms that kernels take, made once and shared by all plans of a model
 *
 * Aspect-ratio buckets, samplers with several resolutions, training beside sampling: each has its own plan, all share
 * one store. A form is known by the weight's address and the name of its format.
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

/* Fills dst with one form of the weight at src. */
typedef lyc_status (*lyc_weight_maker)(void *dst, const void *src, void *context, lyc_error *err);

/* Borrows the form `key` of the weight at src, making it if it is not there yet. Not thread-safe: plans of one store
 * are compiled one after the other. */
lyc_status lyc_weight_store_get(const void **form, lyc_weight_store *store, const void *src, const char *key,
                                size_t bytes, lyc_weight_maker make, void *context, lyc_error *err);

/* Bytes of all forms, and how many there are. */
size_t lyc_weight_store_bytes(const lyc_weight_store *store);
int lyc_weight_store_count(const lyc_weight_store *store);

#endif
