/* cmd_pretrain.c - lycoris pretrain: a model from nothing
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "lycoris/pretrain.h"
#include "lycoris/text.h"

typedef struct pretrain_config {
    const char *model, *config, *captions, *image_dir, *state, *log;
    int64_t frequent, resolution, steps, batch_size, crop, measure_every, state_every, seed;
    double learning_rate, weight_decay, ema_decay, kl_weight, validation_split;
    int dtype;
} pretrain_config;

static const lyc_option_choice stages[] = {{"new", "a model folder with random weights"},
                                           {"autoencoder", "its VAE, from pictures"},
                                           {"contrastive", "its text encoder with a CLIP, from pictures and captions"},
                                           {0}};
static const lyc_option_choice dtypes[] = {{"float", NULL}, {"fp16", NULL}, {0}};

#define AT(member) .offset = offsetof(pretrain_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "model", .letter = 'm', .kind = LYC_OPTION_PATH, AT(model), .help = "folder of the model"},
    {.name = "config", .heading = "new", .kind = LYC_OPTION_PATH, AT(config), .help = "folder of the configurations of its networks, as diffusers has them"},
    {.name = "captions", .kind = LYC_OPTION_PATH, AT(captions), .help = "text file: the vocabulary is that part of CLIP's which its words need; else that of --config"},
    {.name = "frequent", .kind = LYC_OPTION_INT, AT(frequent), .standard = "1000", .min = 0, .max = 48894, .help = "merges of CLIP's vocabulary that are kept beside these, the most frequent first"},
    {.name = "image-dir", .heading = "autoencoder, contrastive", .kind = LYC_OPTION_PATH, AT(image_dir), .help = "pictures, with captions in .txt files beside them"},
    {.name = "resolution", .kind = LYC_OPTION_INT, AT(resolution), .standard = "64", .min = 8, .max = 4096, .help = "pixels of a side"},
    {.name = "steps", .kind = LYC_OPTION_INT, AT(steps), .standard = "2000", .min = 1, .max = 1e9, .help = "in all, with those that were made before"},
    {.name = "batch-size", .kind = LYC_OPTION_INT, AT(batch_size), .standard = "32", .min = 1, .max = 65536, .help = "pictures of a step; of contrastive: 192 and more"},
    {.name = "learning-rate", .kind = LYC_OPTION_FLOAT, AT(learning_rate), .standard = "0.001", .min = 0, .max = 1, .help = "of AdamW, falling by a cosine after a warm-up"},
    {.name = "weight-decay", .kind = LYC_OPTION_FLOAT, AT(weight_decay), .standard = "0.01", .min = 0, .max = 10, .help = "of AdamW"},
    {.name = "ema-decay", .kind = LYC_OPTION_FLOAT, AT(ema_decay), .standard = "0.999", .min = 0, .max = 1, .help = "of the average of the weights that is written; 0: none"},
    {.name = "crop", .kind = LYC_OPTION_INT, AT(crop), .standard = "0", .min = 0, .max = 4096, .help = "autoencoder: pixels of a side of crops for three quarters of the steps; 0: whole pictures"},
    {.name = "kl-weight", .kind = LYC_OPTION_FLOAT, AT(kl_weight), .standard = "0.001", .min = 0, .max = 10, .help = "autoencoder: how near latents must be to noise"},
    {.name = "validation-split", .kind = LYC_OPTION_FLOAT, AT(validation_split), .standard = "0.02", .min = 0, .max = 0.9, .help = "part of the pictures that is not trained but measured"},
    {.name = "measure-every", .kind = LYC_OPTION_INT, AT(measure_every), .standard = "500", .min = 0, .max = 1e9, .help = "steps between measurements; 0: at the end"},
    {.name = "state", .kind = LYC_OPTION_PATH, AT(state), .help = "folder of a state that a later call goes on from"},
    {.name = "state-every", .kind = LYC_OPTION_INT, AT(state_every), .standard = "500", .min = 0, .max = 1e9, .help = "steps between states; 0: at the end"},
    {.name = "log", .kind = LYC_OPTION_PATH, AT(log), .help = "what was measured, as <log>.csv and <log>.jsonl"},
    {.name = "dtype", .kind = LYC_OPTION_ENUM, AT(dtype), .standard = "float", .choices = dtypes, .help = "number type of the weights that are written"},
    {.name = "seed", .heading = "all", .kind = LYC_OPTION_INT, AT(seed), .standard = "0", .min = 0, .max = 9e15, .help = "of start values, the order of pictures, and noise"},
    {0},
};
/* clang-format on */

