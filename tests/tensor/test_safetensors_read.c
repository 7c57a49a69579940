/* test_safetensors_read.c - good files, bad files with their messages, files that shrink, lack of memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "base/map_guard.h"
#include "base/memory.h"
#include "lycoris/safetensors.h"
#include "support/folder.h"
#include "support/table.h"
#include "tensor/shape.h"

#define DAMAGED "tests/conformance/damaged/"

/* A file in memory; to be released with free(). */
static unsigned char *make_file(size_t *size, const char *header, size_t header_size, size_t data_size)
{
    *size = 8 + header_size + data_size;
    unsigned char *file = calloc(1, *size);
    assert_non_null(file);
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)((uint64_t)header_size >> 8 * i);
    }
    memcpy(file + 8, header, header_size);
    for (size_t i = 0; i < data_size; i++) {
        file[8 + header_size + i] = (unsigned char)(i + 1);
    }
    return file;
}

/* "ok a:F32:2x3@0+24 ...": name, type, shape, first byte and number of bytes in the data. */
static void describe(char *out, size_t size, const lyc_safetensors *file)
{
    size_t used = (size_t)snprintf(out, size, "ok");
    const uint64_t start = 8 + lyc_safetensors_header_bytes(file);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        char shape[LYC_SHAPE_TEXT];
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        used += (size_t)snprintf(out + used, size - used, " %s:%s:%s@%" PRIu64 "+%zu", t.name, lyc_dtype_name(t.dtype),
                                 lyc_shape_text(shape, sizeof shape, &t.shape), t.file_offset - start, t.size_bytes);
    }
}

/* --- every damaged file of the reference -------------------------------------------------------------------------- */

static bool reference_accepts(const json_t *cases, const char *name, const json_t **tensors)
{
    size_t i;
    const json_t *item;
    json_array_foreach(cases, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "file")), name) == 0) {
            *tensors = json_object_get(item, "tensors");
            return strcmp(json_string_value(json_object_get(item, "load_file")), "accept") == 0;
        }
    }
    fail_msg("no case for %s", name);
    return false;
}

/* The reference's words for our types. */
static const char *word_of(lyc_dtype dtype)
{
    static const char *const words[LYC_DTYPE_COUNT] = {
        [LYC_BOOL] = "bool",   [LYC_U8] = "uint8",      [LYC_I8] = "int8",   [LYC_I16] = "int16",
        [LYC_F16] = "float16", [LYC_BF16] = "bfloat16", [LYC_I32] = "int32", [LYC_F32] = "float32",
        [LYC_F64] = "float64", [LYC_I64] = "int64"};
    return words[dtype];
}

static void assert_tensors(const lyc_safetensors *file, const json_t *expected)
{
    assert_int_equal(lyc_safetensors_count(file), json_object_size(expected));
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        const json_t *entry = json_object_get(expected, t.name);
        assert_string_equal(json_string_value(json_array_get(entry, 0)), word_of(t.dtype));
        const json_t *shape = json_array_get(entry, 1);
        assert_int_equal(json_array_size(shape), t.shape.rank);
        for (int k = 0; k < t.shape.rank; k++) {
            assert_int_equal(json_integer_value(json_array_get(shape, (size_t)k)), t.shape.dims[k]);
        }
    }
}

