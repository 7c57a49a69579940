/* adapter.h - adapter files in another engine: what is in them, which layer each part is for, what it changes
 *
 *     lyc_network_file *file;
 *     lyc_network_file_open(&file, "style.safetensors", NULL, &err);
 *     for (size_t i = 0; i < lyc_network_file_count(file); i++) {
 *         lyc_network_layer layer = lyc_network_file_layer(file, i);         "unet", "conv_in", "lokr", ...
 *         lyc_base_layer base = {.dtype = LYC_F16, .shape = ..., .weight = my_weight(layer.component, layer.module)};
 *         lyc_network_file_merge(base.weight, NULL, file, i, &base, 0.8, &err);
 *     }
 *     for (size_t i = 0; i < lyc_network_file_unmatched_count(file); i++) ... lyc_network_file_unmatched(file, i)
 *     lyc_network_file_close(file);
 *
 * Every algorithm of LyCORIS and every way to name layers in use is read: those of sd-scripts, LyCORIS, diffusers,
 * PEFT, ComfyUI, for Stable Diffusion 1.x, 2.x, XL, Flux.1, SD3 and their text encoders. Different files may be used by
 * different threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_ADAPTER_H
#define LYCORIS_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/safetensors.h"
#include "lycoris/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- algorithms ----------------------------------------------------------------------------------------------------
 */

typedef struct lyc_algorithm_info {
    const char *name;    /* "lokr" */
    const char *summary; /* "low-rank Kronecker product" */
    const char *formula;
    const char *source; /* where it comes from */
} lyc_algorithm_info;

/* Number of algorithms, and the one at an index below it. */
LYC_API size_t lyc_algorithm_count(void);
LYC_API lyc_algorithm_info lyc_algorithm_at(size_t index);

/* An option of an algorithm; false past the last. standard is NULL where there is none. */
typedef struct lyc_algorithm_option {
    const char *name;
    const char *standard;
    const char *help;
} lyc_algorithm_option;
LYC_API bool lyc_algorithm_option_at(lyc_algorithm_option *out, size_t algorithm, size_t index);

/* The tensors that an adapter of a layer with that weight has in a file, as "lora_up.weight 320x4"; the rank is the
 * standard one. Returns false past the last, or where the algorithm does not adapt such a layer. */
LYC_API bool lyc_algorithm_tensor_at(char *out, size_t size, size_t algorithm, const lyc_shape *weight, size_t index);

/* Built-in presets of layers, for training. NULL past the last. */
LYC_API const char *lyc_preset_name_at(size_t index);
LYC_API const char *lyc_preset_summary_at(size_t index);

/* --- files ---------------------------------------------------------------------------------------------------------
 */

typedef struct lyc_network_file lyc_network_file;

typedef struct lyc_network_file_options {
    const char *component; /* what the layers are of where names do not say (PEFT): "unet", "text_encoder" ...; NULL:
                              the first network that has them */
    const char *prefix;    /* of LyCORIS' wrapper, when it is not "lycoris" */
    bool strict;           /* a tensor that belongs to no known layer is an error */
} lyc_network_file_options;

/* Opens an adapter file, or a folder of PEFT; options may be NULL. Reads no values. LYC_E_IO, LYC_E_FORMAT: the file is
 * damaged, two tensors mean the same; LYC_E_UNSUPPORTED: a pickle; nothing in it belongs to a known layer; with strict,
 * something does not. */
LYC_API lyc_status lyc_network_file_open(lyc_network_file **out, const char *path,
                                         const lyc_network_file_options *options, lyc_error *err);
LYC_API void lyc_network_file_close(lyc_network_file *file);

/* The file below: metadata and tensors as they are. */
LYC_API const lyc_safetensors *lyc_network_file_tensors(const lyc_network_file *file);

/* One adapted layer; everything is borrowed from the file. */
typedef struct lyc_network_layer {
    const char *name;      /* in the file, without suffix: "lora_unet_conv_in" */
    const char *scheme;    /* how it is named: "kohya", "wrapper", "diffusers", "bare", "peft", "hcp", "plain" */
    const char *component; /* "unet", "text_encoder", "text_encoder_2", "transformer" ... */
    const char *module;    /* diffusers' name of the module: "down_blocks.0.attentions.0.proj_in" */
    const char *original;  /* its name in single files: "input_blocks.1.1.proj_in" */
    const char *algorithm;
    int64_t rank; /* 0: the algorithm has none */
    double alpha; /* NaN: the file does not say, and then the scale is 1 */
    bool dora;
    lyc_shape weight;               /* that the layer must have for these tensors; rank 0: they do not say it */
    const lyc_tensor_view *tensors; /* under the names that the algorithm has for them */
    size_t tensor_count;
} lyc_network_layer;

