/* The store of peaks, and the sub-pixel search at network resolution. */
#include "pose/peaks.h"

#include "base/error.h"
#include "pose/peaks_grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the best PEAKS_MAX -------------------------------------------------------------------- */

/* Whether a gives way to b: lower, or as high and later in reading order. */
static bool gives_way(const struct peak *a, const struct peak *b)
{
    if (a->score != b->score)
        return a->score < b->score;
    return a->y != b->y ? a->y > b->y : a->x > b->x;
}

static void swap(struct peak *a, struct peak *b)
{
    const struct peak t = *a;
    *a = *b;
    *b = t;
}

/* A heap whose root is the first to give way. */
void peaks_offer(struct peaks *p, int joint, struct peak peak)
{
    struct peak *heap = p->peak + (size_t)joint * PEAKS_MAX;
    int n = p->count[joint], i;
    if (!isfinite(peak.score))
        return;
    if (n < PEAKS_MAX) {
        heap[i = n] = peak;
        p->count[joint] = n + 1;
        for (int up; i > 0 && gives_way(&heap[i], &heap[up = (i - 1) / 2]); i = up)
            swap(&heap[i], &heap[up]);
        return;
    }
    if (!gives_way(&heap[0], &peak))
        return;
    heap[i = 0] = peak;
    for (int down; (down = 2 * i + 1) < n; i = down) {
        if (down + 1 < n && gives_way(&heap[down + 1], &heap[down]))
            down++;
        if (!gives_way(&heap[down], &heap[i]))
            break;
        swap(&heap[i], &heap[down]);
    }
}

static int reading_order(const void *a, const void *b)
{
    const struct peak *p = a, *q = b;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    return p->x != q->x ? (p->x < q->x ? -1 : 1) : 0;
}

/* ---- sub-pixel ----------------------------------------------------------------------------- */

static const float *cell(const struct maps *m, int y, int x)
{
    y = y < 0 ? 0 : y >= m->h ? m->h - 1 : y;
    x = x < 0 ? 0 : x >= m->w ? m->w - 1 : x;
    return m->heat + ((size_t)y * (size_t)m->w + (size_t)x) * (size_t)m->heat_pitch;
}

/*
 * The map smoothed by [1 6 1] / 8 along both axes: enough to drop single-cell bumps on a blurred
 * hill, too little to join two people's joints that the cells resolve.
 */
static float smoothed(const struct maps *m, int y, int x, int joint)
{
    static const float w[3] = {0.125f, 0.75f, 0.125f};
    float sum = 0;
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++)
            sum += w[j] * w[i] * cell(m, y + j - 1, x + i - 1)[joint];
    return sum;
}

/* Highest among its neighbours; of a plateau only the first cell in reading order passes. */
static bool is_top(const struct maps *m, int y, int x, int joint)
{
    const float top = smoothed(m, y, x, joint);
    for (int j = -1; j <= 1; j++)
        for (int i = -1; i <= 1; i++) {
            if ((j == 0 && i == 0) || y + j < 0 || y + j >= m->h || x + i < 0 || x + i >= m->w)
                continue;
            const float other = smoothed(m, y + j, x + i, joint);
            const bool before = j < 0 || (j == 0 && i < 0);
            if (!(before ? top > other : top >= other))
                return false;
        }
    return true;
}

/*
 * The vertex of a parabola through three values at -1, 0, 1, within half a cell, and how much
 * higher than the middle value it is.
 */
static float vertex(float before, float middle, float after, float *rise)
{
    const float slope = (after - before) / 2, bend = before - 2 * middle + after;
    *rise = 0;
    if (!(bend < 0)) /* a flat top, or not a number */
        return 0;
    float at = -slope / bend;
    at = at < -0.5f ? -0.5f : at > 0.5f ? 0.5f : at;
    *rise = slope * at + bend * at * at / 2;
    return at;
}

