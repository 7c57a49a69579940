/* test_caption.c - captions beyond what sd-scripts' recorded ones show
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/caption.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *finish(lyc_strbuf *out, const char *text, const lyc_caption_options *o, uint64_t seed, int64_t step)
{
    const lyc_span line = lyc_span_of(text);
    const lyc_caption_moment moment = {
        .random = {.seed = seed, .purpose = LYC_RANDOM_CAPTION}, .epoch = 1, .step = step, .total_steps = 100};
    out->length = 0;
    lyc_strbuf_append(out, "");
    lyc_caption_finish(out, &line, 1, o, &moment);
    return lyc_strbuf_text(out);
}

static void marks_of_kept_tags_go(void **state)
{
    (void)state;
    lyc_strbuf out = {0};
    lyc_caption_options o = {.caption_separator = ",", .keep_tokens_separator = "|||"};
    assert_string_equal(finish(&out, "a, b, ||| c,  d ||| e", &o, 1, 0), "a, b, c,  d, e");
    o.keep_tokens_separator = NULL;
    assert_string_equal(finish(&out, "a, b ||| c", &o, 1, 0), "a, b ||| c");
    lyc_strbuf_clear(&out);
}

static void secondary_separators_hold_tags_together(void **state)
{
    (void)state;
    lyc_strbuf out = {0};
    const lyc_caption_options o = {.caption_separator = ",", .secondary_separator = ";;;", .shuffle_caption = true};
    for (uint64_t seed = 0; seed < 8; seed++) {
        const char *text = finish(&out, "x, red;;;blue, y", &o, seed, 0);
        assert_non_null(strstr(text, "red,blue"));
        assert_int_equal(strlen(text), strlen("x, red,blue, y"));
    }
    lyc_strbuf_clear(&out);
}

/* A fraction of all steps; the last step of a warm-up leaves one tag out. */
static void warm_up_adds_tags(void **state)
{
    (void)state;
    lyc_strbuf out = {0};
    const lyc_caption_options o = {.caption_separator = ",", .token_warmup_min = 1, .token_warmup_step = 0.5};
    assert_string_equal(finish(&out, "a,b,c,d,e", &o, 1, 0), "a");
    assert_string_equal(finish(&out, "a,b,c,d,e", &o, 1, 25), "a, b, c");
    assert_string_equal(finish(&out, "a,b,c,d,e", &o, 1, 49), "a, b, c, d");
    assert_string_equal(finish(&out, "a,b,c,d,e", &o, 1, 50), "a, b, c, d, e");
    lyc_strbuf_clear(&out);
}

/* Shares of 4000 seeds, within four standard deviations. */
static void chances_are_those_that_were_asked_for(void **state)
{
    (void)state;
    lyc_strbuf out = {0};
    const lyc_caption_options dropout = {.caption_separator = ",", .caption_dropout_rate = 0.25};
    const lyc_caption_options wild = {.caption_separator = ",", .enable_wildcard = true};
    const lyc_caption_options tags = {.caption_separator = ",", .keep_tokens = 1, .caption_tag_dropout_rate = 0.5};
    int empty = 0, choices[3] = {0}, kept = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        empty += finish(&out, "a", &dropout, seed, 0)[0] == '\0';
        const char *text = finish(&out, "{a|b|c}", &wild, seed, 0);
        assert_int_equal(strlen(text), 1);
        choices[text[0] - 'a']++;
        text = finish(&out, "a,b", &tags, seed, 0);
        assert_int_equal(text[0], 'a');
        kept += strcmp(text, "a, b") == 0;
    }
    assert_in_range(empty, 1000 - 110, 1000 + 110);
    assert_in_range(kept, 2000 - 127, 2000 + 127);
    for (int i = 0; i < 3; i++) {
        assert_in_range(choices[i], 1333 - 120, 1333 + 120);
    }
    lyc_strbuf_clear(&out);
}

static void fixed_captions_are_told(void **state)
{
    (void)state;
    lyc_caption_options o = {.caption_separator = ",", .caption_prefix = "x"};
    assert_true(lyc_caption_is_fixed(&o));
    o.shuffle_caption = true;
    assert_false(lyc_caption_is_fixed(&o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_of_kept_tags_go),   cmocka_unit_test(secondary_separators_hold_tags_together),
        cmocka_unit_test(warm_up_adds_tags),       cmocka_unit_test(chances_are_those_that_were_asked_for),
        cmocka_unit_test(fixed_captions_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
