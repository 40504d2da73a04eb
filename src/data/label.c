/* Labels in double precision, cast at the end, as the original computes them. */
#include "data/label.h"

#include <math.h>
#include <string.h>

static const double smallest_heat = 0.001;

/* The cells first .. last - 1 of a row of n. */
struct span {
    int first, last;
};

static struct span span_clamped(double first, double last, int n)
{
    const struct span s = {(int)fmin(n, fmax(0, first)), (int)fmin(n, fmax(0, last))};
    return s;
}

/* Cells whose centre lies within [low, high]. */
static struct span span_centres(double low, double high, int stride, int n)
{
    const double half = (stride - 1) / 2.0;
    return span_clamped(ceil((low - half) / stride), floor((high - half) / stride) + 1, n);
}

/* ---- heatmaps ---------------------------------------------------------------------------- */

static void add_gauss(float *heat, int channels, const struct label_shape *shape, double sigma,
                      const struct joint *j)
{
    /* Beyond this exp() is below smallest_heat, which would be cut off. */
    const double radius = sigma * sqrt(-2 * log(smallest_heat)) + 1e-6;
    const struct span ys = span_centres(j->y - radius, j->y + radius, shape->stride, shape->h);
    const struct span xs = span_centres(j->x - radius, j->x + radius, shape->stride, shape->w);
    const double half = (shape->stride - 1) / 2.0, narrow = -1 / (2 * sigma * sigma);
    for (int y = ys.first; y < ys.last; y++) {
        const double dy = y * shape->stride + half - j->y;
        float *row = heat + (size_t)y * (size_t)shape->w * (size_t)channels;
        for (int x = xs.first; x < xs.last; x++) {
            const double dx = x * shape->stride + half - j->x;
            const double g = exp((dx * dx + dy * dy) * narrow);
            float *cell = row + (size_t)x * (size_t)channels;
            if (g >= smallest_heat && (float)g > *cell)
                *cell = (float)g;
        }
    }
}

static void make_heat(float *heat, const struct label_shape *shape, double sigma,
                      const struct skeleton *skeleton, const struct label_truth *truth)
{
    const int n_joints = skeleton->n_joints, channels = skeleton_heat_channels(skeleton);
    const size_t cells = (size_t)shape->h * (size_t)shape->w;
    memset(heat, 0, cells * (size_t)channels * sizeof(*heat));
    for (int p = 0; p < truth->n_people; p++)
        for (int j = 0; j < n_joints; j++) {
            const struct joint *joint = &truth->joints[(size_t)p * (size_t)n_joints + (size_t)j];
            if (joint_used(joint))
                add_gauss(heat + j, channels, shape, sigma, joint);
        }
    for (size_t i = 0; i < cells; i++, heat += channels) {
        float most = 0;
        for (int j = 0; j < n_joints; j++)
            most = heat[j] > most ? heat[j] : most;
        heat[n_joints] = 1 - most;
    }
}

/* ---- part-affinity fields ---------------------------------------------------------------- */

/* One limb of one person: its line, and the cells it may touch. */
struct limb {
    double x, y, ux, uy; /* start and direction */
    double reach;
    struct span xs, ys;
};

static struct span limb_span(double a, double b, double reach, const struct label_shape *shape,
                             int n, bool centred)
{
    const double low = fmin(a, b) - reach, high = fmax(a, b) + reach;
    if (centred)
        return span_centres(low, high, shape->stride, n);
    return span_clamped(rint(low / shape->stride), rint(high / shape->stride), n);
}

static bool limb_between(struct limb *l, const struct joint *a, const struct joint *b,
                         const struct label_shape *shape, const struct label_spec *spec)
{
    const double vx = b->x - a->x, vy = b->y - a->y, length = sqrt(vx * vx + vy * vy);
    if (!joint_used(a) || !joint_used(b) || !(length > 0))
        return false;
    const double reach = spec->paf_distance * shape->stride;
    *l = (struct limb){.x = a->x, .y = a->y, .ux = vx / length, .uy = vy / length, .reach = reach};
    l->xs = limb_span(a->x, b->x, reach, shape, shape->w, spec->centre_pafs);
    l->ys = limb_span(a->y, b->y, reach, shape, shape->h, spec->centre_pafs);
    return true;
}

/* Assign the field in the limb's whole box (count NULL), or add it where the limb is. */
static void add_limb(float *paf, int channels, float *count, const struct label_shape *shape,
                     double offset, const struct limb *l)
{
    for (int y = l->ys.first; y < l->ys.last; y++) {
        const size_t row = (size_t)y * (size_t)shape->w;
        const double dy = l->y - (y * shape->stride + offset);
        for (int x = l->xs.first; x < l->xs.last; x++) {
            const double dx = l->x - (x * shape->stride + offset);
            const bool on = fabs(dy * l->ux - dx * l->uy) <= l->reach;
            float *cell = paf + (row + (size_t)x) * (size_t)channels;
            if (!count) {
                cell[0] = on ? (float)l->ux : 0;
                cell[1] = on ? (float)l->uy : 0;
            } else if (on) {
                cell[0] += (float)l->ux;
                cell[1] += (float)l->uy;
                count[row + (size_t)x] += 1;
            }
        }
    }
}

