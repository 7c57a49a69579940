/* generate_adapters.c - adapters of a run: FILE[:weight[:unet[:te]]]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/diffusion/generate.h"
#include "lycoris/text.h"

enum { NUMBERS = 3 };

/* Whether the text is a number from its first character to its last. */
static bool read_number(double *out, const char *text, size_t length)
{
    char copy[64];
    lyc_option row = {.name = "", .kind = LYC_OPTION_FLOAT};
    if (length == 0 || length >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    return lyc_option_set(out, &row, copy, NULL) == LYC_OK;
}

/* The last colon of the first `length` bytes; NULL: there is none. */
static const char *last_colon(const char *text, size_t length)
{
    while (length > 0 && text[length - 1] != ':') {
        length--;
    }
    return length > 0 ? text + length - 1 : NULL;
}

/* Numbers are taken from the right, so that a name may have colons. Returns the length of the name. */
static size_t split(double numbers[NUMBERS], int *count, const char *text)
{
    size_t length = strlen(text);
    *count = 0;
    while (*count < NUMBERS) {
        const char *colon = last_colon(text, length);
        double value;
        if (colon == NULL || colon == text || !read_number(&value, colon + 1, length - (size_t)(colon + 1 - text))) {
            break;
        }
        memmove(numbers + 1, numbers, (size_t)*count * sizeof *numbers);
        numbers[0] = value;
        ++*count;
        length = (size_t)(colon - text);
    }
    return length;
}

lyc_status lyc_generate_prepare_adapters(lyc_generate_run *run, lyc_error *err)
{
    const lyc_option_list *list = &run->config->adapters;
    if (list->count > LYC_GENERATE_MAX_ADAPTERS) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "at most %d adapters", LYC_GENERATE_MAX_ADAPTERS);
    }
    for (size_t i = 0; i < list->count; i++) {
        double numbers[NUMBERS] = {1, 1, 1};
        int count;
        split(numbers, &count, list->items[i]);
        const double weight = count > 0 ? numbers[0] : 1;
        run->adapters[i] = (lyc_adapter_use){.unet = weight * (count > 1 ? numbers[1] : 1),
                                             .text = weight * (count > 2 ? numbers[2] : 1)};
    }
    run->single.adapters = run->adapters;
    run->single.adapter_count = list->count;
    run->single.adapter_folder = run->config->adapter_dir;
    return LYC_OK;
}

lyc_status lyc_generate_open_adapters(lyc_generate_run *run, lyc_error *err)
{
    const lyc_option_list *list = &run->config->adapters;
    for (size_t i = 0; i < list->count; i++) {
        char path[LYC_GENERATE_PATH];
        double numbers[NUMBERS];
        int count;
        const size_t length = split(numbers, &count, list->items[i]);
        if (length >= sizeof path) {
            return lyc_cli_fail(err, LYC_E_ARGUMENT, "the name of an adapter is too long");
        }
        memcpy(path, list->items[i], length);
        path[length] = '\0';
        LYC_TRY(lyc_pipeline_add_adapter(&run->adapters[i].adapter, run->pipeline, path, run->config->strict, err));
    }
    return LYC_OK;
}
