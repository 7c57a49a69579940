/* extract_lokr.c - a Kronecker product that comes near a difference
 *
 *     D[a vo + c, (b vi + d) kernel + k] ~ W1[a,b] W2[c,(d,k)]
 *
 * In the order R[(a,b),(c,d,k)] a Kronecker product is a matrix of rank one, so the largest singular value of R and its
 * vectors give the best there is (Van Loan, Pitsianis 1993). Where the rank is less than half of W2's larger side W2 is
 * a product of two factors in turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "adapter/factorization.h"
#include "base/memory.h"
#include "tensor/shape.h"
#include "tool/extract.h"
#include "tool/truncated_svd.h"

typedef struct kronecker {
    int64_t uo, ui, vo, vi, kernel;
} kronecker;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a Kronecker product");
}

/* R from D, or D from R. */
static void rearrange(float *to, const float *from, const kronecker *p, bool back)
{
    const int64_t columns = p->ui * p->vi * p->kernel, run = p->vi * p->kernel;
    for (int64_t a = 0; a < p->uo; a++) {
        for (int64_t c = 0; c < p->vo; c++) {
            for (int64_t b = 0; b < p->ui; b++) {
                const int64_t plain = (a * p->vo + c) * columns + b * run;
                const int64_t other = ((a * p->ui + b) * p->vo + c) * run;
                memcpy(to + (back ? plain : other), from + (back ? other : plain), (size_t)run * sizeof *to);
            }
        }
    }
}

/* W2 [vo,vi*kernel] as it is, or by factors; w2 then is their product. */
static lyc_status add_second(lyc_extract_layer *layer, float *w2, const kronecker *p, lyc_error *err)
{
    const int64_t larger = p->vo > p->vi ? p->vo : p->vi, run = p->vi * p->kernel, r = layer->rank;
    lyc_shape shape = layer->base.weight.shape;
    shape.dims[0] = p->vo;
    shape.dims[1] = p->vi;
    if (2 * r >= larger || r >= p->vo || r >= run) {
        float *whole = lyc_extract_add(layer, "lokr_w2", LYC_F32, shape);
        if (whole == NULL) {
            return no_memory(err);
        }
        memcpy(whole, w2, (size_t)(p->vo * run) * sizeof *w2);
        return LYC_OK;
    }
    lyc_truncated_svd svd;
    LYC_TRY(lyc_truncated_svd_compute(&svd, w2, p->vo, run, r, err));
    float *left = lyc_extract_add(layer, "lokr_w2_a", LYC_F32, LYC_SHAPE(p->vo, r));
    float *right = lyc_extract_add(layer, "lokr_w2_b", LYC_F32, LYC_SHAPE(r, run));
    const lyc_status status = left == NULL || right == NULL ? no_memory(err) : LYC_OK;
    for (int64_t i = 0; status == LYC_OK && i < p->vo * r; i++) {
        left[i] = svd.u[i] * svd.s[i % r];
    }
    if (status == LYC_OK) {
        memcpy(right, svd.v, (size_t)(r * run) * sizeof *right);
    }
    for (int64_t i = 0; status == LYC_OK && i < p->vo; i++) {
        for (int64_t j = 0; j < run; j++) {
            double sum = 0.0;
            for (int64_t k = 0; k < r; k++) {
                sum += (double)left[i * r + k] * (double)right[k * run + j];
            }
            w2[i * run + j] = (float)sum;
        }
    }
    lyc_truncated_svd_clear(&svd);
    return status;
}

static lyc_status add_factors(lyc_extract_layer *layer, float *rearranged, const kronecker *p, lyc_error *err)
{
    const int64_t pairs = p->uo * p->ui, n = p->vo * p->vi * p->kernel;
    lyc_truncated_svd svd;
    LYC_TRY(lyc_truncated_svd_compute(&svd, rearranged, pairs, n, 1, err));
    const float root = sqrtf(svd.s[0]);
    float *w1 = lyc_extract_add(layer, "lokr_w1", LYC_F32, LYC_SHAPE(p->uo, p->ui));
    for (int64_t i = 0; w1 != NULL && i < pairs; i++) {
        w1[i] = svd.u[i] * root;
    }
    for (int64_t i = 0; i < n; i++) {
        svd.v[i] *= root;
    }
    lyc_status status = w1 == NULL ? no_memory(err) : add_second(layer, svd.v, p, err);
    for (int64_t i = 0; status == LYC_OK && i < pairs; i++) {
        for (int64_t j = 0; j < n; j++) {
            rearranged[i * n + j] -= w1[i] * svd.v[j];
        }
    }
    if (status == LYC_OK) {
        lyc_extract_measure(layer, rearranged, svd.squared_norm);
    }
    lyc_truncated_svd_clear(&svd);
    return status;
}

lyc_status lyc_extract_lokr(lyc_extract_layer *layer, float *d, lyc_error *err)
{
    kronecker p = {.kernel = layer->kernel};
    const int64_t factor = layer->owner->options->factor > 0 ? layer->owner->options->factor : -1;
    lyc_factorization(&p.uo, &p.vo, layer->out, factor);
    lyc_factorization(&p.ui, &p.vi, layer->in, factor);
    float *rearranged = lyc_alloc_zero((size_t)(layer->out * layer->in * layer->kernel), sizeof *rearranged);
    if (rearranged == NULL) {
        return no_memory(err);
    }
    rearrange(rearranged, d, &p, false);
    const lyc_status status = add_factors(layer, rearranged, &p, err);
    lyc_free(rearranged);
    return status;
}
