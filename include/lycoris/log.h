/* log.h - what the library says while it works
 *
 * The library prints nothing. Messages go to a sink that the program sets; without one they are dropped. Levels and
 * categories decide which messages are made at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_LOG_H
#define LYCORIS_LOG_H

#include <stdbool.h>

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lyc_log_level {
    LYC_LOG_ERROR,
    LYC_LOG_WARN,
    LYC_LOG_INFO,
    LYC_LOG_DEBUG,
    LYC_LOG_LEVEL_COUNT
} lyc_log_level;

/* What a message is about. */
typedef enum lyc_log_category {
    LYC_LOG_GENERAL,
    LYC_LOG_KERNELS, /* a line for each operation run: implementation, shapes, time */
    LYC_LOG_PLAN,    /* what the planner decided: order, memory, recomputation */
    LYC_LOG_MEMORY,
    LYC_LOG_FILES, /* files opened, keys ignored */
    LYC_LOG_DATA,
    LYC_LOG_TRAIN,
    LYC_LOG_CATEGORY_COUNT
} lyc_log_category;

LYC_API const char *lyc_log_level_name(lyc_log_level level);
LYC_API const char *lyc_log_category_name(lyc_log_category category);

/* Receives one message: a line of printable text without a newline. Called by one thread at a time; messages made
 * inside it are dropped. */
typedef void (*lyc_log_sink)(void *context, lyc_log_level level, lyc_log_category category, const char *message);

/* Sets the sink of the process; NULL drops messages. Returns when the old one is not running any more. */
LYC_API void lyc_log_set_sink(lyc_log_sink sink, void *context);

/* Messages above the level are not made: LYC_LOG_WARN (the default) passes errors and warnings. */
LYC_API void lyc_log_set_level(lyc_log_level level);

/* Adds the categories of a list such as "kernels,plan" (or "all") down to debug level, the form of the environment
 * variable LYCORIS_LOG. LYC_E_ARGUMENT names a word that is no category; the others are switched on. */
LYC_API lyc_status lyc_log_select(const char *categories, lyc_error *err);

#ifdef __cplusplus
}
#endif
#endif
