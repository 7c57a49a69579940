/* test_plan_unet.c - planning at the size of the real thing
 *
 * A U-Net with the blocks and widths of SD 1.5, low-rank adapters on its attention, and its gradients, planned but not
 * run: the arena is within a tenth of what is alive at once, with and without a budget; half of the bytes cost at most
 * 15 per cent more work, a quarter of them at most 50. The weights have no bytes: the reference kernels take f32 as it
 * is, so nothing reads them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "backend/cpu/cpu.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "graph/ops/conv2d.h"
#include "graph/ops/matmul.h"
#include "graph/ops/sample_loss.h"
#include "graph/plan.h"

enum { LEVELS = 4, LAYERS = 2, HEADS = 8, TOKENS = 77, CONTEXT = 768, TIME = 1280, RANK = 8, GROUPS = 32, LATENT = 32 };

static const int64_t WIDTHS[LEVELS] = {320, 640, 1280, 1280};

typedef struct unet {
    lyc_graph *g;
    lyc_value *context;
    lyc_value *time;
    lyc_value *skips[LEVELS * (LAYERS + 1)];
    int n_skips;
} unet;

static lyc_value *weight(const unet *u, lyc_shape shape)
{
    static const float nothing[1];
    return lyc_graph_weight(u->g, "weight", LYC_F32, shape, nothing);
}

static int64_t channels(const lyc_value *x)
{
    return x->shape.dims[x->shape.rank - 1];
}

static lyc_value *conv(const unet *u, lyc_value *x, int64_t out, int kernel, int stride)
{
    const lyc_conv2d_attr attr = lyc_conv2d_plain(stride, kernel / 2);
    return lyc_conv2d(u->g, x, weight(u, LYC_SHAPE(out, channels(x), kernel, kernel)), weight(u, LYC_SHAPE(out)), NULL,
                      &attr);
}

static lyc_value *linear(const unet *u, lyc_value *x, int64_t out)
{
    return lyc_linear(u->g, x, weight(u, LYC_SHAPE(out, channels(x))), weight(u, LYC_SHAPE(out)));
}

/* A linear layer with an adapter beside it. */
static lyc_value *adapted(const unet *u, lyc_value *x, int64_t out)
{
    lyc_value *down = lyc_graph_param(u->g, "down", LYC_FLOAT, LYC_F32, LYC_SHAPE(RANK, channels(x)));
    lyc_value *up = lyc_graph_param(u->g, "up", LYC_FLOAT, LYC_F32, LYC_SHAPE(out, RANK));
    lyc_value *y = lyc_linear(u->g, x, weight(u, LYC_SHAPE(out, channels(x))), NULL);
    return lyc_add(u->g, y, lyc_linear(u->g, lyc_linear(u->g, x, down, NULL), up, NULL));
}

static lyc_value *group_norm(const unet *u, lyc_value *x, bool silu)
{
    const int64_t c = channels(x);
    return lyc_group_norm(u->g, x, weight(u, LYC_SHAPE(c)), weight(u, LYC_SHAPE(c)), GROUPS, 1e-5f, silu);
}

static lyc_value *layer_norm(const unet *u, lyc_value *x)
{
    const int64_t c = channels(x);
    return lyc_layer_norm(u->g, x, weight(u, LYC_SHAPE(c)), weight(u, LYC_SHAPE(c)), 1e-5f);
}

static lyc_value *resnet(const unet *u, lyc_value *x, int64_t out)
{
    lyc_graph_enter(u->g, "resnet");
    lyc_value *h = conv(u, group_norm(u, x, true), out, 3, 1);
    lyc_value *t = linear(u, u->time, out);
    h = lyc_add(u->g, h, lyc_reshape(u->g, t, LYC_SHAPE(1, 1, 1, out)));
    h = conv(u, group_norm(u, h, true), out, 3, 1);
    lyc_value *shortcut = channels(x) != out ? conv(u, x, out, 1, 1) : x;
    h = lyc_add(u->g, shortcut, h);
    lyc_graph_leave(u->g);
    return h;
}

static lyc_value *attend(const unet *u, lyc_value *x, lyc_value *context)
{
    const int64_t c = channels(x);
    lyc_value *a = layer_norm(u, x);
    lyc_value *source = context != NULL ? context : a;
    lyc_value *y = lyc_attention(u->g, adapted(u, a, c), adapted(u, source, c), adapted(u, source, c), HEADS, 0, false);
    return lyc_add(u->g, x, adapted(u, y, c));
}

