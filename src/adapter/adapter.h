/* adapter.h - an adapter of one layer, and the entry that an algorithm provides
 *
 * An algorithm is one file that ends in a lyc_adapter_algorithm, and one line in list.def. It says which options it
 * has, which tensors a layer gets (name in files, shape, start value), how its tensors in a file are recognised, and
 * has two builders of graphs: `delta`, the change of the weight, and `apply`, the adapted layer's output without
 * forming that change. Everything else (gradients, merging, files, counting, dropouts, strengths, DoRA, the choice
 * between the two forms) comes from these and is written once: site.h uses adapters in graphs, compute.h without.
 *
 * Shapes. A weight is [out,in] (linear) or [out,in/groups,k..] (convolution of one to three dimensions); `out`, `in`
 * (of a group) and `kernel` (the product of k..) below are these extents, and [out,in*kernel] is the weight as a
 * matrix, in the same order of elements.
 *
 *     W' = W + multiplier * ΔW            additive algorithms
 *     W' = W'(multiplier, W)              the others; ΔW is then W' - W
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_ADAPTER_H
#define LYC_ADAPTER_ADAPTER_H

#include "adapter/layer.h"
#include "base/arena.h"
#include "lycoris/option.h"
#include "lycoris/safetensors.h"
#include "tensor/random.h"

/* What an adapter must know of a layer when there is no graph. */
typedef struct lyc_adapter_target {
    lyc_layer_kind kind; /* LYC_LAYER_CONV2D: a convolution of one to three dimensions, by the rank of its weight */
    lyc_shape weight;    /* as above; norms [c] */
    int groups;          /* of a convolution; 1 otherwise (0 means 1) */
    bool has_bias;
} lyc_adapter_target;

lyc_adapter_target lyc_adapter_target_of(const lyc_layer *layer);

/* --- options -------------------------------------------------------------------------------------------------------
 */

/* Options that several algorithms have; an entry says which by a bit mask. */
enum {
    LYC_ADAPTER_RANK = 1 << 0,           /* rank */
    LYC_ADAPTER_ALPHA = 1 << 1,          /* alpha: the change is scaled by alpha / rank */
    LYC_ADAPTER_RS = 1 << 2,             /* rs_lora: by alpha / sqrt(rank) */
    LYC_ADAPTER_TUCKER = 1 << 3,         /* use_tucker */
    LYC_ADAPTER_SCALAR = 1 << 4,         /* use_scalar */
    LYC_ADAPTER_DORA = 1 << 5,           /* weight_decompose, wd_on_out, wd_norm_constant */
    LYC_ADAPTER_DROPOUT = 1 << 6,        /* dropout, bypass_mode */
    LYC_ADAPTER_RANK_DROPOUT = 1 << 7,   /* rank_dropout, rank_dropout_scale */
    LYC_ADAPTER_MODULE_DROPOUT = 1 << 8, /* module_dropout */
};

/* Their values; the first member of every algorithm's own configuration. */
typedef struct lyc_adapter_config {
    int64_t rank;
    double alpha; /* 0: as large as the rank */
    bool rs_lora;
    bool use_tucker;
    bool use_scalar;
    bool weight_decompose;
    bool wd_on_out;
    bool wd_norm_constant;
    bool bypass_mode;
    bool rank_dropout_scale;
    double dropout;
    double rank_dropout;
    double module_dropout;
} lyc_adapter_config;

/* "key=value" for one algorithm. */
typedef struct lyc_adapter_setting {
    const char *name;
    const char *value;
} lyc_adapter_setting;

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

typedef struct lyc_adapter_algorithm lyc_adapter_algorithm;
typedef struct lyc_adapter_site lyc_adapter_site; /* site.h */
typedef struct lyc_adapter_file lyc_adapter_file;

enum { LYC_ADAPTER_MAX_PARAMS = 9 };

typedef enum lyc_adapter_start {
    LYC_START_ZERO,
    LYC_START_ONE,
    LYC_START_KAIMING,  /* uniform in +-1/sqrt(fan_in), as torch's kaiming_uniform_ with a = sqrt(5) */
    LYC_START_NORMAL,   /* of a standard deviation */
    LYC_START_COMPUTED, /* by the algorithm or by DoRA, from the base weight */
} lyc_adapter_start;

