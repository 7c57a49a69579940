/* test_simd_math.c - the errors of the functions in simd_math.h, over the floats of their range
 *
 * Each function meets every 4,099th float, of both signs, subnormals and infinities included, and is compared with the
 * C library in double. An error is in units of the last place of the result, a subnormal one in units of 2^-149. What
 * kernels are made of these functions for each instruction set is compared too, by the operations that are nothing
 * else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/simd_math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "graph/op.h"

enum { STEP = 4099 };

/* want: in double; [low, high]: arguments for which bound (in units of the last place) is promised. */
typedef struct function_case {
    const char *name;
    double (*want)(double x);
    lyc_vf (*vector)(lyc_vf x); /* NULL: an operation alone */
    const lyc_op *op;           /* NULL: a vector function alone */
    double low, high;
    double bound;
    float nan_free; /* an argument in the range whose result is a number */
} function_case;

static lyc_vf exp_vector(lyc_vf x)
{
    return lyc_vexp(x);
}

static lyc_vf exp2_vector(lyc_vf x)
{
    return lyc_vexp2_down(x);
}

static lyc_vf log2_vector(lyc_vf x)
{
    return lyc_vlog2(x);
}

static lyc_vf sigmoid_vector(lyc_vf x)
{
    return lyc_vsigmoid(x);
}

static lyc_vf tanh_vector(lyc_vf x)
{
    return lyc_vtanh(x);
}

static lyc_vf normal_vector(lyc_vf x)
{
    return lyc_vnormal_cdf(x);
}

static double sigmoid_exact(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double normal_exact(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

static double gelu_exact(double x)
{
    return x * normal_exact(x);
}

static double silu_exact(double x)
{
    return x * sigmoid_exact(x);
}

static const function_case cases[] = {
    {"exp", exp, exp_vector, &lyc_op_exp, -INFINITY, INFINITY, 1.1, 0},
    {"exp2_down", exp2, exp2_vector, NULL, -126.0, 127.0, 3.2, 0},
    {"log2", log2, log2_vector, NULL, 0x1p-126, INFINITY, 2.0, 1},
    {"sigmoid", sigmoid_exact, sigmoid_vector, &lyc_op_sigmoid, -87.0, INFINITY, 2.2, 0},
    {"tanh", tanh, tanh_vector, &lyc_op_tanh, -INFINITY, INFINITY, 1.5, 0},
    /* In the tail the square of x is rounded before it becomes an exponent: 4e-6 of values below 1e-30. */
    {"normal", normal_exact, normal_vector, NULL, -3.0, INFINITY, 8.0, 0},
    {"normal", normal_exact, normal_vector, NULL, -13.0, -3.0, 70.0, -4},
    {"gelu", gelu_exact, NULL, &lyc_op_gelu, -3.0, INFINITY, 8.0, 0},
    {"gelu", gelu_exact, NULL, &lyc_op_gelu, -12.0, -3.0, 70.0, -4},
    {"silu", silu_exact, NULL, &lyc_op_silu, -87.0, INFINITY, 2.5, 0},
};

/* Units of the last place by which found differs from want. */
static double error_of(float found, double want)
{
    if (isnan(want) || isinf((float)want)) {
        return (isnan(want) ? isnan(found) != 0 : found == (float)want) ? 0.0 : (double)INFINITY;
    }
    int exponent;
    frexp(want, &exponent);
    return fabs((double)found - want) / ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
}

/* Floats of [low, high], the whole array a multiple of the vector; returns their number. */
static size_t arguments(float **out, double low, double high)
{
    float *x = malloc(sizeof *x * (((uint64_t)1 << 32) / STEP + 64));
    size_t n = 0;
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += STEP) {
        const uint32_t word = (uint32_t)bits;
        float value;
        memcpy(&value, &word, sizeof value);
        if ((double)value >= low && (double)value <= high) {
            x[n++] = value;
        }
    }
    const float special[] = {(float)low, (float)high, 0.0f, -0.0f, 1.0f, -1.0f};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if ((double)special[i] >= low && (double)special[i] <= high) {
            x[n++] = special[i];
        }
    }
    while (n % LYC_LANES != 0) {
        x[n] = x[n - 1];
        n++;
    }
    *out = x;
    return n;
}

