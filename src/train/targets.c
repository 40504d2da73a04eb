/* Targets, cell by cell: every cell is computed alone, so rows may be shared out in any way. */
#include "train/targets.h"

#include "data/sample.h"

#include <math.h>

/* The teacher sees nothing where its maps are weaker; exact labels have 0.01 and 0 for this. */
static const float faint = 0.05F;

/* ---- whose channel is whose -------------------------------------------------------------- */

static int find_limb(const struct skeleton *s, int from, int to, float *sign)
{
    for (int k = 0; from >= 0 && to >= 0 && k < s->n_limbs; k++) {
        const int a = s->limbs[k][0], b = s->limbs[k][1];
        if ((a == from && b == to) || (a == to && b == from)) {
            *sign = a == from ? 1.0F : -1.0F;
            return k;
        }
    }
    return -1;
}

void target_map_init(struct target_map *m, const struct skeleton *ours,
                     const struct skeleton *teacher)
{
    *m = (struct target_map){.n_joints = ours->n_joints, .n_limbs = ours->n_limbs};
    for (int j = 0; j < ours->n_joints; j++) {
        m->joint[j] = (int16_t)skeleton_joint(teacher, ours->joints[j]);
        m->found_joints += m->joint[j] >= 0;
    }
    for (int k = 0; k < ours->n_limbs; k++) {
        const int from = m->joint[ours->limbs[k][0]], to = m->joint[ours->limbs[k][1]];
        m->limb[k] = (int16_t)find_limb(teacher, from, to, &m->sign[k]);
        m->found_limbs += m->limb[k] >= 0;
    }
}

struct target_rule target_rule_of(const struct teacher_spec *spec, const struct label_spec *label)
{
    return (struct target_rule){.weight = (float)spec->weight,
                                .fill = spec->fill_unlabelled,
                                .exponent = (float)(1.0 / spec->temperature),
                                .noise_floor = (float)spec->noise_floor,
                                .empty_weight = (float)sqrt(label->background_weight)};
}

/* ---- the teacher's maps on our grid ------------------------------------------------------ */

void taps_make(struct tap *taps, int n, int m)
{
    for (int i = 0; i < n; i++) {
        const double at = fmin(fmax((i + 0.5) * m / n - 0.5, 0.0), m - 1.0);
        const int a = (int)at;
        taps[i] = (struct tap){a, a + 1 < m ? a + 1 : a, (float)(at - a)};
    }
}

/* One channel between four cells; rows and columns give their offsets in floats. */
static float between(const float *map, const size_t row[2], const size_t column[2], float ty,
                     float tx)
{
    const float top = map[row[0] + column[0]], bottom = map[row[1] + column[0]];
    const float left = top + ty * (bottom - top);
    const float top2 = map[row[0] + column[1]], bottom2 = map[row[1] + column[1]];
    const float right = top2 + ty * (bottom2 - top2);
    return left + tx * (right - left);
}

/* Also of what is not a number: the comparisons are false then. */
static float clamp(float v, float low)
{
    return v > low ? (v < 1.0F ? v : 1.0F) : (v <= low ? low : 0.0F);
}

static float rectify_heat(float v, const struct target_rule *rule)
{
    v = clamp(v, 0.0F);
    if (v < rule->noise_floor)
        return 0.0F;
    return rule->exponent == 1.0F ? v : powf(v, rule->exponent);
}

static void sample_limb(float *out, const float *map, const size_t row[2], const size_t column[2],
                        float ty, float tx, float sign, float noise_floor)
{
    const float x = clamp(between(map, row, column, ty, tx), -1.0F);
    const float y = clamp(between(map + 1, row, column, ty, tx), -1.0F);
    const bool seen = x * x + y * y >= noise_floor * noise_floor;
    out[0] = seen ? sign * x : 0.0F;
    out[1] = seen ? sign * y : 0.0F;
}

