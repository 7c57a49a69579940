/* generate_run.c - making the pictures of a run
 *
 * A picture that is there already, made with the same settings, is left alone: a run that was interrupted goes on where
 * it was. One that was made otherwise is an error unless --force.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/diffusion/generate.h"
#include "lycoris/text.h"

static size_t request_count(const lyc_generate_run *run)
{
    return run->list != NULL ? lyc_request_list_count(run->list) : 1;
}

static lyc_generate_options request_at(const lyc_generate_run *run, size_t index)
{
    return run->list != NULL ? *lyc_request_list_options(run->list, index) : run->single;
}

/* Whether another request has the name too: a line with several seeds. */
static bool shares_name(const lyc_generate_run *run, size_t request, const char *name)
{
    return (request > 0 && lyc_request_list_name(run->list, request - 1) == name) ||
           (request + 1 < request_count(run) && lyc_request_list_name(run->list, request + 1) == name);
}

/* FOLDER/NAME.png; NAME is that of the prompt file, with the seed where several pictures have it, or number and seed.
 */
static lyc_status picture_path(char path[LYC_GENERATE_PATH], const lyc_generate_run *run, size_t request, int image,
                               int64_t seed, lyc_error *err)
{
    const char *name = run->list != NULL ? lyc_request_list_name(run->list, request) : NULL;
    int n;
    if (run->single_name != NULL) {
        n = snprintf(path, LYC_GENERATE_PATH, "%s", run->single_name);
    } else if (name != NULL && image == 0 && !shares_name(run, request, name)) {
        n = snprintf(path, LYC_GENERATE_PATH, "%s/%s%s", run->folder, name, run->ending);
    } else if (name != NULL) {
        n = snprintf(path, LYC_GENERATE_PATH, "%s/%s-%" PRId64 "%s", run->folder, name, seed, run->ending);
    } else {
        n = snprintf(path, LYC_GENERATE_PATH, "%s/%05zu-%" PRId64 "%s", run->folder, request, seed, run->ending);
    }
    return n < LYC_GENERATE_PATH ? LYC_OK : lyc_cli_fail(err, LYC_E_ARGUMENT, "the name of a picture is too long");
}

static void report(lyc_generate_run *run, const char *path, int64_t seed, bool skipped, const char *parameters)
{
    if (run->cli->json) {
        lyc_json_begin_object(&run->json, NULL);
        lyc_json_text(&run->json, "file", path);
        lyc_json_integer(&run->json, "seed", seed);
        lyc_json_bool(&run->json, "made", !skipped);
        lyc_json_text(&run->json, "parameters", parameters);
        lyc_json_end(&run->json);
    } else {
        char shown[LYC_GENERATE_PATH];
        lyc_cli_clear_bar(run->cli);
        lyc_text_printable(shown, sizeof shown, path, strlen(path));
        fprintf(run->cli->out, "%s%s\n", shown, skipped ? " (was there)" : "");
        fflush(run->cli->out);
    }
}

/* Whether the file is there and holds what this request would make. */
static lyc_status is_made(bool *made, lyc_generate_run *run, const char *path, const lyc_generate_options *one,
                          lyc_error *err)
{
    struct stat seen;
    *made = false;
    if (run->config->force || lstat(path, &seen) != 0) {
        return LYC_OK;
    }
    lyc_generated want = {0};
    lyc_generated have = {0};
    lyc_status status = lyc_pipeline_parameters(&want, run->pipeline, one, 0, err);
    if (status == LYC_OK && !run->config->no_metadata) {
        lyc_error unreadable = {0}; /* such a file was not made here */
        *made = lyc_picture_parameters(&have, path, &unreadable) == LYC_OK && have.parameters != NULL &&
                strcmp(have.parameters, want.parameters) == 0;
    }
    if (status == LYC_OK && !*made) {
        lyc_cli_hint(run->cli, "--force replaces it");
        status = lyc_cli_fail(err, LYC_E_OUTPUT, "%s is there, and made otherwise", path);
    }
    lyc_generated_clear(&want);
    lyc_generated_clear(&have);
    return status;
}

static void keep_for_sheet(lyc_generate_run *run, lyc_generated *g)
{
    if (run->config->sheet != NULL && run->sheet_count < LYC_GENERATE_MAX_SHEET) {
        run->sheet_seeds[run->sheet_count] = g->seed;
        run->sheet[run->sheet_count++] = g->picture;
        g->picture = (lyc_picture){0};
    }
}

static lyc_status make_one(lyc_generate_run *run, const char *path, const lyc_generate_options *one, lyc_error *err)
{
    lyc_generated g = {0};
    lyc_status status = lyc_pipeline_generate(&g, run->pipeline, one, &run->task, err);
    if (status == LYC_OK) {
        const lyc_picture_file file = {.parameters = run->config->no_metadata ? NULL : g.parameters,
                                       .quality = (int)run->config->quality,
                                       .lossless = run->config->lossless,
                                       .force = run->config->force};
        status = lyc_picture_write(path, &g.picture, &file, err);
    }
    if (status == LYC_OK) {
        run->made++;
        report(run, path, g.seed, false, g.parameters);
        keep_for_sheet(run, &g);
    }
    lyc_generated_clear(&g);
    return status;
}

/* A picture of a request: only asked whether it can be made, or made. */
static lyc_status make_or_check(lyc_generate_run *run, size_t request, int image, bool only_check, lyc_error *err)
{
    char path[LYC_GENERATE_PATH];
    bool made = false;
    lyc_generate_options one = request_at(run, request);
    one.count = 1;
    one.seed += image;
    one.variation_seed += image;
    lyc_status status = picture_path(path, run, request, image, one.seed, err);
    if (status == LYC_OK) {
        status = is_made(&made, run, path, &one, err);
    }
    if (status != LYC_OK || only_check) {
        return status;
    }
    if (made) {
        run->skipped++;
        report(run, path, one.seed, true, NULL);
        return LYC_OK;
    }
    return make_one(run, path, &one, err);
}

