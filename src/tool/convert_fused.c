/* convert_fused.c - layers of transformers that one naming has in one piece and the other in parts
 *
 * With rows W = [W_q; W_k; W_v], a LoRA of the whole gives each part the rows of B that are its own and all of A; the
 * parts give the whole B = diag(B_q, B_k, B_v) and A = [A_q; A_k; A_v], whose rank is the sum of theirs. Of a whole
 * that is of this form the parts get their own ranks back. A part that the file does not have is zero.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/compute.h"
#include "base/memory.h"
#include "tensor/shape.h"
#include "tool/convert.h"

/* --- which layers --------------------------------------------------------------------------------------------------
 */

static bool is_transformer(const lyc_file_layer *layer)
{
    return strcmp(layer->component, "transformer") == 0;
}

static bool wants_original(const lyc_conversion *c, const lyc_file_layer *layer)
{
    const lyc_key_scheme scheme = lyc_convert_scheme(c, layer);
    if (scheme == layer->scheme && c->options->paths == NULL) {
        return lyc_file_layer_is_original(layer);
    }
    return scheme == LYC_KEY_KOHYA || scheme == LYC_KEY_BARE;
}

/* Flux has single blocks, and 3072 channels. */
static lyc_fused_family family_of(const lyc_conversion *c)
{
    const char *family = lyc_network_file_family(c->file);
    return family != NULL && strcmp(family, "SD3") == 0 ? LYC_FUSED_SD3 : LYC_FUSED_FLUX;
}

bool lyc_convert_is_fused(const lyc_conversion *c, const lyc_file_layer *source)
{
    int part;
    lyc_fused fused;
    if (!is_transformer(source)) {
        return false;
    }
    return wants_original(c, source) ? lyc_fused_of_part(&fused, &part, source->entry->name, family_of(c))
                                     : lyc_fused_of_original(&fused, source->entry->original);
}

bool lyc_convert_swaps(const lyc_conversion *c, const lyc_file_layer *source, const lyc_adapter_target *target)
{
    return wants_original(c, source) != lyc_file_layer_is_original(source) &&
           lyc_fused_swaps_halves(source->entry->name, target->weight.dims[0], target->weight.dims[1]);
}

static lyc_status refuse(const lyc_conversion *c, const lyc_file_layer *layer, const char *why, lyc_error *err)
{
    return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: '%s' is %s, %s", lyc_network_file_path(c->file), layer->name,
                    layer->algorithm->name, why);
}

/* Its rank as a product; 0 for a difference. */
static lyc_status rank_of(int64_t *rank, lyc_adapter_target *target, const lyc_conversion *c, size_t index,
                          lyc_error *err)
{
    lyc_adapter *a = NULL;
    const lyc_file_layer *source = lyc_network_file_at(c->file, index);
    LYC_TRY(lyc_network_file_target(target, c->file, index, err));
    LYC_TRY(lyc_network_file_adapter(&a, c->file, index, target, err));
    lyc_status status = lyc_adapter_product_rank(rank, a, err);
    if (status == LYC_OK && *rank == 0 && strcmp(a->algorithm->name, "full") != 0) {
        status = refuse(c, source, "which cannot be divided or put together by rows", err);
    }
    lyc_adapter_free(a);
    return status;
}

static const char *name_of(lyc_conversion *c, const lyc_file_layer *source, const char *path)
{
    return lyc_key_layer_name(&c->arena, lyc_convert_scheme(c, source), source->component, path, c->naming.first_text);
}

static lyc_status choose_rows(lyc_convert_layer layers[LYC_FUSED_PARTS], int *count, lyc_conversion *c, size_t index,
                              lyc_error *err)
{
    lyc_fused fused;
    int64_t rank;
    lyc_adapter_target target;
    const lyc_file_layer *source = lyc_network_file_at(c->file, index);
    lyc_fused_of_original(&fused, source->entry->original);
    LYC_TRY(rank_of(&rank, &target, c, index, err));
    if (target.weight.rank != 2 || target.weight.dims[0] % fused.first[fused.count] != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%s: '%s' has %lld outputs, which are not %d equal shares",
                        lyc_network_file_path(c->file), source->name, (long long)target.weight.dims[0],
                        fused.first[fused.count]);
    }
    *count = fused.count;
    for (int i = 0; i < fused.count; i++) {
        layers[i] = (lyc_convert_layer){.index = index,
                                        .form = LYC_CONVERT_ROWS,
                                        .written = name_of(c, source, fused.parts[i]),
                                        .target = target,
                                        .dtype = lyc_convert_dtype(c, source),
                                        .rank = rank,
                                        .dense = rank == 0,
                                        .fused = fused,
                                        .part = i,
                                        .unit = target.weight.dims[0] / fused.first[fused.count]};
        layers[i].target.weight.dims[0] = layers[i].unit * (fused.first[i + 1] - fused.first[i]);
        if (layers[i].written == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the names of layers");
        }
    }
    return LYC_OK;
}

