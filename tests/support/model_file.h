/* model_file.h - small model files of any layout, whole or with a fault
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_SUPPORT_MODEL_FILE_H
#define TESTS_SUPPORT_MODEL_FILE_H

#include "checkpoint/component.h"
#include "lycoris/tensor.h"

/* A component of a file: its config.json, and the beginning of its keys, which says in which layout they are
 * ("" for the files of a diffusers folder). */
typedef struct test_part {
    lyc_component_kind kind;
    const char *config;
    const char *prefix;
} test_part;

/* What is different from a good file. Members may be NULL. */
typedef struct test_fault {
    const char *without;    /* keys that begin so are left out */
    const char *only;       /* all other keys are left out */
    const char *extra;      /* another key, of shape [2] */
    const char *not_finite; /* this key has an infinity */
    const char *reshaped;   /* this key has `shape` */
    lyc_shape shape;
    const char *renames[4][2]; /* in keys, each first text becomes the second */
    const char *metadata[2];   /* key and value */
    const char *retyped;       /* this key has `dtype` */
    lyc_dtype dtype;
} test_fault;

/* Writes a file of f32; numbers are a hash of name and place, the same for the same name. fault may be NULL. Fails the
 * test when it cannot. */
void test_model_write(const char *path, const test_part *parts, size_t part_count, const test_fault *fault);

/* Small configurations: U-Net of two levels, VAE of four, text tower of three layers; 8 groups in both. */
extern const char test_unet_config[];
extern const char test_vae_config[];
extern const char test_text_config[];

/* The same in the form of SDXL, with its two text towers. */
extern const char test_xl_unet_config[];
extern const char test_xl_text_2_config[];

void test_text_write(const char *path, const char *text);

/* A diffusers folder with model_index.json below `folder`, which exists. xl: of the form of SDXL. */
void test_model_folder(const char *folder, bool xl);

#endif
