/* test_tokenizer.c - ids of texts: the embedded vocabulary, folders, added tokens, what is refused
 *
 * What real texts become is in tests/conformance/tokenizer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/folder.h"
#include "text/tokenizer.h"

/* The ids of a text as "1 2 3"; in static memory. */
static const char *ids_of(const lyc_tokenizer *t, lyc_span text)
{
    static char out[4096];
    lyc_error err = {0};
    lyc_id_list list = {0};
    if (lyc_tokenizer_encode_span(&list, t, text, &err) != LYC_OK) {
        snprintf(out, sizeof out, "error: %s", err.message);
    } else {
        out[0] = '\0';
        for (size_t i = 0, length = 0; i < list.count && length < sizeof out; i++) {
            length += (size_t)snprintf(out + length, sizeof out - length, "%s%d", i > 0 ? " " : "", list.ids[i]);
        }
    }
    lyc_id_list_clear(&list);
    return out;
}

#define assert_ids(t, text, ids) assert_string_equal(ids_of(t, lyc_span_of(text)), ids)

static lyc_tokenizer *embedded(int32_t pad)
{
    lyc_error err = {0};
    lyc_tokenizer *t = NULL;
    if (lyc_tokenizer_embedded(&t, pad, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return t;
}

static void test_embedded(void **state)
{
    (void)state;
    lyc_tokenizer *t = embedded(49407);
    assert_int_equal(lyc_tokenizer_bos(t), 49406);
    assert_int_equal(lyc_tokenizer_eos(t), 49407);
    assert_int_equal(lyc_tokenizer_pad(t), 49407);
    assert_int_equal(lyc_tokenizer_vocab_size(t), 49408);
    assert_ids(t, "a photo of a cat", "320 1125 539 320 2368");
    assert_ids(t, "", "");
    assert_ids(t, " \t\n", "");
    assert_string_equal(ids_of(t, (lyc_span){"null\0byte", 9}), "47376 444 42798");
    /* Only the literal form is special; in capitals it is text. */
    assert_ids(t, "a<|endoftext|>b", "320 49407 321");
    assert_ids(t, "<|STARTOFTEXT|>x", "27 347 993 6659 4160 91 285 343");
    lyc_tokenizer_free(t);
}

/* Where padding is "!", that is a special token of its own, as in transformers. */
static void test_pad_is_special(void **state)
{
    (void)state;
    lyc_tokenizer *t = embedded(0);
    assert_int_equal(lyc_tokenizer_pad(t), 0);
    assert_ids(t, "hello! wow!!", "3306 0 2781 0 0");
    lyc_tokenizer_free(t);
    lyc_error err = {0};
    assert_int_equal(lyc_tokenizer_embedded(&t, 50000, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "padding with id 50000; the vocabulary ends at 49407");
    assert_null(t);
}

static void test_added(void **state)
{
    (void)state;
    lyc_tokenizer *t = embedded(49407);
    lyc_error err = {0};
    assert_int_equal(lyc_tokenizer_add(t, "<Cat-Toy>", 49408, 1, &err), LYC_OK);
    assert_int_equal(lyc_tokenizer_add(t, "EasyNegative", 49409, 3, &err), LYC_OK);
    assert_int_equal(lyc_tokenizer_add(t, "EasyNegative2", 49412, 1, &err), LYC_OK);
    assert_int_equal(lyc_tokenizer_vocab_size(t), 49413);
    assert_ids(t, "a<cat-toy>b", "320 49408 321");
    assert_ids(t, "xEasyNegativeV2", "343 49409 49410 49411 341 273");
    assert_ids(t, "easynegative2", "49412"); /* the longest */
    assert_int_equal(lyc_tokenizer_add(t, "easynegative", 1, 1, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "the name easynegative is taken by an added token with id 49409");
    assert_int_equal(lyc_tokenizer_add(t, "", 1, 1, &err), LYC_E_ARGUMENT);
    assert_int_equal(lyc_tokenizer_add(t, "\xff", 1, 1, &err), LYC_E_FORMAT);
    assert_int_equal(lyc_tokenizer_add(t, "x", -1, 1, &err), LYC_E_ARGUMENT);
    lyc_tokenizer_free(t);
}

static void test_refused_texts(void **state)
{
    (void)state;
    lyc_tokenizer *t = embedded(49407);
    assert_ids(t, "caf\xe9", "error: the text is not UTF-8 at byte 3");
    char *large = malloc(LYC_TOKENIZER_MAX_TEXT + 1);
    memset(large, 'a', LYC_TOKENIZER_MAX_TEXT + 1);
    assert_string_equal(ids_of(t, (lyc_span){large, LYC_TOKENIZER_MAX_TEXT + 1}),
                        "error: a text of 1048577 bytes; the limit is 1048576");
    /* One word of a megabyte takes as long as sorting it. */
    lyc_error err = {0};
    lyc_id_list list = {0};
    assert_int_equal(lyc_tokenizer_encode_span(&list, t, (lyc_span){large, LYC_TOKENIZER_MAX_TEXT}, &err), LYC_OK);
    assert_int_equal(list.count, LYC_TOKENIZER_MAX_TEXT / 8 + 1); /* the last eight end a word and are two */
    assert_int_equal(list.ids[0], 23126);                         /* "aaaaaaaa" */
    lyc_id_list_clear(&list);
    free(large);
    lyc_tokenizer_free(t);
}

/* --- folders -------------------------------------------------------------------------------------------------------
 */

static void put(const test_folder *folder, const char *name, const char *text)
{
    test_file_write(test_folder_path(folder, name), text, strlen(text));
}

static const char small_vocabulary[] = "{\"a\":0,\"b\":1,\"a</w>\":2,\"b</w>\":3,\"ab\":4,\"ab</w>\":5,\"abab</"
                                       "w>\":6,\"<|startoftext|>\":7,\"<|endoftext|>\":8}";
static const char small_merges[] = "#version: 0.2\na b\na b</w>\nab ab</w>\nb b\n";

static void test_folder_two_files(void **state)
{
    (void)state;
    test_folder folder;
    test_folder_make(&folder);
    put(&folder, "vocab.json", small_vocabulary);
    put(&folder, "merges.txt", small_merges); /* "b b" leads to nothing: no such piece */
    lyc_error err = {0};
    lyc_tokenizer *t = NULL;
    assert_int_equal(lyc_tokenizer_open(&t, folder.path, &err), LYC_OK);
    assert_int_equal(lyc_tokenizer_bos(t), 7);
    assert_int_equal(lyc_tokenizer_eos(t), 8);
    assert_int_equal(lyc_tokenizer_pad(t), 8);
    assert_ids(t, "ab ABAB bb aba", "5 6 1 3 4 2");
    assert_ids(t, "c ac", "8 0 8"); /* unknown */
    lyc_tokenizer_free(t);

    put(&folder, "tokenizer_config.json",
        "{\"pad_token\": \"<|endoftext|>\", \"model_max_length\": 1000000000000000019884624838656,"
        " \"added_tokens_decoder\": {\"9\": {\"content\": \"<x>\", \"special\": false}}}");
    put(&folder, "special_tokens_map.json", "{\"pad_token\": {\"content\": \"a\"}, \"mask_token\": null}");
    put(&folder, "added_tokens.json", "{\"<y>\": 10}");
    assert_int_equal(lyc_tokenizer_open(&t, folder.path, &err), LYC_OK);
    assert_int_equal(lyc_tokenizer_pad(t), 0);
    assert_int_equal(lyc_tokenizer_vocab_size(t), 11);
    assert_ids(t, "b<X>b<y>", "3 9 3 10");
    lyc_tokenizer_free(t);
    test_folder_remove(&folder);
}

static void test_folder_one_file(void **state)
{
    (void)state;
    test_folder folder;
    test_folder_make(&folder);
    put(&folder, "tokenizer.json",
        "{\"added_tokens\": [{\"id\": 2, \"content\": \"<|startoftext|>\", \"special\": true}, {\"id\": 3, \"content\":"
        " \"<|endoftext|>\", \"special\": true}], \"model\": {\"merges\": [[\"a\", \"b</w>\"], \"a a\"], \"vocab\":"
        " {\"a\": 0, \"ab</w>\": 1, \"b</w>\": 4, \"aa\": 5}}}");
    lyc_error err = {0};
    lyc_tokenizer *t = NULL;
    assert_int_equal(lyc_tokenizer_open(&t, folder.path, &err), LYC_OK);
    assert_ids(t, "ab aaab", "1 5 1");
    assert_ids(t, "ab<|startoftext|>", "1 2");
    lyc_tokenizer_free(t);
    test_folder_remove(&folder);
}

typedef struct damaged {
    const char *vocabulary, *merges, *map;
    lyc_status status;
    const char *message; /* %s: the folder */
} damaged;

static const damaged damaged_folders[] = {
    {NULL, NULL, NULL, LYC_E_IO, "no vocab.json and no tokenizer.json in %s"},
    {"{\"a\":0}", "x y z\n", NULL, LYC_E_FORMAT,
     "reading %s/merges.txt: line 1: expected two pieces with a blank between them, found 'x y z'"},
    {"{\"a\":0}", "#version\nab\n", NULL, LYC_E_FORMAT,
     "reading %s/merges.txt: line 2: expected two pieces with a blank between them, found 'ab'"},
    {"{\"a\":-1}", "", NULL, LYC_E_FORMAT, "reading %s/vocab.json: the id of a piece is no whole number, at byte 5"},
    {"{\"a\":99999999}", "", NULL, LYC_E_FORMAT,
     "reading %s/vocab.json: id 99999999 of piece 'a'; the limit is 16777215"},
    {"{\"a\":0,\"a\":1}", "", NULL, LYC_E_FORMAT, "reading %s/vocab.json: piece 'a' has the ids 0 and 1"},
    {"{\"a\":0} x", "", NULL, LYC_E_FORMAT, "reading %s/vocab.json: something stands behind the object, at byte 8"},
    {"{\"a\":0}", "", NULL, LYC_E_FORMAT, "the bos_token '<|startoftext|>' of %s is not in its vocabulary"},
    {"{\"a\":0}", "", "{\"bos_token\":\"z\"}", LYC_E_FORMAT, "the bos_token 'z' of %s is not in its vocabulary"},
};

static void test_damaged_folders(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damaged_folders / sizeof damaged_folders[0]; i++) {
        const damaged *d = &damaged_folders[i];
        test_folder folder;
        char message[512];
        lyc_error err = {0};
        lyc_tokenizer *t = NULL;
        test_folder_make(&folder);
        if (d->vocabulary != NULL) {
            put(&folder, "vocab.json", d->vocabulary);
            put(&folder, "merges.txt", d->merges);
        }
        if (d->map != NULL) {
            put(&folder, "special_tokens_map.json", d->map);
        }
        const char *place = strstr(d->message, "%s");
        snprintf(message, sizeof message, "%.*s%s%s", (int)(place - d->message), d->message, folder.path, place + 2);
        assert_int_equal(lyc_tokenizer_open(&t, folder.path, &err), d->status);
        assert_string_equal(err.message, message);
        assert_null(t);
        test_folder_remove(&folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embedded),
        cmocka_unit_test(test_pad_is_special),
        cmocka_unit_test(test_added),
        cmocka_unit_test(test_refused_texts),
        cmocka_unit_test(test_folder_two_files),
        cmocka_unit_test(test_folder_one_file),
        cmocka_unit_test(test_damaged_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
