/* weights.c - one form of a frozen weight for each address and format
 *
 * The key of the table is the address in hexadecimal and the format's name. Buffers belong to the backend.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/weights.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/memory.h"
#include "base/thread.h"

typedef struct form form;
struct form {
    void *memory; /* NULL: was given up */
    size_t bytes;
    form *next; /* the one that was asked for before; of pending ones */
    lyc_weight_maker make;
    const void *src;
    void *context;
};

struct lyc_weight_store {
    const lyc_backend *backend;
    lyc_arena arena; /* of the forms' descriptions */
    lyc_hashmap forms;
    form *pending; /* asked for, not made yet */
    size_t bytes;
    int count;
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
        const form *f = store->forms.entries[i].value;
        if (f->memory != NULL) {
            store->backend->release(f->memory);
        }
    }
    lyc_hashmap_clear(&store->forms);
    lyc_arena_clear(&store->arena);
    lyc_free(store);
}

/* The description of a form, new ones without memory. NULL when there is no memory for it. */
static form *find_or_add(lyc_weight_store *store, const void *src, const char *key, size_t bytes)
{
    char name[LYC_PACK_KEY + 64];
    snprintf(name, sizeof name, "%" PRIxPTR " %zu %s", (uintptr_t)src, bytes, key);
    form *f = lyc_hashmap_get(&store->forms, lyc_span_of(name));
    if (f == NULL) {
        f = lyc_arena_alloc(&store->arena, 1, sizeof *f);
        if (f == NULL || !lyc_hashmap_put(&store->forms, lyc_span_of(name), f)) {
            return NULL;
        }
    }
    return f;
}

lyc_status lyc_weight_store_get(const void **made, lyc_weight_store *store, const void *src, const char *key,
                                size_t bytes, lyc_weight_maker make, void *context, lyc_error *err)
{
    form *f = find_or_add(store, src, key, bytes);
    if (f == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a store of weights");
    }
    if (f->memory == NULL) {
        void *memory = store->backend->alloc(bytes);
        if (memory == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for a packed weight of %zu bytes", bytes);
        }
        *f = (form){memory, bytes, store->pending, make, src, context};
        store->pending = f;
        store->bytes += bytes;
        store->count++;
    }
    *made = f->memory;
    return LYC_OK;
}

void lyc_weight_store_forget(lyc_weight_store *store)
{
    for (form *f = store->pending; f != NULL; f = f->next) {
        store->backend->release(f->memory);
        f->memory = NULL;
        store->bytes -= f->bytes;
        store->count--;
    }
    store->pending = NULL;
}

typedef struct making {
    form **forms; /* the largest first */
    int count;
    atomic_bool failed;
    lyc_error *err; /* of the first that fails */
} making;

static void make_forms(void *context, int64_t first, int64_t last, int thread)
{
    making *m = context;
    (void)thread;
    for (int64_t i = first; i < last && !atomic_load(&m->failed); i++) {
        const form *f = m->forms[i];
        lyc_error err;
        if (f->make(f->memory, f->src, f->context, &err) != LYC_OK && !atomic_exchange(&m->failed, true)) {
            *m->err = err;
        }
    }
}

static int larger_first(const void *a, const void *b)
{
    const size_t x = (*(form *const *)a)->bytes;
    const size_t y = (*(form *const *)b)->bytes;
    return (x < y) - (x > y);
}

/* What is larger than a share of the whole is made by all threads together, the rest side by side. */
static void make_all(making *m, size_t bytes)
{
    const size_t share = bytes / (2 * (size_t)lyc_thread_count()) + 1;
    int large = 0;
    qsort(m->forms, (size_t)m->count, sizeof(form *), larger_first);
    while (large < m->count && m->forms[large]->bytes > share) {
        make_forms(m, large, large + 1, 0);
        large++;
    }
    making rest = {.forms = m->forms + large, .count = m->count - large, .err = m->err};
    if (!atomic_load(&m->failed)) {
        lyc_parallel_dynamic(rest.count, 1, make_forms, &rest);
        atomic_store(&m->failed, atomic_load(&rest.failed));
    }
}

lyc_status lyc_weight_store_make(lyc_weight_store *store, lyc_error *err)
{
    int count = 0;
    size_t bytes = 0;
    for (const form *f = store->pending; f != NULL; f = f->next) {
        bytes += f->bytes;
        count++;
    }
    if (count == 0) {
        return LYC_OK;
    }
    making m = {.forms = lyc_alloc((size_t)count * sizeof *m.forms), .count = count, .err = err};
    if (m.forms == NULL) {
        lyc_weight_store_forget(store);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a store of weights");
    }
    form *f = store->pending;
    for (int i = 0; i < count; i++, f = f->next) {
        m.forms[i] = f;
    }
    make_all(&m, bytes);
    lyc_free(m.forms);
    if (atomic_load(&m.failed)) {
        lyc_weight_store_forget(store);
        return err->status;
    }
    store->pending = NULL;
    return LYC_OK;
}

size_t lyc_weight_store_bytes(const lyc_weight_store *store)
{
    return store->bytes;
}

int lyc_weight_store_count(const lyc_weight_store *store)
{
    return store->count;
}
