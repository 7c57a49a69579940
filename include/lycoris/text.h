/* text.h - showing text that came from a file
 *
 * Names, captions and metadata are written by strangers. Printed raw they can move the cursor, open links, fill the
 * clipboard (OSC 52) or turn a line round (bidirectional marks). Everything that shows them uses these functions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_TEXT_H
#define LYCORIS_TEXT_H

#include <stddef.h>

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes text of the given length so that it is one line that a terminal shows and does not obey: control characters
 * (C0, DEL, C1), line and paragraph separators, bidirectional and invisible formatting characters become \n, \t, \r,
 * \x1b or \u202e; bytes that are not UTF-8 become \xff. Other characters, the backslash among them, stay as they are:
 * applying it twice changes nothing, and the original cannot be told from the result.
 *
 * Writes at most size bytes with the NUL and never part of a character or escape; size 0 writes nothing. Returns the
 * length of the whole result without the NUL, as snprintf does. */
LYC_API size_t lyc_text_printable(char *out, size_t size, const char *text, size_t length);

/* The same for SVG and HTML, content and quoted attribute values: & < > " ' become character references as well. */
LYC_API size_t lyc_text_markup(char *out, size_t size, const char *text, size_t length);

/* Room for a number and its NUL. */
enum { LYC_NUMBER = 32 };

/* The shortest text, as %g writes it, that reads back as the same value; "inf", "-inf", "nan". The same in every
 * locale. Returns out. */
LYC_API const char *lyc_number_format(char out[LYC_NUMBER], double value);

#ifdef __cplusplus
}
#endif
#endif
