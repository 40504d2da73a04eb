/*
 * Where no joint is high enough nothing is done; elsewhere all joints of a cell are smoothed and
 * compared with their neighbours together, CHUNK at a time, so that the compiler makes vectors of
 * them. Few joints are tops; those are placed one by one.
 */
#include "pose/peaks_cells.h"

#include <math.h>
#include <string.h>

enum { TAPS = 9, MIDDLE = 4, CHUNK = 8, BORDER = 1 };

/* Maps with a border of one cell: whether any joint is high enough, and what is smoothed. */
struct grid {
    int w; /* of a row, with its borders */
    int n_joints;
    float *smooth;       /* (h + 2, w, n_joints): -INFINITY in the border */
    unsigned char *high; /* (h + 2, w) */
};

static const float *cell(const struct maps *m, int y, int x)
{
    y = y < 0 ? 0 : y >= m->h ? m->h - 1 : y;
    x = x < 0 ? 0 : x >= m->w ? m->w - 1 : x;
    return m->heat + ((size_t)y * (size_t)m->w + (size_t)x) * (size_t)m->heat_pitch;
}

static size_t at(const struct grid *g, int y, int x)
{
    return (size_t)(y + BORDER) * (size_t)g->w + (size_t)(x + BORDER);
}

static float *smooth_at(const struct grid *g, int y, int x)
{
    return g->smooth + at(g, y, x) * (size_t)g->n_joints;
}

/* The next CHUNK joints from `done` on; at the end those before them again, where there are any. */
static int chunk_from(int done, int n_joints)
{
    return done + CHUNK <= n_joints ? done : n_joints > CHUNK ? n_joints - CHUNK : 0;
}

/* ---- smoothing ----------------------------------------------------------------------------- */

static void mark_high(const struct grid *g, const struct maps *m, float enough)
{
    for (int y = 0; y < m->h; y++)
        for (int x = 0; x < m->w; x++) {
            const float *v = cell(m, y, x);
            int high = 0;
            for (int joint = 0; joint < g->n_joints; joint++)
                high |= v[joint] > enough;
            g->high[at(g, y, x)] = (unsigned char)high;
        }
}

static bool near_high(const struct grid *g, int y, int x)
{
    int high = 0;
    for (int j = -1; j <= 1; j++)
        for (int i = -1; i <= 1; i++)
            high |= g->high[at(g, y + j, x + i)];
    return high;
}

/*
 * Smoothed by [1 6 1] / 8 along both axes: enough to drop single-cell bumps on a blurred hill, too
 * little to join two people's joints that the cells resolve. At most CHUNK joints.
 */
static inline void smooth_joints(const float *const in[TAPS], int from, int n, float *out)
{
    static const float w[3] = {0.125f, 0.75f, 0.125f};
    float sum[CHUNK] = {0};
    for (int t = 0; t < TAPS; t++)
        for (int joint = 0; joint < n; joint++)
            sum[joint] += w[t / 3] * w[t % 3] * in[t][from + joint];
    memcpy(out + from, sum, (size_t)n * sizeof(*out));
}

static void smooth_cell(const struct grid *g, const struct maps *m, int y, int x)
{
    const float *in[TAPS];
    float *out = smooth_at(g, y, x);
    for (int t = 0; t < TAPS; t++)
        in[t] = cell(m, y + t / 3 - 1, x + t % 3 - 1);
    if (g->n_joints < CHUNK)
        smooth_joints(in, 0, g->n_joints, out);
    for (int done = 0; g->n_joints >= CHUNK && done < g->n_joints; done += CHUNK)
        smooth_joints(in, chunk_from(done, g->n_joints), CHUNK, out);
}

/* ---- tops ---------------------------------------------------------------------------------- */

/*
 * Which joints are high enough and highest among their neighbours; of a plateau only the first cell
 * in reading order is. Returns whether any is.
 */
static inline int find_tops(const float *v, const float *const s[TAPS], float enough, int from,
                            int n, int top[CHUNK])
{
    int any = 0;
    for (int i = 0; i < n; i++) {
        const int joint = from + i;
        int is = v[joint] > enough;
        for (int t = 0; t < MIDDLE; t++)
            is &= s[MIDDLE][joint] > s[t][joint];
        for (int t = MIDDLE + 1; t < TAPS; t++)
            is &= s[MIDDLE][joint] >= s[t][joint];
        top[i] = is;
        any |= is;
    }
    return any;
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

static void offer(struct peaks *p, const struct maps *m, int y, int x, int joint, float threshold)
{
    const struct peak peak = refine(m, y, x, joint);
    if (peak.score > threshold)
        peaks_offer(p, joint, peak);
}

static void search_cell(struct peaks *p, const struct grid *g, const struct maps *m, int y, int x,
                        float enough, float threshold)
{
    const float *s[TAPS], *v = cell(m, y, x);
    int top[CHUNK];
    for (int t = 0; t < TAPS; t++)
        s[t] = smooth_at(g, y + t / 3 - 1, x + t % 3 - 1);
    for (int done = 0; done < g->n_joints; done += CHUNK) {
        const int from = chunk_from(done, g->n_joints);
        const int any = g->n_joints < CHUNK ? find_tops(v, s, enough, 0, g->n_joints, top)
                                            : find_tops(v, s, enough, from, CHUNK, top);
        for (int joint = done; any && joint < g->n_joints && joint < done + CHUNK; joint++)
            if (top[joint - from])
                offer(p, m, y, x, joint, threshold);
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

static size_t cells_of(const struct maps *m)
{
    return (size_t)(m->h + 2 * BORDER) * (size_t)(m->w + 2 * BORDER);
}

size_t peaks_cells_scratch(const struct maps *m, int n_joints)
{
    return cells_of(m) * ((size_t)n_joints * sizeof(float) + 1);
}

static void clear_border(const struct grid *g, const struct maps *m)
{
    memset(g->high, 0, cells_of(m));
    for (int y = -1; y <= m->h; y++)
        for (int x = -1; x <= m->w; x += y < 0 || y == m->h ? 1 : m->w + 1)
            for (int joint = 0; joint < g->n_joints; joint++)
                smooth_at(g, y, x)[joint] = -INFINITY;
}

void peaks_cells(struct peaks *p, const struct maps *m, float threshold, void *scratch)
{
    /* Half a cell away along both axes a Gaussian of sigma 7/8 cells has fallen to 0.72. */
    const float enough = 0.6f * threshold;
    struct grid g = {.w = m->w + 2 * BORDER, .n_joints = p->n_joints, .smooth = scratch};
    g.high = (unsigned char *)(g.smooth + cells_of(m) * (size_t)g.n_joints);
    clear_border(&g, m);
    mark_high(&g, m, enough);
    for (int y = 0; y < m->h; y++)
        for (int x = 0; x < m->w; x++)
            if (near_high(&g, y, x))
                smooth_cell(&g, m, y, x);
    for (int y = 0; y < m->h; y++)
        for (int x = 0; x < m->w; x++)
            if (g.high[at(&g, y, x)])
                search_cell(p, &g, m, y, x, enough, threshold);
}
