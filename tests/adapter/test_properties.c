/* test_properties.c - what holds for every algorithm on every layer: properties.txt has the layers
 *
 * Runs in graphs are in f64 by the reference kernels, so that differences are of the mathematics; norms that DoRA takes
 * from a frozen weight once are f32 there too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter_case.h"

typedef void (*property)(const adapter_case *c);

static void for_all(property holds)
{
    test_table table;
    int lines = 0;
    test_table_open(&table, "tests/adapter/properties.txt");
    while (test_table_next(&table)) {
        adapter_case c;
        case_parse(&c, table.line);
        holds(&c);
        case_clear(&c);
        lines++;
    }
    test_table_close(&table, 100);
    assert_true(lines >= 100);
}

static bool is_base_dependent_start(const adapter_case *c)
{
    return strcmp(c->algorithm->name, "tlora") == 0 || case_setting(c, "init") != NULL;
}

/* --- structured = merged, in values and gradients ------------------------------------------------------------------
 */

static double *copy(const double *from, int64_t n)
{
    double *to = lyc_alloc_zero((size_t)n, sizeof *to);
    memcpy(to, from, (size_t)n * sizeof *to);
    return to;
}

static void compare_forms(const adapter_case *c, bool training)
{
    case_run merged;
    case_run structured;
    lyc_adapter *a = case_adapter(c, true, 0);
    case_open(&merged, c, &a, 1, LYC_ADAPTER_MERGED, training);
    case_open(&structured, c, &a, 1, LYC_ADAPTER_STRUCTURED, training);
    const int64_t n = case_size(&merged);
    for (int k = 0; k < 2; k++) {
        merged.strengths[0] = structured.strengths[0] = k == 0 ? 1.0 : 0.7;
        double *want = copy(case_go(c, &merged), n);
        case_same(c, "y", case_go(c, &structured), want, n, 1e-6);
        lyc_free(want);
        for (int i = -1; i < a->n_params; i++) {
            const lyc_value *v = i < 0 ? structured.x : structured.sites[0].params[i];
            const lyc_value *w = i < 0 ? merged.x : merged.sites[0].params[i];
            if (v->kind == LYC_VALUE_PARAM) {
                case_same(c, v->name, lyc_plan_data(structured.plan, lyc_graph_gradient(structured.g, v)),
                          lyc_plan_data(merged.plan, lyc_graph_gradient(merged.g, w)), lyc_shape_elements(&v->shape),
                          1e-6);
            }
        }
    }
    case_close(&merged);
    case_close(&structured);
    lyc_adapter_free(a);
}

static bool has_structure(const adapter_case *c)
{
    lyc_adapter *a = case_adapter(c, false, 0);
    const lyc_adapter_site site = {.adapter = a};
    const bool known = case_runs(c) && lyc_adapter_structure_known(&c->layer, &site, 1);
    lyc_adapter_free(a);
    return known;
}

static void structured_is_merged(const adapter_case *c)
{
    if (has_structure(c)) {
        compare_forms(c, false);
        compare_forms(c, true);
    }
}

/* --- gradients are slopes ------------------------------------------------------------------------------------------
 */

static double loss(const adapter_case *c, case_run *r)
{
    const double *y = case_go(c, r);
    double sum = 0.0;
    for (int64_t i = 0; i < case_size(r); i++) {
        sum += y[i] * r->seed_numbers[i];
    }
    return sum;
}

/* The slope of the loss along a direction, by central differences, against the gradient. */
static void check_slope(const adapter_case *c, case_run *r, const lyc_value *v, double *numbers)
{
    const double h = 1e-5;
    const int64_t n = lyc_shape_elements(&v->shape);
    float *direction = lyc_alloc_zero((size_t)n, sizeof *direction);
    double *before = copy(numbers, n);
    case_fill(direction, n, 91, 1.0);
    loss(c, r);
    const double *gradient = lyc_plan_data(r->plan, lyc_graph_gradient(r->g, v));
    double slope = 0.0;
    double size = 1e-3;
    for (int64_t i = 0; i < n; i++) {
        slope += gradient[i] * (double)direction[i];
        size += fabs(gradient[i] * (double)direction[i]);
    }
    double losses[2];
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < n; i++) {
            numbers[i] = before[i] + (side == 0 ? -h : h) * (double)direction[i];
        }
        losses[side] = loss(c, r);
    }
    memcpy(numbers, before, (size_t)n * sizeof *numbers);
    const double measured = (losses[1] - losses[0]) / (2.0 * h);
    if (!(fabs(measured - slope) <= 1e-6 * size)) {
        fail_msg("%s: the slope of %s is %.9g, the gradient says %.9g", c->line, v->name, measured, slope);
    }
    lyc_free(before);
    lyc_free(direction);
}

