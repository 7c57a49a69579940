/* test_file_writer.c - outputs appear whole or not at all, whatever call fails
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/file_writer.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file_call.h"
#include "base/map_guard.h"
#include "base/memory.h"
#include "base/temporary.h"
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

static void assert_file(const char *name, const void *data, size_t size)
{
    size_t found_size = 0;
    char *found = test_file_read(test_folder_path(&folder, name), &found_size);
    assert_non_null(found);
    assert_int_equal(found_size, size);
    assert_memory_equal(found, data, size);
    free(found);
}

enum { BIG = (1 << 20) + 2000, SMALL = 1000, TOTAL = SMALL + BIG + BIG + 10 + SMALL };

/* What write_everything makes: appended pieces of every kind and one written at its place. */
static char *everything;
static lyc_file_map *source; /* BIG bytes */

static int set_up_everything(void **state)
{
    (void)state;
    test_folder_make(&folder);
    everything = malloc(TOTAL);
    for (size_t i = 0; i < TOTAL; i++) {
        everything[i] = (char)(i * 2654435761u >> 13);
    }
    test_file_write(test_folder_path(&folder, "source"), everything + SMALL + BIG, BIG);
    return lyc_file_map_open(&source, test_folder_path(&folder, "source"), NULL) == LYC_OK ? 0 : -1;
}

static int tear_down_everything(void **state)
{
    (void)state;
    lyc_file_map_close(source);
    free(everything);
    test_folder_remove(&folder);
    return 0;
}

static lyc_status write_parts(lyc_file_writer *w, lyc_error *err)
{
    for (int i = 0; i < SMALL; i += 100) {
        LYC_TRY(lyc_file_writer_append(w, everything + i, 100, err));
    }
    LYC_TRY(lyc_file_writer_append(w, everything + SMALL, BIG, err));
    LYC_TRY(lyc_file_writer_append_map(w, source, 0, BIG - 1000, err));
    LYC_TRY(lyc_file_writer_append_map(w, source, BIG - 1000, 1000, err));
    LYC_TRY(lyc_file_writer_append(w, everything + SMALL + BIG + BIG, 10, err));
    assert_int_equal(lyc_file_writer_position(w), TOTAL - SMALL);
    LYC_TRY(lyc_file_writer_write_at(w, TOTAL - SMALL, everything + TOTAL - SMALL, SMALL, err));
    return lyc_file_writer_commit(w, err);
}

static lyc_status write_everything(const char *path, const lyc_file_writer_options *options, lyc_error *err)
{
    lyc_file_writer *w = NULL;
    LYC_TRY(lyc_file_writer_open(&w, path, options, err));
    const lyc_status status = write_parts(w, err);
    lyc_file_writer_close(w);
    return status;
}

static void writes_everything(void **state)
{
    (void)state;
    lyc_error err;
    const lyc_file_writer_options options = {.size_bytes = TOTAL};
    assert_int_equal(write_everything(test_folder_path(&folder, "out"), &options, &err), LYC_OK);
    assert_file("out", everything, TOTAL);
    assert_string_equal(test_folder_list(&folder), "out source ");
    assert_int_equal(unlink(test_folder_path(&folder, "out")), 0);
    /* More room than needed is given back. */
    const lyc_file_writer_options larger = {.size_bytes = 2 * TOTAL};
    assert_int_equal(write_everything(test_folder_path(&folder, "out"), &larger, &err), LYC_OK);
    assert_file("out", everything, TOTAL);
    assert_int_equal(unlink(test_folder_path(&folder, "out")), 0);
}

/* Each call of each kind fails once, in each way: the old file stays or the new one is whole, nothing else remains, and
 * an interruption or a short transfer does no harm at all. */
