/* verify.c - what a program makes of the layers of an adapter file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/verify.h"

#include <assert.h>
#include <string.h>

#include "adapter/network_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "tool/consumer/consumer.h"

static const char *const verdict_names[] = {"loads", "limited", "differs", "dropped"};

const char *lyc_verdict_name(lyc_verdict verdict)
{
    return verdict_names[verdict];
}

/* --- consumers -----------------------------------------------------------------------------------------------------
 */

size_t lyc_consumer_count(void)
{
    size_t count = 0;
    while (lyc_consumers[count] != NULL) {
        count++;
    }
    return count;
}

lyc_consumer_info lyc_consumer_at(size_t index)
{
    assert(index < lyc_consumer_count());
    return lyc_consumers[index]->info;
}

bool lyc_consumer_find(size_t *index, const char *name)
{
    for (*index = 0; lyc_consumers[*index] != NULL; ++*index) {
        if (strcmp(lyc_consumers[*index]->info.name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* --- a file --------------------------------------------------------------------------------------------------------
 */

typedef struct layer_verdict {
    lyc_verdict verdict;
    const char *reason; /* of the worst */
} layer_verdict;

struct lyc_verification {
    const lyc_network_file *file;
    const lyc_consumer *consumer;
    layer_verdict *layers;
    lyc_verify_finding *findings;
    size_t finding_count, finding_capacity;
    lyc_verify_summary summary;
};

static lyc_status add_finding(lyc_verification *v, const char *reason, lyc_verdict verdict, const char *layer,
                              lyc_error *err)
{
    for (size_t i = 0; i < v->finding_count; i++) {
        if (strcmp(v->findings[i].reason, reason) == 0) {
            v->findings[i].layers++;
            return LYC_OK;
        }
    }
    if (v->finding_count == v->finding_capacity) {
        const size_t capacity = v->finding_capacity == 0 ? 8 : 2 * v->finding_capacity;
        lyc_verify_finding *findings = lyc_realloc(v->findings, capacity * sizeof *findings);
        if (findings == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the findings of a verification");
        }
        v->findings = findings;
        v->finding_capacity = capacity;
    }
    v->findings[v->finding_count++] =
        (lyc_verify_finding){.verdict = verdict, .reason = reason, .layers = 1, .example = layer};
    return LYC_OK;
}

static int64_t kernel_of(const lyc_file_layer *layer)
{
    int64_t kernel = 1;
    for (int i = 2; i < layer->entry->target.weight.rank; i++) {
        kernel *= layer->entry->target.weight.dims[i];
    }
    return kernel;
}

static lyc_status judge_layer(lyc_verification *v, size_t index, lyc_error *err)
{
    int count;
    const char *reasons[LYC_CONSUMER_REASONS];
    lyc_verdict verdicts[LYC_CONSUMER_REASONS];
    const lyc_file_layer *layer = lyc_network_file_at(v->file, index);
    const lyc_consumer_layer candidate = {
        .layer = lyc_network_file_layer(v->file, index), .scheme = layer->scheme, .kernel = kernel_of(layer)};
    layer_verdict *out = &v->layers[index];
    out->verdict = lyc_consumer_judge(reasons, verdicts, &count, v->consumer, &candidate);
    for (int i = 0; i < count; i++) {
        if (out->reason == NULL && verdicts[i] == out->verdict) {
            out->reason = reasons[i];
        }
        LYC_TRY(add_finding(v, reasons[i], verdicts[i], layer->name, err));
    }
    v->summary.layers[out->verdict]++;
    v->summary.verdict = out->verdict > v->summary.verdict ? out->verdict : v->summary.verdict;
    return LYC_OK;
}

lyc_status lyc_verify(lyc_verification **out, const lyc_network_file *file, size_t consumer, lyc_error *err)
{
    assert(consumer < lyc_consumer_count());
    const size_t count = lyc_network_file_count(file);
    lyc_verification *v = lyc_alloc_zero(1, sizeof *v);
    layer_verdict *layers = lyc_alloc_zero(count + 1, sizeof *layers);
    if (v == NULL || layers == NULL) {
        lyc_free(v);
        lyc_free(layers);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the verification of %zu layers", count);
    }
    *v = (lyc_verification){.file = file, .consumer = lyc_consumers[consumer], .layers = layers};
    v->summary.unmatched = lyc_network_file_unmatched_count(file);
    lyc_status status = LYC_OK;
    for (size_t i = 0; i < count && status == LYC_OK; i++) {
        status = judge_layer(v, i, err);
    }
    v->summary.refused =
        v->consumer->refuses && (v->summary.layers[LYC_VERDICT_DROPPED] > 0 || v->summary.unmatched > 0);
    if (v->summary.refused) {
        v->summary.verdict = LYC_VERDICT_DROPPED;
    }
    if (status != LYC_OK) {
        lyc_verification_free(v);
        return status;
    }
    *out = v;
    return LYC_OK;
}

void lyc_verification_free(lyc_verification *v)
{
    if (v != NULL) {
        lyc_free(v->layers);
        lyc_free(v->findings);
        lyc_free(v);
    }
}

lyc_verify_summary lyc_verification_summary(const lyc_verification *v)
{
    return v->summary;
}

lyc_verdict lyc_verification_layer(const char **reason, const lyc_verification *v, size_t layer)
{
    assert(layer < lyc_network_file_count(v->file));
    *reason = v->layers[layer].reason;
    return v->layers[layer].verdict;
}

size_t lyc_verification_finding_count(const lyc_verification *v)
{
    return v->finding_count;
}

lyc_verify_finding lyc_verification_finding(const lyc_verification *v, size_t index)
{
    assert(index < v->finding_count);
    return v->findings[index];
}
