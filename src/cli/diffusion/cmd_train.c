/* cmd_train.c - lycoris train: from a folder of pictures to an adapter file
 *
 * Options are kept as they come and given to the library, which knows which of them a file may be overruled by.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/command.h"
#include "cli/diffusion/train.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "lycoris/text.h"

enum { MOST_SHOWN = 16384 };

/* What the words of the command line are kept in. */
typedef struct words {
    lyc_train_config *config;
} words;

typedef struct run_state {
    lyc_cli *cli;
    lyc_json json;
    double started; /* the first step of this run */
    int64_t first_step;
    double first_seconds, seconds; /* of the steps up to the first report, and up to the last */
    int64_t step;
    double loss;
    double movement;
} run_state;

static lyc_status set(void *config, const lyc_option *option, const char *value, lyc_error *err)
{
    words *w = config;
    if (w->config == NULL) {
        LYC_TRY(lyc_train_config_new(&w->config, err));
    }
    return lyc_train_config_set(w->config, option->name, value, err);
}

static void clear(void *config)
{
    lyc_train_config_free(((words *)config)->config);
}

/* --- what the library says -----------------------------------------------------------------------------------------
 */

static void notice(void *context, const char *text)
{
    const run_state *run = context;
    lyc_cli_warn(run->cli, "%s", text);
}

static void wrote(void *context, const char *path)
{
    run_state *run = context;
    if (run->cli->json) {
        lyc_json_text(&run->json, NULL, path);
        return;
    }
    char shown[1024];
    lyc_cli_clear_bar(run->cli);
    lyc_text_printable(shown, sizeof shown, path, strlen(path));
    fprintf(run->cli->out, "%s\n", shown);
    fflush(run->cli->out);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void report(void *context, const lyc_train_progress *p)
{
    run_state *run = context;
    char postfix[160];
    if (isnan(run->started)) { /* rates count from the end of the first step, which plans and packs */
        run->started = now();
        run->first_step = p->step;
        run->first_seconds = p->seconds;
    }
    run->step = p->step;
    run->seconds = p->seconds;
    const double elapsed = now() - run->started;
    const int64_t done = p->step - run->first_step;
    const double rate = done > 0 && elapsed > 0 ? (double)done / elapsed : 0;
    int n = snprintf(postfix, sizeof postfix, "avr_loss=%.4g", p->average_loss);
    if (!isnan(p->movement)) {
        run->movement = p->movement;
    }
    if (!isnan(run->movement)) {
        n += snprintf(postfix + n, sizeof postfix - (size_t)n, ", moved=%.3g", run->movement);
    }
    if (p->skipped > 0) {
        snprintf(postfix + n, sizeof postfix - (size_t)n, ", skipped=%" PRId64, p->skipped);
    }
    run->loss = p->average_loss;
    const lyc_progress_report line = {.label = "steps",
                                      .unit = "it",
                                      .count = p->step,
                                      .total = p->total_steps,
                                      .elapsed_s = elapsed,
                                      .rate = rate,
                                      .remaining_s = rate > 0 ? (double)(p->total_steps - p->step) / rate : -1,
                                      .postfix = postfix,
                                      .finished = p->step >= p->total_steps};
    lyc_cli_show_progress(run->cli, &line);
}

static bool is_stopped(void *context)
{
    (void)context;
    return lyc_signals_pending();
}

/* --- the configuration ---------------------------------------------------------------------------------------------
 */

static void warn_of_notices(lyc_cli *cli, const lyc_train_config *config, size_t *said)
{
    const char *text;
    while ((text = lyc_train_config_notice(config, *said)) != NULL) {
        lyc_cli_warn(cli, "%s", text);
        ++*said;
    }
}

/* The file that --config_file means: with or without its ending. */
static const char *config_path(char *path, size_t size, const char *given)
{
    struct stat seen;
    const size_t length = strlen(given);
    const bool ends = length > 5 && strcmp(given + length - 5, ".toml") == 0;
    snprintf(path, size, ends || stat(given, &seen) == 0 ? "%s" : "%s.toml", given);
    return path;
}

/* The text line by line. */
static void print_text(lyc_cli *cli, const char *text)
{
    char shown[MOST_SHOWN];
    while (*text != '\0') {
        const size_t length = strcspn(text, "\n");
        lyc_text_printable(shown, sizeof shown, text, length);
        fprintf(cli->out, "%s\n", shown);
        text += length + (text[length] == '\n');
    }
}

static lyc_status write_config(lyc_cli *cli, const lyc_train_config *config, const char *path, lyc_error *err)
{
    char *text = NULL;
    if (path != NULL) {
        return lyc_train_config_save(config, path, err);
    }
    LYC_TRY(lyc_train_config_write(&text, config, LYC_TRAIN_TOML, err));
    print_text(cli, text);
    lyc_train_text_free(text);
    return LYC_OK;
}

/* --- running -------------------------------------------------------------------------------------------------------
 */

static void say_how_to_go_on(run_state *run, lyc_train_config *config, const char *state)
{
    lyc_error ignored;
    char *command = NULL;
    if (lyc_train_config_set(config, "resume", state, &ignored) != LYC_OK ||
        lyc_train_config_write(&command, config, LYC_TRAIN_COMMAND, &ignored) != LYC_OK) {
        return;
    }
    if (run->cli->json) {
        lyc_json_text(&run->json, "go_on", command);
    } else {
        lyc_cli_clear_bar(run->cli);
        fputs("stopped; to go on:\n", run->cli->out);
        print_text(run->cli, command);
    }
    lyc_train_text_free(command);
}

static lyc_status show_and_train(run_state *run, lyc_training *training, lyc_train_config *config, lyc_error *err)
{
    lyc_cli *cli = run->cli;
    const char *state = NULL;
    char *command = NULL;
    LYC_TRY(lyc_train_config_write(&command, config, LYC_TRAIN_COMMAND, err));
    if (cli->json) {
        lyc_json_begin_object(&run->json, NULL);
        lyc_train_show_plan_json(&run->json, lyc_training_plan(training));
        lyc_json_text(&run->json, "command", command);
        lyc_json_begin_array(&run->json, "files");
    } else if (!cli->quiet) {
        lyc_train_show_start(cli, lyc_training_plan(training));
        lyc_train_show_choices(cli, config, command);
        fflush(cli->out);
    }
    lyc_train_text_free(command);
    const lyc_status status = lyc_training_run(&state, training, err);
    if (cli->json) {
        lyc_json_end(&run->json);
        const int64_t steps = run->step - run->first_step;
        lyc_json_number(&run->json, "seconds_per_step",
                        steps > 0 ? (run->seconds - run->first_seconds) / (double)steps : (double)NAN);
        lyc_json_number(&run->json, "loss", run->loss);
        lyc_json_bool(&run->json, "finished", status == LYC_OK && state == NULL);
    }
    if (status == LYC_OK && state != NULL) {
        say_how_to_go_on(run, config, state);
    }
    if (cli->json) {
        lyc_json_end(&run->json);
    }
    return status;
}

static lyc_status plan_or_train(run_state *run, lyc_train_config *config, bool only_plan, lyc_error *err)
{
    lyc_training *training = NULL;
    size_t said = 0;
    const lyc_train_hooks hooks = {
        .report = report, .notice = notice, .wrote = wrote, .stop = is_stopped, .context = run};
    const lyc_task task = lyc_cli_task(run->cli);
    warn_of_notices(run->cli, config, &said);
    lyc_status status = lyc_training_open(&training, config, &hooks, &task, err);
    warn_of_notices(run->cli, config, &said);
    if (status == LYC_OK && (only_plan || lyc_train_config_number(config, "minutes") > 0)) {
        status = lyc_training_measure(training, err);
    }
    for (size_t i = 0; status == LYC_OK && i < lyc_training_plan(training)->notice_count; i++) {
        lyc_cli_warn(run->cli, "%s", lyc_training_plan(training)->notices[i]);
    }
    if (status == LYC_OK && only_plan && run->cli->json) {
        lyc_json_begin_object(&run->json, NULL);
        lyc_train_show_plan_json(&run->json, lyc_training_plan(training));
        lyc_json_end(&run->json);
    } else if (status == LYC_OK && only_plan) {
        lyc_train_show_plan(run->cli, lyc_training_plan(training));
    } else if (status == LYC_OK) {
        status = show_and_train(run, training, config, err);
    }
    lyc_training_close(training);
    return status;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    lyc_train_config *given = ((const words *)config)->config;
    run_state state = {
        .cli = cli, .json = {.out = cli->out}, .started = (double)NAN, .loss = (double)NAN, .movement = (double)NAN};
    char path[4096];
    (void)operand_count;
    (void)operands;
    if (given == NULL) {
        lyc_cli_hint(cli, "lycoris train --model MODEL --images FOLDER --algo lora --minutes 10");
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "nothing is said about what to train");
    }
    const char *file = lyc_train_config_text(given, "config_file");
    const bool output = lyc_train_config_number(given, "output_config") > 0;
    if (file != NULL) {
        config_path(path, sizeof path, file);
    }
    if (output) {
        return write_config(cli, given, file != NULL ? path : NULL, err);
    }
    if (file != NULL) {
        LYC_TRY(lyc_train_config_read(given, path, err));
    }
    return plan_or_train(&state, given, lyc_train_config_number(given, "plan") > 0, err);
}