void target_sample(float *heat, float *paf, const struct target_map *map,
                   const struct target_rule *rule, const struct target_source *source, struct tap y,
                   const struct tap *x, int w)
{
    const size_t heat_pitch = (size_t)source->heat_pitch, paf_pitch = (size_t)source->paf_pitch;
    const size_t a = (size_t)y.a * (size_t)source->w, b = (size_t)y.b * (size_t)source->w;
    const size_t heat_row[2] = {a * heat_pitch, b * heat_pitch};
    const size_t paf_row[2] = {a * paf_pitch, b * paf_pitch};
    for (int i = 0; i < w; i++) {
        const size_t left = (size_t)x[i].a, right = (size_t)x[i].b;
        const size_t heat_column[2] = {left * heat_pitch, right * heat_pitch};
        const size_t paf_column[2] = {left * paf_pitch, right * paf_pitch};
        for (int j = 0; j < map->n_joints; j++, heat++)
            *heat = map->joint[j] < 0 ? 0.0F
                                      : rectify_heat(between(source->heat + map->joint[j], heat_row,
                                                             heat_column, y.t, x[i].t),
                                                     rule);
        for (int k = 0; k < map->n_limbs; k++, paf += 2) {
            paf[0] = paf[1] = 0.0F;
            if (map->limb[k] >= 0)
                sample_limb(paf, source->paf + 2 * map->limb[k], paf_row, paf_column, y.t, x[i].t,
                            map->sign[k], rule->noise_floor);
        }
    }
}

/* ---- targets ----------------------------------------------------------------------------- */

/* A cell under way: how its channels are taught. */
struct cell {
    const struct target_rule *rule;
    bool blends, unsure; /* outside the picture neither */
    bool fills;
};

static bool is_filled(const struct cell *c, float mask)
{
    return c->fills && (c->unsure || mask == 0.0F);
}

static float mix(float label, float taught, float weight)
{
    return label + weight * (taught - label);
}

/* Joints and background of one cell. */
static void blend_heat(float *out, float *out_mask, const float *label, const float *mask,
                       const float *taught, const struct target_map *map, const struct cell *c)
{
    const struct target_rule *rule = c->rule;
    const int n = map->n_joints;
    const float weight = c->blends ? rule->weight : 0.0F;
    float most = 0.0F;
    bool all_known = true;
    for (int j = 0; j < n; j++) {
        const bool has = map->joint[j] >= 0, filled = has && is_filled(c, mask[j]);
        out[j] = filled ? taught[j] : has ? mix(label[j], taught[j], weight) : label[j];
        out_mask[j] = !filled ? mask[j] : taught[j] < faint ? rule->empty_weight : 1.0F;
        all_known &= filled || mask[j] != 0.0F;
        most = out[j] > most ? out[j] : most;
    }
    const bool filled = all_known && is_filled(c, mask[n]);
    out[n] = 1.0F - most;
    out_mask[n] = !filled ? mask[n] : most < faint ? rule->empty_weight : 1.0F;
}

static void blend_paf(float *out, float *out_mask, const float *label, const float *mask,
                      const float *taught, const struct target_map *map, const struct cell *c)
{
    const struct target_rule *rule = c->rule;
    const float weight = c->blends ? rule->weight : 0.0F;
    for (int k = 0; k < 2 * map->n_limbs; k += 2) {
        const bool has = map->limb[k / 2] >= 0, filled = has && is_filled(c, mask[k]);
        const bool empty = taught[k] * taught[k] + taught[k + 1] * taught[k + 1] < faint * faint;
        for (int i = k; i < k + 2; i++) {
            out[i] = filled ? taught[i] : has ? mix(label[i], taught[i], weight) : label[i];
            out_mask[i] = !filled ? mask[i] : empty ? rule->empty_weight : 1.0F;
        }
    }
}

void target_blend(const struct target_cells *out, const struct target_labels *labels,
                  const float *heat, const float *paf, const struct target_map *map,
                  const struct target_rule *rule, int n)
{
    const size_t joints = (size_t)map->n_joints, channels = joints + 1;
    const size_t fields = 2 * (size_t)map->n_limbs;
    for (size_t i = 0; i < (size_t)n; i++) {
        const bool inside = labels->trust[i] != CELL_OUTSIDE;
        const struct cell cell = {.rule = rule,
                                  .blends = inside,
                                  .unsure = labels->trust[i] == CELL_UNSURE,
                                  .fills = inside && rule->fill};
        blend_heat(out->heat + i * channels, out->heat_mask + i * channels,
                   labels->heat + i * channels, labels->heat_mask + i * channels, heat + i * joints,
                   map, &cell);
        blend_paf(out->paf + i * fields, out->paf_mask + i * fields, labels->paf + i * fields,
                  labels->paf_mask + i * fields, paf + i * fields, map, &cell);
    }
}
