/* cmd_doctor.c - lycoris doctor: what the program runs on, and what is worth knowing about it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include <langinfo.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/text.h"
#include "lycoris/backend.h"
#include "lycoris/system.h"
#include "lycoris/text.h"
#include "lycoris/version.h"

/* Prints facts as text or JSON, and keeps what deserves a remark. */
typedef struct report {
    lyc_cli *cli;
    lyc_json json;
    lyc_line remarks; /* one a line */
} report;

static void add_remark(report *r, const char *format, ...) LYC_PRINTF(2, 3);
static void add_remark(report *r, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lyc_line_add(&r->remarks, "%s\n", text);
}

static void begin_section(report *r, const char *key, const char *title)
{
    if (r->cli->json) {
        lyc_json_begin_object(&r->json, key);
    } else {
        fprintf(r->cli->out, "%s%s%s\n", lyc_style_begin(r->cli->out_colour, LYC_STYLE_BOLD), title,
                lyc_style_end(r->cli->out_colour));
    }
}

static void end_section(report *r)
{
    if (r->cli->json) {
        lyc_json_end(&r->json);
    }
}

/* A fact; remark, which may be "", stands behind it in the text form. */
static void print_text(report *r, const char *key, const char *value, const char *remark)
{
    if (r->cli->json) {
        lyc_json_text(&r->json, key, value);
        return;
    }
    char shown[512];
    lyc_text_printable(shown, sizeof shown, value, strlen(value));
    fprintf(r->cli->out, "  %-14s%s%s\n", key, shown, remark);
}

static void print_count(report *r, const char *key, uint64_t count, const char *remark)
{
    if (r->cli->json) {
        lyc_json_unsigned(&r->json, key, count);
        return;
    }
    char text[LYC_NUMBER_TEXT];
    print_text(r, key, lyc_text_count(text, sizeof text, count), remark);
}

static void print_bytes(report *r, const char *key, uint64_t bytes)
{
    if (r->cli->json) {
        lyc_json_unsigned(&r->json, key, bytes);
        return;
    }
    char text[LYC_NUMBER_TEXT];
    print_text(r, key, bytes > 0 ? lyc_text_bytes(text, sizeof text, bytes) : "unknown", "");
}

static void print_program(report *r, const lyc_system *system)
{
    begin_section(r, "program", "Program");
    print_text(r, "version", LYCORIS_VERSION, "");
    if (strcmp(LYCORIS_VERSION, lyc_version()) != 0) {
        add_remark(r, "the program is of version %s, the library it found of version %s", LYCORIS_VERSION,
                   lyc_version());
    }
    print_text(r, "library", lyc_version(), "");
    print_text(r, "compiler", system->compiler, "");
    print_text(r, "architecture", system->architecture, "");
#ifdef LYCORIS_WITH_DIFFUSION
    print_text(r, "parts", "file tools, diffusion", "");
#else
    print_text(r, "parts", "file tools", "");
#endif
    end_section(r);
}

static void print_caches(report *r, const lyc_system *system)
{
    if (r->cli->json) {
        lyc_json_begin_array(&r->json, "caches");
        for (int level = 0; level < 3; level++) {
            lyc_json_unsigned(&r->json, NULL, system->cache_bytes[level]);
        }
        lyc_json_end(&r->json);
        return;
    }
    lyc_line line = {0};
    for (int level = 0; level < 3; level++) {
        char text[LYC_NUMBER_TEXT];
        lyc_line_add(&line, "%s%s", level > 0 ? ", " : "",
                     lyc_text_bytes(text, sizeof text, system->cache_bytes[level]));
    }
    print_text(r, "caches", line.text, "");
}

