/* safetensors_file.h - what the writer needs of an open file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_SAFETENSORS_FILE_H
#define LYC_TENSOR_SAFETENSORS_FILE_H

#include "base/file.h"
#include "lycoris/safetensors.h"

/* The mapping; NULL when the file is in memory. */
const lyc_file_map *lyc_safetensors_map(const lyc_safetensors *file);

#endif
