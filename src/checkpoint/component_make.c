/* component_make.c - finds every tensor of a configuration in a source, and checks its shape
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/component_make.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/size.h"
#include "checkpoint/config_read.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

enum { MISSING_NAMED = 10 };

typedef struct maker {
    lyc_component *c;
    size_t capacity;
    size_t missing_count;
    lyc_strbuf missing; /* the keys of the first ones */
} maker;

static bool is_text(lyc_component_kind kind)
{
    return kind == LYC_COMPONENT_TEXT_ENCODER || kind == LYC_COMPONENT_TEXT_ENCODER_2;
}

const char *lyc_source_content(const lyc_source *source)
{
    /* A U-Net is tried last: the names of a ControlNet are among others those of a U-Net. */
    static const lyc_component_kind order[] = {LYC_COMPONENT_CONTROLNET, LYC_COMPONENT_VAE, LYC_COMPONENT_UNET,
                                               LYC_COMPONENT_TEXT_ENCODER, LYC_COMPONENT_TEXT_ENCODER_2};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (lyc_layout_find(source, order[i]) != NULL) {
            return lyc_component_kind_title(order[i]);
        }
    }
    return NULL;
}

/* --- one tensor --------------------------------------------------------------------------------------------------- */

/* Equal but for extents of 1 at the end: a 1x1 convolution is a matrix. */
static bool same_but_ones(const lyc_shape *a, const lyc_shape *b)
{
    for (int i = 0; i < LYC_MAX_RANK; i++) {
        if ((i < a->rank ? a->dims[i] : 1) != (i < b->rank ? b->dims[i] : 1)) {
            return false;
        }
    }
    return true;
}

static lyc_status note_missing(maker *m, const char *key, lyc_error *err)
{
    if (m->missing_count++ < MISSING_NAMED) {
        lyc_strbuf_format(&m->missing, "%s%s", m->missing_count > 1 ? ", " : "", key);
    }
    return lyc_strbuf_check(&m->missing, "the list of missing tensors", err);
}

static lyc_status fail_shape(const lyc_tensor_view *found, const lyc_source_file *file, const lyc_shape *expected,
                             lyc_error *err)
{
    char a[LYC_SHAPE_TEXT];
    char b[LYC_SHAPE_TEXT];
    return lyc_fail(err, LYC_E_SHAPE, "'%s' in %s has the shape %s, expected %s", found->name, file->path,
                    lyc_shape_text(a, sizeof a, &found->shape), lyc_shape_text(b, sizeof b, expected));
}

static lyc_status grow(maker *m, lyc_error *err)
{
    if (m->c->count < m->capacity) {
        return LYC_OK;
    }
    size_t bytes;
    const size_t capacity = m->capacity > 0 ? 2 * m->capacity : 256; /* fits: checked below */
    lyc_weight_view *views = NULL;
    if (lyc_size_mul(&bytes, capacity, sizeof *views)) {
        views = lyc_realloc(m->c->views, bytes);
    }
    if (views == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of a component");
    }
    m->c->views = views;
    m->capacity = capacity;
    return LYC_OK;
}

static lyc_status add(maker *m, const char *name, const lyc_shape *shape, const lyc_key *key,
                      const lyc_tensor_view *found, const lyc_source_file *file, lyc_error *err)
{
    LYC_TRY(grow(m, err));
    const size_t size = key->part > 0 ? found->size_bytes / 3 : found->size_bytes;
    const size_t skip = key->part > 0 ? size * (size_t)(key->part - 1) : 0; /* fits: a part of the file */
    const char *kept = lyc_arena_text(&m->c->arena, name);
    if (kept == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of a component");
    }
    m->c->views[m->c->count++] = (lyc_weight_view){
        .name = kept,
        .key = found->name,
        .file = file->path,
        .dtype = found->dtype,
        .shape = *shape,
        .data = (const unsigned char *)found->data + skip,
        .size_bytes = size,
        .transposed = key->transposed,
        .partial = key->part > 0,
        .file_offset = found->file_offset + skip,
    };
    return LYC_OK;
}

/* lyc_tensor_visit */
static lyc_status take(void *context, const char *name, const lyc_shape *shape, lyc_error *err)
{
    maker *m = context;
    lyc_component *c = m->c;
    lyc_key key;
    lyc_tensor_view found;
    const lyc_source_file *file;
    if (!lyc_layout_key(&key, c->layout, &c->config, name)) {
        return note_missing(m, name, err);
    }
    if (!lyc_source_find(&found, &file, c->source, key.text)) {
        return note_missing(m, key.text, err);
    }
    const lyc_shape expected = lyc_key_shape(&key, shape);
    if (!same_but_ones(&found.shape, &expected)) {
        return fail_shape(&found, file, &expected, err);
    }
    if (!lyc_dtype_is_float(found.dtype)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "'%s' in %s has the type %s, expected numbers with a fraction",
                        found.name, file->path, lyc_dtype_name(found.dtype));
    }
    lyc_source_use(c->source, key.text);
    return add(m, name, shape, &key, &found, file, err);
}