LYC_API size_t lyc_network_file_count(const lyc_network_file *file);
LYC_API lyc_network_layer lyc_network_file_layer(const lyc_network_file *file, size_t index);

/* The models that the file is for, by names and shapes: "SD 1.x", "SD 2.x", "SDXL", "Flux.1", "SD3"; NULL: they do not
 * say it. */
LYC_API const char *lyc_network_file_family(const lyc_network_file *file);

/* The layer of a module, by diffusers' or the original name, with dots or underscores. False: the file has none. */
LYC_API bool lyc_network_file_find(size_t *index, const lyc_network_file *file, const char *component,
                                   const char *module);

/* Tensors that belong to no known layer, or mean nothing to its algorithm. */
LYC_API size_t lyc_network_file_unmatched_count(const lyc_network_file *file);
LYC_API const char *lyc_network_file_unmatched(const lyc_network_file *file, size_t index);

/* Tensors of embeddings in a bundle ("bundle_emb.<name>.<key>"). */
LYC_API size_t lyc_network_file_embedding_count(const lyc_network_file *file);
LYC_API lyc_tensor_view lyc_network_file_embedding(const lyc_network_file *file, size_t index);

/* --- changes of weights --------------------------------------------------------------------------------------------
 */

/* A layer as the engine has it: linear [out,in], convolution [out,in/groups,k..], norm [c], dense and row-major. */
typedef struct lyc_base_layer {
    lyc_dtype dtype;
    lyc_shape shape;
    const void *weight; /* NULL: not at hand; enough for LoRA, LoHa, LoKr, norms, full differences */
    const void *bias;   /* of the same dtype, [out]; NULL: none */
    int groups;         /* of a convolution; 0 means 1 */

    /* Of a convolution of two dimensions, for lyc_adapted_layer. 0 means: 1 (stride, dilation), none (padding). */
    int stride[2], padding[2], dilation[2];
} lyc_base_layer;

/* strength * the change of the weight (and of the bias; bias may be NULL) in any type: computed in f32, rounded once.
 * LYC_E_SHAPE: the adapter is for another layer; LYC_E_ARGUMENT: the change depends on the weight, which is not given.
 */
LYC_API lyc_status lyc_network_file_change(void *weight, void *bias, lyc_dtype dtype, const lyc_network_file *file,
                                           size_t index, const lyc_base_layer *base, double strength, lyc_error *err);

/* The changed weight in the base layer's type; may be written over the base's own. A bias is written where one is given
 * and the base has one. strength 0 copies bit for bit. */
LYC_API lyc_status lyc_network_file_merge(void *weight, void *bias, const lyc_network_file *file, size_t index,
                                          const lyc_base_layer *base, double strength, lyc_error *err);

/* A layer with adapters of several files, prepared for inputs of one shape: x [..,in], or [n,h,w,in] for convolutions.
 * The change of the weight is never formed where that costs more. */
typedef struct lyc_adapted_layer lyc_adapted_layer;

typedef struct lyc_layer_source {
    const lyc_network_file *file;
    size_t index;
} lyc_layer_source;

/* base and its weight must stay. */
LYC_API lyc_status lyc_adapted_layer_new(lyc_adapted_layer **out, const lyc_layer_source *sources, size_t count,
                                         const lyc_base_layer *base, const lyc_shape *x, lyc_error *err);
LYC_API void lyc_adapted_layer_free(lyc_adapted_layer *layer);
LYC_API lyc_shape lyc_adapted_layer_output(const lyc_adapted_layer *layer);

/* y = layer(x), bias included; strengths: one for each source. One thread at a time. */
LYC_API lyc_status lyc_adapted_layer_run(float *y, lyc_adapted_layer *layer, const float *x, const float *strengths,
                                         lyc_error *err);

#ifdef __cplusplus
}
#endif
#endif
