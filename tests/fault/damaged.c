/* damaged.c - makes damaged safetensors files of a good one, and sees them refused
 *
 * The good file has metadata and three tensors, one of them an adapter. Damage: cut at every byte; every length of the
 * header that is wrong; each value of the header replaced by others; each mark of its JSON left out, doubled and made
 * blank. Nothing here is random.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault.h"

enum { DATA_BYTES = 33, FILE_MAX = 4096, LEAST_FILES = 500 };

static const char good_header[] =
    "{\"__metadata__\":{\"k\":\"v\"},"
    "\"lora_unet_mid_block_attentions_0_proj_in.diff\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
    "\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]},"
    "\"c\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[32,33]}}";

/* Part of the good header, and what may not stand there. */
typedef struct replacement {
    const char *part;
    const char *values[24]; /* NULL after the last */
} replacement;

static const replacement replacements[] = {
    {"\"F32\"",
     {"null", "1", "true", "[]", "{}", "\"\"", "\"F31\"", "\"f32\"", "\"F64\"", "\"F16\"", "\"F32\\u0000\"", "'F32'",
      "F32", "\"F32 \""}},
    {"\"F16\"", {"null", "16", "[\"F16\"]", "\"BF17\"", "\"F32\"", "\"U8\""}},
    {"\"U8\"", {"null", "\"U\"", "\"U16\"", "\"F4\"", "{\"U8\":1}"}},
    {"[2,3]",
     {"null",
      "6",
      "\"6\"",
      "{}",
      "[null]",
      "[2.0,3]",
      "[2,-3]",
      "[\"2\",3]",
      "[[2,3]]",
      "[2,4]",
      "[]",
      "[02,3]",
      "[2,3,]",
      "[,2,3]",
      "[+2,3]",
      "[2,3e0]",
      "[0x2,3]",
      "[18446744073709551616]",
      "[4294967296,4294967296]",
      "[9223372036854775808,2]",
      "[2,3,1,1,1,1,1,1,1]",
      "[true,6]",
      "[6"}},
    {"[4]", {"null", "[5]", "[3]", "[2,3]", "[0]", "[-4]", "[4,0]", "[4611686018427387908]", "4"}},
    {"[]", {"null", "[2]", "[0]", "\"\"", "{}", "[1,2]"}},
    {"[0,24]",
     {"null",
      "24",
      "[0]",
      "[24]",
      "[0,24,24]",
      "[24,0]",
      "[-1,24]",
      "[0.0,24]",
      "[\"0\",24]",
      "[0,25]",
      "[1,25]",
      "[0,23]",
      "[0,2.4e1]",
      "[0,18446744073709551616]",
      "[0,18446744073709551639]",
      "{}",
      "[0,+24]",
      "[0,024]",
      "[null,24]",
      "[[0,24]]"}},
    {"[24,32]",
     {"null", "[23,31]", "[25,33]", "[24,33]", "[24,31]", "[32,24]", "[0,8]", "[24]", "[\"24\",\"32\"]", "[24,32,32]",
      "[-24,32]"}},
    {"[32,33]", {"[32,34]", "[31,33]", "[33,33]", "[32,32]", "[33,34]", "[33,32]", "[32,4294967329]", "[0,1]", "[]"}},
    {"{\"k\":\"v\"}",
     {"1", "[]", "\"v\"", "true", "{\"k\":1}", "{\"k\":null}", "{\"k\":{}}", "{\"k\":[\"v\"]}", "{1:\"v\"}",
      "{\"k\":\"v\",}", "{\"k\"}", "{\"k\":\"\\ud800\"}", "{\"k\":\"\\x41\"}", "{\"k\":\"\xff\"}", "{\"k\":\"\n\"}",
      "{k:\"v\"}", "{\"k\":true}"}},
    {"\"b\"",
     {"\"lora_unet_mid_block_attentions_0_proj_in.diff\"", "\"c\"", "\"b\\ud800\"", "\"\xc0\x80\"", "\"\x01\"", "b",
      "1", "null", "\"b\\\"", "\"\\u001b\""}},
    {"\"dtype\":\"F32\",", {"", "\"dtype\":\"F32\",\"dtype\":\"F32\",", "\"Dtype\":\"F32\",", "dtype:\"F32\","}},
    {"\"shape\":[2,3],", {"", "\"shape\":[2,3],\"shape\":[2,3],", "\"shapes\":[2,3],"}},
    {",\"data_offsets\":[0,24]", {"", ",\"data_offsets\":[0,24],\"data_offsets\":[0,24]", ",\"offsets\":[0,24]"}},
    {"{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[32,33]}", {"null", "1", "[]", "{}", "\"c\"", "true"}},
    {"}}", {"}} x", "}}{}", "}}}", "}},", "}", "}]"}},
    {"{\"__metadata__\"",
     {"[{\"__metadata__\"", "{,\"__metadata__\"", "\xef\xbb\xbf{\"__metadata__\"", "x{\"__metadata__\""}},
};

static const char *const wrong_lengths[] = {
    "0",
    "1",
    "2",
    "7",
    "less 1",
    "more 1",
    "more 32",
    "more 33",
    "more 34",
    "100000001",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551607",
    "18446744073709551615",
};

typedef struct trial {
    char path[512]; /* of the damaged file */
    char lines[FAULT_LINES][FAULT_LINE];
    int n_lines;
    int files;
    int failures;
} trial;

