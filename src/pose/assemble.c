/* People as rows of peaks. Two rule sets work on the same rows: ours, and the original's. */
#include "pose/assemble.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1, FIRST_ROWS = 32 };

/* One link on its way into the rows. */
struct joining {
    struct assembly *a;
    const struct peaks *peaks;
    int from, to; /* joints */
    struct link link;
    bool starts;
};

/* ---- rows ---------------------------------------------------------------------------------- */

static int16_t *slot_of(const struct assembly *a, int row, int joint)
{
    return a->slot + (size_t)row * (size_t)a->n_joints + (size_t)joint;
}

static float *by_of(const struct assembly *a, int row, int joint)
{
    return a->by + (size_t)row * (size_t)a->n_joints + (size_t)joint;
}

static int *degree_of(const struct assembly *a, int row, int joint)
{
    return a->degree + (size_t)row * (size_t)a->n_joints + (size_t)joint;
}

static int32_t *owner_of(const struct assembly *a, int joint, int peak)
{
    return a->owner + (size_t)joint * PEAKS_MAX + (size_t)peak;
}

static double height(const struct joining *j, int joint, int peak)
{
    return (double)peaks_of(j->peaks, joint)[peak].score;
}

/* Grows one array or leaves it alone. */
static bool grow(void *array, size_t size)
{
    void **at = array, *grown = realloc(*at, size);
    if (grown)
        *at = grown;
    return grown;
}

static int reserve(struct assembly *a, int rows)
{
    if (rows <= a->capacity)
        return BPNET_OK;
    const int capacity = a->capacity ? 2 * a->capacity : FIRST_ROWS;
    const size_t n = (size_t)capacity, joints = (size_t)a->n_joints;
    if (!grow(&a->slot, n * joints * sizeof(*a->slot)) ||
        !grow(&a->by, n * joints * sizeof(*a->by)) ||
        !grow(&a->degree, n * joints * sizeof(*a->degree)) ||
        !grow(&a->score, n * sizeof(*a->score)) || !grow(&a->count, n * sizeof(*a->count)) ||
        !grow(&a->ranked, n * sizeof(*a->ranked)))
        return error_set(BPNET_ENOMEM, "no memory for %d people", capacity);
    a->capacity = capacity;
    return BPNET_OK;
}

static int start(struct assembly *a, int n_joints)
{
    if (a->n_joints != n_joints) {
        assembly_free(a);
        a->n_joints = n_joints;
        a->owner = malloc((size_t)n_joints * PEAKS_MAX * sizeof(*a->owner));
        if (!a->owner) {
            a->n_joints = 0;
            return error_set(BPNET_ENOMEM, "no memory for people of %d joints", n_joints);
        }
    }
    for (size_t i = 0; i < (size_t)n_joints * PEAKS_MAX; i++)
        a->owner[i] = NONE;
    a->n_rows = 0;
    return BPNET_OK;
}

static void put(const struct joining *j, int row, int joint, int peak)
{
    struct assembly *a = j->a;
    *slot_of(a, row, joint) = (int16_t)peak;
    *by_of(a, row, joint) = j->link.score;
    *degree_of(a, row, joint) = 1;
    *owner_of(a, joint, peak) = row;
    a->count[row]++;
    a->score[row] += height(j, joint, peak) + (double)j->link.score;
}

static int new_row(const struct joining *j)
{
    struct assembly *a = j->a;
    const int err = reserve(a, a->n_rows + 1);
    if (err < 0)
        return err;
    const int row = a->n_rows++;
    for (int joint = 0; joint < a->n_joints; joint++)
        *slot_of(a, row, joint) = NONE;
    a->count[row] = 0;
    a->score[row] = -(double)j->link.score; /* two joints are put, the link counts once */
    put(j, row, j->from, j->link.from);
    put(j, row, j->to, j->link.to);
    return BPNET_OK;
}

static bool can_merge(const struct assembly *a, int row, int other)
{
    for (int joint = 0; joint < a->n_joints; joint++)
        if (*slot_of(a, row, joint) != NONE && *slot_of(a, other, joint) != NONE)
            return false;
    return true;
}

