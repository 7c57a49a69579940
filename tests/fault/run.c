/* run.c - a child process that runs one command, and what it left behind
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, mkdtemp, unshare */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "fault.h"

/* The program's main, renamed when it was compiled for these tests. */
int lyc_program_main(int argc, char **argv);

static const char old_contents[] = "the old file stays whole";

/* Numbers that the child tells the parent. */
typedef struct counts {
    uint64_t allocations;
    uint64_t calls[LYC_CALL_COUNT];
} counts;

static void stop(const char *what)
{
    fprintf(stderr, "fault: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- command lines ------------------------------------------------------------------------------------------------ */

static void expand(char *to, size_t size, const char *line, const char *file)
{
    char source[1024];
    if (getcwd(source, sizeof source) == NULL) {
        stop("working folder");
    }
    size_t length = 0;
    while (*line != '\0' && length + 1 < size) {
        const char *value = NULL;
        if (strncmp(line, "$src", 4) == 0) {
            value = source;
            line += 4;
        } else if (strncmp(line, "$file", 5) == 0) {
            value = file;
            line += 5;
        }
        if (value != NULL) {
            length += (size_t)snprintf(to + length, size - length, "%s", value);
        } else {
            to[length++] = *line++;
        }
    }
    to[length < size ? length : size - 1] = '\0';
}

int fault_read_lines(char lines[FAULT_LINES][FAULT_LINE], const char *path)
{
    int n = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        stop(path);
    }
    while (n < FAULT_LINES && fgets(lines[n], FAULT_LINE, file) != NULL) {
        n += lines[n][0] != '#' && strchr(lines[n], ':') != NULL;
    }
    fclose(file);
    return n;
}

bool fault_command_parse(fault_command *c, const char *line, const char *file)
{
    if (line[0] == '#' || strchr(line, ':') == NULL) {
        return false;
    }
    *c = (fault_command){0};
    expand(c->text, sizeof c->text, line, file);
    c->text[strcspn(c->text, "\n")] = '\0';
    char *colon = strchr(c->text, ':');
    *colon = '\0';
    char *rest = NULL;
    c->name = strtok_r(c->text, " {}", &rest);
    for (char *name = strtok_r(NULL, " {}", &rest); name != NULL && c->n_files < FAULT_FILES;
         name = strtok_r(NULL, " {}", &rest)) {
        c->files[c->n_files++] = name;
    }
    static char program[] = "lycoris";
    c->words[c->n_words++] = program;
    for (char *word = strtok_r(colon + 1, " ", &rest); word != NULL && c->n_words < FAULT_WORDS - 1;
         word = strtok_r(NULL, " ", &rest)) {
        c->words[c->n_words++] = word;
    }
    return c->name != NULL;
}

/* --- folders ------------------------------------------------------------------------------------------------------ */

static void make_folder(char *path, size_t size)
{
    const char *place = getenv("TMPDIR");
    snprintf(path, size, "%s/lycoris-fault-XXXXXX", place != NULL && place[0] != '\0' ? place : "/tmp");
    if (mkdtemp(path) == NULL) {
        stop(path);
    }
}

static char *read_file(size_t *size_out, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = 0;
    size_t room = 1 << 12;
    char *data = malloc(room);
    while (file != NULL && data != NULL) {
        const size_t n = fread(data + size, 1, room - size - 1, file);
        size += n;
        if (n == 0) {
            break;
        }
        if (room - size < 2) {
            room *= 2;
            data = realloc(data, room);
        }
    }
    if (data == NULL) {
        stop(path);
    }
    if (file != NULL) {
        fclose(file);
    }
    data[size] = '\0';
    *size_out = size;
    return data;
}

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static uint32_t checksum(const char *data, size_t size)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < size; i++) {
        h = (h ^ (unsigned char)data[i]) * 16777619u;
    }
    return h;
}

/* A line "name size checksum: beginning" for each file in order. */
static char *describe(const char *folder, bool and_remove)
{
    struct dirent **names;
    const int n = scandir(folder, &names, not_dots, alphasort);
    char *text = calloc(1, 1 << 14);
    size_t length = 0;
    for (int i = 0; i < n; i++) {
        char path[1024];
        size_t size;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        char *data = read_file(&size, path);
        const size_t line = strcspn(data, "\n"), shown = line < 80 ? line : 80;
        if (text != NULL && length < (1 << 13)) {
            length += (size_t)snprintf(text + length, 1 << 12, "%s %zu %08x: %.*s\n", names[i]->d_name, size,
                                       (unsigned)checksum(data, size), (int)shown, data);
        }
        free(data);
        if (and_remove) {
            remove(path);
        }
        free(names[i]);
    }
    if (n >= 0) {
        free(names);
    }
    if (and_remove) {
        rmdir(folder);
    }
    return text;
}

static void write_files(const char *folder, const fault_command *c)
{
    for (int i = 0; i < c->n_files; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, c->files[i]);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fputs(old_contents, file) == EOF || fclose(file) != 0) {
            stop(path);
        }
    }
}

void fault_folder_make(char *path, size_t size, const fault_command *c)
{
    make_folder(path, size);
    write_files(path, c);
}

char *fault_folder_describe(const char *folder)
{
    return describe(folder, false);
}

