/* progress.c - rates, remaining time, and the line that shows them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/string.h"

/* The rate looks back over about this time, or over the last few updates when each takes longer: an update never loses
 * more than 0.3 of its weight to the next, tqdm's smoothing. */
static const double rate_window_s = 5.0;
static const double min_decay = 0.7;

void lyc_progress_init_clock(lyc_progress *progress, const char *label, const char *unit, int64_t total,
                             lyc_progress_sink sink, void *context, double (*now_s)(void))
{
    *progress =
        (lyc_progress){.label = label, .unit = unit, .total = total, .sink = sink, .context = context, .now_s = now_s};
    progress->start_s = progress->last_s = now_s();
}

void lyc_progress_init(lyc_progress *progress, const char *label, const char *unit, int64_t total,
                       lyc_progress_sink sink, void *context)
{
    lyc_progress_init_clock(progress, label, unit, total, sink, context, lyc_clock_s);
}

static void report(lyc_progress *progress, double rate, bool finished)
{
    const int64_t left = progress->total - progress->count;
    const bool known = progress->total > 0 && left >= 0 && (rate > 0.0 || left == 0);
    const lyc_progress_report now = {
        .label = progress->label,
        .unit = progress->unit,
        .count = progress->count,
        .total = progress->total,
        .elapsed_s = progress->last_s - progress->start_s,
        .rate = rate,
        .remaining_s = !known      ? -1.0
                       : left == 0 ? 0.0
                                   : (double)left / rate,
        .postfix = progress->postfix,
        .finished = finished,
    };
    progress->sink(progress->context, &now);
}

void lyc_progress_add(lyc_progress *progress, int64_t n)
{
    progress->count += n;
    if (progress->sink == NULL) {
        return;
    }
    const double now_s = progress->now_s();
    const double passed_s = now_s - progress->last_s;
    const double decay = fmax(exp(-passed_s / rate_window_s), min_decay);
    progress->last_s = now_s;
    progress->recent_count = progress->recent_count * decay + (double)n;
    progress->recent_s = progress->recent_s * decay + passed_s;
    report(progress, progress->recent_s > 0.0 ? progress->recent_count / progress->recent_s : 0.0, false);
}

void lyc_progress_skip(lyc_progress *progress, int64_t n)
{
    progress->count += n;
    progress->skipped += n;
}

