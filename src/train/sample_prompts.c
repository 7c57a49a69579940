/* sample_prompts.c - the prompts of sample pictures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/sample_prompts.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/string.h"
#include "config/toml.h"
#include "diffusion/request_list.h"

enum { MAX_PROMPTS = 4096 };

struct lyc_sample_prompts {
    json_t *tree;             /* texts of the options lie in it, or in a list */
    lyc_request_list **lists; /* of lines; as many as there are options at most */
    size_t list_count;
    lyc_generate_options *items;
    size_t count, capacity;
};

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for prompts of sample pictures");
}

/* --- keys ----------------------------------------------------------------------------------------------------------
 */

static lyc_status take_text(const char **out, const json_t *value, lyc_error *err)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        return lyc_fail(err, LYC_E_FORMAT, "expected a text");
    }
    *out = json_string_value(value);
    return LYC_OK;
}

static lyc_status take_number(double *out, const json_t *value, double min, double max, lyc_error *err)
{
    *out = json_number_value(value);
    return json_is_number(value) && *out >= min && *out <= max
               ? LYC_OK
               : lyc_fail(err, LYC_E_FORMAT, "expected a number from %g to %g", min, max);
}

static lyc_status take_whole(int64_t *out, const json_t *value, double min, double max, lyc_error *err)
{
    double number = 0;
    if (!json_is_integer(value)) {
        return lyc_fail(err, LYC_E_FORMAT, "expected a whole number");
    }
    LYC_TRY(take_number(&number, value, min, max, err));
    *out = (int64_t)json_integer_value(value);
    return LYC_OK;
}

static lyc_status take_int(int *out, const json_t *value, double min, double max, lyc_error *err)
{
    int64_t number = 0;
    LYC_TRY(take_whole(&number, value, min, max, err));
    *out = (int)number;
    return LYC_OK;
}

static lyc_status set_prompt(lyc_generate_options *o, const json_t *value, lyc_error *err)
{
    return take_text(&o->prompt, value, err);
}

static lyc_status set_negative(lyc_generate_options *o, const json_t *value, lyc_error *err)
{
    return take_text(&o->negative, value, err);
}

static lyc_status set_width(lyc_generate_options *o, const json_t *value, lyc_error *err)
{
    return take_int(&o->width, value, 64, 20000, err);
}

static lyc_status set_height(lyc_generate_options *o, const json_t *value, lyc_error *err)
{
    return take_int(&o->height, value, 64, 20000, err);
}

static lyc_status set_seed(lyc_generate_options *o, const json_t *value, lyc_error *err)
{
    return take_whole(&o->seed, value, 0, 9007199254740992.0, err);
}

static lyc_status set_steps(lyc_generate_options *o, const json_t *value, lyc_error *err)
{
    return take_int(&o->steps, value, 1, 1000, err);
}

static lyc_status set_scale(lyc_generate_options *o, const json_t *value, lyc_error *err)
{
    return take_number(&o->guidance_scale, value, 0, 1000, err);
}

static lyc_status set_sampler(lyc_generate_options *o, const json_t *value, lyc_error *err)
{
    return take_text(&o->sampler, value, err);
}

static const struct {
    const char *name;
    lyc_status (*set)(lyc_generate_options *o, const json_t *value, lyc_error *err);
} keys[] = {
    {"prompt", set_prompt}, {"negative_prompt", set_negative}, {"width", set_width}, {"height", set_height},
    {"seed", set_seed},     {"sample_steps", set_steps},       {"scale", set_scale}, {"sample_sampler", set_sampler},
};

static lyc_status set_key(lyc_generate_options *o, const char *key, const json_t *value, lyc_error *err)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].name, key) == 0) {
            return keys[i].set(o, value, err) == LYC_OK ? LYC_OK : lyc_wrap(err, "%s", key);
        }
    }
    char shown[LYC_BRIEF];
    return lyc_fail(err, LYC_E_FORMAT,
                    "unknown key '%s'; there are prompt, negative_prompt, width, height, seed, sample_steps, scale, "
                    "sample_sampler",
                    lyc_text_brief(shown, sizeof shown, lyc_span_of(key)));
}

/* All keys of an object but one. */
static lyc_status set_keys(lyc_generate_options *o, const json_t *object, const char *other, lyc_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (other == NULL || strcmp(key, other) != 0) {
            LYC_TRY(set_key(o, key, value, err));
        }
    }
    return LYC_OK;
}

/* --- prompts -------------------------------------------------------------------------------------------------------
 */

static lyc_status add(lyc_sample_prompts *p, const lyc_generate_options *options, lyc_error *err)
{
    if (p->count == MAX_PROMPTS) {
        return lyc_fail(err, LYC_E_FORMAT, "more than %d prompts", (int)MAX_PROMPTS);
    }
    if (p->count == p->capacity) {
        const size_t capacity = p->capacity * 2 + 16; /* fits: MAX_PROMPTS */
        lyc_generate_options *items = lyc_realloc(p->items, capacity * sizeof *items);
        p->items = items != NULL ? items : p->items;
        /* fits: MAX_PROMPTS */
        lyc_request_list **lists = items != NULL ? lyc_realloc(p->lists, capacity * sizeof *lists) : NULL;
        p->lists = lists != NULL ? lists : p->lists;
        if (lists == NULL) {
            return no_memory(err);
        }
        p->capacity = capacity;
    }
    p->items[p->count++] = *options;
    return LYC_OK;
}

