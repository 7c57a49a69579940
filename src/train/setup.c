/* setup.c - from options to what the rooms take
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/setup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/string.h"
#include "train/optimizer.h"

/* What is wrong so far. */
typedef struct problems {
    lyc_strbuf text;
    lyc_status status; /* of the first */
} problems;

static void complain(problems *p, lyc_status status, const char *format, ...) LYC_PRINTF(3, 4);

static void complain(problems *p, lyc_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lyc_strbuf_append(&p->text, p->text.length > 0 ? "; " : "");
    lyc_strbuf_append(&p->text, text);
    p->status = p->status == LYC_OK ? status : p->status;
}

/* --- rates ---------------------------------------------------------------------------------------------------------
 */

static double number_at(problems *p, const lyc_option_list *list, size_t index, const char *name)
{
    double value = 0;
    if (!lyc_number_parse(&value, lyc_span_of(list->items[index])) || value < 0) {
        complain(p, LYC_E_ARGUMENT, "%s '%s': expected a number that is not negative", name, list->items[index]);
    }
    return value;
}

static void set_rates(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    lyc_trainable_rates *rates = &s->trainer.rates;
    const lyc_option_list *text = &o->text_encoder_lr;
    const double text_rate = s->native && o->learning_rate_te >= 0 ? o->learning_rate_te : o->learning_rate;
    rates->unet = o->unet_lr >= 0 ? o->unet_lr : o->learning_rate;
    for (size_t i = 0; i < 2; i++) {
        rates->text[i] =
            text->count == 0 ? text_rate : number_at(p, text, i < text->count ? i : text->count - 1, "text_encoder_lr");
    }
    if (text->count > 2) {
        complain(p, LYC_E_ARGUMENT, "text_encoder_lr has %zu numbers: expected one for each text encoder, 2 at most",
                 text->count);
    }
}

static void choose_what(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    const lyc_trainable_rates *rates = &s->trainer.rates;
    if (o->network_train_unet_only && o->network_train_text_encoder_only) {
        complain(p, LYC_E_ARGUMENT, "network_train_unet_only and network_train_text_encoder_only leave nothing");
    }
    s->trains_unet = rates->unet > 0 && !(o->network_train_text_encoder_only && !s->native);
    for (int i = 0; i < 2; i++) {
        const bool wanted = s->native ? o->train_text_encoder : !o->network_train_unet_only;
        s->trains_text[i] = wanted && rates->text[i] > 0;
    }
    if (!s->trains_unet && !s->trains_text[0] && !s->trains_text[1]) {
        complain(p, LYC_E_ARGUMENT, "nothing is trained: all rates are 0");
    }
}

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

static bool has_argument(const lyc_option_list *args, const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 0; i < args->count; i++) {
        if (strncmp(args->items[i], name, length) == 0 && args->items[i][length] == '=') {
            return true;
        }
    }
    return false;
}

static bool add_argument(lyc_train_setup *s, const char *text)
{
    s->network_args[s->network_arg_count++] = text;
    return text != NULL;
}

/* What sd-scripts' own networks choose, in LyCORIS' words. */
static bool add_module(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    const bool conv = has_argument(&o->network_args, "conv_dim");
    if (strncmp(o->network_module, "lycoris.", strlen("lycoris.")) == 0) {
        return true;
    }
    if (strcmp(o->network_module, "networks.lora") != 0 && strcmp(o->network_module, "networks.dylora") != 0) {
        complain(p, LYC_E_UNSUPPORTED,
                 "network_module '%s' is unknown: expected lycoris.kohya (with network_args algo=...), networks.lora "
                 "or networks.dylora",
                 o->network_module);
        return true;
    }
    const bool dynamic = strcmp(o->network_module, "networks.dylora") == 0;
    bool complete = true;
    if (!has_argument(&o->network_args, "preset")) {
        complete = add_argument(s, conv ? "preset=full" : "preset=attn-mlp");
    }
    if (dynamic && !has_argument(&o->network_args, "algo")) {
        complete = complete && add_argument(s, "algo=dylora");
    }
    return complete;
}

