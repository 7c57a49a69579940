/* options.c - the rows of `lycoris train`
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/options.h"

#include <string.h>

#include "diffusion/objective.h"
#include "graph/ops/sample_loss.h"

#define UNLIMITED LYC_OPTION_UNLIMITED

static const lyc_option_choice targets[] = {
    {"adapter", "a small file beside the model"}, {"native", "the whole U-Net, and text encoders if asked"}, {0}};
static const lyc_option_choice mixed_precisions[] = {
    {"no", "f32"},
    {"fp16", "f32 with the loss scale of fp16: processors have no use for half floats"},
    {"bf16", "half the memory, faster"},
    {0}};
static const lyc_option_choice save_precisions[] = {
    {"as_trained", "f32, or what full_bf16 and full_fp16 say"}, {"float", NULL}, {"fp16", NULL}, {"bf16", NULL}, {0}};
static const lyc_option_choice model_formats[] = {{"safetensors", "one file"}, {0}};
static const lyc_option_choice log_targets[] = {
    {"none", NULL}, {"tensorboard", NULL}, {"wandb", "not offered: as none"}, {"all", "as tensorboard"}, {0}};

/* In the order of lyc_loss_kind and lyc_huber_schedule. */
static const lyc_option_choice losses[] = {{"l2", "squared"},
                                           {"l1", "absolute"},
                                           {"huber", "squared when small, else absolute"},
                                           {"smooth_l1", "the same, steeper"},
                                           {"smooth_l1_beta", "as PyTorch's smooth_l1_loss"},
                                           {0}};
static const lyc_option_choice huber_schedules[] = {{"constant", NULL}, {"exponential", NULL}, {"snr", NULL}, {0}};

/* clang-format off */
#define OWN(member) .offset = offsetof(lyc_train_options, member)