static const lyc_example examples[] = {
    {"lycoris train --model sd15.safetensors --images turtle --algo lokr --minutes 10",
     "the short way: what is not said is chosen, and said"},
    {"lycoris train --config_file paper.toml --seed 23 --plan", "what a file of sd-scripts would do, and how long"},
    {"lycoris train --config_file paper.toml --seed 23", "and do it"},
    {"lycoris train -m sdxl.safetensors --train_data_dir data --network_dim 8 --network_args algo=lora preset=attn-mlp "
     "--learning_rate 1e-4 --max_train_epochs 10 --mixed_precision bf16 --cache_latents -o out --output_name turtle",
     "everything by hand"},
    {"lycoris train --config_file paper.toml --resume out/last-state", "go on after Ctrl-C"},
    {NULL, NULL},
};

const lyc_command lyc_command_train = {
    .name = "train",
    .summary = "train an adapter on pictures",
    .description =
        "Trains an adapter, or a whole model, of Stable Diffusion 1.x, 2.x and XL on pictures with captions. Options "
        "and files of options are those of sd-scripts, and adapters are those of LyCORIS; both are taken as they "
        "are.\n\n"
        "Everything that can be wrong is found before the first step, and --plan says what would be done. Ctrl-C saves "
        "where the run is and prints the command to go on, which gives the same file as a run without a break.",
    .options = lyc_train_option_rows,
    .examples = examples,
    .has_json = true,
    .config_size = sizeof(words),
    .set = set,
    .clear = clear,
    .run = run,
};
