/* clip_merges.h - the merges of CLIP's vocabulary, part of the library
 *
 * Single-file checkpoints have no tokenizer. clip_merges.txt is what OpenAI published with CLIP: 48,894 merges in order
 * of rank (see NOTICE).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_CLIP_MERGES_H
#define LYC_TEXT_CLIP_MERGES_H

#include "base/string.h"

/* The text of the file. */
lyc_span lyc_clip_merges(void);

#endif
