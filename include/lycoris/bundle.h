/* bundle.h - an adapter and the embeddings that it was trained with in one file
 *
 * A bundle is an adapter file with tensors "bundle_emb.<name>.<key>" beside those of the adapter, as AUTOMATIC1111's
 * web UI reads it: <name> is the word that stands for the embedding in prompts. Tensors are copied byte for byte in
 * both directions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_BUNDLE_H
#define LYCORIS_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"
#include "lycoris/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_bundle_embedding {
    const char *path; /* textual inversion: emb_params, clip_l and clip_g, or one matrix of any name */
    const char *name; /* NULL: that of the file */
} lyc_bundle_embedding;

typedef struct lyc_bundle_options {
    const lyc_bundle_embedding *embeddings;
    size_t embedding_count;
    bool steps;   /* "-500" or "-step500" at the end of a file's name is the step of training: it must be the adapter's,
                     and is no part of the embedding's name */
    bool force;   /* replace a file that exists */
    bool dry_run; /* write nothing */
} lyc_bundle_options;

typedef struct lyc_unbundle_options {
    bool steps;   /* the step in the bundle's name comes into those of the embeddings' files */
    bool force;   /* replace files that exist */
    bool dry_run; /* write nothing */
} lyc_unbundle_options;

/* An embedding that was put in or taken out. */
typedef struct lyc_bundled_embedding {
    const char *name;
    const char *path; /* that it was read from, or is written to */
    size_t tensors;
    int64_t vectors; /* of each encoder */
} lyc_bundled_embedding;

typedef struct lyc_bundling lyc_bundling;

/* Writes the bundle at path; a bundle may get more embeddings. The report must be freed. LYC_E_FORMAT: a file is
 * damaged or no embedding; LYC_E_UNSUPPORTED: a pickle; LYC_E_ARGUMENT: a name that is no name for a file, has a dot,
 * or comes twice. */
LYC_API lyc_status lyc_bundle(lyc_bundling **out, const char *path, const char *adapter,
                              const lyc_bundle_options *options, const lyc_task *task, lyc_error *err);

/* Writes the adapter, under its name without "-bundle", and each embedding as a file of its own into a folder, all or
 * none; the folder is made when it is missing. LYC_E_UNSUPPORTED: there are no embeddings. */
LYC_API lyc_status lyc_unbundle(lyc_bundling **out, const char *folder, const char *bundle,
                                const lyc_unbundle_options *options, const lyc_task *task, lyc_error *err);
LYC_API void lyc_bundling_free(lyc_bundling *bundling);

/* The adapter's file, read or written; NULL: a bundle had embeddings alone. Tensors of the adapter. */
LYC_API const char *lyc_bundling_adapter(const lyc_bundling *bundling);
LYC_API size_t lyc_bundling_adapter_tensors(const lyc_bundling *bundling);
LYC_API size_t lyc_bundling_count(const lyc_bundling *bundling);
LYC_API lyc_bundled_embedding lyc_bundling_embedding(const lyc_bundling *bundling, size_t index);

#ifdef __cplusplus
}
#endif
#endif