/* --- a component -------------------------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    const lyc_weight_view *x = a;
    const lyc_weight_view *y = b;
    const int files = strcmp(x->file, y->file);
    if (files != 0) {
        return files;
    }
    if (x->file_offset != y->file_offset) {
        return x->file_offset < y->file_offset ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static lyc_status index_views(lyc_component *c, lyc_error *err)
{
    if (c->count > 0) {
        qsort(c->views, c->count, sizeof *c->views, compare_places);
    }
    for (size_t i = 0; i < c->count; i++) {
        if (!lyc_hashmap_put(&c->by_name, lyc_span_of(c->views[i].name), (void *)(uintptr_t)(i + 1))) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of a component");
        }
    }
    return LYC_OK;
}

/* The last layer and the projection of a tower of which the layer before the last is used are there for nothing. */
static void use_dropped_layer(const lyc_component *c)
{
    char prefix[LYC_KEY];
    snprintf(prefix, sizeof prefix, "%stransformer.resblocks.%d.", c->layout->prefix, c->config.clip_text.layers);
    for (size_t i = 0; i < lyc_source_file_count(c->source); i++) {
        const lyc_source_file *file = lyc_source_file_at(c->source, i);
        for (size_t k = 0; k < lyc_safetensors_count(file->tensors); k++) {
            const char *key = lyc_safetensors_tensor(file->tensors, k).name;
            if (strncmp(key, prefix, strlen(prefix)) == 0) {
                file->used[k] = true;
            }
        }
    }
    snprintf(prefix, sizeof prefix, "%stext_projection", c->layout->prefix);
    lyc_source_use(c->source, prefix);
}

static lyc_status fail_missing(const maker *m, lyc_error *err)
{
    const lyc_component *c = m->c;
    const char *path = lyc_source_path(c->source);
    const char *content = lyc_source_content(c->source);
    if (m->c->count == 0 && content != NULL && strcmp(content, lyc_component_kind_title(c->kind)) != 0) {
        return lyc_fail(err, LYC_E_FORMAT, "%s holds a %s, expected a %s", path, content,
                        lyc_component_kind_title(c->kind));
    }
    return lyc_fail(err, LYC_E_FORMAT, "%zu tensor%s of the %s missing in %s: %s%s", m->missing_count,
                    m->missing_count > 1 ? "s" : "", lyc_component_kind_title(c->kind), path,
                    lyc_strbuf_text(&m->missing), m->missing_count > MISSING_NAMED ? ", ..." : "");
}

static lyc_status fill(lyc_component *c, lyc_error *err)
{
    maker m = {.c = c};
    lyc_status status = lyc_component_tensors(c->kind, &c->config, take, &m, err);
    if (status == LYC_OK && m.missing_count > 0) {
        status = fail_missing(&m, err);
    }
    lyc_strbuf_clear(&m.missing);
    LYC_TRY(status);
    if (is_text(c->kind) && c->config.clip_text.penultimate) {
        use_dropped_layer(c);
    }
    return index_views(c, err);
}

/* --- its configuration -------------------------------------------------------------------------------------------- */

static void set_default(lyc_component_config *config, lyc_component_kind kind)
{
    switch (kind) {
    case LYC_COMPONENT_UNET:
    case LYC_COMPONENT_CONTROLNET:
        lyc_unet_config_default(&config->unet);
        break;
    case LYC_COMPONENT_VAE:
        lyc_vae_config_default(&config->vae);
        break;
    default:
        lyc_clip_text_config_default(&config->clip_text);
        break;
    }
}

/* The fields that json has over what is there. */
static lyc_status apply(lyc_component_config *config, lyc_component_kind kind, bool *with_projection,
                        const json_t *json, const char *file, lyc_error *err)
{
    switch (kind) {
    case LYC_COMPONENT_UNET:
        return lyc_unet_config_apply(&config->unet, json, file, err);
    case LYC_COMPONENT_CONTROLNET:
        return lyc_controlnet_config_apply(&config->unet, json, file, err);
    case LYC_COMPONENT_VAE:
        return lyc_vae_config_apply(&config->vae, json, file, err);
    default:
        return lyc_clip_text_config_apply(&config->clip_text, with_projection, json, file, err);
    }
}

lyc_status lyc_component_config_read(lyc_component_config *out, lyc_component_kind kind, const json_t *json,
                                     const char *file, lyc_error *err)
{
    bool with_projection = false;
    set_default(out, kind);
    LYC_TRY(apply(out, kind, &with_projection, json, file, err));
    if (is_text(kind) && !with_projection) {
        out->clip_text.projection_dim = 0;
    }
    return LYC_OK;
}

