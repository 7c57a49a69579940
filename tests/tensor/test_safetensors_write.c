/* test_safetensors_write.c - files equal to the reference library's, whatever order, and whole whatever fails
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file_call.h"
#include "base/map_guard.h"
#include "base/memory.h"
#include "lycoris/file.h"
#include "lycoris/safetensors.h"
#include "support/folder.h"
#include "tensor/shape.h"

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

/* --- against the reference -----------------------------------------------------------------------------------------
 */

/* A plan of what a file holds, tensors and metadata added from the last to the first. */
static lyc_status plan_again(lyc_safetensors_plan **plan, const lyc_safetensors *file, lyc_error *err)
{
    LYC_TRY(lyc_safetensors_plan_new(plan, err));
    for (size_t i = lyc_safetensors_count(file); i-- > 0;) {
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        LYC_TRY(lyc_safetensors_plan_add(*plan, t.name, t.dtype, &t.shape, err));
    }
    for (size_t i = lyc_safetensors_metadata_count(file); i-- > 0;) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        LYC_TRY(lyc_safetensors_plan_metadata_n(*plan, &entry, err));
    }
    return lyc_safetensors_plan_copy_metadata(*plan, file, err); /* once more: replaces */
}

/* way 0: copied in file order, 1: put backwards, 2: copied from memory in another order, in parts where possible. */
static lyc_status write_tensors(lyc_safetensors_writer *w, const lyc_safetensors *file, int way, lyc_error *err)
{
    const size_t count = lyc_safetensors_count(file);
    for (size_t k = 0; k < count; k++) {
        const size_t i = way == 0 ? k : way == 1 ? count - 1 - k : (k * 7919 + 3) % count;
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        if (way == 0) {
            LYC_TRY(lyc_safetensors_writer_copy(w, t.name, file, &t, err));
        } else if (way == 1 || count % 7919 == 0) {
            LYC_TRY(lyc_safetensors_writer_put(w, t.name, t.data, t.size_bytes, err));
        } else {
            const size_t first = t.size_bytes / 3;
            LYC_TRY(lyc_safetensors_writer_put_part(w, t.name, t.data, first, err));
            LYC_TRY(
                lyc_safetensors_writer_put_part(w, t.name, (const char *)t.data + first, t.size_bytes - first, err));
        }
    }
    return lyc_safetensors_writer_commit(w, err);
}

static lyc_status write_again(const char *path, const lyc_safetensors *file, int way, lyc_error *err)
{
    const lyc_safetensors_writer_options options = {.force = true, .inputs = &file, .input_count = 1};
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *w = NULL;
    lyc_status status = plan_again(&plan, file, err);
    if (status == LYC_OK) {
        status = lyc_safetensors_writer_open(&w, plan, path, &options, err);
    }
    if (status == LYC_OK) {
        status = write_tensors(w, file, way, err);
    }
    lyc_safetensors_writer_close(w);
    lyc_safetensors_plan_free(plan);
    return status;
}

static void assert_same_file(const char *path, const char *expected_path)
{
    size_t size = 0;
    size_t expected_size = 0;
    char *data = test_file_read(path, &size);
    char *expected = test_file_read(expected_path, &expected_size);
    assert_non_null(data);
    assert_non_null(expected);
    assert_int_equal(size, expected_size);
    assert_memory_equal(data, expected, size);
    free(data);
    free(expected);
}

/* Every file that the reference library wrote is written again, byte for byte. LYC_TEST_REFERENCE names a folder with
 * more of them (make.py). Names with control characters are not ours to write. */
