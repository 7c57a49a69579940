/* random.c - MT19937 as torch uses it, Philox as CUDA does, and numbers by index
 *
 * Normals by Box and Muller (1958). torch on a CPU fills n >= 16 floats with uniforms first and transforms blocks of
 * 16: eight cosines, then eight sines; a tail that is no multiple of 16 draws 16 new uniforms for the last 16 places.
 * Fewer than 16 numbers are made one by one in double, in pairs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/random.h"

#include <math.h>

enum { WORDS = 624, MIDDLE = 397, NORMAL_BLOCK = 16 };

/* --- MT19937 -------------------------------------------------------------------------------------------------------
 */

void lyc_torch_random_seed(lyc_torch_random *r, uint64_t seed)
{
    r->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < WORDS; i++) {
        r->state[i] = 1812433253u * (r->state[i - 1] ^ (r->state[i - 1] >> 30)) + i;
    }
    r->next = WORDS;
    r->has_cached = false;
}

static uint32_t twist(uint32_t upper, uint32_t lower, uint32_t far)
{
    const uint32_t joined = (upper & 0x80000000u) | (lower & 0x7FFFFFFFu);
    return far ^ (joined >> 1) ^ ((lower & 1) != 0 ? 0x9908B0DFu : 0u);
}

static void refill(lyc_torch_random *r)
{
    uint32_t *s = r->state;
    int i = 0;
    for (; i < WORDS - MIDDLE; i++) {
        s[i] = twist(s[i], s[i + 1], s[i + MIDDLE]);
    }
    for (; i < WORDS - 1; i++) {
        s[i] = twist(s[i], s[i + 1], s[i + MIDDLE - WORDS]);
    }
    s[WORDS - 1] = twist(s[WORDS - 1], s[0], s[MIDDLE - 1]);
    r->next = 0;
}

uint32_t lyc_torch_random_u32(lyc_torch_random *r)
{
    if (r->next >= WORDS) {
        refill(r);
    }
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9D2C5680u;
    y ^= (y << 15) & 0xEFC60000u;
    return y ^ (y >> 18);
}

uint64_t lyc_torch_random_u64(lyc_torch_random *r)
{
    const uint64_t high = lyc_torch_random_u32(r);
    return high << 32 | lyc_torch_random_u32(r);
}

static float uniform_f32(lyc_torch_random *r)
{
    return (float)(lyc_torch_random_u32(r) & 0xFFFFFF) * 0x1p-24f;
}

static double uniform_f64(lyc_torch_random *r)
{
    return (double)(lyc_torch_random_u64(r) & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

void lyc_torch_random_uniform_f32(lyc_torch_random *r, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = uniform_f32(r);
    }
}

void lyc_torch_random_uniform_f64(lyc_torch_random *r, double *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = uniform_f64(r);
    }
}

static void transform_f32(float *x)
{
    for (int j = 0; j < NORMAL_BLOCK / 2; j++) {
        const float radius = sqrtf(-2.0f * logf(1.0f - x[j]));
        const float angle = 2.0f * (float)M_PI * x[j + NORMAL_BLOCK / 2];
        x[j] = radius * cosf(angle);
        x[j + NORMAL_BLOCK / 2] = radius * sinf(angle);
    }
}

static void transform_f64(double *x)
{
    for (int j = 0; j < NORMAL_BLOCK / 2; j++) {
        const double radius = sqrt(-2.0 * log(1.0 - x[j]));
        const double angle = 2.0 * M_PI * x[j + NORMAL_BLOCK / 2];
        x[j] = radius * cos(angle);
        x[j + NORMAL_BLOCK / 2] = radius * sin(angle);
    }
}

static double one_normal(lyc_torch_random *r)
{
    if (r->has_cached) {
        r->has_cached = false;
        return r->cached;
    }
    const double angle = 2.0 * M_PI * uniform_f64(r);
    const double radius = sqrt(-2.0 * log1p(-uniform_f64(r)));
    r->cached = radius * sin(angle);
    r->has_cached = true;
    return radius * cos(angle);
}

void lyc_torch_random_normal_f32(lyc_torch_random *r, float *out, size_t n)
{
    if (n < NORMAL_BLOCK) {
        for (size_t i = 0; i < n; i++) {
            out[i] = (float)one_normal(r);
        }
        return;
    }
    lyc_torch_random_uniform_f32(r, out, n);
    for (size_t i = 0; i + NORMAL_BLOCK <= n; i += NORMAL_BLOCK) {
        transform_f32(out + i);
    }
    if (n % NORMAL_BLOCK != 0) {
        lyc_torch_random_uniform_f32(r, out + n - NORMAL_BLOCK, NORMAL_BLOCK);
        transform_f32(out + n - NORMAL_BLOCK);
    }
}

