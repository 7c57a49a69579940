/* train_network.c - the adapters that a run trains, and those that belong to its model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/train_network.h"

#include <string.h>

#include "base/file.h"
#include "config/toml.h"
#include "tensor/shape.h"

/* --- layers --------------------------------------------------------------------------------------------------------
 */

static bool is_built_in(const char *name)
{
    const char *known;
    for (size_t i = 0; (known = lyc_preset_built_in_name(i)) != NULL; i++) {
        if (strcmp(name, known) == 0) {
            return true;
        }
    }
    return false;
}

static lyc_status open_preset(lyc_preset *out, const char *name, lyc_error *err)
{
    json_t *tree = NULL;
    lyc_file_id id;
    if (is_built_in(name) || lyc_file_id_of(&id, name, NULL) != LYC_OK) {
        return lyc_preset_built_in(out, name, err);
    }
    LYC_TRY(lyc_toml_read(&tree, name, err));
    const lyc_status status = lyc_preset_parse(out, name, tree, err);
    json_decref(tree);
    return status;
}

/* Whether a part of the model is trained: text encoders come first, then the U-Net. */
static bool is_trained(const lyc_train_setup *s, const lyc_train_model *m, size_t part)
{
    return part + 1 == m->part_count ? s->trains_unet : s->trains_text[part];
}

lyc_status lyc_train_network_select(lyc_selection *out, const lyc_train_setup *setup, const lyc_train_model *model,
                                    const lyc_network_args *args, lyc_error *err)
{
    lyc_selection_part parts[3];
    size_t count = 0;
    lyc_preset preset;
    for (size_t i = 0; i < model->part_count; i++) {
        if (is_trained(setup, model, i)) {
            parts[count++] = model->selected[i];
        }
    }
    LYC_TRY(open_preset(&preset, args->preset, err));
    const lyc_status status = lyc_selection_make(out, parts, count, &preset, args, NULL, err);
    lyc_preset_clear(&preset);
    return status;
}

/* --- start weights -------------------------------------------------------------------------------------------------
 */

static lyc_status copy_values(lyc_adapter *to, const lyc_adapter *from, const char *key, const char *path,
                              lyc_error *err)
{
    if (to->algorithm != from->algorithm) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: '%s' is %s, expected %s; with --dim_from_weights the file decides",
                        path, key, from->algorithm->name, to->algorithm->name);
    }
    for (int i = 0; i < to->n_params; i++) {
        lyc_adapter_param *out = &to->params[i];
        const lyc_adapter_param *in = lyc_adapter_param_find(from, out->name);
        const int64_t count = lyc_shape_elements(&out->shape);
        if (in == NULL && !out->saved) { /* a scalar that files do not have */
            continue;
        }
        if (in == NULL || !lyc_shape_equal(&in->shape, &out->shape)) {
            return lyc_fail(err, LYC_E_SHAPE,
                            "%s: '%s.%s' has another size than network_dim and network_args say; with "
                            "--dim_from_weights the file decides",
                            path, key, out->name);
        }
        memcpy(out->data, in->data, (size_t)count * sizeof *out->data);
    }
    return LYC_OK;
}

/* The file's layers as a network of their own, from which values are copied. */
static lyc_status copy_start(size_t *left_out, lyc_network *network, const lyc_network_file *file, const char *path,
                             const lyc_train_model *m, lyc_error *err)
{
    lyc_network *start = NULL;
    size_t member = 0, found = 0;
    LYC_TRY(lyc_network_new(&start, LYC_NETWORK_FIXED, err));
    lyc_status status = lyc_network_add_file(&member, start, file, m->parts, m->part_count, err);
    for (size_t i = 0; status == LYC_OK && i < lyc_network_entry_count(network, 0); i++) {
        const lyc_network_entry *to = lyc_network_entry_at(network, 0, i);
        const lyc_network_entry *from = lyc_network_find(start, member, to->component, to->module);
        if (from != NULL) {
            status = copy_values(to->adapter, from->adapter, to->key, path, err);
            found++;
        }
    }
    if (status == LYC_OK && found == 0) {
        status = lyc_fail(err, LYC_E_ARGUMENT, "%s: none of its layers is trained here", path);
    }
    *left_out = lyc_network_file_count(file) - found;
    lyc_network_free(start);
    return status;
}

static lyc_status add_trained(size_t *left_out, lyc_network *network, const lyc_train_setup *s,
                              const lyc_train_model *m, const lyc_network_args *args, lyc_error *err)
{
    const lyc_train_options *o = s->options;
    lyc_network_file *file = NULL;
    lyc_selection selection = {0};
    const lyc_network_file_options options = {.component = "unet"};
    if (o->network_weights != NULL) {
        LYC_TRY(lyc_network_file_open(&file, o->network_weights, &options, err));
    }
    lyc_status status = LYC_OK;
    if (o->dim_from_weights) {
        lyc_network_part parts[3];
        size_t count = 0;
        for (size_t i = 0; i < m->part_count; i++) {
            if (is_trained(s, m, i)) {
                parts[count++] = m->parts[i];
            }
        }
        status = lyc_network_add_file(NULL, network, file, parts, count, err);
        if (status == LYC_OK) {
            *left_out = lyc_network_file_count(file) - lyc_network_entry_count(network, 0);
        }
    } else {
        status = lyc_train_network_select(&selection, s, m, args, err);
        status = status == LYC_OK ? lyc_network_add_selection(NULL, network, &selection, m->parts, m->part_count,
                                                              s->trainer.seed, err)
                                  : status;
        lyc_selection_clear(&selection);
        if (status == LYC_OK && file != NULL) {
            status = copy_start(left_out, network, file, o->network_weights, m, err);
        }
    }
    lyc_network_file_close(file);
    return status;
}

static lyc_status add_base(lyc_network *network, const char *path, double strength, const lyc_train_model *m,
                           lyc_error *err)
{
    lyc_network_file *file = NULL;
    size_t member = 0;
    const lyc_network_file_options options = {.component = "unet"};
    LYC_TRY(lyc_network_file_open(&file, path, &options, err));
    const lyc_status status = lyc_network_add_file(&member, network, file, m->parts, m->part_count, err);
    if (status == LYC_OK) {
        lyc_network_freeze(network, member);
        lyc_network_set_strength(network, member, strength, strength);
    }
    lyc_network_file_close(file);
    return status;
}

lyc_status lyc_train_network_make(lyc_network **out, size_t *left_out, const lyc_train_setup *setup,
                                  const lyc_train_model *model, const lyc_network_args *args, size_t samples,
                                  lyc_error *err)
{
    const lyc_option_list *base = &setup->options->base_weights;
    lyc_network *network = NULL;
    *left_out = 0;
    LYC_TRY(lyc_network_new(&network, LYC_NETWORK_TRAINED, err));
    lyc_status status = lyc_network_set_samples(network, samples, err);
    status = status == LYC_OK ? add_trained(left_out, network, setup, model, args, err) : status;
    for (size_t i = 0; status == LYC_OK && i < base->count; i++) {
        status = add_base(network, base->items[i], setup->base_multipliers[i], model, err);
    }
    if (status != LYC_OK) {
        lyc_network_free(network);
        return status;
    }
    *out = network;
    return LYC_OK;
}