static void survives_every_failing_call(void **state)
{
    (void)state;
    static const int errors[] = {ENOSPC, EIO, EINTR, 0};
    const lyc_file_writer_options options = {.force = true, .size_bytes = TOTAL};
    int failures = 0;
    for (lyc_file_call call = 0; call < LYC_CALL_COUNT; call++) {
        for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
            for (uint64_t n = 1;; n++) {
                test_file_write(test_folder_path(&folder, "out"), "old", 3);
                lyc_error err = {0};
                const uint64_t before = lyc_file_calls(call);
                lyc_file_fail_after(call, n, errors[e], false);
                const lyc_status status = write_everything(test_folder_path(&folder, "out"), &options, &err);
                lyc_file_fail_after(call, 0, 0, false);
                const bool reached = lyc_file_calls(call) - before >= n;
                lyc_file_remove_temporaries(); /* when unlink itself failed */
                assert_string_equal(test_folder_list(&folder), "out source ");
                const bool harmless = !reached || errors[e] == 0 || errors[e] == EINTR;
                if (status == LYC_OK) {
                    assert_file("out", everything, TOTAL);
                } else {
                    failures++;
                    assert_int_equal(status, LYC_E_OUTPUT);
                    assert_non_null(strstr(err.message, "out"));
                    assert_true(!harmless || call == LYC_CALL_OPEN || call == LYC_CALL_STAT ||
                                call == LYC_CALL_RENAME || call == LYC_CALL_RESERVE);
                    if (strstr(err.message, "is written, but its folder") != NULL) {
                        assert_file("out", everything, TOTAL);
                    } else {
                        assert_file("out", "old", 3);
                    }
                }
                if (!reached) {
                    break;
                }
            }
        }
    }
    assert_true(failures > 20);
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    const lyc_file_writer_options options = {.force = true};
    for (uint64_t n = 1;; n++) {
        lyc_error err = {0};
        test_file_write(test_folder_path(&folder, "out"), "old", 3);
        lyc_memory_fail_after(n, false);
        const uint64_t before = lyc_memory_allocations();
        const lyc_status status = write_everything(test_folder_path(&folder, "out"), &options, &err);
        const bool reached = lyc_memory_allocations() - before >= n;
        lyc_memory_fail_after(0, false);
        assert_string_equal(test_folder_list(&folder), "out source ");
        if (!reached) {
            assert_int_equal(status, LYC_OK);
            assert_true(n > 2);
            break;
        }
        assert_int_equal(status, LYC_E_MEMORY);
        assert_file("out", "old", 3);
    }
}

static void goes_on_with_short_writes(void **state)
{
    (void)state;
    lyc_error err;
    lyc_file_writer *w = NULL;
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "short"), NULL, &err), LYC_OK);
    lyc_file_fail_after(LYC_CALL_WRITE, 1, 0, true);
    assert_int_equal(lyc_file_writer_append(w, "0123456789", 10, &err), LYC_OK);
    assert_int_equal(lyc_file_writer_commit(w, &err), LYC_OK);
    lyc_file_fail_after(LYC_CALL_WRITE, 0, 0, false);
    lyc_file_writer_close(w);
    assert_file("short", "0123456789", 10);
    unlink(test_folder_path(&folder, "short"));
}

static void removes_what_was_not_committed(void **state)
{
    (void)state;
    lyc_error err;
    lyc_file_writer *w = NULL;
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), NULL, &err), LYC_OK);
    assert_int_equal(lyc_file_writer_append(w, "x", 1, &err), LYC_OK);
    char name[LYC_FILE_NAME + 1];
    lyc_temporary_name(name, lyc_span_of("out"), 0);
    strcat(name, " ");
    assert_string_equal(test_folder_list(&folder), name);
    lyc_file_writer_close(w);
    assert_string_equal(test_folder_list(&folder), "");
    lyc_file_writer_close(NULL);
}

