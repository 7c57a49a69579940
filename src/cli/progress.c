/* progress.c - progress and messages of the library on standard error
 *
 * The library calls the log's sink from any thread, one at a time, and the progress sink from another: the lock of
 * stdio's stream keeps the two apart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/progress.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/signals.h"
#include "cli/text.h"
#include "lycoris/log.h"

/* What ends before the first of these needs no progress. */
static const double first_bar_s = 0.3, bar_interval_s = 0.1;
static const double line_interval_s = 5.0;
static const double json_interval_s = 0.5;

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void lyc_cli_clear_bar(lyc_cli *cli)
{
    if (cli->progress.bar_shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        cli->progress.bar_shown = false;
    }
}

static void show_bar(lyc_cli *cli, const lyc_progress_report *report)
{
    char shown[1024];
    if (report->finished) {
        lyc_cli_clear_bar(cli);
    } else if (report->elapsed_s >= first_bar_s) {
        lyc_progress_line(shown, sizeof shown, report, cli->progress.columns - 1, cli->progress.style);
        fprintf(stderr, "\r%s\033[K", shown);
        fflush(stderr);
        cli->progress.bar_shown = true;
    }
}

/* The last line is only for those who saw others. */
static void show_line(lyc_cli *cli, const lyc_progress_report *report)
{
    char shown[1024];
    if (report->finished ? cli->progress.lines_shown : report->elapsed_s >= line_interval_s) {
        lyc_progress_line(shown, sizeof shown, report, 0, cli->progress.style);
        fprintf(stderr, "%s\n", shown);
        cli->progress.lines_shown = !report->finished;
    }
}

static void show_json(lyc_cli *cli, const lyc_progress_report *report)
{
    (void)cli;
    char shown[1024];
    if (lyc_progress_json(shown, sizeof shown, report) > 0) {
        fprintf(stderr, "%s\n", shown);
    }
}

static const struct {
    void (*show)(lyc_cli *cli, const lyc_progress_report *report);
    const double *interval_s;
} forms[] = {
    [LYC_PROGRESS_BAR] = {show_bar, &bar_interval_s},
    [LYC_PROGRESS_LINES] = {show_line, &line_interval_s},
    [LYC_PROGRESS_JSON] = {show_json, &json_interval_s},
};

void lyc_cli_show_progress(void *context, const lyc_progress_report *report)
{
    lyc_cli *cli = context;
    if (cli->progress.form == LYC_PROGRESS_NONE) {
        return;
    }
    flockfile(stderr);
    const double now = now_s();
    if (report->finished || now - cli->progress.last_s >= *forms[cli->progress.form].interval_s) {
        forms[cli->progress.form].show(cli, report);
        cli->progress.last_s = report->finished ? 0 : now;
    }
    funlockfile(stderr);
}

/* Debug messages were asked for by name: they are shown as they are, so that a line of LYCORIS_LOG=kernels can be used
 * as a problem for the benchmark. */
static void show_message(void *context, lyc_log_level level, lyc_log_category category, const char *message)
{
    lyc_cli *cli = context;
    (void)category;
    flockfile(stderr);
    lyc_cli_clear_bar(cli);
    if (level == LYC_LOG_DEBUG) {
        fprintf(stderr, "%s\n", message);
    } else {
        lyc_cli_print_origin(cli, level == LYC_LOG_ERROR  ? LYC_STYLE_RED
                                  : level == LYC_LOG_WARN ? LYC_STYLE_YELLOW
                                                          : LYC_STYLE_PLAIN);
        fprintf(stderr, "%s%s\n", level == LYC_LOG_WARN ? "warning: " : "", message);
    }
    funlockfile(stderr);
}

static int choose_form(const lyc_cli *cli, int form)
{
    if (cli->quiet) {
        return LYC_PROGRESS_NONE;
    }
    if (form != LYC_PROGRESS_AUTO) {
        return form;
    }
    return cli->err_is_terminal ? LYC_PROGRESS_BAR : LYC_PROGRESS_LINES;
}

void lyc_cli_listen(lyc_cli *cli, int form)
{
    const char *categories = getenv("LYCORIS_LOG");
    lyc_error err = {0};
    cli->progress.form = choose_form(cli, form);
    cli->progress.columns = lyc_terminal_columns(stderr);
    cli->progress.style = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? LYC_PROGRESS_UNICODE : LYC_PROGRESS_ASCII;
    lyc_log_set_level(cli->quiet ? LYC_LOG_ERROR : cli->verbose ? LYC_LOG_INFO : LYC_LOG_WARN);
    lyc_log_set_sink(show_message, cli);
    if (categories != NULL && lyc_log_select(categories, &err) != LYC_OK) {
        lyc_cli_warn(cli, "LYCORIS_LOG: %s", err.message);
    }
}

static bool is_cancelled(void *context)
{
    (void)context;
    return lyc_signals_pending();
}

lyc_task lyc_cli_task(lyc_cli *cli)
{
    return (lyc_task){.progress = lyc_cli_show_progress, .cancelled = is_cancelled, .context = cli};
}
