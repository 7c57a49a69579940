/* dreambooth.c - folders named <repeats>_<class tokens>, with captions in files beside the pictures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/path.h"
#include "data/data_internal.h"

enum { CAPTION_MAX_BYTES = 1 << 20, REPEATS_MAX = 1000000 };

typedef struct names {
    lyc_arena arena;
    const char **items;
    size_t count, capacity;
    bool folders; /* of which kind names are collected */
} names;

static lyc_status collect(void *context, const char *name, bool is_folder, lyc_error *err)
{
    names *n = context;
    if (is_folder != n->folders || (!n->folders && !lyc_data_is_picture(name))) {
        return LYC_OK;
    }
    if (n->count == n->capacity) {
        const size_t wanted = n->capacity == 0 ? 64 : n->capacity * 2; /* fits: pointers of names in memory */
        const char **larger = lyc_arena_alloc(&n->arena, wanted, sizeof *larger);
        if (larger == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for a list of files");
        }
        if (n->count > 0) {
            memcpy(larger, n->items, n->count * sizeof *larger); /* fits: they are in memory */
        }
        n->items = larger;
        n->capacity = wanted;
    }
    n->items[n->count] = lyc_arena_text(&n->arena, name);
    return n->items[n->count++] != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a list of files");
}

/* --- captions ------------------------------------------------------------------------------------------------------
 */

static bool exists(const char *path)
{
    lyc_file_id id;
    return lyc_file_id_of(&id, path, NULL) == LYC_OK;
}

/* "<folder>/<stem><ending>", for a stem without its last `parts` pieces between underscores; NULL when it has fewer, or
 * no memory. */
static const char *caption_path(lyc_arena *arena, const char *folder, const char *file, const char *ending, int parts)
{
    const char *dot = strrchr(file, '.');
    size_t length = dot != NULL ? (size_t)(dot - file) : strlen(file);
    for (; parts > 0; parts--) {
        while (length > 0 && file[length - 1] != '_') {
            length--;
        }
        if (length == 0) {
            return NULL;
        }
        length--;
    }
    return lyc_arena_format(arena, "%s/%.*s%s%s", folder, (int)length, file, ending[0] == '.' ? "" : ".", ending);
}

static lyc_status read_caption(lyc_strbuf *text, lyc_data_reading *reading, const char *path, lyc_error *err)
{
    LYC_TRY(lyc_file_read(text, path, CAPTION_MAX_BYTES, err));
    const char *bytes = lyc_strbuf_text(text);
    const size_t valid = lyc_utf8_valid_prefix(bytes, text->length);
    if (valid < text->length) {
        lyc_data_problem(&reading->problems, LYC_E_FORMAT, "%s: byte %zu is not UTF-8", path, valid);
    } else if (strspn(bytes, " \t\r\n") == text->length) {
        lyc_data_problem(&reading->problems, LYC_E_FORMAT, "%s: an empty caption", path);
    }
    return LYC_OK;
}

/* The caption file of a picture, else the class tokens, else nothing. */
static lyc_status find_caption(lyc_strbuf *text, lyc_data_reading *reading, const lyc_subset_options *o,
                               const char *folder, const char *file, lyc_error *err)
{
    static const int cut_parts[] = {0, 4}; /* names that a face detector wrote end in _<cx>_<cy>_<w>_<h> */
    lyc_arena arena = {0};
    lyc_status status = LYC_OK;
    bool found = false;
    for (size_t i = 0; i < 2 && !found; i++) {
        const char *path = caption_path(&arena, folder, file, o->caption_extension, cut_parts[i]);
        found = path != NULL && exists(path);
        status = found ? read_caption(text, reading, path, err) : LYC_OK;
    }
    lyc_arena_clear(&arena);
    if (found) {
        return status;
    }
    if (o->class_tokens != NULL) {
        lyc_strbuf_append(text, o->class_tokens);
    } else if (++reading->uncaptioned_count <= 5) {
        lyc_strbuf_append(&reading->uncaptioned, reading->uncaptioned_count > 1 ? ", " : "");
        lyc_strbuf_append(&reading->uncaptioned, file);
    }
    return LYC_OK;
}

/* --- one folder ----------------------------------------------------------------------------------------------------
 */

static lyc_span without_mark(lyc_span text)
{
    if (lyc_span_starts_with(text, "\xEF\xBB\xBF")) { /* a byte order mark */
        text.text += 3;
        text.length -= 3;
    }
    return text;
}

