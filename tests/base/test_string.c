/* test_string.c - hostile text, UTF-8, growing text
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/string.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

/* Thirty ways to write something that a terminal or a page would obey, and what is shown instead. */
static const struct {
    lyc_span text;
    const char *printable;
    const char *markup; /* NULL: the same */
} hostile[] = {
    {TEXT("plain name_1.weight"), "plain name_1.weight", NULL},
    {TEXT("line\nfeed"), "line\\nfeed", NULL},
    {TEXT("carriage\rreturn"), "carriage\\rreturn", NULL},
    {TEXT("tab\there"), "tab\\there", NULL},
    {TEXT("nul\0byte"), "nul\\x00byte", NULL},
    {TEXT("bell\a"), "bell\\x07", NULL},
    {TEXT("back\b\bspace"), "back\\x08\\x08space", NULL},
    {TEXT("\x1b[2J clear"), "\\x1b[2J clear", NULL},
    {TEXT("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m", NULL},
    {TEXT("\x1b]0;title\x07"), "\\x1b]0;title\\x07", NULL},
    {TEXT("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"), "\\x1b]8;;http://x\\x1b\\link\\x1b]8;;\\x1b\\", NULL},
    {TEXT("\x1b]52;c;ZXZpbA==\x07"), "\\x1b]52;c;ZXZpbA==\\x07", NULL},
    {TEXT("del\x7f"), "del\\x7f", NULL},
    {TEXT("c1 csi \xc2\x9b"
          "2J"),
     "c1 csi \\u009b2J", NULL},
    {TEXT("c1 osc \xc2\x9d"
          "52;"),
     "c1 osc \\u009d52;", NULL},
    {TEXT("c1 nel \xc2\x85"), "c1 nel \\u0085", NULL},
    {TEXT("rlo \xe2\x80\xae"
          "gnp.exe"),
     "rlo \\u202egnp.exe", NULL},
    {TEXT("lri \xe2\x81\xa6 pdi \xe2\x81\xa9"), "lri \\u2066 pdi \\u2069", NULL},
    {TEXT("marks \xe2\x80\x8e\xe2\x80\x8f\xd8\x9c"), "marks \\u200e\\u200f\\u061c", NULL},
    {TEXT("separators \xe2\x80\xa8\xe2\x80\xa9"), "separators \\u2028\\u2029", NULL},
    {TEXT("zero width \xe2\x80\x8b\xef\xbb\xbf"), "zero width \\u200b\\ufeff", NULL},
    {TEXT("tags \xf3\xa0\x81\x81"), "tags \\U000e0041", NULL},
    {TEXT("bad \xff\xfe"), "bad \\xff\\xfe", NULL},
    {TEXT("alone \x80"), "alone \\x80", NULL},
    {TEXT("overlong \xc0\xaf"), "overlong \\xc0\\xaf", NULL},
    {TEXT("surrogate \xed\xa0\x80"), "surrogate \\xed\\xa0\\x80", NULL},
    {TEXT("beyond \xf4\x90\x80\x80"), "beyond \\xf4\\x90\\x80\\x80", NULL},
    {TEXT("cut \xe2\x82"), "cut \\xe2\\x82", NULL},
    {TEXT("<script>alert(1)</script>"), "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
    {TEXT("\" onload='x' &amp;"), "\" onload='x' &amp;", "&quot; onload=&#39;x&#39; &amp;amp;"},
    {TEXT("kept: \xc3\xa4 \xe2\x82\xac \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac \\n"),
     "kept: \xc3\xa4 \xe2\x82\xac \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac \\n", NULL},
    {TEXT(""), "", NULL},
};

static void shows_hostile_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        char out[200];
        const lyc_span text = hostile[i].text;
        assert_int_equal(lyc_text_printable(out, sizeof out, text.text, text.length), strlen(hostile[i].printable));
        assert_string_equal(out, hostile[i].printable);
        char again[200];
        lyc_text_printable(again, sizeof again, out, strlen(out));
        assert_string_equal(again, out);
        const char *markup = hostile[i].markup != NULL ? hostile[i].markup : hostile[i].printable;
        assert_int_equal(lyc_text_markup(out, sizeof out, text.text, text.length), strlen(markup));
        assert_string_equal(out, markup);
    }
}

