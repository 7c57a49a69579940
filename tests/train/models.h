/* models.h - small models with adapters to train, and batches for them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_TRAIN_MODELS_H
#define TESTS_TRAIN_MODELS_H

#include "backend/cpu/default.h"
#include "model/networks.h"
#include "tensor/random.h"
#include "train/batch_noise.h"
#include "train/step.h"

enum { TOKENS = 77, CHANNELS = 4 };

/* A model with its inventories: text encoders, then the U-Net. */
typedef struct model {
    lyc_step_model networks;
    lyc_inventory inventories[3];
    lyc_network_part parts[3];
    lyc_selection_part selected[3];
    size_t count;
} model;

static inline void add_part(model *m, const lyc_component *component, const char *prefix)
{
    lyc_error err;
    const lyc_component_kind kind = lyc_component_kind_of(component);
    lyc_inventory *inventory = &m->inventories[m->count];
    must(kind == LYC_COMPONENT_UNET
             ? lyc_inventory_unet(inventory, lyc_component_unet(component), LYC_NAMING_TRAINER, &err)
             : lyc_inventory_text(inventory, lyc_component_kind_name(kind), lyc_component_clip_text(component), &err),
         &err);
    m->parts[m->count] = (lyc_network_part){inventory, component};
    m->selected[m->count++] = (lyc_selection_part){inventory, prefix};
}

static inline void model_open(model *m, bool xl)
{
    *m = (model){.networks = {.is_xl = xl}};
    lyc_step_model *n = &m->networks;
    if (xl) {
        n->unet = open_component(LYC_COMPONENT_UNET, SDXL "config.json", SDXL "unet.safetensors");
        n->text[0] = open_component(LYC_COMPONENT_TEXT_ENCODER, SDXL "text_encoder_config.json",
                                    SDXL "text_encoder.safetensors");
        n->text[1] = open_component(LYC_COMPONENT_TEXT_ENCODER_2, SDXL "text_encoder_2_config.json",
                                    SDXL "text_encoder_2.safetensors");
        add_part(m, n->text[0], "lora_te1");
        add_part(m, n->text[1], "lora_te2");
    } else {
        n->unet = open_component(LYC_COMPONENT_UNET, NULL, SD15 "unet");
        n->text[0] = open_component(LYC_COMPONENT_TEXT_ENCODER, NULL, SD15 "text_encoder");
        add_part(m, n->text[0], "lora_te");
    }
    add_part(m, n->unet, "lora_unet");
}

static inline void model_close(model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        lyc_inventory_clear(&m->inventories[i]);
    }
    lyc_component_close((lyc_component *)(uintptr_t)m->networks.unet);
    lyc_component_close((lyc_component *)(uintptr_t)m->networks.text[0]);
    lyc_component_close((lyc_component *)(uintptr_t)m->networks.text[1]);
}

/* New adapters of a preset for the U-Net, or for text encoders too; arguments as in network_args, NULL-terminated. */
static inline lyc_network *network_open(const model *m, const char *preset_name, bool text, const char *const *texts,
                                        size_t samples)
{
    lyc_error err;
    lyc_network *network = NULL;
    lyc_preset preset;
    lyc_network_args args;
    lyc_selection selection;
    size_t count = 0;
    while (texts[count] != NULL) {
        count++;
    }
    const size_t first = text ? 0 : m->count - 1;
    must(lyc_preset_built_in(&preset, preset_name, &err), &err);
    must(lyc_network_args_parse(&args, texts, count, &err), &err);
    must(lyc_selection_make(&selection, m->selected + first, m->count - first, &preset, &args, NULL, &err), &err);
    must(lyc_network_new(&network, LYC_NETWORK_TRAINED, &err), &err);
    must(lyc_network_set_samples(network, samples, &err), &err);
    must(lyc_network_add_selection(NULL, network, &selection, m->parts, m->count, 7, &err), &err);
    lyc_selection_clear(&selection);
    lyc_network_args_clear(&args);
    lyc_preset_clear(&preset);
    return network;
}

