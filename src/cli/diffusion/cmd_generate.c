/* cmd_generate.c - lycoris generate: pictures from text
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "cli/diffusion/generate.h"
#include "cli/progress.h"

#include <stddef.h>
#include <string.h>

static const lyc_option_choice formats[] = {{"png", NULL}, {"jpeg", NULL}, {"webp", NULL}, {0}};
static const lyc_option_choice precisions[] = {
    {"f32", "as the reference libraries compute"}, {"bf16", "half the memory"}, {0}};
static const lyc_option_choice noises[] = {{"cpu", "torch on a processor"},
                                           {"cuda", "torch on a GPU, A1111's standard"},
                                           {"native", "a generator without state"},
                                           {0}};
static const lyc_option_choice predictions[] = {
    {"auto", "as the model's files say"}, {"epsilon", NULL}, {"v_prediction", NULL}, {0}};
static const lyc_option_choice prompt_styles[] = {{"a1111", "any length; weights, BREAK, AND"},
                                                  {"trainer", "up to 225 tokens, as the trainer cuts; weights"},
                                                  {"plain", "75 tokens, the text as it is"},
                                                  {0}};
static const lyc_option_choice program_styles[] = {{"diffusers", NULL}, {"a1111", NULL}, {0}};

#define AT(member) .offset = offsetof(lyc_generate_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "model", .letter = 'm', .kind = LYC_OPTION_PATH, AT(model), .help = "a diffusers folder or a .safetensors file of SD 1.x, 2.x or XL"},
    {.name = "prompt", .letter = 'p', .kind = LYC_OPTION_TEXT, AT(prompt), .help = "what to show"},
    {.name = "negative-prompt", .letter = 'n', .kind = LYC_OPTION_TEXT, AT(negative), .help = "what to stay away from"},
    {.name = "prompts", .kind = LYC_OPTION_PATH, AT(prompts), .help = "a file with a prompt a line, each with its own options: --n negative --w width --h height --s steps --l scale --d seeds --t strength --ss sampler --f name"},
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .standard = "pictures", .help = "a folder, made when it is not there, or the name of one picture (.png .jpg .webp)"},
    {.name = "format", .kind = LYC_OPTION_ENUM, AT(format), .standard = "png", .choices = formats, .help = "of pictures in a folder"},
    {.name = "sheet", .kind = LYC_OPTION_PATH, AT(sheet), .help = "also put the pictures together in this file"},
    {.name = "width", .letter = 'W', .kind = LYC_OPTION_INT, AT(width), .standard = "0", .min = 0, .max = 20000, .help = "pixels; 0: the model's size"},
    {.name = "height", .letter = 'H', .kind = LYC_OPTION_INT, AT(height), .standard = "0", .min = 0, .max = 20000, .help = "pixels; 0: the model's size"},
    {.name = "steps", .kind = LYC_OPTION_INT, AT(steps), .standard = "30", .min = 1, .max = 1000, .help = "of the sampler"},
    {.name = "guidance-scale", .kind = LYC_OPTION_FLOAT, AT(scale), .standard = "7.5", .min = 0, .max = 1000, .help = "how strictly the prompt is followed; 1: no guidance, half of the time"},
    {.name = "guidance-rescale", .kind = LYC_OPTION_FLOAT, AT(rescale), .standard = "0", .min = 0, .max = 1, .help = "against pictures that guidance makes too bright (arXiv 2305.08891)"},
    {.name = "sampler", .kind = LYC_OPTION_TEXT, AT(sampler), .help = "any usual name, with karras or exponential behind: euler_a, \"DPM++ 2M Karras\"; the model's own when not given"},
    {.name = "sampler-option", .kind = LYC_OPTION_LIST, AT(sampler_options), .metavar = "NAME=VALUE", .help = "eta=1 and the like"},
    {.name = "seed", .letter = 's', .kind = LYC_OPTION_INT, AT(seed), .standard = "-1", .min = -1, .max = 9007199254740992.0, .help = "of the first picture, the next have the next; -1: by chance"},
    {.name = "count", .letter = 'c', .kind = LYC_OPTION_INT, AT(count), .standard = "1", .min = 1, .max = 100000, .help = "pictures of each prompt"},
    {.name = "rng", .kind = LYC_OPTION_ENUM, AT(noise), .standard = "cpu", .choices = noises, .help = "where noise comes from"},
    {.name = "clip-skip", .kind = LYC_OPTION_INT, AT(clip_skip), .standard = "1", .min = 0, .max = 64, .help = "which layer of the text encoder counts: 1 the last, 2 the one before (kohya, A1111)"},
    {.name = "clip-skip-diffusers", .kind = LYC_OPTION_BOOL, AT(clip_skip_diffusers), .help = "count layers as diffusers does: 0 the last, 1 the one before"},
    {.name = "prompt-style", .kind = LYC_OPTION_ENUM, AT(prompt_style), .standard = "a1111", .choices = prompt_styles, .help = "how prompts are read"},
    {.name = "zero-negative", .kind = LYC_OPTION_BOOL, AT(zero_negative), .help = "SDXL: an empty negative prompt is zeros, as in diffusers"},
    {.name = "init-image", .kind = LYC_OPTION_PATH, AT(image), .help = "a picture to start from"},
    {.name = "strength", .kind = LYC_OPTION_FLOAT, AT(strength), .standard = "0.75", .min = 0, .max = 1, .help = "how much of it is changed"},
    {.name = "mask", .kind = LYC_OPTION_PATH, AT(mask), .help = "a picture that is white where the start is changed"},
    {.name = "image-style", .kind = LYC_OPTION_ENUM, AT(image_style), .standard = "diffusers", .choices = program_styles, .help = "how strength and steps go together"},
    {.name = "adapter", .letter = 'a', .kind = LYC_OPTION_LIST, AT(adapters), .metavar = "FILE[:W[:UNET[:TE]]]", .help = "a LoRA, LoHa, LoKr ... of any naming, at a strength (1), with factors of it for the U-Net and the text encoders"},
    {.name = "adapter-dir", .kind = LYC_OPTION_PATH, AT(adapter_dir), .metavar = "DIR", .help = "where adapters that a prompt names are looked for, in folders below too: <lora:name:0.8>, <lora:name:unet:te>"},
    {.name = "embedding", .kind = LYC_OPTION_LIST, AT(embeddings), .metavar = "[NAME=]FILE", .help = "a textual-inversion embedding; its name in a prompt, that of the file if no other is given, stands for it"},
    {.name = "strict", .kind = LYC_OPTION_BOOL, AT(strict), .help = "an adapter of which something is not of this model is an error"},
    {.name = "controlnet", .kind = LYC_OPTION_LIST, AT(controlnets), .metavar = "PATH", .help = "a ControlNet; may be given several times"},
    {.name = "control-image", .kind = LYC_OPTION_LIST, AT(control_images), .metavar = "PATH", .help = "the picture that it follows"},
    {.name = "control-weight", .kind = LYC_OPTION_FLOAT, AT(control_weight), .standard = "1", .min = 0, .max = 10, .help = "of all ControlNets"},
    {.name = "control-start", .kind = LYC_OPTION_FLOAT, AT(control_start), .standard = "0", .min = 0, .max = 1, .help = "fraction of the steps from which on they act"},
    {.name = "control-end", .kind = LYC_OPTION_FLOAT, AT(control_end), .standard = "1", .min = 0, .max = 1, .help = "and up to which"},
    {.name = "control-guess", .kind = LYC_OPTION_BOOL, AT(control_guess), .help = "act on the conditional branch alone"},
    {.name = "subseed", .kind = LYC_OPTION_INT, AT(subseed), .standard = "0", .min = 0, .max = 9007199254740992.0, .help = "seed of noise that is mixed in"},
    {.name = "subseed-strength", .kind = LYC_OPTION_FLOAT, AT(subseed_strength), .standard = "0", .min = 0, .max = 1, .help = "how much of it"},
    {.name = "ensd", .kind = LYC_OPTION_INT, AT(ensd), .standard = "0", .min = 0, .max = 4294967295.0, .help = "A1111's eta noise seed delta"},
    {.name = "schedule-style", .kind = LYC_OPTION_ENUM, AT(schedule_style), .standard = "diffusers", .choices = program_styles, .help = "timesteps and sigmas as that program chooses them"},
    {.name = "variant", .kind = LYC_OPTION_TEXT, AT(variant), .help = "of a folder: fp16"},
    {.name = "vae", .kind = LYC_OPTION_PATH, AT(vae), .help = "another VAE, a file or folder"},
    {.name = "text-encoder", .kind = LYC_OPTION_PATH, AT(text_encoder), .help = "another text encoder"},
    {.name = "text-encoder-2", .kind = LYC_OPTION_PATH, AT(text_encoder_2), .help = "another second text encoder (SDXL)"},
    {.name = "model-config", .kind = LYC_OPTION_PATH, AT(model_config), .help = "JSON that overrides what was inferred from a single file"},
    {.name = "prediction", .kind = LYC_OPTION_ENUM, AT(prediction), .standard = "auto", .choices = predictions, .help = "what the model predicts, where its files do not say it"},
    {.name = "zero-terminal-snr", .kind = LYC_OPTION_BOOL, AT(zero_snr), .help = "for models that were trained so"},
    {.name = "precision", .kind = LYC_OPTION_ENUM, AT(precision), .standard = "bf16", .choices = precisions, .help = "what is computed in"},
    {.name = "vae-memory", .kind = LYC_OPTION_SIZE, AT(vae_limit), .standard = "2G", .min = 0, .max = LYC_OPTION_UNLIMITED, .help = "pictures that need more are decoded in tiles"},
    {.name = "quality", .kind = LYC_OPTION_INT, AT(quality), .standard = "95", .min = 1, .max = 100, .help = "of JPEG and WebP"},
    {.name = "lossless", .kind = LYC_OPTION_BOOL, AT(lossless), .help = "WebP without loss"},
    {.name = "no-metadata", .kind = LYC_OPTION_BOOL, AT(no_metadata), .help = "pictures do not say how they were made"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace pictures that are there"},
    {.name = "dry-run", .kind = LYC_OPTION_BOOL, AT(dry_run), .help = "only check that all of it can be done"},
    {0},
};
/* clang-format on */

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    (void)operand_count;
    (void)operands;
    lyc_generate_run r = {
        .cli = cli,
        .config = config,
        .json = {.out = cli->out},
        .task = lyc_cli_task(cli),
    };
    lyc_status status = lyc_generate_prepare(&r, err);
    if (status == LYC_OK) {
        status = lyc_generate_all(&r, err);
    }
    if (status == LYC_E_CANCELLED && r.made + r.skipped > 0) {
        lyc_cli_hint(cli, "the same command goes on behind the pictures that are there");
    }
    lyc_generate_clear(&r);
    return status;
}

