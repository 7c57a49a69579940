/* torch_cpu_random.c - numbers of torch's CPU generator
 *
 * A tensor is what a generator gave; its name says which:
 *
 *     rand.seed42.10                uniform, 10 numbers; randn: normal. A shape is 4x64x64.
 *     randn_fp64.seed42.20          in another type (fp16, bf16, fp32, fp64)
 *     randint.seed42.0_1000.10      whole numbers from 0 to 999
 *     randperm.seed42.10            a permutation of 10
 *     sequence.seed42.then_rand_7   part of a sequence from one generator: first_..., then the others (rand_7,
 * randn_20, randint_0_1000_x9, randperm_11). The names do not say in which order: it is the one in which each is what
 * the stream gives next.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kind.h"
#include "tensor/dtype.h"
#include "tensor/random.h"
#include "tensor/shape.h"

typedef enum source { UNIFORM, NORMAL, INTEGERS, PERMUTATION } source;

/* One draw from a generator, and the tensor that has its result. */
typedef struct draw {
    source source;
    int64_t low, high; /* of INTEGERS */
    uint64_t seed;
    bool in_sequence;
    bool first; /* of its sequence */
    lyc_tensor_view want;
} draw;

enum { MAX_SEQUENCE = 16 };

/* The word at *text if it begins with it and does not go on as a longer word: "randn" but not in "randn_fp64". */
static bool take(const char **text, const char *word)
{
    const size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0) {
        return false;
    }
    *text += length;
    return true;
}

static bool take_integer(const char **text, int64_t *value)
{
    char *end;
    *value = strtoll(*text, &end, 10);
    const bool taken = end != *text;
    *text = end;
    return taken;
}

/* "randint" before "rand": the longest name counts. Behind it, the type of the numbers, which the tensor has too. */
static bool take_source(const char **text, source *out)
{
    static const struct {
        const char *name;
        source source;
    } names[] = {{"randint", INTEGERS}, {"randperm", PERMUTATION}, {"randn", NORMAL}, {"rand", UNIFORM}};
    static const char *const types[] = {"_fp64", "_fp32", "_fp16", "_bf16"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (take(text, names[i].name)) {
            *out = names[i].source;
            for (size_t t = 0; t < sizeof types / sizeof types[0] && !take(text, types[t]); t++) {
            }
            return true;
        }
    }
    return false;
}

/* ".seed42." */
static bool take_seed(const char **text, uint64_t *seed)
{
    char *end;
    if (!take(text, ".seed")) {
        return false;
    }
    *seed = strtoull(*text, &end, 10);
    const bool taken = end != *text && *end == '.';
    *text = end + (taken ? 1 : 0);
    return taken;
}

/* "0_1000" of integers, behind the mark ('.' or '_') that ends it. */
static bool take_range(const char **text, draw *out)
{
    return out->source != INTEGERS ||
           (take_integer(text, &out->low) && take(text, "_") && take_integer(text, &out->high) && out->low < out->high);
}

static bool parse_name(draw *out, const lyc_tensor_view *tensor)
{
    const char *text = tensor->name;
    *out = (draw){.want = *tensor};
    out->in_sequence = take(&text, "sequence");
    if (out->in_sequence) {
        if (!take_seed(&text, &out->seed)) {
            return false;
        }
        out->first = take(&text, "first_");
        return (out->first || take(&text, "then_")) && take_source(&text, &out->source) && take(&text, "_") &&
               take_range(&text, out);
    }
    return take_source(&text, &out->source) && take_seed(&text, &out->seed) && take_range(&text, out);
}

/* What the generator gives for the draw, in *out, which has room for the elements in the type that is returned. */
static lyc_dtype generate(void *out, lyc_torch_random *r, const draw *d, size_t n)
{
    const bool is_f64 = d->want.dtype == LYC_F64;
    switch (d->source) {
    case UNIFORM:
        is_f64 ? lyc_torch_random_uniform_f64(r, out, n) : lyc_torch_random_uniform_f32(r, out, n);
        break;
    case NORMAL:
        if (d->want.dtype == LYC_F16 || d->want.dtype == LYC_BF16) {
            lyc_torch_random_normal_half(r, out, n);
        } else {
            is_f64 ? lyc_torch_random_normal_f64(r, out, n) : lyc_torch_random_normal_f32(r, out, n);
        }
        break;
    case INTEGERS:
        lyc_torch_random_integers(r, out, n, d->low, d->high);
        return LYC_I64;
    case PERMUTATION:
        lyc_torch_random_permutation(r, out, n);
        return LYC_I64;
    }
    return is_f64 ? LYC_F64 : LYC_F32;
}

