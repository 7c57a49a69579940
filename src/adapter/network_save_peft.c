/* network_save_peft.c - a folder of PEFT: tensors, and a configuration that says what they are
 *
 * PEFT makes its modules from adapter_config.json and then loads the tensors into them, so the configuration has to
 * lead to the very shapes. For LoKr it has one decompose_factor for all layers, and decides by the rank which of the
 * two matrices are decomposed (tuners/lokr/layer.py): what it cannot come to is refused here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <jansson.h>

#include "adapter/network_save_internal.h"
#include "adapter/peft_config.h"
#include "base/file_writer.h"
#include "base/path.h"
#include "tensor/shape.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the configuration of a folder of PEFT");
}

/* --- LoKr ----------------------------------------------------------------------------------------------------------
 */

/* The matrices of a LoKr: [rows[0] rows[1], columns[0] columns[1]]. */
typedef struct lokr_shape {
    int64_t rows[2], columns[2];
    bool whole[2]; /* not decomposed */
    bool tucker;
} lokr_shape;

static const lyc_adapter_param *param(const lyc_adapter *a, const char *name)
{
    return lyc_adapter_param_find(a, name);
}

static lokr_shape shape_of(const lyc_adapter *a)
{
    lokr_shape s = {.whole = {param(a, "lokr_w1") != NULL, param(a, "lokr_w2") != NULL},
                    .tucker = param(a, "lokr_t2") != NULL};
    s.rows[0] = param(a, s.whole[0] ? "lokr_w1" : "lokr_w1_a")->shape.dims[0];
    s.columns[0] = param(a, s.whole[0] ? "lokr_w1" : "lokr_w1_b")->shape.dims[1];
    s.rows[1] = a->out / s.rows[0];
    s.columns[1] = a->in / s.columns[0];
    return s;
}

static bool factor_fits(const lyc_network *network, size_t member, int64_t factor)
{
    for (size_t i = 0; i < lyc_network_entry_count(network, member); i++) {
        const lyc_adapter *a = lyc_network_entry_at(network, member, i)->adapter;
        const lokr_shape s = shape_of(a);
        if (lyc_peft_first_factor(a->out, factor) != s.rows[0] ||
            lyc_peft_first_factor(a->in, factor) != s.columns[0]) {
            return false;
        }
    }
    return true;
}

/* The factor that gives all layers their shapes: -1, or an extent of one of them. */
static lyc_status find_factor(int64_t *factor, const lyc_network *network, size_t member, lyc_error *err)
{
    *factor = -1;
    bool found = factor_fits(network, member, -1);
    for (size_t i = 0; i < lyc_network_entry_count(network, member) && !found; i++) {
        const lokr_shape s = shape_of(lyc_network_entry_at(network, member, i)->adapter);
        const int64_t tried[] = {s.rows[0], s.columns[0]};
        for (size_t k = 0; k < 2 && !found; k++) {
            *factor = tried[k];
            found = factor_fits(network, member, *factor);
        }
    }
    return found ? LYC_OK
                 : lyc_fail(err, LYC_E_UNSUPPORTED,
                            "PEFT has one factor for all layers, and no factor divides these LoKrs as they are");
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The rank by which PEFT decomposes the matrices that are decomposed, and no others. */
static lyc_status lokr_rank(int64_t *rank, const lyc_network_entry *entry, bool decompose_both, lyc_error *err)
{
    const lokr_shape s = shape_of(entry->adapter);
    const int64_t first = larger(s.rows[0], s.columns[0]), second = larger(s.rows[1], s.columns[1]);
    *rank =
        s.whole[0] && s.whole[1] ? larger(first, second) : ((const lyc_adapter_config *)entry->adapter->config)->rank;
    const bool first_whole = !decompose_both || 2 * *rank >= first;
    const bool second_whole = 2 * *rank >= second;
    if (first_whole == s.whole[0] && second_whole == s.whole[1]) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: at rank %lld PEFT would decompose other matrices of this LoKr",
                    entry->module, (long long)*rank);
}

static bool any_has(const lyc_network *network, size_t member, const char *name)
{
    for (size_t i = 0; i < lyc_network_entry_count(network, member); i++) {
        if (param(lyc_network_entry_at(network, member, i)->adapter, name) != NULL) {
            return true;
        }
    }
    return false;
}

/* --- ranks and scales ----------------------------------------------------------------------------------------------
 */

/* What the configuration says of a layer. */
typedef struct layer_words {
    int64_t rank;
    double alpha;
} layer_words;

static lyc_status say_layers(layer_words *words, const lyc_network *network, size_t member, lyc_error *err)
{
    const bool decompose_both = any_has(network, member, "lokr_w1_a");
    for (size_t i = 0; i < lyc_network_entry_count(network, member); i++) {
        const lyc_network_entry *entry = lyc_network_entry_at(network, member, i);
        words[i].rank = ((const lyc_adapter_config *)entry->adapter->config)->rank;
        if (strcmp(entry->adapter->algorithm->name, "lokr") == 0) {
            LYC_TRY(lokr_rank(&words[i].rank, entry, decompose_both, err));
        }
        words[i].alpha = entry->adapter->scale * (double)words[i].rank;
    }
    return LYC_OK;
}

