/* caption.h - from the lines of a caption file to the text that one use of a picture is trained with
 *
 * As sd-scripts' BaseDataset.process_caption (library/train_util.py), in this order: prefix and suffix; dropout;
 * wildcards; tags that are kept, warmed up, shuffled and dropped; the secondary separator.
 *
 * Random choices depend on a stream that the caller gives, not on what was drawn before. Two places differ from
 * sd-scripts: a keep separator is taken out also when tags stay in their order, and the warm-up's steps are those of
 * the optimiser.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_CAPTION_H
#define LYC_DATA_CAPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/string.h"
#include "tensor/random.h"

/* Names and defaults are sd-scripts'; texts may be NULL. */
typedef struct lyc_caption_options {
    bool shuffle_caption;
    const char *caption_separator;
    int64_t keep_tokens;
    const char *keep_tokens_separator;
    const char *secondary_separator;
    bool enable_wildcard;
    const char *caption_prefix;
    const char *caption_suffix;
    double caption_dropout_rate;
    int64_t caption_dropout_every_n_epochs;
    double caption_tag_dropout_rate;
    int64_t token_warmup_min;
    double token_warmup_step; /* below 1: of the total steps */
} lyc_caption_options;

/* When a caption is used. */
typedef struct lyc_caption_moment {
    lyc_native_random random; /* its own stream of (seed, epoch, place in the epoch) */
    int64_t epoch;            /* from 1 */
    int64_t step, total_steps;
} lyc_caption_moment;

/* Appends the finished caption to out; lines: those of the file without empty ones, at least one (which may be ""). */
void lyc_caption_finish(lyc_strbuf *out, const lyc_span *lines, size_t count, const lyc_caption_options *options,
                        const lyc_caption_moment *moment);

/* Whether every use of a caption gives the same text. */
bool lyc_caption_is_fixed(const lyc_caption_options *options);

#endif