/* Draws and compares, after rounding to the type that the tensor has. */
static lyc_status compare(lyc_result *result, lyc_torch_random *r, const draw *d, lyc_tolerance tolerance,
                          lyc_error *err)
{
    const size_t n = (size_t)lyc_shape_elements(&d->want.shape);
    void *got = lyc_alloc_zero(n, 2 * sizeof(double));
    if (got == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", d->want.name);
    }
    char *rounded = (char *)got + n * sizeof(double);
    const lyc_dtype type = generate(got, r, d, n);
    const lyc_status status = lyc_dtype_convert(rounded, d->want.dtype, got, type, n, err);
    if (status == LYC_OK) {
        lyc_compare_values(result, d->want.name, &d->want.shape, (lyc_values){rounded, d->want.dtype},
                           (lyc_values){d->want.data, d->want.dtype}, tolerance);
    }
    lyc_free(got);
    return status;
}

/* The members of a sequence that were not drawn yet; the stream has reached r. Goes on with each that agrees with the
 * stream, and keeps in *best the result that got farthest. */
typedef struct sequence {
    draw draws[MAX_SEQUENCE];
    int count;
    lyc_tolerance tolerance;
} sequence;

static lyc_status follow(lyc_result *best, const sequence *s, unsigned drawn, const lyc_torch_random *r,
                         const lyc_result *so_far, lyc_error *err)
{
    for (int i = 0; i < s->count; i++) {
        if ((drawn >> i & 1u) != 0 || s->draws[i].first != (drawn == 0)) {
            continue;
        }
        lyc_torch_random next = *r;
        lyc_result result = *so_far;
        LYC_TRY(compare(&result, &next, &s->draws[i], s->tolerance, err));
        if (result.wrong_count == 0) {
            if (result.value_count > best->value_count || best->wrong_count > 0) {
                *best = result;
            }
            LYC_TRY(follow(best, s, drawn | 1u << i, &next, &result, err));
        }
    }
    return LYC_OK;
}

static lyc_status compare_sequence(lyc_result *result, const sequence *s, lyc_error *err)
{
    lyc_torch_random r;
    lyc_result best = {.wrong_count = 1};
    uint64_t values = 0;
    lyc_torch_random_seed(&r, s->draws[0].seed);
    LYC_TRY(follow(&best, s, 0, &r, &(lyc_result){0}, err));
    for (int i = 0; i < s->count; i++) {
        values += (uint64_t)lyc_shape_elements(&s->draws[i].want.shape);
    }
    if (best.wrong_count > 0 || best.value_count < values) {
        lyc_result_complain(result, "sequence.seed%" PRIu64 ": no order in which the stream gives all its parts",
                            s->draws[0].seed);
    }
    lyc_result_add(result, &best);
    return LYC_OK;
}

/* All draws of the sequence with the seed of the given one. */
static lyc_status collect(sequence *s, const lyc_safetensors *file, uint64_t seed, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        draw d;
        if (!parse_name(&d, &tensor) || !d.in_sequence || d.seed != seed) {
            continue;
        }
        if (s->count == MAX_SEQUENCE) {
            return lyc_fail(err, LYC_E_UNSUPPORTED, "a sequence of more than %d parts", MAX_SEQUENCE);
        }
        s->draws[s->count++] = d;
    }
    return LYC_OK;
}

static lyc_status run_tensor(lyc_result *result, const lyc_case *c, const lyc_safetensors *file,
                             const lyc_tensor_view *tensor, lyc_error *err)
{
    const lyc_tolerance tolerance = {c->absolute_tolerance, c->relative_tolerance};
    draw d;
    if (!parse_name(&d, tensor)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "what %s was drawn from is not known", tensor->name);
    }
    if (!d.in_sequence) {
        lyc_torch_random r;
        lyc_torch_random_seed(&r, d.seed);
        return compare(result, &r, &d, tolerance, err);
    }
    if (!d.first) {
        return LYC_OK; /* comes with the first */
    }
    sequence s = {.tolerance = tolerance};
    LYC_TRY(collect(&s, file, d.seed, err));
    return compare_sequence(result, &s, err);
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    const lyc_safetensors *file = NULL;
    LYC_TRY(lyc_case_open(&file, c, err));
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        LYC_TRY(run_tensor(result, c, file, &tensor, err));
    }
    return LYC_OK;
}

static bool recognise(lyc_case *c)
{
    const lyc_safetensors *file = NULL;
    if (!lyc_case_has(c, "file") || lyc_case_has(c, "load_file") || lyc_case_open(&file, c, NULL) != LYC_OK) {
        return false;
    }
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        draw d;
        if (!parse_name(&d, &tensor)) {
            return false;
        }
    }
    return lyc_safetensors_count(file) > 0;
}

const lyc_kind lyc_kind_torch_cpu_random = {
    .name = "torch_cpu_random",
    .folder = "diffusion",
    .prefix = "torch_cpu_random",
    .recognise = recognise,
    .run = run,
};
