/* test_run_files.c - states, logs and event files: whole whatever happens, and going on where they were
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file_call.h"
#include "support/folder.h"
#include "train/ema.h"
#include "train/event_file.h"
#include "train/state.h"
#include "train/train_log.h"

static test_folder folder;

static int set_up(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

/* --- states --------------------------------------------------------------------------------------------------------
 */

static lyc_status save(int64_t step, lyc_error *err)
{
    const float numbers[4] = {(float)step, 1.0f, 2.0f, 3.0f};
    const int64_t whole = 7 * step;
    const lyc_state_tensor tensors[] = {
        {"a.exp_avg",
         {.dtype = LYC_F32, .shape = {.rank = 2, .dims = {2, 2}}, .data = numbers, .size_bytes = sizeof numbers}},
        {"optimizer.step", {.dtype = LYC_I64, .data = &whole, .size_bytes = sizeof whole}},
    };
    json_t *facts = json_pack("{s:i, s:{s:f, s:s}}", "epoch", 3, "options", "rate", 0.5, "algo", "lokr");
    const lyc_status status = lyc_state_save(test_folder_path(&folder, "s"), step, tensors, 2, facts, err);
    json_decref(facts);
    return status;
}

/* The state is whole; returns its step. */
static int64_t check_state(void)
{
    lyc_error err;
    lyc_state *state;
    lyc_tensor_view tensor;
    if (lyc_state_open(&state, test_folder_path(&folder, "s"), &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    const int64_t step = lyc_state_step(state);
    assert_true(lyc_safetensors_find(&tensor, lyc_state_tensors(state), "a.exp_avg"));
    assert_true(((const float *)tensor.data)[0] == (float)step);
    assert_true(lyc_safetensors_find(&tensor, lyc_state_tensors(state), "optimizer.step"));
    int64_t whole;
    memcpy(&whole, tensor.data, sizeof whole);
    assert_int_equal(whole, 7 * step);
    assert_int_equal(json_integer_value(json_object_get(lyc_state_facts(state), "epoch")), 3);
    lyc_state_close(state);
    return step;
}

static void states_follow_each_other(void **state)
{
    (void)state;
    lyc_error err;
    for (int64_t step = 10; step <= 30; step += 10) {
        assert_int_equal(save(step, &err), LYC_OK);
        assert_int_equal(check_state(), step);
    }
    test_folder inside;
    snprintf(inside.path, sizeof inside.path, "%s", test_folder_path(&folder, "s"));
    assert_string_equal(test_folder_list(&inside), "state-00000030.safetensors state.json ");
}

/* Any call that fails leaves the state before whole, or the new one. */
static void failing_calls_leave_a_state(void **state)
{
    (void)state;
    static const lyc_file_call calls[] = {LYC_CALL_OPEN,  LYC_CALL_WRITE,  LYC_CALL_SYNC,
                                          LYC_CALL_CLOSE, LYC_CALL_RENAME, LYC_CALL_UNLINK};
    lyc_error err;
    size_t failures = 0;
    assert_int_equal(save(1, &err), LYC_OK);
    for (size_t k = 0; k < sizeof calls / sizeof calls[0]; k++) {
        for (uint64_t n = 1; n < 12; n++) {
            lyc_file_fail_after(calls[k], n, EIO, false);
            const lyc_status status = save(2, &err);
            lyc_file_fail_after(calls[k], 0, 0, false);
            const int64_t step = check_state();
            assert_true(step == 1 || step == 2);
            failures += status != LYC_OK;
            assert_int_equal(save(1, &err), LYC_OK);
        }
    }
    assert_true(failures > 10);
}

/* Killed at any moment. */
static void killed_writers_leave_a_state(void **state)
{
    (void)state;
    lyc_error err;
    assert_int_equal(save(1, &err), LYC_OK);
    for (int round = 0; round < 50; round++) {
        const pid_t child = fork();
        if (child == 0) {
            for (int64_t step = 2;; step++) {
                save(step, &err);
            }
        }
        usleep((useconds_t)(300 + 157 * round));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        assert_true(check_state() >= 1);
        assert_int_equal(save(1, &err), LYC_OK);
    }
    test_folder inside;
    snprintf(inside.path, sizeof inside.path, "%s", test_folder_path(&folder, "s"));
    assert_string_equal(test_folder_list(&inside), "state-00000001.safetensors state.json ");
}

static void damaged_states_are_refused(void **state)
{
    (void)state;
    lyc_error err;
    lyc_state *opened = NULL;
    size_t size;
    const char *inside = test_folder_path(&folder, "s/state-00000005.safetensors");
    assert_int_equal(lyc_state_open(&opened, test_folder_path(&folder, "s"), &err), LYC_E_IO);
    assert_int_equal(save(5, &err), LYC_OK);
    char *bytes = test_file_read(inside, &size);
    bytes[size - 1] ^= 1;
    test_file_write(inside, bytes, size);
    free(bytes);
    assert_int_equal(lyc_state_open(&opened, test_folder_path(&folder, "s"), &err), LYC_E_FORMAT);
    assert_non_null(strstr(err.message, "state-00000005.safetensors is damaged: its SHA-256 is "));
    const char *words = test_folder_path(&folder, "s/state.json");
    test_file_write(words, "{\"version\":2}", 13);
    assert_int_equal(lyc_state_open(&opened, test_folder_path(&folder, "s"), &err), LYC_E_FORMAT);
    assert_non_null(strstr(err.message, "s/state.json is of version 2, expected 1"));
    test_file_write(words, "{\"version\":1,\"tensors\":\"../x\",\"sha256\":\"0\"}", 43);
    assert_int_equal(lyc_state_open(&opened, test_folder_path(&folder, "s"), &err), LYC_E_FORMAT);
    test_file_write(words, "{\"vers", 6);
    assert_int_equal(lyc_state_open(&opened, test_folder_path(&folder, "s"), &err), LYC_E_FORMAT);
    assert_null(opened);
}

static void all_differences_are_told(void **state)
{
    (void)state;
    lyc_error err;
    static const char *const may_change[] = {"rate", NULL};
    json_t *before = json_pack("{s:f, s:s, s:i}", "rate", 0.5, "algo", "lokr", "rank", 4);
    json_t *now = json_pack("{s:f, s:s, s:b}", "rate", 0.25, "algo", "lora", "tucker", 1);
    assert_int_equal(lyc_state_compare("options", before, now, may_change, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message,
                        "the state is of a run with other options: algo was \"lokr\" and is \"lora\", rank "
                        "was 4 and is not given, tucker was not given and is true");
    assert_int_equal(lyc_state_compare("options", before, before, NULL, &err), LYC_OK);
    json_decref(before);
    json_decref(now);
}

/* --- logs ----------------------------------------------------------------------------------------------------------
 */

static void write_log(int64_t kept, int64_t first, int64_t last)
{
    lyc_error err;
    lyc_train_log *log;
    assert_int_equal(lyc_train_log_open(&log, test_folder_path(&folder, "log"), kept, &err), LYC_OK);
    for (int64_t step = first; step <= last; step++) {
        const lyc_log_number numbers[] = {{"loss", 1.0 / (double)step},
                                          {"loss_val", step % 2 == 0 ? 0.5 : (double)NAN}};
        assert_int_equal(lyc_train_log_write(log, step, numbers, 2, &err), LYC_OK);
    }
    lyc_train_log_close(log);
}

static void assert_text(const char *name, const char *want)
{
    size_t size;
    char *text = test_file_read(test_folder_path(&folder, name), &size);
    assert_non_null(text);
    if (size != strlen(want) || memcmp(text, want, size) != 0) {
        fail_msg("%s is %.*s", name, (int)size, text);
    }
    free(text);
}

/* A log that was cut at a step and went on is that of a run without a stop. */
static void logs_go_on(void **state)
{
    (void)state;
    static const char csv[] = "step,loss,loss_val\n1,1,\n2,0.5,0.5\n4,0.25,0.5\n";
    static const char lines[] = "{\"step\":1,\"loss\":1}\n{\"step\":2,\"loss\":0.5,\"loss_val\":0.5}\n"
                                "{\"step\":4,\"loss\":0.25,\"loss_val\":0.5}\n";
    write_log(-1, 1, 3);
    write_log(2, 4, 4);
    assert_text("log.csv", csv);
    assert_text("log.jsonl", lines);
    write_log(-1, 1, 1);
    assert_text("log.csv", "step,loss,loss_val\n1,1,\n");
    test_file_write(test_folder_path(&folder, "log.csv"), "step,loss,loss_val\n1,1,\n2,0.", 28);
    write_log(1, 2, 2);
    assert_text("log.csv", "step,loss,loss_val\n1,1,\n2,0.5,0.5\n");
}

/* --- event files ---------------------------------------------------------------------------------------------------
 */

/* Bytes of a record as the format's description says them. */
static void event_records(void **state)
{
    (void)state;
    lyc_error err;
    lyc_event_file *f;
    size_t size;
    assert_int_equal(lyc_event_crc32c("123456789", 9), 0xE3069283u);
    const char *inner = test_folder_path(&folder, "events");
    assert_int_equal(lyc_event_file_open(&f, inner, 1000.0, -1, &err), LYC_OK);
    assert_int_equal(lyc_event_file_scalar(f, 2.0, 300, "loss", 0.5, &err), LYC_OK);
    lyc_event_file_close(f);
    char *bytes = test_file_read(test_folder_path(&folder, "events/events.out.tfevents.1000.lycoris.0.0"), &size);
    assert_non_null(bytes);
    static const unsigned char scalar[] = {0x09, 0,    0,    0,    0,    0,    0,    0,    0x40,
                                           0x10, 0xAC, 0x02, 0x2A, 0x0D, 0x0A, 0x0B, 0x0A, 0x04,
                                           'l',  'o',  's',  's',  0x15, 0,    0,    0,    0x3F};
    const size_t first = 8 + 4 + 24 + 4;
    assert_int_equal(bytes[0], 24);
    assert_memory_equal(bytes + 12 + 9,
                        "\x1A\x0D"
                        "brain.Event:2",
                        15);
    assert_int_equal(size, first + 12 + sizeof scalar + 4);
    assert_memory_equal(bytes + first + 12, scalar, sizeof scalar);
    free(bytes);

    assert_int_equal(lyc_event_file_open(&f, test_folder_path(&folder, "events"), 1000.0, 200, &err), LYC_OK);
    assert_int_equal(lyc_event_file_image(f, 3.0, 201, "sample/0", "png", 3, 64, 32, &err), LYC_OK);
    lyc_event_file_close(f);
    bytes = test_file_read(test_folder_path(&folder, "events/events.out.tfevents.1000.lycoris.0.1"), &size);
    assert_non_null(bytes);
    assert_memory_equal(bytes + first + 12 + 9, "\x10\xC8\x01\x3A\x02\x08\x01", 7);
    free(bytes);
}

/* --- averages ------------------------------------------------------------------------------------------------------
 */

static void averages(void **state)
{
    (void)state;
    lyc_error err;
    lyc_ema ema;
    float value[2] = {1.0f, -2.0f};
    lyc_trainable param = {.name = "x", .value = value, .count = 2};
    assert_int_equal(lyc_ema_init(&ema, &param, 1, 0.999, 2, &err), LYC_OK);
    value[0] = 3.0f;
    lyc_ema_update(&ema, 1); /* not its turn */
    lyc_ema_swap(&ema);
    assert_true(value[0] == 1.0f && value[1] == -2.0f);
    lyc_ema_swap(&ema);
    lyc_ema_update(&ema, 2); /* decay 1/10 */
    lyc_ema_update(&ema, 4); /* decay 2/11 */
    lyc_ema_swap(&ema);
    const double first = 1.0 + 0.9 * (3.0 - 1.0);
    const double second = first + 9.0 / 11.0 * (3.0 - first);
    assert_true(fabs((double)value[0] - second) < 1e-6);
    lyc_ema_swap(&ema);
    assert_true(value[0] == 3.0f);
    lyc_ema_clear(&ema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(states_follow_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failing_calls_leave_a_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_writers_leave_a_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_states_are_refused, set_up, tear_down),
        cmocka_unit_test(all_differences_are_told),
        cmocka_unit_test_setup_teardown(logs_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(event_records, set_up, tear_down),
        cmocka_unit_test(averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
