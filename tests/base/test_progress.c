/* test_progress.c - rates from a clock of our own, and the lines
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/progress.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/string.h"

/* clang-format off */
static const struct {
    lyc_progress_report report;
    int columns;
    lyc_progress_style style;
    const char *line;
} lines[] = {
    {{"", "it", 120, 1000, 41.2, 2.92, 301.4, "avr_loss=0.091", false}, 0, LYC_PROGRESS_UNICODE,
     " 12%|█▏        | 120/1000 [00:41<05:01, 2.92it/s, avr_loss=0.091]"},
    {{"steps", "it", 120, 1000, 41.2, 2.92, 301.4, "", false}, 0, LYC_PROGRESS_ASCII,
     "steps:  12%|#         | 120/1000 [00:41<05:01, 2.92it/s]"},
    {{"", "it", 0, 1000, 0.0, 0.0, -1.0, "", false}, 0, LYC_PROGRESS_UNICODE,
     "  0%|          | 0/1000 [00:00<?, ?it/s]"},
    {{"", "it", 999, 1000, 3599.9, 0.25, 4.0, "", false}, 0, LYC_PROGRESS_ASCII,
     " 99%|######### | 999/1000 [59:59<00:04, 4.00s/it]"},
    {{"", "it", 1000, 1000, 3600.0, 1.0, 0.0, "", true}, 0, LYC_PROGRESS_UNICODE,
     "100%|██████████| 1000/1000 [1:00:00<00:00, 1.00it/s]"},
    {{"", "img", 120, 0, 41.2, 2.92, -1.0, "x=1", false}, 0, LYC_PROGRESS_UNICODE, "120img [00:41, 2.92img/s, x=1]"},
    {{"", "it", 1500, 1000, 1.0, 10.0, -1.0, "", false}, 0, LYC_PROGRESS_ASCII,
     "100%|##########| 1500/1000 [00:01<?, 10.00it/s]"},
    {{"", "it", 5, 10, 90061.0, 1.0, 1e12, "", false}, 0, LYC_PROGRESS_ASCII,
     " 50%|#####     | 5/10 [25:01:01<?, 1.00it/s]"},
    {{"", "it", 5, 10, 1.0, 5.0, 1.0, "", false}, 60, LYC_PROGRESS_ASCII,
     " 50%|############             | 5/10 [00:01<00:01, 5.00it/s]"},
    {{"", "it", 5, 10, 1.0, 5.0, 1.0, "", false}, 20, LYC_PROGRESS_UNICODE, " 50%|▌| 5/10 [00:01<"},
    {{"é\x1b", "it", 5, 10, 1.0, 5.0, 1.0, "\xff", false}, 0, LYC_PROGRESS_UNICODE,
     "é\\x1b:  50%|█████     | 5/10 [00:01<00:01, 5.00it/s, \\xff]"},
    {{"hashing", "B", 1520000000, 4000000000, 1.0, 1.55e9, 1.6, "", false}, 0, LYC_PROGRESS_ASCII,
     "hashing:  38%|###       | 1.52G/4.00G [00:01<00:01, 1.55GB/s]"},
    {{"", "B", 999, 0, 1.0, 12345.0, -1.0, "", false}, 0, LYC_PROGRESS_ASCII, "999B [00:01, 12.3kB/s]"},
    {{"", "B", 999999, 0, 1.0, 0.5, -1.0, "", false}, 0, LYC_PROGRESS_ASCII, "1.00MB [00:01, 2.00s/B]"},
};
/* clang-format on */

static void writes_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char line[300];
        const size_t length = lyc_progress_line(line, sizeof line, &lines[i].report, lines[i].columns, lines[i].style);
        assert_string_equal(line, lines[i].line);
        assert_int_equal(length, strlen(line));
        for (size_t size = 1; size < length; size++) {
            memset(line, 'z', sizeof line);
            lyc_progress_line(line, size, &lines[i].report, lines[i].columns, lines[i].style);
            assert_true(strlen(line) < size && strlen(line) + 4 > size);
            assert_int_equal(lyc_utf8_valid_prefix(line, strlen(line)), strlen(line));
        }
    }
}

