/* generate_adapters.c - adapters of a run: FILE[:weight[:unet[:te]]]; embeddings: [NAME=]FILE
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "cli/diffusion/generate.h"
#include "cli/strength.h"

lyc_status lyc_generate_prepare_adapters(lyc_generate_run *run, lyc_error *err)
{
    const lyc_option_list *list = &run->config->adapters;
    if (list->count > LYC_GENERATE_MAX_ADAPTERS) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "at most %d adapters", LYC_GENERATE_MAX_ADAPTERS);
    }
    for (size_t i = 0; i < list->count; i++) {
        char path[LYC_GENERATE_PATH];
        lyc_strength strength;
        LYC_TRY(lyc_strength_read(&strength, path, sizeof path, list->items[i], err));
        run->adapters[i] = (lyc_adapter_use){.unet = strength.unet, .text = strength.text};
    }
    run->single.adapters = run->adapters;
    run->single.adapter_count = list->count;
    run->single.adapter_folder = run->config->adapter_dir;
    return LYC_OK;
}

lyc_status lyc_generate_open_adapters(lyc_generate_run *run, lyc_error *err)
{
    const lyc_option_list *list = &run->config->adapters;
    for (size_t i = 0; i < list->count; i++) {
        char path[LYC_GENERATE_PATH];
        lyc_strength strength;
        LYC_TRY(lyc_strength_read(&strength, path, sizeof path, list->items[i], err));
        LYC_TRY(lyc_pipeline_add_adapter(&run->adapters[i].adapter, run->pipeline, path, run->config->strict, err));
    }
    return LYC_OK;
}

/* A '=' behind a '/' is part of the path. */
lyc_status lyc_generate_open_embeddings(lyc_generate_run *run, lyc_error *err)
{
    const lyc_option_list *list = &run->config->embeddings;
    for (size_t i = 0; i < list->count; i++) {
        char name[LYC_GENERATE_PATH];
        const char *text = list->items[i];
        const size_t length = strcspn(text, "/=");
        const bool named = text[length] == '=';
        if (length == 0 && named) {
            return lyc_cli_fail(err, LYC_E_ARGUMENT, "--embedding %s: expected [NAME=]FILE", text);
        }
        snprintf(name, sizeof name, "%.*s", (int)length, text);
        LYC_TRY(lyc_pipeline_add_embedding(run->pipeline, named ? text + length + 1 : text, named ? name : NULL, err));
    }
    return LYC_OK;
}
