/* sidecar.c - what other programs keep beside a model file, made from its metadata
 *
 * AUTOMATIC1111's web UI reads "<name>.json" (description, sd version, activation text, preferred weight, notes) and
 * shows
 * "<name>.preview.png" (extensions-builtin/Lora/ui_extra_networks_lora.py, ui_edit_user_metadata.py).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>
#include <string.h>

#include "base/arena.h"
#include "base/file_writer.h"
#include "base/memory.h"
#include "base/string.h"
#include "lycoris/metadata.h"

/* --- tags ----------------------------------------------------------------------------------------------------------
 */

static int compare_counts(const void *a, const void *b)
{
    const lyc_tag_count *x = a;
    const lyc_tag_count *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->tag, y->tag);
}

/* Sums of a tag over all folders: {"10_sks": {"tag": 3}}. */
static json_t *sum_folders(const json_t *folders)
{
    const char *folder, *tag;
    json_t *counts, *count;
    json_t *sums = json_object();
    json_object_foreach((json_t *)folders, folder, counts)
    {
        json_object_foreach(counts, tag, count)
        {
            const json_int_t before = json_integer_value(json_object_get(sums, tag));
            const json_int_t more = json_integer_value(count);
            if (more > 0 && before < INT64_MAX - more) {
                json_object_set_new(sums, tag, json_integer(before + more));
            }
        }
    }
    return sums;
}

static lyc_status list_tags(lyc_tag_count **out, size_t *count, const json_t *sums, lyc_error *err)
{
    const char *tag;
    json_t *value;
    lyc_tag_count *tags = lyc_alloc_zero(json_object_size(sums) + 1, sizeof *tags);
    *count = 0;
    if (tags == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the tags of a file");
    }
    json_object_foreach((json_t *)sums, tag, value)
    {
        const size_t length = strlen(tag);
        char *copy = lyc_alloc(length + 1);
        if (copy == NULL) {
            lyc_metadata_tags_free(tags, *count);
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the tags of a file");
        }
        memcpy(copy, tag, length + 1);
        tags[(*count)++] = (lyc_tag_count){.tag = copy, .count = json_integer_value(value)};
    }
    qsort(tags, *count, sizeof *tags, compare_counts);
    *out = tags;
    return LYC_OK;
}

lyc_status lyc_metadata_tags(lyc_tag_count **out, size_t *count, const lyc_safetensors *file, size_t limit,
                             lyc_error *err)
{
    const char *text = lyc_safetensors_metadata(file, "ss_tag_frequency");
    *out = NULL;
    *count = 0;
    json_t *folders = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!json_is_object(folders)) {
        json_decref(folders);
        return LYC_OK;
    }
    json_t *sums = sum_folders(folders);
    json_decref(folders);
    const lyc_status status = list_tags(out, count, sums, err);
    json_decref(sums);
    while (status == LYC_OK && *count > limit) {
        lyc_free((*out)[--*count].tag);
    }
    return status;
}

void lyc_metadata_tags_free(lyc_tag_count *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lyc_free(tags[i].tag);
    }
    lyc_free(tags);
}

/* --- the files -----------------------------------------------------------------------------------------------------
 */

static lyc_status write_file(const char *path, const void *data, size_t size, bool force, lyc_error *err)
{
    lyc_file_writer *writer = NULL;
    const lyc_file_writer_options options = {.force = force, .size_bytes = size};
    LYC_TRY(lyc_file_writer_open(&writer, path, &options, err));
    lyc_status status = lyc_file_writer_append(writer, data, size, err);
    status = status != LYC_OK ? status : lyc_file_writer_commit(writer, err);
    lyc_file_writer_close(writer);
    return status;
}

/* A1111's names of families. */
static const char *family_of(const lyc_safetensors *file)
{
    const char *version = lyc_safetensors_metadata(file, "ss_base_model_version");
    const char *second = lyc_safetensors_metadata(file, "ss_v2");
    if (version != NULL && strncmp(version, "sdxl", 4) == 0) {
        return "SDXL";
    }
    if ((second != NULL && strcmp(second, "True") == 0) || (version != NULL && strncmp(version, "sd_v2", 5) == 0)) {
        return "SD2";
    }
    return version != NULL && strncmp(version, "sd_v1", 5) == 0 ? "SD1" : "Unknown";
}

