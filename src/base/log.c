/* log.c - levels, categories, and the sink
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/string.h"

enum { MESSAGE_SIZE = 4096 };

static const char *const level_names[LYC_LOG_LEVEL_COUNT] = {
    [LYC_LOG_ERROR] = "error",
    [LYC_LOG_WARN] = "warning",
    [LYC_LOG_INFO] = "info",
    [LYC_LOG_DEBUG] = "debug",
};

static const char *const category_names[LYC_LOG_CATEGORY_COUNT] = {
    [LYC_LOG_GENERAL] = "general", [LYC_LOG_KERNELS] = "kernels", [LYC_LOG_PLAN] = "plan",
    [LYC_LOG_MEMORY] = "memory",   [LYC_LOG_FILES] = "files",     [LYC_LOG_DATA] = "data",
    [LYC_LOG_TRAIN] = "train",
};

/* The log of the process. `enabled[level]` has a bit for each category; all are 0 without a sink, so that one load
 * decides. */
static atomic_uint enabled[LYC_LOG_LEVEL_COUNT];
static struct {
    pthread_mutex_t lock;
    lyc_log_sink sink;
    void *context;
    lyc_log_level level;
    unsigned selected; /* bits of categories that are shown down to debug */
} logger = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LYC_LOG_WARN};

static _Thread_local bool inside_sink;

const char *lyc_log_level_name(lyc_log_level level)
{
    return (unsigned)level < LYC_LOG_LEVEL_COUNT ? level_names[level] : "unknown";
}

const char *lyc_log_category_name(lyc_log_category category)
{
    return (unsigned)category < LYC_LOG_CATEGORY_COUNT ? category_names[category] : "unknown";
}

/* With the lock held. */
static void update_enabled(void)
{
    for (int level = 0; level < LYC_LOG_LEVEL_COUNT; level++) {
        const unsigned bits = level <= (int)logger.level ? ~0u : logger.selected;
        atomic_store(&enabled[level], logger.sink != NULL ? bits : 0);
    }
}

void lyc_log_set_sink(lyc_log_sink sink, void *context)
{
    pthread_mutex_lock(&logger.lock);
    logger.sink = sink;
    logger.context = context;
    update_enabled();
    pthread_mutex_unlock(&logger.lock);
}

void lyc_log_set_level(lyc_log_level level)
{
    pthread_mutex_lock(&logger.lock);
    logger.level = level;
    update_enabled();
    pthread_mutex_unlock(&logger.lock);
}

static unsigned category_bits(lyc_span word)
{
    if (lyc_span_is(word, "all")) {
        return ~0u;
    }
    for (unsigned c = 0; c < LYC_LOG_CATEGORY_COUNT; c++) {
        if (lyc_span_is(word, category_names[c])) {
            return 1u << c;
        }
    }
    return 0;
}

static lyc_status unknown_category(lyc_span word, lyc_error *err)
{
    char list[256] = "all";
    for (int c = 0; c < LYC_LOG_CATEGORY_COUNT; c++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, ", %s", category_names[c]);
    }
    char name[LYC_BRIEF];
    return lyc_fail(err, LYC_E_ARGUMENT, "log category '%s', expected one of %s",
                    lyc_text_brief(name, sizeof name, word), list);
}

lyc_status lyc_log_select(const char *categories, lyc_error *err)
{
    lyc_status status = LYC_OK;
    unsigned bits = 0;
    for (const char *word = categories; *word != '\0';) {
        const lyc_span span = {word, strcspn(word, ", ")};
        const unsigned found = category_bits(span);
        bits |= found;
        if (found == 0 && span.length > 0) {
            status = unknown_category(span, err);
        }
        word += span.length + (word[span.length] != '\0');
    }
    pthread_mutex_lock(&logger.lock);
    logger.selected |= bits;
    update_enabled();
    pthread_mutex_unlock(&logger.lock);
    return status;
}

bool lyc_log_enabled(lyc_log_level level, lyc_log_category category)
{
    return (atomic_load_explicit(&enabled[level], memory_order_relaxed) >> category & 1u) != 0;
}

void lyc_log_write(lyc_log_level level, lyc_log_category category, const char *format, ...)
{
    if (!lyc_log_enabled(level, category) || inside_sink) {
        return;
    }
    char text[MESSAGE_SIZE];
    char message[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return;
    }
    lyc_text_printable(message, sizeof message, text, strlen(text));
    inside_sink = true;
    pthread_mutex_lock(&logger.lock);
    if (logger.sink != NULL) {
        logger.sink(logger.context, level, category, message);
    }
    pthread_mutex_unlock(&logger.lock);
    inside_sink = false;
}
