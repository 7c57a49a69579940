/* base_model.h - a model that adapters are for, as files and the modules that are in them
 *
 * A module is known by its network and its name in diffusers ("unet", "down_blocks.0.attentions.0.proj_in"), as adapter
 * files know it. Its weight may be a tensor of its own, a part of one (q, k and v of OpenCLIP, Flux and SD3 in one
 * matrix), or several tensors one under the other (the other way round). Nothing is asked of a model but its names:
 * sizes are what its tensors have.
 *
 * A model is a file, the index of its shards, or a diffusers folder; each set of files that holds the tensors of a
 * network or of the whole is a unit. A folder with plain and fp16 files of a network has two units of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_BASE_MODEL_H
#define LYC_TOOL_BASE_MODEL_H

#include "adapter/fused.h"
#include "adapter/key_names.h"
#include "checkpoint/source.h"

typedef struct lyc_base_model lyc_base_model;

typedef struct lyc_base_model_options {
    bool exact; /* modules are called as the tensors are, whatever model it is; else as those of known models */
} lyc_base_model_options;

/* path: a file, an index of shards or a diffusers folder; options may be NULL. LYC_E_IO, LYC_E_FORMAT: it cannot be
 * read; LYC_E_UNSUPPORTED: a pickle. That no module is known is no error. */
lyc_status lyc_base_model_open(lyc_base_model **out, const char *path, const lyc_base_model_options *options,
                               lyc_error *err);
void lyc_base_model_close(lyc_base_model *model);

/* What adapter files of this model are to be opened with (lyc_network_file_from). Borrowed. */
const lyc_known_networks *lyc_base_model_known(const lyc_base_model *model);

/* --- files ---------------------------------------------------------------------------------------------------------
 */

/* A file of tensors: what is made of the model has one in the same place. */
typedef struct lyc_base_file {
    const char *path;     /* as opened */
    const char *relative; /* in the folder of the model; a single file's name */
    lyc_safetensors *tensors;
    size_t unit;
} lyc_base_file;

bool lyc_base_model_is_folder(const lyc_base_model *model);
size_t lyc_base_model_unit_count(const lyc_base_model *model);
size_t lyc_base_model_file_count(const lyc_base_model *model);
const lyc_base_file *lyc_base_model_file(const lyc_base_model *model, size_t index);

/* Other files of the folder, or the index of shards that was opened: relative paths, those that a reader looks for
 * first at the end (model_index.json). */
size_t lyc_base_model_other_count(const lyc_base_model *model);
const char *lyc_base_model_other(const lyc_base_model *model, size_t index);

/* LYC_E_IO when a file was changed after it was opened. */
lyc_status lyc_base_model_check(const lyc_base_model *model, lyc_error *err);

/* --- modules -------------------------------------------------------------------------------------------------------
 */

/* Rows [row,row+count) of a tensor, of the first extent. */
typedef struct lyc_base_rows {
    size_t file, tensor; /* indices */
    int64_t row, count;
} lyc_base_rows;

/* A weight or a bias: its rows, one piece under the other. count 0: there is none. */
typedef struct lyc_base_pieces {
    int count;
    lyc_base_rows pieces[LYC_FUSED_PARTS];
    lyc_shape shape; /* of the whole */
    lyc_dtype dtype; /* of all pieces; else they are refused */
} lyc_base_pieces;

typedef struct lyc_base_module {
    lyc_base_pieces weight, bias;
    bool transposed; /* the tensor is [in,out]; weight.shape is [out,in] */
    bool original;   /* the tensor is called as in the original code, which has the halves of some rows exchanged */
} lyc_base_module;

/* The module of a unit. False: it has none of that name, or not all of its pieces. */
bool lyc_base_model_find(lyc_base_module *out, const lyc_base_model *model, size_t unit, const char *component,
                         const char *module);

/* The modules that the model has tensors of, in the order in which these come; a module of two files of a folder
 * (fp16 beside it) is there twice. */
typedef struct lyc_base_module_name {
    size_t unit;
    const char *component;
    const lyc_inventory_entry *entry; /* names; sizes are not those of the model */
} lyc_base_module_name;
size_t lyc_base_model_module_count(const lyc_base_model *model);
lyc_base_module_name lyc_base_model_module(const lyc_base_model *model, size_t index);

/* The rows of a weight or bias, one piece under the other, in f32: out [elements of pieces->shape]; and the weight as
 * [out,in..], whatever the tensor has. */
lyc_status lyc_base_pieces_read(float *out, const lyc_base_model *model, const lyc_base_pieces *pieces, lyc_error *err);
lyc_status lyc_base_weight_read(float *out, const lyc_base_model *model, const lyc_base_module *module, lyc_error *err);

/* The whole tensor that rows are of. */
lyc_tensor_view lyc_base_model_tensor(const lyc_base_model *model, const lyc_base_rows *rows);

#endif