/* Lists of kernels, in the order in which a plan asks them. */
static void print_kernels(report *r)
{
    lyc_backend_info info;
    lyc_backend_describe(&info);
    if (r->cli->json) {
        lyc_json_begin_array(&r->json, "kernels");
        for (int i = 0; info.kernels[i] != NULL; i++) {
            lyc_json_text(&r->json, NULL, info.kernels[i]);
        }
        lyc_json_end(&r->json);
        return;
    }
    lyc_line line = {0};
    for (int i = 0; info.kernels[i] != NULL; i++) {
        lyc_line_add(&line, "%s%s", i > 0 ? ", then " : "", info.kernels[i]);
    }
    print_text(r, "kernels", line.text, "");
}

static void print_processor(report *r, const lyc_system *system)
{
    const bool lowered = strcmp(system->isa, system->isa_best) != 0;
    begin_section(r, "processor", "Processor");
    print_text(r, "name", system->cpu_name, "");
    print_text(r, "instructions", system->isa, lowered ? " (LYCORIS_ISA asks for it)" : "");
    if (lowered) {
        add_remark(r, "the processor has %s, but LYCORIS_ISA=%s is set", system->isa_best, system->isa);
    }
    print_kernels(r);
    print_count(r, "processors", (uint64_t)system->processors, "");
    print_count(r, "threads", (uint64_t)lyc_thread_count(), "");
    print_text(r, "threading", system->threading, "");
    if (lyc_thread_count() > system->processors) {
        add_remark(r, "%d threads on %d processors: they will wait for each other", lyc_thread_count(),
                   system->processors);
    }
    print_caches(r, system);
    end_section(r);
}

static void print_memory(report *r, const lyc_system *system)
{
    begin_section(r, "memory", "Memory");
    print_bytes(r, "total", system->memory_bytes);
    print_bytes(r, "available", system->memory_available);
    end_section(r);
}

/* --- shared libraries --------------------------------------------------------------------------------------------- */

/* Libraries that a build may have, by the beginning of their file's name. */
static const struct {
    const char *file, *name, *purpose;
} known_libraries[] = {
    {"libgomp.", "gomp", "threads (OpenMP)"},
    {"libomp.", "omp", "threads (OpenMP)"},
    {"libopenblas", "openblas", "linear algebra"},
    {"liblapacke.", "lapacke", "linear algebra"},
    {"libjansson.", "jansson", "JSON"},
    {"libpcre2-8.", "pcre2", "patterns"},
    {"libdnnl.", "onednn", "kernels"},
    {"libvips.", "vips", "images"},
    {"libutf8proc.", "utf8proc", "Unicode"},
    {"libsqlite3.", "sqlite", "registry of experiments"},
    {"libxgboost.", "xgboost", "SHAP analysis"},
};
enum { KNOWN_LIBRARIES = sizeof known_libraries / sizeof known_libraries[0] };

/* The file that the loaded object's name leads to: links end at the name with the whole version. */
static int print_library(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    report *r = context;
    char resolved[PATH_MAX];
    const char *path = realpath(info->dlpi_name, resolved) != NULL ? resolved : info->dlpi_name;
    const char *slash = strrchr(path, '/');
    const char *file = slash != NULL ? slash + 1 : path;
    for (size_t i = 0; i < KNOWN_LIBRARIES; i++) {
        if (strncmp(file, known_libraries[i].file, strlen(known_libraries[i].file)) == 0) {
            lyc_line remark = {0};
            lyc_line_add(&remark, ", %s", known_libraries[i].purpose);
            print_text(r, known_libraries[i].name, file, remark.text);
        }
    }
    return 0;
}

static void print_libraries(report *r)
{
    begin_section(r, "libraries", "Libraries");
    dl_iterate_phdr(print_library, r);
    end_section(r);
}

/* --- surroundings ------------------------------------------------------------------------------------------------- */

