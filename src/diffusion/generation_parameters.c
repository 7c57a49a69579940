/* generation_parameters.c - the text that says how a picture was made, as A1111 writes it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "diffusion/pipeline.h"
#include "image/parameters.h"
#include "lycoris/version.h"
#include "tensor/sha256.h"

enum { HASH_DIGITS = 10, CHUNK = 8 << 20 };

/* The first digits of the SHA-256 of a single file, once for a pipeline. A folder has none. */
static lyc_status set_hash(lyc_pipeline *p, lyc_error *err)
{
    lyc_file_map *map;
    lyc_sha256 hash;
    char hex[LYC_SHA256_HEX];
    if (p->model_file == NULL || p->model_hash[0] != '\0') {
        return LYC_OK;
    }
    LYC_TRY(lyc_file_map_open(&map, p->model_file, err));
    lyc_file_map_advise(map, 0, lyc_file_map_size(map), LYC_FILE_SEQUENTIAL);
    lyc_sha256_init(&hash);
    for (size_t at = 0, size = lyc_file_map_size(map); at < size; at += CHUNK) {
        const size_t n = size - at < CHUNK ? size - at : CHUNK;
        lyc_sha256_update(&hash, lyc_file_map_data(map) + at, n);
        lyc_file_map_advise(map, at, n, LYC_FILE_DONE); /* the packed weights are there as well */
    }
    const lyc_status status = lyc_file_map_check(map, err);
    lyc_file_map_close(map);
    LYC_TRY(status);
    memcpy(p->model_hash, lyc_sha256_finish(hex, &hash), HASH_DIGITS);
    return LYC_OK;
}

static lyc_status add_number(lyc_parameters *out, const char *key, double value, lyc_error *err)
{
    char text[LYC_NUMBER];
    return lyc_parameters_add(out, key, lyc_number_format(text, value), err);
}

static lyc_status add_sampler(lyc_parameters *out, const lyc_generation *g, lyc_error *err)
{
    static const char *const curves[LYC_CURVE_COUNT] = {NULL, "Karras", "Exponential", "Beta"};
    const char *label = g->sampler->label != NULL ? g->sampler->label : g->sampler->name;
    LYC_TRY(lyc_parameters_add(out, "Sampler", label, err));
    const char *curve = curves[g->sampling.curve];
    return curve != NULL ? lyc_parameters_add(out, "Schedule type", curve, err) : LYC_OK;
}

static lyc_status add_model(lyc_parameters *out, lyc_pipeline *p, lyc_error *err)
{
    LYC_TRY(set_hash(p, err));
    if (p->model_hash[0] != '\0') {
        LYC_TRY(lyc_parameters_add(out, "Model hash", p->model_hash, err));
    }
    return lyc_parameters_add(out, "Model", p->model_name, err);
}

/* What is there only when it was used. */
static lyc_status add_extras(lyc_parameters *out, const lyc_generation *g, int image, lyc_error *err)
{
    static const char *const sources[] = {"CPU", NULL, "native"}; /* A1111's standard is that of GPUs */
    const lyc_generate_options *o = g->options;
    if (o->clip_skip > 1 || o->clip_skip_diffusers) {
        LYC_TRY(add_number(out, "Clip skip", g->text.clip_skip, err));
    }
    if (o->image != NULL) {
        LYC_TRY(add_number(out, "Denoising strength", o->strength, err));
    }
    if (o->variation_strength > 0) {
        LYC_TRY(add_number(out, "Variation seed", (double)(o->variation_seed + image), err));
        LYC_TRY(add_number(out, "Variation seed strength", o->variation_strength, err));
    }
    if (o->guidance_rescale > 0) {
        LYC_TRY(add_number(out, "CFG Rescale", o->guidance_rescale, err));
    }
    if (o->sampler_seed_delta != 0) {
        LYC_TRY(add_number(out, "ENSD", (double)o->sampler_seed_delta, err));
    }
    return sources[o->noise] != NULL ? lyc_parameters_add(out, "RNG", sources[o->noise], err) : LYC_OK;
}

