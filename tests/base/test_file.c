/* test_file.c - mappings, also of files that shrink; whole files; failing calls
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file_call.h"
#include "base/map_guard.h"
#include "base/memory.h"
#include "base/thread.h"
#include "support/folder.h"

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

static void maps_a_file(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "map");
    lyc_file_map *map = NULL;
    lyc_error err;
    lyc_file_id id;
    test_file_write(path, "hello", 5);
    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
    assert_int_equal(lyc_file_map_size(map), 5);
    assert_memory_equal(lyc_file_map_data(map), "hello", 5);
    assert_string_equal(lyc_file_map_path(map), path);
    assert_int_equal(lyc_file_id_of(&id, path, &err), LYC_OK);
    assert_true(lyc_file_id_equal(id, lyc_file_map_id(map)));
    char copy[4] = "";
    assert_int_equal(lyc_file_map_copy(copy, map, 1, 3, &err), LYC_OK);
    assert_string_equal(copy, "ell");
    assert_int_equal(lyc_file_map_copy(copy, map, 5, 0, &err), LYC_OK);
    for (int advice = LYC_FILE_SEQUENTIAL; advice <= LYC_FILE_DONE; advice++) {
        lyc_file_map_advise(map, 1, 4, (lyc_file_advice)advice);
    }
    assert_memory_equal(lyc_file_map_data(map), "hello", 5);
    assert_int_equal(lyc_file_map_check(map, &err), LYC_OK);
    lyc_file_map_close(map);

    test_file_write(path, "", 0);
    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
    assert_int_equal(lyc_file_map_size(map), 0);
    assert_false(lyc_file_map_is_damaged(map));
    assert_int_equal(lyc_file_map_check(map, &err), LYC_OK);
    lyc_file_map_close(map);
    lyc_file_map_close(NULL);
}

/* Kilobytes of files that this process has mapped and touched. */
static long resident_file_kb(void)
{
    char line[128];
    long kb = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "RssFile: %ld kB", &kb) == 1) {
            break;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return kb;
}

/* What was packed elsewhere need not stay in memory: the pages go, and come back when they are read again. */
static void gives_pages_back(void **state)
{
    (void)state;
    enum { BYTES = 16 << 20, SLACK_KB = 512 };
    const char *path = test_folder_path(&folder, "large");
    static char data[BYTES];
    memset(data, 7, sizeof data);
    test_file_write(path, data, sizeof data);
    lyc_file_map *map = NULL;
    lyc_error err;
    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
    const long before = resident_file_kb();
    assert_true(before > 0);
    assert_int_equal(lyc_file_map_copy(data, map, 0, BYTES, &err), LYC_OK);
    assert_true(resident_file_kb() >= before + BYTES / 1024 - SLACK_KB);
    lyc_file_map_advise(map, BYTES / 2 + 1, BYTES / 4, LYC_FILE_DONE);
    const long left = resident_file_kb();
    assert_true(left <= before + BYTES / 1024 * 3 / 4 + SLACK_KB);
    assert_true(left >= before + BYTES / 1024 * 3 / 4 - SLACK_KB);
    lyc_file_map_advise(map, 0, BYTES, LYC_FILE_DONE);
    assert_true(resident_file_kb() <= before + SLACK_KB);
    assert_int_equal(lyc_file_map_data(map)[BYTES / 2], 7);
    lyc_file_map_close(map);
}

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    char expected[700];
    lyc_file_map *map = NULL;
    lyc_error err;
    mkdir(test_folder_path(&folder, "folder"), 0777);
    mkfifo(test_folder_path(&folder, "pipe"), 0666);
    static const char *const cases[][2] = {
        {"none", "cannot open %s: No such file or directory"},
        {"folder", "%s is a folder, expected a file"},
        {"pipe", "%s is a pipe, expected a file"},
    };
    for (size_t i = 0; i < 3; i++) {
        const char *path = test_folder_path(&folder, cases[i][0]);
        assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_E_IO);
        const char *mark = strstr(cases[i][1], "%s");
        snprintf(expected, sizeof expected, "%.*s%s%s", (int)(mark - cases[i][1]), cases[i][1], path, mark + 2);
        assert_string_equal(err.message, expected);
        assert_null(map);
    }
    assert_int_equal(lyc_file_map_open(&map, "/dev/null", &err), LYC_E_IO);
    assert_string_equal(err.message, "/dev/null is a device, expected a file");
    lyc_file_id id;
    assert_int_equal(lyc_file_id_of(&id, test_folder_path(&folder, "none"), &err), LYC_E_IO);
}

