/* number.c - numbers as text, by the C library's functions under its "C" locale
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* strtod_l, strtof_l */
#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A constant of the C library: nothing is allocated, nothing is to be released. */
static locale_t c_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Copies text, which must look like a decimal number, and terminates it. Longer ones than any that says something new
 * (a double has at most 767 significant digits) are refused. */
static bool copy_decimal(char *out, size_t size, lyc_span text)
{
    if (text.length == 0 || text.length >= size) {
        return false;
    }
    memcpy(out, text.text, text.length);
    out[text.length] = '\0';
    return strspn(out, "+-0123456789.eE") == text.length;
}

bool lyc_number_parse(double *out, lyc_span text)
{
    char copy[1024];
    if (!copy_decimal(copy, sizeof copy, text)) {
        return false;
    }
    char *end = copy;
    const double value = strtod_l(copy, &end, c_locale());
    if (end != copy + text.length || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

bool lyc_number_parse_f32(float *out, lyc_span text)
{
    char copy[1024];
    if (!copy_decimal(copy, sizeof copy, text)) {
        return false;
    }
    char *end = copy;
    const float value = strtof_l(copy, &end, c_locale());
    if (end != copy + text.length || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

/* printf has no form that takes a locale: the thread's own is exchanged meanwhile. */
static void print_digits(char out[LYC_NUMBER], int digits, double value)
{
    const locale_t before = uselocale(c_locale());
    snprintf(out, LYC_NUMBER, "%.*g", digits, value);
    uselocale(before);
}

const char *lyc_number_format(char out[LYC_NUMBER], double value)
{
    if (isnan(value)) {
        return memcpy(out, "nan", sizeof "nan"); /* without the sign that printf shows */
    }
    for (int digits = 1; digits <= 17; digits++) {
        print_digits(out, digits, value);
        if (!isfinite(value) || strtod_l(out, NULL, c_locale()) == value) {
            break;
        }
    }
    return out;
}

const char *lyc_number_format_f32(char out[LYC_NUMBER], float value)
{
    if (isnan(value)) {
        return memcpy(out, "nan", sizeof "nan");
    }
    for (int digits = 1; digits <= 9; digits++) {
        print_digits(out, digits, (double)value);
        if (!isfinite(value) || strtof_l(out, NULL, c_locale()) == value) {
            break;
        }
    }
    return out;
}
