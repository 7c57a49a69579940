/* metadata.h - what a file says about itself: titles, trigger words, settings of its training
 *
 * Keys are those of sd-scripts (ss_...), of Stability's ModelSpec (modelspec....) and of the hashes (sshs_...).
 * Changing them copies the tensors byte for byte; hashes of the tensors stay true.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_METADATA_H
#define LYCORIS_METADATA_H

#include "lycoris/safetensors.h"
#include "lycoris/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_metadata_change {
    const char *key;
    const char *value; /* NULL: the key is taken away */
} lyc_metadata_change;

/* Writes the file at path with the changes made, in their order; `replace`: path may be that of file itself, which is
 * then exchanged for the new one at the end. sshs_legacy_hash, which depends on ss_ keys, is renewed when they change.
 * LYC_E_ARGUMENT: a key to take away that is not there. */
typedef struct lyc_metadata_options {
    bool force;
    bool replace;
} lyc_metadata_options;
LYC_API lyc_status lyc_metadata_write(const char *path, const lyc_safetensors *file, const lyc_metadata_change *changes,
                                      size_t count, const lyc_metadata_options *options, const lyc_task *task,
                                      lyc_error *err);

/* A picture (PNG, JPEG, WebP; at most 1 MiB) as modelspec.thumbnail has it: "data:image/png;base64,...". The text is
 * released with lyc_metadata_text_free. */
LYC_API lyc_status lyc_metadata_thumbnail(char **out, const char *path, lyc_error *err);
LYC_API void lyc_metadata_text_free(char *text);

/* The files that AUTOMATIC1111's web UI reads beside a model "<name>.safetensors": "<name>.json" with description,
 * family, activation text (the trigger phrase, else the most frequent tags) and preferred weight; "<name>.preview.png"
 * when the thumbnail is a PNG. written: NULL, or how many files there are now. */
LYC_API lyc_status lyc_metadata_write_sidecars(int *written, const char *path, const lyc_safetensors *file, bool force,
                                               lyc_error *err);

/* --- tags ----------------------------------------------------------------------------------------------------------
 */

/* How often a tag is in the captions that a file was trained with (ss_tag_frequency). */
typedef struct lyc_tag_count {
    char *tag;
    int64_t count;
} lyc_tag_count;

/* The most frequent ones first, at most `limit`. *count 0: the file does not say. */
LYC_API lyc_status lyc_metadata_tags(lyc_tag_count **out, size_t *count, const lyc_safetensors *file, size_t limit,
                                     lyc_error *err);
LYC_API void lyc_metadata_tags_free(lyc_tag_count *tags, size_t count);

#ifdef __cplusplus
}
#endif
#endif