/* The layer whose words most layers share. */
static size_t most_common(const layer_words *words, size_t n)
{
    size_t best = 0, best_count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t count = 0;
        for (size_t k = 0; k < n; k++) {
            count += words[i].rank == words[k].rank && words[i].alpha == words[k].alpha;
        }
        if (count > best_count) {
            best = i;
            best_count = count;
        }
    }
    return best;
}

/* --- the configuration ---------------------------------------------------------------------------------------------
 */

static void add_patterns(json_t *config, const layer_words *words, const layer_words *common,
                         const lyc_network *network, size_t member)
{
    json_t *modules = json_array(), *ranks = json_object(), *alphas = json_object();
    for (size_t i = 0; i < lyc_network_entry_count(network, member); i++) {
        const char *module = lyc_network_entry_at(network, member, i)->module;
        json_array_append_new(modules, json_string(module));
        if (words[i].rank != common->rank) {
            json_object_set_new(ranks, module, json_integer(words[i].rank));
        }
        if (words[i].alpha != common->alpha) {
            json_object_set_new(alphas, module, json_real(words[i].alpha));
        }
    }
    json_object_set_new(config, "target_modules", modules);
    json_object_set_new(config, "rank_pattern", ranks);
    json_object_set_new(config, "alpha_pattern", alphas);
}

static lyc_status make_config(json_t *config, const layer_words *words, const lyc_network *network, size_t member,
                              lyc_error *err)
{
    const lyc_adapter *first = lyc_network_entry_at(network, member, 0)->adapter;
    const bool lokr = strcmp(first->algorithm->name, "lokr") == 0;
    const bool loha = strcmp(first->algorithm->name, "loha") == 0;
    const layer_words *common = &words[most_common(words, lyc_network_entry_count(network, member))];
    json_object_set_new(config, "peft_type", json_string(loha ? "LOHA" : lokr ? "LOKR" : "LORA"));
    json_object_set_new(config, "r", json_integer(common->rank));
    json_object_set_new(config, loha || lokr ? "alpha" : "lora_alpha", json_real(common->alpha));
    add_patterns(config, words, common, network, member);
    if (lokr) {
        int64_t factor;
        LYC_TRY(find_factor(&factor, network, member, err));
        json_object_set_new(config, "decompose_factor", json_integer(factor));
        json_object_set_new(config, "decompose_both", json_boolean(any_has(network, member, "lokr_w1_a")));
    }
    if (loha || lokr) {
        const bool tucker = any_has(network, member, "hada_t1") || any_has(network, member, "lokr_t2");
        json_object_set_new(config, "use_effective_conv2d", json_boolean(tucker));
    } else {
        json_object_set_new(config, "use_dora", json_boolean(any_has(network, member, "dora_scale")));
        json_object_set_new(config, "bias", json_string("none"));
    }
    json_object_set_new(config, "inference_mode", json_true());
    return LYC_OK;
}

static lyc_status describe(json_t *config, const lyc_network *network, size_t member, lyc_save *s, lyc_error *err)
{
    layer_words *words = lyc_arena_alloc(&s->arena, lyc_network_entry_count(network, member), sizeof *words);
    if (words == NULL || config == NULL) {
        return no_memory(err);
    }
    LYC_TRY(say_layers(words, network, member, err));
    return make_config(config, words, network, member, err);
}

static int append_text(const char *text, size_t size, void *buffer)
{
    lyc_strbuf_append_n(buffer, text, size);
    return 0;
}

static lyc_status write_config(const char *path, const json_t *config, const lyc_save *s, lyc_error *err)
{
    lyc_strbuf text = {0};
    const int failed = json_dump_callback(config, append_text, &text, JSON_INDENT(2));
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

static lyc_status save(const char *path, lyc_save *s, const json_t *config, lyc_save_writer *write, lyc_error *err)
{
    const char *beside = lyc_path_join(&s->arena, path, lyc_span_of("adapter_config.json"));
    const char *model = lyc_path_join(&s->arena, path, lyc_span_of("adapter_model.safetensors"));
    if (beside == NULL || model == NULL) {
        return no_memory(err);
    }
    LYC_TRY(lyc_path_make_folder(path, err));
    LYC_TRY(write(model, s, err));
    return write_config(beside, config, s, err);
}

lyc_status lyc_save_peft(const char *path, lyc_save *s, const lyc_network *network, size_t member,
                         lyc_save_writer *write, lyc_error *err)
{
    json_t *config = json_object();
    lyc_status status = describe(config, network, member, s, err);
    status = status != LYC_OK ? status : save(path, s, config, write, err);
    json_decref(config);
    return status;
}
