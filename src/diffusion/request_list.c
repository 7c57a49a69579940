/* request_list.c - files of prompts, one a line
 *
 * The options are those of kohya's generator (sd-scripts gen_img.py), as far as they mean something here; one that does
 * not is an error, so that nobody waits for pictures that ignore it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/request_list.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/path.h"

enum { MAX_FILE = 64 << 20, MAX_REQUESTS = 1 << 20 };

typedef struct request {
    lyc_generate_options options;
    const char *name;
} request;

struct lyc_request_list {
    lyc_strbuf text; /* the file; texts of the requests lie in it, cut by NULs */
    request *items;
    size_t count;
    size_t capacity;
};

/* What a line says; applied for each of its seeds. */
typedef struct line_options {
    request request;
    const char *seeds; /* NULL: the standard one */
} line_options;

/* --- options of a line --- */

static lyc_status parse_number(double *out, const char *value, double min, double max, lyc_error *err)
{
    if (!lyc_number_parse(out, lyc_span_of(value)) || *out < min || *out > max) {
        return lyc_fail(err, LYC_E_FORMAT, "'%s' is no number from %g to %g", value, min, max);
    }
    return LYC_OK;
}

static lyc_status parse_whole(int64_t *out, const char *value, double min, double max, lyc_error *err)
{
    double number;
    LYC_TRY(parse_number(&number, value, min, max, err));
    *out = (int64_t)number;
    if ((double)*out != number) {
        return lyc_fail(err, LYC_E_FORMAT, "'%s' is no whole number", value);
    }
    return LYC_OK;
}

static lyc_status set_int(int *out, const char *value, double min, double max, lyc_error *err)
{
    int64_t number;
    LYC_TRY(parse_whole(&number, value, min, max, err));
    *out = (int)number;
    return LYC_OK;
}

static lyc_status set_width(line_options *l, const char *value, lyc_error *err)
{
    return set_int(&l->request.options.width, value, 64, 20000, err);
}

static lyc_status set_height(line_options *l, const char *value, lyc_error *err)
{
    return set_int(&l->request.options.height, value, 64, 20000, err);
}

static lyc_status set_steps(line_options *l, const char *value, lyc_error *err)
{
    return set_int(&l->request.options.steps, value, 1, 1000000, err);
}

static lyc_status set_scale(line_options *l, const char *value, lyc_error *err)
{
    return parse_number(&l->request.options.guidance_scale, value, 0, 1000, err);
}

static lyc_status set_strength(line_options *l, const char *value, lyc_error *err)
{
    return parse_number(&l->request.options.strength, value, 0, 1, err);
}

static lyc_status set_negative(line_options *l, const char *value, lyc_error *err)
{
    (void)err;
    l->request.options.negative = value;
    return LYC_OK;
}

static lyc_status set_sampler(line_options *l, const char *value, lyc_error *err)
{
    (void)err;
    l->request.options.sampler = value;
    return LYC_OK;
}

static lyc_status set_seeds(line_options *l, const char *value, lyc_error *err)
{
    (void)err;
    l->seeds = value;
    return LYC_OK;
}

static lyc_status set_name(line_options *l, const char *value, lyc_error *err)
{
    LYC_TRY(lyc_path_check_name(lyc_span_of(value), err));
    l->request.name = value;
    return LYC_OK;
}

static const struct {
    const char *name;
    lyc_status (*set)(line_options *l, const char *value, lyc_error *err);
} line_option_table[] = {
    {"n", set_negative}, {"w", set_width},    {"h", set_height},   {"s", set_steps}, {"l", set_scale},
    {"d", set_seeds},    {"t", set_strength}, {"ss", set_sampler}, {"f", set_name},
};
enum { LINE_OPTION_COUNT = sizeof line_option_table / sizeof line_option_table[0] };

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]) != NULL) {
        text[--n] = '\0';
    }
    return text;
}

/* `option` is what stands behind "--" up to the next one. */
static lyc_status apply(line_options *l, char *option, lyc_error *err)
{
    const size_t n = strcspn(option, " \t=");
    char *value = option[n] != '\0' ? trim(option + n + 1) : option + n;
    for (int i = 0; i < LINE_OPTION_COUNT; i++) {
        if (strlen(line_option_table[i].name) == n && strncasecmp(line_option_table[i].name, option, n) == 0) {
            return line_option_table[i].set(l, value, err) == LYC_OK ? LYC_OK
                                                                     : lyc_wrap(err, "--%s", line_option_table[i].name);
        }
    }
    option[n] = '\0';
    return lyc_fail(err, LYC_E_FORMAT, "there is no option --%s in files of prompts; there are n w h s l d t ss f",
                    option);
}

/* --- lines --- */

