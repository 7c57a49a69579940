/* truncated_svd.c - the largest singular values of a matrix and their vectors
 *
 * BLAS and LAPACK are called with matrices by columns: a of [rows,columns] by rows is there its transpose, and what is
 * wanted of that by columns is what is wanted of a by rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/truncated_svd.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include <cblas.h>
#include <lapacke.h>

#include "base/arena.h"
#include "base/memory.h"
#include "tensor/random.h"

static lyc_status no_memory(lyc_error *err, int64_t rows, int64_t columns)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for singular values of %lldx%lld", (long long)rows,
                    (long long)columns);
}

static lyc_status check_lapack(lapack_int info, int64_t rows, int64_t columns, lyc_error *err)
{
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR) {
        return no_memory(err, rows, columns);
    }
    return info == 0 ? LYC_OK
                     : lyc_fail(err, LYC_E_NUMERIC, "no singular values of a matrix of %lldx%lld (LAPACK says %d)",
                                (long long)rows, (long long)columns, (int)info);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static double squared_norm(const float *a, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)a[i];
    }
    return sum;
}

static lyc_status start(lyc_truncated_svd *out, int64_t rows, int64_t columns, int64_t rank, lyc_error *err)
{
    *out = (lyc_truncated_svd){.rows = rows, .columns = columns, .rank = rank};
    if (rows > INT_MAX || columns > INT_MAX) {
        return lyc_fail(err, LYC_E_SHAPE, "a matrix of %lldx%lld is too large for LAPACK", (long long)rows,
                        (long long)columns);
    }
    out->u = lyc_alloc_zero((size_t)(rows * rank), sizeof *out->u);
    out->s = lyc_alloc_zero((size_t)rank, sizeof *out->s);
    out->v = lyc_alloc_zero((size_t)(rank * columns), sizeof *out->v);
    return out->u == NULL || out->s == NULL || out->v == NULL ? no_memory(err, rows, columns) : LYC_OK;
}

static lyc_status measure(lyc_truncated_svd *out, const float *a, lyc_error *err)
{
    out->squared_norm = squared_norm(a, out->rows * out->columns);
    return isfinite(out->squared_norm) ? LYC_OK
                                       : lyc_fail(err, LYC_E_NUMERIC, "a matrix has numbers that are not finite");
}

/* --- by LAPACK -----------------------------------------------------------------------------------------------------
 */

/* x [m,n] by columns, which is destroyed, = left [m,k] diag(s) right [k,n], k = min(m,n). */
static lyc_status decompose(float *left, float *s, float *right, float *x, int64_t m, int64_t n, lyc_error *err)
{
    const int64_t k = smaller(m, n);
    const lapack_int info = LAPACKE_sgesdd(LAPACK_COL_MAJOR, 'S', (lapack_int)m, (lapack_int)n, x, (lapack_int)m, s,
                                           left, (lapack_int)m, right, (lapack_int)k);
    return check_lapack(info, m, n, err);
}

static lyc_status compute_all(lyc_truncated_svd *out, const float *a, lyc_error *err)
{
    lyc_arena arena = {0};
    const int64_t n = smaller(out->rows, out->columns);
    const size_t elements = (size_t)(out->rows * out->columns);
    float *copy = lyc_arena_alloc(&arena, elements, sizeof *copy);
    float *v = lyc_arena_alloc(&arena, (size_t)(out->columns * n), sizeof *v);
    float *u = lyc_arena_alloc(&arena, (size_t)(n * out->rows), sizeof *u);
    float *s = lyc_arena_alloc(&arena, (size_t)n, sizeof *s);
    lyc_status status = LYC_OK;
    if (copy == NULL || u == NULL || s == NULL || v == NULL) {
        status = no_memory(err, out->rows, out->columns);
        goto done;
    }
    memcpy(copy, a, elements * sizeof *copy);
    status = decompose(v, s, u, copy, out->columns, out->rows, err);
    if (status == LYC_OK) {
        memcpy(out->s, s, (size_t)out->rank * sizeof *s);
        memcpy(out->v, v, (size_t)(out->rank * out->columns) * sizeof *v);
        for (int64_t row = 0; row < out->rows; row++) {
            memcpy(out->u + row * out->rank, u + row * n, (size_t)out->rank * sizeof *u);
        }
    }
done:
    lyc_arena_clear(&arena);
    return status;
}

