/*
 * Filling. Both kinds of region are toggles in column order: a pixel is inside when an odd number
 * of toggles lies at or before it. For polygons the toggles are where the outline, traced on a grid
 * five times finer, crosses the middle line of a column of pixels (maskApi of cocoapi does the same
 * with a sorted list; parity makes the order of toggles irrelevant).
 */
#include "data/mask.h"

#include "base/error.h"
#include "io/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FINER = 5 };
static const int64_t max_outline = (int64_t)1 << 26; /* fine grid steps of one polygon */

int bitmap_alloc(struct bitmap *m, int w, int h)
{
    *m = (struct bitmap){0};
    if (w < 1 || h < 1 || w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE ||
        (int64_t)w * h > IMAGE_MAX_PIXELS)
        return error_set(BPNET_ELIMIT, "a mask of %d x %d pixels", w, h);
    const size_t n = (size_t)w * (size_t)h;
    m->bits = calloc(n, 1);
    m->toggles = calloc(n + 1, 1); /* a toggle may lie behind the last pixel */
    m->w = w;
    m->h = h;
    if (!m->bits || !m->toggles) {
        bitmap_free(m);
        return error_set(BPNET_ENOMEM, "no memory for a mask of %d x %d pixels", w, h);
    }
    return BPNET_OK;
}

void bitmap_free(struct bitmap *m)
{
    free(m->bits);
    free(m->toggles);
    *m = (struct bitmap){0};
}

void bitmap_clear(struct bitmap *m)
{
    memset(m->bits, 0, (size_t)m->w * (size_t)m->h);
}

/* Set what the toggles of columns x0 .. x1 say, and take them away. */
static void fill_columns(struct bitmap *m, int x0, int x1)
{
    uint8_t *toggle = m->toggles + (size_t)x0 * (size_t)m->h;
    uint8_t inside = 0;
    for (int x = x0; x <= x1; x++) {
        uint8_t *bit = m->bits + x;
        for (int y = 0; y < m->h; y++, bit += m->w) {
            inside ^= *toggle;
            *toggle++ = 0;
            *bit |= inside;
        }
    }
    *toggle = 0; /* the end of the last column */
}

/* The outline moves from column u0 to u1 of the fine grid at heights v0, v1: a toggle, perhaps. */
static void cross(struct bitmap *m, int64_t u0, int64_t v0, int64_t u1, int64_t v1, int *x0,
                  int *x1)
{
    const int64_t u = u1 < u0 ? u1 : u1 - 1;
    if (u < 0 || u % FINER != FINER / 2) /* not the middle line of a column */
        return;
    const int64_t x = u / FINER;
    if (x >= m->w)
        return;
    const int64_t v = v1 < v0 ? v1 : v0;
    const double y = ceil(fmin(m->h, fmax(0, ((double)v + 0.5) / FINER - 0.5)));
    m->toggles[(size_t)x * (size_t)m->h + (size_t)y] ^= 1;
    *x0 = (int)x < *x0 ? (int)x : *x0;
    *x1 = (int)x > *x1 ? (int)x : *x1;
}

struct fine {
    int64_t x, y;
};

static struct fine fine_point(const double *xy)
{
    return (struct fine){(int64_t)(FINER * xy[0] + 0.5), (int64_t)(FINER * xy[1] + 0.5)};
}

/* Where an edge is after t steps along its longer axis, counted from its lower end there. */
struct edge {
    struct fine low;
    bool steep, backwards;
    int64_t steps;
    double slope;
};

static struct edge edge_between(struct fine a, struct fine b)
{
    const int64_t dx = llabs(b.x - a.x), dy = llabs(b.y - a.y);
    struct edge e = {.steep = dx < dy, .steps = dx < dy ? dy : dx};
    e.backwards = e.steep ? a.y > b.y : a.x > b.x;
    const struct fine high = e.backwards ? a : b;
    e.low = e.backwards ? b : a;
    if (e.steps > 0)
        e.slope = e.steep ? (double)(high.x - e.low.x) / (double)dy
                          : (double)(high.y - e.low.y) / (double)dx;
    return e;
}

static struct fine edge_point(const struct edge *e, int64_t step)
{
    const int64_t t = e->backwards ? e->steps - step : step;
    const double other = (double)(e->steep ? e->low.x : e->low.y) + e->slope * (double)t + 0.5;
    if (e->steep)
        return (struct fine){(int64_t)other, e->low.y + t};
    return (struct fine){e->low.x + t, (int64_t)other};
}

