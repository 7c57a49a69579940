/* simd_math.h - exponential, logistic and hyperbolic functions and the normal distribution on vectors
 *
 * Errors were measured against double precision over all floats of the range (tests/backend/cpu/test_simd_math.c holds
 * the bounds). The coefficients are minimax polynomials made for this file with the Remez algorithm in 40 digits. NaN
 * goes in and comes out; infinities give the limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_SIMD_MATH_H
#define LYC_BACKEND_CPU_KERNELS_SIMD_MATH_H

#include "backend/cpu/kernels/simd.h"

#define LYC_LOG2_E 1.44269504088896341f
#define LYC_LN_2   0.693147180559945309f

/* e^x over the whole range, results below the smallest normal number included.
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r² q(r) with a relative error of 3.1e-9 before rounding. */
LYC_SIMD_INLINE lyc_vf lyc_vexp(lyc_vf x)
{
    const float round_magic = 0x1.8p23f; /* adding it leaves the nearest integer in the low bits */
    x = lyc_vmin(lyc_vset(89.0f), lyc_vmax(lyc_vset(-104.0f), x));
    const lyc_vf shifted = lyc_vfma(x, lyc_vset(0x1.715476p0f), lyc_vset(round_magic)); /* 1 / ln 2 */
    const lyc_vf n = shifted - round_magic;
    const lyc_vi exponent = (lyc_vi)shifted - 0x4b400000;
    lyc_vf r = lyc_vfnma(n, lyc_vset(0x1.62e4p-1f), x); /* ln 2 in two parts; the first times n is exact */
    r = lyc_vfnma(n, lyc_vset(0x1.7f7d1cp-20f), r);
    lyc_vf q = lyc_vset(0.0013814321091f);
    q = lyc_vfma(q, r, lyc_vset(0.00836885099705f));
    q = lyc_vfma(q, r, lyc_vset(0.041668401067f));
    q = lyc_vfma(q, r, lyc_vset(0.166665195248f));
    q = lyc_vfma(q, r, lyc_vset(0.499999933732f));
    const lyc_vf e = lyc_vfma(q, r * r, r) + 1.0f;
    /* 2^n in two factors, since n goes past both ends of what one can hold. */
    const lyc_vi half = exponent >> 1;
    return e * (lyc_vf)((half + 127) << 23) * (lyc_vf)((exponent - half + 127) << 23);
}

/* 2^x for x <= 128, for softmax, whose arguments are not above zero; zero below -126.5.
 * x = n + r with |r| <= 1/2; the polynomial for 2^r has a relative error of 1.5e-7 before rounding, and is 1 at zero.
 */
LYC_SIMD_INLINE lyc_vf lyc_vexp2_down(lyc_vf x)
{
    const float round_magic = 0x1.8p23f + 127.0f; /* leaves n + 127, the exponent's bits */
    x = lyc_vmax(lyc_vset(-127.0f), x);
    const lyc_vf shifted = x + round_magic;
    const lyc_vf r = x - (shifted - round_magic);
    lyc_vf p = lyc_vset(0.0013276472632f);
    p = lyc_vfma(p, r, lyc_vset(0.00967554134312f));
    p = lyc_vfma(p, r, lyc_vset(0.0555071327186f));
    p = lyc_vfma(p, r, lyc_vset(0.240221197237f));
    p = lyc_vfma(p, r, lyc_vset(0.693146967065f));
    p = lyc_vfma(p, r, lyc_vset(1.0f));
    return p * (lyc_vf)((lyc_vi)shifted << 23); /* a product, since adding to the exponent of a NaN can hide it */
}

/* log2(x) for normal positive numbers; NaN and infinity stay.
 * x = 2^n (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)]; log2(1 + f) = f P(f), relative error 2.6e-8 before rounding. */