/* Nothing, or with --json an object that holds the message. */
static bool output_fits(const fault_result *r, const fault_command *c)
{
    for (int i = 1; i < c->n_words; i++) {
        if (strcmp(c->words[i], "--json") == 0) {
            return strstr(r->out, "\"error\"") != NULL && strstr(r->out, " at byte ") != NULL;
        }
    }
    return r->out_size == 0;
}

/* One line, which says at which byte. */
static bool is_refused(const fault_result *r, const fault_command *c)
{
    const char *newline = strchr(r->err, '\n');
    return r->status == 2 && strncmp(r->err, "lycoris", 7) == 0 && newline != NULL && newline[1] == '\0' &&
           strstr(r->err, " at byte ") != NULL && output_fits(r, c) && fault_folder_untouched(r, c);
}

static void check_file(trial *t, const char *what, const void *data, size_t size)
{
    FILE *file = fopen(t->path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        fprintf(stderr, "fault: cannot write %s\n", t->path);
        exit(1);
    }
    for (int i = 0; i < t->n_lines; i++) {
        static fault_command c;
        fault_result r;
        fault_command_parse(&c, t->lines[i], t->path);
        fault_run(&r, &c, &(fault_plan){0});
        if (!is_refused(&r, &c)) {
            fault_complain(&r, &c, what, "2, one line with the byte, nothing written");
            t->failures++;
        }
        fault_result_clear(&r);
    }
    t->files++;
}

/* A file with this header; returns its size. */
static size_t with_header(unsigned char *file, const char *header, size_t length, uint64_t said)
{
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)(said >> (8 * i));
    }
    memcpy(file + 8, header, length);
    memset(file + 8 + length, 0x3C, DATA_BYTES);
    return 8 + length + DATA_BYTES;
}

static void cut(trial *t)
{
    unsigned char file[FILE_MAX];
    const size_t size = with_header(file, good_header, strlen(good_header), strlen(good_header));
    for (size_t kept = 0; kept < size; kept++) {
        char what[64];
        snprintf(what, sizeof what, "cut after %zu bytes", kept);
        check_file(t, what, file, kept);
    }
    file[size] = 0;
    check_file(t, "a byte more than the tensors have", file, size + 1);
}

static void mistake_length(trial *t)
{
    for (size_t i = 0; i < sizeof wrong_lengths / sizeof *wrong_lengths; i++) {
        unsigned char file[FILE_MAX];
        const uint64_t length = strlen(good_header);
        unsigned long long said = strtoull(wrong_lengths[i], NULL, 10);
        sscanf(wrong_lengths[i], "less %llu", &said);
        sscanf(wrong_lengths[i], "more %llu", &said);
        said = wrong_lengths[i][0] == 'l' ? length - said : wrong_lengths[i][0] == 'm' ? length + said : said;
        const size_t size = with_header(file, good_header, length, said);
        check_file(t, wrong_lengths[i], file, size);
    }
}

/* The header with [at, at + length) replaced. */
static void replace(trial *t, size_t at, size_t length, const char *value)
{
    unsigned char file[FILE_MAX];
    char header[FILE_MAX / 2];
    const int n = snprintf(header, sizeof header, "%.*s%s%s", (int)at, good_header, value, good_header + at + length);
    const size_t size = with_header(file, header, (size_t)n, (uint64_t)n);
    check_file(t, header, file, size);
}

static void replace_values(trial *t)
{
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
        const replacement *r = &replacements[i];
        const char *place = strstr(good_header, r->part);
        for (int v = 0; r->values[v] != NULL; v++) {
            replace(t, (size_t)(place - good_header), strlen(r->part), r->values[v]);
        }
    }
}

static void damage_marks(trial *t)
{
    for (size_t at = 0; good_header[at] != '\0'; at++) {
        if (strchr("{}[]:,\"", good_header[at]) != NULL) {
            const char twice[] = {good_header[at], good_header[at], '\0'};
            replace(t, at, 1, "");
            replace(t, at, 1, twice);
            replace(t, at, 1, " ");
        }
    }
}

/* The file without damage is taken: what is refused is refused for its damage. */
static void check_good(trial *t)
{
    unsigned char file[FILE_MAX];
    const size_t size = with_header(file, good_header, strlen(good_header), strlen(good_header));
    FILE *out = fopen(t->path, "wb");
    if (out == NULL || fwrite(file, 1, size, out) != size || fclose(out) != 0) {
        exit(1);
    }
    for (int i = 0; i < t->n_lines; i++) {
        static fault_command c;
        fault_result r;
        fault_command_parse(&c, t->lines[i], t->path);
        fault_run(&r, &c, &(fault_plan){0});
        if (r.status != 0) {
            fault_complain(&r, &c, "no damage", "0");
            t->failures++;
        }
        fault_result_clear(&r);
    }
}

int fault_damaged(const char *list)
{
    static trial t;
    const char *place = getenv("TMPDIR");
    snprintf(t.path, sizeof t.path, "%s/lycoris-damaged-XXXXXX", place != NULL && place[0] != '\0' ? place : "/tmp");
    const int fd = mkstemp(t.path);
    t.n_lines = fault_read_lines(t.lines, list);
    if (fd < 0 || t.n_lines == 0) {
        fprintf(stderr, "fault: no commands in %s\n", list);
        return 1;
    }
    close(fd);
    check_good(&t);
    cut(&t);
    mistake_length(&t);
    replace_values(&t);
    damage_marks(&t);
    remove(t.path);
    printf("%d files, %d commands, %d failures\n", t.files, t.n_lines, t.failures);
    return t.failures + (t.files < LEAST_FILES);
}
