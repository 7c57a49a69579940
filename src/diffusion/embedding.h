/* embedding.h - textual inversion: a word that stands for learned embeddings
 *
 * Files (Gal et al., arXiv 2208.01618), all of safetensors:
 *
 *     emb_params [n,d]                     AUTOMATIC1111, sd-scripts: SD 1.x (d 768), 2.x (1024)
 *     clip_l [n,768], clip_g [n,1280]      SDXL
 *     <any name> [d] or [n,d]              diffusers: one tensor under the name of the token
 *
 * Pickles are not read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_EMBEDDING_H
#define LYC_DIFFUSION_EMBEDDING_H

#include "diffusion/text_encoders.h"

/* Adds the embedding of a file under a name; NULL: that of the file without ending. LYC_E_SHAPE: it is of another
 * model; LYC_E_FORMAT: it is no embedding; LYC_E_ARGUMENT: the name is taken. */
lyc_status lyc_embedding_add(lyc_text_encoders *encoders, const char *path, const char *name, lyc_error *err);

#endif