static lyc_status set_network(lyc_train_setup *s, problems *p, lyc_error *err)
{
    const lyc_train_options *o = s->options;
    char number[LYC_NUMBER];
    bool complete = true;
    s->network_args = lyc_arena_alloc(&s->arena, o->network_args.count + 8, sizeof *s->network_args);
    if (s->network_args == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for network arguments");
    }
    for (size_t i = 0; i < o->network_args.count; i++) {
        add_argument(s, o->network_args.items[i]);
    }
    complete = add_module(s, p);
    if (o->network_dim > 0) {
        complete =
            complete && add_argument(s, lyc_arena_format(&s->arena, "network_dim=%lld", (long long)o->network_dim));
    }
    lyc_number_format(number, o->network_alpha);
    complete = complete && add_argument(s, lyc_arena_format(&s->arena, "network_alpha=%s", number));
    if (o->network_dropout > 0 && !has_argument(&o->network_args, "dropout")) {
        lyc_number_format(number, o->network_dropout);
        complete = complete && add_argument(s, lyc_arena_format(&s->arena, "dropout=%s", number));
    }
    return complete ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for network arguments");
}

static void set_base_weights(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    if (o->base_weights.count > LYC_BASE_WEIGHTS) {
        complain(p, LYC_E_ARGUMENT, "base_weights has %zu files: expected %d at most", o->base_weights.count,
                 LYC_BASE_WEIGHTS);
    }
    if (o->base_weights_multiplier.count > o->base_weights.count) {
        complain(p, LYC_E_ARGUMENT, "base_weights_multiplier has %zu numbers for %zu base_weights",
                 o->base_weights_multiplier.count, o->base_weights.count);
    }
    for (size_t i = 0; i < LYC_BASE_WEIGHTS; i++) {
        double value = 1;
        if (i < o->base_weights_multiplier.count &&
            !lyc_number_parse(&value, lyc_span_of(o->base_weights_multiplier.items[i]))) {
            complain(p, LYC_E_ARGUMENT, "base_weights_multiplier '%s' is not a number",
                     o->base_weights_multiplier.items[i]);
        }
        s->base_multipliers[i] = value;
    }
    if (s->native && (o->base_weights.count > 0 || o->network_weights != NULL)) {
        complain(p, LYC_E_UNSUPPORTED, "base_weights and network_weights beside --train native: merge them before");
    }
    if (o->dim_from_weights && o->network_weights == NULL) {
        complain(p, LYC_E_ARGUMENT, "dim_from_weights without network_weights");
    }
}

/* --- the rest ------------------------------------------------------------------------------------------------------
 */

static void set_model(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    const bool low = o->mixed_precision == LYC_MIXED_BF16;
    if (o->pretrained_model_name_or_path == NULL) {
        complain(p, LYC_E_ARGUMENT, "--model is missing: a diffusers folder or a .safetensors file");
    }
    if (o->max_token_length != 0 && o->max_token_length != 75 && o->max_token_length != 150 &&
        o->max_token_length != 225) {
        complain(p, LYC_E_ARGUMENT, "max_token_length %lld: expected 75, 150 or 225", (long long)o->max_token_length);
    }
    s->model = (lyc_train_model_options){
        .model = o->pretrained_model_name_or_path,
        .vae = o->vae,
        .precision = low ? LYC_PRECISION_BF16 : LYC_PRECISION_F32,
        .vae_precision = low && !o->no_half_vae ? LYC_PRECISION_BF16 : LYC_PRECISION_F32,
        .v_parameterization = o->v_parameterization,
        .zero_terminal_snr = o->zero_terminal_snr,
        .clip_skip = (int)o->clip_skip,
        .chunks = o->max_token_length > 75 ? (int)o->max_token_length / 75 : 1,
        .weighted_captions = o->weighted_captions,
    };
}

