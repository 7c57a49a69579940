/* generate.h - pictures from text with Stable Diffusion 1.x, 2.x and XL
 *
 *     lyc_pipeline_options model = {.model = "sd15.safetensors"};
 *     lyc_pipeline *pipeline;
 *     lyc_generate_options options = LYC_GENERATE_DEFAULT;
 *     lyc_generated picture = {0};
 *
 *     lyc_diffusion_start();
 *     lyc_pipeline_open(&pipeline, &model, &err);
 *     options.prompt = "a red fox in the snow";
 *     lyc_pipeline_generate(&picture, pipeline, &options, NULL, &err);
 *     lyc_picture_write("fox.png", &picture.picture, &(lyc_picture_file){.parameters = picture.parameters}, &err);
 *     lyc_generated_clear(&picture);
 *     lyc_pipeline_close(pipeline);
 *
 * A pipeline keeps the weights of its model ready, so that many requests cost their steps alone. It is used by one
 * thread at a time. Everything that can be wrong with a request is found before the first step.
 *
 * The same request gives the same picture on the same machine, and picture k of a request is the picture that a request
 * for it alone (seed + k) gives. Notices, such as a size that was rounded or words that found no place, go to the log
 * (log.h) as warnings.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_GENERATE_H
#define LYCORIS_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"
#include "lycoris/option.h"
#include "lycoris/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- pictures --------------------------------------------------------------------------------------------------- */

/* Rows from the top; 1 byte (grey) or 3 bytes (RGB, sRGB) a pixel, no padding. {0} is no picture. */
typedef struct lyc_picture {
    int width;
    int height;
    int channels;
    unsigned char *data;
} lyc_picture;

/* Reads a PNG, JPEG, WebP and whatever else libvips knows, upright, in sRGB, on white where it is transparent; grey: as
 * one channel of luminance (masks). Pictures come from strangers: size and format are checked before decoding. */
LYC_API lyc_status lyc_picture_read(lyc_picture *out, const char *path, bool grey, lyc_error *err);

/* How a picture is written. {0}: no metadata, quality 95, an existing file is not replaced. */
typedef struct lyc_picture_file {
    const char *parameters; /* text of generation parameters to store (lyc_generated.parameters); NULL: none */
    int quality;            /* JPEG and WebP: 1 to 100; 0: 95 */
    bool lossless;          /* WebP */
    bool force;             /* replace a file that exists */
} lyc_picture_file;

/* The name's ending (.png .jpg .jpeg .webp) decides about the format. The file appears whole or not at all. file may be
 * NULL. LYC_E_OUTPUT: it cannot be written, or exists. */
LYC_API lyc_status lyc_picture_write(const char *path, const lyc_picture *picture, const lyc_picture_file *file,
                                     lyc_error *err);

LYC_API void lyc_picture_clear(lyc_picture *picture);

/* A sheet of pictures in rows and columns, with labels that may be NULL. pictures has rows * columns entries by rows;
 * an empty one ({0}) leaves its place white. Pictures are RGB. */
typedef struct lyc_picture_table {
    const lyc_picture *pictures;
    int rows;
    int columns;
    const char *const *row_labels;
    const char *const *column_labels;
} lyc_picture_table;
LYC_API lyc_status lyc_picture_sheet(lyc_picture *out, const lyc_picture_table *table, lyc_error *err);

/* --- the pipeline ----------------------------------------------------------------------------------------------- */

typedef struct lyc_pipeline lyc_pipeline;

/* What numbers are computed in. Sums are f32 in both. */
typedef enum lyc_compute {
    LYC_COMPUTE_F32, /* as the reference libraries do, within rounding */
    LYC_COMPUTE_BF16 /* half the memory of activations and weights; faster where the processor knows it */
} lyc_compute;

/* What a model predicts, where its files do not say it or say it wrong. */
typedef enum lyc_prediction_kind {
    LYC_PREDICTS_AS_TOLD, /* as the files say; epsilon where they say nothing */
    LYC_PREDICTS_EPSILON,
    LYC_PREDICTS_V
} lyc_prediction_kind;

