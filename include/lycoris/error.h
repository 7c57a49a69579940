/* error.h - how every function of the library says what went wrong
 *
 * A function that can fail returns lyc_status and takes a lyc_error last. The error lives in the caller's memory, so
 * that it also reports the lack of memory; there is no global state. The message names the thing (file, key, layer),
 * what was found and what was expected, in one line of printable text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_ERROR_H
#define LYCORIS_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define LYC_API
#else
#define LYC_API __attribute__((visibility("default")))
#endif

typedef enum lyc_status {
    LYC_OK = 0,
    LYC_E_ARGUMENT,    /* the caller asked for something that makes no sense (exit code 1) */
    LYC_E_IO,          /* an input cannot be opened or read (2) */
    LYC_E_FORMAT,      /* an input is malformed (2) */
    LYC_E_UNSUPPORTED, /* well formed, but not handled here (3) */
    LYC_E_SHAPE,       /* shapes that do not fit together (4) */
    LYC_E_OUTPUT,      /* an output cannot be written (5) */
    LYC_E_NUMERIC,     /* NaN, infinity, no convergence (6) */
    LYC_E_MEMORY,      /* out of memory, or a memory budget that cannot be kept (7) */
    LYC_E_CANCELLED,   /* stopped on request (130) */
    LYC_STATUS_COUNT
} lyc_status;

typedef struct lyc_error {
    lyc_status status;
    char message[512]; /* NUL-terminated, printable, without a final full stop or newline */
} lyc_error;

/* "malformed input" and the like; never NULL, also for values out of range. */
LYC_API const char *lyc_status_name(lyc_status status);

#ifdef __cplusplus
}
#endif
#endif
