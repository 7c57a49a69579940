/* base_model_internal.h - shared by the files that open a base model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_BASE_MODEL_INTERNAL_H
#define LYC_TOOL_BASE_MODEL_INTERNAL_H

#include "base/arena.h"
#include "base/hashmap.h"
#include "tool/base_model.h"

/* Files that hold the tensors of one network, or of all. */
typedef struct lyc_base_unit {
    lyc_source *source;
    const char *component; /* of a folder; NULL: names say it */
    size_t first_file;     /* of the model's */
} lyc_base_unit;

/* Weight and bias of a module that has tensors of its own, or a third of stacked ones. */
typedef struct lyc_base_entry {
    size_t unit;
    lyc_key_target target;
    size_t weight_file, weight; /* index of the tensor + 1; 0: none */
    size_t bias_file, bias;
    int third; /* 1, 2, 3; 0: the whole */
    bool transposed, original;
} lyc_base_entry;

enum { LYC_BASE_UNITS = 32 };

struct lyc_base_model {
    lyc_arena arena;
    const char *path;
    bool exact, is_folder;
    lyc_base_unit units[LYC_BASE_UNITS];
    size_t unit_count;
    lyc_base_file *files;
    size_t file_count;
    const char **others;
    size_t other_count, other_capacity;
    lyc_hashmap modules; /* "unit/component/module": lyc_base_entry */
    lyc_known_networks known;
};

/* Opens what is below the path: units and other files. */
lyc_status lyc_base_model_open_files(lyc_base_model *model, lyc_error *err);

#endif