static void check_slopes(const adapter_case *c, lyc_adapter_form form)
{
    case_run r;
    lyc_adapter *a = case_adapter(c, true, 0);
    case_open(&r, c, &a, 1, form, false);
    r.strengths[0] = 0.8;
    check_slope(c, &r, r.x, r.x_numbers);
    for (int i = 0; i < a->n_params; i++) {
        if (a->params[i].trainable) {
            check_slope(c, &r, r.sites[0].params[i], r.numbers[0][i]);
        }
    }
    case_close(&r);
    lyc_adapter_free(a);
}

static void gradients_are_slopes(const adapter_case *c)
{
    if (case_runs(c)) {
        check_slopes(c, LYC_ADAPTER_MERGED);
    }
    if (has_structure(c)) {
        check_slopes(c, LYC_ADAPTER_STRUCTURED);
    }
}

/* --- frozen ----------------------------------------------------------------------------------------------------------
 */

/* With frozen parameters the output is the same: what is computed in advance, and packed, is so in f32. */
static void check_frozen(const adapter_case *c, lyc_adapter_form form)
{
    case_run exact;
    lyc_error err;
    lyc_graph *g;
    lyc_plan *plan;
    lyc_adapter_site site;
    lyc_layer layer = c->layer;
    lyc_adapter *a = case_adapter(c, true, 0);
    float strength = 0.6f;
    case_open(&exact, c, &a, 1, form, false);
    exact.strengths[0] = (double)strength;
    case_check(c, lyc_graph_new(&g, &err), &err);
    layer.weight = lyc_graph_weight(g, "weight", LYC_F32, c->target.weight, c->weight);
    layer.bias = lyc_graph_weight(g, "bias", LYC_F32, LYC_SHAPE(c->target.weight.dims[0]), c->bias);
    lyc_value *x = lyc_graph_input(g, "x", LYC_FLOAT, c->x_shape);
    lyc_adapter_site_init(&site, g, a, LYC_VALUE_WEIGHT);
    site.multiplier = lyc_graph_input(g, "multiplier", LYC_FLOAT, LYC_SHAPE(1));
    lyc_value *y = lyc_graph_output(g, lyc_adapter_apply(g, &layer, &site, 1, x, LYC_ACTIVATION_NONE, NULL, form));
    const lyc_plan_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_cpu()};
    case_check(c, lyc_plan_compile(&plan, g, &options, &err), &err);
    case_check(c, lyc_adapter_site_bind(&site, plan, a, &err), &err);
    const int64_t n_x = lyc_shape_elements(&x->shape);
    float *numbers = lyc_alloc_zero((size_t)n_x, sizeof *numbers);
    for (int64_t i = 0; i < n_x; i++) {
        numbers[i] = (float)exact.x_numbers[i];
    }
    case_check(c, lyc_plan_bind(plan, x, numbers, (size_t)n_x * sizeof *numbers, &err), &err);
    case_check(c, lyc_plan_bind(plan, site.multiplier, &strength, sizeof strength, &err), &err);
    case_check(c, lyc_plan_run(plan, &err), &err);
    const int64_t n = case_size(&exact);
    double *got = case_doubles(lyc_plan_data(plan, y), n);
    case_same(c, "y of frozen parameters", got, case_go(c, &exact), n, 1e-5);
    lyc_free(got);
    lyc_free(numbers);
    lyc_plan_free(plan);
    lyc_graph_free(g);
    case_close(&exact);
    lyc_adapter_free(a);
}

static void frozen_is_the_same(const adapter_case *c)
{
    if (case_runs(c)) {
        check_frozen(c, LYC_ADAPTER_MERGED);
    }
    if (has_structure(c)) {
        check_frozen(c, LYC_ADAPTER_STRUCTURED);
    }
}

/* --- bf16 ----------------------------------------------------------------------------------------------------------
 */

