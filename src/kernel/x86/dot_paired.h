/*
 * Paired tiles of dot_simd.h, which includes this: n vectors of channels and half a one, whose
 * vector of sums belongs to two pixels. Its channels' weights are in both halves of the stream's
 * vector, and the two pixels' broadcasts are blended.
 */
#ifndef KERNEL_DOT_PAIRED_H
#define KERNEL_DOT_PAIRED_H

enum { PAIRED_MAX_1 = 14, PAIRED_MAX_2 = 10, HALF = LANES / 2, PAIRS = TILE_PIXELS / 2 };
#define PAIRED_1(X)                                                                                \
    X(1, 1)                                                                                        \
    X(2, 1)                                                                                        \
    X(3, 1)                                                                                        \
    X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1) X(13, 1) X(14, 1)
#define PAIRED_2(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2)

/* The half vectors' results, bytes, nothing added: the upper half is the second pixel's. */
INLINE void finish_pair(const struct dot_span *span, vec r, uint8_t *y, bool both, lanes some)
{
    const vec limited = vec_limited(r, vec_set(span->low), vec_set(span->high));
    const __m128i bytes = vec_bytes(limited, _mm512_set1_epi32(span->out_zero));
    _mm_mask_storeu_epi8(y, some, bytes);
    if (both)
        _mm_mask_storeu_epi8(y + span->y_pixel, some, _mm_srli_si128(bytes, HALF));
}

/* The whole vectors and the halves of two pixels as finish_any() wants them. */
INLINE void spill_pair(float *results, vec r, int p, int m, int n)
{
    const __m256 low = _mm512_castps512_ps256(r);
    const __m256 high = _mm512_extractf32x8_ps(r, 1);
    _mm256_storeu_ps(results + (p * (n + 1) + n) * LANES, low);
    if (p + 1 < m)
        _mm256_storeu_ps(results + ((p + 1) * (n + 1) + n) * LANES, high);
}

/* The lower half of v in both. */
INLINE vec vec_double(vec v)
{
    return _mm512_insertf32x8(v, _mm512_castps512_ps256(v), 1);
}

/* The same of sums, whatever their type: a cast between vectors changes no bit. */
INLINE dots dots_double(dots v)
{
    return (dots)vec_double((vec)v);
}

/* The lower half of a, the upper half of b. */
INLINE dots dots_halves(dots a, dots b)
{
    return (dots)_mm512_mask_mov_ps((vec)a, 0xff00, (vec)b);
}

/* m pixels by n vectors of channels and a half. */
INLINE void sum_paired(const struct dot_span *span, const uint8_t *x, const uint8_t *w,
                       const uint8_t *add, uint8_t *y, int m, int n)
{
    const lanes last = lanes_first(span->last_lanes);
    const lanes all = lanes_first(LANES);
    dots sum[TILE_PIXELS][TILE_VECTORS], pair[PAIRS];
    UNROLL
    for (int v = 0; v < n; v++) {
        const dots start = dots_start(span, v, all);
        UNROLL
        for (int p = 0; p < m; p++)
            sum[p][v] = start;
    }
    const dots start = dots_double(dots_start(span, n, last));
    UNROLL
    for (int p = 0; p < m; p += 2)
        pair[p / 2] = start;
    const int run_length = span->run;
    for (int row = 0; row < span->n_rows; row++) {
        for (int run = 0; run < span->n_runs; run++) {
            struct sources from;
            sources_start(&from, x + row * span->x_row + run * span->x_run, span->x_pixel, m);
            for (int k = 0; k < run_length; k++, w += (n + 1) * LANES * 4) {
                dots weight[TILE_VECTORS];
                UNROLL
                for (int v = 0; v <= n; v++)
                    weight[v] = dots_load(w + v * LANES * 4);
                UNROLL
                for (int p = 0; p < m; p += 2) {
                    const bool both = p + 1 < m;
                    const dots a = dots_broadcast(source_at(&from, p));
                    const dots b = both ? dots_broadcast(source_at(&from, p + 1)) : a;
                    UNROLL
                    for (int v = 0; v < n; v++) {
                        sum[p][v] = dots_add(sum[p][v], a, weight[v]);
                        if (both)
                            sum[p + 1][v] = dots_add(sum[p + 1][v], b, weight[v]);
                    }
                    pair[p / 2] = dots_add(pair[p / 2], both ? dots_halves(a, b) : a, weight[n]);
                }
                sources_next(&from, 4, m);
            }
        }
    }
    struct scales scales;
    vec multiplier = vec_zero(), bias = vec_zero();
    UNROLL
    for (int v = 0; DOT_WHOLE && v < n; v++) {
        scales.multiplier[v] = vec_load(span->multiplier + v * LANES);
        scales.bias[v] = vec_load(span->bias + v * LANES);
    }
    if (DOT_WHOLE) {
        multiplier = vec_double(vec_load_some(span->multiplier + n * LANES, last));
        bias = vec_double(vec_load_some(span->bias + n * LANES, last));
    }
    if (span->out == MAP_U8 && !span->adds) {
        finish_bytes(span, (const dots(*)[TILE_VECTORS])sum, &scales, y, m, n, all);
        UNROLL
        for (int p = 0; p < m; p += 2)
            finish_pair(span, dots_finish(pair[p / 2], multiplier, bias),
                        y + p * span->y_pixel + n * LANES, p + 1 < m, last);
        return;
    }
    float results[TILE_PIXELS * TILE_VECTORS * LANES];
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n; v++)
            vec_store(results + (p * (n + 1) + v) * LANES,
                      dots_finish(sum[p][v], scales.multiplier[v], scales.bias[v]));
        if (p % 2 == 0)
            spill_pair(results, dots_finish(pair[p / 2], multiplier, bias), p, m, n);
    }
    finish_any(span, results, add, y, m, n + 1);
}

#define DOT_PAIRED_TILE(m, n)                                                                      \
    static void paired_##m##x##n(const struct dot_span *span, const uint8_t *x, const uint8_t *w,  \
                                 const uint8_t *add, uint8_t *y)                                   \
    {                                                                                              \
        sum_paired(span, x, w, add, y, m, n);                                                      \
    }
PAIRED_1(DOT_PAIRED_TILE)
PAIRED_2(DOT_PAIRED_TILE)

#define DOT_PAIRED_NAME(m, n) paired_##m##x##n,
static const dot_tile paired_1[] = {PAIRED_1(DOT_PAIRED_NAME)};
static const dot_tile paired_2[] = {PAIRED_2(DOT_PAIRED_NAME)};

#endif
