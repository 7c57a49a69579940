/* generate.h - what `lycoris generate` is told, and a run of it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_DIFFUSION_GENERATE_H
#define LYC_CLI_DIFFUSION_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "lycoris/generate.h"

enum {
    LYC_GENERATE_MAX_CONTROLS = 8,
    LYC_GENERATE_MAX_SHEET = 400,
    LYC_GENERATE_MAX_ADAPTERS = 64,
    LYC_GENERATE_PATH = 4096
};

/* The members that options fill (cmd_generate.c). */
typedef struct lyc_generate_config {
    const char *model, *variant, *vae, *text_encoder, *text_encoder_2, *model_config;
    const char *prompt, *negative, *prompts;
    const char *output, *sheet;
    const char *sampler;
    lyc_option_list sampler_options;
    int64_t width, height, steps, count, seed, clip_skip, quality;
    double scale, rescale, strength;
    const char *image, *mask;
    lyc_option_list controlnets, control_images;
    lyc_option_list adapters;
    lyc_option_list embeddings;
    const char *adapter_dir;
    bool strict;
    double control_weight, control_start, control_end;
    bool control_guess;
    int64_t subseed, ensd;
    double subseed_strength;
    int noise, precision, prediction, prompt_style, schedule_style, image_style, format;
    bool clip_skip_diffusers, zero_negative, zero_snr, lossless, no_metadata, force, dry_run;
    uint64_t vae_limit;
} lyc_generate_config;

/* A run: one pipeline, and requests that share its weights. */
typedef struct lyc_generate_run {
    lyc_cli *cli;
    const lyc_generate_config *config;
    lyc_pipeline *pipeline;
    lyc_request_list *list; /* NULL: one request, `single` */
    lyc_generate_options single;
    const char *single_name; /* of the file, without ending; NULL: numbered */
    char folder[LYC_GENERATE_PATH];
    const char *ending; /* ".png" */
    lyc_picture image, mask, control_pictures[LYC_GENERATE_MAX_CONTROLS];
    lyc_control controls[LYC_GENERATE_MAX_CONTROLS];
    lyc_adapter_use adapters[LYC_GENERATE_MAX_ADAPTERS];
    lyc_json json;
    lyc_task task;
    lyc_picture sheet[2 * LYC_GENERATE_MAX_SHEET]; /* kept for the sheet; the rest of its last row stays empty */
    int64_t sheet_seeds[LYC_GENERATE_MAX_SHEET];
    size_t sheet_count;
    size_t made, skipped;
} lyc_generate_run;

/* Everything that can be found before the model is opened: options, pictures, outputs. */
lyc_status lyc_generate_prepare(lyc_generate_run *run, lyc_error *err);

/* Opens the model, checks every request, makes what is not there yet. */
lyc_status lyc_generate_all(lyc_generate_run *run, lyc_error *err);

/* Strengths, and when the pipeline is there the files. */
lyc_status lyc_generate_prepare_adapters(lyc_generate_run *run, lyc_error *err);
lyc_status lyc_generate_open_adapters(lyc_generate_run *run, lyc_error *err);
lyc_status lyc_generate_open_embeddings(lyc_generate_run *run, lyc_error *err);

void lyc_generate_clear(lyc_generate_run *run);

#endif
