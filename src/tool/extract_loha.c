/* extract_loha.c - a Hadamard product of two products that comes near a difference
 *
 *     D ~ (B1 A1) * (B2 A2)          B1, B2 [out,r], A1, A2 [r,in*kernel], elementwise
 *
 * There is no closed form. With three of the four matrices held the fourth is a linear least squares problem for each
 * of its rows (or columns), so they are solved in turn, from the best product of rank r times ones: the error falls
 * with every step, and is that of a LoRA of r ranks at most.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include <cblas.h>
#include <lapacke.h>

#include "base/arena.h"
#include "base/memory.h"
#include "tensor/random.h"
#include "tensor/shape.h"
#include "tool/extract.h"
#include "tool/truncated_svd.h"

enum { SWEEPS = 12 };
static const double ENOUGH = 2e-3; /* relative gain of a sweep */

/* All by rows, and each beside its transpose. */
typedef struct fit {
    int64_t m, n, r;
    const float *d, *dt;
    float *b[2], *at[2];   /* [m,r], [n,r] */
    float *other, *othert; /* the product that is held, [m,n], [n,m] */
    float *scaled;         /* [max(m,n),r] */
    float *gram;           /* [r,r] */
    double *normal, *right;
} fit;

static void transpose(float *to, const float *from, int64_t rows, int64_t columns)
{
    enum { TILE = 32 };
    for (int64_t i = 0; i < rows; i += TILE) {
        for (int64_t j = 0; j < columns; j += TILE) {
            for (int64_t y = i; y < i + TILE && y < rows; y++) {
                for (int64_t x = j; x < j + TILE && x < columns; x++) {
                    to[x * rows + y] = from[y * columns + x];
                }
            }
        }
    }
}

/* Rows of x [rows,r]: each the best for sum over k of x[i,k] y[j,k] w[i,j] ~ d[i,j], j < columns. A little of the trace
 * is added to what may be singular. */
static lyc_status solve(fit *f, float *x, const float *y, const float *w, const float *d, int64_t rows, int64_t columns,
                        lyc_error *err)
{
    const int64_t r = f->r;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            for (int64_t k = 0; k < r; k++) {
                f->scaled[j * r + k] = y[j * r + k] * w[i * columns + j];
            }
        }
        cblas_ssyrk(CblasColMajor, CblasLower, CblasNoTrans, (int)r, (int)columns, 1.0F, f->scaled, (int)r, 0.0F,
                    f->gram, (int)r);
        cblas_sgemv(CblasColMajor, CblasNoTrans, (int)r, (int)columns, 1.0F, f->scaled, (int)r, d + i * columns, 1,
                    0.0F, x + i * r, 1);
        double trace = 0.0;
        for (int64_t k = 0; k < r; k++) {
            trace += (double)f->gram[k * r + k];
            f->right[k] = (double)x[i * r + k];
        }
        for (int64_t k = 0; k < r * r; k++) {
            f->normal[k] = (double)f->gram[k] + (k % (r + 1) == 0 ? 1e-6 * trace + 1e-30 : 0.0);
        }
        if (LAPACKE_dposv(LAPACK_COL_MAJOR, 'L', (lapack_int)r, 1, f->normal, (lapack_int)r, f->right, (lapack_int)r) !=
            0) {
            return lyc_fail(err, LYC_E_NUMERIC, "a least squares problem has no solution");
        }
        for (int64_t k = 0; k < r; k++) {
            x[i * r + k] = (float)f->right[k];
        }
    }
    return LYC_OK;
}

static void multiply(float *out, const fit *f, int which)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)f->m, (int)f->n, (int)f->r, 1.0F, f->b[which], (int)f->r,
                f->at[which], (int)f->r, 0.0F, out, (int)f->n);
}

/* Both factors of one of the products, the other one held. */
static lyc_status improve(fit *f, int which, lyc_error *err)
{
    multiply(f->other, f, 1 - which);
    transpose(f->othert, f->other, f->m, f->n);
    LYC_TRY(solve(f, f->b[which], f->at[which], f->other, f->d, f->m, f->n, err));
    return solve(f, f->at[which], f->b[which], f->othert, f->dt, f->n, f->m, err);
}

/* What is left of d, into othert; its squared norm. */
static double leave(fit *f)
{
    double sum = 0.0;
    multiply(f->other, f, 0);
    multiply(f->othert, f, 1);
    for (int64_t i = 0; i < f->m * f->n; i++) {
        f->othert[i] = f->d[i] - f->other[i] * f->othert[i];
        sum += (double)f->othert[i] * (double)f->othert[i];
    }
    return sum;
}

