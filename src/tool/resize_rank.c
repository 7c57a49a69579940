/* resize_rank.c - how many ranks a layer keeps
 *
 * The rules are those of sd-scripts' networks/resize_lora.py.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/resize_rank.h"

#include <math.h>
#include <string.h>

/* Of singular values s [n] descending, at most those of the rule, of a matrix that has `all` of them: the others are 0.
 */
typedef int64_t (*rank_rule)(const float *s, int64_t n, int64_t all, double parameter);

static int64_t ranks_of_ratio(const float *s, int64_t n, int64_t all, double parameter)
{
    int64_t count = 0;
    (void)all;
    while (count < n && (double)s[count] > (double)s[0] / parameter) {
        count++;
    }
    return count;
}

/* The index at which the sum of powers reaches a part of the whole, and 1: torch.searchsorted. */
static int64_t ranks_of_sum(const float *s, int64_t n, int64_t all, double part, double power)
{
    double total = 0.0, sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        total += pow((double)s[i], power);
    }
    for (int64_t i = 0; i < n; i++) {
        sum += pow((double)s[i], power);
        if (sum >= part * total) {
            return i + 1;
        }
    }
    return all;
}

static int64_t ranks_of_cumulative(const float *s, int64_t n, int64_t all, double parameter)
{
    return ranks_of_sum(s, n, all, parameter, 1.0);
}

static int64_t ranks_of_fro(const float *s, int64_t n, int64_t all, double parameter)
{
    return ranks_of_sum(s, n, all, parameter * parameter, 2.0);
}

static const struct {
    const char *name;
    rank_rule rule;
    double least, most; /* of the parameter */
} methods[] = {
    {"sv_ratio", ranks_of_ratio, 1.0, 1e9},
    {"sv_cumulative", ranks_of_cumulative, 0.0, 1.0},
    {"sv_fro", ranks_of_fro, 0.0, 1.0},
};
enum { METHOD_COUNT = sizeof methods / sizeof methods[0] };

bool lyc_resize_is_fixed(const lyc_resize_options *o)
{
    return o->method == NULL || strcmp(o->method, "fixed") == 0;
}

/* METHOD_COUNT: a fixed rank, or none that is known. */
static size_t find_method(const lyc_resize_options *o)
{
    size_t i = 0;
    while (i < METHOD_COUNT && (o->method == NULL || strcmp(o->method, methods[i].name) != 0)) {
        i++;
    }
    return i;
}

lyc_status lyc_resize_check_method(const lyc_resize_options *o, lyc_error *err)
{
    const size_t i = find_method(o);
    if (i == METHOD_COUNT) {
        return lyc_resize_is_fixed(o)
                   ? LYC_OK
                   : lyc_fail(err, LYC_E_ARGUMENT,
                              "'%s' is no way to choose ranks; expected fixed, sv_ratio, sv_cumulative or sv_fro",
                              o->method);
    }
    if (!(o->parameter >= methods[i].least && o->parameter <= methods[i].most)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the parameter of %s is %g, expected %g to %g", methods[i].name,
                        o->parameter, methods[i].least, methods[i].most);
    }
    return LYC_OK;
}
static int64_t between(int64_t value, int64_t least, int64_t most)
{
    value = value < most ? value : most;
    return value > least ? value : least;
}

/* Singular values of a change that is nothing. */
static const double NOTHING = 1e-6;

int64_t lyc_resize_rank(const lyc_truncated_svd *svd, int64_t limit, const lyc_resize_options *o)
{
    const size_t method = find_method(o);
    const int64_t all = svd->rows < svd->columns ? svd->rows : svd->columns;
    if (method == METHOD_COUNT) {
        return between(limit, 1, svd->rank);
    }
    if ((double)svd->s[0] <= NOTHING) {
        return 1;
    }
    const int64_t ranks = methods[method].rule(svd->s, svd->rank, all, o->parameter);
    const int64_t wanted = o->exact ? ranks : between(ranks, 1, all - 1) + 1;
    return between(wanted < limit ? wanted : limit, 1, svd->rank);
}