static void set_noise(lyc_train_setup *s)
{
    const lyc_train_options *o = s->options;
    s->trainer.noise = (lyc_batch_noise_options){
        .noise_offset = o->noise_offset,
        .noise_offset_random_strength = o->noise_offset_random_strength,
        .adaptive_noise_scale = o->adaptive_noise_scale,
        .multires_noise_iterations = (int)o->multires_noise_iterations,
        .multires_noise_discount = o->multires_noise_discount,
        .ip_noise_gamma = o->ip_noise_gamma,
        .ip_noise_gamma_random_strength = o->ip_noise_gamma_random_strength,
        .min_timestep = (int)o->min_timestep,
        .max_timestep = (int)o->max_timestep,
        .min_snr_gamma = o->min_snr_gamma,
        .scale_v_pred_loss_like_noise_pred = o->scale_v_pred_loss_like_noise_pred,
        .v_pred_like_loss = o->v_pred_like_loss,
        .debiased_estimation_loss = o->debiased_estimation_loss,
        .huber_schedule = (lyc_huber_schedule)o->huber_schedule,
        .huber_c = o->huber_c,
        .huber_scale = o->huber_scale,
    };
    s->trainer.loss = (lyc_loss_kind)o->loss_type;
}

static void set_optimizer(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    lyc_trainer_options *t = &s->trainer;
    t->optimizer = o->optimizer_type;
    t->optimizer_args = o->optimizer_args.items;
    t->optimizer_arg_count = o->optimizer_args.count;
    if (o->lr_scheduler_type != NULL && o->lr_scheduler_type[0] != '\0') {
        complain(p, LYC_E_UNSUPPORTED,
                 "lr_scheduler_type '%s': schedules of other libraries are not offered, "
                 "lr_scheduler names those that are",
                 o->lr_scheduler_type);
    }
    t->schedule = (lyc_lr_request){.name = o->lr_scheduler,
                                   .warmup_steps = o->lr_warmup_steps,
                                   .decay_steps = o->lr_decay_steps,
                                   .cycles = o->lr_scheduler_num_cycles,
                                   .power = o->lr_scheduler_power,
                                   .min_ratio = o->lr_scheduler_min_lr_ratio,
                                   .timescale = o->lr_scheduler_timescale};
    for (size_t i = 0; i < o->lr_scheduler_args.count; i++) {
        static const char rules[] = "step_rules=";
        const char *argument = o->lr_scheduler_args.items[i];
        if (strncmp(argument, rules, sizeof rules - 1) == 0) {
            t->schedule.step_rules = argument + sizeof rules - 1;
        } else {
            complain(p, LYC_E_ARGUMENT, "lr_scheduler_args '%s': expected step_rules=...", argument);
        }
    }
}

