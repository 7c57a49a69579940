/* inspect_text.c - a file as `lycoris inspect` shows it to people
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/text.h"
#include "lycoris/text.h"

enum { LONG_LIST = 40, KEY_SPACE = 2, MAX_KEY_COLUMNS = 32, SHAPE_TEXT = 200 };

/* "320x4"; "scalar" for rank 0. */
static const char *shape_text(char text[SHAPE_TEXT], const lyc_shape *shape)
{
    lyc_line line = {0};
    for (int axis = 0; axis < shape->rank; axis++) {
        lyc_line_add(&line, "%s%" PRId64, axis > 0 ? "x" : "", shape->dims[axis]);
    }
    snprintf(text, SHAPE_TEXT, "%.*s", SHAPE_TEXT - 1, shape->rank > 0 ? line.text : "scalar");
    return text;
}

/* Lists end here on a terminal unless all is asked for. */
static bool is_cut(const lyc_inspection *in, size_t shown_count)
{
    return in->cli->out_is_terminal && !in->config->all && shown_count >= LONG_LIST;
}

static void print_label(const lyc_inspection *in, const char *label)
{
    fprintf(in->cli->out, "  %s%-11s%s ", lyc_style_begin(in->cli->out_colour, LYC_STYLE_DIM), label,
            lyc_style_end(in->cli->out_colour));
}

static void print_summary(const lyc_inspection *in)
{
    FILE *out = in->cli->out;
    char shown_size[LYC_NUMBER_TEXT];
    char shown_count[LYC_NUMBER_TEXT];
    const uint64_t header = lyc_safetensors_header_bytes(in->file);
    const uint64_t trailing = lyc_safetensors_trailing_bytes(in->file);
    const uint64_t size = 8 + header + lyc_safetensors_data_bytes(in->file) + trailing;
    const size_t metadata = lyc_safetensors_metadata_count(in->file);
    print_label(in, "size");
    if (size >= 1000) {
        fprintf(out, "%s, ", lyc_text_bytes(shown_size, sizeof shown_size, size));
    }
    fprintf(out, "%s bytes\n", lyc_text_count(shown_count, sizeof shown_count, size));
    print_label(in, "header");
    fprintf(out, "%s", lyc_text_bytes(shown_size, sizeof shown_size, header));
    fprintf(out, ", metadata: %zu entr%s%s\n", metadata, metadata == 1 ? "y" : "ies",
            metadata > 0 && !in->config->meta ? " (--meta shows them)" : "");
    if (trailing > 0) {
        print_label(in, "trailing");
        fprintf(out, "%s behind the last tensor\n", lyc_text_bytes(shown_size, sizeof shown_size, trailing));
    }
}

static void print_types(const lyc_inspection *in)
{
    FILE *out = in->cli->out;
    lyc_type_count counts[LYC_DTYPE_COUNT];
    uint64_t elements = 0;
    char shown_count[LYC_NUMBER_TEXT];
    lyc_inspect_count_types(counts, in->file);
    for (int type = 0; type < LYC_DTYPE_COUNT; type++) {
        elements += counts[type].elements;
    }
    print_label(in, "tensors");
    fprintf(out, "%s", lyc_text_count(shown_count, sizeof shown_count, lyc_safetensors_count(in->file)));
    fprintf(out, " with %s number%s\n", lyc_text_count(shown_count, sizeof shown_count, elements),
            elements == 1 ? "" : "s");
    for (int type = LYC_DTYPE_COUNT - 1; type >= 0; type--) {
        char shown_bytes[LYC_NUMBER_TEXT];
        if (counts[type].tensors == 0) {
            continue;
        }
        print_label(in, lyc_dtype_name((lyc_dtype)type));
        fprintf(out, "%s in %s tensor%s\n", lyc_text_bytes(shown_bytes, sizeof shown_bytes, counts[type].bytes),
                lyc_text_count(shown_count, sizeof shown_count, counts[type].tensors),
                counts[type].tensors == 1 ? "" : "s");
    }
}