/* {0} with a model is a complete request. Texts are borrowed for the call of lyc_pipeline_open. */
typedef struct lyc_pipeline_options {
    const char *model;        /* a diffusers folder, or a single file */
    const char *variant;      /* of a folder: "fp16"; NULL: plain files, else fp16 */
    const char *vae;          /* file or folder of another VAE; NULL: the model's */
    const char *text_encoder; /* the same of the text encoder, and of SDXL's second one */
    const char *text_encoder_2;
    const char *config;             /* JSON file that overrides what was inferred from a single file; NULL: none */
    const char *const *controlnets; /* files or folders of ControlNets, which requests then name by index */
    size_t controlnet_count;
    lyc_compute compute;
    lyc_prediction_kind prediction;
    bool zero_terminal_snr;   /* the schedule is rescaled to end in pure noise (models trained for it) */
    uint64_t vae_limit_bytes; /* a picture whose decoding needs more goes by tiles; 0: 2 GiB */
} lyc_pipeline_options;

/* Opens and checks the files; weights are brought into their form when they are first used. LYC_E_IO, LYC_E_FORMAT: the
 * files are not as they should be; LYC_E_UNSUPPORTED: a kind of model that is not handled. */
LYC_API lyc_status lyc_pipeline_open(lyc_pipeline **out, const lyc_pipeline_options *options, lyc_error *err);

/* Accepts NULL. */
LYC_API void lyc_pipeline_close(lyc_pipeline *pipeline);

/* Texts are borrowed from the pipeline. */
typedef struct lyc_pipeline_info {
    const char *family;      /* "SD 1.x", "SD 2.x", "SDXL" */
    const char *prediction;  /* "epsilon", "v_prediction", "sample" */
    const char *sampler;     /* what a request without a sampler gets: "dpm++_2m_karras" */
    int width, height;       /* what a request without a size gets */
    bool inpainting;         /* a model of 9 input channels: requests need an image and a mask */
    size_t unmatched_count;  /* keys of the model's files that belong to nothing known */
    size_t controlnet_count; /* opened with it */
} lyc_pipeline_info;
LYC_API void lyc_pipeline_describe(lyc_pipeline_info *out, const lyc_pipeline *pipeline);

/* A key that belongs to nothing known; index < unmatched_count. Printable once it passed lyc_text_printable. */
LYC_API const char *lyc_pipeline_unmatched(const lyc_pipeline *pipeline, size_t index);

/* Opens an adapter of any naming scheme (a file, or a folder of PEFT), for requests to use by its index; one that was
 * opened before is found again. Nothing of it acts unless a request says so. What in it is not of this model is a
 * notice, or with strict an error. LYC_E_SHAPE: it is for another model. */
LYC_API lyc_status lyc_pipeline_add_adapter(size_t *index, lyc_pipeline *pipeline, const char *path, bool strict,
                                            lyc_error *err);

/* Its name, as prompts and parameters have it; NULL past the last. */
LYC_API const char *lyc_pipeline_adapter_name(const lyc_pipeline *pipeline, size_t index);

/* Adds a textual-inversion embedding (.safetensors): from now on its name in a prompt, in upper or lower case, stands
 * for its tokens. name NULL: that of the file without ending. LYC_E_SHAPE: it is for another model; LYC_E_ARGUMENT: the
 * name is taken. */
LYC_API lyc_status lyc_pipeline_add_embedding(lyc_pipeline *pipeline, const char *path, const char *name,
                                              lyc_error *err);

/* --- requests --------------------------------------------------------------------------------------------------- */

/* Where noise comes from: the same seed gives the pictures of other programs. */
typedef enum lyc_noise_kind {
    LYC_NOISE_CPU,   /* torch on a CPU: diffusers, kohya, A1111 with its source "CPU". Seeds count to 2^32. */
    LYC_NOISE_CUDA,  /* torch on a GPU: A1111's standard */
    LYC_NOISE_NATIVE /* a generator without state, of this library */
} lyc_noise_kind;

/* Details in which programs differ. */
typedef enum lyc_program_style {
    LYC_AS_DIFFUSERS,
    LYC_AS_A1111 /* AUTOMATIC1111's web UI */
} lyc_program_style;