/* The file loses its pages while it is mapped: reading goes on with zeros, and the loss is told. */
static void survives_a_file_that_shrinks(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const char *path = test_folder_path(&folder, "shrinks");
    char *data = malloc(5 * page);
    lyc_map_guard_install(); /* cmocka puts its own handlers in place before each test */
    memset(data, 'x', 5 * page);
    lyc_file_map *map = NULL;
    lyc_file_map *other = NULL;
    lyc_error err;
    test_file_write(path, data, 5 * page - 100);
    test_file_write(test_folder_path(&folder, "whole"), data, 5 * page);
    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
    assert_int_equal(lyc_file_map_open(&other, test_folder_path(&folder, "whole"), &err), LYC_OK);
    assert_int_equal(truncate(path, (off_t)page + 1), 0);

    assert_int_equal(lyc_file_map_copy(data, map, 0, page, &err), LYC_OK);
    assert_int_equal(lyc_file_map_copy(data, map, 3 * page - 10, page, &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "shrinks was shortened or could not be read while it was in use"));
    assert_int_equal(data[0], 0);
    const volatile unsigned char *bytes = lyc_file_map_data(map);
    assert_int_equal(bytes[0], 'x');
    assert_int_equal(bytes[page], 'x');
    assert_int_equal(bytes[2 * page], 0);
    assert_int_equal(bytes[5 * page - 101], 0);
    assert_true(lyc_file_map_is_damaged(map));
    assert_int_equal(lyc_file_map_check(map, &err), LYC_E_IO);

    assert_int_equal(lyc_file_map_copy(data, other, 0, 5 * page, &err), LYC_OK);
    assert_int_equal(lyc_file_map_check(other, &err), LYC_OK);
    lyc_file_map_close(other);
    lyc_file_map_close(map);
    free(data);
}

/* Within the last page no fault tells of the loss: size and time do. */
static void notices_changes(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "changes");
    lyc_file_map *map = NULL;
    lyc_error err;
    test_file_write(path, "0123456789", 10);
    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
    assert_int_equal(truncate(path, 4), 0);
    assert_int_equal(lyc_file_map_data(map)[8], 0);
    assert_false(lyc_file_map_is_damaged(map));
    assert_int_equal(lyc_file_map_check(map, &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "changed while it was in use: it had 10 bytes, now it has 4"));
    lyc_file_map_close(map);

    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(0, path, times, 0), 0);
    assert_int_equal(lyc_file_map_check(map, &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "was written to while it was in use"));
    lyc_file_map_close(map);

    /* Replaced by another file of that name: the mapping still is the old file, whole. */
    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
    test_file_write(test_folder_path(&folder, "new"), "new", 3);
    assert_int_equal(rename(test_folder_path(&folder, "new"), path), 0);
    assert_int_equal(lyc_file_map_check(map, &err), LYC_OK);
    assert_memory_equal(lyc_file_map_data(map), "0123", 4);
    lyc_file_map_close(map);
}

typedef struct reading {
    const unsigned char *data;
    size_t page;
    int64_t zeros[16];
} reading;

static void read_pages(void *context, int64_t first, int64_t last, int thread)
{
    reading *r = context;
    for (int64_t i = first; i < last; i++) {
        r->zeros[thread] += ((const volatile unsigned char *)r->data)[(size_t)i * r->page] == 0;
    }
}

static void threads_survive_together(void **state)
{
    (void)state;
    enum { PAGES = 256 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const char *path = test_folder_path(&folder, "parallel");
    char *data = malloc(PAGES * page);
    memset(data, 'x', PAGES * page);
    lyc_thread_set_count(8);
    lyc_map_guard_install();
    for (int round = 0; round < 20; round++) {
        lyc_file_map *map = NULL;
        lyc_error err;
        test_file_write(path, data, PAGES * page);
        assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
        assert_int_equal(truncate(path, (off_t)(10 * page)), 0);
        reading r = {.data = lyc_file_map_data(map), .page = page};
        lyc_parallel_for(PAGES, read_pages, &r);
        int64_t zeros = 0;
        for (int t = 0; t < 16; t++) {
            zeros += r.zeros[t];
        }
        assert_int_equal(zeros, PAGES - 10);
        assert_true(lyc_file_map_is_damaged(map));
        lyc_file_map_close(map);
    }
    free(data);
}

static sigjmp_buf jump;
static volatile void *fault_address;

static void jumping_handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    fault_address = info->si_addr;
    siglongjmp(jump, 1);
}

