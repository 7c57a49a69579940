/* error.c - messages: formatted, made printable, cut to the room there is
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/string.h"

enum { MESSAGE_SIZE = sizeof((lyc_error *)0)->message };

const char *lyc_status_name(lyc_status status)
{
    static const char *const names[LYC_STATUS_COUNT] = {
        [LYC_OK] = "no error",
        [LYC_E_ARGUMENT] = "invalid argument",
        [LYC_E_IO] = "input cannot be read",
        [LYC_E_FORMAT] = "malformed input",
        [LYC_E_UNSUPPORTED] = "unsupported content",
        [LYC_E_SHAPE] = "incompatible shapes",
        [LYC_E_OUTPUT] = "output cannot be written",
        [LYC_E_NUMERIC] = "numerical failure",
        [LYC_E_MEMORY] = "out of memory",
        [LYC_E_CANCELLED] = "cancelled",
    };
    if ((unsigned)status < LYC_STATUS_COUNT) {
        return names[status];
    }
    return "unknown error";
}

/* Printable text of at most size - 1 bytes; "..." at the end says that it was cut. */
static void write_message(char *out, size_t size, const char *text)
{
    const size_t length = strlen(text);
    if (lyc_text_printable(out, size, text, length) >= size) {
        lyc_text_printable(out, size - 3, text, length);
        memcpy(out + strlen(out), "...", sizeof "...");
    }
}

lyc_status lyc_fail(lyc_error *err, lyc_status status, const char *format, ...)
{
    if (err == NULL) {
        return status;
    }
    char text[MESSAGE_SIZE + 1]; /* one more, so that what does not fit is seen */
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    err->status = status;
    write_message(err->message, sizeof err->message, length < 0 ? lyc_status_name(status) : text);
    return status;
}

lyc_status lyc_wrap(lyc_error *err, const char *format, ...)
{
    assert(err != NULL && err->status != LYC_OK);
    char text[MESSAGE_SIZE + 1];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length <= 0) {
        return err->status;
    }
    /* A long prefix (a path, a key) gives way to what happened, up to half of the room. */
    const size_t old_length = strlen(err->message);
    size_t room = MESSAGE_SIZE / 2;
    if (old_length + 3 < MESSAGE_SIZE - room) {
        room = MESSAGE_SIZE - old_length - 2;
    }
    char message[2 * MESSAGE_SIZE];
    write_message(message, room, text);
    const size_t prefix_length = strlen(message);
    snprintf(message + prefix_length, sizeof message - prefix_length, ": %s", err->message);
    write_message(err->message, sizeof err->message, message);
    return err->status;
}
