/*
 * The original's peaks and links in the plain way: whole maps upsampled, smoothed and searched. The
 * oracle (and the yardstick) of the search that computes only windows; the same operations on the
 * same numbers in the same order, so results must be equal to the last bit.
 */
#ifndef TESTS_POSE_PLAIN_DECODE_H
#define TESTS_POSE_PLAIN_DECODE_H

#include "pose/cubic.h"
#include "pose/limbs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float plain_kernels[][5] = {
    [PEAKS_FRAMEWORK] = {0.06041140589442979f, 0.24554235491186413f, 0.38809247838741223f,
                         0.24554235491186413f, 0.06041140589442966f},
    [PEAKS_ENGINE] = {0.1782032576265784f, 0.2105222740037377f, 0.22254893673936782f,
                      0.2105222740037377f, 0.1782032576265784f},
};

/* One channel of (h, w, channels at pitch), upsampled to (h * fy, w * fx). */
static inline float *plain_upsample(const float *v, int h, int w, int pitch, int fy, int fx)
{
    const int out_h = h * fy, out_w = w * fx;
    float *rows = calloc((size_t)(h * out_w), sizeof(float));
    float *out = calloc((size_t)(out_h * out_w), sizeof(float));
    for (int x = 0; x < out_w; x++) {
        const float at = (float)((x + 0.5) * (1.0 / fx) - 0.5), below = floorf(at);
        float weight[4];
        cubic_weights(at - below, weight);
        for (int y = 0; y < h; y++)
            for (int k = 0; k < 4; k++) {
                int c = (int)below - 1 + k;
                c = c < 0 ? 0 : c >= w ? w - 1 : c;
                rows[y * out_w + x] += weight[k] * v[(size_t)(y * w + c) * (size_t)pitch];
            }
    }
    for (int y = 0; y < out_h; y++) {
        const float at = (float)((y + 0.5) * (1.0 / fy) - 0.5), below = floorf(at);
        float weight[4];
        cubic_weights(at - below, weight);
        for (int k = 0; k < 4; k++) {
            int c = (int)below - 1 + k;
            c = c < 0 ? 0 : c >= h ? h - 1 : c;
            for (int x = 0; x < out_w; x++)
                out[y * out_w + x] += weight[k] * rows[c * out_w + x];
        }
    }
    free(rows);
    return out;
}

static inline int plain_mirror(int i, int n)
{
    while (n > 1 && (i < 0 || i >= n))
        i = i < 0 ? -i : 2 * (n - 1) - i;
    return n == 1 ? 0 : i;
}

/* Smooths along one axis; `step` between neighbours, `lines` of `n` values. */
static inline float *plain_smooth(const float *v, int lines, int n, size_t step, size_t line,
                                  const float *kernel, bool mirrored)
{
    float *out = malloc((size_t)lines * (size_t)n * sizeof(float));
    for (int l = 0; l < lines; l++)
        for (int i = 0; i < n; i++) {
            float taps[5];
            for (int k = 0; k < 5; k++) {
                const int at = i + k - 2;
                const bool inside = at >= 0 && at < n;
                const int from = inside ? at : plain_mirror(at, n);
                taps[k] = inside || mirrored ? v[(size_t)l * line + (size_t)from * step] : 0;
            }
            out[(size_t)l * line + (size_t)i * step] = kernel[0] * taps[0] + kernel[1] * taps[1] +
                                                       kernel[2] * taps[2] + kernel[3] * taps[3] +
                                                       kernel[4] * taps[4];
        }
    return out;
}

static inline bool plain_is_peak(const float *v, int h, int w, int y, int x, bool eight)
{
    for (int j = -1; j <= 1; j++)
        for (int i = -1; i <= 1; i++) {
            const bool inside = y + j >= 0 && y + j < h && x + i >= 0 && x + i < w;
            if ((eight || i == 0 || j == 0) && inside && !(v[y * w + x] >= v[(y + j) * w + x + i]))
                return false;
        }
    return true;
}