/* --- metadata ----------------------------------------------------------------------------------------------------- */

/* The value on the rest of the line: cut to it on a terminal. */
static void print_value(const lyc_inspection *in, const lyc_metadata_entry *entry, int column)
{
    char shown[4096];
    const bool cut = in->cli->out_is_terminal && !in->config->all;
    const int room = in->cli->out_width - column;
    const size_t size = cut && room > 8 ? (size_t)room - 3 : sizeof shown;
    for (size_t at = 0;;) {
        /* A piece of the text at a time: 512 bytes are at most 2048 when every one becomes \xff. */
        size_t n = entry->value_length - at < 512 ? entry->value_length - at : 512;
        while (at + n < entry->value_length && n > 1 && ((unsigned char)entry->value[at + n] & 0xC0) == 0x80) {
            n--; /* not inside a character */
        }
        const size_t length = lyc_text_printable(shown, cut ? size : sizeof shown, entry->value + at, n);
        fputs(shown, in->cli->out);
        at += n;
        if (cut && (length >= size || at < entry->value_length)) {
            fputs("...", in->cli->out);
            return;
        }
        if (at >= entry->value_length) {
            return;
        }
    }
}

static int key_columns(const lyc_safetensors *file)
{
    int columns = 0;
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        char shown[256];
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        lyc_text_printable(shown, sizeof shown, entry.key, entry.key_length);
        const int needed = lyc_text_columns(shown);
        columns = needed > columns && needed <= MAX_KEY_COLUMNS ? needed : columns;
    }
    return columns;
}

static void print_metadata(const lyc_inspection *in)
{
    FILE *out = in->cli->out;
    const int columns = key_columns(in->file);
    fputs("\n", out);
    for (size_t i = 0; i < lyc_safetensors_metadata_count(in->file); i++) {
        char shown[256];
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(in->file, i);
        lyc_text_printable(shown, sizeof shown, entry.key, entry.key_length);
        const int used = lyc_text_columns(shown);
        const int padding = used < columns ? columns - used : 0;
        fprintf(out, "  %s%s%s%*s  ", lyc_style_begin(in->cli->out_colour, LYC_STYLE_BOLD), shown,
                lyc_style_end(in->cli->out_colour), padding, "");
        print_value(in, &entry, 2 + used + padding + KEY_SPACE);
        fputc('\n', out);
    }
}

/* --- hashes ------------------------------------------------------------------------------------------------------- */

static void print_hash(const lyc_inspection *in, const char *label, const char *shown_hash, lyc_hash_verdict verdict)
{
    static const struct {
        const char *words;
        lyc_style style;
    } verdicts[] = {
        [LYC_HASH_NOT_STORED] = {"", LYC_STYLE_PLAIN},
        [LYC_HASH_SAME] = {"  as stored", LYC_STYLE_GREEN},
        [LYC_HASH_DIFFERENT] = {"  another one is stored", LYC_STYLE_RED},
        [LYC_HASH_UNKNOWN] = {"  LyCORIS' own is stored, over an order that the file does not keep", LYC_STYLE_PLAIN},
    };
    const bool colour = in->cli->out_colour && verdict != LYC_HASH_NOT_STORED;
    const char *shown_verdict = verdicts[verdict].words;
    fprintf(in->cli->out, "  %-17s %s%s%s%s\n", label, shown_hash, lyc_style_begin(colour, verdicts[verdict].style),
            shown_verdict, lyc_style_end(colour));
}

