/* test_log.c - which messages reach the sink
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"

static char context_text[] = "context";
static char seen[1 << 16];
static int lines;

static void collect(void *context, lyc_log_level level, lyc_log_category category, const char *message)
{
    assert_ptr_equal(context, context_text);
    const size_t used = strlen(seen);
    snprintf(seen + used, sizeof seen - used, "%s %s: %s\n", lyc_log_level_name(level), lyc_log_category_name(category),
             message);
    lines++;
    lyc_log_write(LYC_LOG_ERROR, LYC_LOG_GENERAL, "made inside the sink"); /* dropped, and no deadlock */
}

static void say_all(void)
{
    seen[0] = '\0';
    lyc_log_write(LYC_LOG_ERROR, LYC_LOG_GENERAL, "e%d", 1);
    lyc_log_write(LYC_LOG_WARN, LYC_LOG_FILES, "w");
    lyc_log_write(LYC_LOG_INFO, LYC_LOG_PLAN, "i");
    lyc_log_write(LYC_LOG_DEBUG, LYC_LOG_KERNELS, "k");
    lyc_log_write(LYC_LOG_DEBUG, LYC_LOG_PLAN, "p");
}

static void selects_messages(void **state)
{
    (void)state;
    say_all();
    assert_string_equal(seen, "");
    assert_false(lyc_log_enabled(LYC_LOG_ERROR, LYC_LOG_GENERAL));

    lyc_log_set_sink(collect, context_text);
    say_all();
    assert_string_equal(seen, "error general: e1\nwarning files: w\n");
    assert_false(lyc_log_enabled(LYC_LOG_INFO, LYC_LOG_PLAN));

    assert_int_equal(lyc_log_select("kernels", NULL), LYC_OK);
    say_all();
    assert_string_equal(seen, "error general: e1\nwarning files: w\ndebug kernels: k\n");
    assert_true(lyc_log_enabled(LYC_LOG_DEBUG, LYC_LOG_KERNELS));

    lyc_error err;
    assert_int_equal(lyc_log_select("files, krenels,plan", &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "log category 'krenels', expected one of all, general, kernels, plan, memory, "
                                     "files, data, train");
    say_all();
    assert_string_equal(seen, "error general: e1\nwarning files: w\ninfo plan: i\ndebug kernels: k\ndebug plan: p\n");

    lyc_log_set_level(LYC_LOG_ERROR);
    seen[0] = '\0';
    lyc_log_write(LYC_LOG_WARN, LYC_LOG_GENERAL, "w");
    assert_string_equal(seen, "");
    assert_int_equal(lyc_log_select("all", NULL), LYC_OK);
    lyc_log_write(LYC_LOG_DEBUG, LYC_LOG_GENERAL, "d");
    assert_string_equal(seen, "debug general: d\n");
}

static void messages_are_printable_and_cut(void **state)
{
    (void)state;
    lyc_log_set_sink(collect, context_text);
    seen[0] = '\0';
    lyc_log_write(LYC_LOG_ERROR, LYC_LOG_GENERAL, "key %s", "a\x1b[2J\n");
    assert_string_equal(seen, "error general: key a\\x1b[2J\\n\n");
    char text[6000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    seen[0] = '\0';
    lyc_log_write(LYC_LOG_ERROR, LYC_LOG_GENERAL, "%s", text);
    assert_int_equal(strlen(seen), strlen("error general: \n") + 4095);
}

static void say_many(void *context, int64_t first, int64_t last, int thread)
{
    (void)context;
    for (int64_t i = first; i < last; i++) {
        lyc_log_write(LYC_LOG_ERROR, LYC_LOG_TRAIN, "%d", thread);
    }
}

static void threads_take_turns(void **state)
{
    (void)state;
    lyc_log_set_sink(collect, context_text);
    lyc_thread_set_count(4);
    seen[0] = '\0';
    lines = 0;
    lyc_parallel_for(1000, say_many, NULL);
    assert_int_equal(lines, 1000);
    lyc_log_set_sink(NULL, NULL);
    lyc_log_write(LYC_LOG_ERROR, LYC_LOG_TRAIN, "nobody listens");
    assert_int_equal(lines, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selects_messages),
        cmocka_unit_test(messages_are_printable_and_cut),
        cmocka_unit_test(threads_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
