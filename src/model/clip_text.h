/* clip_text.h - the CLIP text tower as a graph
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_CLIP_TEXT_H
#define LYC_MODEL_CLIP_TEXT_H

#include "model/module.h"

typedef struct lyc_clip_text_output {
    lyc_value *state;  /* the state asked for: [n,tokens,hidden] */
    lyc_value *pooled; /* text_projection(LN(h_n) at the EOS rows): [n,projection]; NULL when not asked for */
} lyc_clip_text_output;

typedef struct lyc_clip_text_request {
    int skip;        /* 0: h_n, 1: h_{n-1}, ...: output of layer n - skip, before the final norm */
    bool final_norm; /* apply final_layer_norm to it */
    bool pooled;     /* also the projection (eos must be given) */
    /* Embeddings that are not the table's (textual inversion): keep [n,tokens,1] is 0 where one stands, else 1; added
     * [n,tokens,hidden] has it there, else 0. NULL: none. */
    lyc_value *keep, *added;
} lyc_clip_text_request;

/* ids LYC_INDEX [n,tokens], eos LYC_INDEX [n] or NULL (rows of the first end token). Layers above what is asked for are
 * not built. */
lyc_clip_text_output lyc_clip_text(lyc_module *m, const lyc_clip_text_config *config, lyc_value *ids, lyc_value *eos,
                                   const lyc_clip_text_request *request);

/* A configuration from the tensors of a text tower that is no part of a checkpoint: heads of 64 channels, eps 1e-5; the
 * caller says the activation, which weights do not tell, and the heads where they are others. */
struct lyc_vision_weights;
lyc_status lyc_clip_text_config_infer(lyc_clip_text_config *config, const struct lyc_vision_weights *weights,
                                      bool quick_gelu, lyc_error *err);

/* The row of each sample's end token in ids [n,tokens]: the first eos_id; where there is none, the first of the largest
 * id (vocabularies of small models; the rule of transformers for configurations with eos_token_id 2). */
void lyc_clip_eos_rows(int32_t *rows, const int32_t *ids, int64_t n, int64_t tokens, int32_t eos_id);

#endif