static void check_results(const function_case *c, const char *set, const float *x, const float *y, size_t n)
{
    double worst = 0.0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const double error = error_of(y[i], c->want((double)x[i]));
        if (!(error <= worst)) {
            worst = error;
            at = i;
        }
    }
    if (!(worst <= c->bound)) {
        fail_msg("%s %s(%.9g) is %.9g, expected %.9g: %.2f units, %.2f are allowed", set, c->name, (double)x[at],
                 (double)y[at], c->want((double)x[at]), worst, c->bound);
    }
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        if (cases[k].vector == NULL) {
            continue;
        }
        float *x;
        const size_t n = arguments(&x, cases[k].low, cases[k].high);
        float *y = malloc(n * sizeof *y);
        for (size_t i = 0; i < n; i += LYC_LANES) {
            lyc_vstore(y + i, cases[k].vector(lyc_vload(x + i)));
        }
        check_results(&cases[k], "vector", x, y, n);
        free(x);
        free(y);
    }
}

static const lyc_kernel *kernel_of(const lyc_kernel_set *set, const lyc_op *op)
{
    for (int i = 0; set->kernels[i] != NULL; i++) {
        if (set->kernels[i]->op == op) {
            return set->kernels[i];
        }
    }
    fail_msg("no kernel for %s", op->name);
    return NULL;
}

static void run_kernel(float *y, const float *x, size_t n, const lyc_kernel *kernel)
{
    const lyc_operand operand = {.present = true, .dtype = LYC_F32, .stored = LYC_F32, .shape = LYC_SHAPE((int64_t)n)};
    const lyc_problem p = {.op = kernel->op, .n_inputs = 1, .n_outputs = 1, .in = {operand}, .out = {operand}};
    void *kernel_state = NULL;
    lyc_error err = {0};
    if (kernel->prepare != NULL) {
        assert_int_equal(kernel->prepare(&kernel_state, &p, &err), LYC_OK);
    }
    const void *const in[] = {x};
    void *const out[] = {y};
    const lyc_call call = {.problem = &p, .in = in, .out = out, .state = kernel_state, .err = &err};
    assert_int_equal(kernel->run(&call), LYC_OK);
    if (kernel->release != NULL) {
        kernel->release(kernel_state);
    }
}

static void test_operations(void **state)
{
    (void)state;
    for (int isa = 0; isa <= (int)lyc_cpu_isa(); isa++) {
        const lyc_kernel_set *set = lyc_kernels_of_isa((lyc_isa)isa);
        for (size_t k = 0; set != NULL && k < sizeof cases / sizeof *cases; k++) {
            if (cases[k].op == NULL) {
                continue;
            }
            float *x;
            const size_t n = arguments(&x, cases[k].low, cases[k].high);
            float *y = malloc(n * sizeof *y);
            run_kernel(y, x, n, kernel_of(set, cases[k].op));
            check_results(&cases[k], set->name, x, y, n);
            free(x);
            free(y);
        }
    }
}

/* Whatever its bits, a NaN stays one and spoils no other lane. */
static void test_nan(void **state)
{
    (void)state;
    static const uint32_t nans[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff, 0x7fffffff};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        for (size_t i = 0; cases[k].vector != NULL && i < sizeof nans / sizeof *nans; i++) {
            float x[LYC_LANES], y[LYC_LANES];
            for (int lane = 0; lane < LYC_LANES; lane++) {
                x[lane] = cases[k].nan_free;
            }
            memcpy(&x[1], &nans[i], sizeof x[1]);
            lyc_vstore(y, cases[k].vector(lyc_vload(x)));
            for (int lane = 0; lane < LYC_LANES; lane++) {
                assert_int_equal(isnan(y[lane]) != 0, lane == 1);
            }
        }
    }
}

/* Weights of keys that count for nothing are exactly zero. */
static void test_exp2_vanishes(void **state)
{
    (void)state;
    static const float small[] = {-127.0f, -150.0f, -1e10f, -INFINITY};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        float y[LYC_LANES];
        lyc_vstore(y, lyc_vexp2_down(lyc_vset(small[i])));
        assert_true(y[0] == 0.0f);
    }
    float one[LYC_LANES];
    lyc_vstore(one, lyc_vexp2_down(lyc_vset(0.0f)));
    assert_true(one[0] == 1.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_nan),
        cmocka_unit_test(test_exp2_vanishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