static lyc_status start(fit *f, double *squared_norm, lyc_error *err)
{
    lyc_truncated_svd svd;
    const lyc_native_random random = {.seed = 0x6c6f6861, .purpose = LYC_RANDOM_INIT};
    LYC_TRY(lyc_truncated_svd_compute(&svd, f->d, f->m, f->n, f->r, err));
    *squared_norm = svd.squared_norm;
    for (int64_t i = 0; i < f->m * f->r; i++) {
        f->b[0][i] = svd.u[i] * sqrtf(svd.s[i % f->r]);
        f->b[1][i] = i % f->r == 0 ? 1.0F : 0.0F;
    }
    lyc_native_random_normals(&random, f->at[1], 0, (size_t)(f->n * f->r));
    for (int64_t j = 0; j < f->n; j++) {
        for (int64_t k = 0; k < f->r; k++) {
            f->at[0][j * f->r + k] = svd.v[k * f->n + j] * sqrtf(svd.s[k]);
        }
        f->at[1][j * f->r] = 1.0F; /* ones: the other columns of B2 are zero */
    }
    lyc_truncated_svd_clear(&svd);
    return LYC_OK;
}

static lyc_status run(fit *f, double *squared_norm, lyc_error *err)
{
    double before;
    LYC_TRY(start(f, squared_norm, err));
    before = leave(f);
    for (int sweep = 0; sweep < SWEEPS && before > 1e-12 * *squared_norm; sweep++) {
        LYC_TRY(improve(f, 1, err));
        LYC_TRY(improve(f, 0, err));
        const double now = leave(f);
        if (now > (1.0 - ENOUGH) * before) {
            break;
        }
        before = now;
    }
    return LYC_OK;
}

static bool reserve(fit *f, float *dt, lyc_extract_layer *layer, lyc_arena *arena)
{
    static const char *const outer[] = {"hada_w1_a", "hada_w2_a"};
    const size_t all = (size_t)(f->m * f->n), r = (size_t)f->r;
    const size_t longer = (size_t)(f->m > f->n ? f->m : f->n);
    f->dt = dt;
    f->other = lyc_arena_alloc(arena, all, sizeof(float));
    f->othert = lyc_arena_alloc(arena, all, sizeof(float));
    f->scaled = lyc_arena_alloc(arena, longer * r, sizeof(float));
    f->gram = lyc_arena_alloc(arena, r * r, sizeof(float));
    f->normal = lyc_arena_alloc(arena, r * r, sizeof(double));
    f->right = lyc_arena_alloc(arena, r, sizeof(double));
    for (int i = 0; i < 2; i++) {
        f->b[i] = lyc_extract_add(layer, outer[i], LYC_F32, LYC_SHAPE(f->m, f->r));
        f->at[i] = lyc_arena_alloc(arena, (size_t)f->n * r, sizeof(float));
    }
    return dt != NULL && f->other != NULL && f->othert != NULL && f->scaled != NULL && f->gram != NULL &&
           f->normal != NULL && f->right != NULL && f->b[0] != NULL && f->b[1] != NULL && f->at[0] != NULL &&
           f->at[1] != NULL;
}

lyc_status lyc_extract_loha(lyc_extract_layer *layer, float *d, lyc_error *err)
{
    static const char *const inner[] = {"hada_w1_b", "hada_w2_b"};
    lyc_arena arena = {0};
    fit f = {.m = layer->out, .n = layer->in * layer->kernel, .r = layer->rank, .d = d};
    double squared_norm = 0.0;
    float *dt = lyc_arena_alloc(&arena, (size_t)(f.m * f.n), sizeof *dt);
    lyc_status status =
        reserve(&f, dt, layer, &arena) ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a Hadamard product");
    if (status == LYC_OK) {
        transpose(dt, d, f.m, f.n);
        status = run(&f, &squared_norm, err);
    }
    if (status == LYC_OK) {
        lyc_extract_measure(layer, f.othert, squared_norm);
    }
    for (int i = 0; i < 2 && status == LYC_OK; i++) {
        float *factor = lyc_extract_add(layer, inner[i], LYC_F32, LYC_SHAPE(f.r, f.n));
        if (factor == NULL) {
            status = lyc_fail(err, LYC_E_MEMORY, "no memory for a Hadamard product");
        } else {
            transpose(factor, f.at[i], f.n, f.r);
        }
    }
    lyc_arena_clear(&arena);
    return status;
}
