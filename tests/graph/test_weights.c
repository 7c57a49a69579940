/* test_weights.c - forms of frozen weights: shared, made on all threads, given up together
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "base/memory.h"

enum { WEIGHTS = 40 };

typedef struct job {
    size_t bytes;
    int value;
    bool fails;
} job;

static lyc_status fill(void *dst, const void *src, void *context, lyc_error *err)
{
    const job *j = context;
    if (j->fails) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "job %d", j->value);
    }
    memset(dst, j->value + *(const char *)src, j->bytes);
    return LYC_OK;
}

/* Sizes from one byte to more than all others together. */
static void ask_for_all(const char *forms[WEIGHTS], job jobs[WEIGHTS], lyc_weight_store *store, const char *sources)
{
    for (int i = 0; i < WEIGHTS; i++) {
        lyc_error err;
        const void *made;
        jobs[i].bytes = i == 17 ? 100000 : (size_t)(1 + i * 53 % 997);
        jobs[i].value = i;
        assert_int_equal(lyc_weight_store_get(&made, store, &sources[i], "form", jobs[i].bytes, fill, &jobs[i], &err),
                         LYC_OK);
        forms[i] = made;
    }
}

static void makes_each_once(void **state)
{
    (void)state;
    lyc_error err;
    lyc_weight_store *store;
    static const char sources[WEIGHTS] = {1, 2, 3};
    const char *forms[WEIGHTS];
    job jobs[WEIGHTS] = {0};
    assert_int_equal(lyc_weight_store_new(&store, lyc_backend_cpu(), &err), LYC_OK);
    ask_for_all(forms, jobs, store, sources);
    assert_int_equal(lyc_weight_store_make(store, &err), LYC_OK);
    assert_int_equal(lyc_weight_store_count(store), WEIGHTS);
    size_t bytes = 0;
    for (int i = 0; i < WEIGHTS; i++) {
        const void *again;
        job never = {.fails = true};
        bytes += jobs[i].bytes;
        assert_int_equal(forms[i][0], i + sources[i]);
        assert_int_equal(forms[i][jobs[i].bytes - 1], i + sources[i]);
        assert_int_equal(lyc_weight_store_get(&again, store, &sources[i], "form", jobs[i].bytes, fill, &never, &err),
                         LYC_OK);
        assert_ptr_equal(again, forms[i]);
    }
    assert_int_equal(lyc_weight_store_bytes(store), bytes);
    assert_int_equal(lyc_weight_store_make(store, &err), LYC_OK);

    /* A part of a weight begins where the weight begins. */
    const void *part;
    job shorter = {.bytes = jobs[3].bytes - 1, .value = 3};
    assert_int_equal(lyc_weight_store_get(&part, store, &sources[3], "form", shorter.bytes, fill, &shorter, &err),
                     LYC_OK);
    assert_ptr_not_equal(part, forms[3]);
    assert_int_equal(lyc_weight_store_count(store), WEIGHTS + 1);
    lyc_weight_store_free(store);
}

/* Nothing half made stays behind: the same forms can be asked for again. */
static void gives_up_together(void **state)
{
    (void)state;
    lyc_error err;
    lyc_weight_store *store;
    static const char sources[WEIGHTS] = {0};
    const char *forms[WEIGHTS];
    for (int bad = 0; bad < WEIGHTS; bad += 17) {
        job jobs[WEIGHTS] = {0};
        assert_int_equal(lyc_weight_store_new(&store, lyc_backend_cpu(), &err), LYC_OK);
        ask_for_all(forms, jobs, store, sources);
        jobs[bad].fails = true;
        char message[16];
        snprintf(message, sizeof message, "job %d", bad);
        assert_int_equal(lyc_weight_store_make(store, &err), LYC_E_UNSUPPORTED);
        assert_string_equal(err.message, message);
        assert_int_equal(lyc_weight_store_count(store), 0);
        assert_int_equal(lyc_weight_store_bytes(store), 0);
        jobs[bad].fails = false;
        ask_for_all(forms, jobs, store, sources);
        assert_int_equal(lyc_weight_store_make(store, &err), LYC_OK);
        assert_int_equal(forms[bad][0], bad);
        lyc_weight_store_free(store);
    }
}

static void survives_lack_of_memory(void **state)
{
    (void)state;
    lyc_error err;
    lyc_weight_store *store;
    static const char source = 0;
    job j = {.bytes = 10, .value = 5};
    const void *form;
    assert_int_equal(lyc_weight_store_new(&store, lyc_backend_cpu(), &err), LYC_OK);
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        lyc_memory_fail_after(n, false);
        lyc_status status = lyc_weight_store_get(&form, store, &source, "form", j.bytes, fill, &j, &err);
        if (status == LYC_OK) {
            status = lyc_weight_store_make(store, &err);
        }
        lyc_memory_fail_after(0, false);
        if (status == LYC_OK) {
            break;
        }
        failures++;
        assert_int_equal(status, LYC_E_MEMORY);
        assert_int_equal(lyc_weight_store_count(store), 0);
    }
    assert_true(failures >= 2);
    assert_int_equal(*(const char *)form, 5);
    lyc_weight_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_each_once),
        cmocka_unit_test(gives_up_together),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