/* Picture by picture, so that an interrupted run keeps what was finished. */
static lyc_status make_request(lyc_generate_run *run, size_t index, bool only_check, lyc_error *err)
{
    const int count = request_at(run, index).count;
    for (int image = 0; image < count; image++) {
        const lyc_status status = make_or_check(run, index, image, only_check, err);
        if (status != LYC_OK) {
            return status;
        }
    }
    return LYC_OK;
}

static lyc_status open_pipeline(lyc_generate_run *run, lyc_error *err)
{
    const lyc_generate_config *c = run->config;
    const lyc_pipeline_options options = {
        .model = c->model,
        .variant = c->variant,
        .vae = c->vae,
        .text_encoder = c->text_encoder,
        .text_encoder_2 = c->text_encoder_2,
        .config = c->model_config,
        .controlnets = c->controlnets.items,
        .controlnet_count = c->controlnets.count,
        .compute = (lyc_compute)c->precision,
        .prediction = (lyc_prediction_kind)c->prediction,
        .zero_terminal_snr = c->zero_snr,
        .vae_limit_bytes = c->vae_limit,
    };
    return lyc_pipeline_open(&run->pipeline, &options, err);
}

/* What was chosen where nothing was said. */
static void print_settings(const lyc_generate_run *run)
{
    lyc_pipeline_info info;
    int width, height;
    const lyc_generate_options first = request_at(run, 0);
    lyc_pipeline_size(&width, &height, run->pipeline, &first);
    lyc_pipeline_describe(&info, run->pipeline);
    if (!run->cli->quiet) {
        char shown[128];
        const char *sampler = first.sampler != NULL ? first.sampler : info.sampler;
        lyc_text_printable(shown, sizeof shown, sampler, strlen(sampler));
        fprintf(stderr, "%s, %s; %dx%d, %d steps of %s, guidance scale %g, seed %" PRId64 "\n", info.family,
                run->config->precision == LYC_COMPUTE_BF16 ? "bf16" : "f32", width, height, first.steps, shown,
                first.guidance_scale, first.seed);
    }
}

static lyc_status check_requests(lyc_generate_run *run, lyc_error *err)
{
    for (size_t i = 0; i < request_count(run); i++) {
        const lyc_generate_options options = request_at(run, i);
        lyc_status status = lyc_pipeline_check(run->pipeline, &options, err);
        if (status == LYC_OK) {
            status = make_request(run, i, true, err);
        }
        if (status != LYC_OK) {
            return status;
        }
    }
    return LYC_OK;
}

/* The pictures that were made now, at most LYC_GENERATE_MAX_SHEET; a row for each request of several pictures. */
static lyc_status write_sheet(lyc_generate_run *run, lyc_error *err)
{
    const char *labels[LYC_GENERATE_MAX_SHEET];
    char texts[LYC_GENERATE_MAX_SHEET][32];
    int columns = (int)run->single.count;
    if (run->sheet_count == 0) {
        return LYC_OK;
    }
    while (run->single.count == 1 && (size_t)columns * (size_t)columns < run->sheet_count) {
        columns++; /* as square as can be */
    }
    columns = (size_t)columns > run->sheet_count ? (int)run->sheet_count : columns;
    const int rows = (int)((run->sheet_count + (size_t)columns - 1) / (size_t)columns);
    for (int c = 0; c < columns; c++) {
        snprintf(texts[c], sizeof texts[c], "%" PRId64, run->sheet_seeds[c]);
        labels[c] = texts[c];
    }
    lyc_picture sheet = {0};
    const lyc_picture_table table = {
        .pictures = run->sheet, .rows = rows, .columns = columns, .column_labels = rows == 1 ? labels : NULL};
    lyc_status status = lyc_picture_sheet(&sheet, &table, err);
    if (status == LYC_OK) {
        status = lyc_picture_write(run->config->sheet, &sheet, &(lyc_picture_file){.force = true}, err);
    }
    lyc_picture_clear(&sheet);
    return status;
}

lyc_status lyc_generate_all(lyc_generate_run *run, lyc_error *err)
{
    lyc_status status = open_pipeline(run, err);
    if (status == LYC_OK) {
        status = lyc_generate_open_adapters(run, err);
    }
    if (status == LYC_OK) {
        status = lyc_generate_open_embeddings(run, err);
    }
    if (status == LYC_OK) {
        status = check_requests(run, err);
    }
    if (status == LYC_OK) {
        print_settings(run);
    }
    if (status != LYC_OK || run->config->dry_run) {
        return status;
    }
    if (run->single_name == NULL && mkdir(run->folder, 0777) != 0 && errno != EEXIST) {
        return lyc_cli_fail(err, LYC_E_OUTPUT, "cannot make the folder %s: %s", run->folder, strerror(errno));
    }
    if (run->cli->json) {
        lyc_json_begin_object(&run->json, NULL);
        lyc_json_begin_array(&run->json, "pictures");
    }
    for (size_t i = 0; status == LYC_OK && i < request_count(run); i++) {
        status = make_request(run, i, false, err);
    }
    if (run->cli->json) {
        lyc_json_end(&run->json);
        lyc_json_unsigned(&run->json, "made", run->made);
        lyc_json_unsigned(&run->json, "skipped", run->skipped);
        lyc_json_bool(&run->json, "finished", status == LYC_OK);
        lyc_json_end(&run->json);
    }
    return status == LYC_OK && run->config->sheet != NULL ? write_sheet(run, err) : status;
}
