/* sample_model.h - a model of the layers that samples of the formats are for (lyc_format_write_sample)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_SUPPORT_SAMPLE_MODEL_H
#define TESTS_SUPPORT_SAMPLE_MODEL_H

#include "lycoris/adapter.h"

/* Writes it, as a single file of SD 1.x with these layers alone: random weights of a deviation of 0.05, and biases. */
void test_sample_model(const char *path, lyc_dtype dtype);

/* Writes the sample of a title in the table of formats. */
void test_sample_adapter(const char *path, const char *title);

/* What the layer of a sample's file does to the model at a strength, in f32. */
typedef struct test_change {
    size_t count, outputs;
    float *weight; /* the change of the weight [count] */
    float *bias;   /* and of the bias [outputs] */
    float *merged; /* the weight with it */
} test_change;
void test_change_of(test_change *out, const char *adapter, const char *model, double strength);
void test_change_clear(test_change *change);

/* ||a - b|| / ||a||, a and b what two files do to the model at strength 1. */
double test_change_distance(const char *first, const char *second, const char *model);

/* The weight of a sample's layer in a model, in f32 [*count]: to be released with free(). */
float *test_sample_weight(size_t *count, const char *adapter, const char *model);

/* Whether the tensors of a file are those of another, bit for bit, among whatever else that has. */
bool test_has_tensors_of(const char *file, const char *other);

#endif
