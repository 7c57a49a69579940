/* merge_adapters_metadata.c - what a file of several adapters says about itself
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tool/merge_adapters.h"
#include "tool/output.h"

/* What is the same for all adapters of a model: of the first file that says it. */
static const char *const of_model[] = {
    "ss_v2",
    "ss_base_model_version",
    "modelspec.sai_model_spec",
    "modelspec.architecture",
    "modelspec.implementation",
    "modelspec.resolution",
    "modelspec.prediction_type",
};

static lyc_status take_over(lyc_adapter_merge *m, const char *key, lyc_error *err)
{
    for (size_t k = 0; k < m->file_count; k++) {
        const char *value = lyc_safetensors_metadata(lyc_network_file_tensors(m->files[k].network), key);
        if (value != NULL) {
            return lyc_safetensors_plan_metadata(m->set.plan, key, value, err);
        }
    }
    return LYC_OK;
}

/* A number that all layers of a kind have, or "Dynamic". */
typedef struct common {
    double value;
    bool any, same;
} common;

static void look_at(common *c, double value)
{
    c->same = !c->any || (c->same && c->value == value);
    c->value = value;
    c->any = true;
}

static void print_number(char out[32], const common *c, bool decimal)
{
    snprintf(out, 32, "%.9g", c->value);
    if (!c->same) {
        snprintf(out, 32, "Dynamic");
    } else if (decimal && strpbrk(out, ".e") == NULL) { /* as sd-scripts writes alphas of layers */
        snprintf(out, 32, "%.1f", c->value);
    }
}

static lyc_status plan_network(lyc_adapter_merge *m, lyc_error *err)
{
    common ranks[2] = {{0}}, alphas[2] = {{0}}; /* of linear layers and 1x1, of other convolutions */
    bool loras = true;
    char rank[32], alpha[32], conv_rank[32], conv_alpha[32], arguments[160];
    for (size_t i = 0; i < m->count; i++) {
        const lyc_merge_layer *l = &m->layers[i];
        loras &= l->rank > 0 && !l->with_bias;
        if (l->rank > 0) {
            const bool conv = l->kernel > 1;
            /* sd-scripts says the first file's, where factors stand side by side too. */
            look_at(&ranks[conv], (double)(m->options->sd_scripts ? l->parts[0].rank : l->rank));
            look_at(&alphas[conv], l->alpha);
        }
    }
    const bool conv_alone = !ranks[0].any;
    print_number(rank, &ranks[conv_alone], false);
    print_number(alpha, &alphas[conv_alone], m->options->sd_scripts);
    lyc_safetensors_plan *plan = m->set.plan;
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_module", loras ? "networks.lora" : "lycoris.kohya", err));
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_dim", rank, err));
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_alpha", alpha, err));
    if (!ranks[1].any || m->options->sd_scripts) {
        return LYC_OK;
    }
    print_number(conv_rank, &ranks[1], false);
    print_number(conv_alpha, &alphas[1], false);
    snprintf(arguments, sizeof arguments, "{\"conv_dim\": \"%s\", \"conv_alpha\": \"%s\"}", conv_rank, conv_alpha);
    return lyc_safetensors_plan_metadata(plan, "ss_network_args", arguments, err);
}

/* What it was made of, by names alone: folders are nobody's business. */
static lyc_status plan_origin(lyc_adapter_merge *m, const char *path, lyc_error *err)
{
    static const char *const methods[] = {"concat", "sum", "svd", "ties", "dare", "dare-ties"};
    lyc_strbuf from = {0}, comment = {0}, title = {0};
    lyc_strbuf_format(&comment, "merged by %s:", methods[m->options->method]);
    for (size_t k = 0; k < m->file_count; k++) {
        const lyc_merge_input *given = m->files[k].given;
        const lyc_span stem = lyc_tool_stem(given->path);
        lyc_strbuf_append(&from, k > 0 ? ", " : "");
        lyc_strbuf_append_n(&from, stem.text, stem.length);
        lyc_strbuf_append(&comment, k > 0 ? ", " : " ");
        lyc_strbuf_append_n(&comment, stem.text, stem.length);
        lyc_strbuf_format(&comment, " %g", given->unet);
        if (given->text < given->unet || given->text > given->unet) {
            lyc_strbuf_format(&comment, " (text encoders %g)", given->text);
        }
    }
    const lyc_span stem = lyc_tool_stem(path != NULL ? path : "");
    lyc_strbuf_append_n(&title, stem.text, stem.length);
    lyc_status status = lyc_strbuf_check(&from, "metadata", err);
    status = status != LYC_OK ? status : lyc_strbuf_check(&comment, "metadata", err);
    status = status != LYC_OK ? status : lyc_strbuf_check(&title, "metadata", err);
    lyc_safetensors_plan *plan = m->set.plan;
    status = status != LYC_OK ? status : lyc_safetensors_plan_metadata(plan, "modelspec.merged_from", from.text, err);
    status = status != LYC_OK ? status : lyc_safetensors_plan_metadata(plan, "modelspec.title", title.text, err);
    status = status != LYC_OK ? status : lyc_safetensors_plan_metadata(plan, "ss_training_comment", comment.text, err);
    lyc_strbuf_clear(&from);
    lyc_strbuf_clear(&comment);
    lyc_strbuf_clear(&title);
    return status;
}

lyc_status lyc_adapter_merge_metadata(lyc_adapter_merge *m, const char *path, lyc_error *err)
{
    for (size_t i = 0; i < sizeof of_model / sizeof of_model[0]; i++) {
        LYC_TRY(take_over(m, of_model[i], err));
    }
    LYC_TRY(plan_network(m, err));
    return plan_origin(m, path, err);
}