/* The parts of a matrix that the file has; all of them must be for shares of the same size. */
static lyc_status find_parts(lyc_convert_layer *layer, const lyc_conversion *c, const lyc_file_layer *source,
                             lyc_error *err)
{
    layer->rank = 0;
    for (int i = 0; i < layer->fused.count; i++) {
        int64_t rank;
        lyc_adapter_target target;
        size_t index;
        if (!lyc_network_file_find(&index, c->file, source->component, layer->fused.parts[i])) {
            continue;
        }
        LYC_TRY(rank_of(&rank, &target, c, index, err));
        const int64_t unit = target.weight.dims[0] / (layer->fused.first[i + 1] - layer->fused.first[i]);
        if (layer->unit != 0 && (unit != layer->unit || target.weight.dims[1] != layer->target.weight.dims[1])) {
            return lyc_fail(err, LYC_E_SHAPE, "%s: '%s' and '%s' are not for parts of one matrix",
                            lyc_network_file_path(c->file), source->name, lyc_network_file_at(c->file, index)->name);
        }
        layer->sources[i] = index + 1;
        layer->unit = unit;
        layer->target = target;
        layer->dense |= rank == 0;
        layer->rank += rank;
    }
    layer->target.weight.dims[0] = layer->unit * layer->fused.first[layer->fused.count];
    layer->rank = layer->dense ? 0 : layer->rank;
    return LYC_OK;
}

static lyc_status choose_whole(lyc_convert_layer *layer, int *count, lyc_conversion *c, size_t index, lyc_error *err)
{
    const lyc_file_layer *source = lyc_network_file_at(c->file, index);
    *layer = (lyc_convert_layer){.index = index, .form = LYC_CONVERT_FUSED, .dtype = lyc_convert_dtype(c, source)};
    lyc_fused_of_part(&layer->fused, &layer->part, source->entry->name, family_of(c));
    *count = 1;
    for (int i = 0; i < layer->fused.count; i++) {
        size_t other;
        if (lyc_network_file_find(&other, c->file, source->component, layer->fused.parts[i]) && other < index) {
            *count = 0; /* made when that one was met */
            return LYC_OK;
        }
    }
    layer->written = name_of(c, source, layer->fused.original);
    return layer->written != NULL ? find_parts(layer, c, source, err)
                                  : lyc_fail(err, LYC_E_MEMORY, "no memory for the names of layers");
}

lyc_status lyc_convert_choose_fused(lyc_convert_layer layers[LYC_FUSED_PARTS], int *count, lyc_conversion *c,
                                    size_t index, lyc_error *err)
{
    return wants_original(c, lyc_network_file_at(c->file, index)) ? choose_whole(layers, count, c, index, err)
                                                                  : choose_rows(layers, count, c, index, err);
}

/* --- their numbers -------------------------------------------------------------------------------------------------
 */

static float *numbers(lyc_adapter *a, const char *param)
{
    return lyc_adapter_param_find(a, param)->data;
}

/* A layer of the file as up [out,rank] and down [rank,in], or as a difference [out,in]; memory of the caller's. */
typedef struct factors {
    int64_t out, in, rank;
    float *up, *down;
} factors;

static void factors_clear(factors *f)
{
    lyc_free(f->up);
    lyc_free(f->down);
}

static lyc_status factors_of(factors *f, const lyc_conversion *c, size_t index, bool dense, lyc_error *err)
{
    lyc_adapter *a = NULL;
    lyc_adapter_target target;
    *f = (factors){0};
    LYC_TRY(lyc_network_file_target(&target, c->file, index, err));
    LYC_TRY(lyc_network_file_adapter(&a, c->file, index, &target, err));
    lyc_status status = dense ? LYC_OK : lyc_adapter_product_rank(&f->rank, a, err);
    f->out = a->out;
    f->in = a->in;
    f->up = lyc_alloc_zero((size_t)f->out, (size_t)(dense ? f->in : f->rank) * sizeof(float));
    f->down = lyc_alloc_zero((size_t)f->in, (size_t)(f->rank + 1) * sizeof(float));
    if (status == LYC_OK && (f->up == NULL || f->down == NULL)) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for the factors of '%s'", a->name);
    }
    if (status == LYC_OK) {
        lyc_adapter_change change = {.weight = f->up};
        status =
            dense ? lyc_adapter_compute(&change, a, NULL, 1.0, err) : lyc_adapter_product(f->up, f->down, a, 1.0, err);
    }
    lyc_adapter_free(a);
    return status;
}

/* The ranks [*first,*last) that rows [begin,end) use, when the whole is block diagonal with as many ranks for each
 * part; else all. */