static void refuses_places(void **state)
{
    (void)state;
    test_file_write(test_folder_path(&folder, "exists"), "old", 3);
    test_file_write(test_folder_path(&folder, "input"), "in", 2);
    mkdir(test_folder_path(&folder, "folder"), 0777);
    mkfifo(test_folder_path(&folder, "pipe"), 0666);
    assert_int_equal(symlink("exists", test_folder_path(&folder, "link")), 0);
    assert_int_equal(symlink("nowhere", test_folder_path(&folder, "dangling")), 0);
    assert_int_equal(link(test_folder_path(&folder, "input"), test_folder_path(&folder, "second_name")), 0);
    lyc_file_id input;
    assert_int_equal(lyc_file_id_of(&input, test_folder_path(&folder, "input"), NULL), LYC_OK);

    static const struct {
        const char *name;
        bool force;
        const char *message;
    } cases[] = {
        {"exists", false, "exists: it exists"},
        {"input", false, "input: it is one of the inputs"},
        {"input", true, "input: it is one of the inputs"},
        {"second_name", true, "second_name: it is one of the inputs"},
        {"folder", true, "folder: it is no regular file"},
        {"pipe", true, "pipe: it is no regular file"},
        {"link", false, "link: it is a symbolic link, give the path of the file itself"},
        {"link", true, "link: it is a symbolic link, give the path of the file itself"},
        {"dangling", true, "dangling: it is a symbolic link, give the path of the file itself"},
        {"none/out", true, "none/: No such file or directory"},
        {"exists/out", true, "exists/: Not a directory"},
        {"folder/", true, "folder/': it names no file"},
        {"folder/..", true, "folder/..': it names no file"},
        {".", true, "/.': it names no file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_file_writer *w = NULL;
        lyc_error err = {0};
        const lyc_file_writer_options options = {.force = cases[i].force, .inputs = &input, .input_count = 1};
        assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, cases[i].name), &options, &err),
                         LYC_E_OUTPUT);
        assert_null(w);
        const size_t length = strlen(err.message);
        const size_t expected = strlen(cases[i].message);
        assert_true(length > expected);
        assert_string_equal(err.message + length - expected, cases[i].message);
    }
    char long_name[400];
    memset(long_name, 'a', sizeof long_name);
    long_name[300] = '\0';
    lyc_file_writer *w = NULL;
    lyc_error err;
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, long_name), NULL, &err), LYC_E_OUTPUT);
    assert_int_equal(lyc_file_writer_open(&w, "", NULL, &err), LYC_E_OUTPUT);
    assert_string_equal(err.message, "cannot write '': it names no file");
    assert_file("exists", "old", 3);
    assert_string_equal(test_folder_list(&folder), "dangling exists folder input link pipe second_name ");
    test_folder_remove(&folder);
    test_folder_make(&folder);
}

/* A name as long as names can be still has room for the temporary one. */
static void takes_the_longest_name(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'a', 255);
    name[255] = '\0';
    lyc_file_writer *w = NULL;
    lyc_error err;
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, name), NULL, &err), LYC_OK);
    assert_int_equal(lyc_file_writer_commit(w, &err), LYC_OK);
    lyc_file_writer_close(w);
    assert_file(name, "", 0);
    unlink(test_folder_path(&folder, name));
}

/* The file appeared while ours was written: without force it stays, also where the system cannot rename that way. */
static void does_not_replace_a_file_that_appeared(void **state)
{
    (void)state;
    for (int old_system = 0; old_system < 2; old_system++) {
        lyc_file_writer *w = NULL;
        lyc_error err;
        assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), NULL, &err), LYC_OK);
        test_file_write(test_folder_path(&folder, "out"), "other", 5);
        if (old_system) {
            lyc_file_fail_after(LYC_CALL_RENAME, 1, EINVAL, false);
        }
        assert_int_equal(lyc_file_writer_commit(w, &err), LYC_E_OUTPUT);
        assert_non_null(strstr(err.message, "out: it exists"));
        lyc_file_writer_close(w);
        assert_file("out", "other", 5);
        unlink(test_folder_path(&folder, "out"));
        assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), NULL, &err), LYC_OK);
        if (old_system) {
            lyc_file_fail_after(LYC_CALL_RENAME, 1, EINVAL, false);
        }
        assert_int_equal(lyc_file_writer_commit(w, &err), LYC_OK);
        lyc_file_fail_after(LYC_CALL_RENAME, 0, 0, false);
        lyc_file_writer_close(w);
        assert_string_equal(test_folder_list(&folder), "out ");
        unlink(test_folder_path(&folder, "out"));
    }
}

