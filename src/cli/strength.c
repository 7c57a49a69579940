/* strength.c - an adapter with strengths
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/strength.h"

#include <string.h>

#include "lycoris/option.h"

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

lyc_status lyc_strength_read(lyc_strength *out, char *path, size_t size, const char *word, lyc_error *err)
{
    double numbers[NUMBERS] = {1, 1, 1};
    int count;
    const size_t length = split(numbers, &count, word);
    if (length >= size) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "the name of an adapter is too long");
    }
    memcpy(path, word, length);
    path[length] = '\0';
    const double weight = count > 0 ? numbers[0] : 1;
    *out = (lyc_strength){.unet = weight * (count > 1 ? numbers[1] : 1), .text = weight * (count > 2 ? numbers[2] : 1)};
    return LYC_OK;
}
