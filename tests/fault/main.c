/* main.c - fault memory|io|kill|together|room|damaged LIST [NAME]: every command of the list under failure; README.md
 * says what must hold
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

enum { STATUS_INPUT = 2, STATUS_OUTPUT = 5, STATUS_MEMORY = 7 };

double fault_seconds(void)
{
    const char *text = getenv("FAULT_SECONDS");
    return text != NULL ? atof(text) : 10.0;
}

/* 1 when all attempts fit into the time, else how many to go on at a time. */
static uint64_t stride_for(uint64_t attempts, double seconds_each)
{
    const double strides = (double)attempts * seconds_each / fault_seconds();
    return strides > 1.0 ? (uint64_t)strides + 1 : 1;
}

static bool is_undisturbed(const fault_result *r, const fault_result *good)
{
    return r->status == good->status && strcmp(r->folder, good->folder) == 0 && r->out_size == good->out_size &&
           memcmp(r->out, good->out, r->out_size) == 0;
}

/* One message, not a trace of what it led to. */
bool fault_says_one_thing(const fault_result *r)
{
    return strncmp(r->err, "lycoris", 7) == 0;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static bool memory_ok(const fault_result *r, const fault_result *good, const fault_command *c)
{
    return is_undisturbed(r, good) ||
           (r->status == STATUS_MEMORY && fault_says_one_thing(r) && fault_folder_untouched(r, c));
}

static int fail_allocations(const fault_command *c, const fault_result *good)
{
    int failures = 0;
    uint64_t tried = 0;
    const uint64_t stride = stride_for(good->allocations, good->seconds);
    for (uint64_t n = 1; n <= good->allocations && failures < 5; n += stride, tried++) {
        fault_result r;
        fault_run(&r, c, &(fault_plan){.allocation = n});
        if (!memory_ok(&r, good, c)) {
            char what[64];
            snprintf(what, sizeof what, "allocation %llu fails", (unsigned long long)n);
            fault_complain(&r, c, what, "7 and nothing in the folder");
            failures++;
        }
        fault_result_clear(&r);
    }
    printf("%s: %llu of %llu allocations\n", c->name, (unsigned long long)tried, (unsigned long long)good->allocations);
    return failures;
}

/* --- input and output --------------------------------------------------------------------------------------------- */

static const char *const call_names[LYC_CALL_COUNT] = {
    [LYC_CALL_OPEN] = "open",     [LYC_CALL_STAT] = "stat",       [LYC_CALL_MAP] = "map",   [LYC_CALL_READ] = "read",
    [LYC_CALL_WRITE] = "write",   [LYC_CALL_RESERVE] = "reserve", [LYC_CALL_SYNC] = "sync", [LYC_CALL_CLOSE] = "close",
    [LYC_CALL_RENAME] = "rename", [LYC_CALL_UNLINK] = "unlink",   [LYC_CALL_COPY] = "copy",
};

/* Interruptions and short transfers are no failures; others may be survived too (a close, an early reservation). */
static bool io_ok(const fault_result *r, const fault_result *good, const fault_command *c, const fault_plan *plan)
{
    const bool transfers = plan->call == LYC_CALL_READ || plan->call == LYC_CALL_WRITE;
    if (is_undisturbed(r, good)) {
        return true;
    }
    if (transfers && (plan->error == EINTR || plan->error == 0)) {
        return false;
    }
    /* Put in its place, and then the folder could not be synchronised: the file is there, whole, and the message says
     * so. */
    const bool written = plan->call == LYC_CALL_SYNC && r->status == STATUS_OUTPUT && r->err != NULL &&
                         strstr(r->err, "is written, but") != NULL;
    return (r->status == STATUS_INPUT || r->status == STATUS_OUTPUT) && fault_says_one_thing(r) &&
           (written || fault_folder_untouched(r, c));
}

static int fail_calls(const fault_command *c, const fault_result *good, lyc_file_call call, int error)
{
    int failures = 0;
    const uint64_t stride = stride_for(good->calls[call] * LYC_CALL_COUNT, good->seconds);
    for (uint64_t n = 1; n <= good->calls[call] && failures < 5; n += stride) {
        const fault_plan plan = {.is_call = true, .call = call, .call_number = n, .error = error};
        fault_result r;
        fault_run(&r, c, &plan);
        if (!io_ok(&r, good, c, &plan)) {
            char what[128];
            snprintf(what, sizeof what, "%s %llu: %s", call_names[call], (unsigned long long)n,
                     error == 0 ? "one byte only" : strerror(error));
            fault_complain(&r, c, what, "2 or 5 and the files as before");
            failures++;
        }
        fault_result_clear(&r);
    }
    return failures;
}

static int fill_disk(const fault_command *c, const fault_result *good)
{
    fault_result r;
    fault_run(&r, c, &(fault_plan){.full_disk = true});
    const bool ok =
        good->out_size == 0 ? r.status == good->status : r.status == STATUS_OUTPUT && fault_says_one_thing(&r);
    if (!ok) {
        fault_complain(&r, c, "standard output on a full disk", "5");
    }
    fault_result_clear(&r);
    return !ok;
}

static int fail_io(const fault_command *c, const fault_result *good)
{
    static const int errors[] = {EIO, ENOSPC, EINTR, 0};
    uint64_t calls = 0;
    int failures = fill_disk(c, good);
    for (int call = 0; call < LYC_CALL_COUNT; call++) {
        calls += good->calls[call];
        for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
            failures += fail_calls(c, good, (lyc_file_call)call, errors[e]);
        }
    }
    printf("%s: each of %llu calls, four ways\n", c->name, (unsigned long long)calls);
    return failures;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

static int try_command(const fault_command *c, int (*fail)(const fault_command *c, const fault_result *good))
{
    fault_result good;
    fault_run(&good, c, &(fault_plan){0});
    int failures = good.status != 0;
    if (failures > 0) {
        fault_complain(&good, c, "undisturbed", "0");
    } else {
        failures = fail(c, &good);
    }
    fault_result_clear(&good);
    return failures;
}

static int try_list(const char *path, const char *only, int (*fail)(const fault_command *c, const fault_result *good))
{
    static char lines[FAULT_LINES][FAULT_LINE];
    int failures = 0;
    int commands = 0;
    const int n = fault_read_lines(lines, path);
    for (int i = 0; i < n; i++) {
        static fault_command c;
        if (fault_command_parse(&c, lines[i], "") && (only == NULL || strcmp(only, c.name) == 0)) {
            failures += try_command(&c, fail);
            commands++;
        }
    }
    printf("%d commands, %d failures\n", commands, failures);
    return failures + (commands == 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*fail)(const fault_command *c, const fault_result *good);
    } ways[] = {{"memory", fail_allocations},
                {"io", fail_io},
                {"kill", fault_kill},
                {"together", fault_together},
                {"room", fault_little_room}};
    const char *only = argc > 3 ? argv[3] : NULL;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    for (size_t i = 0; argc > 2 && i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(argv[1], ways[i].name) == 0) {
            return try_list(argv[2], only, ways[i].fail) > 0;
        }
    }
    if (argc > 2 && strcmp(argv[1], "damaged") == 0) {
        return fault_damaged(argv[2]) > 0;
    }
    fprintf(stderr, "usage: fault memory|io|kill|together|room|damaged LIST [NAME]\n");
    return 1;
}
