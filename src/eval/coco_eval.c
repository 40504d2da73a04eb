/*
 * AP and AR by COCO's rules. Pictures are matched one after the other; what remains of a detection
 * is two bits per size and threshold (matched, ignored), from which the precision curves are drawn
 * at the end. Details that decide single digits, and are as in pycocotools: sorting is stable;
 * equal OKS goes to the later person; ignored people are tried last.
 */
#include "eval/coco_eval.h"

#include "base/error.h"
#include "eval/oks.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { N_THRESHOLDS = 10, N_RECALLS = 101 };

static const double area_range[COCO_SIZES][2] = {
    [SIZE_ALL] = {0, 1e10},
    [SIZE_MEDIUM] = {32 * 32, 96 * 96},
    [SIZE_LARGE] = {96 * 96, 1e10},
};

/* A detection (or truth) in the order of matching. */
struct ranked {
    size_t image; /* index into the sorted ids */
    double score; /* truths: 0, so that file order is kept */
    size_t index; /* into the caller's array */
};

/* What matching left of a detection: bit t is threshold t. */
struct verdict {
    double score;
    uint16_t matched[COCO_SIZES], ignored[COCO_SIZES];
};

struct evaluator {
    const struct coco_truth *truths;
    const struct coco_detection *detections;
    int64_t *ids; /* sorted, unique */
    size_t n_ids;
    struct ranked *truth, *detection; /* by picture */
    size_t n_truths, n_detections;
    struct verdict *verdicts; /* one a scored detection, at most 20 a picture */
    size_t n_verdicts;
    /* Scratch of one picture. */
    double *oks;   /* (detection, truth) */
    size_t *order; /* truths, ignored ones last */
    bool *ignored, *taken;
    double *precision; /* of a whole curve */
    double joint_sum[COCO_KEYPOINTS];
};

/* numpy.linspace(.5, .95, 10). */
static double threshold_of(int t)
{
    return t == N_THRESHOLDS - 1 ? 0.95 : t * ((0.95 - 0.5) / (N_THRESHOLDS - 1)) + 0.5;
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* By picture, then from the highest score, NaN last, then as given. */
static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->image != y->image)
        return x->image < y->image ? -1 : 1;
    if (x->score > y->score || (isnan(y->score) && !isnan(x->score)))
        return -1;
    if (x->score < y->score || (isnan(x->score) && !isnan(y->score)))
        return 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool find_image(const struct evaluator *e, int64_t id, size_t *index)
{
    const int64_t *at = e->n_ids ? bsearch(&id, e->ids, e->n_ids, sizeof(id), compare_ids) : NULL;
    if (at)
        *index = (size_t)(at - e->ids);
    return at != NULL;
}

/* calloc that gives something for zero elements. */
static void *array_new(size_t n, size_t size)
{
    return calloc(n ? n : 1, size);
}

/* Copy, sort and deduplicate the ids; rank truths and detections by picture. */
static int rank_all(struct evaluator *e, const int64_t *images, size_t n_images, size_t n_truths,
                    size_t n_detections)
{
    e->ids = array_new(n_images, sizeof(*e->ids));
    e->truth = array_new(n_truths, sizeof(*e->truth));
    e->detection = array_new(n_detections, sizeof(*e->detection));
    if (!e->ids || !e->truth || !e->detection)
        return error_set(BPNET_ENOMEM, "no memory to score %zu detections", n_detections);
    for (size_t i = 0; i < n_images; i++)
        e->ids[i] = images[i];
    qsort(e->ids, n_images, sizeof(*e->ids), compare_ids);
    for (size_t i = 0; i < n_images; i++) {
        if (e->n_ids == 0 || e->ids[e->n_ids - 1] != e->ids[i])
            e->ids[e->n_ids++] = e->ids[i];
    }
    for (size_t i = 0; i < n_truths; i++) {
        struct ranked r = {.index = i};
        if (find_image(e, e->truths[i].image_id, &r.image))
            e->truth[e->n_truths++] = r;
    }
    for (size_t i = 0; i < n_detections; i++) {
        struct ranked r = {.index = i, .score = e->detections[i].score};
        if (find_image(e, e->detections[i].image_id, &r.image))
            e->detection[e->n_detections++] = r;
    }
    qsort(e->truth, e->n_truths, sizeof(*e->truth), compare_ranked);
    qsort(e->detection, e->n_detections, sizeof(*e->detection), compare_ranked);
    return BPNET_OK;
}

/* How many of the n elements, from the first on, belong to the picture. */
static size_t count_of_image(const struct ranked *r, size_t n, size_t image)
{
    size_t count = 0;
    while (count < n && r[count].image == image)
        count++;
    return count;
}

