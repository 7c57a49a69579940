/* component.c - the tensors of one network of a model, under their diffusers names
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/component_make.h"
#include "tensor/shape.h"
#include "tensor/statistics.h"

static const struct {
    const char *name;
    const char *title;
} kinds[LYC_COMPONENT_COUNT] = {
    [LYC_COMPONENT_UNET] = {"unet", "U-Net"},
    [LYC_COMPONENT_VAE] = {"vae", "VAE"},
    [LYC_COMPONENT_TEXT_ENCODER] = {"text_encoder", "text encoder"},
    [LYC_COMPONENT_TEXT_ENCODER_2] = {"text_encoder_2", "second text encoder"},
    [LYC_COMPONENT_CONTROLNET] = {"controlnet", "ControlNet"},
};

const char *lyc_component_kind_name(lyc_component_kind kind)
{
    assert((unsigned)kind < LYC_COMPONENT_COUNT);
    return kinds[kind].name;
}

const char *lyc_component_kind_title(lyc_component_kind kind)
{
    assert((unsigned)kind < LYC_COMPONENT_COUNT);
    return kinds[kind].title;
}

void lyc_component_close(lyc_component *c)
{
    if (c == NULL) {
        return;
    }
    if (c->owns_source) {
        lyc_source_close(c->source);
    }
    lyc_hashmap_clear(&c->by_name);
    lyc_arena_clear(&c->arena);
    lyc_free(c->views);
    lyc_free(c);
}

lyc_component_kind lyc_component_kind_of(const lyc_component *c)
{
    return c->kind;
}

bool lyc_component_find(lyc_weight_view *out, const lyc_component *c, const char *name)
{
    const uintptr_t index = (uintptr_t)lyc_hashmap_get(&c->by_name, lyc_span_of(name));
    if (index == 0) {
        return false;
    }
    *out = c->views[index - 1];
    return true;
}

size_t lyc_component_count(const lyc_component *c)
{
    return c->count;
}

lyc_weight_view lyc_component_at(const lyc_component *c, size_t index)
{
    assert(index < c->count);
    return c->views[index];
}

const lyc_unet_config *lyc_component_unet(const lyc_component *c)
{
    assert(c->kind == LYC_COMPONENT_UNET || c->kind == LYC_COMPONENT_CONTROLNET);
    return &c->config.unet;
}

const lyc_vae_config *lyc_component_vae(const lyc_component *c)
{
    assert(c->kind == LYC_COMPONENT_VAE);
    return &c->config.vae;
}

const lyc_clip_text_config *lyc_component_clip_text(const lyc_component *c)
{
    assert(c->kind == LYC_COMPONENT_TEXT_ENCODER || c->kind == LYC_COMPONENT_TEXT_ENCODER_2);
    return &c->config.clip_text;
}

size_t lyc_component_unmatched_count(const lyc_component *c)
{
    return lyc_source_unmatched_count(c->source);
}

const char *lyc_component_unmatched(const lyc_component *c, size_t index)
{
    return lyc_source_unmatched(c->source, index);
}

lyc_status lyc_component_check(const lyc_component *c, lyc_error *err)
{
    return lyc_source_check(c->source, err);
}

void lyc_component_release_pages(const lyc_component *c)
{
    lyc_source_release_pages(c->source);
}

/* --- what is known about a published network ---------------------------------------------------------------------- */

int64_t lyc_component_parameters(const lyc_component *c)
{
    int64_t sum = 0;
    for (size_t i = 0; i < c->count; i++) {
        sum += lyc_shape_elements(&c->views[i].shape);
    }
    return sum;
}

const char *lyc_component_known(const lyc_component *c)
{
    static const struct {
        int64_t parameters;
        const char *title;
    } known[] = {
        {859520964, "U-Net SD 1.x"},
        {859535364, "U-Net SD 1.x inpainting"},
        {865910724, "U-Net SD 2.x"},
        {865925124, "U-Net SD 2.x inpainting"},
        {2567463684, "U-Net SDXL"},
        {123060480, "text encoder CLIP ViT-L"},
        {340387840, "text encoder OpenCLIP ViT-H, 23 layers"},
        {694659840, "text encoder OpenCLIP ViT-bigG"},
        {83653863, "VAE SD"},
        {361279120, "ControlNet SD 1.x"},
    };
    const int64_t parameters = lyc_component_parameters(c);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].parameters == parameters) {
            return known[i].title;
        }
    }
    return NULL;
}

/* --- non-finite weights ------------------------------------------------------------------------------------------- */

/* Whether every number of a tensor is finite; true for types that have no numbers. */
static bool is_finite(const lyc_weight_view *view)
{
    lyc_tensor_statistics statistics;
    lyc_progress progress;
    const size_t n = (size_t)lyc_shape_elements(&view->shape);
    lyc_task_begin(&progress, NULL, "", "B", 0);
    const lyc_status status = lyc_statistics_compute(&statistics, view->data, view->dtype, n, &progress, NULL, NULL);
    return status != LYC_OK || statistics.nan_count + statistics.infinity_count == 0;
}

bool lyc_component_find_nonfinite(lyc_weight_view *out, const lyc_component *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!is_finite(&c->views[i])) {
            *out = c->views[i];
            return true;
        }
    }
    return false;
}