/* The same verdict as the reference, with one exception: an entry that comes twice is refused, also when both agree. */
static void judges_damaged_files_as_the_reference(void **state)
{
    (void)state;
    test_table table;
    json_t *root = json_load_file(DAMAGED "cases.json", 0, NULL);
    assert_non_null(root);
    const json_t *cases = json_object_get(root, "cases");
    size_t count = 0;
    test_table_open(&table, "tests/tensor/damaged.txt");
    for (; test_table_next(&table); count++) {
        char path[8300];
        char message[16600];
        char *expected = strstr(table.line, " | ") + 3;
        const char *name = table.line;
        expected[-3] = '\0';
        snprintf(path, sizeof path, DAMAGED "%s", name);
        const json_t *tensors = NULL;
        const bool accept = reference_accepts(cases, name, &tensors);
        lyc_safetensors *file = NULL;
        lyc_error err = {0};
        const lyc_status status = lyc_safetensors_open(&file, path, NULL, &err);
        if (status == LYC_OK) {
            assert_true(accept);
            assert_string_equal(strtok(expected, " "), "ok");
            assert_int_equal(lyc_safetensors_count(file), atoi(strtok(NULL, " ")));
            assert_tensors(file, tensors);
        } else {
            assert_int_equal(status, LYC_E_FORMAT);
            assert_int_equal(accept, strcmp(name, "duplicate_key_same.safetensors") == 0);
            snprintf(message, sizeof message, "reading %s: %s", path, expected);
            assert_string_equal(err.message, message);
            assert_non_null(strstr(err.message, " at byte "));
            assert_null(file);
        }
        lyc_safetensors_close(file);
    }
    test_table_close(&table, 50);
    assert_int_equal(count, json_array_size(cases));
    json_decref(root);
}

/* --- headers written for this test ----------------------------------------------------------------------------------
 */

static void reads_headers(void **state)
{
    (void)state;
    test_table table;
    int wrong = 0;
    test_table_open(&table, "tests/tensor/headers.txt");
    while (test_table_next(&table)) {
        char result[2000];
        char *header;
        size_t size;
        const size_t data_size = strtoul(table.line, &header, 10);
        header++;
        const size_t header_size = test_unescape(header);
        unsigned char *bytes = make_file(&size, header, header_size, data_size);
        lyc_safetensors *file = NULL;
        lyc_error err = {0};
        const lyc_status status = lyc_safetensors_open_memory(&file, bytes, size, NULL, &err);
        if (status == LYC_OK) {
            describe(result, sizeof result, file);
        } else {
            assert_int_equal(status, LYC_E_FORMAT);
            snprintf(result, sizeof result, "%s", err.message);
            assert_int_equal(lyc_safetensors_open_memory(&file, bytes, size, NULL, NULL), LYC_E_FORMAT);
        }
        lyc_safetensors_close(file);
        free(bytes);
        assert_true(test_table_next(&table));
        if (strcmp(table.line + 2, result) != 0) {
            print_error("%s:%d: expected %s\n  found %s\n", table.path, table.number, table.line + 2, result);
            wrong++;
        }
    }
    test_table_close(&table, 150);
    assert_int_equal(wrong, 0);
}

/* --- damage of every kind at every place
 * ------------------------------------------------------------------------------ */

static int refused;

/* A damaged file: refused with one printable line that has an offset. */
static void assert_refused(const unsigned char *bytes, size_t size)
{
    lyc_safetensors *file = NULL;
    lyc_error err = {0};
    unsigned char *exact = malloc(size > 0 ? size : 1); /* so that the sanitizer sees one byte too far */
    memcpy(exact, bytes, size);
    const lyc_status status = lyc_safetensors_open_memory(&file, exact, size, NULL, &err);
    if (status == LYC_OK) {
        fail_msg("accepted: %.*s", (int)(size > 8 ? size - 8 : 0), (const char *)bytes + 8);
    }
    free(exact);
    assert_int_equal(status, LYC_E_FORMAT);
    assert_non_null(strstr(err.message, "at byte "));
    assert_null(strpbrk(err.message, "\n\r\x1b"));
    refused++;
}

/* Replaces the k-th occurrence of a text in the header; false when there is none. */
static bool replaced(unsigned char **bytes, size_t *size, const char *header, const char *from, int k, const char *to,
                     size_t data_size)
{
    const char *found = header - 1;
    for (int i = 0; i <= k; i++) {
        found = strstr(found + 1, from);
        if (found == NULL) {
            return false;
        }
    }
    char changed[2000];
    const int length =
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(found - header), header, to, found + strlen(from));
    *bytes = make_file(size, changed, (size_t)length, data_size);
    return true;
}

static const char sample[] = "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"x\"},"
                             "\"big.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                             "\"half\":{\"dtype\":\"F16\",\"shape\":[5],\"data_offsets\":[24,34]},"
                             "\"none\":{\"dtype\":\"BF16\",\"shape\":[0,7],\"data_offsets\":[34,34]},"
                             "\"one\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[34,35]}}";
