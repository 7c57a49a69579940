/* weights_file.h - rows of trained numbers as a file of safetensors
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_PRETRAIN_WEIGHTS_FILE_H
#define LYC_PRETRAIN_WEIGHTS_FILE_H

#include "train/trainable.h"

enum { LYC_WEIGHTS_NAME = 512 };

/* The name in the file of a tensor of the component; false: it is not for this file. */
typedef bool (*lyc_weights_namer)(char out[LYC_WEIGHTS_NAME], const char *name);

typedef struct lyc_weights_form {
    lyc_dtype dtype;         /* F32, F16 or BF16 */
    lyc_weights_namer namer; /* NULL: the names that they have */
    bool force;              /* replaces a file that is there */
} lyc_weights_form;

/* Rows of the component, without its name in front. LYC_E_NUMERIC: a number is not finite, or too large for the type;
 * LYC_E_OUTPUT. */
lyc_status lyc_weights_write(const char *path, const lyc_trainables *set, const char *component,
                             const lyc_weights_form *form, lyc_error *err);

#endif
