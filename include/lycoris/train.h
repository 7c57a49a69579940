/* train.h - training: from a folder of pictures to an adapter file, or a model
 *
 *     lyc_train_config *config;
 *     lyc_training *training;
 *     const char *state;
 *
 *     lyc_diffusion_start();
 *     lyc_train_config_new(&config, &err);
 *     lyc_train_config_set(config, "pretrained_model_name_or_path", "sd15.safetensors", &err);
 *     lyc_train_config_set(config, "image_dir", "pictures", &err);
 *     lyc_train_config_set(config, "network_args", "algo=lokr", &err);
 *     lyc_training_open(&training, config, NULL, NULL, &err);         reads everything, writes nothing
 *     lyc_training_run(&state, training, &err);
 *     lyc_training_close(training);
 *     lyc_train_config_free(config);
 *
 * Options are those of sd-scripts (lyc_train_option_rows; `lycoris train --help`). A training is used by one thread at
 * a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_TRAIN_H
#define LYCORIS_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/option.h"
#include "lycoris/task.h"
#include "lycoris/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- options ------------------------------------------------------------------------------------------------------ */

/* Names, kinds, limits, standard values and help; offsets are of no use outside. Ends with a row without a name. */
LYC_API extern const lyc_option lyc_train_option_rows[];

typedef struct lyc_train_config lyc_train_config;

/* Everything at its standard value. */
LYC_API lyc_status lyc_train_config_new(lyc_train_config **out, lyc_error *err);
LYC_API void lyc_train_config_free(lyc_train_config *config);

/* Gives an option a value; of lists each call adds one. Texts are copied. LYC_E_ARGUMENT names no option for an unknown
 * name (the nearest one is told), and says what is wrong with a value. */
LYC_API lyc_status lyc_train_config_set(lyc_train_config *config, const char *name, const char *value, lyc_error *err);

/* Takes the options of a TOML file, sections do not matter. What lyc_train_config_set gave stays. Unknown names become
 * notices; LYC_E_IO, LYC_E_FORMAT, LYC_E_ARGUMENT name file and key. */
LYC_API lyc_status lyc_train_config_read(lyc_train_config *config, const char *path, lyc_error *err);

/* Its value: of a text or path (NULL: none), of a number or a flag. NULL and 0 for a name of another kind. */
LYC_API const char *lyc_train_config_text(const lyc_train_config *config, const char *name);
LYC_API double lyc_train_config_number(const lyc_train_config *config, const char *name);

/* Options that differ from their standard values, as the text of a TOML file, or as a command line; the caller releases
 * it with lyc_train_text_free. */
typedef enum lyc_train_form { LYC_TRAIN_TOML, LYC_TRAIN_COMMAND } lyc_train_form;
LYC_API lyc_status lyc_train_config_write(char **out, const lyc_train_config *config, lyc_train_form form,
                                          lyc_error *err);
LYC_API void lyc_train_text_free(char *text);

/* Writes that TOML file; LYC_E_OUTPUT: there is one. */
LYC_API lyc_status lyc_train_config_save(const lyc_train_config *config, const char *path, lyc_error *err);

/* Texts about options that have no effect and unknown keys of files, and values that were chosen ("network_dim 16:
 * usual for the algorithm"); NULL past the last. */
LYC_API const char *lyc_train_config_notice(const lyc_train_config *config, size_t index);
LYC_API const char *lyc_train_config_choice(const lyc_train_config *config, size_t index);

/* Optimisers and schedules of rates: names and what they are; NULL past the last. */
LYC_API const char *lyc_train_optimizer_at(size_t index, const char **summary);
LYC_API const char *lyc_train_schedule_at(size_t index, const char **summary);

/* --- what will be trained ----------------------------------------------------------------------------------------- */

typedef struct lyc_train_bucket {
    int width, height;
    int64_t count; /* pictures of an epoch, repeats counted */
} lyc_train_bucket;

typedef struct lyc_train_layer {
    const char *name; /* in files */
    const char *component;
    const char *algorithm;
    lyc_shape weight;
    int64_t rank; /* 0: has none */
    int64_t parameters;
} lyc_train_layer;

/* How large a file is with another factor of LoKr. */
typedef struct lyc_train_factor {
    int64_t factor; /* -1: as square as possible */
    int64_t parameters;
} lyc_train_factor;

/* Texts and lists belong to the training. */
typedef struct lyc_train_plan {
    const char *family; /* "SD 1.x" */
    const char *prediction;
    const char *optimizer;
    int64_t images, uses, regularisation_images, validation_images;
    const lyc_train_bucket *buckets;
    size_t bucket_count;
    int64_t batch_size, batches_per_epoch, steps_per_epoch, epochs, total_steps;
    const lyc_train_layer *layers; /* of adapters */
    size_t layer_count;
    int64_t parameters;
    uint64_t file_bytes;
    const lyc_train_factor *factors; /* of LoKr */
    size_t factor_count;
    uint64_t seed;
    double seconds_per_step; /* 0: lyc_training_measure was not called */
    uint64_t memory_bytes;   /* weights, states and activations of a step; 0: the same */
    const char *const *notices;
    size_t notice_count;
} lyc_train_plan;

/* --- training ----------------------------------------------------------------------------------------------------- */

/* What a run is doing. */
typedef struct lyc_train_progress {
    int64_t step, total_steps, epoch, epochs;
    double loss, average_loss; /* of the last step; over the last epoch's worth of steps */
    double gradient_norm;      /* before clipping */
    double validation_loss;    /* NaN: not measured after this step */
    double movement;           /* norm of all changes over that of the weights; NaN: not measured after this step */
    int64_t skipped;           /* steps whose numbers were not finite */
    double seconds;            /* of all steps, those before a break too */
} lyc_train_progress;

/* All may be NULL. */
typedef struct lyc_train_hooks {
    void (*report)(void *context, const lyc_train_progress *progress); /* after each step */
    void (*notice)(void *context, const char *text);
    void (*wrote)(void *context, const char *path); /* a file of weights, a folder of a state */
    bool (*stop)(void *context);                    /* true: save a state and end */
    void *context;
} lyc_train_hooks;

typedef struct lyc_training lyc_training;

/* Finds everything that can be wrong before any long work: options, model, data, adapters, folders. Borrows config, and
 * writes into it what was chosen (seed, resolution, steps; with algo, minutes or images given by hand and no file, all
 * that a beginner does not say). task: reading long lists; may be NULL, as hooks. */
LYC_API lyc_status lyc_training_open(lyc_training **out, lyc_train_config *config, const lyc_train_hooks *hooks,
                                     const lyc_task *task, lyc_error *err);
LYC_API void lyc_training_close(lyc_training *training);

LYC_API const lyc_train_plan *lyc_training_plan(const lyc_training *training);

/* Runs a step on noise, which changes nothing, and fills in time and memory of the plan; with the option `minutes` the
 * number of steps too. */
LYC_API lyc_status lyc_training_measure(lyc_training *training, lyc_error *err);

/* LYC_OK also when it was stopped by a hook: *state is then the folder to go on from, else NULL. */
LYC_API lyc_status lyc_training_run(const char **state, lyc_training *training, lyc_error *err);

#ifdef __cplusplus
}
#endif
#endif
