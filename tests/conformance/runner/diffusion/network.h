/* network.h - a network built for one case: inputs from the case's tensors, results compared with them
 *
 * Pictures lie [n,c,h,w] in the files of cases and [n,h,w,c] here; `layout` says which tensors are pictures.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_NETWORK_H
#define LYC_CONFORMANCE_NETWORK_H

#include "case.h"
#include "compare.h"
#include "graph/build.h"
#include "graph/plan.h"
#include "model/module.h"

enum { LYC_NETWORK_MAX = 1024 };

typedef enum lyc_layout { LYC_LAYOUT_PLAIN, LYC_LAYOUT_PICTURE } lyc_layout;

typedef struct lyc_network_case {
    lyc_graph *graph;
    lyc_plan *plan;
    const lyc_safetensors *file; /* of the case */
    lyc_case *c;
    lyc_component *component; /* opened by lyc_network_case_component; more than one: more */
    lyc_component *second;
    int bound_count;
    struct {
        lyc_value *value;
        void *data;
        size_t bytes;
    } bound[LYC_NETWORK_MAX];
    int expected_count;
    struct {
        lyc_value *value;
        char name[160]; /* tensor of the case */
        lyc_layout layout;
        bool norm;     /* the Euclidean norm of the value is compared, with element `index` of the tensor */
        int64_t index; /* rows: -1 */
        bool rows;     /* rows of the value by the ids of another tensor */
        char row_ids[64];
    } expected[LYC_NETWORK_MAX];
} lyc_network_case;

lyc_status lyc_network_case_init(lyc_network_case *n, lyc_case *c, lyc_error *err);
void lyc_network_case_clear(lyc_network_case *n);

/* A network of the model that the case names: a diffusers folder, or a folder with <part>.safetensors beside
 * <part>_config.json (config.json for the U-Net). Belongs to n. */
lyc_status lyc_network_case_component(lyc_component **out, lyc_network_case *n, lyc_component_kind kind,
                                      lyc_error *err);

/* Whether the case has a tensor of this name. */
bool lyc_network_case_has(const lyc_network_case *n, const char *tensor);

/* An input of a tensor's shape and numbers: f32, or i32 for ids. param: trainable, so that it has a gradient. */
lyc_value *lyc_network_case_input(lyc_network_case *n, const char *tensor, lyc_layout layout);
lyc_value *lyc_network_case_ids(lyc_network_case *n, const char *tensor);
lyc_value *lyc_network_case_param(lyc_network_case *n, const char *tensor, lyc_layout layout);

/* The numbers of a tensor as f32, in the layout of the graph; to be released with lyc_free. */
lyc_status lyc_network_case_floats(float **out, lyc_shape *shape, const lyc_network_case *n, const char *tensor,
                                   lyc_layout layout, lyc_error *err);

/* An input of the caller's numbers (from lyc_alloc), which belong to n afterwards. */
lyc_value *lyc_network_case_take(lyc_network_case *n, const char *name, lyc_value_type type, lyc_shape shape,
                                 void *data);

/* v is compared with a tensor of the case. */
void lyc_network_case_expect(lyc_network_case *n, lyc_value *v, const char *tensor, lyc_layout layout);
void lyc_network_case_expect_norm(lyc_network_case *n, lyc_value *v, const char *tensor, int64_t index);
void lyc_network_case_expect_rows(lyc_network_case *n, lyc_value *v, const char *tensor, const char *row_ids);

/* The result of the last node in layer `layer` or below it; NULL when there is none. */
lyc_value *lyc_network_case_layer(const lyc_network_case *n, const char *layer);

/* Compiles in f32, binds what was given, and parameters of the components to their weights, runs, compares. */
lyc_status lyc_network_case_run(lyc_result *result, lyc_network_case *n, lyc_error *err);

#endif
