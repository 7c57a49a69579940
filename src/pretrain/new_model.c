/* new_model.c - a model folder with start values, from a folder of configurations
 *
 * Networks are what their configurations say; their tensors are what the builders ask for. A model's text encoder is
 * the text tower of its CLIP when there is a clip/: then both files have the same numbers, as in the models that Stable
 * Diffusion began with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/folder.h"
#include "base/path.h"
#include "checkpoint/component.h"
#include "checkpoint/config_read.h"
#include "checkpoint/source.h"
#include "lycoris/pretrain.h"
#include "model/clip_text.h"
#include "model/unet.h"
#include "model/vae.h"
#include "pretrain/clip_pair.h"
#include "pretrain/new_weights.h"
#include "pretrain/vocabulary_part.h"

enum { MOST_CAPTIONS = 256 << 20 };

typedef struct making {
    const lyc_new_model_options *options;
    lyc_new_model_report *report;
    const char *folder; /* where it is built */
    lyc_vocabulary_part vocabulary;
    bool has_clip;
    lyc_arena arena;
} making;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a new model");
}

/* --- what the builders ask for -------------------------------------------------------------------------------------
 */

static lyc_value *input(lyc_graph *g, const char *name, lyc_shape shape)
{
    return lyc_graph_input(g, name, LYC_ACTIVATION, shape);
}

static void build_unet(lyc_module *m, const lyc_unet_config *c)
{
    lyc_unet_keys keys;
    const int64_t side = (int64_t)1 << (c->level_count - 1);
    const bool xl = c->addition_time_dim > 0;
    const int64_t pooled = c->addition_input_dim - 6 * (int64_t)c->addition_time_dim;
    lyc_graph *g = m->graph;
    lyc_unet_context(&keys, m, c, input(g, "states", LYC_SHAPE(1, 1, c->mid_cross_dim)));
    const lyc_unet_inputs in = {
        .latents = input(g, "latents", LYC_SHAPE(1, side, side, c->in_channels)),
        .timesteps = lyc_graph_input(g, "timesteps", LYC_FLOAT, LYC_SHAPE(1)),
        .keys = &keys,
        .pooled = xl ? input(g, "pooled", LYC_SHAPE(1, pooled)) : NULL,
        .sizes = xl ? lyc_graph_input(g, "sizes", LYC_FLOAT, LYC_SHAPE(1, 6)) : NULL,
        .guidance = c->time_cond_dim > 0 ? input(g, "guidance", LYC_SHAPE(1, c->time_cond_dim)) : NULL,
    };
    lyc_unet_forward(m, c, &in);
}

static void build_vae(lyc_module *m, const lyc_vae_config *c)
{
    const int64_t side = lyc_vae_factor(c);
    lyc_vae_encode(m, c, input(m->graph, "images", LYC_SHAPE(1, side, side, c->in_channels)));
    lyc_vae_decode(m, c, input(m->graph, "z", LYC_SHAPE(1, 1, 1, c->latent_channels)));
}

static void build_text(lyc_module *m, const lyc_clip_text_config *c)
{
    lyc_value *ids = lyc_graph_input(m->graph, "ids", LYC_INDEX, LYC_SHAPE(1, c->max_positions));
    lyc_value *eos = lyc_graph_input(m->graph, "eos", LYC_INDEX, LYC_SHAPE(1));
    const lyc_clip_text_request request = {.final_norm = true, .pooled = c->projection_dim > 0};
    lyc_clip_text(m, c, ids, eos, &request);
}

/* A network by its configuration. */
typedef struct network {
    const char *folder;      /* in the model; also the name of the component here */
    const char *file;        /* of its weights */
    lyc_component_kind kind; /* unless is_clip */
    bool is_clip;
    union {
        lyc_unet_config unet;
        lyc_vae_config vae;
        lyc_clip_text_config text;
    } config;
    lyc_clip_pair_config pair;
} network;

