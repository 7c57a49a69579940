/* test_ranks.c - algorithms of which only some ranks act in a step
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter_case.h"

/* A run whose adapter has a number of acting ranks for each of `samples`. */
typedef struct ranks_run {
    case_run run;
    lyc_value *ranks;
    double numbers[2];
} ranks_run;

static void open_ranks(ranks_run *r, const adapter_case *c, lyc_adapter *a, lyc_adapter_form form, int samples)
{
    lyc_error err;
    lyc_layer layer = c->layer;
    case_run *run = &r->run;
    *r = (ranks_run){.run = {.count = 1}};
    case_check(c, lyc_graph_new(&run->g, &err), &err);
    layer.weight = lyc_graph_weight(run->g, "weight", LYC_F32, c->target.weight, c->weight);
    run->x = lyc_graph_param(run->g, "x", LYC_FLOAT, LYC_F32, c->x_shape);
    r->ranks = lyc_graph_input(run->g, "ranks", LYC_FLOAT, LYC_SHAPE(samples));
    lyc_adapter_site_init(&run->sites[0], run->g, a, LYC_VALUE_PARAM);
    run->sites[0].ranks = r->ranks;
    run->y = lyc_graph_output(
        run->g, lyc_adapter_apply(run->g, &layer, run->sites, 1, run->x, LYC_ACTIVATION_NONE, NULL, form));
    case_check(c, lyc_graph_status(run->g, &err), &err);
    run->seed = lyc_graph_input(run->g, "seed", LYC_FLOAT, run->y->shape);
    case_check(c, lyc_graph_differentiate(run->g, 1, &run->y, &run->seed, &err), &err);
    const lyc_plan_options options = {.precision = LYC_PRECISION_F64, .backend = lyc_backend_cpu()};
    case_check(c, lyc_plan_compile(&run->plan, run->g, &options, &err), &err);
    case_bind(c, run, r->ranks, r->numbers);
    for (int i = 0; i < a->n_params; i++) {
        run->numbers[0][i] = case_doubles(a->params[i].data, lyc_shape_elements(&a->params[i].shape));
        case_bind(c, run, run->sites[0].params[i], run->numbers[0][i]);
        if (run->sites[0].frozen[i] != run->sites[0].params[i]) {
            case_bind(c, run, run->sites[0].frozen[i], run->numbers[0][i]);
        }
    }
    float drawn[1024];
    case_fill(drawn, 1024, 90, 1.0);
    run->x_numbers = case_doubles(drawn, lyc_shape_elements(&run->x->shape));
    run->seed_numbers = case_doubles(drawn, lyc_shape_elements(&run->seed->shape));
    case_bind(c, run, run->x, run->x_numbers);
    case_bind(c, run, run->seed, run->seed_numbers);
}

/* y = (W + (alpha / k) B[:,:k] A[:k]) x for rows x. */
static void plain_lora(double *y, const adapter_case *c, const ranks_run *r, const lyc_adapter *a, int64_t k,
                       double alpha)
{
    const double *up = r->run.numbers[0][0];
    const double *down = r->run.numbers[0][1];
    const int64_t rank = a->params[1].shape.dims[0];
    for (int64_t row = 0; row < lyc_shape_elements(&c->x_shape) / a->in; row++) {
        const double *x = r->run.x_numbers + row * a->in;
        for (int64_t o = 0; o < a->out; o++) {
            double sum = 0.0;
            for (int64_t i = 0; i < a->in; i++) {
                double w = (double)c->weight[o * a->in + i];
                for (int64_t j = 0; j < k; j++) {
                    w += alpha / (double)k * up[o * rank + j] * down[j * a->in + i];
                }
                sum += w * x[i];
            }
            y[row * a->out + o] = sum;
        }
    }
}

/* Of 8 ranks in blocks of 2, the first k act with alpha / k, and the last 2 of them learn. */
static void dylora_trains_one_block(void **state)
{
    adapter_case c;
    ranks_run r;
    (void)state;
    case_parse(&c, "dylora 24x40 | rank=8 alpha=4 block_size=2");
    lyc_adapter *a = case_adapter(&c, true, 0);
    double *want = lyc_alloc_zero(6 * 24, sizeof *want);
    for (int form = LYC_ADAPTER_STRUCTURED; form <= LYC_ADAPTER_MERGED; form++) {
        open_ranks(&r, &c, a, (lyc_adapter_form)form, 1);
        for (int k = 2; k <= 8; k += 2) {
            r.numbers[0] = k;
            const double *y = case_go(&c, &r.run);
            plain_lora(want, &c, &r, a, k, 4.0);
            case_same(&c, "y", y, want, 6 * 24, 1e-12);
            const double *d_up = lyc_plan_data(r.run.plan, lyc_graph_gradient(r.run.g, r.run.sites[0].params[0]));
            const double *d_down = lyc_plan_data(r.run.plan, lyc_graph_gradient(r.run.g, r.run.sites[0].params[1]));
            for (int j = 0; j < 8; j++) {
                const bool learns = j == k - 1 || j == k - 2;
                assert_int_equal(d_up[5 * 8 + j] != 0.0, learns);
                assert_int_equal(d_down[j * 40 + 7] != 0.0, learns);
            }
        }
        case_close(&r.run);
    }
    lyc_free(want);
    lyc_adapter_free(a);
    case_clear(&c);
}