static inline int plain_by_score(const void *a, const void *b)
{
    const struct peak *p = a, *q = b;
    if (p->score != q->score)
        return p->score > q->score ? -1 : 1;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    return p->x < q->x ? -1 : p->x > q->x;
}

static inline int plain_by_place(const void *a, const void *b)
{
    const struct peak *p = a, *q = b;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    return p->x < q->x ? -1 : p->x > q->x;
}

/* The best PEAKS_MAX peaks of a whole plane of values, in reading order; returns how many. */
static inline int plain_search(struct peak out[PEAKS_MAX], const float *values, int h, int w,
                               enum peak_method method, float threshold)
{
    const bool engine = method == PEAKS_ENGINE;
    const float *kernel = plain_kernels[method];
    float *half = plain_smooth(values, h, w, 1, (size_t)w, kernel, engine);
    float *smooth = plain_smooth(half, w, h, (size_t)w, 1, kernel, engine);
    struct peak *all = malloc((size_t)(h * w) * sizeof(*all));
    size_t n = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const float value = values[y * w + x], s = smooth[y * w + x];
            const bool high = engine ? s > threshold && s > 0 : value > threshold;
            if (high && isfinite(value) && plain_is_peak(smooth, h, w, y, x, !engine))
                all[n++] = (struct peak){(float)x, (float)y, value};
        }
    qsort(all, n, sizeof(*all), plain_by_score);
    n = n < PEAKS_MAX ? n : PEAKS_MAX;
    qsort(all, n, sizeof(*all), plain_by_place);
    memcpy(out, all, n * sizeof(*all));
    free(all);
    free(smooth);
    free(half);
    return (int)n;
}

static inline int plain_peaks(struct peak out[PEAKS_MAX], const struct maps *m, int joint, int fy,
                              int fx, enum peak_method method, float threshold)
{
    float *values = plain_upsample(m->heat + joint, m->h, m->w, m->heat_pitch, fy, fx);
    const int n = plain_search(out, values, m->h * fy, m->w * fx, method, threshold);
    free(values);
    return n;
}

static inline int plain_by_link(const void *a, const void *b)
{
    const struct link *p = a, *q = b;
    if (p->score != q->score)
        return p->score > q->score ? -1 : 1;
    return p->from != q->from ? p->from - q->from : p->to - q->to;
}

/* The links of one limb over whole upsampled fields (h, w) of x and y. */
static inline int plain_links(struct link out[PEAKS_MAX], const float *px, const float *py, int w,
                              const struct peak *a, int n_a, const struct peak *b, int n_b,
                              float threshold)
{
    struct link *all = malloc(((size_t)n_a * (size_t)n_b + 1) * sizeof(*all));
    size_t n = 0;
    for (int i = 0; i < n_a; i++)
        for (int j = 0; j < n_b; j++) {
            const double dx = (double)b[j].x - (double)a[i].x, dy = (double)b[j].y - (double)a[i].y;
            const double length = sqrt(dx * dx + dy * dy) + 1e-6;
            double sum = 0;
            int good = 0;
            for (int k = 0; k < 10; k++) {
                const double along = (double)k / 9;
                const int x = (int)rint((double)a[i].x + dx * along);
                const int y = (int)rint((double)a[i].y + dy * along);
                const double r =
                    (double)px[y * w + x] * (dx / length) + (double)py[y * w + x] * (dy / length);
                if (r > (double)threshold) {
                    sum += r;
                    good++;
                }
            }
            const float score = (float)(sum / (good + 1e-6));
            if (good > 8 && score > 0)
                all[n++] = (struct link){(int16_t)i, (int16_t)j, score};
        }
    qsort(all, n, sizeof(*all), plain_by_link);
    bool used_a[PEAKS_MAX] = {false}, used_b[PEAKS_MAX] = {false};
    int count = 0;
    for (size_t i = 0; i < n; i++)
        if (!used_a[all[i].from] && !used_b[all[i].to]) {
            used_a[all[i].from] = used_b[all[i].to] = true;
            out[count++] = all[i];
        }
    free(all);
    return count;
}

#endif
