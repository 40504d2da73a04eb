/*
 * Complex Fourier transforms of 8 and 16 numbers, in place, in vectors whose lanes are
 * independent: X[k] = sum of x[j] e^(-2 pi i j k / N). The inverse (without 1 / N) is the same with
 * the real and the imaginary parts exchanged. Included after a level's simd header.
 */
#ifndef KERNEL_FOURIER_POINTS_H
#define KERNEL_FOURIER_POINTS_H

#define FOURIER_COS_8  0.70710678118654752F /* cos(pi / 4) */
#define FOURIER_COS_16 0.92387953251128676F /* cos(pi / 8) */
#define FOURIER_SIN_16 0.38268343236508977F

/* Four numbers, `step` apart; the results take their places in order. */
INLINE void fourier_4(vec *r, vec *i, int step)
{
    const vec sr = vec_add(r[0], r[2 * step]), si = vec_add(i[0], i[2 * step]);
    const vec dr = vec_sub(r[0], r[2 * step]), di = vec_sub(i[0], i[2 * step]);
    const vec tr = vec_add(r[step], r[3 * step]), ti = vec_add(i[step], i[3 * step]);
    const vec er = vec_sub(r[step], r[3 * step]), ei = vec_sub(i[step], i[3 * step]);
    r[0] = vec_add(sr, tr);
    i[0] = vec_add(si, ti);
    r[step] = vec_add(dr, ei);
    i[step] = vec_sub(di, er);
    r[2 * step] = vec_sub(sr, tr);
    i[2 * step] = vec_sub(si, ti);
    r[3 * step] = vec_sub(dr, ei);
    i[3 * step] = vec_add(di, er);
}

/* Times c - i s. */
INLINE void fourier_turn(vec *r, vec *i, float c, float s)
{
    const vec re = *r, im = *i;
    *r = vec_fma(re, vec_set(c), vec_mul(im, vec_set(s)));
    *i = vec_fma(im, vec_set(c), vec_mul(re, vec_set(-s)));
}

/* Times (1 - i) / sqrt 2, and times (-1 - i) / sqrt 2. */
INLINE void fourier_eighth(vec *r, vec *i)
{
    const vec re = *r, im = *i;
    *r = vec_mul(vec_set(FOURIER_COS_8), vec_add(re, im));
    *i = vec_mul(vec_set(FOURIER_COS_8), vec_sub(im, re));
}

INLINE void fourier_three_eighths(vec *r, vec *i)
{
    const vec re = *r, im = *i;
    *r = vec_mul(vec_set(FOURIER_COS_8), vec_sub(im, re));
    *i = vec_mul(vec_set(-FOURIER_COS_8), vec_add(re, im));
}

/* Times -i. */
INLINE void fourier_quarter(vec *r, vec *i)
{
    const vec re = *r;
    *r = *i;
    *i = vec_sub(vec_zero(), re);
}

INLINE void fourier_swap(vec *a, vec *b)
{
    const vec c = *a;
    *a = *b;
    *b = c;
}

INLINE void fourier_8(vec *r, vec *i)
{
    vec er[4], ei[4], or [4], oi[4];
    UNROLL
    for (int k = 0; k < 4; k++) {
        er[k] = r[2 * k];
        ei[k] = i[2 * k];
        or [k] = r[2 * k + 1];
        oi[k] = i[2 * k + 1];
    }
    fourier_4(er, ei, 1);
    fourier_4(or, oi, 1);
    fourier_eighth(& or [1], &oi[1]);
    fourier_quarter(& or [2], &oi[2]);
    fourier_three_eighths(& or [3], &oi[3]);
    UNROLL
    for (int k = 0; k < 4; k++) {
        r[k] = vec_add(er[k], or [k]);
        i[k] = vec_add(ei[k], oi[k]);
        r[k + 4] = vec_sub(er[k], or [k]);
        i[k + 4] = vec_sub(ei[k], oi[k]);
    }
}

INLINE void fourier_16(vec *r, vec *i)
{
    UNROLL
    for (int k = 0; k < 4; k++)
        fourier_4(r + k, i + k, 4);
    fourier_turn(r + 5, i + 5, FOURIER_COS_16, FOURIER_SIN_16);
    fourier_eighth(r + 6, i + 6);
    fourier_turn(r + 7, i + 7, FOURIER_SIN_16, FOURIER_COS_16);
    fourier_eighth(r + 9, i + 9);
    fourier_quarter(r + 10, i + 10);
    fourier_three_eighths(r + 11, i + 11);
    fourier_turn(r + 13, i + 13, FOURIER_SIN_16, FOURIER_COS_16);
    fourier_three_eighths(r + 14, i + 14);
    fourier_turn(r + 15, i + 15, -FOURIER_COS_16, -FOURIER_SIN_16);
    UNROLL
    for (int k = 0; k < 4; k++)
        fourier_4(r + 4 * k, i + 4 * k, 1);
    /* result 4 q + p is at 4 p + q */
    UNROLL
    for (int p = 0; p < 4; p++)
        UNROLL
    for (int q = p + 1; q < 4; q++) {
        fourier_swap(r + 4 * p + q, r + 4 * q + p);
        fourier_swap(i + 4 * p + q, i + 4 * q + p);
    }
}

/* `points` is known when this is compiled. */
INLINE void fourier_points(vec *r, vec *i, int points)
{
    if (points == 8)
        fourier_8(r, i);
    else
        fourier_16(r, i);
}

#endif
