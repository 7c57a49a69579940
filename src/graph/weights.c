/* weights.c - one form of a frozen weight for each address and format
 *
 * The key of the table is the address in hexadecimal and the format's name. Buffers belong to the backend.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/weights.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hashmap.h"
#include "base/memory.h"

struct lyc_weight_store {
    const lyc_backend *backend;
    lyc_hashmap forms;
    size_t bytes;
};

lyc_status lyc_weight_store_new(lyc_weight_store **out, const lyc_backend *backend, lyc_error *err)
{
    lyc_weight_store *store = lyc_alloc_zero(1, sizeof *store);
    if (store == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a store of weights");
    }
    store->backend = backend;
    *out = store;
    return LYC_OK;
}

void lyc_weight_store_free(lyc_weight_store *store)
{
    if (store == NULL) {
        return;
    }
    for (size_t i = 0; i < store->forms.count; i++) {
        store->backend->release(store->forms.entries[i].value);
    }
    lyc_hashmap_clear(&store->forms);
    lyc_free(store);
}

lyc_status lyc_weight_store_get(const void **form, lyc_weight_store *store, const void *src, const char *key,
                                size_t bytes, lyc_weight_maker make, void *context, lyc_error *err)
{
    char name[LYC_PACK_KEY + 32];
    snprintf(name, sizeof name, "%" PRIxPTR " %s", (uintptr_t)src, key);
    void *made = lyc_hashmap_get(&store->forms, lyc_span_of(name));
    if (made != NULL) {
        *form = made;
        return LYC_OK;
    }
    made = store->backend->alloc(bytes);
    if (made == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a packed weight of %zu bytes", bytes);
    }
    lyc_status status = make(made, src, context, err);
    if (status == LYC_OK && !lyc_hashmap_put(&store->forms, lyc_span_of(name), made)) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for a store of weights");
    }
    if (status != LYC_OK) {
        store->backend->release(made);
        return status;
    }
    store->bytes += bytes;
    *form = made;
    return LYC_OK;
}

size_t lyc_weight_store_bytes(const lyc_weight_store *store)
{
    return store->bytes;
}

int lyc_weight_store_count(const lyc_weight_store *store)
{
    return (int)store->forms.count;
}