/* --- by a space that grows -----------------------------------------------------------------------------------------
 *
 * M is a, or its transpose when that has fewer rows: [m,n] with m <= n, divided by its norm so that no product is too
 * large for f32.
 */

typedef struct space {
    const float *a;
    bool transposed; /* M is a^T */
    int64_t lead;    /* of a by columns */
    int64_t m, n, block, limit;
    int64_t size;  /* vectors so far */
    double factor; /* 1 / ||a|| */
    float *q;      /* [m,limit] by columns, orthonormal */
    float *z;      /* [n,limit]: M^T q */
    float *y;      /* [n,block] */
    float *inner;  /* [limit,block] */
    double *wide;  /* [n,limit] */
    double *gram;  /* [limit,limit] */
    double *values;
    lyc_arena arena;
} space;

static void times(float *y, const space *s, const float *x, int64_t columns, bool transpose)
{
    const bool flip = s->transposed == transpose;
    cblas_sgemm(CblasColMajor, flip ? CblasTrans : CblasNoTrans, CblasNoTrans, (int)(transpose ? s->n : s->m),
                (int)columns, (int)(transpose ? s->m : s->n), (float)s->factor, s->a, (int)s->lead, x,
                (int)(transpose ? s->m : s->n), 0.0F, y, (int)(transpose ? s->n : s->m));
}

static lyc_status orthonormal(float *x, float *tau, int64_t m, int64_t n, lyc_error *err)
{
    lapack_int info = LAPACKE_sgeqrf(LAPACK_COL_MAJOR, (lapack_int)m, (lapack_int)n, x, (lapack_int)m, tau);
    if (info == 0) {
        info = LAPACKE_sorgqr(LAPACK_COL_MAJOR, (lapack_int)m, (lapack_int)n, (lapack_int)n, x, (lapack_int)m, tau);
    }
    return check_lapack(info, m, n, err);
}

/* y [m,block] without what q holds already, orthonormal: the next vectors. Twice, as the first time leaves rounding
 * that matters where y lies almost within q. */
static lyc_status append(space *s, lyc_error *err)
{
    float *next = s->q + s->size * s->m;
    memcpy(next, s->y, (size_t)(s->m * s->block) * sizeof *next);
    for (int round = 0; round < 2; round++) {
        if (s->size > 0) {
            cblas_sgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)s->size, (int)s->block, (int)s->m, 1.0F, s->q,
                        (int)s->m, next, (int)s->m, 0.0F, s->inner, (int)s->limit);
            cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)s->m, (int)s->block, (int)s->size, -1.0F, s->q,
                        (int)s->m, s->inner, (int)s->limit, 1.0F, next, (int)s->m);
        }
        LYC_TRY(orthonormal(next, s->inner, s->m, s->block, err));
    }
    times(s->z + s->size * s->n, s, next, s->block, true);
    s->size += s->block;
    return LYC_OK;
}

/* Part of the squared norm that the leading ranks of the space hold: the largest eigenvalues of z^T z. */
static lyc_status held(double *part, space *s, int64_t rank, lyc_error *err)
{
    const int64_t k = s->size;
    for (int64_t i = 0; i < s->n * k; i++) {
        s->wide[i] = (double)s->z[i];
    }
    cblas_dsyrk(CblasColMajor, CblasUpper, CblasTrans, (int)k, (int)s->n, 1.0, s->wide, (int)s->n, 0.0, s->gram,
                (int)k);
    const lapack_int info =
        LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'N', 'U', (lapack_int)k, s->gram, (lapack_int)k, s->values);
    LYC_TRY(check_lapack(info, k, k, err));
    *part = 0.0;
    for (int64_t i = k - 1; i >= 0 && i >= k - rank; i--) {
        *part += s->values[i] > 0.0 ? s->values[i] : 0.0;
    }
    return LYC_OK;
}