typedef struct lyc_adapter_param {
    const char *name; /* the suffix in files: "lora_down.weight" */
    lyc_shape shape;
    lyc_adapter_start start;
    double deviation;    /* of LYC_START_NORMAL */
    bool trainable;      /* false: part of the file that stays as it is */
    bool saved;          /* false: its value goes into another tensor when saved (the scalar) */
    const char *read_as; /* its name in the file that is read, where that is another one */
    bool optional;       /* files may lack it: see lyc_adapter_restore */
    float *data;         /* the adapter's memory */
} lyc_adapter_param;

typedef struct lyc_adapter {
    const lyc_adapter_algorithm *algorithm;
    const char *name; /* of the layer; parameters in graphs are "<name>.<param>" */
    lyc_adapter_target target;
    int64_t out, in, kernel;
    void *config;    /* algorithm->config_size bytes, beginning with a lyc_adapter_config */
    double scale;    /* alpha / rank, or as the algorithm says; 1 where there is no alpha */
    bool incomplete; /* a file lacked optional parameters, which are zero until lyc_adapter_restore */
    int n_params;
    lyc_adapter_param params[LYC_ADAPTER_MAX_PARAMS];
    lyc_arena arena;
} lyc_adapter;

/* The tensors of one layer in a file; `name` of each is the suffix behind the layer's name, in the spelling of this
 * table (key_names.h turns "lora_A.weight" into "lora_down.weight"). */
typedef struct lyc_adapter_group {
    const lyc_tensor_view *tensors;
    size_t count;
} lyc_adapter_group;

const lyc_tensor_view *lyc_adapter_group_find(const lyc_adapter_group *group, const char *name);

struct lyc_adapter_algorithm {
    const char *name;
    const char *const *aliases; /* NULL-terminated, or NULL */
    const char *summary;
    const char *formula;
    const char *source;

    unsigned common; /* the common options that it has */
    const lyc_option *options;
    size_t config_size;

    bool for_norms; /* adapts norms, and nothing else */
    bool additive;  /* W' = W + multiplier * ΔW, and ΔW does not depend on W */

    /* Checks the options against the layer and sets what follows from them. */
    lyc_status (*prepare)(lyc_adapter *a, lyc_error *err);

    /* Whether the tensors are its own; the first algorithm of list.def that says so gets them. NULL: never. */
    bool (*detect)(const lyc_adapter_group *group);

    /* Outputs, and inputs times kernel, that a layer must have for these tensors; false when they do not say it. NULL:
     * they never do. */
    bool (*extents)(int64_t extents[2], const lyc_adapter_group *group);

    /* Instead of `prepare`, for an adapter from a file: recovers the options from names and shapes. Alpha, and DoRA's
     * options, are set already. */
    lyc_status (*recover)(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err);

    /* Says which parameters there are, by lyc_adapter_add. */
    void (*params)(lyc_adapter *a);

    /* Start values of LYC_START_COMPUTED parameters, from the base weight [out,in*kernel] and numbers of its own. */
    lyc_status (*start)(lyc_adapter *a, const float *weight, const lyc_native_random *random, lyc_error *err);

    /* Values of optional parameters that a file did not have, from the base weight. */
    lyc_status (*restore)(lyc_adapter *a, const float *weight, lyc_error *err);

    /* One of the two, with the multiplier (lyc_site_strengthen), [out,in*kernel], of norms [c]: ΔW, which alone
     * additive algorithms may give, or W', where that is what the formula says. */
    lyc_value *(*delta)(lyc_graph *g, const lyc_adapter_site *site);
    lyc_value *(*changed)(lyc_graph *g, const lyc_adapter_site *site);

    /* The parameter that is added to the bias; NULL: none ever. */
    const char *bias;

    /* Without forming ΔW. Additive algorithms: y + multiplier * ΔW x for any y. The others: W' x, where y is W x
     * without bias. x is [..,in] (linear) or [n,h,w,in] (convolution). NULL: only the merged form is known. */
    lyc_value *(*apply)(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y);

