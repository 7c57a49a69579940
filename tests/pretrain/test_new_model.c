/* test_new_model.c - models from nothing: folders that open as any other, start values, vocabularies
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "checkpoint/checkpoint.h"
#include "lycoris/pretrain.h"
#include "pretrain/start_value.h"
#include "pretrain/vocabulary_part.h"
#include "small_model.h"
#include "text/tokenizer.h"

static test_folder folder;
static lyc_error err;

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    small_config(&folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

/* --- start values --------------------------------------------------------------------------------------------------
 */

static double deviation(const float *x, int64_t n)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    return sqrt(squares / (double)n - sum / (double)n * (sum / (double)n));
}

/* 20,000 numbers: the deviation is off by half a percent. */
static void start_values(void **state)
{
    static float x[20000], y[20000];
    const lyc_shape layer = LYC_SHAPE(50, 400), conv = LYC_SHAPE(50, 16, 5, 5), norm = LYC_SHAPE(20000);
    (void)state;
    lyc_start_value(x, "mid_block.attentions.0.to_q.weight", &layer, 1);
    assert_true(fabs(deviation(x, 20000) * sqrt(400.0) - 1.0) < 0.02);
    lyc_start_value(y, "conv_in.weight", &conv, 1);
    assert_true(fabs(deviation(y, 20000) * sqrt(400.0) - 1.0) < 0.02);
    assert_memory_not_equal(x, y, sizeof x);
    lyc_start_value(y, "mid_block.attentions.0.to_q.weight", &layer, 1);
    assert_memory_equal(x, y, sizeof x);
    lyc_start_value(y, "mid_block.attentions.0.to_q.weight", &layer, 2);
    assert_memory_not_equal(x, y, sizeof x);
    lyc_start_value(x, "text_model.embeddings.token_embedding.weight", &layer, 1);
    assert_true(fabs(deviation(x, 20000) / 0.02 - 1.0) < 0.02);
    static const struct {
        const char *name;
        float value;
    } constants[] = {{"conv_norm_out.weight", 1.0f},
                     {"conv_norm_out.bias", 0.0f},
                     {"conv_in.bias", 0.0f},
                     {"logit_scale", 2.6592600f}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        lyc_start_value(x, constants[i].name, &norm, 1);
        assert_float_equal(x[0], constants[i].value, 1e-6);
        assert_float_equal(x[19999], constants[i].value, 1e-6);
    }
    static const char *const zeros[] = {"down_blocks.0.resnets.0.conv2.weight",
                                        "mid_block.attentions.0.proj_out.weight",
                                        "decoder.mid_block.attentions.0.to_out.0.weight"};
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        lyc_start_value(x, zeros[i], &layer, 1);
        assert_true(deviation(x, 20000) == 0.0 && x[0] == 0.0f);
    }
}

/* --- vocabularies --------------------------------------------------------------------------------------------------
 */

/* Ids of a text, each followed by a blank. */
static void pieces(char *out, size_t size, const lyc_tokenizer *t, const char *text)
{
    lyc_id_list list = {0};
    out[0] = '\0';
    must(lyc_tokenizer_encode(&list, t, text, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d ", list.ids[i]);
        strncat(out, number, size - strlen(out) - 1);
    }
    lyc_id_list_clear(&list);
}

/* Words of the text have as many pieces as with the whole table, and each piece the same text: ids of one table are
 * those of the other under one renaming. */
static void words_split_as_with_the_whole_table(void **state)
{
    static const char words[] = "a photo of a turtle\nunicorns under water, kangaroo\nna\xc3\xafve caf\xc3\xa9 42";
    static const char *const texts[] = {"a photo of a turtle", "water unicorns", "kangaroo under a turtle",
                                        "na\xc3\xafve", "caf\xc3\xa9 42"};
    lyc_vocabulary_part part;
    lyc_tokenizer *whole = NULL, *small = NULL;
    static int32_t renamed[49408];
    (void)state;
    must(lyc_vocabulary_part_make(&part, (lyc_span){words, strlen(words)}, 10, &err), &err);
    assert_int_equal(part.size, 512 + part.merge_count + 2);
    assert_int_equal(part.eos, part.size - 1);
    assert_int_equal(strncmp(part.merges.text, "#version: 0.2\ni n\nt h\n", 22), 0);
    mkdir(test_folder_path(&folder, "tokenizer"), 0777);
    test_file_write(test_folder_path(&folder, "tokenizer/vocab.json"), part.vocab.text, part.vocab.length);
    test_file_write(test_folder_path(&folder, "tokenizer/merges.txt"), part.merges.text, part.merges.length);
    must(lyc_tokenizer_open(&small, test_folder_path(&folder, "tokenizer"), &err), &err);
    must(lyc_tokenizer_embedded(&whole, 49407, &err), &err);
    assert_int_equal(lyc_tokenizer_vocab_size(small), part.size);
    assert_int_equal(lyc_tokenizer_eos(small), part.eos);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lyc_id_list a = {0}, b = {0};
        must(lyc_tokenizer_encode(&a, whole, texts[i], &err), &err);
        must(lyc_tokenizer_encode(&b, small, texts[i], &err), &err);
        assert_int_equal(a.count, b.count);
        for (size_t k = 0; k < a.count; k++) {
            assert_true(renamed[a.ids[k]] == 0 || renamed[a.ids[k]] == b.ids[k] + 1);
            renamed[a.ids[k]] = b.ids[k] + 1;
        }
        lyc_id_list_clear(&a);
        lyc_id_list_clear(&b);
    }
    char split[256];
    pieces(split, sizeof split, small, "turtle");
    assert_null(strchr(strchr(split, ' ') + 1, ' ')); /* one token */
    lyc_tokenizer_free(whole);
    lyc_tokenizer_free(small);
    lyc_vocabulary_part_clear(&part);
}