/* Squared error: within this of the best, or this part of the squared norm, which f32 cannot see. */
static const double CLOSE = 5e-4;
static const double ROUNDING = 1e-8;

/* Whether what would still come is negligible, when the last two steps brought `before` and `now`. */
static bool converged(double part, double before, double now)
{
    const double error = part < 1.0 ? 1.0 - part : 0.0;
    const double wanted = fmax(CLOSE * error, ROUNDING);
    if (now <= 0.1 * wanted) {
        return true;
    }
    if (!isfinite(before)) {
        return false;
    }
    const double rate = before > now ? now / before : 1.0;
    return rate < 0.95 && now * rate / (1.0 - rate) <= wanted;
}

static lyc_status grow(bool *close, space *s, int64_t rank, lyc_error *err)
{
    const double unknown = (double)INFINITY;
    double part = 0.0, before = unknown;
    const lyc_native_random random = {.seed = 0x6c79636f7269735, .purpose = LYC_RANDOM_INIT};
    lyc_native_random_normals(&random, s->y, 0, (size_t)(s->n * s->block));
    memcpy(s->z, s->y, (size_t)(s->n * s->block) * sizeof *s->z);
    times(s->y, s, s->z, s->block, false);
    LYC_TRY(append(s, err));
    *close = false;
    while (!*close && s->size + s->block <= s->limit) {
        times(s->y, s, s->z + (s->size - s->block) * s->n, s->block, false);
        LYC_TRY(append(s, err));
        if (s->size < rank + s->block) {
            continue;
        }
        double now;
        LYC_TRY(held(&now, s, rank, err));
        const double gain = part > 0.0 ? now - part : unknown;
        *close = isfinite(gain) && converged(now, before, gain);
        before = gain;
        part = now;
    }
    return LYC_OK;
}

/* z = Qz R, R = L S V^T: M ~ q z^T = (q V) S (Qz L)^T, of which the first ranks go into out. */
static lyc_status extract(lyc_truncated_svd *out, space *s, double norm, lyc_error *err)
{
    const int64_t k = s->size, r = out->rank;
    float *triangle = lyc_arena_alloc(&s->arena, (size_t)(k * k), sizeof *triangle);
    float *left = lyc_arena_alloc(&s->arena, (size_t)(k * k), sizeof *left);
    float *right = lyc_arena_alloc(&s->arena, (size_t)(k * k), sizeof *right);
    float *values = lyc_arena_alloc(&s->arena, (size_t)k, sizeof *values);
    float *tau = lyc_arena_alloc(&s->arena, (size_t)k, sizeof *tau);
    float *other = lyc_arena_alloc(&s->arena, (size_t)(s->m * r), sizeof *other);
    if (triangle == NULL || left == NULL || right == NULL || values == NULL || tau == NULL || other == NULL) {
        return no_memory(err, out->rows, out->columns);
    }
    LYC_TRY(check_lapack(LAPACKE_sgeqrf(LAPACK_COL_MAJOR, (lapack_int)s->n, (lapack_int)k, s->z, (lapack_int)s->n, tau),
                         s->n, k, err));
    for (int64_t j = 0; j < k; j++) {
        memcpy(triangle + j * k, s->z + j * s->n, (size_t)(j + 1) * sizeof *triangle);
    }
    LYC_TRY(check_lapack(
        LAPACKE_sorgqr(LAPACK_COL_MAJOR, (lapack_int)s->n, (lapack_int)k, (lapack_int)k, s->z, (lapack_int)s->n, tau),
        s->n, k, err));
    LYC_TRY(decompose(left, values, right, triangle, k, k, err));
    for (int64_t i = 0; i < r; i++) {
        out->s[i] = (float)((double)values[i] * norm);
    }
    /* u by rows is u^T by columns: r rows. */
    if (s->transposed) { /* of M the right vectors are u, the left ones v */
        cblas_sgemm(CblasColMajor, CblasTrans, CblasTrans, (int)r, (int)s->n, (int)k, 1.0F, left, (int)k, s->z,
                    (int)s->n, 0.0F, out->u, (int)r);
        cblas_sgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)s->m, (int)r, (int)k, 1.0F, s->q, (int)s->m, right,
                    (int)k, 0.0F, out->v, (int)s->m);
    } else {
        cblas_sgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)r, (int)s->m, (int)k, 1.0F, right, (int)k, s->q,
                    (int)s->m, 0.0F, out->u, (int)r);
        cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)s->n, (int)r, (int)k, 1.0F, s->z, (int)s->n, left,
                    (int)k, 0.0F, out->v, (int)s->n);
    }
    return LYC_OK;
}