const lyc_option lyc_train_option_rows[] = {
    {.name = "model", .letter = 'm', .heading = "To begin with", .kind = LYC_OPTION_PATH, OWN(pretrained_model_name_or_path), .help = "a diffusers folder or a .safetensors file of SD 1.x, 2.x or XL"},
    {.name = "images", .letter = 'i', .kind = LYC_OPTION_PATH, OWN(data.image_dir), .metavar = "DIR", .help = "folder of pictures, with captions in .txt files beside them or --class_tokens for all"},
    {.name = "algo", .kind = LYC_OPTION_TEXT, OWN(algo), .metavar = "NAME", .help = "what is learned: lora, loha, lokr ... (lycoris list adapters); what else must be known is then chosen, and said"},
    {.name = "preset", .kind = LYC_OPTION_TEXT, OWN(preset), .metavar = "NAME", .help = "which layers: a built-in preset (lycoris list presets) or a TOML file"},
    {.name = "minutes", .kind = LYC_OPTION_FLOAT, OWN(minutes), .standard = "0", .min = 0, .max = 1e6, .help = "as many steps as fit in that time, measured before; 0: by the number of steps"},
    {.name = "plan", .kind = LYC_OPTION_BOOL, OWN(plan), .help = "read everything, say what would be trained, how long and with how much memory, and end"},
    {.name = "config_file", .heading = "Configuration", .kind = LYC_OPTION_PATH, OWN(config_file), .help = "options in a TOML file; sections do not matter, the command line wins"},
    {.name = "output_config", .kind = LYC_OPTION_BOOL, OWN(output_config), .help = "write the options to --config_file, or to standard output, and end"},

    {.name = "pretrained_model_name_or_path", .heading = "Model", .kind = LYC_OPTION_PATH, OWN(pretrained_model_name_or_path), .help = "the same as --model"},
    {.name = "vae", .kind = LYC_OPTION_PATH, OWN(vae), .help = "another autoencoder than the model's"},
    {.name = "v2", .kind = LYC_OPTION_BOOL, OWN(v2), .help = "the model is SD 2.x: an error if it is not; without it the files say what it is"},
    {.name = "v_parameterization", .kind = LYC_OPTION_BOOL, OWN(v_parameterization), .help = "the model predicts v, whatever its files say"},
    {.name = "clip_skip", .kind = LYC_OPTION_INT, OWN(clip_skip), .standard = "0", .min = 0, .max = 64, .help = "layer of the text encoder that counts, from its end: 1 the last; 0: as the model is used"},
    {.name = "max_token_length", .kind = LYC_OPTION_INT, OWN(max_token_length), .standard = "0", .min = 0, .max = 225, .help = "tokens of a caption: 75, 150 or 225; 0: 75"},
    {.name = "weighted_captions", .kind = LYC_OPTION_BOOL, OWN(weighted_captions), .help = "(word:1.2) in captions weighs words"},

#define AT(member) offsetof(lyc_train_options, data.member)
#include "data/data_options.def"
#undef AT
#define AT(member) offsetof(lyc_train_options, data.dataset.member)
#include "data/dataset_options.def"
#undef AT
#define AT(member) offsetof(lyc_train_options, data.subset.member)
#include "data/subset_options.def"
#undef AT
    {.name = "masked_loss", .kind = LYC_OPTION_BOOL, OWN(masked_loss), .help = "the loss of pixels is weighed by the mask of --conditioning_data_dir or --alpha_mask"},

    {.name = "train", .heading = "What is trained", .kind = LYC_OPTION_ENUM, OWN(train), .standard = "adapter", .choices = targets, .help = "an adapter or the model itself"},
    {.name = "network_module", .kind = LYC_OPTION_TEXT, OWN(network_module), .standard = "lycoris.kohya", .metavar = "NAME", .help = "lycoris.kohya: every algorithm; networks.lora: the layers that sd-scripts chooses"},
    {.name = "network_dim", .kind = LYC_OPTION_INT, OWN(network_dim), .standard = "0", .min = 0, .max = 1000000, .help = "rank; 0: 4"},
    {.name = "network_alpha", .kind = LYC_OPTION_FLOAT, OWN(network_alpha), .standard = "1", .min = 0, .max = UNLIMITED, .help = "changes are scaled by alpha / rank; 0: alpha is the rank"},
    {.name = "network_args", .kind = LYC_OPTION_LIST, OWN(network_args), .metavar = "NAME=VALUE", .help = "algo=lokr factor=8 conv_dim=4 ...: docs/manual/adapters.md"},
    {.name = "network_dropout", .kind = LYC_OPTION_FLOAT, OWN(network_dropout), .standard = "0", .min = 0, .max = 1, .help = "part of the adapters' inputs that is left out"},
    {.name = "network_weights", .kind = LYC_OPTION_PATH, OWN(network_weights), .help = "an adapter to start from"},
    {.name = "dim_from_weights", .kind = LYC_OPTION_BOOL, OWN(dim_from_weights), .help = "layers, algorithms and ranks are those of --network_weights"},
    {.name = "base_weights", .kind = LYC_OPTION_LIST, OWN(base_weights), .metavar = "FILE", .help = "adapters that belong to the model that is trained on"},
    {.name = "base_weights_multiplier", .kind = LYC_OPTION_LIST, OWN(base_weights_multiplier), .metavar = "NUMBER", .help = "their strengths; 1 where none is given"},
    {.name = "scale_weight_norms", .kind = LYC_OPTION_FLOAT, OWN(scale_weight_norms), .standard = "0", .min = 0, .max = UNLIMITED, .help = "largest norm of a layer's change; 0: no limit"},
    {.name = "network_train_unet_only", .kind = LYC_OPTION_BOOL, OWN(network_train_unet_only), .help = "no adapters in text encoders"},
    {.name = "network_train_text_encoder_only", .kind = LYC_OPTION_BOOL, OWN(network_train_text_encoder_only), .help = "no adapters in the U-Net"},
    {.name = "train_text_encoder", .kind = LYC_OPTION_BOOL, OWN(train_text_encoder), .help = "native: the text encoders too"},
    {.name = "stop_text_encoder_training", .kind = LYC_OPTION_INT, OWN(stop_text_encoder_training), .standard = "-1", .min = -1, .max = -1, .help = "taken when it is -1, which is what happens"},

    {.name = "learning_rate", .heading = "Rates and optimiser", .kind = LYC_OPTION_FLOAT, OWN(learning_rate), .standard = "2e-6", .min = 0, .max = 1e6, .help = "where no other rate is given"},
    {.name = "unet_lr", .kind = LYC_OPTION_FLOAT, OWN(unet_lr), .standard = "-1", .min = -1, .max = 1e6, .help = "rate of the U-Net; -1: learning_rate, 0: it is not trained"},
    {.name = "text_encoder_lr", .kind = LYC_OPTION_LIST, OWN(text_encoder_lr), .metavar = "NUMBER", .help = "rate of the text encoder, of SDXL one for each; 0: not trained"},
    {.name = "learning_rate_te", .kind = LYC_OPTION_FLOAT, OWN(learning_rate_te), .standard = "-1", .min = -1, .max = 1e6, .help = "native: rate of the text encoders; -1: learning_rate"},
    {.name = "optimizer_type", .kind = LYC_OPTION_TEXT, OWN(optimizer_type), .standard = "AdamW", .metavar = "NAME", .help = "AdamW, AdamW8bit, Lion, SGDNesterov, Adafactor, Prodigy ... (lycoris list optimizers)"},
    {.name = "optimizer_args", .kind = LYC_OPTION_LIST, OWN(optimizer_args), .metavar = "NAME=VALUE", .help = "weight_decay=0.1 betas=0.9,0.99 ..."},
    {.name = "use_8bit_adam", .kind = LYC_OPTION_BOOL, OWN(use_8bit_adam), .hidden = true, .help = "optimizer_type AdamW8bit"},
    {.name = "use_lion_optimizer", .kind = LYC_OPTION_BOOL, OWN(use_lion_optimizer), .hidden = true, .help = "optimizer_type Lion"},
    {.name = "max_grad_norm", .kind = LYC_OPTION_FLOAT, OWN(max_grad_norm), .standard = "1", .min = 0, .max = UNLIMITED, .help = "longer gradients are shortened to this norm; 0: none are"},
    {.name = "lr_scheduler", .kind = LYC_OPTION_TEXT, OWN(lr_scheduler), .standard = "constant", .metavar = "NAME", .help = "constant, constant_with_warmup, linear, cosine, cosine_with_restarts, polynomial ... (lycoris list schedules)"},
    {.name = "lr_warmup_steps", .kind = LYC_OPTION_FLOAT, OWN(lr_warmup_steps), .standard = "0", .min = 0, .max = UNLIMITED, .help = "steps until the full rate; below 1: that part of all steps"},
    {.name = "lr_decay_steps", .kind = LYC_OPTION_FLOAT, OWN(lr_decay_steps), .standard = "0", .min = 0, .max = UNLIMITED, .help = "of warmup_stable_decay, counted in the same way"},
    {.name = "lr_scheduler_num_cycles", .kind = LYC_OPTION_FLOAT, OWN(lr_scheduler_num_cycles), .standard = "1", .min = 0, .max = UNLIMITED, .help = "of cosine_with_restarts"},
    {.name = "lr_scheduler_power", .kind = LYC_OPTION_FLOAT, OWN(lr_scheduler_power), .standard = "1", .min = 0, .max = UNLIMITED, .help = "of polynomial"},
    {.name = "lr_scheduler_min_lr_ratio", .kind = LYC_OPTION_FLOAT, OWN(lr_scheduler_min_lr_ratio), .standard = "0", .min = 0, .max = 1, .help = "smallest rate of cosine_with_min_lr and warmup_stable_decay, in parts of the rate"},
    {.name = "lr_scheduler_timescale", .kind = LYC_OPTION_FLOAT, OWN(lr_scheduler_timescale), .standard = "0", .min = 0, .max = UNLIMITED, .help = "of inverse_sqrt; 0: the warm-up"},
    {.name = "lr_scheduler_type", .kind = LYC_OPTION_TEXT, OWN(lr_scheduler_type), .hidden = true, .help = "a schedule of another library: refused"},
    {.name = "lr_scheduler_args", .kind = LYC_OPTION_LIST, OWN(lr_scheduler_args), .hidden = true, .help = "of such a schedule"},
    {.name = "ema_decay", .kind = LYC_OPTION_FLOAT, OWN(ema_decay), .standard = "0", .min = 0, .max = 1, .help = "save and sample an average of the weights, as 0.999; 0: the weights themselves"},
    {.name = "ema_update_interval", .kind = LYC_OPTION_INT, OWN(ema_update_interval), .standard = "1", .min = 1, .max = UNLIMITED, .help = "steps between two of the averaged weights"},

    {.name = "max_train_steps", .heading = "Length, memory, precision", .kind = LYC_OPTION_INT, OWN(max_train_steps), .standard = "1600", .min = 1, .max = 1e12, .help = "steps of the optimiser"},
    {.name = "max_train_epochs", .kind = LYC_OPTION_INT, OWN(max_train_epochs), .standard = "0", .min = 0, .max = 1e9, .help = "rounds through the data instead; 0: by steps"},
    {.name = "gradient_accumulation_steps", .kind = LYC_OPTION_INT, OWN(gradient_accumulation_steps), .standard = "1", .min = 1, .max = 1e6, .help = "batches of a step"},
    {.name = "gradient_checkpointing", .kind = LYC_OPTION_BOOL, OWN(gradient_checkpointing), .help = "taken: --memory bounds what a step may take, and nothing is computed twice without need"},
    {.name = "memory", .kind = LYC_OPTION_SIZE, OWN(memory), .standard = "0", .help = "bound of the memory for weights, states and activations, as 6G: what does not fit is computed again; 0: none"},
    {.name = "seed", .kind = LYC_OPTION_INT, OWN(seed), .standard = "-1", .min = -1, .max = 9007199254740992.0, .help = "of start values, noise, order and dropouts; -1: by chance"},
    {.name = "mixed_precision", .kind = LYC_OPTION_ENUM, OWN(mixed_precision), .standard = "no", .choices = mixed_precisions, .help = "what is computed with"},
    {.name = "save_precision", .kind = LYC_OPTION_ENUM, OWN(save_precision), .standard = "as_trained", .choices = save_precisions, .help = "numbers in files"},
    {.name = "full_fp16", .kind = LYC_OPTION_BOOL, OWN(full_fp16), .help = "trained numbers are fp16 instead of f32, and so are files"},
    {.name = "full_bf16", .kind = LYC_OPTION_BOOL, OWN(full_bf16), .help = "trained numbers are bf16 instead of f32, and so are files; small steps are lost without --stochastic_rounding"},
    {.name = "stochastic_rounding", .kind = LYC_OPTION_BOOL, OWN(stochastic_rounding), .help = "with --full_bf16 or --full_fp16: up or down by chance, so that small steps count in the mean"},
    {.name = "no_half_vae", .kind = LYC_OPTION_BOOL, OWN(no_half_vae), .help = "the autoencoder computes in f32"},
    {.name = "fp8_base", .kind = LYC_OPTION_BOOL, OWN(fp8_base), .hidden = true, .help = "frozen weights in 8 bits: refused"},

    {.name = "noise_offset", .heading = "Noise and loss", .kind = LYC_OPTION_FLOAT, OWN(noise_offset), .standard = "0", .min = 0, .max = 10, .help = "noise that is equal all over a channel, for very dark and bright pictures; 0.05 to 0.1; 0: none"},
    {.name = "noise_offset_random_strength", .kind = LYC_OPTION_BOOL, OWN(noise_offset_random_strength), .help = "from none of it to all of it"},
    {.name = "adaptive_noise_scale", .kind = LYC_OPTION_FLOAT, OWN(adaptive_noise_scale), .standard = "0", .min = -10, .max = 10, .help = "adds this times the latents' mean to noise_offset"},
    {.name = "multires_noise_iterations", .kind = LYC_OPTION_INT, OWN(multires_noise_iterations), .standard = "0", .min = 0, .max = 64, .help = "noise at so many coarser sizes too; 6 to 10; 0: none"},
    {.name = "multires_noise_discount", .kind = LYC_OPTION_FLOAT, OWN(multires_noise_discount), .standard = "0.3", .min = 0, .max = 1, .help = "share of each coarser size in the one before"},
    {.name = "ip_noise_gamma", .kind = LYC_OPTION_FLOAT, OWN(ip_noise_gamma), .standard = "0", .min = 0, .max = 10, .help = "disturbs the noise that is shown, not the one that is asked for (arXiv 2301.11706); 0.1; 0: off"},
    {.name = "ip_noise_gamma_random_strength", .kind = LYC_OPTION_BOOL, OWN(ip_noise_gamma_random_strength), .help = "from none of it to all of it"},
    {.name = "min_timestep", .kind = LYC_OPTION_INT, OWN(min_timestep), .standard = "0", .min = 0, .max = 999, .help = "first timestep that is trained"},
    {.name = "max_timestep", .kind = LYC_OPTION_INT, OWN(max_timestep), .standard = "0", .min = 0, .max = 1000, .help = "the one behind the last; 0: all"},
    {.name = "zero_terminal_snr", .kind = LYC_OPTION_BOOL, OWN(zero_terminal_snr), .help = "nothing of a picture is left at the last timestep (arXiv 2305.08891); for v-prediction"},
    {.name = "min_snr_gamma", .kind = LYC_OPTION_FLOAT, OWN(min_snr_gamma), .standard = "0", .min = 0, .max = 1000, .help = "less weight for timesteps with little noise (arXiv 2303.09556); 5; 0: off"},
    {.name = "debiased_estimation_loss", .kind = LYC_OPTION_BOOL, OWN(debiased_estimation_loss), .help = "weight 1 / sqrt(SNR) (arXiv 2310.08442)"},
    {.name = "scale_v_pred_loss_like_noise_pred", .kind = LYC_OPTION_BOOL, OWN(scale_v_pred_loss_like_noise_pred), .help = "v-prediction: timesteps weigh as in epsilon-prediction"},
    {.name = "v_pred_like_loss", .kind = LYC_OPTION_FLOAT, OWN(v_pred_like_loss), .standard = "0", .min = 0, .max = 1000, .help = "epsilon-prediction: adds this times the weights of v-prediction; 0: off"},
    {.name = "loss_type", .kind = LYC_OPTION_ENUM, OWN(loss_type), .standard = "l2", .choices = losses, .help = "of a difference"},
    {.name = "huber_schedule", .kind = LYC_OPTION_ENUM, OWN(huber_schedule), .standard = "snr", .choices = huber_schedules, .help = "how huber_c depends on the timestep"},
    {.name = "huber_c", .kind = LYC_OPTION_FLOAT, OWN(huber_c), .standard = "0.1", .min = 1e-6, .max = 1000, .help = "where the Huber losses turn from squared to absolute"},
    {.name = "huber_scale", .kind = LYC_OPTION_FLOAT, OWN(huber_scale), .standard = "1", .min = 1e-6, .max = 1000, .help = "factor of huber_c"},

    {.name = "output_dir", .letter = 'o', .heading = "Files", .kind = LYC_OPTION_PATH, OWN(output_dir), .standard = "output", .metavar = "DIR", .help = "folder of all that is written, made when it is not there"},
    {.name = "output_name", .kind = LYC_OPTION_TEXT, OWN(output_name), .standard = "last", .metavar = "NAME", .help = "of files, without ending"},
    {.name = "save_model_as", .kind = LYC_OPTION_ENUM, OWN(save_model_as), .standard = "safetensors", .choices = model_formats, .help = "format"},
    {.name = "save_every_n_epochs", .kind = LYC_OPTION_INT, OWN(save_every_n_epochs), .standard = "0", .min = 0, .max = 1e9, .help = "a file <name>-<epoch> on the way; 0: none"},
    {.name = "save_every_n_steps", .kind = LYC_OPTION_INT, OWN(save_every_n_steps), .standard = "0", .min = 0, .max = 1e12, .help = "a file <name>-step<step> on the way; 0: none"},
    {.name = "save_n_epoch_ratio", .kind = LYC_OPTION_INT, OWN(save_n_epoch_ratio), .standard = "0", .min = 0, .max = 1e9, .help = "so many files by epochs in all; 0: by save_every_n_epochs"},
    {.name = "save_last_n_epochs", .kind = LYC_OPTION_INT, OWN(save_last_n_epochs), .standard = "0", .min = 0, .max = 1e9, .help = "files of earlier epochs than these are removed; 0: none are"},
    {.name = "save_last_n_steps", .kind = LYC_OPTION_INT, OWN(save_last_n_steps), .standard = "0", .min = 0, .max = 1e12, .help = "files of earlier steps than these are removed; 0: none are"},
    {.name = "save_last_n_epochs_state", .kind = LYC_OPTION_INT, OWN(save_last_n_epochs_state), .standard = "0", .min = 0, .max = 1e9, .help = "the same for states; 0: as the files"},
    {.name = "save_last_n_steps_state", .kind = LYC_OPTION_INT, OWN(save_last_n_steps_state), .standard = "0", .min = 0, .max = 1e12, .help = "the same for states; 0: as the files"},
    {.name = "save_state", .kind = LYC_OPTION_BOOL, OWN(save_state), .help = "with each file a folder to go on from; after Ctrl-C there is always one"},
    {.name = "save_state_on_train_end", .kind = LYC_OPTION_BOOL, OWN(save_state_on_train_end), .help = "such a folder at the end"},
    {.name = "resume", .kind = LYC_OPTION_PATH, OWN(resume), .metavar = "DIR", .help = "go on from such a folder: the same bytes as without a break"},
    {.name = "resume_anyway", .kind = LYC_OPTION_BOOL, OWN(resume_anyway), .help = "also with other data or options"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, OWN(force), .help = "replace files of an earlier run"},
    {.name = "training_comment", .kind = LYC_OPTION_TEXT, OWN(training_comment), .help = "kept in the file: trigger words and the like"},
    {.name = "no_metadata", .kind = LYC_OPTION_BOOL, OWN(no_metadata), .help = "only what programs need to load the file"},
    {.name = "metadata_title", .kind = LYC_OPTION_TEXT, OWN(metadata_title), .help = "modelspec.title; the name of the file otherwise"},
    {.name = "metadata_author", .kind = LYC_OPTION_TEXT, OWN(metadata_author), .help = "modelspec.author"},
    {.name = "metadata_description", .kind = LYC_OPTION_TEXT, OWN(metadata_description), .help = "modelspec.description"},
    {.name = "metadata_license", .kind = LYC_OPTION_TEXT, OWN(metadata_license), .help = "modelspec.license"},
    {.name = "metadata_tags", .kind = LYC_OPTION_TEXT, OWN(metadata_tags), .help = "modelspec.tags"},

    {.name = "sample_prompts", .heading = "Watching", .kind = LYC_OPTION_PATH, OWN(sample_prompts), .help = "prompts to make pictures of on the way (.txt, .toml, .json)"},
    {.name = "sample_sampler", .kind = LYC_OPTION_TEXT, OWN(sample_sampler), .standard = "ddim", .metavar = "NAME", .help = "where a prompt names none"},
    {.name = "sample_every_n_steps", .kind = LYC_OPTION_INT, OWN(sample_every_n_steps), .standard = "0", .min = 0, .max = 1e12, .help = "0: not by steps"},
    {.name = "sample_every_n_epochs", .kind = LYC_OPTION_INT, OWN(sample_every_n_epochs), .standard = "0", .min = 0, .max = 1e9, .help = "instead of by steps; 0: not by epochs"},
    {.name = "sample_at_first", .kind = LYC_OPTION_BOOL, OWN(sample_at_first), .help = "before the first step too"},
    {.name = "logging_dir", .kind = LYC_OPTION_PATH, OWN(logging_dir), .metavar = "DIR", .help = "TensorBoard's event files; a CSV and a JSON lines file are always beside the output"},
    {.name = "log_with", .kind = LYC_OPTION_ENUM, OWN(log_with), .standard = "tensorboard", .choices = log_targets, .help = "with --logging_dir"},
    {.name = "log_prefix", .kind = LYC_OPTION_TEXT, OWN(log_prefix), .help = "of the folder's name there, before the time"},
    {.name = "measure_every_n_steps", .kind = LYC_OPTION_INT, OWN(measure_every_n_steps), .standard = "0", .min = 0, .max = 1e12, .help = "how far weights have moved; 0: at the first step and with each file"},
    {.name = "validate_every_n_steps", .kind = LYC_OPTION_INT, OWN(validate_every_n_steps), .standard = "0", .min = 0, .max = 1e12, .help = "loss on pictures that are not trained; 0: by epochs"},
    {.name = "validate_every_n_epochs", .kind = LYC_OPTION_INT, OWN(validate_every_n_epochs), .standard = "0", .min = 0, .max = 1e9, .help = "0: every one"},
    {.name = "max_validation_steps", .kind = LYC_OPTION_INT, OWN(max_validation_steps), .standard = "0", .min = 0, .max = 1e9, .help = "batches of it; 0: all"},
    {.name = "caption_extention", .hidden = true, .kind = LYC_OPTION_TEXT, OWN(data.subset.caption_extension), .standard = ".caption", .help = "the same as --caption_extension"},
#define LYC_FOREIGN(option, what, value, reason) {.name = #option, .hidden = true, .kind = (value) ? LYC_OPTION_TEXT : LYC_OPTION_BOOL, .offset = (value) ? offsetof(lyc_train_options, foreign_value) : offsetof(lyc_train_options, foreign_flag), .help = reason},
#include "train/foreign_options.def"
#undef LYC_FOREIGN
    {0},
};
/* clang-format on */

/* --- options of sd-scripts that are not used ------------------------------------------------------------------------
 */

#define LYC_FOREIGN(option, kind, value, reason) {#option, {LYC_FOREIGN_##kind, reason}},
static const struct {
    const char *name;
    lyc_foreign_option option;
} foreign[] = {
#include "train/foreign_options.def"
};
#undef LYC_FOREIGN

lyc_foreign_option lyc_train_foreign_option(const char *name)
{
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (strcmp(foreign[i].name, name) == 0) {
            return foreign[i].option;
        }
    }
    return (lyc_foreign_option){LYC_FOREIGN_NONE, NULL};
}