static lyc_value *transformer(const unet *u, lyc_value *x)
{
    lyc_graph_enter(u->g, "transformer");
    const lyc_shape image = x->shape;
    const int64_t c = channels(x);
    lyc_value *t = conv(u, group_norm(u, x, false), c, 1, 1);
    t = lyc_reshape(u->g, t, LYC_SHAPE(1, image.dims[1] * image.dims[2], c));
    t = attend(u, t, NULL);
    t = attend(u, t, u->context);
    t = lyc_add(u->g, t, linear(u, lyc_geglu(u->g, linear(u, layer_norm(u, t), 8 * c)), c));
    t = conv(u, lyc_reshape(u->g, t, image), c, 1, 1);
    lyc_value *y = lyc_add(u->g, t, x);
    lyc_graph_leave(u->g);
    return y;
}

static lyc_value *down(unet *u, lyc_value *x)
{
    u->skips[u->n_skips++] = x;
    for (int i = 0; i < LEVELS; i++) {
        for (int j = 0; j < LAYERS; j++) {
            x = resnet(u, x, WIDTHS[i]);
            x = i < LEVELS - 1 ? transformer(u, x) : x;
            u->skips[u->n_skips++] = x;
        }
        if (i < LEVELS - 1) {
            x = conv(u, x, WIDTHS[i], 3, 2);
            u->skips[u->n_skips++] = x;
        }
    }
    return x;
}

static lyc_value *up(unet *u, lyc_value *x)
{
    for (int i = LEVELS - 1; i >= 0; i--) {
        for (int j = 0; j <= LAYERS; j++) {
            x = lyc_concat(u->g, 2, (lyc_value *[]){x, u->skips[--u->n_skips]}, 3);
            x = resnet(u, x, WIDTHS[i]);
            x = i < LEVELS - 1 ? transformer(u, x) : x;
        }
        if (i > 0) {
            x = lyc_upsample_nearest(u->g, x, 2 * x->shape.dims[1], 2 * x->shape.dims[2]);
            x = conv(u, x, WIDTHS[i], 3, 1);
        }
    }
    return x;
}

static void build(unet *u)
{
    lyc_error err;
    *u = (unet){0};
    assert_int_equal(lyc_graph_new(&u->g, &err), LYC_OK);
    lyc_value *latents = lyc_graph_input(u->g, "latents", LYC_ACTIVATION, LYC_SHAPE(1, LATENT, LATENT, 4));
    lyc_value *target = lyc_graph_input(u->g, "target", LYC_ACTIVATION, LYC_SHAPE(1, LATENT, LATENT, 4));
    u->context = lyc_graph_input(u->g, "context", LYC_ACTIVATION, LYC_SHAPE(1, TOKENS, CONTEXT));
    u->time = lyc_graph_input(u->g, "time", LYC_ACTIVATION, LYC_SHAPE(1, TIME));
    lyc_value *x = down(u, conv(u, latents, WIDTHS[0], 3, 1));
    x = resnet(u, transformer(u, resnet(u, x, WIDTHS[LEVELS - 1])), WIDTHS[LEVELS - 1]);
    x = conv(u, group_norm(u, up(u, x), true), 4, 3, 1);
    lyc_value *loss = lyc_graph_output(u->g, lyc_sample_loss(u->g, x, target, NULL, NULL, LYC_LOSS_L2));
    if (lyc_graph_differentiate(u->g, 1, &loss, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
}

static lyc_plan_memory planned(double *flops, const unet *u, size_t budget)
{
    lyc_error err;
    lyc_plan *plan = NULL;
    const lyc_plan_options options = {.backend = lyc_backend_cpu(), .reference_only = true, .budget_bytes = budget};
    if (lyc_plan_compile(&plan, u->g, &options, &err) != LYC_OK) {
        fail_msg("budget %zu: %s", budget, err.message);
    }
    const lyc_plan_memory m = lyc_plan_memory_get(plan);
    print_message(
        "budget %5zu MiB: total %5zu MiB, arena %5zu MiB, alive %5zu MiB, %d steps, %d repeated, %.0f GFLOP\n",
        budget >> 20, m.total >> 20, m.arena >> 20, m.activations >> 20, lyc_plan_step_count(plan),
        lyc_plan_recomputed_count(plan), lyc_plan_flops(plan) / 1e9);
    assert_true((double)m.arena <= 1.1 * (double)m.activations);
    assert_true(budget == 0 || m.total <= budget);
    *flops = lyc_plan_flops(plan);
    lyc_plan_free(plan);
    return m;
}

static void test_unet(void **state)
{
    (void)state;
    unet u;
    build(&u);
    double whole;
    double half;
    double quarter;
    const lyc_plan_memory m = planned(&whole, &u, 0);
    const size_t fixed = m.total - m.arena;
    planned(&half, &u, fixed + m.arena / 2);
    planned(&quarter, &u, fixed + m.arena / 4);
    assert_true(half <= 1.15 * whole);
    assert_true(quarter <= 1.5 * whole);
    lyc_graph_free(u.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