enum { SAMPLE_DATA = 35 };

static void refuses_damage_of_every_field(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to[24]; /* each makes the header wrong at any occurrence */
    } kinds[] = {
        {"\"F32\"",
         {"\"F64\"", "\"f32\"", "\"F33\"", "\"\"", "\"F32 \"", "32", "null", "[]", "{}", "true", "\"F32", "F32"}},
        {"\"F16\"",
         {"\"F32\"", "\"U8\"", "\"F4\"", "\"FP16\"", "\"\\u0046\"", "16", "null", "[\"F16\"]", "", "\"F16\"\"\""}},
        {"\"BF16\"", {"\"BF17\"", "\"\\ud800\"", "\"B\nF16\"", "1e5", "-1", "\"\xff\""}},
        {"\"dtype\"", {"\"dtypf\"", "\"Dtype\"", "dtype", "\"\"", "\"shape\"", "\"data_offsets\"", "1", "\"dtype"}},
        {"\"shape\"", {"\"shapes\"", "\"dtype\"", "\"data_offsets\"", "shape", "null", "\"\""}},
        {"\"data_offsets\"", {"\"data_offset\"", "\"offsets\"", "\"dtype\"", "\"shape\"", "\"\"", "0"}},
        {"[2,3]",
         {"[2,4]",
          "[3]",
          "[2,3,2]",
          "[]",
          "[0]",
          "[-2,-3]",
          "[2,-3]",
          "[2.0,3]",
          "[2,3e0]",
          "[\"2\",3]",
          "[2,null]",
          "[[2],3]",
          "[02,3]",
          "[2 3]",
          "[2,3",
          "2,3]",
          "[2,,3]",
          "{\"2\":3}",
          "6",
          "null",
          "[4294967296,4294967296]",
          "[18446744073709551617,6]",
          "[1,1,1,1,1,1,1,2,3]",
          "[9223372036854775808]"}},
        {"[5]", {"[6]", "[4]", "[5,0]", "[5,2]", "[]", "[-5]", "[5.5]", "[true]", "5", "\"5\"", "[5,]", "[,5]"}},
        {"[0,7]",
         {"[1,7]", "[0,281474976710657]", "[0,4294967296,4294967296]", "[0,7,1,1,1,1,1,1,1]", "[0 ,7", "[0:7]"}},
        {"[0,24]",
         {"[0,23]", "[0,25]", "[1,25]", "[24,0]", "[-1,23]", "[0,24,24]", "[24]", "[]", "[0.0,24]", "[0,2e1]",
          "[\"0\",\"24\"]", "[0,18446744073709551640]", "[18446744073709551615,23]", "null", "{}", "[0,24", "[0,00024]",
          "0,24]", "[[0,24]]"}},
        {"[24,34]", {"[25,35]", "[23,33]", "[24,24]", "[34,24]", "[24,33]", "[4294967320,4294967330]", "[34,44]"}},
        {"[34,34]", {"[34,33]", "[36,36]", "[1,1]", "[34,35]", "[33,33]", "[33,34]"}},
        {"[34,35]",
         {"[34,36]", "[35,36]", "[33,34]", "[34,34]", "[34,9223372036854775807]",
          "[9223372036854775807,9223372036854775808]"}},
        {"\"big.weight\"",
         {"\"half\"", "\"one\"", "\"none\"", "\"__metadata__\"", "\"a\\u0000\"", "\"a\\n\"", "\"a\x7f\"", "big", "1",
          "null", "\"a\xc3\"", "\"\xed\xb0\x80\"", "\"\\q\"", "\"\\u12\"", "[]"}},
        {"\"__metadata__\"", {"\"__metadata\"", "\"half\"", "\"\"", "metadata", "5"}},
        {"\"pt\"", {"1", "1.5", "null", "true", "[]", "{}", "[\"pt\"]", "pt", "\"pt", "\"\\x\"", "\"p\tt\""}},
        {"\"format\"", {"\"note\"", "format", "1", "\"format", "\"\\udfff\""}},
        {"{", {"[", "(", "", "{{", "{,", "\"", "{\"x\":", "}"}},
        {"}", {"]", "", "}}", ",}", ")", "},", "}{"}},
        {":", {"", ",", "=", "::", ":,", ";"}},
        {",", {"", ";", ",,", ":", "}", "]"}},
        {"\"", {"", "'", "\"\"", "\\\""}},
        {"[", {"", "{", "(", "[[", "[,"}},
        {"]", {"", "}", ")", "]]", ",]"}},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (int t = 0; t < 24 && kinds[i].to[t] != NULL; t++) {
            unsigned char *bytes;
            size_t size;
            for (int k = 0; replaced(&bytes, &size, sample, kinds[i].from, k, kinds[i].to[t], SAMPLE_DATA); k++) {
                assert_refused(bytes, size);
                free(bytes);
            }
        }
    }
}