LYC_SIMD_INLINE lyc_vf lyc_vlog2(lyc_vf x)
{
    const lyc_vi bits = (lyc_vi)x;
    const lyc_vi n = (bits - 0x3f3504f3) >> 23; /* the bits of sqrt(1/2) */
    const lyc_vf f = (lyc_vf)(bits - (lyc_vi)((lyc_vu)n << 23)) - 1.0f;
    lyc_vf p = lyc_vset(0.12583703962f);
    p = lyc_vfma(p, f, lyc_vset(-0.20726974965f));
    p = lyc_vfma(p, f, lyc_vset(0.21571559893f));
    p = lyc_vfma(p, f, lyc_vset(-0.23894482017f));
    p = lyc_vfma(p, f, lyc_vset(0.28791624878f));
    p = lyc_vfma(p, f, lyc_vset(-0.36070368291f));
    p = lyc_vfma(p, f, lyc_vset(0.48091064293f));
    p = lyc_vfma(p, f, lyc_vset(-0.7213473468f));
    p = lyc_vfma(p, f, lyc_vset(1.4426950037f));
    const lyc_vf result = lyc_vfma(f, p, lyc_vfrom_int(n));
    return lyc_vselect((bits & 0x7fffffff) >= lyc_viset(0x7f800000), x, result);
}

/* 1 / (1 + e^-x) */
LYC_SIMD_INLINE lyc_vf lyc_vsigmoid(lyc_vf x)
{
    return 1.0f / (1.0f + lyc_vexp(-x));
}

/* Standard normal distribution, (1 + erf(x / sqrt 2)) / 2, with a small relative error in the lower tail as well:
 * for z = |x| the tail is e^(-z²/2) t P(t) with t = 1 / (1 + 0.35 z); relative error of P 3.2e-8, z up to 14. bell
 * becomes e^(-x²/2). */
LYC_SIMD_INLINE lyc_vf lyc_vnormal(lyc_vf *bell, lyc_vf x)
{
    const lyc_vf z = lyc_vabs(x);
    const lyc_vf t = 1.0f / lyc_vfma(z, lyc_vset(0.35f), lyc_vset(1.0f));
    lyc_vf p = lyc_vset(-0.02914592358f);
    p = lyc_vfma(p, t, lyc_vset(0.143971664f));
    p = lyc_vfma(p, t, lyc_vset(-0.255714182f));
    p = lyc_vfma(p, t, lyc_vset(0.1591740748f));
    p = lyc_vfma(p, t, lyc_vset(-0.02310977441f));
    p = lyc_vfma(p, t, lyc_vset(0.1055079777f));
    p = lyc_vfma(p, t, lyc_vset(0.1198328744f));
    p = lyc_vfma(p, t, lyc_vset(0.1398618687f));
    p = lyc_vfma(p, t, lyc_vset(0.1396214044f));
    *bell = lyc_vexp(z * z * -0.5f);
    const lyc_vf tail = *bell * (t * p);
    return lyc_vselect(x < lyc_vset(0.0f), tail, 1.0f - tail);
}

LYC_SIMD_INLINE lyc_vf lyc_vnormal_cdf(lyc_vf x)
{
    lyc_vf bell;
    return lyc_vnormal(&bell, x);
}

#define LYC_NORMAL_PEAK 0.398942280401f /* 1 / sqrt(2 pi) */

/* The derivative of x Phi(x): Phi(x) + x e^(-x²/2) / sqrt(2 pi). */
LYC_SIMD_INLINE lyc_vf lyc_vgelu_slope(lyc_vf x)
{
    lyc_vf bell;
    const lyc_vf distribution = lyc_vnormal(&bell, x);
    return lyc_vfma(x * LYC_NORMAL_PEAK, bell, distribution);
}

/* x + x³ P(x²) below 0.625, relative error of P 4.4e-9; 1 - 2 / (e^2x + 1) above. */
LYC_SIMD_INLINE lyc_vf lyc_vtanh(lyc_vf x)
{
    const lyc_vf z = lyc_vabs(x), square = x * x;
    lyc_vf p = lyc_vset(-0.00570498699346f);
    p = lyc_vfma(p, square, lyc_vset(0.0206390872447f));
    p = lyc_vfma(p, square, lyc_vset(-0.0537397150858f));
    p = lyc_vfma(p, square, lyc_vset(0.133314421982f));
    p = lyc_vfma(p, square, lyc_vset(-0.33333281942f));
    const lyc_vf small = lyc_vfma(p * square, x, x);
    const lyc_vf large = 1.0f - 2.0f / (lyc_vexp(z + z) + 1.0f);
    const lyc_vi sign = lyc_vbits(x) & (int32_t)0x80000000;
    return lyc_vselect(z < lyc_vset(0.625f), small, lyc_vfrom_bits(lyc_vbits(large) | sign));
}

#endif
