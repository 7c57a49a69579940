/* inspect.h - looking at model files without loading them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_INSPECT_H
#define LYCORIS_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"
#include "lycoris/safetensors.h"
#include "lycoris/task.h"
#include "lycoris/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers of a tensor. mean_abs and the ranges are over the finite values, and NaN when there are none. */
typedef struct lyc_tensor_statistics {
    uint64_t count;
    uint64_t nan_count;
    uint64_t infinity_count;
    double mean_abs; /* mean of |x| */
    double max_abs;  /* largest |x| */
    double min;
    double max;
} lyc_tensor_statistics;

/* What to do with each tensor of a file. */
typedef struct lyc_inspect_visitor {
    bool (*wanted)(void *context, const lyc_tensor_view *tensor); /* NULL: all are */

    /* statistics is NULL for types that can only be copied. Another status than LYC_OK ends the visit and is returned.
     */
    lyc_status (*visit)(void *context, const lyc_tensor_view *tensor, const lyc_tensor_statistics *statistics,
                        lyc_error *err);
    void *context;
} lyc_inspect_visitor;

/* Computes statistics of the tensors in the order of the file, one after the other; memory does not grow with the file.
 * task may be NULL. LYC_E_IO when the file changed meanwhile: what was visited is then worthless. */
LYC_API lyc_status lyc_inspect_statistics(const lyc_safetensors *file, const lyc_inspect_visitor *visitor,
                                          const lyc_task *task, lyc_error *err);

/* Hashes by which files are known, in lower-case hexadecimal digits. */
typedef struct lyc_file_hashes {
    char sha256[65]; /* of the whole file: ss_new_sd_model_hash, Civitai */
    char legacy[9];  /* 8 digits of the SHA-256 of 64 KiB at 1 MiB: ss_sd_model_hash */

    /* Of the tensors alone, as sd-scripts defines them: sshs_model_hash is the SHA-256 of their data in the reference
     * library's order; sshs_legacy_hash has 8 digits of 64 KiB at 1 MiB of a file that would have these tensors and, of
     * the metadata, what begins with ss_. */
    char model[65];
    char model_legacy[9];
} lyc_file_hashes;

/* path is that of the open file. file NULL: sha256 and legacy alone, of any file. task may be NULL. */
LYC_API lyc_status lyc_inspect_hashes(lyc_file_hashes *out, const char *path, const lyc_safetensors *file,
                                      const lyc_task *task, lyc_error *err);

#ifdef __cplusplus
}
#endif
#endif