static void print_terminal(report *r)
{
    lyc_cli *cli = r->cli;
    const char *type = getenv("TERM");
    lyc_line line = {0};
    if (cli->out_is_terminal) {
        lyc_line_add(&line, "%s, %d columns used, %s", type != NULL ? type : "of unknown type", cli->out_width,
                     cli->out_colour ? "colour" : "no colour");
    } else {
        lyc_line_add(&line, "standard output is none");
    }
    print_text(r, "terminal", line.text, "");
}

static void print_temporary(report *r)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0') {
        folder = "/tmp";
    }
    struct statvfs room;
    if (access(folder, W_OK | X_OK) != 0) {
        print_text(r, "temporary", folder, " (cannot be written)");
        add_remark(r, "the folder for temporary files, %s, cannot be written; TMPDIR names another one", folder);
    } else if (statvfs(folder, &room) == 0) {
        char text[LYC_NUMBER_TEXT];
        lyc_line remark = {0};
        const uint64_t bytes = (uint64_t)room.f_bavail * room.f_frsize;
        lyc_line_add(&remark, " (%s free)", lyc_text_bytes(text, sizeof text, bytes));
        print_text(r, "temporary", folder, remark.text);
        if (r->cli->json) {
            lyc_json_unsigned(&r->json, "temporary_free", bytes);
        }
    } else {
        print_text(r, "temporary", folder, "");
    }
}

static void print_surroundings(report *r)
{
    begin_section(r, "system", "System");
    struct utsname names;
    if (uname(&names) == 0) {
        lyc_line line = {0};
        lyc_line_add(&line, "%s %s", names.sysname, names.release);
        print_text(r, "kernel", line.text, "");
    }
    const char *codeset = nl_langinfo(CODESET);
    print_text(r, "characters", codeset, "");
    if (strcmp(codeset, "UTF-8") != 0) {
        add_remark(r,
                   "the locale's characters are %s; names in files are UTF-8 and are shown as such: LANG=C.UTF-8 helps",
                   codeset);
    }
    print_terminal(r);
    print_temporary(r);
    end_section(r);
}

static void print_remarks(report *r)
{
    if (r->cli->json) {
        lyc_json_begin_array(&r->json, "remarks");
    } else {
        begin_section(r, "remarks", "Remarks");
    }
    if (r->remarks.length == 0 && !r->cli->json) {
        fputs("  none\n", r->cli->out);
    }
    for (char *line = r->remarks.text; *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end == NULL) {
            break;
        }
        *end = '\0';
        if (r->cli->json) {
            lyc_json_text(&r->json, NULL, line);
        } else {
            char shown[512];
            lyc_text_printable(shown, sizeof shown, line, strlen(line));
            fputs("  ", r->cli->out);
            lyc_text_wrap(r->cli->out, shown, 2, 4, r->cli->out_width);
        }
        line = end + 1;
    }
    end_section(r);
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    (void)config;
    (void)operand_count;
    (void)operands;
    (void)err;
    report r = {.cli = cli, .json = {.out = cli->out}};
    lyc_system system;
    lyc_system_describe(&system);
    if (cli->json) {
        lyc_json_begin_object(&r.json, NULL);
    }
    print_program(&r, &system);
    print_processor(&r, &system);
    print_memory(&r, &system);
    print_libraries(&r);
    print_surroundings(&r);
    print_remarks(&r);
    if (cli->json) {
        lyc_json_end(&r.json);
    }
    return LYC_OK;
}

static const lyc_example examples[] = {
    {"lycoris doctor", "what to add to a report about a problem"},
    {"lycoris doctor --json", "the same for a program"},
    {NULL, NULL},
};

const lyc_command lyc_command_doctor = {
    .name = "doctor",
    .summary = "show what the program runs on and what is worth knowing about it",
    .description =
        "Shows version and build, processor and the instruction set that is used, which kernels are asked first, "
        "threads, caches, memory, the libraries that are loaded, terminal and locale, and remarks on what could be "
        "better. Nothing is "
        "changed. Sizes in JSON are bytes.",
    .examples = examples,
    .has_json = true,
    .run = run,
};