static void make_paf(float *paf, int channels, int from, int to, const struct label_shape *shape,
                     const struct label_spec *spec, int n_joints, const struct label_truth *truth,
                     float *scratch)
{
    const size_t cells = (size_t)shape->h * (size_t)shape->w;
    const double offset = spec->centre_pafs ? (shape->stride - 1) / 2.0 : 0;
    float *count = spec->average_pafs ? scratch : NULL;
    int n_drawn = 0;
    if (count)
        memset(count, 0, cells * sizeof(*count));
    for (int p = 0; p < truth->n_people; p++) {
        const struct joint *joints = truth->joints + (size_t)p * (size_t)n_joints;
        struct limb limb;
        if (limb_between(&limb, &joints[from], &joints[to], shape, spec)) {
            add_limb(paf, channels, count, shape, offset, &limb);
            n_drawn++;
        }
    }
    for (size_t i = 0; count && n_drawn > 1 && i < cells; i++)
        if (count[i] > 1) {
            paf[i * (size_t)channels] /= count[i];
            paf[i * (size_t)channels + 1] /= count[i];
        }
}

/* ---- weights ----------------------------------------------------------------------------- */

static void make_masks(const struct label_maps *out, const struct label_shape *shape,
                       const struct skeleton *skeleton, const struct label_truth *truth)
{
    const int heat_channels = skeleton_heat_channels(skeleton);
    const size_t cells = (size_t)shape->h * (size_t)shape->w;
    float heat_weight[SKELETON_MAX_JOINTS + 1], paf_weight[2 * SKELETON_MAX_LIMBS];
    bool any_unlabelled = false;
    for (int j = 0; j < skeleton->n_joints; j++) {
        const bool known = !truth->labelled || truth->labelled[j];
        heat_weight[j] = known ? 1 : 0;
        any_unlabelled |= !known;
    }
    for (int k = 0; k < skeleton->n_limbs; k++)
        paf_weight[2 * k] = paf_weight[2 * k + 1] =
            heat_weight[skeleton->limbs[k][0]] * heat_weight[skeleton->limbs[k][1]];
    for (size_t i = 0; i < cells; i++) {
        const float weight = truth->mask[i];
        const bool doubtful = any_unlabelled && truth->doubtful && truth->doubtful[i];
        heat_weight[skeleton->n_joints] = doubtful ? 0 : 1;
        float *heat = out->heat_mask + i * (size_t)heat_channels;
        float *paf = out->paf_mask + i * 2 * (size_t)skeleton->n_limbs;
        for (int c = 0; c < heat_channels; c++)
            heat[c] = weight * heat_weight[c];
        for (int c = 0; c < 2 * skeleton->n_limbs; c++)
            paf[c] = weight * paf_weight[c];
    }
}

/* Most cells are empty: let them weigh less than what is to be found. Weights are squared later. */
static void weigh_background(const struct label_maps *out, const struct label_shape *shape,
                             const struct skeleton *skeleton, double background_weight)
{
    const int heat_channels = skeleton_heat_channels(skeleton), n_joints = skeleton->n_joints;
    const size_t cells = (size_t)shape->h * (size_t)shape->w;
    const float factor = (float)sqrt(background_weight);
    for (size_t i = 0; i < cells; i++) {
        const float *heat = out->heat + i * (size_t)heat_channels;
        const float *paf = out->paf + i * 2 * (size_t)skeleton->n_limbs;
        float *heat_mask = out->heat_mask + i * (size_t)heat_channels;
        float *paf_mask = out->paf_mask + i * 2 * (size_t)skeleton->n_limbs;
        for (int j = 0; j < n_joints; j++)
            if (heat[j] < 0.01F)
                heat_mask[j] *= factor;
        if (heat[n_joints] > 0.99F)
            heat_mask[n_joints] *= factor;
        for (int k = 0; k < skeleton->n_limbs; k++)
            if (paf[2 * k] == 0 && paf[2 * k + 1] == 0) {
                paf_mask[2 * k] *= factor;
                paf_mask[2 * k + 1] *= factor;
            }
    }
}

void label_make(const struct label_maps *out, const struct label_shape *shape,
                const struct label_spec *spec, const struct skeleton *skeleton,
                const struct label_truth *truth, float *scratch)
{
    const int channels = skeleton_paf_channels(skeleton);
    make_heat(out->heat, shape, spec->heatmap_sigma, skeleton, truth);
    memset(out->paf, 0, (size_t)shape->h * (size_t)shape->w * (size_t)channels * sizeof(*out->paf));
    for (int k = 0; k < skeleton->n_limbs; k++)
        make_paf(out->paf + 2 * k, channels, skeleton->limbs[k][0], skeleton->limbs[k][1], shape,
                 spec, skeleton->n_joints, truth, scratch);
    make_masks(out, shape, skeleton, truth);
    if (spec->background_weight < 1)
        weigh_background(out, shape, skeleton, spec->background_weight);
}