static lyc_status compute_leading(bool *close, lyc_truncated_svd *out, const float *a, lyc_error *err)
{
    const double norm = sqrt(out->squared_norm);
    space s = {.a = a,
               .transposed = out->rows > out->columns,
               .lead = out->columns,
               .m = smaller(out->rows, out->columns),
               .n = out->rows > out->columns ? out->rows : out->columns,
               .block = (out->rank / 2 + 8) / 4 * 4,
               .factor = 1.0 / norm};
    const int64_t most = 10 * out->rank + 128; /* of a hopeless spectrum LAPACK is faster, and takes less memory */
    s.limit = (s.m / 2 < most ? s.m / 2 : most) / s.block * s.block;
    s.q = lyc_arena_alloc(&s.arena, (size_t)(s.m * s.limit), sizeof *s.q);
    s.z = lyc_arena_alloc(&s.arena, (size_t)(s.n * s.limit), sizeof *s.z);
    s.y = lyc_arena_alloc(&s.arena, (size_t)(s.n * s.block), sizeof *s.y);
    s.inner = lyc_arena_alloc(&s.arena, (size_t)(s.limit * s.block), sizeof *s.inner);
    s.wide = lyc_arena_alloc(&s.arena, (size_t)(s.n * s.limit), sizeof *s.wide);
    s.gram = lyc_arena_alloc(&s.arena, (size_t)(s.limit * s.limit), sizeof *s.gram);
    s.values = lyc_arena_alloc(&s.arena, (size_t)s.limit, sizeof *s.values);
    lyc_status status = LYC_OK;
    if (s.q == NULL || s.z == NULL || s.y == NULL || s.inner == NULL || s.wide == NULL || s.gram == NULL ||
        s.values == NULL) {
        status = no_memory(err, out->rows, out->columns);
    }
    status = status != LYC_OK ? status : grow(close, &s, out->rank, err);
    if (status == LYC_OK && *close) {
        status = extract(out, &s, norm, err);
    }
    lyc_arena_clear(&s.arena);
    return status;
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */

lyc_status lyc_truncated_svd_compute(lyc_truncated_svd *out, const float *a, int64_t rows, int64_t columns,
                                     int64_t rank, lyc_error *err)
{
    enum { SMALL = 96, SHARE = 10 };
    bool done = false;
    const int64_t n = smaller(rows, columns);
    lyc_status status = start(out, rows, columns, smaller(rank, n), err);
    status = status != LYC_OK ? status : measure(out, a, err);
    if (status == LYC_OK && n > SMALL && n >= SHARE * rank && out->squared_norm > 0.0) {
        status = compute_leading(&done, out, a, err);
    }
    if (status == LYC_OK && !done) {
        status = compute_all(out, a, err);
    }
    if (status != LYC_OK) {
        lyc_truncated_svd_clear(out);
    }
    return status;
}

typedef struct factors {
    float *up, *down; /* by columns: up^T [inner,rows], down^T [columns,inner] */
    float *up_tau, *down_tau, *core, *left, *right;
    double *lower, *upper, *exact; /* the triangles, and the core before it is rounded */
    int64_t k1, k2;                /* min(inner, rows), min(inner, columns) */
} factors;

/* core [k2,k1] = R L, in f64. */
static void multiply_triangles(factors *f, int64_t inner, int64_t columns)
{
    for (int64_t q = 0; q < inner; q++) {
        for (int64_t i = 0; i <= q && i < f->k2; i++) {
            f->upper[q * f->k2 + i] = (double)f->down[q * columns + i];
        }
        for (int64_t j = 0; j <= q && j < f->k1; j++) {
            f->lower[j * inner + q] = (double)f->up[j * inner + q];
        }
    }
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)f->k2, (int)f->k1, (int)inner, 1.0, f->upper,
                (int)f->k2, f->lower, (int)inner, 0.0, f->exact, (int)f->k2);
    for (int64_t i = 0; i < f->k1 * f->k2; i++) {
        f->core[i] = (float)f->exact[i];
    }
}

