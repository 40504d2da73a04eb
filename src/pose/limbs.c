/* Line integrals over part affinity fields, and the greedy matching of each limb's ends. */
#include "pose/limbs.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Keeps a unit vector finite for coinciding peaks, and a mean for no samples. */
static const double tiny = 1e-6;

struct scoring {
    struct links *l;
    const struct field *field;
    const struct peaks *peaks;
    const struct skeleton *skeleton;
    float threshold;
    int enough; /* samples */
    bool fractional;
};

/* ---- sampling ------------------------------------------------------------------------------ */

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* Both channels of a limb at fractional cell coordinates, bilinear, border replicated. */
static void sample_cells(const struct maps *m, int limb, double x, double y, float out[2])
{
    x = x < 0 ? 0 : x > m->w - 1 ? m->w - 1 : x;
    y = y < 0 ? 0 : y > m->h - 1 ? m->h - 1 : y;
    const int x0 = (int)x, y0 = (int)y;
    const float fx = (float)(x - x0), fy = (float)(y - y0);
    const size_t right = x0 + 1 < m->w ? (size_t)m->paf_pitch : 0;
    const size_t down = y0 + 1 < m->h ? (size_t)m->paf_pitch * (size_t)m->w : 0;
    const size_t at = ((size_t)y0 * (size_t)m->w + (size_t)x0) * (size_t)m->paf_pitch;
    const float *v = m->paf + at + 2 * (size_t)limb;
    for (int c = 0; c < 2; c++, v++)
        out[c] = (1 - fy) * ((1 - fx) * v[0] + fx * v[right]) +
                 fy * ((1 - fx) * v[down] + fx * v[down + right]);
}

/* Both channels at a grid position: along x, then along y, as the whole grid would be made. */
static void sample_grid(const struct field *field, int limb, int x, int y, float out[2])
{
    const float share = 1.0f / (float)field->n;
    out[0] = out[1] = 0;
    for (int i = 0; i < field->n; i++) {
        const struct maps *m = &field->maps[i];
        const struct grid_axis *gx = &field->x[i], *gy = &field->y[i];
        const size_t at_x = (size_t)clamp(x, 0, gx->n - 1) * (size_t)gx->taps;
        const size_t at_y = (size_t)clamp(y, 0, gy->n - 1) * (size_t)gy->taps;
        float sum[2] = {0, 0};
        for (int j = 0; j < gy->taps; j++) {
            const size_t row = (size_t)gy->cell[at_y + (size_t)j] * (size_t)m->w;
            float line[2] = {0, 0};
            for (int k = 0; k < gx->taps; k++) {
                const size_t cell = row + (size_t)gx->cell[at_x + (size_t)k];
                const float *v = m->paf + cell * (size_t)m->paf_pitch + 2 * (size_t)limb;
                line[0] += gx->weight[at_x + (size_t)k] * v[0];
                line[1] += gx->weight[at_x + (size_t)k] * v[1];
            }
            sum[0] += gy->weight[at_y + (size_t)j] * line[0];
            sum[1] += gy->weight[at_y + (size_t)j] * line[1];
        }
        out[0] += share * sum[0];
        out[1] += share * sum[1];
    }
}

static void sample(const struct scoring *s, int limb, double x, double y, float out[2])
{
    if (s->fractional)
        sample_cells(&s->field->maps[0], limb, x, y, out);
    else
        sample_grid(s->field, limb, (int)rint(x), (int)rint(y), out); /* halves to even */
}

/*
 * The score of a pair, or 0 if it is no candidate. Two people's joints are told apart best half-way
 * between them, so samples are taken from there; the pair is given up as soon as too many failed.
 */