/* Ends with 0 when a fault outside of our mappings reached the handler that was there before the first mapping. */
static int child_with_handler(void)
{
    struct sigaction action = {.sa_sigaction = jumping_handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    lyc_map_guard_install();
    const int fd = fileno(tmpfile());
    volatile char *page = mmap(NULL, 100, PROT_READ, MAP_SHARED, fd, 0);
    if (sigsetjmp(jump, 1) == 0) {
        (void)page[0];
        return 1;
    }
    return fault_address == (volatile void *)page ? 0 : 2;
}

/* Is killed by the signal when nobody else handles it. */
static int child_without_handler(bool by_kill)
{
    signal(SIGBUS, SIG_DFL);
    lyc_map_guard_install();
    if (by_kill) {
        raise(SIGBUS);
        return 1;
    }
    const int fd = fileno(tmpfile());
    volatile char *page = mmap(NULL, 100, PROT_READ, MAP_SHARED, fd, 0);
    (void)page[0];
    return 1;
}

static void passes_other_faults_on(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        const pid_t child = fork();
        if (child == 0) {
            _exit(i == 0 ? child_with_handler() : child_without_handler(i == 1));
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (i == 0) {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        } else {
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
        }
    }
}

static void limits_the_number_of_mappings(void **state)
{
    (void)state;
    static int handles[LYC_MAP_GUARDS];
    const char *path = test_folder_path(&folder, "many");
    test_file_write(path, "x", 1);
    for (int i = 0; i < LYC_MAP_GUARDS; i++) {
        handles[i] = lyc_map_guard_add(&handles[i], 1);
        assert_true(handles[i] >= 0);
    }
    lyc_file_map *map = NULL;
    lyc_error err;
    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "1024 files are mapped already"));
    for (int i = 0; i < LYC_MAP_GUARDS; i++) {
        lyc_map_guard_remove(handles[i]);
    }
    assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
    lyc_file_map_close(map);
}

static void tells_of_failing_calls(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "fails");
    test_file_write(path, "text", 4);
    static const struct {
        lyc_file_call call;
        const char *text;
    } cases[] = {{LYC_CALL_OPEN, "cannot open"}, {LYC_CALL_STAT, "cannot look at"}, {LYC_CALL_MAP, "cannot map"}};
    for (size_t i = 0; i < 3; i++) {
        lyc_file_map *map = NULL;
        lyc_error err;
        lyc_file_fail_after(cases[i].call, 1, EIO, false);
        assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_E_IO);
        assert_non_null(strstr(err.message, cases[i].text));
        assert_non_null(strstr(err.message, "fails: Input/output error"));
        lyc_file_fail_after(cases[i].call, 0, 0, false);
        lyc_memory_fail_after(1, false);
        assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_E_MEMORY);
        lyc_memory_fail_after(0, false);
        assert_int_equal(lyc_file_map_open(&map, path, &err), LYC_OK);
        lyc_file_fail_after(LYC_CALL_STAT, 1, EIO, false);
        assert_int_equal(lyc_file_map_check(map, &err), LYC_E_IO);
        lyc_file_map_close(map);
    }
}

static void reads_whole_files(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "whole");
    char text[40000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)('a' + i % 26);
    }
    test_file_write(path, text, sizeof text);
    lyc_strbuf out = {0};
    lyc_error err;
    assert_int_equal(lyc_file_read(&out, path, sizeof text, &err), LYC_OK);
    assert_int_equal(out.length, sizeof text);
    assert_memory_equal(out.text, text, sizeof text);
    lyc_strbuf_clear(&out);
    assert_int_equal(lyc_file_read(&out, path, sizeof text - 1, &err), LYC_E_FORMAT);
    assert_non_null(strstr(err.message, "whole is longer than 39999 bytes"));
    lyc_strbuf_clear(&out);
    lyc_file_fail_after(LYC_CALL_READ, 1, EINTR, false);
    assert_int_equal(lyc_file_read(&out, path, SIZE_MAX, &err), LYC_OK);
    lyc_strbuf_clear(&out);
    lyc_file_fail_after(LYC_CALL_READ, 2, EIO, false);
    assert_int_equal(lyc_file_read(&out, path, SIZE_MAX, &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "cannot read"));
    lyc_strbuf_clear(&out);
    lyc_file_fail_after(LYC_CALL_READ, 0, 0, false);
    lyc_memory_fail_after(1, true);
    assert_int_equal(lyc_file_read(&out, path, SIZE_MAX, &err), LYC_E_MEMORY);
    lyc_memory_fail_after(0, false);
    lyc_strbuf_clear(&out);
    assert_int_equal(lyc_file_read(&out, folder.path, SIZE_MAX, &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "Is a directory"));
    assert_int_equal(lyc_file_read(&out, test_folder_path(&folder, "none"), SIZE_MAX, &err), LYC_E_IO);
    lyc_strbuf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_other_faults_on),
        cmocka_unit_test(maps_a_file),
        cmocka_unit_test(gives_pages_back),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(survives_a_file_that_shrinks),
        cmocka_unit_test(notices_changes),
        cmocka_unit_test(threads_survive_together),
        cmocka_unit_test(limits_the_number_of_mappings),
        cmocka_unit_test(tells_of_failing_calls),
        cmocka_unit_test(reads_whole_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
