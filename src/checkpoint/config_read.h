/* config_read.h - JSON objects of configurations, read by a table of their fields
 *
 *     static const lyc_field fields[] = {
 *         {"in_channels", LYC_FIELD_INT, offsetof(struct config, in_channels), .min = 1, .max = 1024},
 *         {"act_fn", LYC_FIELD_ONLY_TEXT, .text = "silu"},
 *         {0},
 *     };
 *
 * A field that is missing or null leaves the member as it is, so that defaults (or what was inferred) are put there
 * first. A field that no table knows is told in the log, once, unless its value is null or false.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_CONFIG_READ_H
#define LYC_CHECKPOINT_CONFIG_READ_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/error.h"
#include "checkpoint/config.h"

typedef enum lyc_field_kind {
    LYC_FIELD_INT,         /* int within [min, max] */
    LYC_FIELD_FLOAT,       /* float within [min, max] */
    LYC_FIELD_DOUBLE,      /* double within [min, max] */
    LYC_FIELD_BOOL,        /* bool */
    LYC_FIELD_ONLY_TEXT,   /* accepted with the value `text` alone, or null */
    LYC_FIELD_ONLY_NUMBER, /* with `number` alone, or null */
    LYC_FIELD_ONLY_FALSE,  /* with false alone, or null */
    LYC_FIELD_ONLY_NULL,   /* with null alone */
    LYC_FIELD_ELSEWHERE,   /* read by code, not by the table */
    LYC_FIELD_IGNORED      /* known, and of no meaning here */
} lyc_field_kind;

typedef struct lyc_field {
    const char *name; /* NULL ends a table */
    lyc_field_kind kind;
    size_t offset; /* of the member in the config */
    double min, max;
    double number;
    const char *text;
} lyc_field;

enum { LYC_CONFIG_MAX_BYTES = 16 << 20 };

/* Reads a file that holds a JSON object; what: "configuration". json_decref releases it. */
lyc_status lyc_json_load(json_t **out, const char *path, size_t max_bytes, lyc_error *err);

/* The same from memory. */
lyc_status lyc_json_parse(json_t **out, const char *text, size_t length, lyc_error *err);

/* LYC_E_FORMAT: 'name' is <value>, expected <expected>. */
lyc_status lyc_json_complain(const char *name, const json_t *value, const char *expected, lyc_error *err);

/* Reads the fields of an object into config; file is for the warning about unknown ones. */
lyc_status lyc_fields_read(void *config, const lyc_field *fields, const json_t *json, const char *file, lyc_error *err);

/* A whole number or a list of them, each within [min, max]. *given gets how many there are: 0: the field is missing or
 * null, -1: one number, which is put into all of out[LYC_MAX_LEVELS]. */
lyc_status lyc_field_ints(int out[LYC_MAX_LEVELS], int *given, const json_t *json, const char *name, int min, int max,
                          lyc_error *err);

/* The index of a text in a list that ends with NULL; leaves *out when the field is missing or null. */
lyc_status lyc_field_choice(int *out, const json_t *json, const char *name, const char *const choices[],
                            lyc_error *err);

/* --- the configurations ----------------------------------------------------------------------------------------- */

/* _default: what diffusers (transformers for the text tower) has for a field that is not there. _apply: puts what json
 * says over what is there. _check: whether the numbers fit together; names the layer that does not. */
void lyc_unet_config_default(lyc_unet_config *config);
lyc_status lyc_unet_config_apply(lyc_unet_config *config, const json_t *json, const char *file, lyc_error *err);
lyc_status lyc_unet_config_check(const lyc_unet_config *config, lyc_error *err);

/* ControlNetModel: the same fields and those of the condition encoder. */
lyc_status lyc_controlnet_config_apply(lyc_unet_config *config, const json_t *json, const char *file, lyc_error *err);

void lyc_vae_config_default(lyc_vae_config *config);
lyc_status lyc_vae_config_apply(lyc_vae_config *config, const json_t *json, const char *file, lyc_error *err);

/* *with_projection: the configuration says that there is a text_projection. */
void lyc_clip_text_config_default(lyc_clip_text_config *config);
lyc_status lyc_clip_text_config_apply(lyc_clip_text_config *config, bool *with_projection, const json_t *json,
                                      const char *file, lyc_error *err);
lyc_status lyc_clip_text_config_check(const lyc_clip_text_config *config, lyc_error *err);

/* trained_betas, when there are any, go into the arena. */
struct lyc_arena;
void lyc_scheduler_config_default(lyc_scheduler_config *config); /* of a model without a file: SD 1.5's */
void lyc_scheduler_config_file_default(lyc_scheduler_config *config, const json_t *json); /* of diffusers' class */
lyc_status lyc_scheduler_config_apply(lyc_scheduler_config *config, struct lyc_arena *arena, const json_t *json,
                                      const char *file, lyc_error *err);

#endif
