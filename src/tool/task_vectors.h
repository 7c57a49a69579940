/* task_vectors.h - changes of one weight by several adapters, brought together by other rules than their sum
 *
 *     TIES (Yadav et al. 2023, arXiv 2306.01708): trim each to its largest numbers; elect for each place the sign of
 * the sum; take the mean of the numbers that have it DARE (Yu et al. 2023, arXiv 2311.03099): drop numbers at random
 * and divide the others by the part that is left
 *
 * Weights are in the numbers before any of it, as PEFT has it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_TASK_VECTORS_H
#define LYC_TOOL_TASK_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/random.h"

/* Of x [n] the floor(density n) largest stay, the first ones where several are equal; the others become 0. */
void lyc_task_vector_trim(float *x, float *scratch, int64_t n, double density);

/* Each number of x [n] stays with probability `density`, divided by it; the others become 0. */
void lyc_task_vector_drop(float *x, int64_t n, double density, const lyc_native_random *random);

/* For each place of x[0..count) [n] the mean of the numbers that have the sign of their sum, plus where it is 0; 0
 * where there is none. */
void lyc_task_vectors_elect(float *out, float *const *x, size_t count, int64_t n);

#endif
