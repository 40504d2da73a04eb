/* OKS, with pycocotools' order of operations, so that thresholds fall the same way. */
#include "eval/oks.h"

#include <float.h>
#include <math.h>

const double oks_sigma[COCO_KEYPOINTS] = {
    .26 / 10, .25 / 10, .25 / 10,  .35 / 10,  .35 / 10, .79 / 10, .79 / 10, .72 / 10, .72 / 10,
    .62 / 10, .62 / 10, 1.07 / 10, 1.07 / 10, .87 / 10, .87 / 10, .89 / 10, .89 / 10,
};

/* How far x lies outside low..high. */
static double outside(double x, double low, double high)
{
    return fmax(0, low - x) + fmax(0, x - high);
}

double oks_joints(const struct coco_truth *t, const struct coco_detection *d,
                  double similarity[COCO_KEYPOINTS])
{
    int n_labelled = 0;
    for (int i = 0; i < COCO_KEYPOINTS; i++)
        n_labelled += t->keypoints[i][2] > 0;
    const double x0 = t->bbox[0] - t->bbox[2], x1 = t->bbox[0] + t->bbox[2] * 2;
    const double y0 = t->bbox[1] - t->bbox[3], y1 = t->bbox[1] + t->bbox[3] * 2;
    double sum = 0;
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        const double x = d->keypoints[i][0], y = d->keypoints[i][1];
        double dx = x - t->keypoints[i][0], dy = y - t->keypoints[i][1];
        if (n_labelled == 0) {
            dx = outside(x, x0, x1);
            dy = outside(y, y0, y1);
        }
        const bool counted = n_labelled == 0 || t->keypoints[i][2] > 0;
        const double variance = (oks_sigma[i] * 2) * (oks_sigma[i] * 2);
        const double e = (dx * dx + dy * dy) / variance / (t->area + DBL_EPSILON) / 2;
        const double s = counted ? exp(-e) : 0;
        sum += s;
        if (similarity)
            similarity[i] = s;
    }
    return sum / (n_labelled > 0 ? n_labelled : COCO_KEYPOINTS);
}

double coco_oks(const struct coco_truth *t, const struct coco_detection *d)
{
    return oks_joints(t, d, NULL);
}