static float pair_score(const struct scoring *s, int limb, const struct peak *a,
                        const struct peak *b)
{
    static const int order[LIMB_SAMPLES] = {5, 3, 7, 4, 6, 2, 8, 1, 9, 0};
    const double dx = (double)b->x - (double)a->x, dy = (double)b->y - (double)a->y;
    const double length = sqrt(dx * dx + dy * dy) + tiny;
    const double ux = dx / length, uy = dy / length;
    double part[LIMB_SAMPLES], sum = 0;
    int good = 0;
    for (int n = 0; n < LIMB_SAMPLES; n++) {
        float v[2];
        const int i = order[n];
        const double along = (double)i / (LIMB_SAMPLES - 1);
        sample(s, limb, (double)a->x + dx * along, (double)a->y + dy * along, v);
        const double r = (double)v[0] * ux + (double)v[1] * uy;
        const bool enough = r > (double)s->threshold;
        part[i] = enough ? r : 0;
        good += enough;
        if (good + LIMB_SAMPLES - 1 - n < s->enough)
            return 0;
    }
    for (int i = 0; i < LIMB_SAMPLES; i++) /* in one order whatever the sampling's */
        sum += part[i];
    const float score = (float)(sum / (good + tiny));
    return score > 0 && isfinite(score) ? score : 0;
}

/* ---- matching ------------------------------------------------------------------------------ */

static int best_first(const void *a, const void *b)
{
    const struct link *p = a, *q = b;
    if (p->score != q->score)
        return p->score > q->score ? -1 : 1;
    return p->from != q->from ? p->from - q->from : p->to - q->to;
}

static void match_limb(void *ctx, size_t item, unsigned thread)
{
    const struct scoring *s = ctx;
    const int limb = (int)item;
    const int from = s->skeleton->limbs[limb][0], to = s->skeleton->limbs[limb][1];
    const struct peak *a = peaks_of(s->peaks, from), *b = peaks_of(s->peaks, to);
    struct link *candidates = s->l->candidates + (size_t)thread * PEAKS_MAX * PEAKS_MAX;
    size_t n = 0;
    for (int i = 0; i < s->peaks->count[from]; i++)
        for (int j = 0; j < s->peaks->count[to]; j++) {
            const float score = pair_score(s, limb, &a[i], &b[j]);
            if (score > 0)
                candidates[n++] = (struct link){(int16_t)i, (int16_t)j, score};
        }
    qsort(candidates, n, sizeof(*candidates), best_first);

    bool used_from[PEAKS_MAX] = {false}, used_to[PEAKS_MAX] = {false};
    struct link *accepted = s->l->link + item * PEAKS_MAX;
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct link *c = &candidates[i];
        if (used_from[c->from] || used_to[c->to])
            continue;
        used_from[c->from] = used_to[c->to] = true;
        accepted[count++] = *c;
    }
    s->l->count[limb] = count;
}

static int reserve(struct links *l, int n_limbs, unsigned threads)
{
    if (l->n_limbs == n_limbs && l->threads >= threads)
        return BPNET_OK;
    links_free(l);
    l->count = calloc((size_t)n_limbs + 1, sizeof(*l->count));
    l->link = calloc(((size_t)n_limbs + 1) * PEAKS_MAX, sizeof(*l->link));
    l->candidates = malloc((size_t)threads * PEAKS_MAX * PEAKS_MAX * sizeof(*l->candidates));
    if (!l->count || !l->link || !l->candidates)
        return error_set(BPNET_ENOMEM, "no memory to link the ends of %d limbs", n_limbs);
    l->n_limbs = n_limbs;
    l->threads = threads;
    return BPNET_OK;
}

int links_find(struct links *l, const struct field *field, const struct peaks *peaks,
               const struct skeleton *skeleton, const struct predict_options *options,
               struct workers *workers)
{
    const int err = reserve(l, skeleton->n_limbs, workers ? workers_count(workers) : 1);
    if (err < 0)
        return err;
    struct scoring scoring = {
        .l = l,
        .field = field,
        .peaks = peaks,
        .skeleton = skeleton,
        .threshold = options->paf_threshold,
        /* Strictly more than the share; 0.8f is a little more than 0.8, which must not matter. */
        .enough = (int)floor((double)options->min_limb_share * LIMB_SAMPLES + 1e-4) + 1,
        .fractional = options->peaks == PEAKS_SUBPIXEL,
    };
    if (workers) {
        workers_run(workers, (size_t)skeleton->n_limbs, match_limb, &scoring);
    } else {
        for (size_t limb = 0; limb < (size_t)skeleton->n_limbs; limb++)
            match_limb(&scoring, limb, 0);
    }
    return BPNET_OK;
}

void links_free(struct links *l)
{
    free(l->count);
    free(l->link);
    free(l->candidates);
    *l = (struct links){0};
}
