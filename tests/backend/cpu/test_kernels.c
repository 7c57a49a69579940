/* test_kernels.c - every fast kernel against the reference kernel, on every instruction set that this processor has
 *
 * Lines of tests/graph/ops.txt and tests/backend/cpu/shapes.txt, forward and gradients, in f32 and in bf16, with
 * operands trainable and frozen (marked with an asterisk). The reference computes in double from the same stored
 * numbers and rounds its results once. Tolerances: f32 2e-5 of the result's root mean square and 2e-5 of the element
 * (sums of a few thousand products in another order); bf16 two units in the last place (2^-7) of each, since
 * intermediate results may be rounded to bf16 once more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/problem_run.h"

typedef struct comparison {
    lyc_precision precision;
    const lyc_backend *backend;
    bool frozen;
} comparison;

static double root_mean_square(const problem_run *r, int result)
{
    const int64_t n = lyc_shape_elements(&r->results[result]->shape);
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double x = result_at(r, result, i);
        sum += x * x;
    }
    return sqrt(sum / (double)n);
}

static void compare(const problem_run *got, const problem_run *want, const comparison *c, const char *line)
{
    assert_int_equal(got->n_results, want->n_results);
    for (int k = 0; k < got->n_results; k++) {
        const double unit = c->precision == LYC_PRECISION_BF16 ? 1.0 / 128 : 2e-5;
        const double scale = root_mean_square(want, k);
        for (int64_t i = 0; i < lyc_shape_elements(&got->results[k]->shape); i++) {
            const double g = result_at(got, k, i);
            const double w = result_at(want, k, i);
            if (!(fabs(g - w) <= unit * (scale + fabs(w)))) {
                fail_msg("%s: %s%s, %s element %lld: %.9g, expected %.9g", line, c->backend->name,
                         c->frozen ? " frozen" : "", got->names[k], (long long)i, g, w);
            }
        }
    }
}

/* The text with activations in bf16: the first input and everything that is not frozen and has more than one axis. */
static void as_bf16(lyc_problem_text *text)
{
    for (int i = 0; i < text->n_inputs; i++) {
        if (text->in[i].present && text->in[i].dtype == LYC_F32 && !text->in[i].frozen && text->in[i].shape.rank > 1) {
            text->in[i].dtype = text->in[i].stored = LYC_BF16;
        }
    }
}

static void print_line(char *out, size_t size, const lyc_problem_text *text)
{
    lyc_problem problem = {.op = text->op, .attr = text->attr, .n_inputs = text->n_inputs};
    memcpy(problem.in, text->in, sizeof problem.in);
    lyc_strbuf buffer = {0};
    lyc_problem_print(&buffer, &problem);
    snprintf(out, size, "%s", lyc_strbuf_text(&buffer));
    lyc_strbuf_clear(&buffer);
}

static void check_line(void *context, const char *line)
{
    const comparison *c = context;
    if (c->frozen && strchr(line, '*') == NULL) {
        return; /* has no frozen operand */
    }
    lyc_error err;
    lyc_problem_text text;
    char rewritten[1024];
    must(lyc_problem_text_parse(&text, line, &err), &err, line);
    if (c->precision == LYC_PRECISION_BF16) {
        as_bf16(&text);
    }
    print_line(rewritten, sizeof rewritten, &text);
    run_mode mode = {.precision = c->precision,
                     .backend = c->backend,
                     .gradients = true,
                     .frozen = c->frozen,
                     .reference_only = true};
    problem_run want;
    problem_run got;
    problem_open(&want, rewritten, &mode);
    problem_execute(&want, line);
    if (!results_finite(&want)) {
        problem_close(&want);
        mode.positive = true;
        problem_open(&want, rewritten, &mode);
        problem_execute(&want, line);
    }
    mode.reference_only = false;
    problem_open(&got, rewritten, &mode);
    problem_execute(&got, line);
    compare(&got, &want, c, rewritten);
    problem_close(&got);
    problem_close(&want);
}

static void check_all(lyc_precision precision, bool frozen)
{
    for (int isa = 0; isa <= (int)lyc_cpu_isa(); isa++) {
        comparison c = {precision, lyc_backend_cpu_isa((lyc_isa)isa), frozen};
        if (c.backend != NULL) {
            for_each_line("tests/graph/ops.txt", check_line, &c);
            for_each_line("tests/backend/cpu/shapes.txt", check_line, &c);
        }
    }
}

static void test_f32(void **state)
{
    (void)state;
    check_all(LYC_PRECISION_F32, false);
}

static void test_f32_frozen(void **state)
{
    (void)state;
    check_all(LYC_PRECISION_F32, true);
}

static void test_bf16(void **state)
{
    (void)state;
    check_all(LYC_PRECISION_BF16, false);
}

static void test_bf16_frozen(void **state)
{
    (void)state;
    check_all(LYC_PRECISION_BF16, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_f32_frozen),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_bf16_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