static void merge(struct assembly *a, int row, int other, float link_score)
{
    for (int joint = 0; joint < a->n_joints; joint++) {
        const int16_t peak = *slot_of(a, other, joint);
        if (peak == NONE)
            continue;
        *slot_of(a, row, joint) = peak;
        *by_of(a, row, joint) = *by_of(a, other, joint);
        *degree_of(a, row, joint) = *degree_of(a, other, joint);
        *owner_of(a, joint, peak) = row;
    }
    a->count[row] += a->count[other];
    a->score[row] += a->score[other] + (double)link_score;
}

/* ---- our rules ----------------------------------------------------------------------------- */

/* A row without joints: merged into another. It stays in place, so that owners stay true. */
static void empty_row(struct assembly *a, int row)
{
    for (int joint = 0; joint < a->n_joints; joint++)
        *slot_of(a, row, joint) = NONE;
    a->count[row] = 0;
    a->score[row] = 0;
}

/*
 * Adds a free peak at `joint` to the row that holds the link's other end, at `anchor`; or puts it
 * in the place of one that hangs on a single, weaker link.
 */
static void add_end(const struct joining *j, int row, int anchor, int joint, int peak)
{
    struct assembly *a = j->a;
    const int16_t old = *slot_of(a, row, joint);
    if (old != NONE) {
        const float by = *by_of(a, row, joint);
        if (*degree_of(a, row, joint) > 1 || !(j->link.score > by))
            return;
        *owner_of(a, joint, old) = NONE;
        a->count[row]--;
        a->score[row] -= height(j, joint, old) + (double)by;
    }
    ++*degree_of(a, row, anchor);
    put(j, row, joint, peak);
}

static int join(const struct joining *j)
{
    struct assembly *a = j->a;
    const int from = *owner_of(a, j->from, j->link.from), to = *owner_of(a, j->to, j->link.to);
    if (from == NONE && to == NONE)
        return j->starts ? new_row(j) : BPNET_OK;
    if (to == NONE) {
        add_end(j, from, j->from, j->to, j->link.to);
    } else if (from == NONE) {
        add_end(j, to, j->to, j->from, j->link.from);
    } else if (from == to || can_merge(a, from, to)) {
        if (from != to) {
            merge(a, from, to, j->link.score);
            empty_row(a, to);
        }
        ++*degree_of(a, from, j->from);
        ++*degree_of(a, from, j->to);
    }
    return BPNET_OK;
}

/* ---- the original's rules ------------------------------------------------------------------ */

static void delete_row(struct assembly *a, int row)
{
    const size_t joints = (size_t)a->n_joints, after = (size_t)(a->n_rows - row - 1);
    memmove(slot_of(a, row, 0), slot_of(a, row, 0) + joints, after * joints * sizeof(*a->slot));
    memmove(by_of(a, row, 0), by_of(a, row, 0) + joints, after * joints * sizeof(*a->by));
    memmove(degree_of(a, row, 0), degree_of(a, row, 0) + joints,
            after * joints * sizeof(*a->degree));
    memmove(a->score + row, a->score + row + 1, after * sizeof(*a->score));
    memmove(a->count + row, a->count + row + 1, after * sizeof(*a->count));
    a->n_rows--;
}

static int join_compat(const struct joining *j)
{
    struct assembly *a = j->a;
    int rows[2], n = 0;
    for (int row = 0; row < a->n_rows; row++)
        if (*slot_of(a, row, j->from) == j->link.from || *slot_of(a, row, j->to) == j->link.to) {
            if (n < 2)
                rows[n] = row;
            n++;
        }
    if (n == 0)
        return j->starts ? new_row(j) : BPNET_OK;
    if (n > 2)
        return BPNET_OK;
    if (n == 2 && can_merge(a, rows[0], rows[1])) {
        merge(a, rows[0], rows[1], j->link.score);
        delete_row(a, rows[1]);
    } else if (n == 2 || *slot_of(a, rows[0], j->to) != j->link.to) {
        put(j, rows[0], j->to, j->link.to);
    }
    return BPNET_OK;
}

/* ---- the result ---------------------------------------------------------------------------- */

static int emit(const struct assembly *a, int row, const struct peaks *peaks, double score,
                struct people *people)
{
    struct joint_position *joints = people_add(people);
    if (!joints)
        return BPNET_ENOMEM;
    people->scores[people->n_people - 1] = (float)score;
    for (int joint = 0; joint < a->n_joints; joint++) {
        const int peak = *slot_of(a, row, joint);
        if (peak == NONE)
            continue;
        const struct peak *p = &peaks_of(peaks, joint)[peak];
        joints[joint] = (struct joint_position){p->x, p->y, p->score, true};
    }
    return BPNET_OK;
}