/* The list is taken, also when this fails. */
static lyc_status add_list(lyc_sample_prompts *p, lyc_request_list *list, lyc_error *err)
{
    const size_t before = p->count;
    lyc_status status = LYC_OK;
    for (size_t i = 0; status == LYC_OK && i < lyc_request_list_count(list); i++) {
        status = add(p, lyc_request_list_options(list, i), err);
    }
    if (p->count > before) { /* so there is a place for the list too */
        p->lists[p->list_count++] = list;
    } else {
        lyc_request_list_free(list);
    }
    return status;
}

static lyc_status add_object(lyc_sample_prompts *p, const json_t *object, const lyc_generate_options *standard,
                             lyc_error *err)
{
    lyc_generate_options options = *standard;
    LYC_TRY(set_keys(&options, object, NULL, err));
    return options.prompt != NULL ? add(p, &options, err) : lyc_fail(err, LYC_E_FORMAT, "no prompt");
}

/* A line is a text without a line's end. */
static lyc_status add_line(lyc_sample_prompts *p, const json_t *value, const lyc_generate_options *standard,
                           lyc_error *err)
{
    const char *line = NULL;
    lyc_request_list *list = NULL;
    LYC_TRY(take_text(&line, value, err));
    LYC_TRY(lyc_request_list_parse(&list, line, standard, err));
    return add_list(p, list, err);
}

static lyc_status add_all(lyc_sample_prompts *p, const json_t *array, const lyc_generate_options *standard,
                          lyc_error *err)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *value = json_array_get(array, i);
        const lyc_status status =
            json_is_object(value) ? add_object(p, value, standard, err) : add_line(p, value, standard, err);
        if (status != LYC_OK) {
            return lyc_wrap(err, "prompt %zu", i + 1);
        }
    }
    return p->count > 0 ? LYC_OK : lyc_fail(err, LYC_E_FORMAT, "no prompt in the file");
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static lyc_status read_toml(lyc_sample_prompts *p, const char *path, const lyc_generate_options *standard,
                            lyc_error *err)
{
    lyc_generate_options shared = *standard;
    LYC_TRY(lyc_toml_read(&p->tree, path, err));
    const json_t *prompt = json_object_get(p->tree, "prompt");
    const json_t *subsets = json_object_get(prompt, "subset");
    if (!json_is_object(prompt) || !json_is_array(subsets)) {
        return lyc_fail(err, LYC_E_FORMAT, "no [[prompt.subset]]");
    }
    if (set_keys(&shared, prompt, "subset", err) != LYC_OK) {
        return lyc_wrap(err, "[prompt]");
    }
    return add_all(p, subsets, &shared, err);
}

static lyc_status read_json(lyc_sample_prompts *p, const char *path, const lyc_generate_options *standard,
                            lyc_error *err)
{
    lyc_strbuf text = {0};
    json_error_t problem = {0};
    LYC_TRY(lyc_file_read(&text, path, LYC_TOML_MAX_BYTES, err));
    p->tree = json_loadb(lyc_strbuf_text(&text), text.length, JSON_REJECT_DUPLICATES, &problem);
    lyc_strbuf_clear(&text);
    if (!json_is_array(p->tree)) {
        return p->tree == NULL ? lyc_fail(err, LYC_E_FORMAT, "not JSON (line %d: %s)", problem.line, problem.text)
                               : lyc_fail(err, LYC_E_FORMAT, "expected a list of prompts");
    }
    return add_all(p, p->tree, standard, err);
}

static lyc_status read_text(lyc_sample_prompts *p, const char *path, const lyc_generate_options *standard,
                            lyc_error *err)
{
    lyc_request_list *list = NULL;
    LYC_TRY(lyc_request_list_open(&list, path, standard, err));
    return add_list(p, list, err);
}

lyc_status lyc_sample_prompts_open(lyc_sample_prompts **out, const char *path, const lyc_generate_options *standard,
                                   lyc_error *err)
{
    const bool is_toml = lyc_span_ends_with(lyc_span_of(path), ".toml");
    const bool is_json = lyc_span_ends_with(lyc_span_of(path), ".json");
    lyc_sample_prompts *p = lyc_alloc_zero(1, sizeof *p);
    if (p == NULL) {
        return no_memory(err);
    }
    lyc_status status = is_toml   ? read_toml(p, path, standard, err)
                        : is_json ? read_json(p, path, standard, err)
                                  : read_text(p, path, standard, err);
    if (status != LYC_OK) {
        lyc_sample_prompts_free(p);
        return is_toml || is_json ? lyc_wrap(err, "reading %s", path) : status; /* lists of lines say it */
    }
    *out = p;
    return LYC_OK;
}

void lyc_sample_prompts_free(lyc_sample_prompts *p)
{
    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < p->list_count; i++) {
        lyc_request_list_free(p->lists[i]);
    }
    lyc_free(p->lists);
    lyc_free(p->items);
    json_decref(p->tree);
    lyc_free(p);
}

size_t lyc_sample_prompts_count(const lyc_sample_prompts *p)
{
    return p->count;
}

const lyc_generate_options *lyc_sample_prompts_options(const lyc_sample_prompts *p, size_t index)
{
    return &p->items[index];
}