/* up^T = L Q1, down^T = Q2 R; the core is by columns [k2,k1] R-transposed ... of down^T up^T = Q2 (R L) Q1. */
static lyc_status product(lyc_truncated_svd *out, factors *f, int64_t inner, lyc_error *err)
{
    const lapack_int rows = (lapack_int)out->rows, columns = (lapack_int)out->columns, r = (lapack_int)inner;
    const lapack_int k1 = (lapack_int)f->k1, k2 = (lapack_int)f->k2, k = (lapack_int)out->rank;
    LYC_TRY(check_lapack(LAPACKE_sgelqf(LAPACK_COL_MAJOR, r, rows, f->up, r, f->up_tau), out->rows, out->columns, err));
    LYC_TRY(check_lapack(LAPACKE_sgeqrf(LAPACK_COL_MAJOR, columns, r, f->down, columns, f->down_tau), out->rows,
                         out->columns, err));
    multiply_triangles(f, inner, out->columns);
    LYC_TRY(check_lapack(LAPACKE_sorglq(LAPACK_COL_MAJOR, k1, rows, k1, f->up, r, f->up_tau), out->rows, out->columns,
                         err));
    LYC_TRY(check_lapack(LAPACKE_sorgqr(LAPACK_COL_MAJOR, columns, k2, k2, f->down, columns, f->down_tau), out->rows,
                         out->columns, err));
    LYC_TRY(decompose(f->left, out->s, f->right, f->core, k2, k1, err));
    cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, k, rows, k1, 1.0F, f->right, k, f->up, r, 0.0F, out->u, k);
    cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, columns, k, k2, 1.0F, f->down, columns, f->left, k2, 0.0F,
                out->v, columns);
    for (int64_t i = 0; i < out->rank; i++) {
        out->squared_norm += (double)out->s[i] * (double)out->s[i];
    }
    return LYC_OK;
}

lyc_status lyc_truncated_svd_product(lyc_truncated_svd *out, const float *up, const float *down, int64_t rows,
                                     int64_t inner, int64_t columns, lyc_error *err)
{
    lyc_arena arena = {0};
    factors f = {.k1 = smaller(inner, rows), .k2 = smaller(inner, columns)};
    lyc_status status = start(out, rows, columns, smaller(f.k1, f.k2), err);
    if (status != LYC_OK) {
        goto done;
    }
    if (!isfinite(squared_norm(up, rows * inner)) || !isfinite(squared_norm(down, inner * columns))) {
        status = lyc_fail(err, LYC_E_NUMERIC, "a matrix has numbers that are not finite");
        goto done;
    }
    f.up = lyc_arena_copy(&arena, up, (size_t)(rows * inner) * sizeof *up);
    f.down = lyc_arena_copy(&arena, down, (size_t)(inner * columns) * sizeof *down);
    f.up_tau = lyc_arena_alloc(&arena, (size_t)f.k1, sizeof(float));
    f.down_tau = lyc_arena_alloc(&arena, (size_t)f.k2, sizeof(float));
    f.core = lyc_arena_alloc(&arena, (size_t)(f.k1 * f.k2), sizeof(float));
    f.left = lyc_arena_alloc(&arena, (size_t)(f.k2 * f.k2), sizeof(float));
    f.right = lyc_arena_alloc(&arena, (size_t)(f.k1 * f.k1), sizeof(float));
    f.upper = lyc_arena_alloc(&arena, (size_t)(f.k2 * inner), sizeof(double));
    f.lower = lyc_arena_alloc(&arena, (size_t)(inner * f.k1), sizeof(double));
    f.exact = lyc_arena_alloc(&arena, (size_t)(f.k1 * f.k2), sizeof(double));
    if (f.up == NULL || f.down == NULL || f.up_tau == NULL || f.down_tau == NULL || f.core == NULL || f.left == NULL ||
        f.right == NULL || f.upper == NULL || f.lower == NULL || f.exact == NULL) {
        status = no_memory(err, rows, columns);
        goto done;
    }
    status = product(out, &f, inner, err);
done:
    lyc_arena_clear(&arena);
    if (status != LYC_OK) {
        lyc_truncated_svd_clear(out);
    }
    return status;
}