void fault_folder_remove(const char *folder)
{
    free(describe(folder, true));
}

bool fault_folder_untouched(const fault_result *r, const fault_command *c)
{
    char expected[1 << 12] = "";
    size_t length = 0;
    for (int i = 0; i < c->n_files; i++) { /* in alphabetical order in the list */
        length += (size_t)snprintf(expected + length, sizeof expected - length, "%s %zu %08x: %s\n", c->files[i],
                                   sizeof old_contents - 1, (unsigned)checksum(old_contents, sizeof old_contents - 1),
                                   old_contents);
    }
    return strcmp(r->folder, expected) == 0;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void redirect(int fd, const char *path)
{
    const int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0 || dup2(to, fd) < 0) {
        stop(path);
    }
    close(to);
}

static void arm(const fault_plan *plan)
{
    if (plan->allocation > 0) {
        lyc_memory_fail_after(plan->allocation, false);
    }
    if (plan->is_call) {
        lyc_file_fail_after(plan->call, plan->call_number, plan->error, false);
    }
}

/* A disk of so many bytes in place of the folder, that nobody else sees and that ends with the process. */
static void mount_disk(const char *folder, const fault_command *c, uint64_t room)
{
    char options[64];
    snprintf(options, sizeof options, "size=%llu", (unsigned long long)room);
    const bool alone = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    if (!alone || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, options) != 0) {
        _exit(FAULT_NO_DISK);
    }
    write_files(folder, c);
}

/* What is on a disk that ends with the process. */
static void tell_folder(const char *streams)
{
    char path[1024];
    char *text = describe(".", false);
    snprintf(path, sizeof path, "%s/folder", streams);
    FILE *file = fopen(path, "wb");
    if (file == NULL || text == NULL || fputs(text, file) == EOF || fclose(file) != 0) {
        stop(path);
    }
    free(text);
}

/* The child's part; does not return. */
static void run_child(const fault_command *c, const fault_plan *plan, const char *folder, const char *streams,
                      counts *told)
{
    char path[1024];
    if (plan->room > 0) {
        mount_disk(folder, c, plan->room);
    }
    if (chdir(folder) != 0) {
        stop(folder);
    }
    snprintf(path, sizeof path, "%s/out", streams);
    redirect(STDOUT_FILENO, plan->full_disk ? "/dev/full" : path);
    snprintf(path, sizeof path, "%s/err", streams);
    redirect(STDERR_FILENO, path);
    char *words[FAULT_WORDS];
    memcpy(words, c->words, sizeof words);
    const uint64_t allocations = lyc_memory_allocations();
    arm(plan);
    const int status = lyc_program_main(c->n_words, words);
    lyc_memory_fail_after(0, false);
    told->allocations = lyc_memory_allocations() - allocations;
    for (int call = 0; call < LYC_CALL_COUNT; call++) {
        told->calls[call] = lyc_file_calls((lyc_file_call)call);
    }
    if (plan->room > 0) {
        tell_folder(streams);
    }
    exit(status); /* the leak checker looks, and may say otherwise */
}

static void wait_and_kill(pid_t child, double seconds)
{
    const struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
    kill(child, SIGKILL); /* of a child that has ended and was not waited for: nothing happens */
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void fault_run(fault_result *r, const fault_command *c, const fault_plan *plan)
{
    char folder[512];
    char streams[512];
    char path[1024];
    size_t size;
    if (plan->folder != NULL) {
        snprintf(folder, sizeof folder, "%s", plan->folder);
    } else {
        fault_folder_make(folder, sizeof folder, c);
    }
    make_folder(streams, sizeof streams);
    counts *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED) {
        stop("shared memory");
    }
    fflush(NULL);
    const double start = seconds_now();
    const pid_t child = fork();
    if (child == 0) {
        run_child(c, plan, folder, streams, told);
    }
    if (child > 0 && plan->kill_s > 0.0) {
        wait_and_kill(child, plan->kill_s);
    }
    int state;
    if (child < 0 || waitpid(child, &state, 0) != child) {
        stop("child process");
    }
    *r = (fault_result){.status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state),
                        .seconds = seconds_now() - start,
                        .folder = describe(folder, plan->folder == NULL),
                        .allocations = told->allocations};
    memcpy(r->calls, told->calls, sizeof r->calls);
    munmap(told, sizeof *told);
    snprintf(path, sizeof path, "%s/out", streams);
    r->out = read_file(&r->out_size, path);
    snprintf(path, sizeof path, "%s/err", streams);
    r->err = read_file(&size, path);
    if (plan->room > 0) {
        snprintf(path, sizeof path, "%s/folder", streams);
        free(r->folder);
        r->folder = read_file(&size, path);
    }
    free(describe(streams, true));
}

void fault_result_clear(fault_result *r)
{
    free(r->out);
    free(r->err);
    free(r->folder);
}

void fault_complain(const fault_result *r, const fault_command *c, const char *what, const char *expected)
{
    printf("FAIL %s, %s: exit status %d, expected %s\n", c->name, what, r->status, expected);
    printf("  standard error: %.1500s\n  folder: %s\n", r->err, r->folder[0] != '\0' ? r->folder : "empty");
}