static lyc_status add_picture(lyc_data_reading *reading, const lyc_subset_options *o, const char *folder,
                              const char *file, lyc_error *err)
{
    lyc_data *data = reading->data;
    lyc_strbuf caption = {0};
    lyc_span *lines;
    size_t count;
    lyc_status status = find_caption(&caption, reading, o, folder, file, err);
    const lyc_span text = {lyc_strbuf_text(&caption), caption.length};
    status = status != LYC_OK
                 ? status
                 : lyc_data_lines(&lines, &count, data, without_mark(text), o->caption.enable_wildcard, err);
    lyc_strbuf_clear(&caption);
    LYC_TRY(status);
    const char *path = lyc_path_join(&data->arena, folder, lyc_span_of(file));
    return path != NULL ? lyc_data_add_image(data, path, file, lines, count, err)
                        : lyc_fail(err, LYC_E_MEMORY, "no memory for the list of pictures");
}

lyc_status lyc_image_folder_read(lyc_data_reading *reading, const lyc_subset_options *options, const char *name,
                                 const char *folder, int64_t repeats, lyc_error *err)
{
    lyc_data *data = reading->data;
    for (size_t i = 0; i < data->subset_count; i++) {
        if (strcmp(data->subsets[i].folder, folder) == 0) {
            return lyc_data_warn(data, err, "the folder %s is named twice; the second time is passed over", folder);
        }
    }
    names files = {0};
    lyc_status status = lyc_data_add_subset(data, options, name, folder, repeats, err);
    status = status != LYC_OK ? status : lyc_folder_list(folder, collect, &files, err);
    for (size_t i = 0; status == LYC_OK && i < files.count; i++) {
        status = add_picture(reading, options, folder, files.items[i], err);
    }
    if (status == LYC_OK && files.count == 0) {
        status =
            lyc_data_warn(data, err, "no pictures in the folder %s (png, jpg, jpeg, webp, bmp, avif, jxl)", folder);
    }
    lyc_arena_clear(&files.arena);
    return status;
}

/* --- a folder of folders -------------------------------------------------------------------------------------------
 */

/* "10_sks dog": 10 and "sks dog". */
static bool parse_name(int64_t *repeats, const char **tokens, const char *name)
{
    const size_t digits = strspn(name, "0123456789");
    *repeats = 0;
    for (size_t i = 0; i < digits && *repeats <= REPEATS_MAX; i++) {
        *repeats = *repeats * 10 + (name[i] - '0'); /* fits: ended above REPEATS_MAX */
    }
    *tokens = name[digits] == '_' ? name + digits + 1 : name + digits;
    return digits > 0 && *repeats >= 1 && *repeats <= REPEATS_MAX && (name[digits] == '_' || name[digits] == '\0');
}

static lyc_status read_folder(lyc_data_reading *reading, const char *folder, const char *name, bool is_reg,
                              lyc_error *err)
{
    lyc_data *data = reading->data;
    int64_t repeats;
    const char *tokens;
    if (!parse_name(&repeats, &tokens, name)) {
        return lyc_data_warn(data, err,
                             "the folder %s/%s is passed over: its name does not begin with a number of "
                             "repeats, as in 10_sks dog",
                             folder, name);
    }
    lyc_subset_options options = data->options.subset;
    options.is_reg = is_reg;
    options.class_tokens = tokens[0] != '\0' ? lyc_arena_text(&data->arena, tokens) : NULL;
    const char *path = lyc_path_join(&data->arena, folder, lyc_span_of(name));
    if (path == NULL || (tokens[0] != '\0' && options.class_tokens == NULL)) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the list of pictures");
    }
    return lyc_image_folder_read(reading, &options, name, path, repeats, err);
}

/* Why nothing was found: what lies in the folder. */
static lyc_status nothing_found(const char *folder, size_t folders, lyc_error *err)
{
    names files = {0};
    LYC_TRY(lyc_folder_list(folder, collect, &files, err));
    const size_t pictures = files.count;
    lyc_arena_clear(&files.arena);
    if (pictures > 0) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "%s: %zu pictures lie in the folder itself, expected in folders inside it that are named "
                        "<repeats>_<class tokens>, as in %s/10_sks dog",
                        folder, pictures, folder);
    }
    return lyc_fail(err, LYC_E_ARGUMENT,
                    "%s: %zu folders, none with pictures and a name like 10_sks dog (<repeats>_<class tokens>)", folder,
                    folders);
}

lyc_status lyc_dreambooth_read(lyc_data_reading *reading, const char *folder, bool is_reg, lyc_error *err)
{
    const size_t before = reading->data->image_count;
    names folders = {.folders = true};
    lyc_status status = lyc_folder_list(folder, collect, &folders, err);
    for (size_t i = 0; status == LYC_OK && i < folders.count; i++) {
        status = read_folder(reading, folder, folders.items[i], is_reg, err);
    }
    if (status == LYC_OK && reading->data->image_count == before) {
        status = nothing_found(folder, folders.count, err);
    }
    lyc_arena_clear(&folders.arena);
    return status;
}