static void refuses_truncation_everywhere(void **state)
{
    (void)state;
    size_t size;
    const size_t header_size = strlen(sample);
    unsigned char *bytes = make_file(&size, sample, header_size, SAMPLE_DATA);
    for (size_t cut = 0; cut < size; cut++) {
        assert_refused(bytes, cut); /* every byte of length, header and data */
    }
    free(bytes);
    for (size_t cut = 0; cut < header_size; cut++) { /* the header ends early, the data follows at once */
        bytes = make_file(&size, sample, cut, SAMPLE_DATA);
        assert_refused(bytes, size);
        free(bytes);
    }
    for (size_t extra = 1; extra < 9; extra++) {
        bytes = make_file(&size, sample, header_size, SAMPLE_DATA + extra);
        assert_refused(bytes, size);
        free(bytes);
    }
}

static void refuses_lengths_that_cannot_be(void **state)
{
    (void)state;
    size_t size;
    const size_t header_size = strlen(sample);
    unsigned char *bytes = make_file(&size, sample, header_size, SAMPLE_DATA);
    for (int byte = 0; byte < 8; byte++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[byte] ^= (unsigned char)(1 << bit);
            assert_refused(bytes, size);
            bytes[byte] ^= (unsigned char)(1 << bit);
        }
    }
    for (int delta = -20; delta <= 20; delta++) {
        const uint64_t length = (uint64_t)((int64_t)header_size + delta);
        bytes[0] = (unsigned char)length;
        bytes[1] = (unsigned char)(length >> 8);
        if (delta != 0) {
            assert_refused(bytes, size);
        }
    }
    free(bytes);
}

/* Every byte of the header is replaced by others that cannot stand there. */
static void refuses_foreign_bytes_everywhere(void **state)
{
    (void)state;
    static const unsigned char foreign[] = {0x00, 0x01, 0x1F, 0x80, 0xFF, '\n'};
    size_t size;
    const size_t header_size = strlen(sample);
    unsigned char *bytes = make_file(&size, sample, header_size, SAMPLE_DATA);
    bool inside = false; /* of a string, where no raw control character may stand */
    for (size_t i = 8; i < 8 + header_size; i++) {
        const unsigned char good = bytes[i];
        inside = good == '"' ? !inside : inside;
        for (size_t f = 0; f < sizeof foreign; f++) {
            if (foreign[f] == '\n' && !inside && (good == '"' || good == ',')) {
                continue; /* white space: covered by the grammar's other kinds */
            }
            bytes[i] = foreign[f];
            assert_refused(bytes, size);
        }
        bytes[i] = good;
    }
    free(bytes);
    assert_true(refused > 2000); /* all of the tests above together */
}

/* --- reading ---------------------------------------------------------------------------------------------------------
 */

