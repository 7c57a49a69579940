/* train_model.c - the model that a run trains
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/train_model.h"

#include <string.h>

#include "backend/cpu/default.h"
#include "base/memory.h"

/* --- opening -------------------------------------------------------------------------------------------------------
 */

static lyc_status add_part(lyc_train_model *m, const lyc_component *component, const char *prefix, lyc_error *err)
{
    lyc_inventory *inventory = &m->inventories[m->part_count];
    const lyc_component_kind kind = lyc_component_kind_of(component);
    m->parts[m->part_count] = (lyc_network_part){inventory, component};
    m->selected[m->part_count++] = (lyc_selection_part){inventory, prefix};
    return kind == LYC_COMPONENT_UNET
               ? lyc_inventory_unet(inventory, lyc_component_unet(component), LYC_NAMING_TRAINER, err)
               : lyc_inventory_text(inventory, lyc_component_kind_name(kind), lyc_component_clip_text(component), err);
}

static lyc_status add_parts(lyc_train_model *m, lyc_error *err)
{
    static const char *const prefixes[2][2] = {{"lora_te", NULL}, {"lora_te1", "lora_te2"}};
    for (int i = 0; i < (m->networks.is_xl ? 2 : 1); i++) {
        LYC_TRY(add_part(m, m->networks.text[i], prefixes[m->networks.is_xl][i], err));
    }
    return add_part(m, m->networks.unet, "lora_unet", err);
}

static lyc_status find_networks(lyc_train_model *m, lyc_error *err)
{
    static const lyc_component_kind needed[] = {LYC_COMPONENT_UNET, LYC_COMPONENT_VAE, LYC_COMPONENT_TEXT_ENCODER,
                                                LYC_COMPONENT_TEXT_ENCODER_2};
    m->networks.is_xl = lyc_checkpoint_family(m->checkpoint) == LYC_FAMILY_SDXL;
    for (int i = 0; i < (m->networks.is_xl ? 4 : 3); i++) {
        if (lyc_checkpoint_component(m->checkpoint, needed[i]) == NULL) {
            return lyc_fail(err, LYC_E_FORMAT, "%s has no %s", m->options.model, lyc_component_kind_name(needed[i]));
        }
    }
    m->networks.unet = lyc_checkpoint_component(m->checkpoint, LYC_COMPONENT_UNET);
    m->vae = lyc_checkpoint_component(m->checkpoint, LYC_COMPONENT_VAE);
    m->networks.text[0] = lyc_checkpoint_component(m->checkpoint, LYC_COMPONENT_TEXT_ENCODER);
    m->networks.text[1] =
        m->networks.is_xl ? lyc_checkpoint_component(m->checkpoint, LYC_COMPONENT_TEXT_ENCODER_2) : NULL;
    m->factor = lyc_vae_factor(lyc_component_vae(m->vae));
    m->channels = lyc_component_vae(m->vae)->latent_channels;
    const int expected = lyc_component_unet(m->networks.unet)->out_channels;
    return m->channels == expected ? LYC_OK
                                   : lyc_fail(err, LYC_E_UNSUPPORTED, "a U-Net of %d output channels with a VAE of %d",
                                              expected, m->channels);
}

static lyc_status set_schedule(lyc_train_model *m, lyc_error *err)
{
    m->scheduler = *lyc_checkpoint_scheduler(m->checkpoint);
    if (m->options.v_parameterization) {
        m->scheduler.prediction = LYC_PREDICTION_V;
        m->scheduler.prediction_told = true;
    }
    m->scheduler.rescale_zero_snr = m->scheduler.rescale_zero_snr || m->options.zero_terminal_snr;
    return lyc_schedule_init(&m->schedule, &m->scheduler, err);
}

static lyc_runner_options runner_options(lyc_precision precision)
{
    return (lyc_runner_options){.precision = precision, .backend = lyc_backend_default()};
}

static lyc_status open_encoders(lyc_train_model *m, lyc_error *err)
{
    const lyc_runner_options options = runner_options(m->options.precision);
    return lyc_text_encoders_init(&m->encoders, m->checkpoint, &options, err);
}

static lyc_status open_model(lyc_train_model *m, lyc_error *err)
{
    lyc_checkpoint_options files = {0};
    files.parts[LYC_COMPONENT_VAE] = m->options.vae;
    LYC_TRY(lyc_checkpoint_open(&m->checkpoint, m->options.model, &files, err));
    LYC_TRY(find_networks(m, err));
    LYC_TRY(set_schedule(m, err));
    LYC_TRY(open_encoders(m, err));
    const int64_t inner = lyc_train_model_length(m, 0) - 2;
    m->tokens = m->options.chunks * inner + 2;
    for (int i = 0; i < m->encoders.count; i++) {
        const lyc_clip_text_config *config = m->encoders.encoder[i].config;
        if (m->options.clip_skip < 1 ||
            lyc_text_layer(m->networks.is_xl, i, m->options.clip_skip).skip >= config->layers) {
            return lyc_fail(err, LYC_E_ARGUMENT, "clip_skip %d, expected 1 to %d", m->options.clip_skip,
                            config->layers);
        }
    }
    return add_parts(m, err);
}

lyc_status lyc_train_model_open(lyc_train_model **out, const lyc_train_model_options *options, lyc_error *err)
{
    lyc_train_model *m = lyc_alloc_zero(1, sizeof *m);
    if (m == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a model");
    }
    m->options = *options;
    m->options.clip_skip = options->clip_skip > 0 ? options->clip_skip : 1;
    m->options.chunks = options->chunks > 0 ? options->chunks : 1;
    const lyc_status status = open_model(m, err);
    if (status != LYC_OK) {
        lyc_train_model_close(m);
        return status;
    }
    *out = m;
    return LYC_OK;
}