static const lyc_example examples[] = {
    {"lycoris generate -m sd15.safetensors -p \"a red fox in the snow\" -o fox.png", "one picture"},
    {"lycoris generate -m sd15.safetensors -a turtle.safetensors:0.8 -p \"zwx turtle in space\"", "with an adapter"},
    {"lycoris generate -m sdxl/ -p \"a lighthouse\" -c 4 -s 1 --sheet sheet.png", "four, and all on one sheet"},
    {"lycoris generate -m sd15.safetensors --prompts prompts.txt -o out --json",
     "many prompts; goes on when called again"},
    {"lycoris generate -m sd15.safetensors -p \"a fox\" --init-image cat.png --strength 0.6 -o fox.png",
     "from a picture"},
    {NULL, NULL},
};

const lyc_command lyc_command_generate = {
    .name = "generate",
    .summary = "make pictures from text",
    .description =
        "Makes pictures with Stable Diffusion 1.x, 2.x and XL, from single files and from diffusers folders, and "
        "writes "
        "them as PNG, JPEG or WebP with the parameters that galleries and A1111 read.\n\n"
        "Everything that can be wrong is found before the first step. Pictures that are there already and were made "
        "with the same settings are left alone, so an interrupted run goes on when it is started again; Ctrl-C ends it "
        "after the current step.",
    .options = options,
    .examples = examples,
    .has_json = true,
    .config_size = sizeof(lyc_generate_config),
    .run = run,
};