/* The prompt with the adapters that the options name, as if it named them. */
static lyc_status add_prompts(lyc_parameters *out, const lyc_pipeline *p, const lyc_generation *g, lyc_error *err)
{
    const lyc_generate_options *o = g->options;
    lyc_strbuf prompt = {0};
    lyc_strbuf_append(&prompt, o->prompt != NULL ? o->prompt : "");
    for (size_t i = 0; i < g->adapters.named; i++) {
        const lyc_adapter_use *use = &g->adapters.uses[i];
        char unet[LYC_NUMBER], text[LYC_NUMBER];
        lyc_number_format(unet, use->unet);
        lyc_number_format(text, use->text);
        const bool same = strcmp(unet, text) == 0;
        lyc_strbuf_format(&prompt, "%s<lora:%s:%s%s%s>", prompt.length > 0 ? " " : "",
                          p->adapters.opened[use->adapter].name, unet, same ? "" : ":", same ? "" : text);
    }
    lyc_status status = lyc_strbuf_check(&prompt, "a prompt", err);
    status = status == LYC_OK ? lyc_parameters_prompts(out, lyc_strbuf_text(&prompt), o->negative, err) : status;
    lyc_strbuf_clear(&prompt);
    return status;
}

static lyc_status add_adapters(lyc_parameters *out, const lyc_pipeline *p, const lyc_generation *g, lyc_error *err)
{
    lyc_strbuf hashes = {0};
    for (size_t i = 0; i < g->adapters.count; i++) {
        const lyc_opened_adapter *a = &p->adapters.opened[g->adapters.uses[i].adapter];
        if (a->hash[0] != '\0') {
            lyc_strbuf_format(&hashes, "%s%s: %s", hashes.length > 0 ? ", " : "", a->name, a->hash);
        }
    }
    lyc_status status = lyc_strbuf_check(&hashes, "hashes of adapters", err);
    status = status == LYC_OK && hashes.length > 0 ? lyc_parameters_add(out, "Lora hashes", hashes.text, err) : status;
    lyc_strbuf_clear(&hashes);
    return status;
}

static lyc_status fill(lyc_parameters *out, lyc_pipeline *p, const lyc_generation *g, int image, lyc_error *err)
{
    char text[64];
    const lyc_generate_options *o = g->options;
    LYC_TRY(add_prompts(out, p, g, err));
    LYC_TRY(add_number(out, "Steps", o->steps, err));
    LYC_TRY(add_sampler(out, g, err));
    LYC_TRY(add_number(out, "CFG scale", o->guidance_scale, err));
    snprintf(text, sizeof text, "%" PRId64, g->seed + image);
    LYC_TRY(lyc_parameters_add(out, "Seed", text, err));
    snprintf(text, sizeof text, "%dx%d", g->width, g->height);
    LYC_TRY(lyc_parameters_add(out, "Size", text, err));
    LYC_TRY(add_model(out, p, err));
    LYC_TRY(add_adapters(out, p, g, err));
    LYC_TRY(add_extras(out, g, image, err));
    return lyc_parameters_add(out, "Version", "lycoris " LYCORIS_VERSION, err);
}

lyc_status lyc_generation_parameters(char **out, lyc_pipeline *p, const lyc_generation *g, int image, lyc_error *err)
{
    lyc_parameters parameters = {0};
    lyc_strbuf text = {0};
    lyc_status status = fill(&parameters, p, g, image, err);
    if (status == LYC_OK) {
        lyc_parameters_write(&text, &parameters);
        status = lyc_strbuf_check(&text, "the parameters of a picture", err);
    }
    *out = status == LYC_OK ? lyc_strbuf_take(&text) : NULL;
    lyc_strbuf_clear(&text);
    lyc_parameters_clear(&parameters);
    return status;
}

lyc_status lyc_pipeline_parameters(lyc_generated *out, lyc_pipeline *pipeline, const lyc_generate_options *options,
                                   int image, lyc_error *err)
{
    lyc_generation g;
    if (options->seed < 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a seed by chance has no parameters yet");
    }
    LYC_TRY(lyc_generation_init(&g, pipeline, options, err));
    out->seed = g.seed + image;
    return lyc_generation_parameters(&out->parameters, pipeline, &g, image, err);
}