static void bind_bf16(const adapter_case *c, lyc_plan *plan, const lyc_value *x, uint16_t *words, const double *numbers)
{
    lyc_error err;
    const size_t n = (size_t)lyc_shape_elements(&x->shape);
    case_check(c, lyc_dtype_convert(words, LYC_BF16, numbers, LYC_F64, n, &err), &err);
    case_check(c, lyc_plan_bind(plan, x, words, n * sizeof *words, &err), &err);
}

/* Activations stored in bf16, parameters in f32, the vectorised kernels: as in training. Activations have 8 bits and
 * are rounded a few times on the way. */
static void check_bf16(const adapter_case *c, lyc_adapter_form form)
{
    case_run exact;
    lyc_error err;
    lyc_graph *g;
    lyc_plan *plan;
    lyc_adapter_site site;
    lyc_layer layer = c->layer;
    lyc_adapter *a = case_adapter(c, true, 0);
    case_open(&exact, c, &a, 1, form, false);
    case_check(c, lyc_graph_new(&g, &err), &err);
    layer.weight = lyc_graph_weight(g, "weight", LYC_F32, c->target.weight, c->weight);
    layer.bias = lyc_graph_weight(g, "bias", LYC_F32, LYC_SHAPE(c->target.weight.dims[0]), c->bias);
    lyc_value *x = lyc_graph_input(g, "x", LYC_ACTIVATION, c->x_shape);
    lyc_adapter_site_init(&site, g, a, LYC_VALUE_PARAM);
    lyc_value *y = lyc_graph_output(g, lyc_adapter_apply(g, &layer, &site, 1, x, LYC_ACTIVATION_SILU, NULL, form));
    lyc_value *seed = lyc_graph_input(g, "seed", LYC_ACTIVATION, y->shape);
    case_check(c, lyc_graph_differentiate(g, 1, &y, &seed, &err), &err);
    const lyc_plan_options options = {.precision = LYC_PRECISION_BF16, .backend = lyc_backend_cpu()};
    case_check(c, lyc_plan_compile(&plan, g, &options, &err), &err);
    case_check(c, lyc_adapter_site_bind(&site, plan, a, &err), &err);
    const int64_t n = case_size(&exact);
    uint16_t *words = lyc_alloc_zero((size_t)(lyc_shape_elements(&x->shape) + n), sizeof *words);
    bind_bf16(c, plan, x, words, exact.x_numbers);
    bind_bf16(c, plan, seed, words + lyc_shape_elements(&x->shape), exact.seed_numbers);
    case_check(c, lyc_plan_run(plan, &err), &err);
    double *want = copy(case_go(c, &exact), n);
    double *got = copy(want, n);
    for (int64_t i = 0; i < n; i++) {
        want[i] = want[i] / (1.0 + exp(-want[i]));
    }
    case_check(c, lyc_dtype_convert(got, LYC_F64, lyc_plan_data(plan, y), LYC_BF16, (size_t)n, &err), &err);
    case_same(c, "y in bf16", got, want, n, 0.03);
    lyc_free(words);
    lyc_free(want);
    lyc_free(got);
    lyc_plan_free(plan);
    lyc_graph_free(g);
    case_close(&exact);
    lyc_adapter_free(a);
}