static lyc_status print_hashes(const lyc_inspection *in, lyc_error *err)
{
    lyc_file_hashes hashes;
    const lyc_status status = lyc_inspect_hashes(&hashes, in->path, in->file, &in->task, err);
    if (status != LYC_OK) {
        return status;
    }
    lyc_cli_clear_bar(in->cli);
    fputs("\n", in->cli->out);
    print_hash(in, "sha256", hashes.sha256, LYC_HASH_NOT_STORED);
    print_hash(in, "legacy (8 digits)", hashes.legacy, LYC_HASH_NOT_STORED);
    print_hash(in, "sshs_model_hash", hashes.model,
               lyc_inspect_compare_hash(in->file, "sshs_model_hash", hashes.model));
    print_hash(in, "sshs_legacy_hash", hashes.model_legacy,
               lyc_inspect_compare_hash(in->file, "sshs_legacy_hash", hashes.model_legacy));
    return LYC_OK;
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

/* The table under way. */
typedef struct table {
    lyc_inspection *in;
    int name_columns;
    int type_columns;
    int shape_columns;
    size_t rows; /* so far */
    uint64_t nan_count;
    uint64_t infinity_count;
    uint64_t bad_tensors;
    char first_bad[256]; /* printable name */
} table;

static void measure(table *t)
{
    for (size_t i = 0; i < lyc_safetensors_count(t->in->file); i++) {
        char text[512];
        const lyc_tensor_view tensor = lyc_safetensors_tensor(t->in->file, i);
        if (!lyc_inspect_wants(t->in, &tensor)) {
            continue;
        }
        if (is_cut(t->in, t->rows++)) {
            break;
        }
        lyc_text_printable(text, sizeof text, tensor.name, strlen(tensor.name));
        const int name = lyc_text_columns(text);
        const int type = (int)strlen(lyc_dtype_name(tensor.dtype));
        const int shape = (int)strlen(shape_text(text, &tensor.shape));
        t->name_columns = name > t->name_columns ? name : t->name_columns;
        t->type_columns = type > t->type_columns ? type : t->type_columns;
        t->shape_columns = shape > t->shape_columns ? shape : t->shape_columns;
    }
    t->rows = 0;
}

static void print_head(const table *t)
{
    const lyc_cli *cli = t->in->cli;
    fprintf(cli->out, "\n%s  %-*s  %-*s  %-*s  %8s", lyc_style_begin(cli->out_colour, LYC_STYLE_DIM), t->name_columns,
            "name", t->type_columns, "type", t->shape_columns, "shape", "bytes");
    if (t->in->config->stats) {
        fprintf(cli->out, "  %9s  %9s  %10s  %5s  %5s", "mean |x|", "max |x|", "min", "NaN", "Inf");
    }
    fprintf(cli->out, "%s\n", lyc_style_end(cli->out_colour));
}

/* A number in a column: four digits say enough. "-" when there is none. */
static void print_number(FILE *out, int columns, double value)
{
    if (isnan(value)) {
        fprintf(out, "  %*s", columns, "-");
    } else {
        fprintf(out, "  %*.4g", columns, value);
    }
}

static void print_statistics(const table *t, const lyc_tensor_statistics *s)
{
    FILE *out = t->in->cli->out;
    if (s == NULL) {
        fprintf(out, "  %9s  %9s  %10s  %5s  %5s", "-", "-", "-", "-", "-");
        return;
    }
    const bool colour = t->in->cli->out_colour && s->nan_count + s->infinity_count > 0;
    print_number(out, 9, s->mean_abs);
    print_number(out, 9, s->max_abs);
    print_number(out, 10, s->min);
    fprintf(out, "%s  %5" PRIu64 "  %5" PRIu64 "%s", lyc_style_begin(colour, LYC_STYLE_RED), s->nan_count,
            s->infinity_count, lyc_style_end(colour));
}

static void print_row(table *t, const lyc_tensor_view *tensor, const lyc_tensor_statistics *statistics)
{
    FILE *out = t->in->cli->out;
    char shown[512];
    char shown_shape[SHAPE_TEXT];
    char shown_bytes[LYC_NUMBER_TEXT];
    if (is_cut(t->in, t->rows++)) {
        return;
    }
    lyc_cli_clear_bar(t->in->cli);
    lyc_text_printable(shown, sizeof shown, tensor->name, strlen(tensor->name));
    fprintf(out, "  %s%*s", shown, t->name_columns - lyc_text_columns(shown), "");
    shape_text(shown_shape, &tensor->shape);
    fprintf(out, "  %-*s  %-*s  %8s", t->type_columns, lyc_dtype_name(tensor->dtype), t->shape_columns, shown_shape,
            lyc_text_bytes(shown_bytes, sizeof shown_bytes, tensor->size_bytes));
    if (t->in->config->stats) {
        print_statistics(t, statistics);
    }
    fputc('\n', out);
}

static lyc_status visit(void *context, const lyc_tensor_view *tensor, const lyc_tensor_statistics *statistics,
                        lyc_error *err)
{
    (void)err;
    table *t = context;
    print_row(t, tensor, statistics);
    if (statistics != NULL && statistics->nan_count + statistics->infinity_count > 0) {
        t->nan_count += statistics->nan_count;
        t->infinity_count += statistics->infinity_count;
        if (t->bad_tensors++ == 0) {
            lyc_text_printable(t->first_bad, sizeof t->first_bad, tensor->name, strlen(tensor->name));
        }
    }
    return LYC_OK;
}

static bool wanted(void *context, const lyc_tensor_view *tensor)
{
    return lyc_inspect_wants(((table *)context)->in, tensor);
}

static lyc_status visit_tensors(table *t, lyc_error *err)
{
    const lyc_inspection *in = t->in;
    if (in->config->stats) {
        const lyc_inspect_visitor visitor = {.wanted = wanted, .visit = visit, .context = t};
        return lyc_inspect_statistics(in->file, &visitor, &in->task, err);
    }
    for (size_t i = 0; i < lyc_safetensors_count(in->file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(in->file, i);
        if (wanted(t, &tensor)) {
            visit(t, &tensor, NULL, err);
        }
    }
    return LYC_OK;
}

static lyc_status print_tensors(lyc_inspection *in, lyc_error *err)
{
    table t = {.in = in, .name_columns = 4, .type_columns = 4, .shape_columns = 5};
    measure(&t);
    print_head(&t);
    const lyc_status status = visit_tensors(&t, err);
    if (status != LYC_OK) {
        return status;
    }
    if (is_cut(in, t.rows) && t.rows > LONG_LIST) {
        fprintf(in->cli->out, "  ... and %zu more (--all shows them)\n", t.rows - LONG_LIST);
    } else if (t.rows == 0) {
        fputs("  none\n", in->cli->out);
    }
    if (t.bad_tensors > 0) {
        lyc_cli_warn(
            in->cli, "%s: NaN %" PRIu64 " times and infinity %" PRIu64 " times, in %" PRIu64 " tensor%s, first in %s",
            in->path, t.nan_count, t.infinity_count, t.bad_tensors, t.bad_tensors == 1 ? "" : "s", t.first_bad);
    }
    return LYC_OK;
}

lyc_status lyc_inspect_print_text(lyc_inspection *in, lyc_error *err)
{
    char shown[512];
    lyc_text_printable(shown, sizeof shown, in->path, strlen(in->path));
    fprintf(in->cli->out, "%s%s%s%s\n", in->printed ? "\n" : "", lyc_style_begin(in->cli->out_colour, LYC_STYLE_BOLD),
            shown, lyc_style_end(in->cli->out_colour));
    in->printed = true;
    print_summary(in);
    print_types(in);
    lyc_network_file *adapter = NULL;
    lyc_status status = lyc_inspect_open_adapter(&adapter, in, err);
    if (adapter != NULL) {
        lyc_inspect_print_adapter(in, adapter);
        lyc_network_file_close(adapter);
    }
    if (in->config->meta && lyc_safetensors_metadata_count(in->file) > 0) {
        print_metadata(in);
    }
    if (status == LYC_OK && in->config->hash) {
        status = print_hashes(in, err);
    }
    if (status == LYC_OK && lyc_inspect_lists_tensors(in)) {
        status = print_tensors(in, err);
    }
    return status;
}
