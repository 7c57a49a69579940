/* fault.h - running a command of the program in a child process, with something that fails
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file_call.h"

enum { FAULT_WORDS = 64, FAULT_FILES = 8, FAULT_LINE = 2048, FAULT_LINES = 256 };

/* A line of commands.txt or readers.txt. */
typedef struct fault_command {
    char text[FAULT_LINE]; /* what the pointers point into */
    const char *name;
    char *words[FAULT_WORDS]; /* "lycoris" first, NULL last */
    int n_words;
    const char *files[FAULT_FILES]; /* that exist before */
    int n_files;
} fault_command;

/* The lines of a file that are commands; returns how many. Read before anything runs: a child that exits would move the
 * place at which an open file is read. */
int fault_read_lines(char lines[FAULT_LINES][FAULT_LINE], const char *path);

/* Reads a line; $src becomes the source tree (the working folder) and $file the given path. False when it is none. */
bool fault_command_parse(fault_command *c, const char *line, const char *file);

/* What fails. {0}: nothing. */
typedef struct fault_plan {
    uint64_t allocation; /* the n-th of the program's own */
    bool is_call;
    lyc_file_call call;
    uint64_t call_number;
    int error;
    bool full_disk;     /* behind standard output */
    const char *folder; /* to run in, as it is, and which stays; NULL: a new one */
    double kill_s;      /* killed after so long; 0: not */
    uint64_t room;      /* bytes of a disk of its own for the folder; 0: no such disk */
} fault_plan;

/* The exit status when there can be no such disk. */
enum { FAULT_NO_DISK = 77 };

/* How a run ended. */
typedef struct fault_result {
    int status; /* exit status; 128 + signal when one ended it */
    double seconds;
    char *out, *err; /* standard output and error, NUL-terminated */
    size_t out_size;
    char *folder; /* names, sizes, checksums and beginnings of the files in its folder */
    uint64_t allocations;
    uint64_t calls[LYC_CALL_COUNT];
} fault_result;

/* Runs the command in an empty folder but for its files. Ends the test program when that is impossible. */
void fault_run(fault_result *r, const fault_command *c, const fault_plan *plan);
void fault_result_clear(fault_result *r);

/* A new folder with the command's files, for several runs; what is in it, as fault_result has it; its end. */
void fault_folder_make(char *path, size_t size, const fault_command *c);
char *fault_folder_describe(const char *folder);
void fault_folder_remove(const char *folder);

/* Seconds that a line may take. */
double fault_seconds(void);

/* Whether the command said what was wrong, once. */
bool fault_says_one_thing(const fault_result *r);

/* Whether the files of the folder are what they were before the command ran. */
bool fault_folder_untouched(const fault_result *r, const fault_command *c);

/* Prints what was tried and how it ended. */
void fault_complain(const fault_result *r, const fault_command *c, const char *what, const char *expected);

/* Outputs that are whole or not there (outputs.c): killed at many moments, several at once, on a disk that is too
 * small. Each returns the number of failures. */
int fault_kill(const fault_command *c, const fault_result *good);
int fault_together(const fault_command *c, const fault_result *good);
int fault_little_room(const fault_command *c, const fault_result *good);

/* Damaged files (damaged.c): runs the commands on each. Returns the number of failures. */
int fault_damaged(const char *list);

#endif
