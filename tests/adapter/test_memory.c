/* test_memory.c - without memory: an error, and nothing is left behind (the leak sanitizer looks)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter_case.h"

/* Everything that an adapter goes through outside of training; each step may be the one without memory. */
static lyc_status go_through(const adapter_case *c, lyc_error *err)
{
    lyc_adapter *a = NULL;
    lyc_adapter *b = NULL;
    lyc_adapter_file file = {0};
    double norm;
    bool scaled;
    float change[24 * 40];
    lyc_adapter_change wanted = {.weight = change};
    lyc_status status = lyc_adapter_new(&a, c->algorithm, "layer", &c->target, c->settings, c->n_settings, err);
    status = status != LYC_OK ? status : lyc_adapter_initialise(a, &c->weight_view, 5, err);
    status = status != LYC_OK ? status : lyc_adapter_write(&file, a, err);
    if (status == LYC_OK) {
        const lyc_adapter_group group = {file.tensors, (size_t)file.count};
        status = lyc_adapter_read(&b, "layer", &c->target, &group, err);
    }
    status = status != LYC_OK ? status : lyc_adapter_compute(&wanted, b, &c->weight_view, 1.0, err);
    status = status != LYC_OK ? status : lyc_adapter_max_norm(&norm, &scaled, b, 1.0, err);
    lyc_adapter_file_clear(&file);
    lyc_adapter_free(a);
    lyc_adapter_free(b);
    return status;
}

/* Frozen parameters: what is computed in advance, and counting costs, need memory too. */
static lyc_status build_graph(const adapter_case *c, const lyc_adapter *a, lyc_error *err)
{
    lyc_graph *g = NULL;
    lyc_adapter_site site;
    lyc_layer layer = c->layer;
    LYC_TRY(lyc_graph_new(&g, err));
    layer.weight = lyc_graph_weight(g, "weight", LYC_F32, c->target.weight, c->weight);
    lyc_value *x = lyc_graph_input(g, "x", LYC_ACTIVATION, c->x_shape);
    lyc_adapter_site_init(&site, g, a, LYC_VALUE_WEIGHT);
    lyc_adapter_apply(g, &layer, &site, 1, x, LYC_ACTIVATION_NONE, NULL, LYC_ADAPTER_AUTO);
    lyc_adapter_apply(g, &layer, &site, 1, x, LYC_ACTIVATION_NONE, NULL, LYC_ADAPTER_STRUCTURED);
    const lyc_status status = lyc_graph_status(g, err);
    lyc_graph_free(g);
    return status;
}

static const char *const lines[] = {
    "lora 24x40 | rank=4 weight_decompose=true",
    "lora 24x40 | rank=4 init=pissa",
    "loha 24x40 | rank=2 use_scalar=true",
    "lokr 24x40 | rank=2 factor=4",
    "diag-oft 24x40 | rank=4",
    "boft 24x40 | rank=8",
    "glora 24x40 | rank=2",
    "ia3 24x40 |",
    "tlora 24x40 | rank=2",
    "dylora 24x40 | rank=4",
};

/* Fails the first, the second ... allocation, until there is one too few to fail. */
static void without(bool graph)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        adapter_case c;
        case_parse(&c, lines[i]);
        lyc_adapter *a = case_adapter(&c, true, 0);
        lyc_status status = LYC_E_MEMORY;
        for (uint64_t n = 1; status != LYC_OK; n++) {
            lyc_error err = {0};
            lyc_memory_fail_after(n, n % 2 == 0);
            status = graph ? build_graph(&c, a, &err) : go_through(&c, &err);
            lyc_memory_fail_after(0, false);
            if (status != LYC_OK && status != LYC_E_MEMORY) {
                fail_msg("%s: without allocation %llu: %s", c.line, (unsigned long long)n, err.message);
            }
            assert_true(n < 5000);
        }
        lyc_adapter_free(a);
        case_clear(&c);
    }
}

static void adapters_without_memory(void **state)
{
    (void)state;
    without(false);
}

static void graphs_without_memory(void **state)
{
    (void)state;
    without(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_without_memory),
        cmocka_unit_test(graphs_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
