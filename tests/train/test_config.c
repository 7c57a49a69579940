/* test_config.c - options by hand, from files, chosen, and written again
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "support/folder.h"
#include "train/setup.h"
#include "train/simple.h"

static test_folder folder;
static lyc_train_config *config;
static lyc_error err;

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return lyc_train_config_new(&config, &err);
}

static int teardown(void **state)
{
    (void)state;
    lyc_train_config_free(config);
    test_folder_remove(&folder);
    return 0;
}

static void set(const char *name, const char *value)
{
    err.message[0] = '\0';
    if (lyc_train_config_set(config, name, value, &err) != LYC_OK) {
        fail_msg("%s %s: %s", name, value, err.message);
    }
}

static const char *write_file(const char *text)
{
    const char *path = test_folder_path(&folder, "options.toml");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static void reads(const char *text)
{
    const lyc_status status = lyc_train_config_read(config, write_file(text), &err);
    if (status != LYC_OK) {
        fail_msg("%s", err.message);
    }
}

/* The message begins with the file's name. */
static void refuses(const char *text, const char *message)
{
    lyc_train_config *own = NULL;
    const char *path = write_file(text);
    assert_int_equal(lyc_train_config_new(&own, &err), LYC_OK);
    assert_int_not_equal(lyc_train_config_read(own, path, &err), LYC_OK);
    assert_memory_equal(err.message, path, strlen(path));
    assert_string_equal(err.message + strlen(path), message);
    lyc_train_config_free(own);
}

/* The first file of the paper's, in short: empty texts and false are "not set", numbers may be texts. */
static void files_of_sd_scripts(void **state)
{
    (void)state;
    reads("[Basics]\n"
          "pretrained_model_name_or_path = \"\"\n"
          "resume = false\n"
          "resolution = \"512\"\n"
          "seed = 23\n"
          "[Network_setup]\n"
          "network_dim = 8\n"
          "network_alpha = 4\n"
          "network_dropout = 0\n"
          "network_args = [ \"preset=attn-mlp\", \"algo=lora\",]\n"
          "[Optimizer]\n"
          "unet_lr = 5e-4\n"
          "text_encoder_lr = \"1e-4\"\n"
          "lr_scheduler_type = \"\"\n"
          "max_train_epochs = 50.0\n"
          "[Others]\n"
          "caption_extension = \".txt\"\n"
          "lowram = true\n"
          "xformers = false\n"
          "mixed_precison = \"bf16\"\n");
    const lyc_train_options *o = &config->options;
    assert_null(o->pretrained_model_name_or_path);
    assert_null(o->resume);
    assert_string_equal(o->data.dataset.resolution, "512");
    assert_int_equal(o->seed, 23);
    assert_int_equal(o->network_dim, 8);
    assert_true(o->network_alpha > 3.9 && o->network_alpha < 4.1);
    assert_int_equal(o->network_args.count, 2);
    assert_string_equal(o->network_args.items[1], "algo=lora");
    assert_true(o->unet_lr > 4.9e-4 && o->unet_lr < 5.1e-4);
    assert_string_equal(o->text_encoder_lr.items[0], "1e-4");
    assert_int_equal(o->max_train_epochs, 50);
    assert_string_equal(o->data.subset.caption_extension, ".txt");
    assert_string_equal(lyc_train_config_notice(config, 0),
                        "lowram has no effect: what is best here is chosen without it");
    const char *unknown = lyc_train_config_notice(config, 1);
    assert_non_null(strstr(unknown, ": the key 'mixed_precison' is unknown and passed over; did you mean "
                                    "mixed_precision?"));
    assert_null(lyc_train_config_notice(config, 2));
}

static void hands_win(void **state)
{
    (void)state;
    set("network-dim", "16");
    set("network_args", "algo=loha");
    reads("network_dim = 4\nnetwork_args = [\"algo=lora\"]\nlearning_rate = 1e-3\nresolution = [512, 768]\n");
    set("learning_rate", "1e-4");
    assert_int_equal(config->options.network_dim, 16);
    assert_int_equal(config->options.network_args.count, 1);
    assert_string_equal(config->options.network_args.items[0], "algo=loha");
    assert_true(config->options.learning_rate < 2e-4);
    assert_string_equal(config->options.data.dataset.resolution, "512,768");
    assert_int_equal(lyc_train_config_source(config, "learning_rate"), LYC_FROM_USER);
    assert_int_equal(lyc_train_config_source(config, "unet_lr"), LYC_FROM_STANDARD);
}