/* With any room: a prefix made of whole pieces, the full length returned, nothing written behind. */
static void cuts_between_pieces(void **state)
{
    (void)state;
    static const lyc_span text = TEXT("a\x1b\xe2\x82\xac\nb");
    static const char *const expected[] = {"",
                                           "",
                                           "a",
                                           "a",
                                           "a",
                                           "a",
                                           "a\\x1b",
                                           "a\\x1b",
                                           "a\\x1b",
                                           "a\\x1b\xe2\x82\xac",
                                           "a\\x1b\xe2\x82\xac",
                                           "a\\x1b\xe2\x82\xac\\n",
                                           "a\\x1b\xe2\x82\xac\\nb"};
    for (size_t size = 0; size < 13; size++) {
        char out[16];
        memset(out, 'z', sizeof out);
        assert_int_equal(lyc_text_printable(out, size, text.text, text.length), 11);
        assert_int_equal(out[size], 'z');
        if (size > 0) {
            assert_string_equal(out, expected[size]);
        }
    }
}

static void shortens_names(void **state)
{
    (void)state;
    char out[32];
    assert_string_equal(lyc_text_brief(out, sizeof out, lyc_span_of("short")), "short");
    assert_string_equal(lyc_text_brief(out, sizeof out, lyc_span_of("0123456789012345678901234567890")),
                        "0123456789012345678901234567890");
    assert_string_equal(lyc_text_brief(out, sizeof out, lyc_span_of("down_blocks.0.attentions.1.transformer.weight")),
                        "down_blocks.0....sformer.weight");
}

static void shortens_hostile_names_within_bounds(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a", "\x1b", "\xe2\x82\xac", "\xf3\xa0\x81\x81", "\xff", "\xf0\x9f\x91\xa9"};
    for (size_t p = 0; p < 6; p++) {
        char text[400] = "";
        for (int i = 0; i < 60; i++) {
            strcat(text, pieces[p]);
        }
        for (size_t size = 16; size < 64; size++) {
            char out[64];
            memset(out, 'z', sizeof out);
            lyc_text_brief(out, size, lyc_span_of(text));
            assert_true(strlen(out) < size);
            assert_true(strlen(out) + 24 > size);
            assert_true(strstr(out, "...") != NULL || strcmp(out, text) == 0);
            assert_int_equal(lyc_utf8_valid_prefix(out, strlen(out)), strlen(out));
        }
    }
}

static void decodes_and_encodes_utf8(void **state)
{
    (void)state;
    int64_t valid = 0;
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000) {
            continue;
        }
        char bytes[4];
        const size_t n = lyc_utf8_encode(bytes, code);
        size_t size;
        assert_int_equal(lyc_utf8_decode(&size, bytes, n), code);
        assert_int_equal(size, n);
        if (n > 1) {
            assert_int_equal(lyc_utf8_decode(&size, bytes, n - 1), -1);
            assert_int_equal(size, 1);
        }
        valid++;
    }
    assert_int_equal(valid, 0x110000 - 0x800);
}

/* Every sequence of up to three bytes (and four after F0..F4): as many are characters as there are characters. */
static void accepts_nothing_else_as_utf8(void **state)
{
    (void)state;
    int64_t two = 0;
    int64_t three = 0;
    for (uint32_t i = 0; i < 0x1000000; i++) {
        const char bytes[3] = {(char)(i >> 16), (char)(i >> 8), (char)i};
        size_t size;
        const int32_t code = lyc_utf8_decode(&size, bytes, 3);
        three += code >= 0 && size == 3;
        two += code >= 0 && size == 2 && (i & 0xFF) == 0;
    }
    assert_int_equal(two, 0x800 - 0x80);
    assert_int_equal(three, 0x10000 - 0x800 - 0x800);
    int64_t four = 0;
    for (uint32_t first = 0xF0; first <= 0xFF; first++) {
        for (uint32_t i = 0; i < 0x10000; i++) {
            const char bytes[4] = {(char)first, (char)(i >> 8), (char)i, (char)0x80};
            size_t size;
            four += lyc_utf8_decode(&size, bytes, 4) >= 0;
        }
    }
    assert_int_equal(four, 0x100000 / 64);
}

static void finds_the_valid_prefix(void **state)
{
    (void)state;
    char text[64];
    for (size_t bad = 0; bad < 40; bad++) {
        memset(text, 'x', sizeof text);
        memcpy(text + 3, "\xe2\x82\xac", 3);
        assert_int_equal(lyc_utf8_valid_prefix(text, 40), 40);
        if (bad >= 6) {
            text[bad] = (char)0xFF;
            assert_int_equal(lyc_utf8_valid_prefix(text, 40), bad);
        }
    }
    assert_int_equal(lyc_utf8_valid_prefix("", 0), 0);
    assert_int_equal(lyc_utf8_valid_prefix("ab\xe2\x82", 4), 2);
}