static lyc_status build(lyc_trainables *set, const network *n, uint64_t seed, lyc_error *err)
{
    lyc_graph *g = NULL;
    lyc_new_weights weights = {.set = set, .component = n->folder, .seed = seed};
    const lyc_weight_source source = lyc_new_weights_source(&weights);
    LYC_TRY(lyc_graph_new(&g, err));
    lyc_module m = {.graph = g, .source = &source};
    if (n->is_clip) {
        lyc_clip_pair_build(&m, &n->pair);
    } else if (n->kind == LYC_COMPONENT_UNET) {
        build_unet(&m, &n->config.unet);
    } else if (n->kind == LYC_COMPONENT_VAE) {
        build_vae(&m, &n->config.vae);
    } else {
        build_text(&m, &n->config.text);
    }
    const lyc_status status = lyc_new_weights_status(&weights, g, err);
    lyc_graph_free(g);
    return status;
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static const char *join(making *m, const char *folder, const char *name)
{
    return lyc_arena_format(&m->arena, "%s/%s", folder, name);
}

static lyc_status write_text(const char *path, lyc_span text, lyc_error *err)
{
    lyc_file_writer *writer = NULL;
    const lyc_file_writer_options options = {0};
    lyc_status status = path != NULL ? lyc_file_writer_open(&writer, path, &options, err) : no_memory(err);
    status = status == LYC_OK ? lyc_file_writer_append(writer, text.text, text.length, err) : status;
    status = status == LYC_OK ? lyc_file_writer_commit(writer, err) : status;
    lyc_file_writer_close(writer);
    return status;
}

static int append(const char *text, size_t length, void *buffer)
{
    lyc_strbuf_append_n(buffer, text, length);
    return 0;
}

static lyc_status write_json(const char *path, const json_t *json, lyc_error *err)
{
    lyc_strbuf text = {0};
    const bool made = json_dump_callback(json, append, &text, JSON_INDENT(2)) == 0;
    lyc_strbuf_append_char(&text, '\n');
    lyc_status status = made ? lyc_strbuf_check(&text, "a configuration", err) : no_memory(err);
    status = status == LYC_OK ? write_text(path, (lyc_span){text.text, text.length}, err) : status;
    lyc_strbuf_clear(&text);
    return status;
}

/* What the vocabulary decides. */
static bool set_vocabulary(json_t *text, const making *m)
{
    const struct {
        const char *name;
        int value;
    } members[] = {{"vocab_size", m->vocabulary.size},
                   {"bos_token_id", m->vocabulary.bos},
                   {"eos_token_id", m->vocabulary.eos},
                   {"pad_token_id", m->vocabulary.eos}};
    for (size_t i = 0; i < sizeof members / sizeof *members && m->options->captions != NULL; i++) {
        if (json_object_set_new(text, members[i].name, json_integer(members[i].value)) != 0) {
            return false;
        }
    }
    return true;
}

/* Reads <config>/<folder>/config.json with the vocabulary in it, and writes it into the model. */
static lyc_status take_config(json_t **out, making *m, const network *n, lyc_error *err)
{
    const char *relative = lyc_arena_format(&m->arena, "%s/config.json", n->folder);
    const char *from = relative != NULL ? join(m, m->options->config, relative) : NULL;
    const char *to = relative != NULL ? join(m, m->folder, relative) : NULL;
    const char *folder = join(m, m->folder, n->folder);
    if (from == NULL || to == NULL || folder == NULL) {
        return no_memory(err);
    }
    LYC_TRY(lyc_json_load(out, from, LYC_CONFIG_MAX_BYTES, err));
    json_t *text = n->is_clip ? json_object_get(*out, "text_config") : *out;
    const bool has_vocabulary = n->is_clip || n->kind == LYC_COMPONENT_TEXT_ENCODER;
    if (has_vocabulary && json_is_object(text) && !set_vocabulary(text, m)) {
        return no_memory(err);
    }
    LYC_TRY(lyc_path_make_folder(folder, err));
    return write_json(to, *out, err);
}

static lyc_status write_weights(making *m, const network *n, const lyc_trainables *set, lyc_error *err)
{
    const lyc_weights_form form = {.dtype = LYC_F32, .namer = n->is_clip ? lyc_clip_pair_name : NULL};
    const char *path = lyc_arena_format(&m->arena, "%s/%s/%s", m->folder, n->folder, n->file);
    LYC_TRY(path != NULL ? lyc_weights_write(path, set, n->folder, &form, err) : no_memory(err));
    if (!n->is_clip) {
        return LYC_OK;
    }
    const lyc_weights_form text = {.dtype = LYC_F32, .namer = lyc_clip_pair_text_name};
    path = join(m, m->folder, "text_encoder/model.safetensors");
    return path != NULL ? lyc_weights_write(path, set, n->folder, &text, err) : no_memory(err);
}

static lyc_status read_config(network *n, const json_t *json, lyc_error *err)
{
    bool with_projection;
    const char *file = n->folder;
    if (n->is_clip) {
        return lyc_clip_pair_config_read(&n->pair, json, file, err);
    }
    if (n->kind == LYC_COMPONENT_UNET) {
        lyc_unet_config_default(&n->config.unet);
        LYC_TRY(lyc_unet_config_apply(&n->config.unet, json, file, err));
        return lyc_unet_config_check(&n->config.unet, err);
    }
    if (n->kind == LYC_COMPONENT_VAE) {
        lyc_vae_config_default(&n->config.vae);
        return lyc_vae_config_apply(&n->config.vae, json, file, err);
    }
    lyc_clip_text_config_default(&n->config.text);
    LYC_TRY(lyc_clip_text_config_apply(&n->config.text, &with_projection, json, file, err));
    n->config.text.projection_dim = with_projection ? n->config.text.projection_dim : 0;
    return lyc_clip_text_config_check(&n->config.text, err);
}

static lyc_status make_network(making *m, network *n, lyc_error *err)
{
    json_t *json = NULL;
    lyc_trainables set = {0};
    lyc_status status = take_config(&json, m, n, err);
    status = status == LYC_OK ? read_config(n, json, err) : status;
    json_decref(json);
    status = status == LYC_OK ? build(&set, n, m->options->seed, err) : status;
    const bool from_clip = m->has_clip && !n->is_clip && n->kind == LYC_COMPONENT_TEXT_ENCODER;
    status = status == LYC_OK && !from_clip ? write_weights(m, n, &set, err) : status;
    if (status == LYC_OK && m->report != NULL) {
        m->report->components[m->report->component_count] = n->folder;
        m->report->parameters[m->report->component_count++] = set.numbers;
    }
    lyc_trainables_clear(&set);
    return status;
}

/* --- the folder ----------------------------------------------------------------------------------------------------
 */

/* A file of the configuration that goes into the model as it is; one that is not there is left out. */
static lyc_status copy_file(making *m, const char *folder, const char *name, lyc_error *err)
{
    lyc_strbuf text = {0};
    const char *relative = folder[0] != '\0' ? join(m, folder, name) : name;
    const char *from = relative != NULL ? join(m, m->options->config, relative) : NULL;
    const char *to = relative != NULL ? join(m, m->folder, relative) : NULL;
    const char *around = join(m, m->folder, folder);
    if (from == NULL || to == NULL || around == NULL) {
        return no_memory(err);
    }
    if (!lyc_path_exists(from)) {
        return LYC_OK;
    }
    lyc_status status = lyc_path_make_folder(around, err);
    status = status == LYC_OK ? lyc_file_read(&text, from, LYC_CONFIG_MAX_BYTES, err) : status;
    status = status == LYC_OK ? write_text(to, (lyc_span){lyc_strbuf_text(&text), text.length}, err) : status;
    lyc_strbuf_clear(&text);
    return status;
}

static lyc_status write_tokenizer(making *m, lyc_error *err)
{
    const char *folder = join(m, m->folder, "tokenizer");
    const char *vocab = join(m, m->folder, "tokenizer/vocab.json");
    const char *merges = join(m, m->folder, "tokenizer/merges.txt");
    LYC_TRY(folder != NULL ? lyc_path_make_folder(folder, err) : no_memory(err));
    LYC_TRY(copy_file(m, "tokenizer", "tokenizer_config.json", err));
    LYC_TRY(copy_file(m, "tokenizer", "special_tokens_map.json", err));
    if (m->options->captions == NULL) {
        LYC_TRY(copy_file(m, "tokenizer", "vocab.json", err));
        return copy_file(m, "tokenizer", "merges.txt", err);
    }
    const lyc_vocabulary_part *v = &m->vocabulary;
    LYC_TRY(write_text(vocab, (lyc_span){v->vocab.text, v->vocab.length}, err));
    return write_text(merges, (lyc_span){v->merges.text, v->merges.length}, err);
}

static lyc_status read_captions(making *m, lyc_error *err)
{
    lyc_strbuf text = {0};
    if (m->options->captions == NULL) {
        return LYC_OK;
    }
    lyc_status status = lyc_file_read(&text, m->options->captions, MOST_CAPTIONS, err);
    if (status == LYC_OK) {
        const lyc_span words = {lyc_strbuf_text(&text), text.length};
        status = lyc_vocabulary_part_make(&m->vocabulary, words, (int)m->options->frequent, err);
    }
    lyc_strbuf_clear(&text);
    if (m->report != NULL) {
        m->report->vocabulary = m->vocabulary.size;
    }
    return status;
}

static lyc_status fill(making *m, lyc_error *err)
{
    network networks[] = {
        {.folder = "text_encoder", .file = "model.safetensors", .kind = LYC_COMPONENT_TEXT_ENCODER},
        {.folder = "clip", .file = "model.safetensors", .is_clip = true},
        {.folder = "unet", .file = "diffusion_pytorch_model.safetensors", .kind = LYC_COMPONENT_UNET},
        {.folder = "vae", .file = "diffusion_pytorch_model.safetensors", .kind = LYC_COMPONENT_VAE},
    };
    const char *clip = join(m, m->options->config, "clip/config.json");
    m->has_clip = clip != NULL && lyc_path_exists(clip);
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        if (!networks[i].is_clip || m->has_clip) {
            LYC_TRY(make_network(m, &networks[i], err));
        }
    }
    LYC_TRY(write_tokenizer(m, err));
    LYC_TRY(copy_file(m, "scheduler", "scheduler_config.json", err));
    return copy_file(m, "", "model_index.json", err);
}

lyc_status lyc_new_model(lyc_new_model_report *report, const lyc_new_model_options *options, lyc_error *err)
{
    char folder[4096];
    making m = {.options = options, .report = report, .folder = folder};
    if (report != NULL) {
        *report = (lyc_new_model_report){0};
    }
    if (lyc_path_exists(options->model)) {
        return lyc_fail(err, LYC_E_OUTPUT, "%s is there: a model is not replaced", options->model);
    }
    lyc_status status = read_captions(&m, err);
    status = status == LYC_OK ? lyc_folder_temporary(folder, sizeof folder, options->model, err) : status;
    if (status == LYC_OK) {
        status = fill(&m, err);
        status = status == LYC_OK ? lyc_folder_rename(folder, options->model, err) : status;
        if (status != LYC_OK) {
            lyc_folder_remove_all(folder);
        }
    }
    lyc_vocabulary_part_clear(&m.vocabulary);
    lyc_arena_clear(&m.arena);
    return status;
}