static int best_first(const void *a, const void *b)
{
    const struct ranked *p = a, *q = b;
    if (p->score != q->score)
        return p->score > q->score ? -1 : 1;
    return p->row - q->row;
}

static int in_order(const void *a, const void *b)
{
    return ((const struct ranked *)a)->row - ((const struct ranked *)b)->row;
}

/* The square of a row's extent from corner to corner, in cells. */
static double extent(const struct assembly *a, int row, const struct peaks *peaks, float cell_w,
                     float cell_h)
{
    float low_x = INFINITY, low_y = INFINITY, high_x = -INFINITY, high_y = -INFINITY;
    for (int joint = 0; joint < a->n_joints; joint++) {
        const int peak = *slot_of(a, row, joint);
        if (peak == NONE)
            continue;
        const struct peak *p = &peaks_of(peaks, joint)[peak];
        low_x = fminf(low_x, p->x);
        low_y = fminf(low_y, p->y);
        high_x = fmaxf(high_x, p->x);
        high_y = fmaxf(high_y, p->y);
    }
    const double w = (double)((high_x - low_x) / cell_w), h = (double)((high_y - low_y) / cell_h);
    return w * w + h * h;
}

/* The three parts of a score (assemble.h). */
static double rate(double evidence, int count, int n_joints, double extent_squared)
{
    const double half_sharp = 30; /* square cells: where a person counts half */
    return evidence / (2 * count - 1) * sqrt((double)count / n_joints) * extent_squared /
           (extent_squared + half_sharp);
}

static int finish(struct assembly *a, const struct peaks *peaks,
                  const struct predict_options *options, float cell_w, float cell_h,
                  struct people *people)
{
    people_clear(people);
    if (a->n_rows == 0)
        return BPNET_OK;
    struct ranked *ranked = a->ranked;
    int n = 0, err = BPNET_OK;
    for (int row = 0; row < a->n_rows; row++) {
        const double score = a->score[row];
        const int count = a->count[row];
        if (count < 1 || count < options->min_joints || !isfinite(score) ||
            score / count < (double)options->min_score_per_joint)
            continue;
        const double ours = rate(score, count, a->n_joints, extent(a, row, peaks, cell_w, cell_h));
        if (!options->compat && ours < (double)options->person_threshold)
            continue;
        ranked[n++] = (struct ranked){row, options->compat ? 1 - 1 / score : ours};
    }
    qsort(ranked, (size_t)n, sizeof(*ranked), best_first);
    if (options->max_people > 0 && n > options->max_people)
        n = options->max_people;
    if (options->compat)
        qsort(ranked, (size_t)n, sizeof(*ranked), in_order);
    for (int i = 0; i < n && err >= 0; i++)
        err = emit(a, ranked[i].row, peaks, ranked[i].score, people);
    return err;
}

bool limb_starts(const struct skeleton *skeleton, int limb)
{
    bool from = false, to = false;
    for (int k = 0; k < limb; k++)
        for (int end = 0; end < 2; end++) {
            from = from || skeleton->limbs[k][end] == skeleton->limbs[limb][0];
            to = to || skeleton->limbs[k][end] == skeleton->limbs[limb][1];
        }
    return !(from && to);
}

int assemble(struct assembly *a, const struct peaks *peaks, const struct links *links,
             const struct skeleton *skeleton, const struct predict_options *options, float cell_w,
             float cell_h, struct people *people)
{
    int err = start(a, skeleton->n_joints);
    for (int limb = 0; limb < skeleton->n_limbs && err >= 0; limb++) {
        struct joining j = {
            .a = a,
            .peaks = peaks,
            .from = skeleton->limbs[limb][0],
            .to = skeleton->limbs[limb][1],
            .starts = limb_starts(skeleton, limb),
        };
        for (int i = 0; i < links->count[limb] && err >= 0; i++) {
            j.link = links_of(links, limb)[i];
            err = options->compat ? join_compat(&j) : join(&j);
        }
    }
    return err < 0 ? err : finish(a, peaks, options, cell_w, cell_h, people);
}

void assembly_free(struct assembly *a)
{
    free(a->slot);
    free(a->by);
    free(a->degree);
    free(a->score);
    free(a->count);
    free(a->owner);
    free(a->ranked);
    *a = (struct assembly){0};
}