/* How prompts of more than 75 tokens are cut. */
typedef enum lyc_prompt_style {
    LYC_PROMPTS_A1111,   /* as many parts as needed; weights ( ) [ ], BREAK and AND are read */
    LYC_PROMPTS_TRAINER, /* `prompt_parts` parts; weights are read */
    LYC_PROMPTS_PLAIN    /* one part, the rest is dropped; the text is taken as it is */
} lyc_prompt_style;

/* One use of a ControlNet that the pipeline was opened with; several add up. */
typedef struct lyc_control {
    size_t controlnet;          /* its index */
    const lyc_picture *picture; /* what it follows: edges, a pose, depth; brought to the size of the result */
    double weight;
    double start, end; /* fractions of the steps in which it acts; both 0: always */
    bool guess;        /* only the conditional branch, deeper levels more */
} lyc_control;

/* One use of an adapter that the pipeline has opened; several add up. */
typedef struct lyc_adapter_use {
    size_t adapter;       /* its index */
    double unet, text;    /* strengths in the U-Net and in the text encoders; 1: as it was trained */
    double start, end;    /* fractions of the steps in which it acts on the U-Net; both 0: always */
    const double *blocks; /* 26 factors: BASE, IN00 to IN11, MID, OUT00 to OUT11; NULL: 1 */
} lyc_adapter_use;

/* See LYC_GENERATE_DEFAULT. Pointers are borrowed for the call. */
typedef struct lyc_generate_options {
    const char *prompt;   /* UTF-8; NULL: empty */
    const char *negative; /* what to stay away from; NULL: empty */
    int width, height;    /* pixels; rounded down to what the model can do (multiples of 8); 0: the model's size */
    int count;            /* pictures */
    int batch;            /* pictures computed at once: more memory, hardly faster on a processor */
    int64_t seed;         /* of the first picture, the next have the next; negative: by chance */
    lyc_noise_kind noise;

    const char *sampler;                /* any of its names, with "karras" or "exponential" behind; NULL: the model's */
    const char *const *sampler_options; /* "eta=1" */
    size_t sampler_option_count;
    lyc_program_style schedule_style; /* timesteps and sigmas as that program chooses them */
    int steps;
    double guidance_scale;   /* up to 1: the negative prompt has no effect, and half of the work is saved */
    double guidance_rescale; /* 0 to 1 (arXiv 2305.08891); 0.7 for models with zero terminal SNR */

    lyc_prompt_style prompt_style;
    int prompt_parts;         /* of LYC_PROMPTS_TRAINER: 1 to 3 are usual */
    int clip_skip;            /* k: the state k - 1 layers below the last (kohya, A1111); 1: the last */
    bool clip_skip_diffusers; /* count as diffusers does: the state clip_skip layers below the last */
    bool zero_negative;       /* SDXL: an empty negative prompt is zeros, as in diffusers, instead of an encoded "" */

    const lyc_picture *image;      /* img2img: what to start from, brought to the size; NULL: noise */
    double strength;               /* 0: the image comes out again; 1: little of it is left */
    lyc_program_style image_style; /* how strength and steps go together */
    bool exact_steps;              /* A1111's "do exactly the amount of steps" */
    const lyc_picture *mask;       /* inpainting: white is changed, black stays; one channel; NULL: all is changed */

    const lyc_control *controls;
    size_t control_count;

    const lyc_adapter_use *adapters;
    size_t adapter_count;
    const char *adapter_folder; /* where adapters that a prompt names (<lora:name:0.8>) are looked for; NULL: nowhere */

    int64_t variation_seed; /* of noise that is mixed in; used where variation_strength is above 0 */
    double variation_strength;
    int64_t sampler_seed_delta; /* ENSD: the sampler's own noise has the seed plus this; 0: goes on with the image's */

    /* SDXL's micro-conditioning; all 0: the size of the result, not cropped. */
    int original_width, original_height, crop_left, crop_top, target_width, target_height;

    /* Called with a rough picture after every `preview_every` steps; NULL: not. picture is the callee's to look at. */
    void (*preview)(void *context, int image, int step, const lyc_picture *picture);
    void *preview_context;
    int preview_every;
} lyc_generate_options;