static int open_scratch(struct evaluator *e)
{
    size_t most = 0;
    for (size_t i = 0, n = 0; i < e->n_truths; i += n) {
        n = count_of_image(e->truth + i, e->n_truths - i, e->truth[i].image);
        most = n > most ? n : most;
    }
    e->oks = array_new(most, COCO_MAX_DETECTIONS * sizeof(*e->oks));
    e->order = array_new(most, sizeof(*e->order));
    e->ignored = array_new(most, sizeof(*e->ignored));
    e->taken = array_new(most, sizeof(*e->taken));
    e->verdicts = array_new(e->n_detections, sizeof(*e->verdicts));
    e->precision = array_new(e->n_detections, sizeof(*e->precision));
    if (!e->oks || !e->order || !e->ignored || !e->taken || !e->verdicts || !e->precision)
        return error_set(BPNET_ENOMEM, "no memory to score %zu people of one picture", most);
    return BPNET_OK;
}

static bool is_outside(double area, enum coco_size size)
{
    return area < area_range[size][0] || area > area_range[size][1];
}

static double detection_area(const struct coco_detection *d)
{
    if (d->area_given)
        return d->area;
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        for (int axis = 0; axis < 2; axis++) {
            low[axis] = fmin(low[axis], d->keypoints[i][axis]);
            high[axis] = fmax(high[axis], d->keypoints[i][axis]);
        }
    }
    return (high[0] - low[0]) * (high[1] - low[1]);
}

/* The truth that detection d goes to at this threshold, or n_truths: none. */
static size_t best_match(const struct evaluator *e, const struct ranked *truth, size_t n_truths,
                         const double *oks, double threshold)
{
    double best = fmin(threshold, 1 - 1e-10);
    size_t match = n_truths;
    for (size_t k = 0; k < n_truths; k++) {
        const size_t g = e->order[k];
        if (e->taken[g] && !e->truths[truth[g].index].crowd)
            continue;
        if (match < n_truths && !e->ignored[match] && e->ignored[g])
            break; /* only ignored ones follow */
        if (!(oks[g] >= best))
            continue;
        best = oks[g];
        match = g;
    }
    return match;
}

/* Truths to be ignored at this size go last; returns how many are not ignored. */
static size_t order_truths(struct evaluator *e, const struct ranked *truth, size_t n_truths,
                           enum coco_size size)
{
    size_t n = 0;
    for (size_t g = 0; g < n_truths; g++) {
        const struct coco_truth *t = &e->truths[truth[g].index];
        e->ignored[g] = t->crowd || t->ignore || t->num_keypoints == 0 || is_outside(t->area, size);
        if (!e->ignored[g])
            e->order[n++] = g;
    }
    const size_t n_counted = n;
    for (size_t g = 0; g < n_truths; g++) {
        if (e->ignored[g])
            e->order[n++] = g;
    }
    return n_counted;
}

static void add_joints(struct evaluator *e, struct coco_result *out, const struct coco_truth *t,
                       const struct coco_detection *d)
{
    double similarity[COCO_KEYPOINTS];
    oks_joints(t, d, similarity);
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        if (t->keypoints[i][2] > 0) {
            out->joint[i].n++;
            e->joint_sum[i] += similarity[i];
        }
    }
}

/* Match one picture at one size, all thresholds. */
static void match_image(struct evaluator *e, struct coco_result *out, enum coco_size size,
                        const struct ranked *truth, size_t n_truths, const struct ranked *detection,
                        size_t n_detections)
{
    struct verdict *verdicts = e->verdicts + e->n_verdicts;
    out->n_counted[size] += order_truths(e, truth, n_truths, size);
    for (int t = 0; t < N_THRESHOLDS; t++) {
        const uint16_t bit = (uint16_t)(1u << t);
        for (size_t g = 0; g < n_truths; g++)
            e->taken[g] = false;
        for (size_t i = 0; i < n_detections; i++) {
            const struct coco_detection *d = &e->detections[detection[i].index];
            const size_t g = best_match(e, truth, n_truths, e->oks + i * n_truths, threshold_of(t));
            bool ignored = false, matched = false;
            if (g < n_truths) {
                const struct coco_truth *person = &e->truths[truth[g].index];
                e->taken[g] = true;
                ignored = e->ignored[g];
                matched = person->id != 0;
                if (t == 0 && size == SIZE_ALL && !ignored)
                    add_joints(e, out, person, d);
            }
            if (!matched && is_outside(detection_area(d), size))
                ignored = true;
            verdicts[i].score = detection[i].score;
            verdicts[i].matched[size] |= matched ? bit : 0;
            verdicts[i].ignored[size] |= ignored ? bit : 0;
        }
    }
}

static void match_all(struct evaluator *e, struct coco_result *out)
{
    size_t first_truth = 0, first_detection = 0;
    for (size_t image = 0; image < e->n_ids; image++) {
        const struct ranked *truth = e->truth + first_truth;
        const struct ranked *detection = e->detection + first_detection;
        const size_t n_truths = count_of_image(truth, e->n_truths - first_truth, image);
        const size_t n_all = count_of_image(detection, e->n_detections - first_detection, image);
        const size_t n_detections = n_all < COCO_MAX_DETECTIONS ? n_all : COCO_MAX_DETECTIONS;
        for (size_t i = 0; i < n_detections; i++) {
            for (size_t g = 0; g < n_truths; g++)
                e->oks[i * n_truths + g] =
                    coco_oks(&e->truths[truth[g].index], &e->detections[detection[i].index]);
        }
        for (int size = 0; size < COCO_SIZES; size++)
            match_image(e, out, (enum coco_size)size, truth, n_truths, detection, n_detections);
        e->n_verdicts += n_detections;
        first_truth += n_truths;
        first_detection += n_all;
    }
}

