/* train_log.c - what a run measured, as CSV and as JSON lines
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/train_log.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/append_file.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/string.h"

struct lyc_train_log {
    lyc_append_file *csv, *lines;
};

/* --- going on ------------------------------------------------------------------------------------------------------
 */

/* The whole number behind a prefix at the start of a line; -1: the line has none. */
static int64_t step_of(lyc_span line, const char *prefix)
{
    double step;
    const size_t skipped = strlen(prefix);
    if (!lyc_span_starts_with(line, prefix)) {
        return -1;
    }
    size_t length = 0;
    while (skipped + length < line.length && strchr("0123456789", line.text[skipped + length]) != NULL) {
        length++;
    }
    return lyc_number_parse(&step, (lyc_span){line.text + skipped, length}) ? (int64_t)step : -1;
}

/* Bytes up to the first line of a later step, or to one that is not complete. */
static uint64_t kept_bytes(const char *text, size_t size, const char *prefix, int64_t step)
{
    size_t at = 0;
    while (at < size) {
        const char *end = memchr(text + at, '\n', size - at);
        if (end == NULL || step_of((lyc_span){text + at, (size_t)(end - text) - at}, prefix) > step) {
            break;
        }
        at = (size_t)(end - text) + 1;
    }
    return at;
}

static lyc_status open_one(lyc_append_file **out, const char *path, const char *prefix, int64_t step, lyc_error *err)
{
    uint64_t kept = 0;
    lyc_file_map *map = NULL;
    if (path == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a log");
    }
    if (step >= 0 && lyc_file_map_open(&map, path, NULL) == LYC_OK) {
        kept = kept_bytes((const char *)lyc_file_map_data(map), lyc_file_map_size(map), prefix, step);
        lyc_file_map_close(map);
    }
    LYC_TRY(lyc_append_file_open(out, path, err));
    return lyc_append_file_cut(*out, kept, err);
}

lyc_status lyc_train_log_open(lyc_train_log **out, const char *path, int64_t step, lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_train_log *log = lyc_alloc_zero(1, sizeof *log);
    if (log == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a log");
    }
    lyc_status status = open_one(&log->csv, lyc_arena_format(&arena, "%s.csv", path), "", step, err);
    if (status == LYC_OK) {
        status = open_one(&log->lines, lyc_arena_format(&arena, "%s.jsonl", path), "{\"step\":", step, err);
    }
    lyc_arena_clear(&arena);
    if (status != LYC_OK) {
        lyc_train_log_close(log);
        return status;
    }
    *out = log;
    return LYC_OK;
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

static lyc_status put(lyc_append_file *file, lyc_strbuf *line, lyc_error *err)
{
    lyc_status status = lyc_strbuf_check(line, "a line of a log", err);
    status = status != LYC_OK ? status : lyc_append_file_write(file, line->text, line->length, err);
    lyc_strbuf_clear(line);
    return status;
}

static lyc_status write_head(lyc_train_log *log, const lyc_log_number *numbers, size_t count, lyc_error *err)
{
    lyc_strbuf head = {0};
    lyc_strbuf_append(&head, "step");
    for (size_t i = 0; i < count; i++) {
        lyc_strbuf_format(&head, ",%s", numbers[i].name);
    }
    lyc_strbuf_append_char(&head, '\n');
    return put(log->csv, &head, err);
}

lyc_status lyc_train_log_write(lyc_train_log *log, int64_t step, const lyc_log_number *numbers, size_t count,
                               lyc_error *err)
{
    lyc_strbuf row = {0}, line = {0};
    if (lyc_append_file_size(log->csv) == 0) {
        LYC_TRY(write_head(log, numbers, count, err));
    }
    lyc_strbuf_format(&row, "%" PRId64, step);
    lyc_strbuf_format(&line, "{\"step\":%" PRId64, step);
    for (size_t i = 0; i < count; i++) {
        char text[LYC_NUMBER];
        const bool told = !isnan(numbers[i].value);
        lyc_strbuf_format(&row, ",%s", told ? lyc_number_format(text, numbers[i].value) : "");
        if (told) {
            lyc_strbuf_append_char(&line, ',');
            lyc_json_write_string(&line, lyc_span_of(numbers[i].name));
            lyc_strbuf_append_char(&line, ':');
            lyc_json_write_number(&line, numbers[i].value);
        }
    }
    lyc_strbuf_append_char(&row, '\n');
    lyc_strbuf_append(&line, "}\n");
    const lyc_status status = put(log->csv, &row, err);
    if (status != LYC_OK) {
        lyc_strbuf_clear(&line);
        return status;
    }
    return put(log->lines, &line, err);
}

lyc_status lyc_train_log_flush(lyc_train_log *log, lyc_error *err)
{
    LYC_TRY(lyc_append_file_flush(log->csv, err));
    return lyc_append_file_flush(log->lines, err);
}

void lyc_train_log_close(lyc_train_log *log)
{
    if (log != NULL) {
        lyc_append_file_close(log->csv);
        lyc_append_file_close(log->lines);
        lyc_free(log);
    }
}