static int add_polygon(struct bitmap *m, const double *xy, uint32_t n)
{
    int x0 = m->w, x1 = -1;
    int64_t outline = 0;
    struct fine before = {0};
    for (uint32_t i = 0; i < n; i++) {
        const double *next = xy + 2 * (i + 1 < n ? i + 1 : 0);
        const struct edge e = edge_between(fine_point(xy + 2 * i), fine_point(next));
        if ((outline += e.steps + 1) > max_outline) {
            fill_columns(m, 0, m->w - 1);
            return error_set(BPNET_ELIMIT, "an outline of %u corners is too long to trace", n);
        }
        for (int64_t step = 0; step <= e.steps; step++) {
            const struct fine here = edge_point(&e, step);
            if ((i > 0 || step > 0) && here.x != before.x)
                cross(m, before.x, before.y, here.x, here.y, &x0, &x1);
            before = here;
        }
    }
    if (x0 <= x1)
        fill_columns(m, x0, x1);
    return BPNET_OK;
}

static int add_runs(struct bitmap *m, const struct region *r)
{
    if (r->w != m->w || r->h != m->h)
        return error_set(BPNET_EFORMAT, "run lengths for %d x %d pixels, expected %d x %d", r->w,
                         r->h, m->w, m->h);
    const size_t n = (size_t)m->w * (size_t)m->h;
    size_t at = 0;
    for (size_t i = 0; i < r->n_runs; i++) {
        if (r->runs[i] > n - at)
            return error_set(BPNET_EFORMAT, "run lengths add up to more than %d x %d pixels", m->w,
                             m->h);
        if (i % 2 == 1)
            for (size_t p = at; p < at + r->runs[i]; p++)
                m->bits[p % (size_t)m->h * (size_t)m->w + p / (size_t)m->h] = 1;
        at += r->runs[i];
    }
    if (at != n)
        return error_set(BPNET_EFORMAT, "run lengths add up to %zu pixels, expected %d x %d", at,
                         m->w, m->h);
    return BPNET_OK;
}

int bitmap_add_region(struct bitmap *m, const struct region *region)
{
    if (region->kind == REGION_RUNS)
        return add_runs(m, region);
    if (region->kind == REGION_NONE)
        return BPNET_OK;
    const double *xy = region->xy;
    for (uint32_t k = 0; k < region->n_polygons; k++) {
        const int err = add_polygon(m, xy, region->points[k]);
        if (err < 0)
            return err;
        xy += 2 * (size_t)region->points[k];
    }
    return BPNET_OK;
}

/* The pixels i in 0 .. n-1 with low <= i + 0.5 < high are first .. last - 1. */
static void covered(double low, double high, int n, int *first, int *last)
{
    *first = (int)fmin(n, fmax(0, ceil(low - 0.5)));
    *last = (int)fmin(n, fmax(0, ceil(high - 0.5)));
}

void bitmap_add_box(struct bitmap *m, const double box[4], double margin)
{
    int x0, x1, y0, y1;
    const double mx = margin * box[2], my = margin * box[3];
    covered(box[0] - mx, box[0] + box[2] + mx, m->w, &x0, &x1);
    covered(box[1] - my, box[1] + box[3] + my, m->h, &y0, &y1);
    for (int y = y0; y < y1 && x0 < x1; y++)
        memset(m->bits + (size_t)y * (size_t)m->w + x0, 1, (size_t)(x1 - x0));
}

/* One number of the compressed text; *text moves behind it. */
static int text_number(int64_t *out, const char **text)
{
    enum { LONGEST = 7 }; /* 35 bits */
    uint64_t value = 0;
    for (int k = 0; k < LONGEST; k++) {
        const unsigned char c = (unsigned char)**text;
        if (c < 48 || c >= 48 + 64)
            return c ? error_set(BPNET_EFORMAT, "character code %d in compressed run lengths", c)
                     : error_set(BPNET_EFORMAT, "compressed run lengths break off");
        ++*text;
        const unsigned bits = c - 48u;
        value |= (uint64_t)(bits & 31) << (5 * k);
        if (bits & 32)
            continue;
        if (bits & 16)
            value |= ~(uint64_t)0 << (5 * (k + 1));
        *out = (int64_t)value;
        return BPNET_OK;
    }
    return error_set(BPNET_EFORMAT, "a compressed run length of more than 35 bits");
}

int runs_from_text(uint32_t **out, size_t *n_out, const char *text, size_t limit)
{
    *out = NULL;
    *n_out = 0;
    const size_t length = strlen(text);
    uint32_t *runs = malloc((length + 1) * sizeof(*runs)); /* a run is at least a character */
    if (!runs)
        return error_set(BPNET_ENOMEM, "no memory for %zu run lengths", length);
    size_t n = 0;
    int err = BPNET_OK;
    while (*text && err == BPNET_OK) {
        int64_t run = 0;
        if ((err = text_number(&run, &text)) < 0)
            break;
        if (n > 2)
            run += runs[n - 2];
        if (run < 0 || run > UINT32_MAX)
            err = error_set(BPNET_EFORMAT, "a compressed run length of %lld", (long long)run);
        else if (n == limit)
            err = error_set(BPNET_ELIMIT, "more than %zu run lengths", limit);
        else
            runs[n++] = (uint32_t)run;
    }
    if (err < 0) {
        free(runs);
        return err;
    }
    *out = runs;
    *n_out = n;
    return BPNET_OK;
}
