/* safetensors_file.h - what other files of the library need of an open file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_SAFETENSORS_FILE_H
#define LYC_TENSOR_SAFETENSORS_FILE_H

#include "base/file.h"
#include "lycoris/safetensors.h"

/* The mapping; NULL when the file is in memory. */
const lyc_file_map *lyc_safetensors_map(const lyc_safetensors *file);

/* Index of the tensor of a name; SIZE_MAX when there is none. */
size_t lyc_safetensors_index(const lyc_safetensors *file, const char *name);

#endif