/* --- new -----------------------------------------------------------------------------------------------------------
 */

static lyc_status make_new(const lyc_cli *cli, const pretrain_config *c, lyc_error *err)
{
    char shown[1024];
    lyc_new_model_report report;
    const lyc_new_model_options o = {.config = c->config,
                                     .captions = c->captions,
                                     .model = c->model,
                                     .frequent = c->frequent,
                                     .seed = (uint64_t)c->seed};
    if (c->config == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--config is missing: the folder of configurations");
    }
    LYC_TRY(lyc_new_model(&report, &o, err));
    if (cli->json) {
        lyc_json json = {.out = cli->out};
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "model", c->model);
        lyc_json_integer(&json, "vocabulary", report.vocabulary);
        lyc_json_begin_object(&json, "parameters");
        for (int i = 0; i < report.component_count; i++) {
            lyc_json_integer(&json, report.components[i], report.parameters[i]);
        }
        lyc_json_end(&json);
        lyc_json_end(&json);
        return LYC_OK;
    }
    lyc_text_printable(shown, sizeof shown, c->model, strlen(c->model));
    fprintf(cli->out, "%s\n", shown);
    for (int i = 0; i < report.component_count; i++) {
        fprintf(cli->out, "  %-14s %9" PRId64 " parameters\n", report.components[i], report.parameters[i]);
    }
    if (report.vocabulary > 0) {
        fprintf(cli->out, "  %-14s %9" PRId64 " tokens\n", "tokenizer", report.vocabulary);
    }
    return LYC_OK;
}

/* --- training ------------------------------------------------------------------------------------------------------
 */

typedef struct run_state {
    lyc_cli *cli;
    lyc_pretrain_stage stage;
    int64_t first_step; /* of this call; -1: none yet */
    double first_seconds;
    lyc_pretrain_progress last;
    double quality, quality_five; /* measured last */
} run_state;

static void write_quality(char *out, size_t size, const run_state *run)
{
    if (isnan(run->quality)) {
        out[0] = '\0';
    } else if (run->stage == LYC_PRETRAIN_AUTOENCODER) {
        snprintf(out, size, "%.2f dB", run->quality);
    } else {
        snprintf(out, size, "first %.1f%%, of five %.1f%%", 100.0 * run->quality, 100.0 * run->quality_five);
    }
}

static void report(void *context, const lyc_pretrain_progress *p)
{
    run_state *run = context;
    char quality[64], postfix[128];
    if (run->first_step < 0) { /* rates count from the end of the first step, which plans */
        run->first_step = p->step;
        run->first_seconds = p->seconds;
    }
    if (!isnan(p->quality)) {
        run->quality = p->quality;
        run->quality_five = p->quality_five;
    }
    run->last = *p;
    write_quality(quality, sizeof quality, run);
    snprintf(postfix, sizeof postfix, "loss=%.4g%s%s", p->loss, quality[0] != '\0' ? ", " : "", quality);
    const double elapsed = p->seconds - run->first_seconds;
    const double rate = elapsed > 0 ? (double)(p->step - run->first_step) / elapsed : 0;
    const lyc_progress_report line = {.label = "steps",
                                      .unit = "it",
                                      .count = p->step,
                                      .total = p->steps,
                                      .elapsed_s = elapsed,
                                      .rate = rate,
                                      .remaining_s = rate > 0 ? (double)(p->steps - p->step) / rate : -1,
                                      .postfix = postfix,
                                      .finished = p->step >= p->steps};
    lyc_cli_show_progress(run->cli, &line);
}

static bool is_stopped(void *context)
{
    (void)context;
    return lyc_signals_pending();
}