/* Each sample has what it would have alone. */
static void tlora_has_ranks_by_sample(void **state)
{
    static const char *const lines[] = {"tlora 24x40 | rank=4 alpha=2", "tlora 6x5x3x3 pad=1 | rank=4 alpha=2"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        adapter_case c;
        ranks_run both;
        ranks_run one;
        case_parse(&c, lines[i]);
        lyc_adapter *a = case_adapter(&c, true, 0);
        open_ranks(&both, &c, a, LYC_ADAPTER_STRUCTURED, 2);
        both.numbers[0] = 1.0;
        both.numbers[1] = 3.0;
        const int64_t half = case_size(&both.run) / 2;
        for (int form = LYC_ADAPTER_STRUCTURED; form <= LYC_ADAPTER_MERGED; form++) {
            open_ranks(&one, &c, a, (lyc_adapter_form)form, 1);
            for (int sample = 0; sample < 2; sample++) {
                one.numbers[0] = both.numbers[sample];
                const double *y = case_go(&c, &both.run);
                case_same(&c, "a sample", y + sample * half, case_go(&c, &one.run) + sample * half, half, 1e-12);
            }
            case_close(&one.run);
        }
        case_close(&both.run);
        lyc_adapter_free(a);
        case_clear(&c);
    }
}

static void ranks_follow_their_rules(void **state)
{
    adapter_case c;
    (void)state;
    case_parse(&c, "tlora 24x40 | rank=16 min_rank=2");
    lyc_adapter *a = case_adapter(&c, false, 0);
    /* compute_timestep_mask of LyCORIS 4.1.3: T = 1000, R = 16, r_min = 2. */
    assert_true(a->algorithm->ranks_by_timestep);
    assert_true(a->algorithm->ranks(a, 0.0, 0.5) == 16.0);
    assert_true(a->algorithm->ranks(a, 1.0, 0.5) == 15.0);
    assert_true(a->algorithm->ranks(a, 500.0, 0.5) == 9.0);
    assert_true(a->algorithm->ranks(a, 999.0, 0.5) == 2.0);
    assert_true(a->algorithm->ranks(a, 1000.0, 0.5) == 2.0);
    lyc_adapter_free(a);
    case_clear(&c);
    case_parse(&c, "dylora 24x40 | rank=8 block_size=2");
    a = case_adapter(&c, false, 0);
    assert_false(a->algorithm->ranks_by_timestep);
    assert_true(a->algorithm->ranks(a, 0.0, 0.0) == 2.0);
    assert_true(a->algorithm->ranks(a, 0.0, 0.26) == 4.0);
    assert_true(a->algorithm->ranks(a, 0.0, 0.999) == 8.0);
    lyc_adapter_free(a);
    case_clear(&c);
}

/* Orthonormal start values have no penalty; P twice as long has ||4 I - I||^2 = 9 r. */
static void tlora_penalises_what_is_not_orthonormal(void **state)
{
    adapter_case c;
    lyc_graph *g;
    lyc_plan *plan;
    lyc_error err;
    lyc_adapter_site site;
    (void)state;
    case_parse(&c, "tlora 24x40 | rank=4");
    lyc_adapter *a = case_adapter(&c, false, 0);
    case_check(&c, lyc_graph_new(&g, &err), &err);
    lyc_adapter_site_init(&site, g, a, LYC_VALUE_INPUT);
    lyc_value *loss = lyc_graph_output(g, a->algorithm->penalty(g, &site));
    const lyc_plan_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_cpu()};
    case_check(&c, lyc_plan_compile(&plan, g, &options, &err), &err);
    case_check(&c, lyc_adapter_site_bind(&site, plan, a, &err), &err);
    case_check(&c, lyc_plan_run(plan, &err), &err);
    assert_true(fabs((double)*(const float *)lyc_plan_data(plan, loss)) < 1e-9);
    lyc_adapter_param *p = lyc_adapter_param_find(a, "p_layer.weight");
    for (int i = 0; i < 24 * 4; i++) {
        p->data[i] *= 2.0f;
    }
    case_check(&c, lyc_plan_run(plan, &err), &err);
    assert_true(fabs((double)*(const float *)lyc_plan_data(plan, loss) - 36.0) < 1e-3);
    lyc_plan_free(plan);
    lyc_graph_free(g);
    lyc_adapter_free(a);
    case_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dylora_trains_one_block),
        cmocka_unit_test(tlora_has_ranks_by_sample),
        cmocka_unit_test(ranks_follow_their_rules),
        cmocka_unit_test(tlora_penalises_what_is_not_orthonormal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