static void borrows_data_and_metadata(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = make_file(&size, sample, strlen(sample), SAMPLE_DATA);
    lyc_safetensors *file = NULL;
    lyc_tensor_view t;
    lyc_error err;
    assert_int_equal(lyc_safetensors_open_memory(&file, bytes, size, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_count(file), 4);
    assert_true(lyc_safetensors_find(&t, file, "half"));
    assert_string_equal(t.name, "half");
    assert_int_equal(t.dtype, LYC_F16);
    assert_int_equal(t.size_bytes, 10);
    assert_ptr_equal(t.data, bytes + 8 + strlen(sample) + 24);
    assert_int_equal(t.file_offset, 8 + strlen(sample) + 24);
    unsigned char copy[10];
    assert_int_equal(lyc_safetensors_read(copy, file, &t, &err), LYC_OK);
    assert_int_equal(copy[0], 25);
    assert_int_equal(copy[9], 34);
    assert_true(lyc_safetensors_find(&t, file, "none"));
    assert_int_equal(lyc_safetensors_read(NULL, file, &t, &err), LYC_OK);
    assert_false(lyc_safetensors_find(&t, file, "hal"));
    assert_false(lyc_safetensors_find(&t, file, "__metadata__"));
    assert_string_equal(t.name, "none"); /* unchanged */
    assert_true(lyc_safetensors_has_metadata(file));
    assert_int_equal(lyc_safetensors_metadata_count(file), 2);
    assert_string_equal(lyc_safetensors_metadata(file, "format"), "pt");
    assert_null(lyc_safetensors_metadata(file, "forma"));
    const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, 1);
    assert_string_equal(entry.key, "note");
    assert_int_equal(entry.value_length, 1);
    assert_int_equal(lyc_safetensors_header_bytes(file), strlen(sample));
    assert_int_equal(lyc_safetensors_data_bytes(file), SAMPLE_DATA);
    assert_int_equal(lyc_safetensors_check(file, &err), LYC_OK);
    lyc_safetensors_close(file);
    lyc_safetensors_close(NULL);
    free(bytes);
}

static void lenient_accepts_trailing_bytes(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = make_file(&size, sample, strlen(sample), SAMPLE_DATA + 3);
    const lyc_safetensors_options options = {.lenient = true};
    lyc_safetensors *file = NULL;
    lyc_error err;
    assert_int_equal(lyc_safetensors_open_memory(&file, bytes, size, NULL, &err), LYC_E_FORMAT);
    assert_int_equal(lyc_safetensors_open_memory(&file, bytes, size, &options, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_trailing_bytes(file), 3);
    assert_int_equal(lyc_safetensors_data_bytes(file), SAMPLE_DATA);
    lyc_safetensors_close(file);
    assert_int_equal(lyc_safetensors_open_memory(&file, bytes, size - 4, &options, &err), LYC_E_FORMAT);
    free(bytes);
}

static char warning[600];

static void keep_warning(void *context, lyc_log_level level, lyc_log_category category, const char *message)
{
    (void)context;
    assert_int_equal(level, LYC_LOG_WARN);
    assert_int_equal(category, LYC_LOG_FILES);
    snprintf(warning, sizeof warning, "%s", message);
}

static void warns_of_leading_space(void **state)
{
    (void)state;
    lyc_safetensors *file = NULL;
    lyc_log_set_sink(keep_warning, NULL);
    assert_int_equal(lyc_safetensors_open(&file, DAMAGED "header_starts_with_space.safetensors", NULL, NULL), LYC_OK);
    lyc_log_set_sink(NULL, NULL);
    assert_string_equal(warning, DAMAGED "header_starts_with_space.safetensors: the header begins with white space");
    lyc_safetensors_close(file);
}

static void recognises_other_files(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"PK\x03\x04 and more bytes", "no safetensors file but a zip archive"},
        {"\x80\x02}q\x01 pickle pickle", "no safetensors file but a pickle"},
        {"GGUF\x03 and more bytes", "no safetensors file but a GGUF file"},
        {"version https://git-lfs.github.com/spec/v1",
         "no safetensors file but a Git LFS pointer: fetch the file itself"},
        {"<!DOCTYPE html><html>", "no safetensors file but a web page"},
        {"<html><body>404</body>", "no safetensors file but a web page"},
        {"{\"metadata\": {}, \"weight_map\": {}}", "no safetensors file but JSON without a header length"},
        {"nothing that is known", "header of 2334956330817974126 bytes, expected at most 100000000, at byte 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_safetensors *file = NULL;
        lyc_error err;
        assert_int_equal(lyc_safetensors_open_memory(&file, cases[i][0], strlen(cases[i][0]), NULL, &err),
                         LYC_E_FORMAT);
        assert_memory_equal(err.message, cases[i][1], strlen(cases[i][1]));
    }
}