    /* ΔW, exactly and with the multiplier, as up [out,r] times down [r,in*kernel], scales in up: what converting,
     * adding and shrinking adapters in files stand on. NULL: it has no such form. */
    void (*product)(lyc_value **up, lyc_value **down, lyc_graph *g, const lyc_adapter_site *site);

    /* Makes a copy of an adapter one of its rows [first,first+count) alone (rows.h), first and count being multiples of
     * row_step (NULL: of 1; 0: this adapter has no parts). NULL: the change is had as a whole. */
    void (*take_rows)(lyc_adapter *part, int64_t first, int64_t count);
    int64_t (*row_step)(const lyc_adapter *a);

    /* For DoRA: what ΔW (multiplier 1) adds to the squared norms of the rows [out,1], or of the columns [1,in*kernel],
     * of weight [out,in*kernel]. NULL: taken from W + ΔW. */
    lyc_value *(*squared_norms)(lyc_graph *g, const lyc_adapter_site *site, lyc_value *weight, bool rows);

    /* Asks for lyc_adapter_site.frozen. */
    bool wants_frozen;

    /* How many ranks act in a step (lyc_adapter_site.ranks): by the timestep of a sample, or by a number drawn in
     * [0,1). NULL: always all. */
    double (*ranks)(const lyc_adapter *a, double timestep, double draw);
    bool ranks_by_timestep; /* per sample, when sampling too; else drawn for each training step */

    /* A term of the loss that keeps parameters in their form, [1]; the trainer weighs it. NULL: none. */
    lyc_value *(*penalty)(lyc_graph *g, const lyc_adapter_site *site);

    /* The parameter that ΔW is proportional to, and a second one when it is a sum of two: the scalar goes into them
     * when saved, the ratio of a max norm when that is applied. NULL: neither is possible. */
    const char *proportional[2];

    /* Multiplies ΔW by a ratio; NULL: through `proportional`. */
    void (*shrink)(lyc_adapter *a, double ratio);

    /* The norm that max norm looks at; NULL: that of ΔW. */
    double (*norm)(const lyc_adapter *a);

    bool max_norm; /* takes part in max norm */

    /* Names of tensors in files that are no parameters; NULL: alpha alone, when it has that option. */
    const char *const *extras;

    /* Extra tensors or other forms of them in a file; NULL: alpha, and the parameters as they are. */
    lyc_status (*write)(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err);
};

/* All algorithms in the order in which files are recognised; NULL-terminated. */
extern const lyc_adapter_algorithm *const lyc_adapter_algorithms[];

/* By name or alias; NULL when there is none. */
const lyc_adapter_algorithm *lyc_adapter_algorithm_find(const char *name);

/* Its options, its own after the common ones; NULL past the last. */
const lyc_option *lyc_adapter_option(const lyc_adapter_algorithm *algorithm, int index);

/* By name, or by a name that LyCORIS and its front ends use for it ("dim", "dora_wd"); NULL when it has none. */
const lyc_option *lyc_adapter_option_find(const lyc_adapter_algorithm *algorithm, const char *name);

/* A new adapter; start values are those of lyc_adapter_initialise, until then zeros. Copies name. LYC_E_ARGUMENT: an
 * option that it does not have, a value out of range, options that do not fit the layer. */
lyc_status lyc_adapter_new(lyc_adapter **out, const lyc_adapter_algorithm *algorithm, const char *name,
                           const lyc_adapter_target *target, const lyc_adapter_setting *settings, size_t count,
                           lyc_error *err);
void lyc_adapter_free(lyc_adapter *a);

/* Whether start values need the base weight (DoRA, PiSSA ...). */
bool lyc_adapter_needs_weight(const lyc_adapter *a);

/* Sets the start values: they depend on seed and the adapter's name alone. weight: the base weight, needed when
 * lyc_adapter_needs_weight. */
lyc_status lyc_adapter_initialise(lyc_adapter *a, const lyc_tensor_view *weight, uint64_t seed, lyc_error *err);

/* For an adapter with `incomplete`: computes what its file lacked from the base weight. Until then its change is not
 * known, and computing it is an error. */
lyc_status lyc_adapter_restore(lyc_adapter *a, const lyc_tensor_view *weight, lyc_error *err);

/* Trainable elements. */
int64_t lyc_adapter_parameter_count(const lyc_adapter *a);

