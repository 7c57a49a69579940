/* number.h - numbers as text, the same in every locale
 *
 * strtod and printf follow the locale of the program that uses the library: in a German one 0.5 is read as 0 and
 * printed as 0,5. Files, options and reports go through this header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_NUMBER_H
#define LYC_BASE_NUMBER_H

#include <stdbool.h>

#include "base/string.h"

/* The number that text is from its first character to its last: a decimal one ("-1", ".5", "2e-3"), finite. false,
 * *out unchanged, otherwise: blanks, "inf", "nan" and hexadecimal forms are no numbers here. A value too small for a
 * double becomes zero or subnormal, one too large is refused. */
bool lyc_number_parse(double *out, lyc_span text);

/* The same, rounded once to float. */
bool lyc_number_parse_f32(float *out, lyc_span text);

/* lyc_number_format (lycoris/text.h) for float: the shortest text that reads back as the same float. */
const char *lyc_number_format_f32(char out[LYC_NUMBER], float value);

#endif
