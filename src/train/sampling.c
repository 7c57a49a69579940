/* sampling.c - pictures of what a run has learned so far
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/sampling.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/string.h"
#include "diffusion/pipeline.h"
#include "diffusion/sampler.h"
#include "train/sample_prompts.h"
#include "train/sample_sheet.h"

static const size_t max_png = (size_t)1 << 30;
static const int64_t standard_seed = 42; /* the same noise each time: what changes is what was learned */

lyc_generate_options lyc_train_sampling_standard(const lyc_train_model *model)
{
    lyc_generate_options o = LYC_GENERATE_DEFAULT;
    o.sampler = "ddim";
    o.seed = standard_seed;
    o.width = o.height = 512;
    o.prompt_style = LYC_PROMPTS_TRAINER;
    o.prompt_parts = model->options.chunks;
    o.clip_skip = model->options.clip_skip;
    return o;
}

lyc_status lyc_train_sampling_check(const lyc_train_sampling *sampling, lyc_error *err)
{
    lyc_sample_prompts *list = NULL;
    LYC_TRY(lyc_sample_prompts_open(&list, sampling->prompts, &sampling->standard, err));
    const size_t count = lyc_sample_prompts_count(list);
    lyc_status status = count > 0 ? LYC_OK : lyc_fail(err, LYC_E_ARGUMENT, "%s has no prompt", sampling->prompts);
    for (size_t i = 0; status == LYC_OK && i < count; i++) {
        const lyc_sampler *sampler;
        lyc_sigma_curve curve;
        status = lyc_sampler_find(&sampler, &curve, lyc_sample_prompts_options(list, i)->sampler, err);
    }
    lyc_sample_prompts_free(list);
    return status == LYC_OK || count == 0 ? status : lyc_wrap(err, "%s", sampling->prompts);
}

static lyc_pipeline_options pipeline_options(const lyc_train_model *model)
{
    const lyc_train_model_options *o = &model->options;
    return (lyc_pipeline_options){
        .model = o->model,
        .vae = o->vae,
        .compute = o->precision == LYC_PRECISION_BF16 ? LYC_COMPUTE_BF16 : LYC_COMPUTE_F32,
        .prediction = o->v_parameterization ? LYC_PREDICTS_V : LYC_PREDICTS_AS_TOLD,
        .zero_terminal_snr = o->zero_terminal_snr,
    };
}

static lyc_status log_picture(lyc_trainer *trainer, const char *path, size_t index, const lyc_picture *picture,
                              lyc_error *err)
{
    char tag[32];
    lyc_strbuf png = {0};
    if (trainer == NULL) {
        return LYC_OK;
    }
    snprintf(tag, sizeof tag, "sample/%02zu", index);
    lyc_status status = lyc_file_read(&png, path, max_png, err);
    status = status == LYC_OK
                 ? lyc_trainer_log_picture(trainer, tag, png.text, png.length, picture->width, picture->height, err)
                 : status;
    lyc_strbuf_clear(&png);
    return status;
}

static lyc_status write(const lyc_train_sampling *s, const char *when, size_t index, const lyc_generated *made,
                        lyc_trainer *trainer, lyc_error *err)
{
    lyc_strbuf path = {0};
    lyc_strbuf_format(&path, "%s/%s_%s_%02zu", s->folder, s->name, when, index);
    if (s->stamp != NULL) {
        lyc_strbuf_format(&path, "_%s", s->stamp);
    }
    lyc_strbuf_format(&path, "_%" PRId64 ".png", made->seed);
    lyc_status status = lyc_strbuf_check(&path, "the name of a picture", err);
    if (status == LYC_OK) {
        const lyc_picture_file file = {.parameters = made->parameters, .force = true};
        status = lyc_picture_write(path.text, &made->picture, &file, err);
    }
    status = status == LYC_OK ? log_picture(trainer, path.text, index, &made->picture, err) : status;
    lyc_strbuf_clear(&path);
    return status;
}

static lyc_status sample(const lyc_train_sampling *s, lyc_pipeline *pipeline, const lyc_sample_prompts *list,
                         const char *when, lyc_trainer *trainer, lyc_error *err)
{
    for (size_t i = 0; i < lyc_sample_prompts_count(list); i++) {
        lyc_generate_options options = *lyc_sample_prompts_options(list, i);
        lyc_generated made = {0};
        options.count = 1;
        lyc_status status = lyc_pipeline_generate(&made, pipeline, &options, s->task, err);
        status = status == LYC_OK ? write(s, when, i, &made, trainer, err) : status;
        lyc_generated_clear(&made);
        LYC_TRY(status);
    }
    return LYC_OK;
}

/* All rounds so far on one sheet. */
static lyc_status write_sheet(const lyc_train_sampling *s, const lyc_sample_prompts *list, const char *when,
                              lyc_error *err)
{
    const size_t count = lyc_sample_prompts_count(list);
    const char **prompts = lyc_alloc_zero(count + 1, sizeof *prompts);
    if (prompts == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a sheet of sample pictures");
    }
    for (size_t i = 0; i < count; i++) {
        prompts[i] = lyc_sample_prompts_options(list, i)->prompt;
    }
    const lyc_sample_sheet sheet = {
        .folder = s->folder, .name = s->name, .when = when, .prompts = prompts, .prompt_count = count};
    const lyc_status status = lyc_sample_sheet_write(&sheet, err);
    lyc_free(prompts);
    return status;
}

lyc_status lyc_train_sample(const lyc_train_sampling *sampling, const lyc_train_model *model, lyc_network *network,
                            const char *when, lyc_trainer *trainer, lyc_error *err)
{
    lyc_sample_prompts *list = NULL;
    lyc_pipeline *pipeline = NULL;
    const lyc_pipeline_options options = pipeline_options(model);
    LYC_TRY(lyc_path_make_folder(sampling->folder, err));
    LYC_TRY(lyc_sample_prompts_open(&list, sampling->prompts, &sampling->standard, err));
    lyc_status status = lyc_pipeline_open(&pipeline, &options, err);
    if (status == LYC_OK && network != NULL) {
        const float start = 0;
        lyc_network_set_use(network, LYC_NETWORK_EXCHANGEABLE);
        lyc_network_set_strength(network, 0, 1, 1);
        status = lyc_network_set_samples(network, 1, err);
        lyc_network_set_timesteps(network, &start, 1, 0); /* all ranks */
        status = status == LYC_OK ? lyc_pipeline_attach(pipeline, network, err) : status;
    }
    status = status == LYC_OK ? sample(sampling, pipeline, list, when, trainer, err) : status;
    lyc_pipeline_close(pipeline);
    status = status == LYC_OK ? write_sheet(sampling, list, when, err) : status;
    lyc_sample_prompts_free(list);
    return status;
}