/* Small changes of all numbers, so that none of the factors is zero. */
static inline void disturb(const lyc_trainables *set, float size)
{
    for (size_t i = 0; i < set->count; i++) {
        const lyc_native_random random = {.seed = 5, .purpose = LYC_RANDOM_INIT, .step = (uint32_t)i};
        for (int64_t k = 0; k < set->rows[i].count; k++) {
            set->rows[i].value[k] += size * (2.0f * lyc_native_random_uniform(&random, (uint64_t)k) - 1.0f);
        }
    }
}

/* A batch: latents with noise, and text states or ids. */
typedef struct batch {
    lyc_step_input input;
    lyc_batch_noise noise;
    lyc_schedule schedule;
    float *latents, *states, *pooled, *weights;
    float sizes[4 * 6];
    int32_t *ids, *eos;
} batch;

static inline void batch_make(batch *b, const lyc_step_model *m, int64_t n, int64_t h, int64_t w, int64_t chunks)
{
    lyc_error err;
    const lyc_unet_config *config = lyc_component_unet(m->unet);
    const lyc_scheduler_config scheduler = {
        .train_timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.012, .beta_schedule = LYC_BETA_SCALED_LINEAR};
    const lyc_batch_noise_options options = LYC_BATCH_NOISE_DEFAULT;
    *b = (batch){0};
    must(lyc_schedule_init(&b->schedule, &scheduler, &err), &err);
    b->latents = numbers((size_t)(n * h * w * CHANNELS), 11);
    const lyc_batch_noise_request request = {
        .options = &options,
        .schedule = &b->schedule,
        .seed = 3,
        .step = 1,
        .timestep = -1,
        .shape = {(size_t)n, (size_t)h, (size_t)w, CHANNELS},
        .latents = b->latents,
    };
    must(lyc_batch_noise_draw(&b->noise, &request, &err), &err);
    const int64_t tokens = 75 * chunks + 2;
    b->states = numbers((size_t)(n * tokens * config->mid_cross_dim), 12);
    b->pooled = numbers((size_t)(n * 256), 13);
    b->weights = lyc_alloc((size_t)n * sizeof *b->weights);
    b->ids = lyc_alloc((size_t)(n * chunks * TOKENS) * sizeof *b->ids);
    b->eos = lyc_alloc_zero((size_t)(n * chunks), sizeof *b->eos);
    for (int64_t i = 0; i < n * chunks * TOKENS; i++) {
        b->ids[i] = (int32_t)(i * 7919 % 900);
    }
    for (int64_t i = 0; i < n * chunks; i++) {
        b->eos[i] = (int32_t)(TOKENS - 1 - 5 * i);
    }
    for (int64_t i = 0; i < n; i++) {
        b->weights[i] = 1.0f / (float)n;
        for (int k = 0; k < 6; k++) {
            b->sizes[i * 6 + k] = (float)(64 * (k % 2) + 64);
        }
    }
    b->input = (lyc_step_input){
        .n = n,
        .h = h,
        .w = w,
        .noisy = b->noise.noisy,
        .target = b->noise.target,
        .timesteps = b->noise.timesteps,
        .huber = b->noise.huber,
        .weights = b->weights,
        .sizes = b->sizes,
        .seed = 1,
        .tokens = tokens,
        .states = b->states,
        .pooled = b->pooled,
        .chunks = chunks,
        .ids = {b->ids, b->ids},
        .eos = {b->eos, b->eos},
    };
}

static inline void batch_clear(batch *b)
{
    lyc_batch_noise_clear(&b->noise);
    lyc_schedule_clear(&b->schedule);
    lyc_free(b->latents);
    lyc_free(b->states);
    lyc_free(b->pooled);
    lyc_free(b->weights);
    lyc_free(b->ids);
    lyc_free(b->eos);
}

#endif