void lyc_truncated_svd_clear(lyc_truncated_svd *svd)
{
    lyc_free(svd->u);
    lyc_free(svd->s);
    lyc_free(svd->v);
    *svd = (lyc_truncated_svd){0};
}

void lyc_truncated_svd_factors(float *up, float *down, const lyc_truncated_svd *svd, int64_t ranks)
{
    const int64_t used = smaller(ranks, svd->rank);
    for (int64_t row = 0; row < svd->rows; row++) {
        for (int64_t k = 0; k < used; k++) {
            up[row * ranks + k] = svd->u[row * svd->rank + k] * svd->s[k];
        }
    }
    memcpy(down, svd->v, (size_t)(used * svd->columns) * sizeof *down);
}

double lyc_truncated_svd_energy(const lyc_truncated_svd *svd, int64_t ranks)
{
    double sum = 0.0;
    for (int64_t i = 0; i < ranks && i < svd->rank; i++) {
        sum += (double)svd->s[i] * (double)svd->s[i];
    }
    return svd->squared_norm > 0.0 ? fmin(sum / svd->squared_norm, 1.0) : 1.0;
}

/* --- values alone --------------------------------------------------------------------------------------------------
 */

/* gram [m,m] += of `count` columns of M [m,n]: M is a (by rows), or its transpose. */
static void add_gram(double *gram, double *part, const float *a, int64_t rows, int64_t columns, int64_t first,
                     int64_t count)
{
    const bool tall = rows > columns;
    const int64_t m = tall ? columns : rows;
    for (int64_t j = 0; j < count; j++) {
        for (int64_t i = 0; i < m; i++) {
            part[j * m + i] = (double)(tall ? a[(first + j) * columns + i] : a[i * columns + first + j]);
        }
    }
    cblas_dsyrk(CblasColMajor, CblasUpper, CblasNoTrans, (int)m, (int)count, 1.0, part, (int)m, 1.0, gram, (int)m);
}

lyc_status lyc_singular_values(double *s, const float *a, int64_t rows, int64_t columns, lyc_error *err)
{
    enum { STEP = 512 };
    lyc_arena arena = {0};
    const int64_t m = smaller(rows, columns), n = rows > columns ? rows : columns;
    double *gram = lyc_arena_alloc(&arena, (size_t)(m * m), sizeof *gram);
    double *part = lyc_arena_alloc(&arena, (size_t)(m * STEP), sizeof *part);
    lyc_status status = LYC_OK;
    if (m > INT_MAX) {
        status = lyc_fail(err, LYC_E_SHAPE, "a matrix of %lldx%lld is too large for LAPACK", (long long)rows,
                          (long long)columns);
    } else if (gram == NULL || part == NULL) {
        status = no_memory(err, rows, columns);
    } else if (!isfinite(squared_norm(a, rows * columns))) {
        status = lyc_fail(err, LYC_E_NUMERIC, "a matrix has numbers that are not finite");
    } else {
        for (int64_t first = 0; first < n; first += STEP) {
            add_gram(gram, part, a, rows, columns, first, smaller(STEP, n - first));
        }
        const lapack_int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'N', 'U', (lapack_int)m, gram, (lapack_int)m, part);
        status = check_lapack(info, rows, columns, err);
        for (int64_t i = 0; status == LYC_OK && i < m; i++) {
            s[i] = part[m - 1 - i] > 0.0 ? sqrt(part[m - 1 - i]) : 0.0;
        }
    }
    lyc_arena_clear(&arena);
    return status;
}