void lyc_torch_random_normal_half(lyc_torch_random *r, float *out, size_t n)
{
    const size_t whole_blocks = n - n % NORMAL_BLOCK;
    if (n < NORMAL_BLOCK) {
        lyc_torch_random_normal_f32(r, out, n);
        return;
    }
    lyc_torch_random_normal_f32(r, out, whole_blocks);
    if (whole_blocks < n) {
        lyc_torch_random_normal_f32(r, out + n - NORMAL_BLOCK, NORMAL_BLOCK);
    }
}

void lyc_torch_random_normal_f64(lyc_torch_random *r, double *out, size_t n)
{
    if (n < NORMAL_BLOCK) {
        for (size_t i = 0; i < n; i++) {
            out[i] = one_normal(r);
        }
        return;
    }
    lyc_torch_random_uniform_f64(r, out, n);
    for (size_t i = 0; i + NORMAL_BLOCK <= n; i += NORMAL_BLOCK) {
        transform_f64(out + i);
    }
    if (n % NORMAL_BLOCK != 0) {
        lyc_torch_random_uniform_f64(r, out + n - NORMAL_BLOCK, NORMAL_BLOCK);
        transform_f64(out + n - NORMAL_BLOCK);
    }
}

void lyc_torch_random_integers(lyc_torch_random *r, int64_t *out, size_t n, int64_t low, int64_t high)
{
    const uint64_t range = (uint64_t)high - (uint64_t)low;
    for (size_t i = 0; i < n; i++) {
        const uint64_t drawn = range < (UINT64_C(1) << 32) ? lyc_torch_random_u32(r) : lyc_torch_random_u64(r);
        out[i] = (int64_t)((uint64_t)low + drawn % range);
    }
}

void lyc_torch_random_permutation(lyc_torch_random *r, int64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (int64_t)i;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        const size_t other = i + lyc_torch_random_u32(r) % (n - i);
        const int64_t kept = out[i];
        out[i] = out[other];
        out[other] = kept;
    }
}

int64_t lyc_torch_random_int64(lyc_torch_random *r)
{
    return (int64_t)(lyc_torch_random_u64(r) & INT64_MAX);
}

/* --- Philox --------------------------------------------------------------------------------------------------------
 */

void lyc_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0];
    uint32_t c1 = counter[1];
    uint32_t c2 = counter[2];
    uint32_t c3 = counter[3];
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = UINT64_C(0xD2511F53) * c0;
        const uint64_t p1 = UINT64_C(0xCD9E8D57) * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* CUDA's curand_normal: u in (0, 1], an angle in (0, 2 pi]; torch takes the sine of the first pair. */
void lyc_cuda_random_normal(float *out, size_t n, uint64_t seed, uint32_t call)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (size_t i = 0; i < n; i++) {
        const uint32_t counter[4] = {call, 0, (uint32_t)i, (uint32_t)((uint64_t)i >> 32)};
        uint32_t g[4];
        lyc_philox(g, counter, key);
        const float u = (float)g[0] * 2.3283064e-10f + 2.3283064e-10f / 2.0f;
        const float angle = (float)g[1] * (2.3283064e-10f * 6.2831855f) + (2.3283064e-10f * 6.2831855f) / 2.0f;
        out[i] = sqrtf(-2.0f * logf(u)) * sinf(angle);
    }
}

/* --- native --------------------------------------------------------------------------------------------------------
 */

/* Four words for the indices 4 block to 4 block + 3. */
static void native_words(uint32_t words[4], const lyc_native_random *r, uint64_t block)
{
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), r->step, r->purpose};
    const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    lyc_philox(words, counter, key);
}

uint32_t lyc_native_random_name(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name != '\0'; name++) {
        h = (h ^ (unsigned char)*name) * 16777619u;
    }
    return h;
}

uint32_t lyc_native_random_bits(const lyc_native_random *r, uint64_t index)
{
    uint32_t words[4];
    native_words(words, r, index / 4);
    return words[index % 4];
}

float lyc_native_random_uniform(const lyc_native_random *r, uint64_t index)
{
    return (float)(lyc_native_random_bits(r, index) >> 8) * 0x1p-24f;
}

void lyc_native_random_uniforms(const lyc_native_random *r, float *out, uint64_t first, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t words[4];
        native_words(words, r, (first + i) / 4);
        for (size_t k = 0; k < 4 && i + k < n; k++) {
            out[i + k] = (float)(words[k] >> 8) * 0x1p-24f;
        }
    }
}

void lyc_native_random_normals(const lyc_native_random *r, float *out, uint64_t first, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t words[4];
        float normals[4];
        native_words(words, r, (first + i) / 4);
        for (int k = 0; k < 4; k += 2) {
            const float u = ((float)(words[k] >> 8) + 1.0f) * 0x1p-24f; /* (0, 1] */
            const float angle = (float)(words[k + 1] >> 8) * (0x1p-24f * 2.0f * (float)M_PI);
            const float radius = sqrtf(-2.0f * logf(u));
            normals[k] = radius * cosf(angle);
            normals[k + 1] = radius * sinf(angle);
        }
        for (size_t k = 0; k < 4 && i + k < n; k++) {
            out[i + k] = normals[k];
        }
    }
}
