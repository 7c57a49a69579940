/* main.c - a picture from a prompt, with liblycoris-diffusion
 *
 *     generate MODEL PICTURE PROMPT
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include <lycoris/diffusion.h>
#include <lycoris/generate.h>

static int fail(const lyc_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

static void show_step(void *context, const lyc_progress_report *report)
{
    (void)context;
    if (report->finished) {
        printf("%d steps\n", (int)report->count);
    }
}

int main(int argc, char **argv)
{
    lyc_error err;
    lyc_pipeline *pipeline;
    lyc_pipeline_info info;
    lyc_generated result = {0};
    lyc_generate_options options = LYC_GENERATE_DEFAULT;
    const lyc_task task = {.progress = show_step};
    if (argc != 4) {
        fputs("usage: generate MODEL PICTURE PROMPT\n", stderr);
        return 1;
    }
    lyc_diffusion_start();
    if (lyc_pipeline_open(&pipeline, &(lyc_pipeline_options){.model = argv[1]}, &err) != LYC_OK) {
        return fail(&err);
    }
    lyc_pipeline_describe(&info, pipeline);
    printf("%s, %dx%d, %s\n", info.family, info.width, info.height, info.sampler);

    options.prompt = argv[3];
    options.seed = 42;
    options.steps = 6;
    options.sampler = "DPM++ 2M Karras";
    if (lyc_pipeline_generate(&result, pipeline, &options, &task, &err) != LYC_OK ||
        lyc_picture_write(argv[2], &result.picture, &(lyc_picture_file){.parameters = result.parameters}, &err) !=
            LYC_OK) {
        return fail(&err);
    }
    printf("%s\n", result.parameters);
    lyc_generated_clear(&result);
    lyc_pipeline_close(pipeline);
    return 0;
}