static void runs_in_bf16(const adapter_case *c)
{
    if (case_runs(c) && !c->algorithm->for_norms) {
        check_bf16(c, LYC_ADAPTER_MERGED);
    }
    if (has_structure(c)) {
        check_bf16(c, LYC_ADAPTER_STRUCTURED);
    }
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static lyc_adapter *reread(const adapter_case *c, const lyc_adapter *a)
{
    lyc_adapter_file file;
    lyc_adapter *b = NULL;
    lyc_error err;
    case_check(c, lyc_adapter_write(&file, a, &err), &err);
    for (int i = 0; i < file.count; i++) {
        assert_true(file.tensors[i].dtype == LYC_F32 || file.tensors[i].dtype == LYC_I64);
    }
    const lyc_adapter_group group = {file.tensors, (size_t)file.count};
    case_check(c, lyc_adapter_read(&b, "layer", &c->target, &group, &err), &err);
    for (int i = 0; i < file.count; i++) {
        if (!lyc_adapter_knows(b, file.tensors[i].name)) {
            fail_msg("%s: %s is written and not known", c->line, file.tensors[i].name);
        }
    }
    lyc_adapter_file_clear(&file);
    return b;
}

/* The tensors of a file say how large the layer is, but for algorithms that know one side alone. */
static void files_say_extents(const adapter_case *c)
{
    lyc_error err;
    lyc_adapter_file file;
    int64_t extents[2] = {0};
    lyc_adapter *a = case_adapter(c, true, 0);
    case_check(c, lyc_adapter_write(&file, a, &err), &err);
    const lyc_adapter_group group = {file.tensors, (size_t)file.count};
    const lyc_adapter_algorithm *found = lyc_adapter_detect(&group);
    assert_non_null(found);
    const bool told = found->extents != NULL && found->extents(extents, &group);
    const char *name = c->algorithm->name;
    assert_int_equal(told, strcmp(name, "ia3") != 0 && strcmp(name, "diag-oft") != 0 && strcmp(name, "boft") != 0);
    if (told) {
        if (extents[0] != a->out || extents[1] != a->in * a->kernel) {
            fail_msg("%s: %lld x %lld", c->line, (long long)extents[0], (long long)extents[1]);
        }
    }
    lyc_adapter_file_clear(&file);
    lyc_adapter_free(a);
}

/* The change is that of the file: bit for bit where nothing had to be multiplied in. */
static void files_keep_the_change(const adapter_case *c)
{
    const int64_t n = lyc_shape_elements(&c->target.weight);
    lyc_adapter *a = case_adapter(c, true, 0);
    lyc_adapter *b = reread(c, a);
    lyc_adapter *again = reread(c, b);
    float *first = case_change(c, a, 1.0, false);
    float *second = case_change(c, b, 1.0, false);
    float *third = case_change(c, again, 1.0, false);
    const bool exact =
        case_setting(c, "use_scalar") == NULL && case_setting(c, "rs_lora") == NULL && case_setting(c, "init") == NULL;
    assert_false(b->incomplete);
    for (int64_t i = 0; i < n; i++) {
        if (exact ? first[i] != second[i] : fabs((double)(first[i] - second[i])) > 1e-5 * case_norm(first, n)) {
            fail_msg("%s: the change was %.9g and is %.9g", c->line, (double)first[i], (double)second[i]);
        }
        assert_true(second[i] == third[i]);
    }
    lyc_free(first);
    lyc_free(second);
    lyc_free(third);
    lyc_adapter_free(a);
    lyc_adapter_free(b);
    lyc_adapter_free(again);
}

/* --- the change as a product ---------------------------------------------------------------------------------------
 */

/* up times down is the change, for algorithms of low rank; the others say that there is none. */
static void product_is_the_change(const adapter_case *c)
{
    lyc_error err;
    int64_t rank = -1;
    lyc_adapter *a = case_adapter(c, true, 0);
    case_check(c, lyc_adapter_product_rank(&rank, a, &err), &err);
    const char *name = c->algorithm->name;
    const bool low_rank = strcmp(name, "lora") == 0 || strcmp(name, "loha") == 0 || strcmp(name, "lokr") == 0 ||
                          strcmp(name, "dylora") == 0 || strcmp(name, "tlora") == 0;
    if (!low_rank || case_setting(c, "weight_decompose") != NULL) {
        assert_int_equal(rank, 0);
        assert_int_equal(lyc_adapter_product(NULL, NULL, a, 1.0, &err), LYC_E_UNSUPPORTED);
        lyc_adapter_free(a);
        return;
    }
    const int64_t columns = a->in * a->kernel;
    float *up = lyc_alloc_zero((size_t)(a->out * rank), sizeof *up);
    float *down = lyc_alloc_zero((size_t)(rank * columns), sizeof *down);
    double *got = lyc_alloc_zero((size_t)(a->out * columns), sizeof *got);
    case_check(c, lyc_adapter_product(up, down, a, 0.7, &err), &err);
    for (int64_t o = 0; o < a->out; o++) {
        for (int64_t k = 0; k < rank; k++) {
            for (int64_t j = 0; j < columns; j++) {
                got[o * columns + j] += (double)up[o * rank + k] * (double)down[k * columns + j];
            }
        }
    }
    float *change = case_change(c, a, 0.7, false);
    double *want = case_doubles(change, a->out * columns);
    case_same(c, "product", got, want, a->out * columns, 2e-6);
    lyc_free(up);
    lyc_free(down);
    lyc_free(got);
    lyc_free(change);
    lyc_free(want);
    lyc_adapter_free(a);
}

/* --- what a fresh adapter and a strength of zero do: nothing -------------------------------------------------------
 */

static double tolerance_of_start(const adapter_case *c)
{
    const bool rotates = strcmp(c->algorithm->name, "diag-oft") == 0 || strcmp(c->algorithm->name, "boft") == 0;
    const bool dora = case_setting(c, "weight_decompose") != NULL;
    return dora || is_base_dependent_start(c) ? 2e-6 : rotates ? 1e-7 : 0.0;
}

static void fresh_changes_nothing(const adapter_case *c)
{
    const int64_t n = lyc_shape_elements(&c->target.weight);
    lyc_adapter *a = case_adapter(c, false, 0);
    float *change = case_change(c, a, 1.0, false);
    const double bound = tolerance_of_start(c) * case_norm(c->weight, n);
    for (int64_t i = 0; i < n; i++) {
        if (fabs((double)change[i]) > bound) {
            fail_msg("%s: a fresh adapter changes [%lld] by %g", c->line, (long long)i, (double)change[i]);
        }
    }
    lyc_free(change);
    lyc_adapter_free(a);
}

/* Merging at strength 0 leaves the very bits; the rescaling of rotations has no strength. */
static void strength_zero_is_the_base(const adapter_case *c)
{
    if (case_setting(c, "rescaled") != NULL) {
        return;
    }
    lyc_adapter *a = case_adapter(c, true, 0);
    float *merged = case_change(c, a, 0.0, true);
    assert_memory_equal(merged, c->weight, c->weight_view.size_bytes);
    lyc_free(merged);
    lyc_adapter_free(a);
}

/* --- several adapters ----------------------------------------------------------------------------------------------
 */

/* y(A, B) - y(B) = y(A) - y(), and A at strength 0 is no A; in both forms. */
static void check_stack(const adapter_case *c, lyc_adapter_form form)
{
    case_run r;
    lyc_adapter *both[] = {case_adapter(c, true, 0), case_adapter(c, true, 1)};
    double *y[4];
    case_open(&r, c, both, 2, form, false);
    const int64_t n = case_size(&r);
    for (int k = 0; k < 4; k++) {
        r.strengths[0] = (k & 1) != 0 ? 1.0 : 0.0;
        r.strengths[1] = (k & 2) != 0 ? 1.0 : 0.0;
        y[k] = copy(case_go(c, &r), n);
    }
    case_close(&r);
    for (int64_t i = 0; i < n; i++) {
        y[3][i] += y[0][i] - y[1][i];
    }
    case_same(c, "y of two adapters", y[3], y[2], n, 1e-6);
    for (int k = 0; k < 2; k++) {
        case_open(&r, c, &both[k], 1, form, false);
        case_same(c, "y without the other", y[k == 0 ? 1 : 2], case_go(c, &r), n, 1e-6);
        case_close(&r);
    }
    for (int k = 0; k < 4; k++) {
        lyc_free(y[k]);
    }
    lyc_adapter_free(both[0]);
    lyc_adapter_free(both[1]);
}

static void adapters_add_up(const adapter_case *c)
{
    if (!case_runs(c) || case_setting(c, "rescaled") != NULL) {
        return;
    }
    check_stack(c, LYC_ADAPTER_MERGED);
    if (has_structure(c)) {
        check_stack(c, LYC_ADAPTER_STRUCTURED);
    }
}

/* --- counts, norms, costs ------------------------------------------------------------------------------------------
 */

static void counts_are_as_said(const adapter_case *c)
{
    lyc_adapter *a = case_adapter(c, false, 0);
    if (c->count != 0 && lyc_adapter_parameter_count(a) != c->count) {
        fail_msg("%s: %lld trainable numbers", c->line, (long long)lyc_adapter_parameter_count(a));
    }
    lyc_adapter_free(a);
}

static double norm_of(const adapter_case *c, lyc_adapter *a)
{
    double norm;
    bool scaled;
    lyc_error err;
    case_check(c, lyc_adapter_max_norm(&norm, &scaled, a, 1e9, &err), &err);
    assert_false(scaled);
    return norm;
}

static void max_norm_bounds_the_change(const adapter_case *c)
{
    if (!c->algorithm->max_norm) {
        return;
    }
    double reported;
    bool scaled;
    lyc_error err;
    lyc_adapter *a = case_adapter(c, true, 0);
    const double before = norm_of(c, a);
    const double limit = 0.4 * before;
    assert_true(before > 0.0);
    case_check(c, lyc_adapter_max_norm(&reported, &scaled, a, limit, &err), &err);
    assert_true(scaled);
    if (fabs(norm_of(c, a) - limit) > 1e-5 * limit || fabs(reported - limit) > 1e-9 * limit) {
        fail_msg("%s: the norm is %.9g, reported %.9g, expected %.9g", c->line, norm_of(c, a), reported, limit);
    }
    case_check(c, lyc_adapter_max_norm(&reported, &scaled, a, 1.01 * limit, &err), &err);
    assert_false(scaled);
    lyc_adapter_free(a);
}

static void the_cheaper_form_is_chosen(const adapter_case *c)
{
    if (!case_runs(c)) {
        return;
    }
    lyc_graph *g;
    lyc_error err;
    lyc_adapter_site site;
    lyc_adapter_choice choice;
    lyc_layer layer = c->layer;
    lyc_adapter *a = case_adapter(c, false, 0);
    case_check(c, lyc_graph_new(&g, &err), &err);
    layer.weight = lyc_graph_weight(g, "weight", LYC_F32, c->target.weight, c->weight);
    lyc_value *x = lyc_graph_input(g, "x", LYC_ACTIVATION, c->x_shape);
    lyc_adapter_site_init(&site, g, a, LYC_VALUE_PARAM);
    case_check(c, lyc_adapter_choose(&choice, &layer, &site, 1, x, &err), &err);
    assert_true(choice.merged.flops > 0.0 && choice.merged.bytes > 0.0 && choice.merged.work > 0.0);
    if (choice.structured_known) {
        assert_true(choice.structured.work > 0.0);
        assert_int_equal(choice.form,
                         choice.structured.work < choice.merged.work ? LYC_ADAPTER_STRUCTURED : LYC_ADAPTER_MERGED);
    } else {
        assert_int_equal(choice.form, LYC_ADAPTER_MERGED);
    }
    lyc_graph_free(g);
    lyc_adapter_free(a);
}

#define PROPERTY(name)                                                                                                 \
    static void test_##name(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        for_all(name);                                                                                                 \
    }