void lyc_train_model_close(lyc_train_model *m)
{
    if (m == NULL) {
        return;
    }
    lyc_vae_runner_free(m->vae_runner);
    lyc_text_encoders_clear(&m->encoders);
    for (size_t i = 0; i < m->states.count; i++) {
        lyc_conditions *kept = m->states.entries[i].value;
        lyc_conditions_clear(kept);
        lyc_free(kept);
    }
    lyc_hashmap_clear(&m->states);
    for (size_t i = 0; i < m->part_count; i++) {
        lyc_inventory_clear(&m->inventories[i]);
    }
    lyc_schedule_clear(&m->schedule);
    lyc_checkpoint_close(m->checkpoint);
    lyc_free(m);
}

lyc_status lyc_train_model_rest(lyc_train_model *m, lyc_error *err)
{
    lyc_vae_runner_free(m->vae_runner);
    m->vae_runner = NULL;
    lyc_text_encoders_clear(&m->encoders);
    lyc_checkpoint_release_pages(m->checkpoint);
    return open_encoders(m, err);
}

/* --- texts ---------------------------------------------------------------------------------------------------------
 */

int64_t lyc_train_model_length(const lyc_train_model *m, int index)
{
    return m->encoders.encoder[index].config->max_positions;
}

static lyc_sequence_options sequences_of(const lyc_train_model *m, int index)
{
    return (lyc_sequence_options){.style = LYC_SEQUENCE_TRAINER,
                                  .length = m->encoders.encoder[index].config->max_positions,
                                  .chunks = m->options.chunks};
}

/* What the encoders say of a caption: asked once. */
static lyc_status conditions_of(const lyc_conditions **out, lyc_train_model *m, const char *caption, lyc_error *err)
{
    lyc_conditions *kept = lyc_hashmap_get(&m->states, lyc_span_of(caption));
    if (kept == NULL) {
        const lyc_text_request request = {.prompt = caption,
                                          .plain = !m->options.weighted_captions,
                                          .clip_skip = m->options.clip_skip,
                                          .sequences = sequences_of(m, 0)};
        kept = lyc_alloc_zero(1, sizeof *kept);
        if (kept == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the states of captions");
        }
        lyc_status status = lyc_conditions_make(kept, &m->encoders, &request, err);
        if (status == LYC_OK && !lyc_hashmap_put(&m->states, lyc_span_of(caption), kept)) {
            status = lyc_fail(err, LYC_E_MEMORY, "no memory for the states of captions");
            lyc_conditions_clear(kept);
        }
        if (status != LYC_OK) {
            lyc_free(kept);
            return status;
        }
    }
    *out = kept;
    return LYC_OK;
}

lyc_status lyc_train_model_states(float *states, float *pooled, lyc_train_model *m, const char *const *captions,
                                  int64_t n, lyc_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        const lyc_conditions *c = NULL;
        LYC_TRY(conditions_of(&c, m, captions[i], err));
        const size_t size = c->tokens * c->width;
        memcpy(states + (size_t)i * size, c->states, size * sizeof *states);
        if (c->pooled != NULL && pooled != NULL) {
            memcpy(pooled + (size_t)i * c->pooled_width, c->pooled, c->pooled_width * sizeof *pooled);
        }
    }
    return LYC_OK;
}

static lyc_status ids_of(int32_t *ids, int32_t *eos, const lyc_train_model *m, int index, const char *caption,
                         lyc_error *err)
{
    lyc_prompt prompt;
    lyc_sequences s = {0};
    const lyc_sequence_options options = sequences_of(m, index);
    const lyc_tokenizer *tokenizer = m->encoders.encoder[index].tokenizer;
    LYC_TRY(lyc_prompt_parse(&prompt, lyc_span_of(caption), NULL, err));
    const lyc_status status = lyc_sequences_make(&s, tokenizer, &prompt.conditions[0].items, &options, err);
    if (status == LYC_OK) {
        memcpy(ids, s.ids, s.count * s.length * sizeof *ids);
        for (size_t k = 0; k < s.count; k++) {
            eos[k] = (int32_t)lyc_sequences_end(&s, tokenizer, k);
        }
    }
    lyc_sequences_clear(&s);
    lyc_prompt_clear(&prompt);
    return status;
}

lyc_status lyc_train_model_ids(int32_t *ids, int32_t *eos, const lyc_train_model *m, int index,
                               const char *const *captions, int64_t n, lyc_error *err)
{
    const int64_t chunks = m->options.chunks;
    const int64_t size = chunks * lyc_train_model_length(m, index);
    for (int64_t i = 0; i < n; i++) {
        LYC_TRY(ids_of(ids + i * size, eos + i * chunks, m, index, captions[i], err));
    }
    return LYC_OK;
}

/* --- pictures ------------------------------------------------------------------------------------------------------
 */

lyc_status lyc_train_model_encode(float *moments, lyc_train_model *m, const float *images, int64_t n, int64_t h,
                                  int64_t w, lyc_error *err)
{
    if (m->vae_runner == NULL) {
        const lyc_runner_options options = runner_options(m->options.vae_precision);
        LYC_TRY(lyc_vae_runner_new(&m->vae_runner, m->vae, &options, NULL, err));
    }
    return lyc_vae_runner_encode(moments, m->vae_runner, images, n, h, w, err);
}