static void compares_spans(void **state)
{
    (void)state;
    assert_true(lyc_span_compare(lyc_span_of("a"), lyc_span_of("b")) < 0);
    assert_true(lyc_span_compare(lyc_span_of("ab"), lyc_span_of("a")) > 0);
    assert_true(lyc_span_compare(lyc_span_of("\xff"), lyc_span_of("a")) > 0);
    assert_int_equal(lyc_span_compare(lyc_span_of("ab"), (lyc_span){"abc", 2}), 0);
    assert_int_equal(lyc_span_compare((lyc_span){NULL, 0}, lyc_span_of("")), 0);
    assert_true(lyc_span_is((lyc_span){"weights", 6}, "weight"));
    assert_false(lyc_span_is((lyc_span){"weights", 7}, "weight"));
    assert_true(lyc_span_starts_with(lyc_span_of("lora_unet_x"), "lora_unet_"));
    assert_false(lyc_span_starts_with(lyc_span_of("lora"), "lora_unet_"));
    assert_true(lyc_span_ends_with(lyc_span_of("x.alpha"), ".alpha"));
    assert_false(lyc_span_ends_with(lyc_span_of("alpha"), ".alpha"));
}

static void grows_text(void **state)
{
    (void)state;
    lyc_strbuf buffer = {0};
    assert_string_equal(lyc_strbuf_text(&buffer), "");
    for (int i = 0; i < 1000; i++) {
        lyc_strbuf_format(&buffer, "%d,", i);
        lyc_strbuf_append(&buffer, "ab");
        lyc_strbuf_append_n(&buffer, "cde", 2);
        lyc_strbuf_append_char(&buffer, '\n');
    }
    assert_int_equal(buffer.length, 10 * 2 + 90 * 3 + 900 * 4 + 1000 * 5);
    assert_int_equal(strlen(lyc_strbuf_text(&buffer)), buffer.length);
    assert_memory_equal(buffer.text, "0,abcd\n1,abcd\n", 14);
    lyc_strbuf_clear(&buffer);
    lyc_strbuf_append_printable(&buffer, (lyc_span)TEXT("x\x1b\0y"));
    assert_string_equal(lyc_strbuf_text(&buffer), "x\\x1b\\x00y");
    char *text = lyc_strbuf_take(&buffer);
    assert_string_equal(text, "x\\x1b\\x00y");
    assert_null(buffer.text);
    lyc_free(text);
    text = lyc_strbuf_take(&buffer);
    assert_string_equal(text, "");
    lyc_free(text);
}

static void remembers_lack_of_memory(void **state)
{
    (void)state;
    lyc_error err = {0};
    lyc_strbuf buffer = {0};
    lyc_strbuf_append(&buffer, "kept");
    assert_int_equal(lyc_strbuf_check(&buffer, "a text", &err), LYC_OK);
    lyc_memory_fail_after(1, false);
    lyc_strbuf_reserve(&buffer, 1000);
    lyc_memory_fail_after(0, false);
    lyc_strbuf_append(&buffer, "ignored");
    lyc_strbuf_format(&buffer, "%d", 1);
    lyc_strbuf_append_printable(&buffer, lyc_span_of("x"));
    assert_string_equal(lyc_strbuf_text(&buffer), "kept");
    assert_int_equal(lyc_strbuf_check(&buffer, "a text", &err), LYC_E_MEMORY);
    assert_string_equal(err.message, "no memory for a text");
    assert_null(lyc_strbuf_take(&buffer));
    assert_false(buffer.failed);
    lyc_strbuf_append_n(&buffer, "x", SIZE_MAX); /* refused before anything is copied */
    assert_true(buffer.failed);
    lyc_strbuf_clear(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_hostile_text),
        cmocka_unit_test(cuts_between_pieces),
        cmocka_unit_test(shortens_names),
        cmocka_unit_test(shortens_hostile_names_within_bounds),
        cmocka_unit_test(decodes_and_encodes_utf8),
        cmocka_unit_test(accepts_nothing_else_as_utf8),
        cmocka_unit_test(finds_the_valid_prefix),
        cmocka_unit_test(compares_spans),
        cmocka_unit_test(grows_text),
        cmocka_unit_test(remembers_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