/* The standard of every option; an unnamed one of diffusers or A1111 is the same. */
#define LYC_GENERATE_DEFAULT                                                                                           \
    {                                                                                                                  \
        .count = 1, .batch = 1, .seed = -1, .steps = 30, .guidance_scale = 7.5, .prompt_parts = 3, .clip_skip = 1,     \
        .strength = 0.75, .preview_every = 1                                                                           \
    }

/* One result. {0} is none. */
typedef struct lyc_generated {
    lyc_picture picture;
    int64_t seed;
    char *parameters; /* how it was made, as A1111 writes it: for lyc_picture_write */
} lyc_generated;

/* The parameters that a picture file carries; NULL in out when it carries none. out is {0}, the caller clears it. */
LYC_API lyc_status lyc_picture_parameters(lyc_generated *out, const char *path, lyc_error *err);

/* The size that pictures of a request have: the model's where it names none, rounded down to what the model can do. */
LYC_API void lyc_pipeline_size(int *width, int *height, const lyc_pipeline *pipeline,
                               const lyc_generate_options *options);

/* LYC_OK where lyc_pipeline_generate would begin to compute. Makes notices, and opens adapters that the prompt names.
 */
LYC_API lyc_status lyc_pipeline_check(lyc_pipeline *pipeline, const lyc_generate_options *options, lyc_error *err);

/* Fills out[0 .. options->count - 1], which are {0}; also in a failure some may be filled: clear all of them. task may
 * be NULL; it reports steps and is asked between them whether to stop (LYC_E_CANCELLED). LYC_E_NUMERIC: numbers became
 * infinite, with step and channel. */
LYC_API lyc_status lyc_pipeline_generate(lyc_generated *out, lyc_pipeline *pipeline,
                                         const lyc_generate_options *options, const lyc_task *task, lyc_error *err);

LYC_API void lyc_generated_clear(lyc_generated *generated);

/* The parameters that picture `image` of a request will carry, without making it: out->parameters and out->seed. What a
 * file with the same text holds need not be made again. options->seed must not be negative. */
LYC_API lyc_status lyc_pipeline_parameters(lyc_generated *out, lyc_pipeline *pipeline,
                                           const lyc_generate_options *options, int image, lyc_error *err);

/* --- files of prompts -------------------------------------------------------------------------------------------
 *
 *     # a comment
 *     a red fox in the snow --n blurry, low quality --w 512 --h 768 --s 30 --l 7.5 --d 1,2,3 --ss euler_a --f fox
 *
 * One prompt a line, as in kohya's sd-scripts; an option holds for its line alone:
 *     --n negative   --w width   --h height   --s steps   --l guidance scale   --d seeds (a picture each)
 *     --t strength   --ss sampler   --f name of the file, without folder and ending */

typedef struct lyc_request_list lyc_request_list;

/* standard: what holds where a line says nothing (its texts are borrowed). LYC_E_FORMAT names the line. */
LYC_API lyc_status lyc_request_list_open(lyc_request_list **out, const char *path, const lyc_generate_options *standard,
                                         lyc_error *err);
LYC_API void lyc_request_list_free(lyc_request_list *list);
LYC_API size_t lyc_request_list_count(const lyc_request_list *list);

/* Borrowed from the list; index < count. The name is that of --f, or NULL. */
LYC_API const lyc_generate_options *lyc_request_list_options(const lyc_request_list *list, size_t index);
LYC_API const char *lyc_request_list_name(const lyc_request_list *list, size_t index);

/* --- samplers --------------------------------------------------------------------------------------------------- */

/* Texts are static; NULL: none. */
typedef struct lyc_sampler_info {
    const char *name;      /* "euler_a" */
    const char *label;     /* as A1111 calls it */
    const char *diffusers; /* class name */
    const char *aliases;   /* separated by spaces */
    const char *summary;
    const char *source;
    const lyc_option *options; /* for help: name, standard, help; NULL: none */
    bool curves;               /* Karras and exponential sigmas are defined for it */
    bool random;               /* draws noise between steps */
} lyc_sampler_info;

/* False when there is no sampler of that index. */
LYC_API bool lyc_sampler_describe(lyc_sampler_info *out, size_t index);

#ifdef __cplusplus
}
#endif
#endif