static void keeps_permissions_and_replaces(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "out");
    test_file_write(path, "old contents", 12);
    assert_int_equal(chmod(path, 0640), 0);
    const lyc_file_writer_options options = {.force = true};
    lyc_file_writer *w = NULL;
    lyc_error err;
    assert_int_equal(lyc_file_writer_open(&w, path, &options, &err), LYC_OK);
    assert_int_equal(lyc_file_writer_append(w, "new", 3, &err), LYC_OK);
    assert_file("out", "old contents", 12);
    assert_int_equal(lyc_file_writer_commit(w, &err), LYC_OK);
    lyc_file_writer_close(w);
    assert_file("out", "new", 3);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    unlink(path);
}

static void finds_a_full_disk_at_once(void **state)
{
    (void)state;
    const lyc_file_writer_options options = {.size_bytes = UINT64_C(1) << 60};
    lyc_file_writer *w = NULL;
    lyc_error err;
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), &options, &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "out: "));
    /* Where space cannot be reserved the free space is looked at. */
    lyc_file_fail_after(LYC_CALL_RESERVE, 1, EOPNOTSUPP, false);
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), &options, &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "out: No space left on device"));
    const lyc_file_writer_options absurd = {.size_bytes = UINT64_MAX};
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), &absurd, &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "out: File too large"));
    lyc_file_fail_after(LYC_CALL_RESERVE, 1, EOPNOTSUPP, false);
    const lyc_file_writer_options modest = {.size_bytes = 3};
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), &modest, &err), LYC_OK);
    assert_int_equal(lyc_file_writer_append(w, "abc", 3, &err), LYC_OK);
    assert_int_equal(lyc_file_writer_write_at(w, INT64_MAX, "abc", 3, &err), LYC_E_OUTPUT);
    lyc_file_writer_close(w);
    assert_string_equal(test_folder_list(&folder), "");
}

/* The input of a copy loses its data: that is what is told, whether the copy goes through memory or the kernel. */
static void tells_that_an_input_shrank(void **state)
{
    (void)state;
    lyc_map_guard_install(); /* cmocka puts its own handlers in place before each test */
    for (int through = 0; through < 3; through++) {
        const size_t size = 3 << 20;
        char *data = malloc(size);
        memset(data, 'x', size);
        test_file_write(test_folder_path(&folder, "in"), data, size);
        free(data);
        lyc_file_map *map = NULL;
        lyc_file_writer *w = NULL;
        lyc_error err;
        assert_int_equal(lyc_file_map_open(&map, test_folder_path(&folder, "in"), &err), LYC_OK);
        assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), NULL, &err), LYC_OK);
        assert_int_equal(truncate(test_folder_path(&folder, "in"), 100), 0);
        if (through == 1) {
            lyc_file_fail_after(LYC_CALL_COPY, 1, ENOSYS, false);
        }
        const size_t part = through == 2 ? 1000 : size - 5;
        assert_int_equal(lyc_file_writer_append_map(w, map, size - part, part, &err), LYC_E_IO);
        lyc_file_fail_after(LYC_CALL_COPY, 0, 0, false);
        assert_non_null(strstr(err.message, "/in "));
        lyc_file_writer_close(w);
        lyc_file_map_close(map);
        assert_string_equal(test_folder_list(&folder), "in ");
        unlink(test_folder_path(&folder, "in"));
    }
}

