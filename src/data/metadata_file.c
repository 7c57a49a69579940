/* metadata_file.c - captions and tags of pictures in one file
 *
 * JSON: {"path of a picture": {"caption": text, "tags": text, ...}, ...}; JSON lines: an object a line with image_path
 * too. Other keys (image_size, train_resolution) are passed over: sizes are read from the pictures.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"
#include "data/data_internal.h"

enum { FILE_MAX_BYTES = 1 << 30 };

typedef struct listing {
    lyc_data_reading *reading;
    const lyc_subset_options *options;
} listing;

static const char *text_of(const json_t *entry, const char *key)
{
    const char *text = json_string_value(json_object_get(entry, key));
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* Caption, separator and tags; tags stand behind each line of a caption. */
static void join(lyc_strbuf *out, const char *caption, const char *tags, const lyc_subset_options *o)
{
    const char *separator = o->caption.caption_separator != NULL ? o->caption.caption_separator : ",";
    if (caption == NULL || tags == NULL) {
        lyc_strbuf_append(out, caption != NULL ? caption : tags != NULL ? tags : "");
        return;
    }
    for (const char *line = caption; *line != '\0';) {
        const size_t length = o->caption.enable_wildcard ? strcspn(line, "\n") : strlen(line);
        lyc_strbuf_append(out, out->length > 0 ? "\n" : "");
        lyc_strbuf_append_n(out, line, length);
        if (length > 0) {
            lyc_strbuf_append(out, separator);
            lyc_strbuf_append(out, tags);
        }
        line += length + (line[length] == '\n');
    }
}

static lyc_status add_entry(const listing *l, const char *name, const json_t *entry, lyc_error *err)
{
    lyc_data *data = l->reading->data;
    const char *folder = l->options->image_dir;
    const char *path = name[0] == '/'   ? name
                       : folder != NULL ? lyc_path_join(&data->arena, folder, lyc_span_of(name))
                                        : NULL;
    lyc_file_id id;
    if (!json_is_object(entry)) {
        return lyc_fail(err, LYC_E_FORMAT, "'%s' is no object with caption or tags", name);
    }
    if (path == NULL) {
        lyc_data_problem(&l->reading->problems, LYC_E_ARGUMENT,
                         "%s: a relative path, but no folder of pictures is given", name);
        return LYC_OK;
    }
    if (lyc_file_id_of(&id, path, NULL) != LYC_OK) {
        lyc_data_problem(&l->reading->problems, LYC_E_IO, "%s: there is no such file", path);
        return LYC_OK;
    }
    lyc_strbuf caption = {0};
    lyc_span *lines;
    size_t count;
    join(&caption, text_of(entry, "caption"), text_of(entry, "tags"), l->options);
    const lyc_span text = {lyc_strbuf_text(&caption), caption.length};
    if (text.length == 0 && ++l->reading->uncaptioned_count <= 5) {
        lyc_strbuf_append(&l->reading->uncaptioned, l->reading->uncaptioned_count > 1 ? ", " : "");
        lyc_strbuf_append(&l->reading->uncaptioned, name);
    }
    lyc_status status = lyc_data_lines(&lines, &count, data, text, l->options->caption.enable_wildcard, err);
    lyc_strbuf_clear(&caption);
    const lyc_span file = lyc_path_name(path);
    return status != LYC_OK ? status : lyc_data_add_image(data, path, file.text, lines, count, err);
}

static lyc_status read_object(const listing *l, lyc_span text, lyc_error *err)
{
    json_error_t problem;
    json_t *root = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL || !json_is_object(root)) {
        json_decref(root);
        return lyc_fail(err, LYC_E_FORMAT, "not a JSON object of pictures (line %d: %s)", problem.line, problem.text);
    }
    lyc_status status = LYC_OK;
    const char *name;
    json_t *entry;
    json_object_foreach(root, name, entry)
    {
        status = status != LYC_OK ? status : add_entry(l, name, entry, err);
    }
    json_decref(root);
    return status;
}

static lyc_status read_line(const listing *l, lyc_span text, size_t line, lyc_error *err)
{
    json_error_t problem;
    json_t *entry = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES, &problem);
    const char *path = text_of(entry, "image_path");
    const lyc_status status = path != NULL
                                  ? add_entry(l, path, entry, err)
                                  : lyc_fail(err, LYC_E_FORMAT, "line %zu is no JSON object with image_path", line);
    json_decref(entry);
    return status;
}

static lyc_status read_lines(const listing *l, lyc_span text, lyc_error *err)
{
    for (size_t line = 1; text.length > 0; line++) {
        const char *end = memchr(text.text, '\n', text.length);
        const size_t length = end != NULL ? (size_t)(end - text.text) : text.length;
        size_t blank = 0;
        while (blank < length && strchr(" \t\r", text.text[blank]) != NULL) {
            blank++;
        }
        if (blank < length) {
            LYC_TRY(read_line(l, (lyc_span){text.text, length}, line, err));
        }
        text.text += length + (end != NULL);
        text.length -= length + (end != NULL);
    }
    return LYC_OK;
}

lyc_status lyc_metadata_file_read(lyc_data_reading *reading, const lyc_subset_options *options, lyc_error *err)
{
    const listing l = {.reading = reading, .options = options};
    const lyc_span path = lyc_span_of(options->metadata_file);
    const lyc_span name = lyc_path_name(options->metadata_file);
    lyc_strbuf text = {0};
    LYC_TRY(lyc_data_add_subset(reading->data, options, name.text, options->image_dir != NULL ? options->image_dir : "",
                                options->num_repeats, err));
    lyc_status status = lyc_file_read(&text, options->metadata_file, FILE_MAX_BYTES, err);
    const lyc_span all = {lyc_strbuf_text(&text), text.length};
    if (status == LYC_OK) {
        status = lyc_span_ends_with(path, ".jsonl") ? read_lines(&l, all, err) : read_object(&l, all, err);
        status = status == LYC_OK ? status : lyc_wrap(err, "reading %s", options->metadata_file);
    }
    lyc_strbuf_clear(&text);
    return status;
}
