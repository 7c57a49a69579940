/* main.c - runs conformance cases: what the library computes against what the reference libraries computed
 *
 *     conformance [FOLDER [KIND]]
 *
 * Reads the cases.json of every folder below FOLDER (tests/conformance unless given), runs the cases whose kind is
 * known, those of KIND alone where that is given, and prints a line for each:
 *
 *     pass folder/case: 490 values, largest error 2.4e-07 absolute in x[3], 1.9e-07 relative in x[7]
 *     FAIL folder/case: x[3] is 1.5, expected 1.25; 12 of 490 values are wrong, ...
 *
 * then a line for each kind that was skipped, and `N passed, N failed, N skipped`. Exit status 1 when a case failed, a
 * cases.json could not be read, or there was no case at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "case.h"
#include "compare.h"
#include "kind.h"

enum { MAX_SKIPPED_KINDS = 256, PATH_SIZE = 4096 };

/* Counts of one run. */
typedef struct run {
    const char *root;
    const char *only_kind; /* NULL: all */
    int passed;
    int failed;
    int skipped;
    struct {
        char label[128];
        int count;
    } skipped_kinds[MAX_SKIPPED_KINDS];
    int skipped_kind_count;
} run;

static void skip(run *r, const char *label)
{
    r->skipped++;
    for (int i = 0; i < r->skipped_kind_count; i++) {
        if (strcmp(r->skipped_kinds[i].label, label) == 0) {
            r->skipped_kinds[i].count++;
            return;
        }
    }
    if (r->skipped_kind_count < MAX_SKIPPED_KINDS) {
        snprintf(r->skipped_kinds[r->skipped_kind_count].label, sizeof r->skipped_kinds[0].label, "%s", label);
        r->skipped_kinds[r->skipped_kind_count++].count = 1;
    }
}

/* "folder/case" below the root. */
static void print_name(const run *r, const char *verdict, const char *folder, const char *name)
{
    const size_t root_length = strlen(r->root);
    const char *below = strncmp(folder, r->root, root_length) == 0 ? folder + root_length : folder;
    below += strspn(below, "/");
    printf("%s %s%s%s: ", verdict, below, below[0] != '\0' ? "/" : "", name);
}

static void print_errors(const lyc_result *result)
{
    printf("%" PRIu64 " checks", result->value_count);
    if (result->where_absolute[0] == '\0') {
        printf(", no difference");
        return;
    }
    printf(", largest error %.2g absolute in %s", result->largest_absolute, result->where_absolute);
    if (result->where_relative[0] != '\0') {
        printf(", %.2g relative in %s", result->largest_relative, result->where_relative);
    }
}

static void run_case(run *r, const lyc_kind *kind, lyc_case *c)
{
    lyc_error err = {0};
    lyc_result result = {0};
    const lyc_status status = kind->run(&result, c, &err);
    if (status == LYC_OK && lyc_result_passed(&result)) {
        r->passed++;
        print_name(r, "pass", c->folder, c->name);
        print_errors(&result);
    } else {
        r->failed++;
        print_name(r, "FAIL", c->folder, c->name);
        if (status != LYC_OK) {
            printf("%s", err.message);
        } else if (result.wrong_count == 0) {
            printf("nothing to compare");
        } else {
            printf("%s; %" PRIu64 " wrong of ", result.complaint, result.wrong_count);
            print_errors(&result);
        }
    }
    putchar('\n');
}

/* Where the reference library fails too, there is nothing to match; `to_match: false` marks values that are not right.
 */
static bool is_to_match(const lyc_case *c)
{
    const json_t *to_match = json_object_get(c->json, "to_match");
    return !lyc_case_has(c, "upstream_error") && !json_is_false(to_match);
}

static void run_or_skip(run *r, lyc_case *c)
{
    char label[128];
    const lyc_kind *kind = lyc_kind_of(c);
    if (r->only_kind != NULL && (kind == NULL || strcmp(kind->name, r->only_kind) != 0)) {
        return;
    }
    if (!is_to_match(c)) {
        skip(r, "not to be matched");
    } else if (kind == NULL) {
        lyc_kind_label(label, sizeof label, c);
        skip(r, label);
    } else {
        run_case(r, kind, c);
    }
}

static void fail_folder(run *r, const char *folder, const char *what)
{
    r->failed++;
    print_name(r, "FAIL", folder, "cases.json");
    printf("%s\n", what);
}

static void run_document(run *r, const char *folder, const json_t *document)
{
    const json_t *cases = lyc_case_array(document);
    if (!json_is_array(cases)) {
        fail_folder(r, folder, "no array \"cases\"");
        return;
    }
    for (size_t i = 0; i < json_array_size(cases); i++) {
        lyc_case c;
        if (!json_is_object(json_array_get(cases, i))) {
            fail_folder(r, folder, "a case is no object");
            continue;
        }
        lyc_case_init(&c, folder, document, i);
        run_or_skip(r, &c);
        lyc_case_clear(&c);
    }
}

static void run_cases_json(run *r, const char *folder, const char *path)
{
    json_error_t error;
    json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (document == NULL) {
        char what[512];
        snprintf(what, sizeof what, "line %d: %s", error.line, error.text);
        fail_folder(r, folder, what);
        return;
    }
    run_document(r, folder, document);
    json_decref(document);
}

/* Folders by name, so that the order does not depend on the file system. */
static int run_folder(run *r, const char *folder)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        struct stat info;
        const char *name = entries[i]->d_name;
        const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
        if (name[0] != '.' && length < (int)sizeof path && stat(path, &info) == 0) {
            if (S_ISDIR(info.st_mode)) {
                run_folder(r, path);
            } else if (lyc_case_document(name)) {
                run_cases_json(r, folder, path);
            }
        }
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static int check_kind(const char *name)
{
    for (const lyc_kind *const *kind = lyc_kinds; *kind != NULL; kind++) {
        if (strcmp((*kind)->name, name) == 0) {
            return 0;
        }
    }
    fprintf(stderr, "conformance: no kind %s; there are", name);
    for (const lyc_kind *const *kind = lyc_kinds; *kind != NULL; kind++) {
        fprintf(stderr, " %s", (*kind)->name);
    }
    fputc('\n', stderr);
    return -1;
}

int main(int argc, char **argv)
{
    run r = {.root = argc > 1 ? argv[1] : "tests/conformance", .only_kind = argc > 2 ? argv[2] : NULL};
    if (argc > 3) {
        fputs("usage: conformance [FOLDER [KIND]]\n", stderr);
        return 1;
    }
    if (r.only_kind != NULL && check_kind(r.only_kind) != 0) {
        return 1;
    }
    if (run_folder(&r, r.root) != 0) {
        fputs("conformance: ", stderr);
        perror(r.root);
        return 1;
    }
    for (int i = 0; i < r.skipped_kind_count; i++) {
        printf("skip %s: %d\n", r.skipped_kinds[i].label, r.skipped_kinds[i].count);
    }
    printf("%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped);
    return r.failed > 0 || r.passed + r.skipped == 0;
}