void lyc_progress_set_postfix(lyc_progress *progress, const char *format, ...)
{
    if (progress->sink == NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(progress->postfix, sizeof progress->postfix, format, arguments);
    va_end(arguments);
}

void lyc_progress_finish(lyc_progress *progress)
{
    if (progress->sink == NULL) {
        return;
    }
    progress->last_s = progress->now_s();
    const double elapsed_s = progress->last_s - progress->start_s;
    const int64_t done = progress->count - progress->skipped;
    report(progress, elapsed_s > 0.0 ? (double)done / elapsed_s : 0.0, true);
}

/* "05:01", "1:02:03", "?" for an unknown (negative) or absurd time. */
static void time_text(char text[24], double seconds)
{
    if (!(seconds >= 0.0) || seconds > 1e9) {
        snprintf(text, 24, "?");
        return;
    }
    const long s = (long)seconds;
    if (s >= 3600) {
        snprintf(text, 24, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(text, 24, "%02ld:%02ld", s / 60, s % 60);
    }
}

/* Bytes are many: they are shown as tqdm does with unit_scale, three digits and a power of 1000. */
static bool is_scaled(const char *unit)
{
    return strcmp(unit, "B") == 0;
}

/* "120"; "639M" of bytes. */
static void count_text(char text[24], double count, const char *unit)
{
    static const char powers[] = "\0kMGTPE";
    size_t power = 0;
    while (is_scaled(unit) && count >= 999.5 && power + 2 < sizeof powers) {
        count /= 1000;
        power++;
    }
    const int decimals = power == 0 || count >= 99.95 ? 0 : count >= 9.995 ? 1 : 2;
    const char letter[] = {powers[power], '\0'};
    snprintf(text, 24, "%.*f%s", decimals, count, letter);
}

/* "2.92it/s", or "3.40s/it" below one a second; "639MB/s". */
static void rate_text(char *text, size_t size, double rate, const char *unit)
{
    char count[24];
    if (!(rate > 0.0)) {
        snprintf(text, size, "?%s/s", unit);
    } else if (rate < 1.0) {
        snprintf(text, size, "%.2fs/%s", 1.0 / rate, unit);
    } else if (is_scaled(unit)) {
        count_text(count, rate, unit);
        snprintf(text, size, "%s%s/s", count, unit);
    } else {
        snprintf(text, size, "%.2f%s/s", rate, unit);
    }
}

static size_t character_count(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return count;
}

static void write_bar(lyc_strbuf *line, double part, size_t width, lyc_progress_style style)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    const size_t steps = style == LYC_PROGRESS_UNICODE ? 8 : 1;
    const size_t filled = (size_t)(part * (double)(width * steps));
    for (size_t i = 0; i < width; i++) {
        const size_t here = filled > i * steps ? filled - i * steps : 0;
        const size_t level = here > steps ? steps : here;
        lyc_strbuf_append(line, steps == 8 ? eighths[level] : level > 0 ? "#" : " ");
    }
}

static void write_end(lyc_strbuf *line, const lyc_progress_report *report)
{
    char count[24];
    char elapsed[24];
    char rate[64];
    time_text(elapsed, report->elapsed_s);
    rate_text(rate, sizeof rate, report->rate, report->unit);
    count_text(count, (double)report->count, report->unit);
    if (report->total > 0) {
        char total[24];
        char remaining[24];
        count_text(total, (double)report->total, report->unit);
        time_text(remaining, report->remaining_s);
        lyc_strbuf_format(line, "| %s/%s [%s<%s, %s", count, total, elapsed, remaining, rate);
    } else {
        lyc_strbuf_format(line, "%s%s [%s, %s", count, report->unit, elapsed, rate);
    }
    if (report->postfix[0] != '\0') {
        lyc_strbuf_append(line, ", ");
        lyc_strbuf_append_printable(line, lyc_span_of(report->postfix));
    }
    lyc_strbuf_append_char(line, ']');
}

/* Copies at most `columns` characters (0: all) and size - 1 bytes, whole characters only. */
static size_t copy_line(char *out, size_t size, const char *line, int columns)
{
    size_t length = 0;
    int used = 0;
    while (line[length] != '\0' && (columns == 0 || used < columns)) {
        size_t step;
        lyc_utf8_decode(&step, line + length, strlen(line + length));
        if (length + step >= size) {
            break;
        }
        length += step;
        used++;
    }
    memcpy(out, line, length);
    out[length] = '\0';
    return length;
}

size_t lyc_progress_line(char *out, size_t size, const lyc_progress_report *report, int columns,
                         lyc_progress_style style)
{
    if (size == 0) {
        return 0;
    }
    lyc_strbuf line = {0};
    lyc_strbuf end = {0};
    write_end(&end, report);
    if (report->label[0] != '\0') {
        lyc_strbuf_append_printable(&line, lyc_span_of(report->label));
        lyc_strbuf_append(&line, ": ");
    }
    if (report->total > 0) {
        double part = (double)report->count / (double)report->total;
        part = part < 0.0 ? 0.0 : part > 1.0 ? 1.0 : part;
        lyc_strbuf_format(&line, "%3d%%|", (int)(part * 100.0)); /* 100 only at the end */
        const size_t used = character_count(lyc_strbuf_text(&line)) + character_count(lyc_strbuf_text(&end));
        const size_t room = columns > 0 && (size_t)columns > used ? (size_t)columns - used : 1;
        write_bar(&line, part, columns > 0 ? room : 10, style);
    }
    lyc_strbuf_append(&line, lyc_strbuf_text(&end));
    const size_t length = copy_line(out, size, lyc_strbuf_text(&line), columns);
    lyc_strbuf_clear(&line);
    lyc_strbuf_clear(&end);
    return length;
}

static void write_number(lyc_strbuf *json, const char *name, double value, bool known)
{
    lyc_strbuf_format(json, ",\"%s\":", name);
    lyc_json_write_number(json, known ? round(value * 1000.0) / 1000.0 : (double)NAN);
}

static void write_text(lyc_strbuf *json, lyc_span text)
{
    lyc_strbuf printable = {0};
    lyc_strbuf_append_printable(&printable, text);
    lyc_json_write_string(json, lyc_span_of(lyc_strbuf_text(&printable)));
    lyc_strbuf_clear(&printable);
}

size_t lyc_progress_json(char *out, size_t size, const lyc_progress_report *report)
{
    lyc_strbuf json = {0};
    lyc_strbuf_append(&json, "{\"label\":");
    write_text(&json, lyc_span_of(report->label));
    lyc_strbuf_format(&json, ",\"count\":%" PRId64, report->count);
    if (report->total > 0) {
        lyc_strbuf_format(&json, ",\"total\":%" PRId64, report->total);
    } else {
        lyc_strbuf_append(&json, ",\"total\":null");
    }
    write_number(&json, "elapsed_s", report->elapsed_s, true);
    write_number(&json, "rate", report->rate, report->rate > 0.0);
    write_number(&json, "remaining_s", report->remaining_s, report->remaining_s >= 0.0);
    lyc_strbuf_append(&json, ",\"postfix\":");
    write_text(&json, lyc_span_of(report->postfix));
    lyc_strbuf_append(&json, report->finished ? ",\"finished\":true}" : ",\"finished\":false}");
    size_t length = 0;
    if (!json.failed && json.length < size) {
        length = json.length;
        memcpy(out, json.text, length + 1);
    } else if (size > 0) {
        out[0] = '\0';
    }
    lyc_strbuf_clear(&json);
    return length;
}