/* Whether the file has the tensor of a name. */
static bool has_tensor(const lyc_component *c, const char *name)
{
    lyc_key key;
    return lyc_layout_key(&key, c->layout, &c->config, name) && lyc_source_has(c->source, key.text);
}

/* By its config.json. A projection that the file has and the architecture does not name is taken as well. */
static lyc_status read_config(lyc_component *c, const json_t *json, const char *file, lyc_error *err)
{
    LYC_TRY(lyc_component_config_read(&c->config, c->kind, json, file, err));
    if (is_text(c->kind) && c->config.clip_text.projection_dim == 0 && has_tensor(c, "text_projection.weight")) {
        lyc_clip_text_config with = {0};
        bool unused;
        lyc_clip_text_config_default(&with);
        LYC_TRY(lyc_clip_text_config_apply(&with, &unused, json, file, err));
        c->config.clip_text.projection_dim = with.projection_dim;
    }
    return LYC_OK;
}

/* Heads that the tensors do not tell are 0; only computing needs them. */
static lyc_status check_heads(const lyc_component *c, lyc_error *err)
{
    const bool is_unet = c->kind == LYC_COMPONENT_UNET || c->kind == LYC_COMPONENT_CONTROLNET;
    const int heads = is_unet ? c->config.unet.mid_heads : is_text(c->kind) ? c->config.clip_text.heads : 1;
    if (heads == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "the number of attention heads of the %s cannot be told from its tensors; say it with "
                        "--model-config: {\"%s\": {\"%s\": n}}",
                        lyc_component_kind_title(c->kind), lyc_component_kind_name(c->kind),
                        is_unet ? "attention_head_dim" : "num_attention_heads");
    }
    return is_unet            ? lyc_unet_config_check(&c->config.unet, err)
           : is_text(c->kind) ? lyc_clip_text_config_check(&c->config.clip_text, err)
                              : LYC_OK;
}

/* lyc_tensor_visit: the walk itself finds norms whose groups do not divide. */
static lyc_status pass_by(void *context, const char *name, const lyc_shape *shape, lyc_error *err)
{
    (void)context;
    (void)name;
    (void)shape;
    (void)err;
    return LYC_OK;
}

static lyc_status check_config(const lyc_component *c, bool for_tools, lyc_error *err)
{
    if (!for_tools) {
        LYC_TRY(check_heads(c, err));
    }
    return lyc_component_tensors(c->kind, &c->config, pass_by, NULL, err);
}

/* The configuration, from its file or from the tensors, with the changes that the user made; an error names the file
 * that it comes from. */
static lyc_status configure(lyc_component *c, const lyc_component_request *request, lyc_error *err)
{
    const char *file = request->config != NULL ? request->config_path : lyc_source_path(c->source);
    lyc_status status;
    bool unused;
    if (request->config != NULL) {
        status = read_config(c, request->config, request->config_path, err);
    } else {
        c->inferred = true;
        status = lyc_component_infer(&c->config, c->kind, c->source, c->layout, err);
    }
    if (status == LYC_OK && request->changes != NULL) {
        file = request->changes_path;
        status = apply(&c->config, c->kind, &unused, request->changes, request->changes_path, err);
    }
    if (status == LYC_OK) {
        status = check_config(c, request->for_tools, err);
    }
    return status == LYC_OK ? status : lyc_wrap(err, "reading %s", file);
}

static lyc_status make(lyc_component *c, const lyc_component_request *request, lyc_error *err)
{
    const char *path = lyc_source_path(c->source);
    c->layout = lyc_layout_find(c->source, c->kind);
    if (c->layout == NULL) {
        const char *content = lyc_source_content(c->source);
        return lyc_fail(err, LYC_E_FORMAT, "%s holds %s%s, expected a %s", path, content != NULL ? "a " : "",
                        content != NULL ? content : "no network that is known", lyc_component_kind_title(c->kind));
    }
    LYC_TRY(configure(c, request, err));
    LYC_TRY(fill(c, err));
    const char *known = lyc_component_known(c);
    lyc_log_write(LYC_LOG_INFO, LYC_LOG_FILES, "%s: %s, %zu tensors, %" PRId64 " parameters%s%s%s", path,
                  lyc_component_kind_title(c->kind), c->count, lyc_component_parameters(c), known != NULL ? " (" : "",
                  known != NULL ? known : "", known != NULL ? ")" : "");
    return LYC_OK;
}

lyc_status lyc_component_make(lyc_component **out, const lyc_component_request *request, lyc_error *err)
{
    lyc_component *c = lyc_alloc_zero(1, sizeof *c);
    if (c == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a component");
    }
    c->kind = request->kind;
    c->source = request->source;
    const lyc_status status = make(c, request, err);
    if (status != LYC_OK) {
        lyc_component_close(c);
        return status;
    }
    c->owns_source = request->owns_source;
    *out = c;
    return LYC_OK;
}
