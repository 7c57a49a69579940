/* text_runner.h - a text encoder in use
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_TEXT_RUNNER_H
#define LYC_MODEL_TEXT_RUNNER_H

#include "model/clip_text.h"
#include "model/runner.h"

typedef struct lyc_text_runner lyc_text_runner;

lyc_status lyc_text_runner_new(lyc_text_runner **out, const lyc_component *encoder, const lyc_runner_options *options,
                               lyc_error *err);
void lyc_text_runner_free(lyc_text_runner *runner);

/* ids [n,tokens], eos_rows [n] (needed for pooled alone, see lyc_clip_eos_rows) -> states [n,tokens,hidden] and, when
 * the request asks for it, pooled [n,projection] (of the hidden size in models without a projection). LYC_E_ARGUMENT:
 * an id or row out of range. */
lyc_status lyc_text_runner_encode(float *states, float *pooled, lyc_text_runner *runner, const int32_t *ids,
                                  const int32_t *eos_rows, int64_t n, int64_t tokens,
                                  const lyc_clip_text_request *request, lyc_error *err);

/* Embeddings [count,hidden] of ids that the model's table does not have: from its size on. Borrowed until others are
 * set; count 0: none. */
void lyc_text_runner_set_rows(lyc_text_runner *runner, const float *rows, int64_t count);

/* Bytes of packed weights and of the arena. */
size_t lyc_text_runner_bytes(const lyc_text_runner *runner);

#endif
