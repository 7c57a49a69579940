/* verify.h - which programs load an adapter file, and whether they do with it what it means
 *
 * Programs that read adapters know different names, algorithms and options; what they do not know they mostly drop
 * without a word. Each has a table of what it drops and what it computes in another way, of one version.
 *
 *     lyc_network_file_open(&file, "style.safetensors", NULL, &err);
 *     lyc_consumer_find(&consumer, "comfyui");
 *     lyc_verify(&verification, file, consumer, &err);
 *     summary = lyc_verification_summary(verification);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_VERIFY_H
#define LYCORIS_VERIFY_H

#include "lycoris/adapter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* From good to bad. */
typedef enum lyc_verdict {
    LYC_VERDICT_LOADS,   /* with the meaning that it has */
    LYC_VERDICT_LIMITED, /* with the meaning that it has at strength 1 alone */
    LYC_VERDICT_DIFFERS, /* with another result */
    LYC_VERDICT_DROPPED  /* not at all */
} lyc_verdict;

/* "loads", "limited", "differs", "dropped" */
LYC_API const char *lyc_verdict_name(lyc_verdict verdict);

/* --- consumers -----------------------------------------------------------------------------------------------------
 */

typedef struct lyc_consumer_info {
    const char *name;    /* "comfyui" */
    const char *title;   /* "ComfyUI" */
    const char *version; /* whose behaviour the table has */
    const char *note;    /* what holds for all of its files; NULL: nothing */
} lyc_consumer_info;

LYC_API size_t lyc_consumer_count(void);
LYC_API lyc_consumer_info lyc_consumer_at(size_t index);

/* False: there is none of that name. */
LYC_API bool lyc_consumer_find(size_t *index, const char *name);

/* --- a file --------------------------------------------------------------------------------------------------------
 */

typedef struct lyc_verification lyc_verification;

/* The file must stay. Reads no values but single numbers. */
LYC_API lyc_status lyc_verify(lyc_verification **out, const lyc_network_file *file, size_t consumer, lyc_error *err);
LYC_API void lyc_verification_free(lyc_verification *verification);

typedef struct lyc_verify_summary {
    lyc_verdict verdict; /* of the file: the worst of its layers */
    size_t layers[4];    /* by verdict */
    size_t unmatched;    /* tensors of the file that belong to no layer that is known here */
    bool refused;        /* the whole file is refused for what it has that is not known */
} lyc_verify_summary;

LYC_API lyc_verify_summary lyc_verification_summary(const lyc_verification *verification);

/* The verdict of a layer of the file, and why; a layer that loads has no reason (NULL). */
LYC_API lyc_verdict lyc_verification_layer(const char **reason, const lyc_verification *verification, size_t layer);

/* One reason and all layers that it is true of. */
typedef struct lyc_verify_finding {
    lyc_verdict verdict;
    const char *reason;
    size_t layers;
    const char *example; /* name of the first of them */
} lyc_verify_finding;

/* In the order of the file's layers. A layer may have several. */
LYC_API size_t lyc_verification_finding_count(const lyc_verification *verification);
LYC_API lyc_verify_finding lyc_verification_finding(const lyc_verification *verification, size_t index);

/* --- the table of formats ------------------------------------------------------------------------------------------
 */

/* A row: an algorithm with what makes a difference to programs that read it. NULL past the last. */
LYC_API const char *lyc_format_title_at(size_t row);

/* What a consumer makes of it, in the naming scheme that it knows best. */
LYC_API lyc_status lyc_format_verdict(lyc_verdict *verdict, const char **reason, size_t row, size_t consumer,
                                      lyc_error *err);

/* Writes a small adapter of that row for Stable Diffusion 1.x, with random numbers, to try it out: one file. */
LYC_API lyc_status lyc_format_write_sample(const char *path, size_t row, bool force, lyc_error *err);

#ifdef __cplusplus
}
#endif
#endif
