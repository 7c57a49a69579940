/* merge.c - adapters into the weights of a model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/memory.h"
#include "tool/merge_internal.h"

/* Names and numbers outlive the files. */
static lyc_status make_report(lyc_merge_report *r, lyc_merge_plan *plan)
{
    r->source_count = plan->options->adapter_count;
    r->sources = lyc_arena_alloc(&r->arena, r->source_count, sizeof *r->sources);
    for (size_t i = 0; r->sources != NULL && i < r->source_count; i++) {
        const lyc_merge_source *from = &plan->sources[i];
        lyc_merge_source *to = &r->sources[i];
        lyc_merge_adapter *adapter = lyc_arena_alloc(&r->arena, 1, sizeof *adapter);
        *to = (lyc_merge_source){.layers = from->layers,
                                 .merged = from->merged,
                                 .embeddings = from->embeddings,
                                 .unmatched_count = from->unmatched_count};
        to->unmatched = lyc_arena_alloc(&r->arena, from->unmatched_count + 1, sizeof *to->unmatched);
        if (adapter == NULL || to->unmatched == NULL) {
            return LYC_E_MEMORY;
        }
        *adapter = *from->adapter;
        adapter->path = lyc_arena_text(&r->arena, from->adapter->path);
        to->adapter = adapter;
        for (size_t k = 0; k < from->unmatched_count; k++) {
            to->unmatched[k] = lyc_arena_text(&r->arena, from->unmatched[k]);
            if (to->unmatched[k] == NULL) {
                return LYC_E_MEMORY;
            }
        }
        if (adapter->path == NULL) {
            return LYC_E_MEMORY;
        }
    }
    return r->sources != NULL ? LYC_OK : LYC_E_MEMORY;
}

lyc_status lyc_merge(lyc_merge_report **out, const lyc_merge_options *options, const lyc_task *task, lyc_error *err)
{
    lyc_merge_plan plan;
    *out = NULL;
    lyc_memory_keep();
    LYC_TRY(lyc_merge_plan_make(&plan, options, err));
    lyc_merge_report *r = lyc_alloc_zero(1, sizeof *r);
    lyc_status status = r != NULL && make_report(r, &plan) == LYC_OK
                            ? LYC_OK
                            : lyc_fail(err, LYC_E_MEMORY, "no memory for the report of a merge");
    status = status == LYC_OK ? lyc_merge_write(&r->changed, &r->copied, &plan, task, err) : status;
    lyc_merge_plan_clear(&plan);
    if (status != LYC_OK) {
        lyc_merge_report_free(r);
        return status;
    }
    *out = r;
    return LYC_OK;
}

void lyc_merge_report_free(lyc_merge_report *report)
{
    if (report != NULL) {
        lyc_arena_clear(&report->arena);
        lyc_free(report);
    }
}

size_t lyc_merge_report_count(const lyc_merge_report *report)
{
    return report->source_count;
}

lyc_merged_adapter lyc_merge_report_adapter(const lyc_merge_report *report, size_t index)
{
    const lyc_merge_source *s = &report->sources[index];
    return (lyc_merged_adapter){.path = s->adapter->path,
                                .layers = s->layers,
                                .merged = s->merged,
                                .unmatched = s->unmatched_count,
                                .embeddings = s->embeddings};
}

const char *lyc_merge_report_unmatched(const lyc_merge_report *report, size_t adapter, size_t index)
{
    const lyc_merge_source *s = &report->sources[adapter];
    return index < s->unmatched_count ? s->unmatched[index] : NULL;
}

size_t lyc_merge_report_changed(const lyc_merge_report *report)
{
    return report->changed;
}

size_t lyc_merge_report_copied(const lyc_merge_report *report)
{
    return report->copied;
}
