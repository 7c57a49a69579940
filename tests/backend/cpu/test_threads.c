/* test_threads.c - the same bits at any number of threads
 *
 * Every line of the three text files is run with 1, 2, 3 and 8 threads, forward and gradients, in f32 and in bf16, on
 * the best instruction set of this processor. A kernel that is not yet so far is named in `not_yet`, with the reason;
 * the list should stay empty, and a name that is no longer needed there is an error too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/thread.h"
#include "graph/problem_run.h"

/* Names as in "avx2.matmul", without the instruction set. */
static const char *const not_yet[] = {NULL};

enum { NOT_YET_MAX = 16 };

typedef struct comparison {
    lyc_precision precision;
    int differing[NOT_YET_MAX]; /* for each name of not_yet */
    int unexpected;
} comparison;

static const int thread_counts[] = {2, 3, 8};
static const int later_counts[] = {8, 1, 2};

static size_t result_bytes(const problem_run *r, int result)
{
    return lyc_plan_bytes(r->plan, r->results[result]);
}

static bool same_bits(const problem_run *a, const problem_run *b, int result)
{
    return memcmp(lyc_plan_data(a->plan, a->results[result]), lyc_plan_data(b->plan, b->results[result]),
                  result_bytes(a, result)) == 0;
}

/* Whether one of the plan's kernels is in not_yet. */
static bool expected(comparison *c, const problem_run *r)
{
    bool found = false;
    for (int step = 0; step < lyc_plan_step_count(r->plan); step++) {
        const char *dot = strchr(lyc_plan_kernel_name(r->plan, step), '.');
        for (int k = 0; dot != NULL && not_yet[k] != NULL; k++) {
            if (strcmp(dot + 1, not_yet[k]) == 0) {
                c->differing[k]++;
                found = true;
            }
        }
    }
    return found;
}

static void print_kernels(const problem_run *r)
{
    for (int step = 0; step < lyc_plan_step_count(r->plan); step++) {
        print_error("    %s\n", lyc_plan_kernel_name(r->plan, step));
    }
}

/* Activations in bf16: operands that are not frozen and have more than one axis. */
static void rewrite(char *out, size_t size, const char *line, lyc_precision precision)
{
    lyc_error err;
    lyc_problem_text text;
    must(lyc_problem_text_parse(&text, line, &err), &err, line);
    lyc_problem problem = {.op = text.op, .attr = text.attr, .n_inputs = text.n_inputs};
    for (int i = 0; i < text.n_inputs; i++) {
        problem.in[i] = text.in[i];
        if (precision == LYC_PRECISION_BF16 && text.in[i].present && text.in[i].dtype == LYC_F32 &&
            !text.in[i].frozen && text.in[i].shape.rank > 1) {
            problem.in[i].dtype = problem.in[i].stored = LYC_BF16;
        }
    }
    lyc_strbuf buffer = {0};
    lyc_problem_print(&buffer, &problem);
    snprintf(out, size, "%s", lyc_strbuf_text(&buffer));
    lyc_strbuf_clear(&buffer);
}

/* Numbers with all their digits: sums of the usual ones, which are short, would be exact in any order. */
static void refine(problem_run *r)
{
    for (int i = 0; i < r->text.n_inputs; i++) {
        const lyc_value *v = r->inputs[i];
        const bool bound = v != NULL && v->kind != LYC_VALUE_WEIGHT && v->type != LYC_INDEX;
        for (int64_t j = 0; bound && j < lyc_shape_elements(&v->shape); j++) {
            const lyc_dtype dtype = lyc_plan_dtype(r->plan, v);
            lyc_dtype_store(dtype, (char *)r->data[i] + (size_t)j * (size_t)lyc_dtype_bits(dtype) / 8,
                            test_number(i, j, r->mode.positive, true));
        }
    }
}

/* Compiled while there are `threads`, and run while there are `later`, more or fewer: that must make no difference. */
static void run_with(problem_run *r, int threads, int later, const char *line, const run_mode *mode)
{
    lyc_thread_set_count(threads);
    problem_open(r, line, mode);
    refine(r);
    lyc_thread_set_count(later);
    problem_execute(r, line);
}

static void check_line(void *context, const char *line)
{
    comparison *c = context;
    char rewritten[1024];
    rewrite(rewritten, sizeof rewritten, line, c->precision);
    run_mode mode = {.precision = c->precision, .backend = lyc_backend_cpu(), .gradients = true, .frozen = true};
    problem_run one;
    run_with(&one, 1, 3, rewritten, &mode);
    if (!results_finite(&one)) { /* logarithms and roots */
        problem_close(&one);
        mode.positive = true;
        run_with(&one, 1, 3, rewritten, &mode);
    }
    for (size_t t = 0; t < sizeof thread_counts / sizeof thread_counts[0]; t++) {
        problem_run many;
        run_with(&many, thread_counts[t], later_counts[t], rewritten, &mode);
        for (int k = 0; k < one.n_results; k++) {
            if (!same_bits(&one, &many, k) && !expected(c, &many)) {
                print_error("%s: %s differs with %d threads; kernels:\n", rewritten, one.names[k], thread_counts[t]);
                print_kernels(&many);
                c->unexpected++;
            }
        }
        problem_close(&many);
    }
    problem_close(&one);
}

static void check_all(lyc_precision precision)
{
    comparison c = {.precision = precision};
    for_each_line("tests/graph/ops.txt", check_line, &c);
    for_each_line("tests/backend/cpu/shapes.txt", check_line, &c);
    for_each_line("tests/backend/cpu/threads.txt", check_line, &c);
    assert_int_equal(c.unexpected, 0);
    for (int k = 0; not_yet[k] != NULL; k++) {
        print_message("results of %s depend on the number of threads\n", not_yet[k]);
        assert_true(c.differing[k] > 0);
    }
}

static void test_f32(void **state)
{
    (void)state;
    check_all(LYC_PRECISION_F32);
}

static void test_bf16(void **state)
{
    (void)state;
    check_all(LYC_PRECISION_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