static void print_end(const run_state *run, const pretrain_config *c, bool finished)
{
    lyc_cli *cli = run->cli;
    char shown[1024], quality[64];
    write_quality(quality, sizeof quality, run);
    lyc_cli_clear_bar(cli);
    if (cli->json) {
        lyc_json json = {.out = cli->out};
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "model", c->model);
        lyc_json_bool(&json, "finished", finished);
        lyc_json_integer(&json, "step", run->last.step);
        lyc_json_number(&json, "loss", run->last.loss);
        lyc_json_number(&json, "quality", run->quality);
        lyc_json_number(&json, "quality_five", run->quality_five);
        lyc_json_number(&json, "seconds", run->last.seconds);
        lyc_json_end(&json);
        return;
    }
    lyc_text_printable(shown, sizeof shown, c->model, strlen(c->model));
    if (finished) {
        fprintf(cli->out, "%s\n  %" PRId64 " steps in %.0f s, loss %.4g%s%s\n", shown, run->last.step,
                run->last.seconds, run->last.loss, quality[0] != '\0' ? ", " : "", quality);
    } else {
        fprintf(cli->out, "stopped after step %" PRId64 "%s\n", run->last.step,
                c->state != NULL ? "; the same command goes on" : ", and nothing is kept: there was no --state");
    }
}

static lyc_status train(lyc_cli *cli, lyc_pretrain_stage stage, const pretrain_config *c, lyc_error *err)
{
    bool finished;
    run_state run = {.cli = cli, .stage = stage, .first_step = -1, .quality = (double)NAN, .quality_five = (double)NAN};
    const lyc_task task = lyc_cli_task(cli);
    const lyc_pretrain_options o = {
        .model = c->model,
        .image_dir = c->image_dir,
        .resolution = c->resolution,
        .steps = c->steps,
        .batch_size = c->batch_size,
        .crop = c->crop,
        .learning_rate = c->learning_rate,
        .weight_decay = c->weight_decay,
        .ema_decay = c->ema_decay,
        .kl_weight = c->kl_weight,
        .validation_split = c->validation_split,
        .measure_every = c->measure_every,
        .state_every = c->state_every,
        .state = c->state,
        .log = c->log,
        .half = c->dtype == 1,
        .seed = (uint64_t)c->seed,
        .report = report,
        .stop = is_stopped,
        .context = &run,
    };
    if (c->image_dir == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--image-dir is missing: the folder of pictures");
    }
    LYC_TRY(lyc_pretrain(&finished, stage, &o, &task, err));
    print_end(&run, c, finished);
    return LYC_OK;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const pretrain_config *c = config;
    (void)operand_count;
    if (c->model == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--model is missing: the folder of the model");
    }
    if (strcmp(operands[0], "new") == 0) {
        return make_new(cli, c, err);
    }
    if (strcmp(operands[0], "autoencoder") == 0) {
        return train(cli, LYC_PRETRAIN_AUTOENCODER, c, err);
    }
    if (strcmp(operands[0], "contrastive") == 0) {
        return train(cli, LYC_PRETRAIN_CONTRASTIVE, c, err);
    }
    return lyc_cli_fail(err, LYC_E_ARGUMENT, "'%s' is no stage, expected new, autoencoder or contrastive", operands[0]);
}

static const lyc_example examples[] = {
    {"lycoris pretrain new --config config --captions captions.txt --model small", "a model that knows nothing"},
    {"lycoris pretrain autoencoder --model small --image-dir pictures --crop 32 --state small-vae", "its VAE"},
    {"lycoris pretrain contrastive --model small --image-dir pictures --batch-size 192 --state small-clip",
     "its text encoder"},
    {"lycoris train --model small --train native --image_dir pictures --resolution 64 --train_batch_size 32 "
     "--max_train_steps 20000",
     "its U-Net, by the command that trains any other"},
    {NULL, NULL},
};

const lyc_command lyc_command_pretrain = {
    .name = "pretrain",
    .summary = "make a small model from nothing",
    .operands = "STAGE",
    .description =
        "Makes a model of Stable Diffusion's architecture at any size and trains it from random weights: `new` writes "
        "the folder, `autoencoder` trains the VAE, `contrastive` a CLIP whose text tower is the model's text encoder; "
        "the U-Net is trained by `lycoris train --train native`. Ctrl-C saves a state (--state), and the same command "
        "goes on to the same bits.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_CHOICE,
    .operand_choices = stages,
    .min_operands = 1,
    .max_operands = 1,
    .has_json = true,
    .config_size = sizeof(pretrain_config),
    .run = run,
};