/* --- folders -------------------------------------------------------------------------------------------------------
 */

static void a_new_model_opens(void **state)
{
    lyc_new_model_report report;
    lyc_checkpoint *model = NULL;
    size_t size_a, size_b;
    (void)state;
    small_model(&folder, "model", 5, &report);
    small_model(&folder, "again", 5, NULL);
    assert_int_equal(report.component_count, 4);
    must(lyc_checkpoint_open(&model, test_folder_path(&folder, "model"), NULL, &err), &err);
    assert_int_equal(lyc_checkpoint_family(model), LYC_FAMILY_SD1);
    const lyc_component *unet = lyc_checkpoint_component(model, LYC_COMPONENT_UNET);
    const lyc_component *text = lyc_checkpoint_component(model, LYC_COMPONENT_TEXT_ENCODER);
    assert_string_equal(report.components[2], "unet");
    assert_int_equal(report.parameters[2], lyc_component_parameters(unet));
    assert_int_equal(report.parameters[0], lyc_component_parameters(text));
    assert_int_equal(lyc_component_clip_text(text)->vocab_size, report.vocabulary);
    lyc_checkpoint_close(model);
    char *a = test_file_read(test_folder_path(&folder, "model/unet/diffusion_pytorch_model.safetensors"), &size_a);
    char *b = test_file_read(test_folder_path(&folder, "again/unet/diffusion_pytorch_model.safetensors"), &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);
    free(a);
    free(b);
}

static void refuses(const lyc_new_model_options *options, lyc_status status, const char *part)
{
    assert_int_equal(lyc_new_model(NULL, options, &err), status);
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' has no '%s'", err.message, part);
    }
}

static void wrong_models(void **state)
{
    char config[256], model[256], captions[256];
    (void)state;
    snprintf(config, sizeof config, "%s", test_folder_path(&folder, "config"));
    snprintf(model, sizeof model, "%s", test_folder_path(&folder, "wrong"));
    snprintf(captions, sizeof captions, "%s", test_folder_path(&folder, "captions.txt"));
    lyc_new_model_options o = {.config = config, .captions = "nowhere.txt", .model = model};
    refuses(&o, LYC_E_IO, "cannot open nowhere.txt");
    o.captions = captions;
    o.config = "nowhere";
    refuses(&o, LYC_E_IO, "nowhere/text_encoder/config.json");
    o.config = config;
    o.model = config;
    refuses(&o, LYC_E_OUTPUT, " is there: a model is not replaced");
    o.model = model;
    test_text_write(test_folder_path(&folder, "config/vae/config.json"), "{\"latent_channels\": 0}");
    refuses(&o, LYC_E_FORMAT, "latent_channels");
    assert_null(strstr(test_folder_list(&folder), "wrong"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_values),
        cmocka_unit_test(words_split_as_with_the_whole_table),
        cmocka_unit_test(a_new_model_opens),
        cmocka_unit_test(wrong_models),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
