/* embedding.c - textual inversion: a word that stands for learned embeddings
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/embedding.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "lycoris/safetensors.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

enum { MAX_ROWS = 75 /* more never fit into a sequence */ };

/* Which tensor is for an encoder. */
static lyc_status find(lyc_tensor_view *out, const lyc_safetensors *file, const char *path, bool is_xl, int index,
                       lyc_error *err)
{
    static const char *const xl[] = {"clip_l", "clip_g"};
    if (is_xl) {
        return lyc_safetensors_find(out, file, xl[index])
                   ? LYC_OK
                   : lyc_fail(err, LYC_E_SHAPE, "%s has no %s: it is no embedding for SDXL", path, xl[index]);
    }
    if (lyc_safetensors_find(out, file, "emb_params")) {
        return LYC_OK;
    }
    if (lyc_safetensors_find(out, file, "clip_g")) {
        return lyc_fail(err, LYC_E_SHAPE, "%s is an embedding for SDXL, the model is none", path);
    }
    if (lyc_safetensors_count(file) != 1) {
        return lyc_fail(err, LYC_E_FORMAT,
                        "%s is no embedding: expected emb_params, clip_l and clip_g, or one tensor; it has %zu", path,
                        lyc_safetensors_count(file));
    }
    *out = lyc_safetensors_tensor(file, 0);
    return LYC_OK;
}

static lyc_status check(int64_t *rows, const lyc_tensor_view *t, const char *path, int width, lyc_error *err)
{
    char shape[LYC_SHAPE_TEXT];
    const int64_t last = t->shape.rank > 0 ? t->shape.dims[t->shape.rank - 1] : 0;
    *rows = t->shape.rank == 2 ? t->shape.dims[0] : 1;
    if (t->shape.rank < 1 || t->shape.rank > 2 || !lyc_dtype_is_float(t->dtype) || *rows < 1 || *rows > MAX_ROWS) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: %s is %s of %s, expected 1 to %d rows of floats", path, t->name,
                        lyc_shape_text(shape, sizeof shape, &t->shape), lyc_dtype_name(t->dtype), (int)MAX_ROWS);
    }
    return last == width ? LYC_OK
                         : lyc_fail(err, LYC_E_SHAPE,
                                    "%s: an embedding of %" PRId64 " numbers, the text encoder takes %d: it is for "
                                    "another model",
                                    path, last, width);
}

/* Numbers of one encoder, of rows that all encoders have. */
static lyc_status read_rows(float **out, int64_t *count, const lyc_safetensors *file, const char *path,
                            const lyc_text_encoders *e, int index, lyc_error *err)
{
    lyc_tensor_view t;
    int64_t rows;
    const int width = e->encoder[index].config->hidden_size;
    LYC_TRY(find(&t, file, path, e->is_xl, index, err));
    LYC_TRY(check(&rows, &t, path, width, err));
    if (index > 0 && rows != *count) {
        return lyc_fail(err, LYC_E_SHAPE, "%s: clip_l has %" PRId64 " rows, clip_g %" PRId64, path, *count, rows);
    }
    *count = rows;
    *out = lyc_alloc((size_t)(rows * width) * sizeof **out); /* fits: rows are few */
    if (*out == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", path);
    }
    LYC_TRY(lyc_dtype_convert_parallel(*out, LYC_F32, t.data, t.dtype, (size_t)(rows * width), err));
    for (int64_t i = 0; i < rows * width; i++) {
        if (!isfinite((*out)[i])) {
            return lyc_fail(err, LYC_E_NUMERIC, "%s: %s has a number that is not finite", path, t.name);
        }
    }
    return LYC_OK;
}

/* "style" of "embeddings/style.safetensors". */
static lyc_status name_of(lyc_strbuf *name, const char *path, lyc_error *err)
{
    static const char ending[] = ".safetensors";
    lyc_span stem = lyc_path_name(path);
    stem.length -= lyc_span_ends_with(stem, ending) ? strlen(ending) : 0;
    lyc_strbuf_append_n(name, stem.text, stem.length);
    return lyc_strbuf_check(name, "the name of an embedding", err);
}

static lyc_status add(lyc_text_encoders *e, const lyc_safetensors *file, const char *path, const char *name,
                      lyc_error *err)
{
    float *rows[2] = {NULL, NULL};
    int64_t count = 0;
    lyc_status status = LYC_OK;
    for (int i = 0; i < e->count && status == LYC_OK; i++) {
        status = read_rows(&rows[i], &count, file, path, e, i, err);
    }
    if (status == LYC_OK) {
        const float *const numbers[2] = {rows[0], rows[1]};
        status = lyc_text_encoders_add(e, name, numbers, count, err);
    }
    lyc_free(rows[0]);
    lyc_free(rows[1]);
    return status;
}

lyc_status lyc_embedding_add(lyc_text_encoders *encoders, const char *path, const char *name, lyc_error *err)
{
    lyc_safetensors *file = NULL;
    lyc_strbuf stem = {0};
    LYC_TRY(lyc_safetensors_open(&file, path, NULL, err));
    lyc_status status = name != NULL ? LYC_OK : name_of(&stem, path, err);
    status = status == LYC_OK ? add(encoders, file, path, name != NULL ? name : stem.text, err) : status;
    status = status == LYC_OK ? lyc_safetensors_check(file, err) : status;
    lyc_strbuf_clear(&stem);
    lyc_safetensors_close(file);
    return status;
}