static void set_trainer(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    lyc_trainer_options *t = &s->trainer;
    t->max_train_steps = o->max_train_steps;
    t->max_train_epochs = o->max_train_epochs;
    t->gradient_accumulation_steps = o->gradient_accumulation_steps;
    t->max_grad_norm = o->max_grad_norm;
    t->masked_loss = o->masked_loss || o->data.subset.alpha_mask;
    t->memory_bytes = (size_t)o->memory;
    t->scale_weight_norms = o->scale_weight_norms;
    t->ema_decay = o->ema_decay;
    t->ema_update_interval = o->ema_update_interval;
    t->save_every_n_epochs = o->save_every_n_epochs;
    t->save_every_n_steps = o->save_every_n_steps;
    t->validate_every_n_steps = o->validate_every_n_steps;
    t->validate_every_n_epochs = o->validate_every_n_epochs;
    t->max_validation_steps = o->max_validation_steps;
    t->validation_seed = o->data.dataset.validation_seed > 0 ? (uint64_t)o->data.dataset.validation_seed : 0;
    t->sample_at_first = o->sample_at_first;
    t->sample_every_n_epochs = o->sample_every_n_epochs;
    t->sample_every_n_steps = o->sample_every_n_steps;
    t->measure_every_steps = o->measure_every_n_steps;
    t->native_unet = s->native && s->trains_unet;
    t->native_text[0] = s->native && s->trains_text[0];
    t->native_text[1] = s->native && s->trains_text[1];
    t->seed = s->data.seed = (uint64_t)o->seed;
    if (o->save_n_epoch_ratio > 0 && o->save_every_n_epochs > 0) {
        complain(p, LYC_E_ARGUMENT, "save_n_epoch_ratio and save_every_n_epochs: one of them");
    }
    if (o->ema_decay >= 1) {
        complain(p, LYC_E_ARGUMENT, "ema_decay 1 would keep the start values: expected less, as 0.999");
    }
    if ((t->sample_at_first || t->sample_every_n_epochs > 0 || t->sample_every_n_steps > 0) &&
        o->sample_prompts == NULL) {
        complain(p, LYC_E_ARGUMENT,
                 "sample_at_first, sample_every_n_steps and sample_every_n_epochs need sample_prompts");
    }
    if (s->native && o->sample_prompts != NULL) {
        complain(p, LYC_E_UNSUPPORTED, "sample_prompts beside --train native: make pictures of the saved files");
    }
}

static void set_files(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    const lyc_dtype trained = o->full_bf16 ? LYC_BF16 : o->full_fp16 ? LYC_F16 : LYC_F32;
    const lyc_dtype types[] = {[LYC_SAVE_AS_TRAINED] = trained,
                               [LYC_SAVE_FLOAT] = LYC_F32,
                               [LYC_SAVE_FP16] = LYC_F16,
                               [LYC_SAVE_BF16] = LYC_BF16};
    s->save_dtype = types[o->save_precision];
    s->save_as_stored = o->save_precision == LYC_SAVE_AS_TRAINED;
    if (o->output_name[0] == '\0' || strchr(o->output_name, '/') != NULL || o->output_name[0] == '.') {
        complain(p, LYC_E_ARGUMENT, "output_name '%s': expected a name without folder, which is output_dir",
                 o->output_name);
    }
}

static void set_precision(lyc_train_setup *s, problems *p)
{
    const lyc_train_options *o = s->options;
    s->trainer.full_bf16 = o->full_bf16;
    s->trainer.full_fp16 = o->full_fp16;
    s->trainer.loss_scaling = o->mixed_precision == LYC_MIXED_FP16;
    s->trainer.stochastic_rounding = o->stochastic_rounding;
    if (o->full_bf16 && o->mixed_precision != LYC_MIXED_BF16) {
        complain(p, LYC_E_ARGUMENT, "full_bf16 needs mixed_precision bf16");
    }
    if (o->full_fp16 && o->mixed_precision != LYC_MIXED_FP16) {
        complain(p, LYC_E_ARGUMENT, "full_fp16 needs mixed_precision fp16");
    }
    if (o->stochastic_rounding && !o->full_bf16 && !o->full_fp16) {
        complain(p, LYC_E_ARGUMENT,
                 "stochastic_rounding without full_bf16 or full_fp16: numbers of f32 are not rounded");
    }
    if (o->fp8_base) {
        complain(p, LYC_E_UNSUPPORTED, "fp8_base: frozen weights keep the type of their file; leave it out");
    }
}