static void own_ranks(int64_t *first, int64_t *last, const factors *f, const lyc_convert_layer *layer)
{
    const int parts = layer->fused.count;
    *first = 0;
    *last = f->rank;
    if (f->rank % parts != 0) {
        return;
    }
    const int64_t each = f->rank / parts;
    for (int64_t o = 0; o < f->out; o++) {
        int part = 0;
        while (o >= layer->unit * layer->fused.first[part + 1]) {
            part++;
        }
        for (int64_t k = 0; k < f->rank; k++) {
            if (k / each != part && f->up[o * f->rank + k] != 0.0f) {
                return;
            }
        }
    }
    *first = each * layer->part;
    *last = *first + each;
}

static lyc_status make_rows(lyc_adapter **out, const lyc_conversion *c, const lyc_convert_layer *layer, factors *f,
                            lyc_error *err)
{
    int64_t first, last;
    const int64_t begin = layer->unit * layer->fused.first[layer->part];
    const int64_t rows = layer->target.weight.dims[0];
    const char *name = lyc_network_file_at(c->file, layer->index)->name;
    if (layer->dense) {
        LYC_TRY(lyc_adapter_new(out, &lyc_adapter_full, name, &layer->target, NULL, 0, err));
        memcpy(numbers(*out, "diff"), f->up + begin * f->in, (size_t)(rows * f->in) * sizeof(float));
        return LYC_OK;
    }
    own_ranks(&first, &last, f, layer);
    LYC_TRY(lyc_convert_new_lora(out, name, &layer->target, last - first, err));
    float *up = numbers(*out, "lora_up.weight");
    for (int64_t o = 0; o < rows; o++) {
        memcpy(up + o * (last - first), f->up + (begin + o) * f->rank + first, (size_t)(last - first) * sizeof *up);
    }
    memcpy(numbers(*out, "lora_down.weight"), f->down + first * f->in, (size_t)((last - first) * f->in) * sizeof *up);
    return LYC_OK;
}

/* Puts a part at its rows and ranks. */
static void put_part(lyc_adapter *whole, const factors *f, int64_t row, int64_t rank, bool dense)
{
    if (dense) {
        memcpy(numbers(whole, "diff") + row * f->in, f->up, (size_t)(f->out * f->in) * sizeof(float));
        return;
    }
    const int64_t ranks = ((const lyc_adapter_config *)whole->config)->rank;
    float *up = numbers(whole, "lora_up.weight");
    for (int64_t o = 0; o < f->out; o++) {
        memcpy(up + (row + o) * ranks + rank, f->up + o * f->rank, (size_t)f->rank * sizeof *up);
    }
    memcpy(numbers(whole, "lora_down.weight") + rank * f->in, f->down, (size_t)(f->rank * f->in) * sizeof *up);
}

static lyc_status make_whole(lyc_adapter **out, const lyc_conversion *c, const lyc_convert_layer *layer, lyc_error *err)
{
    int64_t rank = 0;
    const char *name = lyc_network_file_at(c->file, layer->index)->name;
    LYC_TRY(layer->dense ? lyc_adapter_new(out, &lyc_adapter_full, name, &layer->target, NULL, 0, err)
                         : lyc_convert_new_lora(out, name, &layer->target, layer->rank, err));
    for (int i = 0; i < layer->fused.count; i++) {
        factors f;
        if (layer->sources[i] == 0) {
            continue;
        }
        const lyc_status status = factors_of(&f, c, layer->sources[i] - 1, layer->dense, err);
        if (status == LYC_OK) {
            put_part(*out, &f, layer->unit * layer->fused.first[i], rank, layer->dense);
            rank += f.rank;
        }
        factors_clear(&f);
        LYC_TRY(status);
    }
    return LYC_OK;
}

lyc_status lyc_convert_make_fused(lyc_adapter **out, const lyc_conversion *c, const lyc_convert_layer *layer,
                                  lyc_error *err)
{
    factors f = {0};
    lyc_adapter *made = NULL;
    lyc_status status;
    if (layer->form == LYC_CONVERT_FUSED) {
        status = make_whole(&made, c, layer, err);
    } else {
        status = factors_of(&f, c, layer->index, layer->dense, err);
        status = status != LYC_OK ? status : make_rows(&made, c, layer, &f, err);
        factors_clear(&f);
    }
    if (status != LYC_OK) {
        lyc_adapter_free(made);
        return status;
    }
    *out = made;
    return LYC_OK;
}

/* [a; b] becomes [b; a]. */
static void swap_halves(float *data, int64_t rows, int64_t columns)
{
    const int64_t half = rows / 2 * columns;
    for (int64_t i = 0; i < half; i++) {
        const float kept = data[i];
        data[i] = data[half + i];
        data[half + i] = kept;
    }
}

void lyc_convert_swap(lyc_adapter *a)
{
    static const struct {
        const char *name;
        bool vector;
    } params[] = {{"lora_up.weight", false}, {"diff", false}, {"diff_b", true}};
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        lyc_adapter_param *p = lyc_adapter_param_find(a, params[i].name);
        if (p != NULL) {
            swap_halves(p->data, a->out, params[i].vector ? 1 : lyc_shape_elements(&p->shape) / a->out);
        }
    }
}