/* NULL when the adapter has no parameter of that name. */
lyc_adapter_param *lyc_adapter_param_find(const lyc_adapter *a, const char *name);

/* The parameter that is added to the bias: that of the algorithm, or the diff_b that files may have beside additive
 * ones. NULL: the bias stays. */
const char *lyc_adapter_bias(const lyc_adapter *a);

/* --- files ---------------------------------------------------------------------------------------------------------
 */

/* The algorithm of a layer's tensors; NULL when none of them is known. */
const lyc_adapter_algorithm *lyc_adapter_detect(const lyc_adapter_group *group);

/* An adapter from a layer's tensors; the values are copied. LYC_E_FORMAT, LYC_E_SHAPE: partners are missing, shapes do
 * not fit together or not to the layer. */
lyc_status lyc_adapter_read(lyc_adapter **out, const char *name, const lyc_adapter_target *target,
                            const lyc_adapter_group *group, lyc_error *err);

/* Whether a tensor of that suffix belongs to the adapter: what does not was ignored in reading. */
bool lyc_adapter_knows(const lyc_adapter *a, const char *suffix);

/* What is written for an adapter: F32 tensors, and I64 flags, in the order of the reference library. */
struct lyc_adapter_file {
    int count;
    lyc_tensor_view tensors[LYC_ADAPTER_MAX_PARAMS + 3];
    lyc_arena arena; /* of data that is not the adapter's */
};

/* Data is borrowed from the adapter, or belongs to the file until lyc_adapter_file_clear. */
lyc_status lyc_adapter_write(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err);
void lyc_adapter_file_clear(lyc_adapter_file *file);

/* --- for algorithms ------------------------------------------------------------------------------------------------
 */

/* Adds a trainable parameter, which gets its memory later. Returns it for changes. */
lyc_adapter_param *lyc_adapter_add(lyc_adapter *a, const char *name, lyc_shape shape, lyc_adapter_start start);

/* Shapes of factors: [rows,columns] for linear layers, [rows,columns,1..] for convolutions; with the layer's kernel. */
lyc_shape lyc_adapter_pointwise(const lyc_adapter *a, int64_t rows, int64_t columns);
lyc_shape lyc_adapter_kernel(const lyc_adapter *a, int64_t rows, int64_t columns);

/* Adds a tensor to what is written. data must stay: the adapter's, or of file->arena. */
lyc_status lyc_adapter_file_add(lyc_adapter_file *file, const char *name, lyc_dtype dtype, const lyc_shape *shape,
                                const void *data, lyc_error *err);

/* The parameters as they are, the scalar multiplied in. */
lyc_status lyc_adapter_file_params(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err);
lyc_status lyc_adapter_file_number(lyc_adapter_file *file, const char *name, double value, lyc_error *err);

/* The tensor of a name, or an error that says it is missing. */
lyc_status lyc_adapter_need(const lyc_tensor_view **out, const lyc_adapter_group *group, const char *name,
                            lyc_error *err);

/* Extent of a tensor, or with axis -1 the product of all but the first; 0 when it is not there. */
int64_t lyc_adapter_extent(const lyc_adapter_group *group, const char *name, int axis);

/* a b; 0 when that is too large, as for something that is not there. */
int64_t lyc_adapter_extent_times(int64_t a, int64_t b);

/* Positions of the kernel in a Tucker core [r,r,k..]; 0 when it is not there. */
int64_t lyc_adapter_core_kernel(const lyc_adapter_group *group, const char *core);

/* A tensor of one number, of any type; `fallback` when it is not there. NaN and infinity are errors. */
lyc_status lyc_adapter_number(double *out, const lyc_adapter_group *group, const char *name, double fallback,
                              lyc_error *err);

/* LYC_E_SHAPE for a tensor that does not have the extent. */
lyc_status lyc_adapter_expect(const lyc_tensor_view *tensor, int axis, int64_t extent, lyc_error *err);

/* Every algorithm's entry: lyc_adapter_lora and so on. */
#define LYC_ADAPTER(name) extern const lyc_adapter_algorithm lyc_adapter_##name;
#include "adapter/list.def"
#undef LYC_ADAPTER

#endif