static void write_block(void *context, int64_t first, int64_t last, int thread)
{
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        char block[100];
        memset(block, (int)('a' + i % 26), sizeof block);
        if (lyc_file_writer_write_at(context, (uint64_t)i * sizeof block, block, sizeof block, NULL) != LYC_OK) {
            abort();
        }
    }
}

static void threads_write_their_parts(void **state)
{
    (void)state;
    lyc_file_writer *w = NULL;
    lyc_error err;
    lyc_thread_set_count(4);
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), NULL, &err), LYC_OK);
    lyc_parallel_dynamic(500, 3, write_block, w);
    assert_int_equal(lyc_file_writer_commit(w, &err), LYC_OK);
    lyc_file_writer_close(w);
    size_t size = 0;
    char *data = test_file_read(test_folder_path(&folder, "out"), &size);
    assert_int_equal(size, 50000);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(data[i], 'a' + i / 100 % 26);
    }
    free(data);
    unlink(test_folder_path(&folder, "out"));
}

static void remove_and_leave(int number)
{
    (void)number;
    lyc_file_remove_temporaries();
    _exit(7);
}

/* A process that writes for ever into several outputs; ends by a signal. */
static void write_until_killed(bool with_handler)
{
    if (with_handler) {
        signal(SIGTERM, remove_and_leave);
    }
    for (int i = 0;; i++) {
        lyc_file_writer *writers[3] = {NULL};
        const lyc_file_writer_options options = {.force = true};
        for (int k = 0; k < 3; k++) {
            static const char *const names[] = {"one", "two", "three"};
            char data[100];
            memset(data, 'a' + i % 26, sizeof data);
            lyc_file_writer_open(&writers[k], test_folder_path(&folder, names[k]), &options, NULL);
            lyc_file_writer_append(writers[k], data, sizeof data, NULL);
        }
        for (int k = 0; k < 3; k++) {
            lyc_file_writer_commit(writers[k], NULL);
            lyc_file_writer_close(writers[k]);
        }
    }
}

/* Every output that exists is whole. */
static void assert_whole(const char *name)
{
    size_t size = 0;
    char *data = test_file_read(test_folder_path(&folder, name), &size);
    if (data != NULL) {
        assert_int_equal(size, 100);
        for (size_t i = 1; i < size; i++) {
            assert_int_equal(data[i], data[0]);
        }
        free(data);
    }
}

static void leaves_nothing_behind_when_killed(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        const bool with_handler = round % 2 == 0;
        const pid_t child = fork();
        if (child == 0) {
            write_until_killed(with_handler);
        }
        usleep((useconds_t)(500 + round * 337 % 5000));
        kill(child, with_handler ? SIGTERM : SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_whole("one");
        assert_whole("two");
        assert_whole("three");
        if (!with_handler) { /* the next run removes what the killed one left */
            static const char *const names[] = {"one", "two", "three"};
            for (int k = 0; k < 3; k++) {
                const lyc_file_writer_options options = {.force = true};
                lyc_file_writer *w = NULL;
                assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, names[k]), &options, NULL), LYC_OK);
                lyc_file_writer_close(w);
            }
        }
        assert_null(strstr(test_folder_list(&folder), ".tmp-"));
    }
    test_folder_remove(&folder);
    test_folder_make(&folder);
}

