/* networks.h - the small models of tests/conformance/models, and numbers for them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_MODEL_NETWORKS_H
#define TESTS_MODEL_NETWORKS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "checkpoint/component.h"
#include "model/runner.h"

#define SD15 "tests/conformance/models/tiny_sd15/"
#define SDXL "tests/conformance/models/tiny_sdxl/"

static inline lyc_component *open_component(lyc_component_kind kind, const char *config, const char *path)
{
    lyc_component *c = NULL;
    lyc_error err;
    if (lyc_component_open(&c, kind, config, path, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

/* Numbers of the order of 1 that depend on the seed. */
static inline float *numbers(size_t n, unsigned seed)
{
    float *x = lyc_alloc(n * sizeof *x);
    unsigned state = seed * 2654435761u + 1u;
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        float sum = 0.0f;
        for (int k = 0; k < 4; k++) {
            state = state * 1664525u + 1013904223u;
            sum += (float)(state >> 8) / 16777216.0f - 0.5f;
        }
        x[i] = sum * 1.7f;
    }
    return x;
}

static inline double largest_difference(const float *a, const float *b, size_t n)
{
    double most = 0.0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(a[i]) && isfinite(b[i]));
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    }
    return most;
}

/* Root of the mean square of a - b over that of b. */
static inline double relative_difference(const float *a, const float *b, size_t n)
{
    double difference = 0.0;
    double size = 0.0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(a[i]) && isfinite(b[i]));
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / size);
}

static inline void must(lyc_status status, const lyc_error *err)
{
    if (status != LYC_OK) {
        fail_msg("%s", err->message);
    }
}

static inline lyc_runner_options options_of(lyc_precision precision)
{
    return (lyc_runner_options){.precision = precision, .backend = lyc_backend_cpu()};
}

#endif