/* Precision at the 101 recalls, and the final recall, of one size and threshold. */
static void draw_curve(const struct evaluator *e, const struct ranked *order, size_t n_counted,
                       enum coco_size size, int t, double *precision_sum, double *recall)
{
    const uint16_t bit = (uint16_t)(1u << t);
    double *precision = e->precision;
    double true_positives = 0, false_positives = 0;
    for (size_t i = 0; i < e->n_verdicts; i++) {
        const struct verdict *v = &e->verdicts[order[i].index];
        if (!(v->ignored[size] & bit)) {
            if (v->matched[size] & bit)
                true_positives++;
            else
                false_positives++;
        }
        precision[i] = true_positives / (false_positives + true_positives + DBL_EPSILON);
    }
    *recall = e->n_verdicts ? true_positives / (double)n_counted : 0;
    for (size_t i = e->n_verdicts; i-- > 1;) {
        if (precision[i] > precision[i - 1])
            precision[i - 1] = precision[i];
    }
    /* Walk along the curve again: recall r is reached at the first i with as many hits. */
    *precision_sum = 0;
    true_positives = 0;
    int r = 0;
    for (size_t i = 0; i < e->n_verdicts && r < N_RECALLS; i++) {
        const struct verdict *v = &e->verdicts[order[i].index];
        if ((v->matched[size] & bit) && !(v->ignored[size] & bit))
            true_positives++;
        for (; r < N_RECALLS && true_positives / (double)n_counted >= r * 0.01; r++)
            *precision_sum += precision[i];
    }
}

static const struct {
    int first, last; /* thresholds averaged */
    enum coco_size size;
} summary[COCO_METRICS / 2] = {
    {0, N_THRESHOLDS - 1, SIZE_ALL},
    {0, 0, SIZE_ALL},
    {5, 5, SIZE_ALL},
    {0, N_THRESHOLDS - 1, SIZE_MEDIUM},
    {0, N_THRESHOLDS - 1, SIZE_LARGE},
};

static int summarize(struct evaluator *e, struct coco_result *out)
{
    struct ranked *order = array_new(e->n_verdicts, sizeof(*order));
    if (!order)
        return error_set(BPNET_ENOMEM, "no memory to sort %zu detections", e->n_verdicts);
    for (size_t i = 0; i < e->n_verdicts; i++)
        order[i] = (struct ranked){.score = e->verdicts[i].score, .index = i};
    qsort(order, e->n_verdicts, sizeof(*order), compare_ranked);
    double precision[COCO_SIZES][N_THRESHOLDS], recall[COCO_SIZES][N_THRESHOLDS];
    for (int size = 0; size < COCO_SIZES; size++) {
        for (int t = 0; t < N_THRESHOLDS && out->n_counted[size] > 0; t++)
            draw_curve(e, order, out->n_counted[size], (enum coco_size)size, t, &precision[size][t],
                       &recall[size][t]);
    }
    for (int row = 0; row < COCO_METRICS / 2; row++) {
        const enum coco_size size = summary[row].size;
        const double n = summary[row].last - summary[row].first + 1;
        double ap = 0, ar = 0;
        for (int t = summary[row].first; t <= summary[row].last && out->n_counted[size]; t++) {
            ap += precision[size][t];
            ar += recall[size][t];
        }
        out->metric[AP_ALL + row] = out->n_counted[size] ? ap / (n * N_RECALLS) : -1;
        out->metric[AR_ALL + row] = out->n_counted[size] ? ar / n : -1;
    }
    free(order);
    return BPNET_OK;
}

int coco_evaluate(struct coco_result *out, const int64_t *images, size_t n_images,
                  const struct coco_truth *truths, size_t n_truths,
                  const struct coco_detection *detections, size_t n_detections)
{
    struct evaluator e = {.truths = truths, .detections = detections};
    *out = (struct coco_result){0};
    int err = rank_all(&e, images, n_images, n_truths, n_detections);
    if (err < 0 || (err = open_scratch(&e)) < 0)
        goto done;
    match_all(&e, out);
    if ((err = summarize(&e, out)) < 0)
        goto done;
    out->n_images = e.n_ids;
    out->n_truths = e.n_truths;
    out->n_detections = e.n_detections;
    for (int i = 0; i < COCO_KEYPOINTS; i++)
        out->joint[i].mean_oks = out->joint[i].n ? e.joint_sum[i] / (double)out->joint[i].n : -1;
done:
    free(e.ids);
    free(e.truth);
    free(e.detection);
    free(e.verdicts);
    free(e.oks);
    free(e.order);
    free(e.ignored);
    free(e.taken);
    free(e.precision);
    return err;
}