static void tells_that_a_file_shrank(void **state)
{
    (void)state;
    test_folder folder;
    test_folder_make(&folder);
    lyc_map_guard_install(); /* cmocka puts its own handlers in place before each test */
    const char *path = test_folder_path(&folder, "shrinks.safetensors");
    char header[200];
    const size_t data_size = 1 << 20;
    size_t size;
    const int header_size =
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}",
                 data_size, data_size);
    unsigned char *bytes = make_file(&size, header, (size_t)header_size, data_size);
    test_file_write(path, bytes, size);
    lyc_safetensors *file = NULL;
    lyc_error err;
    assert_int_equal(lyc_safetensors_open(&file, path, NULL, &err), LYC_OK);
    const lyc_tensor_view t = lyc_safetensors_tensor(file, 0);
    assert_int_equal(lyc_safetensors_read(bytes, file, &t, &err), LYC_OK);
    assert_int_equal(bytes[5], 6);
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(((const volatile unsigned char *)t.data)[data_size - 1], 0);
    assert_int_equal(lyc_safetensors_read(bytes, file, &t, &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "shrinks.safetensors was shortened"));
    assert_int_equal(lyc_safetensors_check(file, &err), LYC_E_IO);
    lyc_safetensors_close(file);
    assert_int_equal(lyc_safetensors_open(&file, path, NULL, &err), LYC_E_FORMAT);
    assert_int_equal(lyc_safetensors_open(&file, folder.path, NULL, &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "is a folder, expected a file"));
    free(bytes);
    test_folder_remove(&folder);
}

/* Each allocation fails once: an error, no crash; the sanitizer finds leaks. */
static void survives_lack_of_memory(void **state)
{
    (void)state;
    test_folder folder;
    test_folder_make(&folder);
    const char *path = test_folder_path(&folder, "memory.safetensors");
    char *header = malloc(100000);
    size_t used = (size_t)sprintf(header, "{\"__metadata__\":{");
    for (int i = 0; i < 200; i++) { /* enough to grow both arrays */
        used += (size_t)sprintf(header + used, "%s\"k%d\":\"v\"", i > 0 ? "," : "", i);
    }
    used += (size_t)sprintf(header + used, "}");
    for (int i = 0; i < 200; i++) {
        used += (size_t)sprintf(header + used, ",\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i,
                                i, i + 1);
    }
    used += (size_t)sprintf(header + used, "}");
    size_t size;
    unsigned char *bytes = make_file(&size, header, used, 200);
    test_file_write(path, bytes, size);
    for (uint64_t n = 1;; n++) {
        lyc_safetensors *file = NULL;
        lyc_error err = {0};
        const uint64_t before = lyc_memory_allocations();
        lyc_memory_fail_after(n, false);
        const lyc_status status = lyc_safetensors_open(&file, path, NULL, &err);
        lyc_memory_fail_after(0, false);
        const bool reached = lyc_memory_allocations() - before >= n;
        if (!reached) {
            assert_int_equal(status, LYC_OK);
            assert_true(n > 8);
            lyc_safetensors_close(file);
            break;
        }
        assert_int_equal(status, LYC_E_MEMORY);
        assert_non_null(strstr(err.message, "no memory"));
        assert_null(file);
    }
    free(bytes);
    free(header);
    test_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_damaged_files_as_the_reference),
        cmocka_unit_test(reads_headers),
        cmocka_unit_test(refuses_damage_of_every_field),
        cmocka_unit_test(refuses_truncation_everywhere),
        cmocka_unit_test(refuses_lengths_that_cannot_be),
        cmocka_unit_test(refuses_foreign_bytes_everywhere),
        cmocka_unit_test(borrows_data_and_metadata),
        cmocka_unit_test(lenient_accepts_trailing_bytes),
        cmocka_unit_test(warns_of_leading_space),
        cmocka_unit_test(recognises_other_files),
        cmocka_unit_test(tells_that_a_file_shrank),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