static void writes_what_the_reference_writes(void **state)
{
    (void)state;
    const char *place = getenv("LYC_TEST_REFERENCE");
    place = place != NULL ? place : "tests/conformance/safetensors";
    DIR *files = opendir(place);
    assert_non_null(files);
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(files)) != NULL;) {
        if (strstr(entry->d_name, ".safetensors") == NULL) {
            continue;
        }
        char path[600];
        lyc_safetensors *file = NULL;
        lyc_error err = {0};
        snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        if (lyc_safetensors_open(&file, path, NULL, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
        for (int way = 0; way < 3; way++) {
            const char *out = test_folder_path(&folder, "again.safetensors");
            if (write_again(out, file, way, &err) != LYC_OK) {
                fail_msg("%s: %s", path, err.message);
            }
            assert_same_file(out, path);
        }
        lyc_safetensors_close(file);
        count++;
    }
    closedir(files);
    assert_true(count >= 24);
    unlink(test_folder_path(&folder, "again.safetensors"));
}

/* --- plans -----------------------------------------------------------------------------------------------------------
 */

static lyc_safetensors_plan *small_plan(void)
{
    lyc_safetensors_plan *plan = NULL;
    assert_int_equal(lyc_safetensors_plan_new(&plan, NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_add(plan, "b", LYC_F16, &LYC_SHAPE(2, 2), NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_add(plan, "a", LYC_F16, &LYC_SHAPE(1), NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_add(plan, "z", LYC_F32, &(lyc_shape){0}, NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_add(plan, "none", LYC_BOOL, &LYC_SHAPE(0), NULL), LYC_OK);
    return plan;
}

static void makes_the_header(void **state)
{
    (void)state;
    static const char expected[] = "{\"__metadata__\":{\"ab\":\"1\",\"b\":\"two\"},"
                                   "\"z\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                                   "\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[4,6]},"
                                   "\"b\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[6,14]},"
                                   "\"none\":{\"dtype\":\"BOOL\",\"shape\":[0],\"data_offsets\":[14,14]}}";
    lyc_safetensors_plan *plan = small_plan();
    const void *header;
    size_t size;
    lyc_error err;
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "b", "one", &err), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "ab", "1", &err), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "b", "two", &err), LYC_OK);
    assert_string_equal(lyc_safetensors_plan_tensor(plan, 0).name, "b"); /* as added, until the header is made */
    assert_int_equal(lyc_safetensors_plan_header(&header, &size, plan, &err), LYC_OK);
    const size_t length = strlen(expected);
    assert_int_equal(size, 8 + (length + 7) / 8 * 8);
    assert_memory_equal((const char *)header + 8, expected, length);
    for (size_t i = 8 + length; i < size; i++) {
        assert_int_equal(((const char *)header)[i], ' ');
    }
    uint64_t stored = 0;
    memcpy(&stored, header, 8);
    assert_int_equal(stored, size - 8);
    assert_int_equal(lyc_safetensors_plan_count(plan), 4);
    const lyc_tensor_view t = lyc_safetensors_plan_tensor(plan, 2);
    assert_string_equal(t.name, "b");
    assert_int_equal(t.file_offset, size + 6);
    assert_int_equal(t.size_bytes, 8);
    const void *again;
    assert_int_equal(lyc_safetensors_plan_header(&again, &size, plan, &err), LYC_OK);
    assert_ptr_equal(again, header);
    assert_int_equal(lyc_safetensors_plan_add(plan, "late", LYC_F16, &LYC_SHAPE(1), &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "the header of the file is made already");
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "late", "", &err), LYC_E_ARGUMENT);
    lyc_safetensors_plan_free(plan);
    lyc_safetensors_plan_free(NULL);
}

static void refuses_what_no_reader_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        lyc_dtype dtype;
        lyc_shape shape;
        lyc_status status;
        const char *message;
    } cases[] = {
        {"a", LYC_F16, {.rank = 1, .dims = {1}}, LYC_E_ARGUMENT, "tensor name 'a' comes twice"},
        {"__metadata__", LYC_F16, {.rank = 1, .dims = {1}}, LYC_E_ARGUMENT, "tensor name '__metadata__' is reserved"},
        {"x\n", LYC_F16, {.rank = 1, .dims = {1}}, LYC_E_ARGUMENT, "tensor name 'x\\n' has a control character"},
        {"x\xc2\x80", LYC_F16, {0}, LYC_E_ARGUMENT, "tensor name 'x\\u0080' has a control character"},
        {"x\xff", LYC_F16, {0}, LYC_E_ARGUMENT, "tensor name 'x\\xff' is not UTF-8"},
        {"x", LYC_DTYPE_COUNT, {0}, LYC_E_ARGUMENT, "tensor 'x': data type 22 does not exist"},
        {"x", LYC_F16, {.rank = 9}, LYC_E_SHAPE, "tensor 'x': rank 9, expected 0 to 8"},
        {"x", LYC_F16, {.rank = 1, .dims = {-1}}, LYC_E_SHAPE, "tensor 'x': negative extent in shape -1"},
        {"x", LYC_F4, {.rank = 1, .dims = {3}}, LYC_E_SHAPE, "tensor 'x': shape 3 of F4 is no whole number of bytes"},
        {"x",
         LYC_U8,
         {.rank = 2, .dims = {0, (INT64_C(1) << 48) + 1}},
         LYC_E_SHAPE,
         "tensor 'x': shape of more than 2^48 elements"},
        {"x",
         LYC_F64,
         {.rank = 2, .dims = {INT64_C(1) << 40, INT64_C(1) << 40}},
         LYC_E_SHAPE,
         "tensor 'x': shape 1099511627776x1099511627776 of F64 has too many elements"},
    };
    lyc_safetensors_plan *plan = small_plan();
    lyc_error err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(lyc_safetensors_plan_add(plan, cases[i].name, cases[i].dtype, &cases[i].shape, &err),
                         cases[i].status);
        assert_string_equal(err.message, cases[i].message);
    }
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "k\xff", "v", &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "metadata key 'k\\xff' is not UTF-8");
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "k", "v\xff", &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "metadata text 'v\\xff' is not UTF-8");
    assert_int_equal(lyc_safetensors_plan_count(plan), 4);
    lyc_safetensors_plan_free(plan);
}