/* A Gaussian has the same place and width along every line: the side lines count half. */
static struct peak refine(const struct maps *m, int y, int x, int joint)
{
    static const float side[3] = {0.25f, 0.5f, 0.25f};
    const float least = 1e-4f;
    float along_x[3] = {0}, along_y[3] = {0}, rise_x, rise_y;
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++) {
            const float v = cell(m, y + j - 1, x + i - 1)[joint];
            const float height = logf(v > least ? v : least);
            along_x[i] += side[j] * height;
            along_y[j] += side[i] * height;
        }
    const float dx = vertex(along_x[0], along_x[1], along_x[2], &rise_x);
    const float dy = vertex(along_y[0], along_y[1], along_y[2], &rise_y);
    const float score = cell(m, y, x)[joint] * expf(rise_x + rise_y);
    return (struct peak){(float)x + dx, (float)y + dy, score};
}

static void subpixel_joint(struct peaks *p, const struct maps *m, int joint, float threshold)
{
    /* Half a cell away along both axes a Gaussian of sigma 7/8 cells has fallen to 0.72. */
    const float enough = 0.6f * threshold;
    for (int y = 0; y < m->h; y++) {
        const float *row = cell(m, y, 0);
        for (int x = 0; x < m->w; x++) {
            const float v = row[(size_t)x * (size_t)m->heat_pitch + (size_t)joint];
            if (!(v > enough) || !is_top(m, y, x, joint))
                continue;
            const struct peak peak = refine(m, y, x, joint);
            if (peak.score > threshold)
                peaks_offer(p, joint, peak);
        }
    }
}

/* ---- all joints ---------------------------------------------------------------------------- */

struct search {
    struct peaks *p;
    const struct field *field;
    enum peak_method method;
    float threshold;
    size_t scratch_each;
};

static void search_joint(void *ctx, size_t item, unsigned thread)
{
    const struct search *s = ctx;
    const int joint = (int)item;
    s->p->count[joint] = 0;
    if (s->method == PEAKS_SUBPIXEL)
        subpixel_joint(s->p, &s->field->maps[0], joint, s->threshold);
    else
        peaks_grid_joint(s->p, s->field, joint, s->method, s->threshold,
                         s->p->scratch + s->scratch_each * thread);
    qsort(s->p->peak + item * PEAKS_MAX, (size_t)s->p->count[joint], sizeof(struct peak),
          reading_order);
}

static int reserve(struct peaks *p, int n_joints, size_t scratch)
{
    if (p->n_joints != n_joints) {
        free(p->count);
        free(p->peak);
        p->n_joints = n_joints;
        p->count = calloc((size_t)n_joints, sizeof(*p->count));
        p->peak = calloc((size_t)n_joints * PEAKS_MAX, sizeof(*p->peak));
        if (!p->count || !p->peak) {
            p->n_joints = 0;
            return error_set(BPNET_ENOMEM, "no memory for the peaks of %d joints", n_joints);
        }
    }
    if (scratch > p->scratch_size) {
        free(p->scratch);
        p->scratch_size = 0;
        p->scratch = malloc(scratch);
        if (!p->scratch)
            return error_set(BPNET_ENOMEM, "no memory to search for peaks");
        p->scratch_size = scratch;
    }
    return BPNET_OK;
}

int peaks_find(struct peaks *p, const struct field *field, int n_joints, enum peak_method method,
               float threshold, struct workers *workers)
{
    struct search search = {.p = p, .field = field, .method = method, .threshold = threshold};
    if (method != PEAKS_SUBPIXEL)
        search.scratch_each = peaks_grid_scratch(field);
    const unsigned threads = workers ? workers_count(workers) : 1;
    const int err = reserve(p, n_joints, search.scratch_each * threads);
    if (err < 0)
        return err;
    if (workers) {
        workers_run(workers, (size_t)n_joints, search_joint, &search);
    } else {
        for (size_t joint = 0; joint < (size_t)n_joints; joint++)
            search_joint(&search, joint, 0);
    }
    return BPNET_OK;
}

void peaks_free(struct peaks *p)
{
    free(p->count);
    free(p->peak);
    free(p->scratch);
    *p = (struct peaks){0};
}