static void wrong_files(void **state)
{
    (void)state;
    refuses("network_dim = \"many\"\n", ": network_dim: 'many' is not a whole number");
    refuses("[a]\nseed = 1\n[b]\nseed = 2\n", ": seed is there twice");
    refuses("loss_type = \"l3\"\n", ": loss_type: 'l3' is none of l2, l1, huber, smooth_l1 or smooth_l1_beta");
    refuses("face_crop_aug_range = \"1.0,2.0\"\n", ": face_crop_aug_range: not possible here: cut the pictures before");
    refuses("network_args = [[\"a\"]]\n", ": network_args: a list of lists or tables");
    refuses("max_train_steps = 0\n", ": max_train_steps: '0' is out of range: expected from 1 to 1000000000000");
}

static void wrong_words(void **state)
{
    (void)state;
    assert_int_equal(lyc_train_config_set(config, "learning_rat", "1", &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "no option is called 'learning_rat'; did you mean learning_rate?");
    assert_int_equal(lyc_train_config_set(config, "zzz", "1", &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "no option is called 'zzz'");
}

/* What is written reads as the same. */
static void writes_what_it_reads(void **state)
{
    (void)state;
    char *first = NULL, *second = NULL, *command = NULL;
    lyc_train_config *again = NULL;
    set("model", "a \"b\".safetensors");
    set("network_args", "algo=lokr");
    set("network_args", "factor=8");
    set("lr_warmup_steps", "3500");
    set("unet_lr", "0.0005");
    set("shuffle_caption", "true");
    set("memory", "2G");
    set("mixed_precision", "bf16");
    set("max_grad_norm", "1"); /* the standard value */
    assert_int_equal(lyc_train_config_write(&first, config, LYC_TRAIN_TOML, &err), LYC_OK);
    assert_string_equal(first, "# lycoris train\n"
                               "pretrained_model_name_or_path = \"a \\\"b\\\".safetensors\"\n"
                               "shuffle_caption = true\n"
                               "network_args = [\"algo=lokr\", \"factor=8\"]\n"
                               "unet_lr = 0.0005\n"
                               "lr_warmup_steps = 3500\n"
                               "memory = 2147483648\n"
                               "mixed_precision = \"bf16\"\n");
    assert_int_equal(lyc_train_config_new(&again, &err), LYC_OK);
    assert_int_equal(lyc_train_config_read(again, write_file(first), &err), LYC_OK);
    assert_int_equal(lyc_train_config_write(&second, again, LYC_TRAIN_TOML, &err), LYC_OK);
    assert_string_equal(first, second);
    assert_int_equal(lyc_train_config_write(&command, again, LYC_TRAIN_COMMAND, &err), LYC_OK);
    assert_string_equal(command,
                        "lycoris train --pretrained_model_name_or_path 'a \"b\".safetensors' --shuffle_caption "
                        "--network_args algo=lokr factor=8 --unet_lr 0.0005 --lr_warmup_steps 3500 --memory "
                        "2147483648 --mixed_precision bf16");
    lyc_train_text_free(first);
    lyc_train_text_free(second);
    lyc_train_text_free(command);
    lyc_train_config_free(again);
}

/* --- what options mean together ------------------------------------------------------------------------------------
 */

static void contradictions_come_at_once(void **state)
{
    (void)state;
    lyc_train_setup s;
    set("network_train_unet_only", "true");
    set("network_train_text_encoder_only", "true");
    set("max_token_length", "80");
    set("full_bf16", "true");
    set("sample_at_first", "true");
    set("output_name", "a/b");
    assert_int_equal(lyc_train_setup_make(&s, config, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message,
                        "--model is missing: a diffusers folder or a .safetensors file; max_token_length 80: expected "
                        "75, 150 or 225; network_train_unet_only and network_train_text_encoder_only leave nothing; "
                        "nothing is trained: all rates are 0; sample_at_first, sample_every_n_steps and "
                        "sample_every_n_epochs need sample_prompts; output_name 'a/b': expected a name without folder, "
                        "which is output_dir; full_bf16 needs mixed_precision bf16");
}

static void setup_from_options(void **state)
{
    (void)state;
    lyc_train_setup s;
    set("model", "m.safetensors");
    set("algo", "lokr");
    set("network_args", "factor=8");
    set("network_dim", "4");
    set("learning_rate", "1e-4");
    set("text_encoder_lr", "0");
    set("text_encoder_lr", "2e-5");
    set("use_8bit_adam", "true");
    set("max_token_length", "150");
    set("mixed_precision", "bf16");
    set("save_precision", "fp16");
    set("seed", "24");
    assert_int_equal(lyc_train_setup_make(&s, config, &err), LYC_OK);
    assert_true(s.trains_unet && !s.trains_text[0] && s.trains_text[1]);
    assert_true(s.trainer.rates.unet > 0.99e-4 && s.trainer.rates.text[1] < 2.1e-5);
    assert_string_equal(s.trainer.optimizer, "AdamW8bit");
    assert_int_equal(s.model.chunks, 2);
    assert_int_equal(s.model.precision, LYC_PRECISION_BF16);
    assert_int_equal(s.save_dtype, LYC_F16);
    assert_int_equal(s.trainer.seed, 24);
    assert_int_equal(s.network_arg_count, 4);
    assert_string_equal(s.network_args[0], "factor=8");
    assert_string_equal(s.network_args[1], "algo=lokr");
    assert_string_equal(s.network_args[2], "network_dim=4");
    assert_string_equal(s.network_args[3], "network_alpha=1");
    lyc_train_setup_clear(&s);
}

/* networks.lora adapts what sd-scripts adapts: convolutions with conv_dim alone. */
static void modules_of_sd_scripts(void **state)
{
    (void)state;
    lyc_train_setup s;
    set("model", "m.safetensors");
    set("network_module", "networks.lora");
    set("seed", "1");
    assert_int_equal(lyc_train_setup_make(&s, config, &err), LYC_OK);
    assert_string_equal(s.network_args[0], "preset=attn-mlp");
    lyc_train_setup_clear(&s);
    set("network_args", "conv_dim=4");
    assert_int_equal(lyc_train_setup_make(&s, config, &err), LYC_OK);
    assert_string_equal(s.network_args[1], "preset=full");
    lyc_train_setup_clear(&s);
    set("network_module", "networks.lora_fa");
    assert_int_equal(lyc_train_setup_make(&s, config, &err), LYC_E_UNSUPPORTED);
    assert_string_equal(err.message, "network_module 'networks.lora_fa' is unknown: expected lycoris.kohya (with "
                                     "network_args algo=...), networks.lora or networks.dylora");
}

/* --- the short way -------------------------------------------------------------------------------------------------
 */

static void beginners_are_told(void **state)
{
    (void)state;
    set("model", "m.safetensors");
    set("images", "pictures/turtle/");
    set("algo", "lokr");
    set("network_dim", "4");
    assert_int_equal(lyc_train_simple_choose(config, &err), LYC_OK);
    assert_int_equal(config->options.network_dim, 4);
    assert_string_equal(config->options.output_name, "turtle-lokr");
    assert_string_equal(config->options.data.subset.caption_extension, ".txt");
    assert_true(config->options.minutes > 29 && config->options.data.dataset.enable_bucket);
    assert_string_equal(lyc_train_config_choice(config, 0), "network_alpha 16: as the rank: no scale");
    assert_string_equal(lyc_train_config_choice(config, 1), "learning_rate 4e-4: usual for the algorithm");
}

static void others_are_left_alone(void **state)
{
    (void)state;
    set("model", "m.safetensors");
    set("image_dir", "pictures");
    set("network_args", "algo=lokr");
    assert_int_equal(lyc_train_simple_choose(config, &err), LYC_OK);
    assert_null(lyc_train_config_choice(config, 0));
    assert_string_equal(config->options.output_name, "last");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_of_sd_scripts, setup, teardown),
        cmocka_unit_test_setup_teardown(hands_win, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_files, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_words, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_what_it_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(contradictions_come_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(setup_from_options, setup, teardown),
        cmocka_unit_test_setup_teardown(modules_of_sd_scripts, setup, teardown),
        cmocka_unit_test_setup_teardown(beginners_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(others_are_left_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