static void refuses_more_than_can_be_read(void **state)
{
    (void)state;
    lyc_safetensors_plan *plan = NULL;
    const void *header;
    size_t size;
    lyc_error err;
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "t%d", i);
        const lyc_shape shape = LYC_SHAPE(INT64_C(1) << 48);
        assert_int_equal(lyc_safetensors_plan_add(plan, name, LYC_F64, &shape, &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_plan_header(&header, &size, plan, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "tensors of more than 2^62 bytes in a file");
    lyc_safetensors_plan_free(plan);

    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    char *text = malloc(LYC_SAFETENSORS_MAX_HEADER);
    memset(text, 'x', LYC_SAFETENSORS_MAX_HEADER);
    const lyc_metadata_entry entry = {"k", 1, text, LYC_SAFETENSORS_MAX_HEADER};
    assert_int_equal(lyc_safetensors_plan_metadata_n(plan, &entry, &err), LYC_OK);
    free(text);
    assert_int_equal(lyc_safetensors_plan_header(&header, &size, plan, &err), LYC_E_UNSUPPORTED);
    assert_string_equal(err.message, "header of 100000032 bytes, at most 100000000 can be read again");
    lyc_safetensors_plan_free(plan);
}

/* --- writing
 * ---------------------------------------------------------------------------------------------------------- */

static const unsigned char z_data[4] = {1, 2, 3, 4};
static const unsigned char a_data[2] = {5, 6};
static const unsigned char b_data[8] = {7, 8, 9, 10, 11, 12, 13, 14};

static void names_what_is_wrong_while_writing(void **state)
{
    (void)state;
    lyc_safetensors_plan *plan = small_plan();
    lyc_safetensors_writer *w = NULL;
    lyc_error err;
    const char *path = test_folder_path(&folder, "wrong.safetensors");
    assert_int_equal(lyc_safetensors_writer_open(&w, plan, path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(w, "y", a_data, 2, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "tensor 'y' is not in the plan of the file");
    assert_int_equal(lyc_safetensors_writer_put(w, "a", a_data, 1, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "tensor 'a': 1 bytes, expected 2");
    assert_int_equal(lyc_safetensors_writer_put_part(w, "a", b_data, 3, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "tensor 'a': 3 bytes, expected at most 2");
    assert_int_equal(lyc_safetensors_writer_put(w, "a", a_data, 2, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(w, "a", a_data, 2, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "tensor 'a' was written already");
    assert_int_equal(lyc_safetensors_writer_put_part(w, "b", b_data, 3, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(w, "z", z_data, 4, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_commit(w, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "tensor 'b' has 3 bytes of 8 written");
    assert_int_equal(lyc_safetensors_writer_put_part(w, "b", b_data + 3, 5, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_commit(w, &err), LYC_OK);
    lyc_safetensors_writer_close(w);
    /* The plan serves again, but the file exists now. */
    assert_int_equal(lyc_safetensors_writer_open(&w, plan, path, NULL, &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "wrong.safetensors: it exists"));
    lyc_safetensors *file = NULL;
    lyc_tensor_view t;
    assert_int_equal(lyc_safetensors_open(&file, path, NULL, &err), LYC_OK);
    assert_true(lyc_safetensors_find(&t, file, "b"));
    assert_memory_equal(t.data, b_data, 8);
    assert_true(lyc_safetensors_find(&t, file, "a"));
    assert_memory_equal(t.data, a_data, 2);
    assert_true(lyc_safetensors_find(&t, file, "z"));
    assert_memory_equal(t.data, z_data, 4);
    /* Never over an input. */
    const lyc_safetensors *inputs[] = {file};
    const lyc_safetensors_writer_options options = {.force = true, .inputs = inputs, .input_count = 1};
    assert_int_equal(lyc_safetensors_writer_open(&w, plan, path, &options, &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "wrong.safetensors: it is one of the inputs"));
    lyc_safetensors_close(file);
    const lyc_safetensors_writer_options force = {.force = true};
    assert_int_equal(lyc_safetensors_writer_open(&w, plan, path, &force, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_commit(w, &err),
                     LYC_E_ARGUMENT); /* what was written before does not count */
    lyc_safetensors_writer_close(w);
    lyc_safetensors_writer_close(NULL);
    assert_string_equal(test_folder_list(&folder), "wrong.safetensors ");
    unlink(path);
    lyc_safetensors_plan_free(plan);
}

/* A source with a large tensor, so that copying inside the system is tried too. */
static lyc_safetensors *make_source(void)
{
    const char *path = test_folder_path(&folder, "source.safetensors");
    lyc_safetensors_plan *plan = small_plan();
    lyc_safetensors_writer *w = NULL;
    lyc_safetensors *file = NULL;
    const size_t size = (1 << 20) + 4000;
    char *large = malloc(size);
    for (size_t i = 0; i < size; i++) {
        large[i] = (char)(i * 2654435761u >> 11);
    }
    assert_int_equal(lyc_safetensors_plan_add(plan, "large", LYC_F32, &LYC_SHAPE((int64_t)size / 4), NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "format", "pt", NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_open(&w, plan, path, NULL, NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(w, "large", large, size, NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(w, "z", z_data, 4, NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(w, "a", a_data, 2, NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(w, "b", b_data, 8, NULL), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_commit(w, NULL), LYC_OK);
    lyc_safetensors_writer_close(w);
    lyc_safetensors_plan_free(plan);
    free(large);
    assert_int_equal(lyc_safetensors_open(&file, path, NULL, NULL), LYC_OK);
    return file;
}

/* One call fails: the old file stays or the new one is whole, and nothing else remains. */
static bool survives_call(const lyc_safetensors *source, int way, lyc_file_call call, int error, uint64_t n)
{
    const char *path = test_folder_path(&folder, "out.safetensors");
    lyc_error err = {0};
    test_file_write(path, "old", 3);
    const uint64_t before = lyc_file_calls(call);
    lyc_file_fail_after(call, n, error, false);
    const lyc_status status = write_again(path, source, way, &err);
    lyc_file_fail_after(call, 0, 0, false);
    const bool reached = lyc_file_calls(call) - before >= n;
    lyc_file_remove_temporaries(); /* when unlink itself failed */
    assert_string_equal(test_folder_list(&folder), "out.safetensors source.safetensors ");
    if (status == LYC_OK || strstr(err.message, "is written, but its folder") != NULL) {
        assert_same_file(path, test_folder_path(&folder, "source.safetensors"));
    } else {
        size_t size = 0;
        char *data = test_file_read(path, &size);
        assert_int_equal(size, 3);
        assert_memory_equal(data, "old", 3);
        free(data);
        assert_int_equal(status, LYC_E_OUTPUT);
        assert_true(reached && error != 0);
    }
    return reached;
}

static void survives_every_failing_call(void **state)
{
    (void)state;
    static const int errors[] = {ENOSPC, EIO, EINTR, 0};
    lyc_safetensors *source = make_source();
    for (int way = 0; way < 3; way++) {
        for (lyc_file_call call = 0; call < LYC_CALL_COUNT; call++) {
            for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
                for (uint64_t n = 1; survives_call(source, way, call, errors[e], n); n++) {
                }
            }
        }
    }
    lyc_safetensors_close(source);
    test_folder_remove(&folder);
    test_folder_make(&folder);
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    lyc_safetensors *source = make_source();
    const char *path = test_folder_path(&folder, "out.safetensors");
    for (uint64_t n = 1;; n++) {
        lyc_error err = {0};
        test_file_write(path, "old", 3);
        const uint64_t before = lyc_memory_allocations();
        lyc_memory_fail_after(n, false);
        const lyc_status status = write_again(path, source, 0, &err);
        lyc_memory_fail_after(0, false);
        assert_string_equal(test_folder_list(&folder), "out.safetensors source.safetensors ");
        if (lyc_memory_allocations() - before < n) {
            assert_int_equal(status, LYC_OK);
            assert_true(n > 10);
            break;
        }
        assert_int_equal(status, LYC_E_MEMORY);
        assert_non_null(strstr(err.message, "no memory"));
        size_t size = 0;
        free(test_file_read(path, &size));
        assert_int_equal(size, 3);
    }
    assert_same_file(path, test_folder_path(&folder, "source.safetensors"));
    lyc_safetensors_close(source);
    test_folder_remove(&folder);
    test_folder_make(&folder);
}

static void tells_that_the_source_shrank(void **state)
{
    (void)state;
    lyc_map_guard_install(); /* cmocka puts its own handlers in place before each test */
    for (int way = 0; way < 2; way++) {
        lyc_safetensors *source = make_source();
        lyc_safetensors_plan *plan = NULL;
        lyc_safetensors_writer *w = NULL;
        lyc_tensor_view t;
        lyc_error err;
        assert_int_equal(plan_again(&plan, source, &err), LYC_OK);
        assert_int_equal(lyc_safetensors_writer_open(&w, plan, test_folder_path(&folder, "out"), NULL, &err), LYC_OK);
        assert_int_equal(truncate(test_folder_path(&folder, "source.safetensors"), 5000), 0);
        const char *name = way == 0 ? "large" : "b"; /* in its turn, and out of turn */
        assert_true(lyc_safetensors_find(&t, source, name));
        assert_int_equal(lyc_safetensors_writer_copy(w, name, source, &t, &err), LYC_E_IO);
        assert_non_null(strstr(err.message, "source.safetensors "));
        lyc_safetensors_writer_close(w);
        lyc_safetensors_plan_free(plan);
        lyc_safetensors_close(source);
        assert_string_equal(test_folder_list(&folder), "source.safetensors ");
        unlink(test_folder_path(&folder, "source.safetensors"));
    }
}

/* A text that depends on the data is exchanged at the end for one of the same length. */
static void exchanges_metadata(void **state)
{
    (void)state;
    lyc_error err;
    lyc_safetensors_plan *plan;
    lyc_safetensors_writer *w;
    lyc_safetensors *file;
    const float number = 1.5f;
    const char *path = test_folder_path(&folder, "exchanged.safetensors");
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_add(plan, "x", LYC_F32, &LYC_SHAPE(1), &err), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "hash", "????", &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_open(&w, plan, path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(w, "x", &number, sizeof number, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_metadata(w, "hash", "12345", &err), LYC_E_ARGUMENT);
    assert_int_equal(lyc_safetensors_writer_metadata(w, "hush", "1234", &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "metadata hush of 4 bytes is not in the plan of the file");
    assert_int_equal(lyc_safetensors_writer_metadata(w, "hash", "\"\"\"\"", &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "metadata hash changes the size of the header");
    assert_int_equal(lyc_safetensors_writer_metadata(w, "hash", "1234", &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_commit(w, &err), LYC_OK);
    lyc_safetensors_writer_close(w);
    lyc_safetensors_plan_free(plan);
    assert_int_equal(lyc_safetensors_open(&file, path, NULL, &err), LYC_OK);
    assert_string_equal(lyc_safetensors_metadata(file, "hash"), "1234");
    lyc_safetensors_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_the_reference_writes),
        cmocka_unit_test(makes_the_header),
        cmocka_unit_test(refuses_what_no_reader_accepts),
        cmocka_unit_test(refuses_more_than_can_be_read),
        cmocka_unit_test(names_what_is_wrong_while_writing),
        cmocka_unit_test(survives_every_failing_call),
        cmocka_unit_test(survives_every_failing_allocation),
        cmocka_unit_test(tells_that_the_source_shrank),
        cmocka_unit_test(exchanges_metadata),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
