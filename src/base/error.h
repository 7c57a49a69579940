/* error.h - making and passing on errors inside the library
 *
 *     if (header_size > file_size - 8)
 *         return lyc_fail(err, LYC_E_FORMAT, "header of %" PRIu64 " bytes in a file of %" PRIu64, size, file_size);
 *     LYC_TRY(parse_header(sf, err));
 *     ...
 *     return lyc_wrap(err, "reading %s", path);     "reading a.safetensors: header of 12 bytes in a file of 9"
 *
 * The outer level adds which thing it was, never what happened. Strings that come from files are made printable by
 * both functions: control characters, escapes, bidirectional marks and bad UTF-8 never reach a message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_ERROR_H
#define LYC_BASE_ERROR_H

#include "lycoris/error.h"

#define LYC_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))

/* Sets *err (which may be NULL) and returns status. Overwrites an older message. */
lyc_status lyc_fail(lyc_error *err, lyc_status status, const char *format, ...) LYC_PRINTF(3, 4);

/* Puts "text: " before the message of *err and returns its status. err is not NULL and holds an error: a function that
 * accepts NULL from its caller and wraps needs a lyc_error of its own. Of a long text its start is kept. */
lyc_status lyc_wrap(lyc_error *err, const char *format, ...) LYC_PRINTF(2, 3);

/* Returns the status of a failed call from the calling function. */
#define LYC_TRY(call)                                                                                                  \
    do {                                                                                                               \
        const lyc_status lyc_try_status_ = (call);                                                                     \
        if (lyc_try_status_ != LYC_OK) {                                                                               \
            return lyc_try_status_;                                                                                    \
        }                                                                                                              \
    } while (0)

#endif
