/* cmd_formats.c - lycoris formats: which programs read which kinds of adapters
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/text.h"
#include "lycoris/verify.h"

typedef struct formats_config {
    const char *samples;
    bool force;
} formats_config;

/* clang-format off */
static const lyc_option options[] = {
    {.name = "samples", .kind = LYC_OPTION_PATH, .offset = offsetof(formats_config, samples), .metavar = "FOLDER",
     .help = "write a small adapter of each row for Stable Diffusion 1.x into this folder, to try them in other programs"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, .offset = offsetof(formats_config, force),
     .help = "replace samples that are there"},
    {0},
};
/* clang-format on */

/* What a cell says. */
static const char *const words[] = {[LYC_VERDICT_LOADS] = "yes",
                                    [LYC_VERDICT_LIMITED] = "at 1",
                                    [LYC_VERDICT_DIFFERS] = "differs",
                                    [LYC_VERDICT_DROPPED] = "-"};
static const lyc_style styles[] = {[LYC_VERDICT_LOADS] = LYC_STYLE_GREEN,
                                   [LYC_VERDICT_LIMITED] = LYC_STYLE_YELLOW,
                                   [LYC_VERDICT_DIFFERS] = LYC_STYLE_RED,
                                   [LYC_VERDICT_DROPPED] = LYC_STYLE_DIM};
enum { CELL = 9, TITLE = 35 };

/* --- the table -----------------------------------------------------------------------------------------------------
 */

static lyc_status print_row(lyc_cli *cli, size_t row, lyc_error *err)
{
    fprintf(cli->out, "%-*s", TITLE, lyc_format_title_at(row));
    for (size_t k = 0; k < lyc_consumer_count(); k++) {
        const char *reason;
        lyc_verdict verdict;
        LYC_TRY(lyc_format_verdict(&verdict, &reason, row, k, err));
        const bool last = k + 1 == lyc_consumer_count();
        fprintf(cli->out, " %s%s%s%*s", lyc_style_begin(cli->out_colour, styles[verdict]), words[verdict],
                lyc_style_end(cli->out_colour), last ? 0 : CELL - (int)strlen(words[verdict]), "");
    }
    fputc('\n', cli->out);
    return LYC_OK;
}

static lyc_status print_table(lyc_cli *cli, lyc_error *err)
{
    fprintf(cli->out, "%-*s", TITLE, "");
    for (size_t k = 0; k < lyc_consumer_count(); k++) {
        const bool last = k + 1 == lyc_consumer_count();
        fprintf(cli->out, " %-*s", last ? 0 : CELL, lyc_consumer_at(k).name);
    }
    fputc('\n', cli->out);
    for (size_t row = 0; lyc_format_title_at(row) != NULL; row++) {
        LYC_TRY(print_row(cli, row, err));
    }
    fputc('\n', cli->out);
    for (size_t k = 0; k < lyc_consumer_count(); k++) {
        const lyc_consumer_info info = lyc_consumer_at(k);
        fprintf(cli->out, "%-10s %s %s%s%s\n", info.name, info.title, info.version, info.note != NULL ? "; " : "",
                info.note != NULL ? info.note : "");
    }
    fputs("\nyes: loads, with the same result   at 1: the same result at strength 1 alone\n"
          "differs: loads, with another result   -: does not load\n",
          cli->out);
    return LYC_OK;
}

static lyc_status print_json(lyc_cli *cli, lyc_error *err)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_array(&json, NULL);
    for (size_t row = 0; lyc_format_title_at(row) != NULL; row++) {
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "format", lyc_format_title_at(row));
        for (size_t k = 0; k < lyc_consumer_count(); k++) {
            const char *reason;
            lyc_verdict verdict;
            LYC_TRY(lyc_format_verdict(&verdict, &reason, row, k, err));
            lyc_json_begin_object(&json, lyc_consumer_at(k).name);
            lyc_json_text(&json, "verdict", lyc_verdict_name(verdict));
            lyc_json_text(&json, "reason", reason);
            lyc_json_end(&json);
        }
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    return LYC_OK;
}

/* --- samples -------------------------------------------------------------------------------------------------------
 */

/* "LoKr of rank 1, alpha 0.5" to "lokr-of-rank-1-alpha-0.5". */
static void file_name(char *out, size_t size, const char *folder, const char *title)
{
    const int start = snprintf(out, size, "%s/", folder);
    size_t n = start > 0 && (size_t)start < size ? (size_t)start : 0;
    for (const char *c = title; *c != '\0' && n + 16 < size; c++) {
        const bool kept = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || *c == '_' || *c == '.';
        if (kept || (*c >= 'A' && *c <= 'Z')) {
            out[n++] = kept ? *c : (char)(*c - 'A' + 'a');
        } else if (out[n - 1] != '-' && out[n - 1] != '/') {
            out[n++] = '-';
        }
    }
    snprintf(out + n, size - n, ".safetensors");
}

static lyc_status write_samples(lyc_cli *cli, const formats_config *config, lyc_error *err)
{
    char path[4096];
    for (size_t row = 0; lyc_format_title_at(row) != NULL; row++) {
        file_name(path, sizeof path, config->samples, lyc_format_title_at(row));
        LYC_TRY(lyc_format_write_sample(path, row, config->force, err));
        if (!cli->json) {
            fprintf(cli->out, "%s\n", path);
        }
    }
    return LYC_OK;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const formats_config *c = config;
    (void)operand_count;
    (void)operands;
    if (c->samples != NULL) {
        return write_samples(cli, c, err);
    }
    return cli->json ? print_json(cli, err) : print_table(cli, err);
}

static const lyc_example examples[] = {
    {"lycoris formats", "the table"},
    {"lycoris formats --samples try", "an adapter of each row, for your own program"},
    {NULL, NULL},
};

const lyc_command lyc_command_formats = {
    .name = "formats",
    .summary = "show which programs read which kinds of adapters",
    .description =
        "Shows, for each kind of adapter, which programs load it and whether they compute what it means. The rows are "
        "judged by the same rules as the files of `lycoris verify`, each program's in the version that is named.",
    .options = options,
    .examples = examples,
    .has_json = true,
    .config_size = sizeof(formats_config),
    .run = run,
};
