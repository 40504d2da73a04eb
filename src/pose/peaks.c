/* The store of peaks, and the search of all joints. */
#include "pose/peaks.h"

#include "base/error.h"
#include "pose/peaks_cells.h"
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

/* ---- all joints ---------------------------------------------------------------------------- */

static void sort_joint(struct peaks *p, int joint)
{
    qsort(p->peak + (size_t)joint * PEAKS_MAX, (size_t)p->count[joint], sizeof(struct peak),
          reading_order);
}

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
    peaks_grid_joint(s->p, s->field, joint, s->method, s->threshold,
                     s->p->scratch + s->scratch_each * thread);
    sort_joint(s->p, joint);
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

/* All joints of a cell together, too quick to be shared out. */
static void find_in_cells(struct peaks *p, const struct field *field, float threshold)
{
    for (int joint = 0; joint < p->n_joints; joint++)
        p->count[joint] = 0;
    peaks_cells(p, &field->maps[0], threshold, p->scratch);
    for (int joint = 0; joint < p->n_joints; joint++)
        sort_joint(p, joint);
}

int peaks_find(struct peaks *p, const struct field *field, int n_joints, enum peak_method method,
               float threshold, struct workers *workers)
{
    struct search search = {.p = p, .field = field, .method = method, .threshold = threshold};
    const bool cells = method == PEAKS_SUBPIXEL;
    const unsigned threads = workers && !cells ? workers_count(workers) : 1;
    search.scratch_each =
        cells ? peaks_cells_scratch(&field->maps[0], n_joints) : peaks_grid_scratch(field);
    const int err = reserve(p, n_joints, search.scratch_each * threads);
    if (err < 0)
        return err;
    if (cells) {
        find_in_cells(p, field, threshold);
    } else if (workers) {
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
