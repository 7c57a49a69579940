/* network_save_schemes.c - the forms of diffusers and PEFT
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <jansson.h>

#include "adapter/network_save_internal.h"
#include "base/file_writer.h"
#include "base/path.h"
#include "tensor/shape.h"

/* --- forms ---------------------------------------------------------------------------------------------------------
 */

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of an adapter file");
}

static int find(const lyc_adapter_file *written, const char *name)
{
    for (int i = 0; i < written->count; i++) {
        if (strcmp(written->tensors[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static void drop(lyc_adapter_file *written, const char *name)
{
    const int at = find(written, name);
    if (at >= 0) {
        memmove(&written->tensors[at], &written->tensors[at + 1],
                (size_t)(written->count - at - 1) * sizeof written->tensors[0]);
        written->count--;
    }
}

/* lora_up times alpha / rank. */
static lyc_status fold_scale(lyc_adapter_file *written, double scale, lyc_error *err)
{
    lyc_tensor_view *up = &written->tensors[find(written, "lora_up.weight")];
    const size_t n = (size_t)lyc_shape_elements(&up->shape);
    float *scaled = lyc_arena_alloc(&written->arena, n, sizeof *scaled);
    if (scaled == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        scaled[i] = (float)((double)((const float *)up->data)[i] * scale);
    }
    up->data = scaled;
    return LYC_OK;
}

/* PEFT keeps norms of DoRA as [out], for convolutions as [1,out,1,1]. */
static lyc_status flatten_magnitude(lyc_adapter_file *written, const lyc_adapter *a, const char *module, lyc_error *err)
{
    const int at = find(written, "dora_scale");
    if (at < 0) {
        return LYC_OK;
    }
    lyc_tensor_view *magnitude = &written->tensors[at];
    const int64_t out = a->out;
    if (magnitude->shape.dims[0] != out || lyc_shape_elements(&magnitude->shape) != out) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: DoRA over the inputs has no form in diffusers and PEFT", module);
    }
    magnitude->shape = a->target.kind == LYC_LAYER_LINEAR ? LYC_SHAPE(out) : LYC_SHAPE(1, out, 1, 1);
    return LYC_OK;
}

lyc_status lyc_network_save_adjust(lyc_adapter_file *written, const lyc_adapter *a, const char *module,
                                   lyc_key_scheme scheme, lyc_error *err)
{
    const char *algorithm = a->algorithm->name;
    if (scheme != LYC_KEY_DIFFUSERS && scheme != LYC_KEY_BARE && scheme != LYC_KEY_PEFT) {
        return LYC_OK;
    }
    const bool lora = find(written, "lora_up.weight") >= 0;
    const bool peft = scheme == LYC_KEY_PEFT && (strcmp(algorithm, "loha") == 0 || strcmp(algorithm, "lokr") == 0);
    if ((!lora && !peft) || find(written, "lora_mid.weight") >= 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: %s%s has no form in the files of %s", module, algorithm,
                        lora ? " with Tucker decomposition" : "", lyc_key_scheme_name(scheme));
    }
    LYC_TRY(flatten_magnitude(written, a, module, err));
    if (scheme != LYC_KEY_PEFT && a->scale != 1) {
        LYC_TRY(fold_scale(written, a->scale, err));
    }
    drop(written, "alpha");
    return LYC_OK;
}

/* --- PEFT ----------------------------------------------------------------------------------------------------------
 */

static int64_t rank_of(const lyc_network_entry *entry)
{
    return ((const lyc_adapter_config *)entry->adapter->config)->rank;
}

static double alpha_of(const lyc_network_entry *entry)
{
    return entry->adapter->scale * (double)rank_of(entry);
}

/* The value that most layers have. */
static size_t most_common(const lyc_network *network, size_t member)
{
    const size_t n = lyc_network_entry_count(network, member);
    size_t best = 0, best_count = 0;
    for (size_t i = 0; i < n; i++) {
        const lyc_network_entry *a = lyc_network_entry_at(network, member, i);
        size_t count = 0;
        for (size_t k = 0; k < n; k++) {
            const lyc_network_entry *b = lyc_network_entry_at(network, member, k);
            count += rank_of(a) == rank_of(b) && alpha_of(a) == alpha_of(b);
        }
        if (count > best_count) {
            best = i;
            best_count = count;
        }
    }
    return best;
}

/* An algorithm's own option, under the name that PEFT has for it. */
static void add_option(json_t *config, const char *name, const lyc_adapter *a, const char *option_name)
{
    const lyc_option *option = lyc_adapter_option_find(a->algorithm, option_name);
    const void *value = option != NULL ? (const char *)a->config + option->offset : NULL;
    if (value != NULL && option->kind == LYC_OPTION_INT) {
        json_object_set_new(config, name, json_integer(*(const int64_t *)value));
    } else if (value != NULL && option->kind == LYC_OPTION_BOOL) {
        json_object_set_new(config, name, json_boolean(*(const bool *)value));
    }
}

static json_t *make_config(const lyc_network *network, size_t member)
{
    const lyc_network_entry *common = lyc_network_entry_at(network, member, most_common(network, member));
    const bool lora = strcmp(common->adapter->algorithm->name, "lora") == 0;
    const bool loha = strcmp(common->adapter->algorithm->name, "loha") == 0;
    json_t *modules = json_array(), *ranks = json_object(), *alphas = json_object();
    for (size_t i = 0; i < lyc_network_entry_count(network, member); i++) {
        const lyc_network_entry *entry = lyc_network_entry_at(network, member, i);
        json_array_append_new(modules, json_string(entry->module));
        if (rank_of(entry) != rank_of(common)) {
            json_object_set_new(ranks, entry->module, json_integer(rank_of(entry)));
        }
        if (alpha_of(entry) != alpha_of(common)) {
            json_object_set_new(alphas, entry->module, json_real(alpha_of(entry)));
        }
    }
    json_t *config = json_object();
    json_object_set_new(config, "peft_type", json_string(lora ? "LORA" : loha ? "LOHA" : "LOKR"));
    json_object_set_new(config, "r", json_integer(rank_of(common)));
    json_object_set_new(config, lora ? "lora_alpha" : "alpha", json_real(alpha_of(common)));
    json_object_set_new(config, "target_modules", modules);
    json_object_set_new(config, "rank_pattern", ranks);
    json_object_set_new(config, "alpha_pattern", alphas);
    if (lora) {
        json_object_set_new(config, "use_dora",
                            json_boolean(((const lyc_adapter_config *)common->adapter->config)->weight_decompose));
        json_object_set_new(config, "bias", json_string("none"));
    }
    if (!lora && !loha) {
        add_option(config, "decompose_factor", common->adapter, "factor");
        add_option(config, "decompose_both", common->adapter, "decompose_both");
    }
    json_object_set_new(config, "inference_mode", json_true());
    return config;
}

static int append_text(const char *text, size_t size, void *buffer)
{
    lyc_strbuf_append_n(buffer, text, size);
    return 0;
}

static lyc_status write_config(const char *path, lyc_save *s, const lyc_network *network, size_t member, lyc_error *err)
{
    json_t *config = make_config(network, member);
    lyc_strbuf text = {0};
    const int failed = json_dump_callback(config, append_text, &text, JSON_INDENT(2));
    json_decref(config);
    lyc_file_writer *writer = NULL;
    const lyc_file_writer_options options = {.force = s->options->force};
    lyc_status status = failed != 0 ? no_memory(err) : lyc_strbuf_check(&text, "adapter_config.json", err);
    status = status != LYC_OK ? status : lyc_file_writer_open(&writer, path, &options, err);
    status = status != LYC_OK ? status : lyc_file_writer_append(writer, text.text, text.length, err);
    status = status != LYC_OK ? status : lyc_file_writer_commit(writer, err);
    lyc_file_writer_close(writer);
    lyc_strbuf_clear(&text);
    return status;
}

lyc_status lyc_save_peft(const char *path, lyc_save *s, const lyc_network *network, size_t member,
                         lyc_save_writer *write, lyc_error *err)
{
    const char *config = lyc_path_join(&s->arena, path, lyc_span_of("adapter_config.json"));
    const char *model = lyc_path_join(&s->arena, path, lyc_span_of("adapter_model.safetensors"));
    if (config == NULL || model == NULL) {
        return no_memory(err);
    }
    LYC_TRY(lyc_path_make_folder(path, err));
    LYC_TRY(write(model, s, err));
    return write_config(config, s, network, member, err);
}