static lyc_status note(const lyc_train_setup *s, lyc_train_config *config, lyc_error *err)
{
    const lyc_train_options *o = s->options;
    if (o->mixed_precision == LYC_MIXED_FP16) {
        LYC_TRY(
            lyc_train_config_note(config, err,
                                  "mixed_precision fp16: computed in f32 here, with the loss scale of fp16; bf16 is "
                                  "faster and takes half the memory"));
    }
    if (o->full_bf16 && !o->stochastic_rounding) {
        LYC_TRY(lyc_train_config_note(config, err,
                                      "full_bf16: changes of less than 1/512 of a number are lost; stochastic_rounding "
                                      "keeps them in the mean"));
    }
    if (o->log_with == LYC_LOG_WANDB) {
        LYC_TRY(lyc_train_config_note(config, err, "log_with wandb: TensorBoard files are written instead"));
    }
    if (lyc_train_config_source(config, "learning_rate") == LYC_FROM_STANDARD &&
        lyc_train_config_source(config, "unet_lr") == LYC_FROM_STANDARD && s->trains_unet) {
        LYC_TRY(lyc_train_config_note(config, err, "no learning_rate was given: 2e-6 changes little"));
    }
    const lyc_optimizer_entry *optimizer = lyc_optimizer_find(s->trainer.optimizer);
    const char *doubt = optimizer != NULL ? lyc_optimizer_doubt(optimizer, s->trainer.rates.unet) : NULL;
    return doubt != NULL && s->trains_unet ? lyc_train_config_note(config, err, "a rate of %g: %s %s",
                                                                   s->trainer.rates.unet, s->trainer.optimizer, doubt)
                                           : LYC_OK;
}

/* --algo and --preset are short for network arguments. */
static lyc_status lengthen(lyc_train_config *config, const char *name, const char **value, lyc_error *err)
{
    const lyc_option_source source = lyc_train_config_source(config, "network_args");
    char text[1024];
    if (*value == NULL) {
        return LYC_OK;
    }
    if (has_argument(&config->options.network_args, name)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s is given twice: by --%s and in network_args", name, name);
    }
    snprintf(text, sizeof text, "%s=%s", name, *value);
    *value = NULL;
    return lyc_train_config_give(config, lyc_train_option_find("network_args"), text,
                                 source > LYC_FROM_CHOICE ? source : LYC_FROM_CHOICE, err);
}

/* Short and old names become the ones that files have. */
static lyc_status renew(lyc_train_config *config, lyc_error *err)
{
    lyc_train_options *o = &config->options;
    const char *name = o->use_8bit_adam ? "AdamW8bit" : o->use_lion_optimizer ? "Lion" : NULL;
    if (o->use_8bit_adam && o->use_lion_optimizer) {
        return lyc_fail(err, LYC_E_ARGUMENT, "use_8bit_adam and use_lion_optimizer: one of them, or optimizer_type");
    }
    LYC_TRY(lengthen(config, "algo", &o->algo, err));
    LYC_TRY(lengthen(config, "preset", &o->preset, err));
    o->use_8bit_adam = o->use_lion_optimizer = false;
    return name != NULL
               ? lyc_train_config_give(config, lyc_train_option_find("optimizer_type"), name, LYC_FROM_USER, err)
               : LYC_OK;
}

lyc_status lyc_train_setup_make(lyc_train_setup *out, lyc_train_config *config, lyc_error *err)
{
    problems p = {0};
    LYC_TRY(renew(config, err));
    *out = (lyc_train_setup){.options = &config->options, .data = config->options.data};
    out->native = config->options.train == LYC_TRAIN_NATIVE;
    set_model(out, &p);
    set_rates(out, &p);
    choose_what(out, &p);
    set_noise(out);
    set_optimizer(out, &p);
    set_trainer(out, &p);
    set_base_weights(out, &p);
    set_files(out, &p);
    set_precision(out, &p);
    lyc_status status = set_network(out, &p, err);
    status = status == LYC_OK ? lyc_strbuf_check(&p.text, "what is wrong with options", err) : status;
    if (status == LYC_OK && p.status != LYC_OK) {
        status = lyc_fail(err, p.status, "%s", lyc_strbuf_text(&p.text));
    }
    lyc_strbuf_clear(&p.text);
    status = status == LYC_OK ? note(out, config, err) : status;
    if (status != LYC_OK) {
        lyc_train_setup_clear(out);
    }
    return status;
}

void lyc_train_setup_clear(lyc_train_setup *setup)
{
    lyc_arena_clear(&setup->arena);
    *setup = (lyc_train_setup){0};
}