static void writes_json(void **state)
{
    (void)state;
    char json[300];
    const lyc_progress_report known = {"st\"eps", "it", 120, 1000, 41.5, 2.92, 301.4, "a\x1b", false};
    const size_t length = lyc_progress_json(json, sizeof json, &known);
    assert_string_equal(json, "{\"label\":\"st\\\"eps\",\"count\":120,\"total\":1000,\"elapsed_s\":41.5,\"rate\":2.92,"
                              "\"remaining_s\":301.4,\"postfix\":\"a\\\\x1b\",\"finished\":false}");
    assert_int_equal(length, strlen(json));
    assert_int_equal(lyc_progress_json(json, length, &known), 0);
    assert_string_equal(json, "");
    const lyc_progress_report unknown = {"", "it", 1, 0, 0.0, 0.0, -1.0, "", true};
    lyc_progress_json(json, sizeof json, &unknown);
    assert_string_equal(json, "{\"label\":\"\",\"count\":1,\"total\":null,\"elapsed_s\":0,\"rate\":null,"
                              "\"remaining_s\":null,\"postfix\":\"\",\"finished\":true}");
}

static double clock_now;
static lyc_progress_report last;
static char last_postfix[64];
static int reports;

static double test_clock(void)
{
    return clock_now;
}

static void keep(void *context, const lyc_progress_report *report)
{
    assert_ptr_equal(context, &reports);
    last = *report;
    strncpy(last_postfix, report->postfix, sizeof last_postfix - 1);
    reports++;
}

static void computes_rate_and_remaining_time(void **state)
{
    (void)state;
    lyc_progress progress;
    clock_now = 1000.0;
    reports = 0;
    lyc_progress_init_clock(&progress, "steps", "it", 100, keep, &reports, test_clock);
    for (int i = 0; i < 40; i++) {
        clock_now += 0.5;
        lyc_progress_set_postfix(&progress, "loss=%d", i);
        lyc_progress_add(&progress, 1);
    }
    assert_int_equal(reports, 40);
    assert_int_equal(last.count, 40);
    assert_string_equal(last_postfix, "loss=39");
    assert_true(fabs(last.elapsed_s - 20.0) < 1e-9);
    assert_true(fabs(last.rate - 2.0) < 1e-9);
    assert_true(fabs(last.remaining_s - 30.0) < 1e-6);
    /* A change of speed is followed within a few updates. */
    for (int i = 0; i < 20; i++) {
        clock_now += 4.0;
        lyc_progress_add(&progress, 1);
    }
    assert_true(fabs(last.rate - 0.25) < 0.01);
    for (int i = 0; i < 30; i++) {
        clock_now += 0.25;
        lyc_progress_add(&progress, 1);
    }
    assert_true(last.rate > 2.0 && last.rate < 4.0);
    clock_now += 1.0;
    lyc_progress_add(&progress, 10);
    assert_int_equal(last.count, 100);
    assert_true(last.remaining_s == 0.0);
    lyc_progress_finish(&progress);
    assert_true(last.finished);
    assert_true(fabs(last.rate - 100.0 / last.elapsed_s) < 1e-9);
}

static void skipped_work_has_no_rate(void **state)
{
    (void)state;
    lyc_progress progress;
    clock_now = 0.0;
    lyc_progress_init_clock(&progress, "", "it", 100, keep, &reports, test_clock);
    lyc_progress_skip(&progress, 50);
    clock_now = 2.0;
    lyc_progress_add(&progress, 2);
    assert_int_equal(last.count, 52);
    assert_true(fabs(last.rate - 1.0) < 1e-9);
    assert_true(fabs(last.remaining_s - 48.0) < 1e-6);
    lyc_progress_finish(&progress);
    assert_true(fabs(last.rate - 1.0) < 1e-9);
}

static void works_without_sink_and_total(void **state)
{
    (void)state;
    lyc_progress progress;
    lyc_progress_init(&progress, "", "it", 10, NULL, NULL);
    lyc_progress_set_postfix(&progress, "%s", "x");
    lyc_progress_add(&progress, 3);
    lyc_progress_finish(&progress);
    assert_int_equal(progress.count, 3);
    clock_now = 0.0;
    lyc_progress_init_clock(&progress, "", "it", 0, keep, &reports, test_clock);
    lyc_progress_add(&progress, 1); /* no time has passed */
    assert_true(last.rate == 0.0 && last.remaining_s < 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_lines),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(computes_rate_and_remaining_time),
        cmocka_unit_test(skipped_work_has_no_rate),
        cmocka_unit_test(works_without_sink_and_total),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