PROPERTY(structured_is_merged)
PROPERTY(gradients_are_slopes)
PROPERTY(frozen_is_the_same)
PROPERTY(runs_in_bf16)
PROPERTY(files_say_extents)
PROPERTY(files_keep_the_change)
PROPERTY(product_is_the_change)
PROPERTY(fresh_changes_nothing)
PROPERTY(strength_zero_is_the_base)
PROPERTY(adapters_add_up)
PROPERTY(counts_are_as_said)
PROPERTY(max_norm_bounds_the_change)
PROPERTY(the_cheaper_form_is_chosen)

/* Every algorithm has a line. */
static void test_all_algorithms_are_here(void **state)
{
    (void)state;
    for (int i = 0; lyc_adapter_algorithms[i] != NULL; i++) {
        test_table table;
        bool found = false;
        test_table_open(&table, "tests/adapter/properties.txt");
        while (test_table_next(&table)) {
            const char *name = lyc_adapter_algorithms[i]->name;
            found |= strncmp(table.line, name, strlen(name)) == 0 && table.line[strlen(name)] == ' ';
        }
        test_table_close(&table, 100);
        if (!found) {
            fail_msg("no line for %s", lyc_adapter_algorithms[i]->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structured_is_merged),       cmocka_unit_test(test_gradients_are_slopes),
        cmocka_unit_test(test_frozen_is_the_same),         cmocka_unit_test(test_runs_in_bf16),
        cmocka_unit_test(test_files_say_extents),          cmocka_unit_test(test_files_keep_the_change),
        cmocka_unit_test(test_product_is_the_change),      cmocka_unit_test(test_fresh_changes_nothing),
        cmocka_unit_test(test_strength_zero_is_the_base),  cmocka_unit_test(test_adapters_add_up),
        cmocka_unit_test(test_counts_are_as_said),         cmocka_unit_test(test_max_norm_bounds_the_change),
        cmocka_unit_test(test_the_cheaper_form_is_chosen), cmocka_unit_test(test_all_algorithms_are_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
