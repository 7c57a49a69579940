/* test_gradients.c - the gradient of every operation against finite differences, in double precision
 *
 * For each line of ops.txt: L = sum(seed * y) over the first output. The gradient that autodiff builds, run by the
 * reference kernels in f64, must equal (L(x + h) - L(x - h)) / 2h for every number input, element by element (for large
 * inputs a spread of elements).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/problem_run.h"

static const char *const LINES = "tests/graph/ops.txt";

/* The same problem twice: with its gradients, run once, and forward only, run at every displaced point. */
typedef struct check {
    const char *line;
    problem_run gradients;
    problem_run forward;
} check;

static double objective(check *c)
{
    problem_execute(&c->forward, c->line);
    const double *seed = c->gradients.seed_data;
    double sum = 0.0;
    for (int64_t i = 0; i < lyc_shape_elements(&c->gradients.seed->shape); i++) {
        sum += seed[i] * result_at(&c->forward, 0, i);
    }
    return sum;
}

static void check_element(check *c, const char *name, double *x, double gradient, int64_t index)
{
    const double kept = x[index];
    const double h = 1e-5 * fmax(1.0, fabs(kept));
    x[index] = kept + h;
    const double above = objective(c);
    x[index] = kept - h;
    const double below = objective(c);
    x[index] = kept;
    const double difference = (above - below) / (2.0 * h);
    const double tolerance = 1e-6 * fmax(fabs(difference), fabs(gradient)) + 1e-9 * fmax(1.0, fabs(above));
    if (!(fabs(difference - gradient) <= tolerance)) {
        fail_msg("%s: %s element %lld: %.12g by the graph, %.12g by differences", c->line, name, (long long)index,
                 gradient, difference);
    }
}

/* Which result is the gradient of an input; -1 when none arrives there. */
static int gradient_result(const problem_run *r, int input)
{
    char name[64];
    char result_name[80];
    snprintf(result_name, sizeof result_name, "d_%s", lyc_op_input_name(name, sizeof name, r->text.op, input));
    for (int k = 0; k < r->n_results; k++) {
        if (strcmp(r->names[k], result_name) == 0) {
            return k;
        }
    }
    return -1;
}

/* All of a small input, a spread of a large one, so that a line costs about the same. */
static int64_t elements_to_check(const check *c)
{
    const double work = lyc_plan_flops(c->forward.plan) + 20.0 * lyc_plan_bytes_moved(c->forward.plan) / 8.0;
    return (int64_t)fmax(3.0, fmin(30.0, 2e7 / work));
}

static void check_input(check *c, int input)
{
    char name[64];
    lyc_op_input_name(name, sizeof name, c->gradients.text.op, input);
    const int result = gradient_result(&c->gradients, input);
    const int64_t n = lyc_shape_elements(&c->gradients.inputs[input]->shape);
    const int64_t most = elements_to_check(c);
    const int64_t step = n <= most ? 1 : n / most | 1;
    for (int64_t i = 0; i < n; i += step) {
        const double gradient = result >= 0 ? result_at(&c->gradients, result, i) : 0.0;
        check_element(c, name, c->forward.data[input], gradient, i);
    }
}

static void open_finite(problem_run *r, const char *line)
{
    run_mode mode = {.precision = LYC_PRECISION_F64, .backend = lyc_backend_cpu(), .gradients = true};
    problem_open(r, line, &mode);
    problem_execute(r, line);
    if (!results_finite(r)) {
        problem_close(r);
        mode.positive = true;
        problem_open(r, line, &mode);
    }
}

static void check_line(void *context, const char *line)
{
    bool *checked = context;
    check c = {.line = line};
    open_finite(&c.gradients, line);
    if (c.gradients.seed != NULL) {
        run_mode forward = c.gradients.mode;
        forward.gradients = false;
        problem_open(&c.forward, line, &forward);
        problem_execute(&c.gradients, line);
        for (int i = 0; i < c.gradients.text.n_inputs; i++) {
            if (c.gradients.inputs[i] != NULL && c.gradients.inputs[i]->kind == LYC_VALUE_PARAM) {
                check_input(&c, i);
            }
        }
        problem_close(&c.forward);
    }
    const problem_run r = c.gradients;
    for (int i = 0; lyc_ops[i] != NULL; i++) {
        checked[i] = checked[i] || lyc_ops[i] == r.text.op;
    }
    for (int i = 0; i < lyc_graph_node_count(r.g); i++) {
        for (int j = 0; lyc_ops[j] != NULL; j++) {
            checked[j] = checked[j] || lyc_ops[j] == lyc_graph_node(r.g, i)->op;
        }
    }
    problem_close(&c.gradients);
}

/* Every operation of list.def appears in a line, or in the gradient of one. */
static void test_gradients(void **state)
{
    (void)state;
    bool checked[256] = {false};
    for_each_line(LINES, check_line, checked);
    for (int i = 0; lyc_ops[i] != NULL; i++) {
        if (!checked[i]) {
            fail_msg("%s is in no line of %s", lyc_ops[i]->name, LINES);
        }
    }
}

/* What a rule says that it reads is what its nodes read: plans and their readers rely on it. */
static void check_masks(void *context, const char *line)
{
    (void)context;
    problem_run r;
    open_finite(&r, line);
    const lyc_node *node = r.results[0]->node;
    for (int i = node->id + 1; i < lyc_graph_node_count(r.g); i++) {
        const lyc_node *n = lyc_graph_node(r.g, i);
        for (int j = 0; j < n->n_inputs; j++) {
            for (int k = 0; k < node->n_inputs; k++) {
                if (n->inputs[j] != NULL && n->inputs[j] == node->inputs[k] &&
                    (node->op->gradient_inputs >> k & 1) == 0) {
                    fail_msg("%s: the gradient reads input %d, which gradient_inputs does not name", line, k);
                }
            }
            for (int k = 0; k < node->n_outputs; k++) {
                if (n->inputs[j] == node->outputs[k] && (node->op->gradient_outputs >> k & 1) == 0) {
                    fail_msg("%s: the gradient reads output %d, which gradient_outputs does not name", line, k);
                }
            }
        }
    }
    problem_close(&r);
}

static void test_gradient_masks(void **state)
{
    (void)state;
    for_each_line(LINES, check_masks, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradient_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
