/* write_adapters.c - adapter files for other libraries to load, and the weights that they must arrive at
 *
 *     write_adapters UNET_FOLDER OUT_FOLDER
 *
 * For each algorithm and scheme OUT_FOLDER/<name>.safetensors, or a folder <name> of PEFT, and
 * OUT_FOLDER/<name>.merged.safetensors with the changed weight of every module. adapter_files.py compares.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "adapter/compute.h"
#include "adapter/network.h"
#include "adapter/network_save.h"
#include "tensor/random.h"
#include "tensor/shape.h"

static const struct job {
    const char *name, *preset, *algorithm, *options[4];
    lyc_key_scheme scheme;
} jobs[] = {
    {"kohya_lora", "full", "algo=lora", {"network_alpha=2"}, LYC_KEY_KOHYA},
    {"kohya_locon_tucker", "full", "algo=locon", {"use_tucker=True"}, LYC_KEY_KOHYA},
    {"kohya_dora", "attn-mlp", "algo=lora", {"dora_wd=True"}, LYC_KEY_KOHYA},
    {"kohya_loha", "attn-mlp", "algo=loha", {"network_alpha=4"}, LYC_KEY_KOHYA},
    {"kohya_lokr", "full", "algo=lokr", {"factor=4", "network_alpha=4"}, LYC_KEY_KOHYA},
    {"kohya_diag_oft", "attn-mlp", "algo=diag-oft", {NULL}, LYC_KEY_KOHYA},
    {"kohya_boft", "attn-mlp", "algo=boft", {NULL}, LYC_KEY_KOHYA},
    {"kohya_glora", "attn-mlp", "algo=glora", {"network_alpha=2"}, LYC_KEY_KOHYA},
    {"wrapper_lora", "full", "algo=lora", {"network_alpha=2"}, LYC_KEY_WRAPPER},
    {"wrapper_lokr", "attn-mlp", "algo=lokr", {"network_dim=10000", "factor=8"}, LYC_KEY_WRAPPER},
    {"diffusers_lora", "full", "algo=lora", {"network_alpha=2"}, LYC_KEY_DIFFUSERS},
    {"diffusers_dora", "attn-mlp", "algo=lora", {"dora_wd=True", "network_alpha=4"}, LYC_KEY_DIFFUSERS},
    {"peft_lora", "full", "algo=lora", {"network_alpha=2", "conv_dim=2"}, LYC_KEY_PEFT},
    {"peft_loha", "attn-mlp", "algo=loha", {"network_alpha=2"}, LYC_KEY_PEFT},
    {"peft_lokr", "attn-mlp", "algo=lokr", {"network_alpha=2", "factor=4"}, LYC_KEY_PEFT},
};

static lyc_status make_network(lyc_network **out, const struct job *job, const lyc_network_part *part, lyc_error *err)
{
    const char *texts[6] = {job->algorithm, "network_dim=4"};
    size_t count = 2;
    while (count < 6 && job->options[count - 2] != NULL) {
        texts[count] = job->options[count - 2];
        count++;
    }
    lyc_network_args args = {0};
    lyc_preset preset = {0};
    lyc_selection selection = {0};
    const lyc_selection_part selected = {part->inventory, "lora_unet"};
    lyc_status status = lyc_network_args_parse(&args, texts, count, err);
    status = status != LYC_OK ? status : lyc_preset_built_in(&preset, job->preset, err);
    status = status != LYC_OK ? status : lyc_selection_make(&selection, &selected, 1, &preset, &args, NULL, err);
    status = status != LYC_OK ? status : lyc_network_new(out, LYC_NETWORK_FIXED, err);
    status = status != LYC_OK ? status : lyc_network_add_selection(NULL, *out, &selection, part, 1, 7, err);
    lyc_selection_clear(&selection);
    lyc_preset_clear(&preset);
    lyc_network_args_clear(&args);
    return status;
}

/* What starts at zero gets numbers too; norms of DoRA are changed a little. */
static void stir(lyc_network *network)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < lyc_network_entry_count(network, 0); i++) {
        lyc_adapter *a = lyc_network_entry_at(network, 0, i)->adapter;
        for (int k = 0; k < a->n_params; k++) {
            lyc_adapter_param *p = &a->params[k];
            const bool norms = strcmp(p->name, "dora_scale") == 0;
            for (int64_t j = 0; p->trainable && j < lyc_shape_elements(&p->shape); j++) {
                state = state * 1664525U + 1013904223U;
                const float noise = (float)(state >> 8) / 16777216.0F - 0.5F;
                p->data[j] = norms ? p->data[j] * (1 + 0.2F * noise) : p->data[j] + 0.2F * noise;
            }
        }
    }
}

