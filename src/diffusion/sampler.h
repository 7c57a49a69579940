/* sampler.h - the entry of a sampler, and a run of one
 *
 * A sampler is a small state machine. It owns its history and never the network, so that progress, cancelling,
 * previews and batches are the caller's business:
 *
 *     lyc_sampling_init(&run, sampler, schedule, &request, count, err);
 *     lyc_sampling_begin(&run, noise, latents);
 *     while (!lyc_sampling_done(&run)) {
 *         timestep = lyc_sampling_input(&run, input);
 *         output = network(input, timestep);
 *         lyc_sampling_advance(&run, output);
 *     }
 *     lyc_sampling_latents(&run, latents);
 *
 * A run is of one image: `count` numbers in any order. Every formula is elementwise with coefficients that are computed
 * in double; the state is f32. A sampler that evaluates twice in a step simply asks twice.
 *
 * A sampler is a file that ends in its entry and a line in list.def.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_SAMPLER_H
#define LYC_DIFFUSION_SAMPLER_H

#include "diffusion/timeline.h"
#include "lycoris/option.h"

/* What users may set; every sampler's table of options says which of these it looks at, and gives their standard. */
typedef struct lyc_sampler_options {
    double eta;             /* amount of noise put back */
    int64_t order;          /* of a multistep or singlestep solver */
    int solver;             /* index in the choices of the sampler's option */
    bool lower_order_final; /* lower orders in the last steps of runs below 15 steps */
    bool euler_final;       /* the last step is of order one */
    bool runge_kutta;       /* PNDM: start with Runge-Kutta steps */
    int64_t lcm_steps;      /* steps that the model was distilled on */
} lyc_sampler_options;

typedef struct lyc_sampling lyc_sampling;

/* What the network is asked. */
typedef struct lyc_sampling_point {
    double timestep;
    lyc_level level;
} lyc_sampling_point;

typedef struct lyc_sampler {
    const char *name;          /* "euler_a" */
    const char *label;         /* as A1111 calls it: "Euler a"; NULL: it has none */
    const char *diffusers;     /* the class: "EulerAncestralDiscreteScheduler" */
    const char *aliases;       /* other names, separated by spaces; NULL: none */
    const char *summary;       /* what it is, lower case, without a full stop */
    const char *source;        /* the paper */
    const lyc_option *options; /* of lyc_sampler_options; NULL: none */
    lyc_timeline_kind timeline;
    lyc_spacing spacing; /* where the model says nothing */
    bool sigma_state;    /* the state is VE, x / sqrt(a) = z + sigma n; else VP */
    bool round_karras;
    bool second_call; /* steps evaluate twice, but the one that ends at 0 */
    int history;      /* tensors kept between calls, at most LYC_SAMPLER_HISTORY */

    /* Whether a run with these options draws noise; NULL: it does not. */
    bool (*random)(const lyc_sampler_options *options);
    /* Changes the timesteps of a run before it starts; NULL: nothing to change. */
    lyc_status (*arrange)(lyc_sampling *s, lyc_error *err);
    /* What the network is asked next; NULL: timestep and sigma of the step. */
    lyc_sampling_point (*call)(const lyc_sampling *s);
    /* Takes the answer: s->output, and what follows from it in s->x0. Moves s->step or s->stage on. */
    void (*advance)(lyc_sampling *s);
} lyc_sampler;

enum { LYC_SAMPLER_HISTORY = 6 };

/* Fills out with n normal numbers, in the layout of the state. */
typedef void (*lyc_noise_source)(void *context, float *out, size_t n);

typedef struct lyc_sampling_request {
    int steps;
    int first; /* steps left out at the start (img2img), 0 to steps */
    lyc_prediction prediction;
    lyc_spacing spacing;
    int steps_offset;
    bool set_alpha_to_one; /* DDIM: the last step goes to a = 1, not to that of timestep 0 */
    bool sigma_min_final;
    bool log_linear;
    double clip_range; /* x0 is clamped to +- this; 0: not (latents are not bounded) */
    lyc_sigma_curve curve;
    lyc_schedule_style style;
    lyc_sampler_options options;
    lyc_noise_source noise; /* of samplers that draw; NULL: there must be none */
    void *noise_context;
} lyc_sampling_request;

