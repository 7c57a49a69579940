/* plan_print.c - a plan in words: where the memory goes, and what runs
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/string.h"
#include "graph/plan_internal.h"

static void line(lyc_strbuf *text, const char *name, size_t bytes)
{
    lyc_strbuf_format(text, "%-22s %12.1f MiB\n", name, (double)bytes / (1024.0 * 1024.0));
}

static void print_memory(lyc_strbuf *text, const lyc_plan *plan)
{
    const lyc_plan_memory *m = &plan->memory;
    line(text, "weights", m->weights);
    line(text, "trainable parameters", m->params);
    line(text, "optimiser state", m->optimiser);
    line(text, "inputs", m->inputs);
    line(text, "activations", m->activations);
    line(text, "  of these gradients", m->gradients);
    line(text, "  largest workspace", m->workspace);
    line(text, "arena", m->arena);
    line(text, "peak", m->total);
    line(text, "borrowed from files", m->weights_borrowed);
    lyc_strbuf_format(text, "%d steps, %d of them recomputed, %.2f GFLOP\n", lyc_plan_step_count(plan),
                      lyc_plan_recomputed_count(plan), lyc_plan_flops(plan) / 1e9);
}

static void print_step(lyc_strbuf *text, const lyc_plan *plan, const lyc_step *step)
{
    const lyc_slot *out = plan->program.slots[step->out[0]];
    lyc_strbuf_format(text, "%5d %c%c %10zu ", step->position, step->backward ? 'b' : 'f', step->recomputed ? 'r' : ' ',
                      (size_t)((const char *)out->data - plan->arena));
    lyc_strbuf_format(text, "%-24s ", step->view ? "view" : step->kernel->name);
    if (!step->view) {
        lyc_problem_print(text, step->problem);
    }
    lyc_strbuf_format(text, "  [%s]\n", step->layer);
}

void lyc_plan_print(lyc_strbuf *text, const lyc_plan *plan, bool steps)
{
    print_memory(text, plan);
    for (int i = 0; steps && i < plan->program.n_steps; i++) {
        print_step(text, plan, plan->program.steps[i]);
    }
}

const lyc_problem *lyc_plan_problem(const lyc_plan *plan, int step)
{
    const lyc_step *s = plan->program.steps[step];
    return s->view ? NULL : s->problem;
}