static lyc_status base_weight(lyc_tensor_view *out, const lyc_component *unet, const char *module, lyc_error *err)
{
    char name[256];
    lyc_weight_view view;
    snprintf(name, sizeof name, "%s.weight", module);
    if (!lyc_component_find(&view, unet, name)) {
        return lyc_fail(err, LYC_E_FORMAT, "no %s", name);
    }
    *out = (lyc_tensor_view){
        .name = view.name, .dtype = view.dtype, .shape = view.shape, .data = view.data, .size_bytes = view.size_bytes};
    return LYC_OK;
}

static lyc_status write_merged(const char *path, const lyc_network *network, const lyc_component *unet, lyc_error *err)
{
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    const lyc_safetensors_writer_options force = {.force = true};
    lyc_status status = lyc_safetensors_plan_new(&plan, err);
    for (size_t i = 0; status == LYC_OK && i < lyc_network_entry_count(network, 0); i++) {
        const lyc_network_entry *entry = lyc_network_entry_at(network, 0, i);
        status = lyc_safetensors_plan_add(plan, entry->module, LYC_F32, &entry->adapter->target.weight, err);
    }
    status = status != LYC_OK ? status : lyc_safetensors_writer_open(&writer, plan, path, &force, err);
    for (size_t i = 0; status == LYC_OK && i < lyc_network_entry_count(network, 0); i++) {
        const lyc_network_entry *entry = lyc_network_entry_at(network, 0, i);
        const size_t bytes = (size_t)lyc_shape_elements(&entry->adapter->target.weight) * sizeof(float);
        lyc_tensor_view weight;
        lyc_adapter_change change = {.weight = malloc(bytes), .merged = true};
        status = base_weight(&weight, unet, entry->module, err);
        status = status != LYC_OK ? status : lyc_adapter_compute(&change, entry->adapter, &weight, 1, err);
        status =
            status != LYC_OK ? status : lyc_safetensors_writer_put(writer, entry->module, change.weight, bytes, err);
        free(change.weight);
    }
    status = status != LYC_OK ? status : lyc_safetensors_writer_commit(writer, err);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    return status;
}

static lyc_status run_job(const struct job *job, const char *folder, const lyc_network_part *part, lyc_error *err)
{
    char path[1024];
    const bool peft = job->scheme == LYC_KEY_PEFT;
    lyc_network *network = NULL;
    const lyc_network_save_options options = {.scheme = job->scheme, .dtype = LYC_F32, .force = true};
    lyc_status status = make_network(&network, job, part, err);
    if (status == LYC_OK) {
        stir(network);
        snprintf(path, sizeof path, "%s/%s%s", folder, job->name, peft ? "" : ".safetensors");
        if (peft) {
            mkdir(path, 0777);
        }
        status = lyc_network_save(path, network, 0, &options, err);
    }
    if (status == LYC_OK) {
        snprintf(path, sizeof path, "%s/%s.merged.safetensors", folder, job->name);
        status = write_merged(path, network, part->weights, err);
    }
    lyc_network_free(network);
    return status == LYC_OK ? LYC_OK : lyc_wrap(err, "%s", job->name);
}

int main(int argc, char **argv)
{
    lyc_error err = {0};
    lyc_component *unet = NULL;
    lyc_inventory inventory = {0};
    if (argc != 3) {
        fputs("usage: write_adapters UNET_FOLDER OUT_FOLDER\n", stderr);
        return 1;
    }
    lyc_status status = lyc_component_open(&unet, LYC_COMPONENT_UNET, NULL, argv[1], &err);
    status = status != LYC_OK ? status
                              : lyc_inventory_unet(&inventory, lyc_component_unet(unet), LYC_NAMING_DIFFUSERS, &err);
    const lyc_network_part part = {&inventory, unet};
    for (size_t i = 0; status == LYC_OK && i < sizeof jobs / sizeof jobs[0]; i++) {
        status = run_job(&jobs[i], argv[2], &part, &err);
    }
    lyc_inventory_clear(&inventory);
    lyc_component_close(unet);
    if (status != LYC_OK) {
        fprintf(stderr, "write_adapters: %s\n", err.message);
    }
    return status != LYC_OK;
}
