/* merge_internal.h - shared by the files that merge adapters into a model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_MERGE_INTERNAL_H
#define LYC_TOOL_MERGE_INTERNAL_H

#include "adapter/network_file.h"
#include "base/arena.h"
#include "base/hashmap.h"
#include "base/task.h"
#include "lycoris/merge.h"
#include "tool/base_model.h"

/* An adapter that is merged. */
typedef struct lyc_merge_source {
    const lyc_merge_adapter *adapter;
    lyc_network_file *file;
    size_t layers, merged, embeddings;
    const char **unmatched;
    size_t unmatched_count;
} lyc_merge_source;

/* A layer of an adapter for a module. */
typedef struct lyc_merge_change {
    size_t source, layer;
    bool swapped; /* the halves of its rows are in the other order */
    struct lyc_merge_change *next;
} lyc_merge_change;

/* A module that is changed. */
typedef struct lyc_merge_module {
    const char *name;
    lyc_base_module base;
    lyc_merge_change *changes; /* in the order of the adapters */
    bool text;                 /* of a text encoder */
    bool changes_bias;
} lyc_merge_module;

/* A piece of a module that lies in a tensor. */
typedef struct lyc_merge_piece {
    lyc_merge_module *module;
    int piece;
    bool is_bias;
    struct lyc_merge_piece *next;
} lyc_merge_piece;

typedef struct lyc_merge_plan {
    const lyc_merge_options *options;
    lyc_base_model *model;
    lyc_merge_source *sources;
    lyc_hashmap modules;      /* "unit/component/module" */
    lyc_merge_piece **pieces; /* of each tensor: [first[file] + tensor] */
    size_t *first;
    lyc_arena arena;
} lyc_merge_plan;

struct lyc_merge_report {
    lyc_merge_source *sources;
    size_t source_count;
    size_t changed, copied;
    lyc_arena arena;
};

/* merge_plan.c: opens everything and finds what changes what. */
lyc_status lyc_merge_plan_make(lyc_merge_plan *out, const lyc_merge_options *options, lyc_error *err);
void lyc_merge_plan_clear(lyc_merge_plan *plan);
const lyc_merge_piece *lyc_merge_plan_pieces(const lyc_merge_plan *plan, size_t file, size_t tensor);

/* merge_compute.c: a tensor with all changes, in f32 [elements of the tensor]. */
lyc_status lyc_merge_tensor(float *out, const lyc_merge_plan *plan, size_t file, size_t tensor, lyc_error *err);

/* The usual tensor: all of one module, whose rows are computed a few at a time. */
typedef struct lyc_merge_stream {
    const lyc_merge_plan *plan;
    const lyc_merge_module *module;
    lyc_tensor_view base;
    lyc_adapter **adapters; /* of the changes, in their order */
    double *strengths;
    size_t count;
    int64_t step; /* rows at a time */
    float *before;
} lyc_merge_stream;

/* *possible: whether the tensor is such a one; else lyc_merge_tensor has to be asked. */
lyc_status lyc_merge_stream_open(lyc_merge_stream *out, bool *possible, const lyc_merge_plan *plan, size_t file,
                                 size_t tensor, lyc_error *err);
void lyc_merge_stream_close(lyc_merge_stream *stream);

/* Rows [first,first+count) with all changes. */
lyc_status lyc_merge_stream_rows(float *out, lyc_merge_stream *stream, int64_t first, int64_t count, lyc_error *err);

/* merge_write.c */
lyc_status lyc_merge_write(size_t *changed, size_t *copied, const lyc_merge_plan *plan, const lyc_task *task,
                           lyc_error *err);

#endif
