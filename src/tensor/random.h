/* random.h - three streams of random numbers
 *
 * torch's CPU generator (MT19937), the one of torch on CUDA (Philox 4x32-10), and a native one without state: a number
 * depends on (seed, purpose, step, index) alone, so nothing has to be saved to go on. The first two give the same
 * noise, and so the same pictures, as the programs that people use today.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_RANDOM_H
#define LYC_TENSOR_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* torch.Generator("cpu"): MT19937 (Matsumoto and Nishimura 1998). Only the low 32 bits of a seed count, as there. */
typedef struct lyc_torch_random {
    uint32_t state[624];
    int next;
    bool has_cached; /* second number of a pair that fewer than 16 normals leave over; cleared by seeding alone */
    double cached;
} lyc_torch_random;

void lyc_torch_random_seed(lyc_torch_random *r, uint64_t seed);
uint32_t lyc_torch_random_u32(lyc_torch_random *r);
uint64_t lyc_torch_random_u64(lyc_torch_random *r); /* the first drawn is the high word */

/* torch.rand: [0, 1), 24 or 53 bits. */
void lyc_torch_random_uniform_f32(lyc_torch_random *r, float *out, size_t n);
void lyc_torch_random_uniform_f64(lyc_torch_random *r, double *out, size_t n);

/* torch.randn of n contiguous numbers; its stream depends on n, in blocks of 16. Differs from torch's vectorised
 * logarithm and sine in the last bits (2.4e-7). */
void lyc_torch_random_normal_f32(lyc_torch_random *r, float *out, size_t n);
void lyc_torch_random_normal_f64(lyc_torch_random *r, double *out, size_t n);

/* torch.randn of n numbers of float16 or bfloat16, before they are rounded. The tail is drawn instead of the numbers of
 * f32 there, not behind them: the numbers agree with those of f32 up to the last 16, and the stream goes on elsewhere.
 */
void lyc_torch_random_normal_half(lyc_torch_random *r, float *out, size_t n);

/* torch.randint(low, high): low < high. */
void lyc_torch_random_integers(lyc_torch_random *r, int64_t *out, size_t n, int64_t low, int64_t high);

/* torch.randperm(n), n < 2^32. */
void lyc_torch_random_permutation(lyc_torch_random *r, int64_t *out, size_t n);

/* Tensor.random_() of int64: [0, 2^63). */
int64_t lyc_torch_random_int64(lyc_torch_random *r);

/* Philox 4x32-10 (Salmon et al. 2011): four words from a counter and a key. */
void lyc_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* torch.randn on CUDA, and A1111's "GPU" source: the call-th call (from 0) of a generator. Agrees while n is at most
 * the number of threads that the device runs at once (more than 100,000 on large cards). */
void lyc_cuda_random_normal(float *out, size_t n, uint64_t seed, uint32_t call);

/* What native numbers are for: each purpose is a stream of its own. */
typedef enum lyc_random_purpose {
    LYC_RANDOM_INIT,
    LYC_RANDOM_NOISE,
    LYC_RANDOM_TIMESTEP,
    LYC_RANDOM_LATENT,
    LYC_RANDOM_CAPTION,
    LYC_RANDOM_SHUFFLE,
    LYC_RANDOM_AUGMENT,
    LYC_RANDOM_DROPOUT,
    LYC_RANDOM_ROUNDING,
    LYC_RANDOM_SAMPLER,
} lyc_random_purpose;

typedef struct lyc_native_random {
    uint64_t seed;
    uint32_t purpose; /* lyc_random_purpose, or a place within one in the upper 24 bits */
    uint32_t step;
} lyc_native_random;

/* A place or step of a name: the same on every machine (FNV-1a). */
uint32_t lyc_native_random_name(const char *name);

/* 32 random bits, or a number in [0, 1) of 24 bits, at an index. */
uint32_t lyc_native_random_bits(const lyc_native_random *r, uint64_t index);
float lyc_native_random_uniform(const lyc_native_random *r, uint64_t index);

/* Indices [first, first + n): the same numbers however a range is cut, if `first` and the cuts are multiples of 4. */
void lyc_native_random_uniforms(const lyc_native_random *r, float *out, uint64_t first, size_t n);
void lyc_native_random_normals(const lyc_native_random *r, float *out, uint64_t first, size_t n);

#endif
