/* main.c - what an engine does with an adapter file: list it, change a weight, apply it to an activation
 *
 *     engine FILE
 *
 * Uses nothing but lycoris/adapter.h. The engine's own weights are made up here: each layer gets a matrix of the size
 * that the adapter is for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lycoris/adapter.h"

static lyc_shape tensor_shape(const lyc_network_layer *layer, const char *name)
{
    for (size_t i = 0; i < layer->tensor_count; i++) {
        if (strcmp(layer->tensors[i].name, name) == 0) {
            return layer->tensors[i].shape;
        }
    }
    return (lyc_shape){0};
}

/* [out,in] of a LoRA's layer; an engine knows the shapes of its weights. */
static lyc_shape weight_shape(const lyc_network_layer *layer)
{
    const lyc_shape up = tensor_shape(layer, "lora_up.weight");     /* [out,rank] */
    const lyc_shape down = tensor_shape(layer, "lora_down.weight"); /* [rank,in] */
    return (lyc_shape){.rank = 2, .dims = {up.dims[0], down.dims[1]}};
}

static int use_layer(const lyc_network_file *file, size_t index, lyc_error *err)
{
    const lyc_network_layer layer = lyc_network_file_layer(file, index);
    lyc_base_layer base = {.dtype = LYC_F32, .shape = weight_shape(&layer)};
    const size_t out = (size_t)base.shape.dims[0], in = (size_t)base.shape.dims[1];
    float *weight = calloc(out * in, sizeof *weight), *x = calloc(in, sizeof *x), *y = calloc(out, sizeof *y);
    lyc_adapted_layer *adapted = NULL;
    const float strength = 0.5F;
    const lyc_shape x_shape = {.rank = 2, .dims = {1, base.shape.dims[1]}};
    int failed = weight == NULL || x == NULL || y == NULL;
    for (size_t i = 0; i < in && !failed; i++) {
        x[i] = 100;
    }
    base.weight = weight;

    /* Beside the layer, while its weight stays as it is ... */
    failed = failed || lyc_adapted_layer_new(&adapted, &(lyc_layer_source){file, index}, 1, &base, &x_shape, err) ||
             lyc_adapted_layer_run(y, adapted, x, &strength, err);

    /* ... or into the weight. */
    failed = failed || lyc_network_file_merge(weight, NULL, file, index, &base, 0.5, err);
    if (!failed) {
        float merged = 0;
        for (size_t i = 0; i < in; i++) {
            merged += weight[i];
        }
        printf("%s %s: %s of rank %d, alpha %g, scheme %s; first output %.4f beside, %.4f merged\n", layer.component,
               layer.module, layer.algorithm, (int)layer.rank, layer.alpha, layer.scheme, (double)y[0], (double)merged);
    }
    lyc_adapted_layer_free(adapted);
    free(weight);
    free(x);
    free(y);
    return failed;
}

int main(int argc, char **argv)
{
    lyc_error err = {LYC_OK, ""};
    lyc_network_file *file = NULL;
    int failed = argc != 2 || lyc_network_file_open(&file, argv[1], NULL, &err);
    for (size_t i = 0; !failed && i < lyc_network_file_count(file); i++) {
        failed = use_layer(file, i, &err);
    }
    for (size_t i = 0; !failed && i < lyc_network_file_unmatched_count(file); i++) {
        printf("not used: %s\n", lyc_network_file_unmatched(file, i));
    }
    lyc_network_file_close(file);
    if (failed) {
        fprintf(stderr, "engine: %s\n", argc != 2 ? "expected the name of an adapter file" : err.message);
    }
    return failed;
}