/* Names like those of temporary files that are none of the output's, or whose owner lives, stay. */
static void cleans_only_what_is_abandoned(void **state)
{
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    waitpid(child, NULL, 0); /* a process number that nobody has */
    char dead[64];
    char dead_other[64];
    char dead_second[64];
    char alive[64];
    char not_ours[64];
    snprintf(dead, sizeof dead, "out.tmp-%d", (int)child);
    snprintf(dead_second, sizeof dead_second, "out.tmp-%d-3", (int)child);
    snprintf(dead_other, sizeof dead_other, "out2.tmp-%d", (int)child);
    snprintf(alive, sizeof alive, "out.tmp-%d", (int)getppid());
    snprintf(not_ours, sizeof not_ours, "out.tmp-%dx", (int)child);
    test_file_write(test_folder_path(&folder, dead), "", 0);
    test_file_write(test_folder_path(&folder, dead_second), "", 0);
    test_file_write(test_folder_path(&folder, dead_other), "", 0);
    test_file_write(test_folder_path(&folder, alive), "", 0);
    test_file_write(test_folder_path(&folder, not_ours), "", 0);
    /* A file of an earlier process with our number is in the way: it is removed too. */
    char own[LYC_FILE_NAME];
    lyc_temporary_name(own, lyc_span_of("out"), 0);
    test_file_write(test_folder_path(&folder, own), "", 0);
    lyc_file_writer *w = NULL;
    lyc_file_writer *second = NULL;
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "out"), NULL, NULL), LYC_OK);
    assert_int_equal(lyc_file_writer_open(&second, test_folder_path(&folder, "out"), NULL, NULL), LYC_OK);
    assert_int_equal(access(test_folder_path(&folder, dead), F_OK), -1);
    assert_int_equal(access(test_folder_path(&folder, dead_second), F_OK), -1);
    assert_int_equal(access(test_folder_path(&folder, dead_other), F_OK), 0);
    assert_int_equal(access(test_folder_path(&folder, alive), F_OK), 0);
    assert_int_equal(access(test_folder_path(&folder, not_ours), F_OK), 0);
    assert_int_equal(lyc_file_writer_commit(w, NULL), LYC_OK);
    assert_int_equal(lyc_file_writer_commit(second, NULL), LYC_E_OUTPUT); /* one winner */
    lyc_file_writer_close(w);
    lyc_file_writer_close(second);
    assert_int_equal(access(test_folder_path(&folder, own), F_OK), -1);
    test_folder_remove(&folder);
    test_folder_make(&folder);
}

static void limits_outputs_at_one_time(void **state)
{
    (void)state;
    static lyc_file_writer *writers[LYC_TEMPORARIES];
    char name[32];
    for (int i = 0; i < LYC_TEMPORARIES; i++) {
        snprintf(name, sizeof name, "out%d", i);
        assert_int_equal(lyc_file_writer_open(&writers[i], test_folder_path(&folder, name), NULL, NULL), LYC_OK);
    }
    lyc_file_writer *w = NULL;
    lyc_error err;
    assert_int_equal(lyc_file_writer_open(&w, test_folder_path(&folder, "more"), NULL, &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "128 outputs are being written already"));
    for (int i = 0; i < LYC_TEMPORARIES; i++) {
        lyc_file_writer_close(writers[i]);
    }
    assert_string_equal(test_folder_list(&folder), "");
}

int main(void)
{
    const struct CMUnitTest parts[] = {
        cmocka_unit_test(writes_everything),
        cmocka_unit_test(survives_every_failing_call),
        cmocka_unit_test(survives_every_failing_allocation),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_with_short_writes),
        cmocka_unit_test(removes_what_was_not_committed),
        cmocka_unit_test(refuses_places),
        cmocka_unit_test(takes_the_longest_name),
        cmocka_unit_test(does_not_replace_a_file_that_appeared),
        cmocka_unit_test(keeps_permissions_and_replaces),
        cmocka_unit_test(finds_a_full_disk_at_once),
        cmocka_unit_test(tells_that_an_input_shrank),
        cmocka_unit_test(threads_write_their_parts),
        cmocka_unit_test(leaves_nothing_behind_when_killed),
        cmocka_unit_test(cleans_only_what_is_abandoned),
        cmocka_unit_test(limits_outputs_at_one_time),
    };
    return cmocka_run_group_tests(parts, set_up_everything, tear_down_everything) +
           cmocka_run_group_tests(tests, set_up, tear_down);
}
