/* generate_prepare.c - from options to requests, before any model is read
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/diffusion/generate.h"

static const char *const endings[] = {".png", ".jpg", ".webp"};

/* A seed by chance, in the range that every program takes. */
static int64_t random_seed(void)
{
    uint32_t seed = 0;
    return getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed ? (int64_t)seed : 42;
}

/* Whether the name ends as a picture does; which of the endings. */
static bool picture_ending(int *format, const char *path)
{
    static const char *const known[][2] = {{".png", NULL}, {".jpg", ".jpeg"}, {".webp", NULL}};
    const size_t n = strlen(path);
    for (int f = 0; f < 3; f++) {
        for (int k = 0; k < 2 && known[f][k] != NULL; k++) {
            const size_t m = strlen(known[f][k]);
            if (n > m && strcmp(path + n - m, known[f][k]) == 0) {
                *format = f;
                return true;
            }
        }
    }
    return false;
}

/* The part of a path before its last '/'; "." when there is none. */
static void folder_of(char *folder, size_t size, const char *path)
{
    const char *slash = strrchr(path, '/');
    const int n = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    snprintf(folder, size, "%.*s", n, slash == NULL ? "." : path);
}

/* Whether something can be made in a folder. */
static lyc_status check_folder(const char *folder, const char *path, lyc_error *err)
{
    struct stat seen;
    if (stat(folder, &seen) != 0 || (S_ISDIR(seen.st_mode) && access(folder, W_OK) != 0)) {
        return lyc_cli_fail(err, LYC_E_OUTPUT, "cannot write %s: folder %s: %s", path, folder, strerror(errno));
    }
    return S_ISDIR(seen.st_mode) ? LYC_OK : lyc_cli_fail(err, LYC_E_OUTPUT, "%s is there and no folder", folder);
}

/* --output: a folder, or the name of one picture. */
static lyc_status set_output(lyc_generate_run *run, lyc_error *err)
{
    const lyc_generate_config *c = run->config;
    char folder[LYC_GENERATE_PATH];
    int format = c->format;
    run->single_name = NULL;
    run->ending = endings[format];
    if (!picture_ending(&format, c->output)) {
        struct stat seen;
        snprintf(run->folder, sizeof run->folder, "%s", c->output);
        folder_of(folder, sizeof folder, c->output);
        return check_folder(stat(c->output, &seen) == 0 ? c->output : folder, c->output, err);
    }
    if (run->list != NULL || c->count > 1) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--output %s names one picture, and more are asked for: name a folder",
                            c->output);
    }
    run->single_name = c->output;
    folder_of(folder, sizeof folder, c->output);
    return check_folder(folder, c->output, err);
}

static lyc_status set_pictures(lyc_generate_run *run, lyc_error *err)
{
    const lyc_generate_config *c = run->config;
    if (c->mask != NULL && c->image == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--mask says where --init-image is changed, and there is none");
    }
    if (c->image != NULL) {
        const lyc_status status = lyc_picture_read(&run->image, c->image, false, err);
        if (status != LYC_OK) {
            return status;
        }
        run->single.image = &run->image;
    }
    if (c->mask != NULL) {
        const lyc_status status = lyc_picture_read(&run->mask, c->mask, true, err);
        if (status != LYC_OK) {
            return status;
        }
        run->single.mask = &run->mask;
    }
    return LYC_OK;
}

static lyc_status set_controls(lyc_generate_run *run, lyc_error *err)
{
    const lyc_generate_config *c = run->config;
    if (c->controlnets.count != c->control_images.count) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT,
                            "%zu --controlnet and %zu --control-image: each takes one of the other",
                            c->controlnets.count, c->control_images.count);
    }
    if (c->controlnets.count > LYC_GENERATE_MAX_CONTROLS) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "at most %d ControlNets", LYC_GENERATE_MAX_CONTROLS);
    }
    for (size_t i = 0; i < c->controlnets.count; i++) {
        const lyc_status status = lyc_picture_read(&run->control_pictures[i], c->control_images.items[i], false, err);
        if (status != LYC_OK) {
            return status;
        }
        run->controls[i] = (lyc_control){.controlnet = i,
                                         .picture = &run->control_pictures[i],
                                         .weight = c->control_weight,
                                         .start = c->control_start,
                                         .end = c->control_end,
                                         .guess = c->control_guess};
    }
    run->single.controls = run->controls;
    run->single.control_count = c->controlnets.count;
    return LYC_OK;
}

static void set_options(lyc_generate_options *o, const lyc_generate_config *c)
{
    const lyc_generate_options standard = LYC_GENERATE_DEFAULT;
    *o = standard;
    o->prompt = c->prompt;
    o->negative = c->negative;
    o->width = (int)c->width;
    o->height = (int)c->height;
    o->count = (int)c->count;
    o->seed = c->seed >= 0 ? c->seed : random_seed();
    o->noise = (lyc_noise_kind)c->noise;
    o->sampler = c->sampler;
    o->sampler_options = c->sampler_options.items;
    o->sampler_option_count = c->sampler_options.count;
    o->schedule_style = (lyc_program_style)c->schedule_style;
    o->steps = (int)c->steps;
    o->guidance_scale = c->scale;
    o->guidance_rescale = c->rescale;
    o->prompt_style = (lyc_prompt_style)c->prompt_style;
    o->clip_skip = (int)c->clip_skip;
    o->clip_skip_diffusers = c->clip_skip_diffusers;
    o->zero_negative = c->zero_negative;
    o->strength = c->strength;
    o->image_style = (lyc_program_style)c->image_style;
    o->variation_seed = c->subseed;
    o->variation_strength = c->subseed_strength;
    o->sampler_seed_delta = c->ensd;
}

lyc_status lyc_generate_prepare(lyc_generate_run *run, lyc_error *err)
{
    const lyc_generate_config *c = run->config;
    if (c->model == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "no model: --model names a diffusers folder or a .safetensors file");
    }
    if ((c->prompt != NULL) == (c->prompts != NULL)) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT,
                            c->prompt != NULL ? "--prompt and --prompts: one of them"
                                              : "no prompt: give --prompt TEXT");
    }
    set_options(&run->single, c);
    lyc_status status = set_pictures(run, err);
    if (status == LYC_OK) {
        status = set_controls(run, err);
    }
    if (status == LYC_OK) {
        status = lyc_generate_prepare_adapters(run, err);
    }
    if (status == LYC_OK && c->prompts != NULL) {
        status = lyc_request_list_open(&run->list, c->prompts, &run->single, err);
    }
    return status == LYC_OK ? set_output(run, err) : status;
}

void lyc_generate_clear(lyc_generate_run *run)
{
    for (size_t i = 0; i < run->sheet_count; i++) {
        lyc_picture_clear(&run->sheet[i]);
    }
    for (size_t i = 0; i < LYC_GENERATE_MAX_CONTROLS; i++) {
        lyc_picture_clear(&run->control_pictures[i]);
    }
    lyc_picture_clear(&run->image);
    lyc_picture_clear(&run->mask);
    lyc_request_list_free(run->list);
    lyc_pipeline_close(run->pipeline);
}