static lyc_status add(lyc_request_list *list, const request *r, lyc_error *err)
{
    if (list->count == MAX_REQUESTS) {
        return lyc_fail(err, LYC_E_FORMAT, "more than %d pictures", MAX_REQUESTS);
    }
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity + list->capacity / 2 + 16;
        request *items = lyc_realloc(list->items, capacity * sizeof *items); /* fits: MAX_REQUESTS */
        if (items == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for %zu prompts", capacity);
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *r;
    return LYC_OK;
}

/* A request for each seed of "1,2,3". */
static lyc_status add_seeds(lyc_request_list *list, line_options *l, lyc_error *err)
{
    char number[32];
    for (const char *seed = l->seeds; seed != NULL;) {
        const size_t n = strcspn(seed, ",");
        snprintf(number, sizeof number, "%.*s", (int)(n < sizeof number ? n : sizeof number), seed);
        if (parse_whole(&l->request.options.seed, trim(number), 0, 9007199254740992.0, err) != LYC_OK) {
            return lyc_wrap(err, "--d");
        }
        l->request.options.count = 1;
        LYC_TRY(add(list, &l->request, err));
        seed = seed[n] == ',' ? seed + n + 1 : NULL;
    }
    return LYC_OK;
}

static lyc_status read_line(lyc_request_list *list, char *line, const lyc_generate_options *standard, lyc_error *err)
{
    line_options l = {.request = {.options = *standard}};
    char *option = strstr(line, " --");
    if (option != NULL) {
        *option = '\0';
        option += 3;
    }
    l.request.options.prompt = trim(line);
    while (option != NULL) {
        char *next = strstr(option, " --");
        if (next != NULL) {
            *next = '\0';
            next += 3;
        }
        LYC_TRY(apply(&l, option, err));
        option = next;
    }
    return l.seeds != NULL ? add_seeds(list, &l, err) : add(list, &l.request, err);
}

static lyc_status read_lines(lyc_request_list *list, const lyc_generate_options *standard, lyc_error *err)
{
    char *line = list->text.text;
    for (int number = 1; line != NULL; number++) {
        char *newline = strchr(line, '\n');
        if (newline != NULL) {
            *newline++ = '\0';
        }
        char *text = trim(line);
        if (text[0] != '\0' && text[0] != '#' && read_line(list, text, standard, err) != LYC_OK) {
            return lyc_wrap(err, "line %d", number);
        }
        line = newline;
    }
    return list->count > 0 ? LYC_OK : lyc_fail(err, LYC_E_FORMAT, "no prompt in the file");
}

/* list->text is the text; the list is released when this fails. */
static lyc_status read_text(lyc_request_list **out, lyc_request_list *list, const lyc_generate_options *standard,
                            lyc_error *err)
{
    const size_t length = list->text.length;
    lyc_status status = lyc_strbuf_check(&list->text, "a file of prompts", err);
    if (status == LYC_OK && (strlen(lyc_strbuf_text(&list->text)) != length ||
                             lyc_utf8_valid_prefix(lyc_strbuf_text(&list->text), length) != length)) {
        status = lyc_fail(err, LYC_E_FORMAT, "not text in UTF-8");
    }
    status = status == LYC_OK ? read_lines(list, standard, err) : status;
    if (status != LYC_OK) {
        lyc_request_list_free(list);
        return status;
    }
    *out = list;
    return LYC_OK;
}

static lyc_status new_list(lyc_request_list **out, lyc_error *err)
{
    *out = lyc_alloc_zero(1, sizeof **out);
    return *out != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a list of prompts");
}

lyc_status lyc_request_list_open(lyc_request_list **out, const char *path, const lyc_generate_options *standard,
                                 lyc_error *err)
{
    lyc_request_list *list = NULL;
    *out = NULL;
    LYC_TRY(new_list(&list, err));
    lyc_status status = lyc_file_read(&list->text, path, MAX_FILE, err);
    if (status != LYC_OK) {
        lyc_request_list_free(list);
    } else {
        status = read_text(out, list, standard, err);
    }
    return status == LYC_OK ? LYC_OK : lyc_wrap(err, "reading %s", path);
}

lyc_status lyc_request_list_parse(lyc_request_list **out, const char *text, const lyc_generate_options *standard,
                                  lyc_error *err)
{
    lyc_request_list *list = NULL;
    *out = NULL;
    LYC_TRY(new_list(&list, err));
    lyc_strbuf_append(&list->text, text);
    return read_text(out, list, standard, err);
}

void lyc_request_list_free(lyc_request_list *list)
{
    if (list != NULL) {
        lyc_strbuf_clear(&list->text);
        lyc_free(list->items);
        lyc_free(list);
    }
}

size_t lyc_request_list_count(const lyc_request_list *list)
{
    return list->count;
}

const lyc_generate_options *lyc_request_list_options(const lyc_request_list *list, size_t index)
{
    return &list->items[index].options;
}

const char *lyc_request_list_name(const lyc_request_list *list, size_t index)
{
    return list->items[index].name;
}
