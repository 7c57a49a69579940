/* test_safetensors_hostile_long.c - headers of 100 MB and of 2^20 tensors stay within 200 MB of memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lycoris/safetensors.h"
#include "support/folder.h"

enum { TENSORS = 1 << 20, LIMIT_KB = 200 * 1000, HEADER = LYC_SAFETENSORS_MAX_HEADER };

static test_folder folder;

static FILE *begin(const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 8, SEEK_SET), 0);
    return file;
}

/* Fills the header with blanks to its size, if one is given, adds empty data and puts the length in front. */
static void end(FILE *file, long header_size, long data_size)
{
    const long written = ftell(file) - 8;
    for (long i = written; i < header_size; i++) {
        putc(' ', file);
    }
    const uint64_t length = (uint64_t)(ftell(file) - 8);
    assert_true(length <= HEADER);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(ftruncate(fileno(file), (off_t)length + 8 + data_size), 0);
    rewind(file);
    assert_int_equal(fwrite(&length, 1, 8, file), 8);
    assert_int_equal(fclose(file), 0);
}

/* As many tensors as are allowed; shape of all extents, data in the opposite order, so that it must be sorted. */
static void make_many_tensors(const char *path, int count)
{
    FILE *file = begin(path);
    for (int i = count - 1; i >= 0; i--) {
        fprintf(file, "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[%d,%d]}",
                i == count - 1 ? "{" : ",", i, i, i + 1);
    }
    putc('}', file);
    end(file, 0, count);
}

static void make_large_header(const char *path)
{
    FILE *file = begin(path);
    for (int i = 0; i < TENSORS; i++) {
        fprintf(file, "%s\"name_of_twenty_bytes%07d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                i == 0 ? "{" : ",", i, i, i + 1);
    }
    putc('}', file);
    end(file, HEADER, TENSORS);
}

static void make_large_text(const char *path, const char *piece)
{
    FILE *file = begin(path);
    fprintf(file, "{\"__metadata__\":{\"k\":\"");
    while (ftell(file) < HEADER - 100) {
        fputs(piece, file);
    }
    fprintf(file, "\"}}");
    end(file, HEADER, 0);
}

static void make_many_texts(const char *path)
{
    FILE *file = begin(path);
    fprintf(file, "{\"__metadata__\":{\"k\":\"\"");
    for (int i = 0; ftell(file) < HEADER - 100; i++) {
        fprintf(file, ",\"%d\":\"\"", i);
    }
    fprintf(file, "}}");
    end(file, HEADER, 0);
}

/* Opens the file in a process of its own; returns its peak of memory in KB. 0 ends a file that was opened, 1 one that
 * was refused. */
static long open_in_child(const char *path, int expected_exit)
{
    const pid_t child = fork();
    if (child == 0) {
        lyc_safetensors *file = NULL;
        const lyc_status status = lyc_safetensors_open(&file, path, NULL, NULL);
        lyc_safetensors_close(file);
        _exit(status == LYC_OK ? 0 : status == LYC_E_FORMAT ? 1 : 2);
    }
    int status;
    struct rusage usage;
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected_exit);
    return usage.ru_maxrss;
}

/* Sanitizers need memory of their own. */
static bool is_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

static void keeps_within_its_memory(void **state)
{
    (void)state;
    if (is_instrumented()) {
        skip();
    }
    test_folder_make(&folder);
    for (int kind = 0; kind < 6; kind++) {
        const char *path = test_folder_path(&folder, "hostile.safetensors");
        if (kind < 2) {
            make_many_tensors(path, TENSORS + kind); /* one more is refused */
        } else if (kind == 2) {
            make_large_header(path);
        } else if (kind < 5) {
            make_large_text(path, kind == 3 ? "x" : "\\u00e4");
        } else {
            make_many_texts(path);
        }
        const long kilobytes = open_in_child(path, kind == 1 || kind == 5);
        if (kilobytes > LIMIT_KB) {
            fail_msg("kind %d: %ld KB", kind, kilobytes);
        }
    }
    test_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_within_its_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
