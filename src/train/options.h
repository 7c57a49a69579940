/* options.h - all that `lycoris train` can be told, under the names of sd-scripts
 *
 * A value that is not given has its standard value; where sd-scripts has none ("None") it is the one that the comment
 * or the row's help says. Numbers are checked against their rows, what they mean together by lyc_train_setup_make.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_OPTIONS_H
#define LYC_TRAIN_OPTIONS_H

#include "data/options.h"
#include "lycoris/train.h"

typedef enum lyc_train_target { LYC_TRAIN_ADAPTER, LYC_TRAIN_NATIVE } lyc_train_target;
typedef enum lyc_mixed_precision { LYC_MIXED_NO, LYC_MIXED_FP16, LYC_MIXED_BF16 } lyc_mixed_precision;
typedef enum lyc_save_precision {
    LYC_SAVE_AS_TRAINED,
    LYC_SAVE_FLOAT,
    LYC_SAVE_FP16,
    LYC_SAVE_BF16
} lyc_save_precision;
typedef enum lyc_model_format { LYC_SAVE_SAFETENSORS } lyc_model_format;
typedef enum lyc_log_target { LYC_LOG_NOWHERE, LYC_LOG_TENSORBOARD, LYC_LOG_WANDB, LYC_LOG_ALL } lyc_log_target;

typedef struct lyc_train_options {
    /* for beginners: chosen, and said, by train/simple.h */
    const char *algo, *preset;
    double minutes;

    const char *config_file;
    bool output_config, plan;

    /* the model */
    const char *pretrained_model_name_or_path, *vae;
    bool v2, v_parameterization;
    int64_t clip_skip;        /* 0: not told */
    int64_t max_token_length; /* 0: not told */
    bool weighted_captions;

    lyc_data_options data;
    bool masked_loss;

    /* what is trained */
    int train; /* lyc_train_target */
    const char *network_module;
    int64_t network_dim; /* 0: not told */
    double network_alpha;
    lyc_option_list network_args;
    double network_dropout; /* 0: none */
    const char *network_weights;
    bool dim_from_weights;
    lyc_option_list base_weights, base_weights_multiplier;
    double scale_weight_norms; /* 0: off */
    bool network_train_unet_only, network_train_text_encoder_only;
    bool train_text_encoder; /* of native training */
    int64_t stop_text_encoder_training;

    /* rates and optimiser */
    double learning_rate, unet_lr; /* unet_lr -1: learning_rate */
    lyc_option_list text_encoder_lr;
    double learning_rate_te; /* -1: learning_rate */
    const char *optimizer_type;
    lyc_option_list optimizer_args;
    bool use_8bit_adam, use_lion_optimizer;
    double max_grad_norm;
    const char *lr_scheduler, *lr_scheduler_type;
    lyc_option_list lr_scheduler_args;
    double lr_warmup_steps, lr_decay_steps, lr_scheduler_num_cycles, lr_scheduler_power, lr_scheduler_min_lr_ratio;
    double lr_scheduler_timescale;
    double ema_decay;
    int64_t ema_update_interval;

    /* length, memory, precision */
    int64_t max_train_steps, max_train_epochs, gradient_accumulation_steps;
    bool gradient_checkpointing;
    uint64_t memory; /* bytes; 0: no bound */
    int64_t seed;    /* -1: by chance */
    int mixed_precision, save_precision;
    bool full_fp16, full_bf16, stochastic_rounding, no_half_vae, fp8_base;

    /* noise and loss */
    double noise_offset, adaptive_noise_scale, multires_noise_discount, ip_noise_gamma;
    bool noise_offset_random_strength, ip_noise_gamma_random_strength;
    int64_t multires_noise_iterations, min_timestep, max_timestep;
    bool zero_terminal_snr, debiased_estimation_loss, scale_v_pred_loss_like_noise_pred;
    double min_snr_gamma, v_pred_like_loss;
    int loss_type, huber_schedule; /* lyc_loss_kind, lyc_huber_schedule */
    double huber_c, huber_scale;

    /* files */
    const char *output_dir, *output_name;
    int save_model_as; /* lyc_model_format */
    int64_t save_every_n_epochs, save_every_n_steps, save_n_epoch_ratio, save_last_n_epochs, save_last_n_steps;
    int64_t save_last_n_epochs_state, save_last_n_steps_state;
    bool save_state, save_state_on_train_end;
    const char *resume;
    bool resume_anyway, force;
    const char *training_comment;
    bool no_metadata;
    const char *metadata_title, *metadata_author, *metadata_description, *metadata_license, *metadata_tags;

    /* pictures on the way, logs, validation */
    const char *sample_prompts, *sample_sampler;
    int64_t sample_every_n_steps, sample_every_n_epochs;
    bool sample_at_first;
    const char *logging_dir, *log_prefix;
    int log_with; /* lyc_log_target */
    int64_t measure_every_n_steps;
    int64_t validate_every_n_steps, validate_every_n_epochs, max_validation_steps;

    bool foreign_flag; /* what rows of foreign options write to */
    const char *foreign_value;
} lyc_train_options;

/* Rows that stand for options of sd-scripts which are known and not used (foreign_options.def). */
typedef enum lyc_foreign_kind { LYC_FOREIGN_NONE, LYC_FOREIGN_NO_EFFECT, LYC_FOREIGN_NOT_POSSIBLE } lyc_foreign_kind;

typedef struct lyc_foreign_option {
    lyc_foreign_kind kind;
    const char *reason; /* why it has no effect, or what to do instead */
} lyc_foreign_option;

lyc_foreign_option lyc_train_foreign_option(const char *name);

#endif
