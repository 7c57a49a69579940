/* profile.c - where the time of a plan goes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KINDS = 96 };

/* Time and work of one kind of operation: "conv2d 3x3", "matmul". */
typedef struct kind {
    char name[48];
    int steps;
    double seconds;
    double flops;
    double bytes;
} kind;

static void name_kind(char *name, size_t size, const lyc_problem *p)
{
    const lyc_shape *w = &p->in[1].shape;
    if (strcmp(p->op->name, "conv2d") == 0) {
        snprintf(name, size, "conv2d %dx%d", (int)w->dims[2], (int)w->dims[3]);
    } else {
        snprintf(name, size, "%s", p->op->name);
    }
}

static int add_to_kinds(kind *kinds, int count, const lyc_problem *p, double seconds)
{
    char name[48];
    int i = 0;
    name_kind(name, sizeof name, p);
    while (i < count && strcmp(kinds[i].name, name) != 0) {
        i++;
    }
    if (i == MAX_KINDS) {
        return count;
    }
    snprintf(kinds[i].name, sizeof kinds[i].name, "%s", name);
    kinds[i].steps++;
    kinds[i].seconds += seconds;
    kinds[i].flops += lyc_problem_flops(p);
    kinds[i].bytes += lyc_problem_bytes(p);
    return i == count ? count + 1 : count;
}

static int slower_first(const void *a, const void *b)
{
    const double x = ((const kind *)a)->seconds;
    const double y = ((const kind *)b)->seconds;
    return (x < y) - (x > y);
}

void bench_profile_print(const lyc_plan *plan, const double *seconds, int runs)
{
    kind kinds[MAX_KINDS] = {0};
    int count = 0;
    double total = 0.0;
    for (int i = 0; i < lyc_plan_step_count(plan); i++) {
        const lyc_problem *p = lyc_plan_problem(plan, i);
        if (p != NULL) {
            count = add_to_kinds(kinds, count, p, seconds[i] / runs);
            total += seconds[i] / runs;
        }
    }
    qsort(kinds, (size_t)count, sizeof kinds[0], slower_first);
    printf("    %-22s %6s %10s %7s %9s %8s\n", "operation", "steps", "ms", "share", "GFLOP/s", "GB/s");
    for (int i = 0; i < count; i++) {
        const kind *k = &kinds[i];
        printf("    %-22s %6d %10.2f %6.1f%% %9.1f %8.1f\n", k->name, k->steps, 1e3 * k->seconds,
               100.0 * k->seconds / total, k->flops / k->seconds * 1e-9, k->bytes / k->seconds * 1e-9);
    }
}