static lyc_status activation_text(lyc_strbuf *out, const lyc_safetensors *file, lyc_error *err)
{
    size_t count;
    lyc_tag_count *tags;
    const char *phrase = lyc_safetensors_metadata(file, "modelspec.trigger_phrase");
    if (phrase != NULL) {
        lyc_strbuf_append(out, phrase);
        return LYC_OK;
    }
    LYC_TRY(lyc_metadata_tags(&tags, &count, file, 3, err));
    for (size_t i = 0; i < count; i++) {
        lyc_strbuf_append(out, i > 0 ? ", " : "");
        lyc_strbuf_append(out, tags[i].tag);
    }
    lyc_metadata_tags_free(tags, count);
    return LYC_OK;
}

static int append(const char *text, size_t size, void *out)
{
    lyc_strbuf_append_n(out, text, size);
    return 0;
}

static lyc_status make_json(lyc_strbuf *out, const lyc_safetensors *file, lyc_error *err)
{
    lyc_strbuf activation = {0};
    LYC_TRY(activation_text(&activation, file, err));
    const char *description = lyc_safetensors_metadata(file, "modelspec.description");
    const char *hint = lyc_safetensors_metadata(file, "modelspec.usage_hint");
    json_t *tree =
        json_pack("{s:s, s:s, s:s, s:f, s:s}", "description", description != NULL ? description : "", "sd version",
                  family_of(file), "activation text", activation.text != NULL ? activation.text : "",
                  "preferred weight", 0.0, "notes", hint != NULL ? hint : "");
    const int failed = tree != NULL ? json_dump_callback(tree, append, out, JSON_INDENT(4)) : -1;
    json_decref(tree);
    lyc_strbuf_clear(&activation);
    return failed != 0 ? lyc_fail(err, LYC_E_MEMORY, "no memory for the files beside a model")
                       : lyc_strbuf_check(out, "a file beside a model", err);
}

static int digit_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* The bytes of a PNG in a data URL; 0 when it is none. */
static size_t decode_png(unsigned char *out, const char *url)
{
    static const char prefix[] = "data:image/png;base64,";
    size_t n = 0;
    unsigned bits = 0;
    int held = 0;
    if (strncmp(url, prefix, sizeof prefix - 1) != 0) {
        return 0;
    }
    for (const char *c = url + sizeof prefix - 1; digit_value(*c) >= 0; c++) {
        bits = (bits << 6 | (unsigned)digit_value(*c)) & 0xFFFFFFu;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[n++] = (unsigned char)(bits >> held & 0xFFu);
        }
    }
    return n;
}

static lyc_status write_preview(int *written, const char *path, const lyc_safetensors *file, bool force, lyc_error *err)
{
    const char *url = lyc_safetensors_metadata(file, "modelspec.thumbnail");
    if (url == NULL) {
        return LYC_OK;
    }
    unsigned char *data = lyc_alloc(strlen(url) + 1);
    if (data == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a thumbnail");
    }
    const size_t size = decode_png(data, url);
    const lyc_status status = size > 0 ? write_file(path, data, size, force, err) : LYC_OK;
    *written += size > 0 && status == LYC_OK;
    lyc_free(data);
    return status;
}

lyc_status lyc_metadata_write_sidecars(int *written, const char *path, const lyc_safetensors *file, bool force,
                                       lyc_error *err)
{
    static const char ending[] = ".safetensors";
    int count = 0;
    lyc_strbuf text = {0};
    lyc_arena arena = {0};
    const size_t length = strlen(path);
    const bool ends = length > sizeof ending - 1 && strcmp(path + length - (sizeof ending - 1), ending) == 0;
    const int stem = (int)(ends ? length - (sizeof ending - 1) : length);
    const char *json = lyc_arena_format(&arena, "%.*s.json", stem, path);
    const char *preview = lyc_arena_format(&arena, "%.*s.preview.png", stem, path);
    lyc_status status = json == NULL || preview == NULL ? lyc_fail(err, LYC_E_MEMORY, "no memory for file names")
                                                        : make_json(&text, file, err);
    status = status != LYC_OK ? status : write_file(json, text.text, text.length, force, err);
    if (status == LYC_OK) {
        count++;
        status = write_preview(&count, preview, file, force, err);
    }
    lyc_strbuf_clear(&text);
    lyc_arena_clear(&arena);
    if (written != NULL) {
        *written = count;
    }
    return status;
}