/* Spacing and offset from a scheduler's configuration (NULL: none), the sampler's options at their standard. */
lyc_status lyc_sampling_request_init(lyc_sampling_request *request, const lyc_sampler *sampler,
                                     const lyc_scheduler_config *config, lyc_error *err);

struct lyc_sampling {
    const lyc_sampler *sampler;
    const lyc_schedule *schedule; /* borrowed */
    lyc_sampling_request request;
    lyc_timeline timeline;
    size_t count; /* numbers in the state */
    int step;     /* the current one, from 0 behind those left out; timeline.steps: finished */
    int stage;    /* 0 or 1: first or second evaluation in the step */
    int calls;    /* answers taken so far */
    int memory;   /* for the sampler: how many tensors of history are in use */
    float *x;
    float *x0;           /* what the last answer says the picture is */
    const float *output; /* the last answer, during advance */
    float *noise;
    float *history[LYC_SAMPLER_HISTORY];
    float *block; /* all of these */
};

/* Keeps schedule. Fails on a request that the sampler cannot serve, naming what. */
lyc_status lyc_sampling_init(lyc_sampling *s, const lyc_sampler *sampler, const lyc_schedule *schedule,
                             const lyc_sampling_request *request, size_t count, lyc_error *err);
void lyc_sampling_clear(lyc_sampling *s);

/* From noise alone. */
void lyc_sampling_begin(lyc_sampling *s, const float *noise);

/* From latents with noise of the first level added (img2img). Where all steps are left out, nothing remains to be done
 * and the result is the latents. */
void lyc_sampling_begin_at(lyc_sampling *s, const float *latents, const float *noise);

bool lyc_sampling_done(const lyc_sampling *s);

/* What the network is given (in VP), and the timestep for it. */
double lyc_sampling_input(const lyc_sampling *s, float *input);
lyc_sampling_point lyc_sampling_call(const lyc_sampling *s);

/* Takes the network's answer, after guidance. */
void lyc_sampling_advance(lyc_sampling *s, const float *output);

/* The state in VP: of a finished run, the latents. */
void lyc_sampling_latents(const lyc_sampling *s, float *latents);

/* Calls of the network that are left. */
int lyc_sampling_calls_left(const lyc_sampling *s);

/* Noise level of the state: where the run is between two calls. */
lyc_level lyc_sampling_level(const lyc_sampling *s);

/* Replaces, for inpainting, the state where mask is not 1: x = mask x + (1 - mask) (latents at the state's level). */
void lyc_sampling_keep(lyc_sampling *s, const float *mask, const float *latents, const float *noise);

/* --- the list --------------------------------------------------------------------------------------------------- */

extern const lyc_sampler *const lyc_samplers[]; /* in the order of list.def, NULL at the end */

/* A sampler and a curve by any of the names in use: "dpm++_2m_karras", "DPM++ 2M Karras", "k_euler_a",
 * "EulerDiscreteScheduler". Case, spaces and underscores do not count. Fails with the nearest name. */
lyc_status lyc_sampler_find(const lyc_sampler **sampler, lyc_sigma_curve *curve, const char *name, lyc_error *err);

/* --- for samplers ----------------------------------------------------------------------------------------------- */

/* out = sum of factor * values; out may be one of them. */
typedef struct lyc_term {
    double factor;
    const float *values;
} lyc_term;
void lyc_blend(float *out, size_t count, int terms, const lyc_term *term);

/* sigma and level of step i (the last: of the end). */
double lyc_sampling_sigma(const lyc_sampling *s, int step);

/* The noise that the last answer says is in the state. */
void lyc_sampling_epsilon(const lyc_sampling *s, float *out);

/* The `random` of samplers that always draw. */
bool lyc_sampling_always_random(const lyc_sampler_options *options);

/* Draws into s->noise. */
void lyc_sampling_draw(lyc_sampling *s);

/* Makes room for a new first tensor of history: the tensors move up one place, the last is lost. Returns it. */
float *lyc_sampling_push(lyc_sampling *s);

#endif
