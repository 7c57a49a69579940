/* sample_prompts.h - the prompts of sample pictures, in any form that sd-scripts reads
 *
 *     .txt     one prompt a line with options behind it: lycoris/generate.h
 *     .toml    [prompt] with what holds for all, [[prompt.subset]] for each
 *     .json    a list of lines as in .txt, or of objects
 *
 * Keys of tables and objects: prompt, negative_prompt, width, height, seed, sample_steps, scale, sample_sampler.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_SAMPLE_PROMPTS_H
#define LYC_TRAIN_SAMPLE_PROMPTS_H

#include "base/error.h"
#include "lycoris/generate.h"

typedef struct lyc_sample_prompts lyc_sample_prompts;

/* standard: what holds where a prompt says nothing; its texts are borrowed. LYC_E_FORMAT names the file and the line or
 * key; also for a file without a prompt. */
lyc_status lyc_sample_prompts_open(lyc_sample_prompts **out, const char *path, const lyc_generate_options *standard,
                                   lyc_error *err);
void lyc_sample_prompts_free(lyc_sample_prompts *prompts);

size_t lyc_sample_prompts_count(const lyc_sample_prompts *prompts);
const lyc_generate_options *lyc_sample_prompts_options(const lyc_sample_prompts *prompts, size_t index);

#endif
