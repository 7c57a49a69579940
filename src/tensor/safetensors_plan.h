/* safetensors_plan.h - what the writer needs of a plan
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_SAFETENSORS_PLAN_H
#define LYC_TENSOR_SAFETENSORS_PLAN_H

#include "lycoris/safetensors.h"

typedef struct lyc_plan_tensor {
    const char *name;
    lyc_dtype dtype;
    lyc_shape shape;
    size_t size;    /* bytes */
    uint64_t begin; /* in the data; once the header was made */
    size_t written; /* bytes, by the writer */
} lyc_plan_tensor;

/* The tensor of a name; NULL when there is none. */
lyc_plan_tensor *lyc_safetensors_plan_find(const lyc_safetensors_plan *plan, const char *name);

/* A plan of the same tensors, with the metadata whose keys begin with prefix. */
lyc_status lyc_safetensors_plan_copy(lyc_safetensors_plan **out, const lyc_safetensors_plan *plan, const char *prefix,
                                     lyc_error *err);

/* Exchanges a metadata text for one of the same length; the header, when it is made, keeps its size. LYC_E_ARGUMENT:
 * the plan has no such text, or one of another length. */
lyc_status lyc_safetensors_plan_exchange(lyc_safetensors_plan *plan, const char *key, const char *value,
                                         lyc_error *err);

/* Size of the whole file; once the header was made. */
uint64_t lyc_safetensors_plan_file_bytes(const lyc_safetensors_plan *plan);

#endif
