/* The search in windows equals the search of whole maps, bit for bit; what bounds it holds. */
#include "base/error.h"
#include "base/workers.h"
#include "pose/limbs.h"
#include "pose/plain_decode.h"
#include "pose/synthetic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct field field_of(const struct maps *m, int fy, int fx, int method)
{
    struct field field = {.n = 1};
    field.maps[0] = *m;
    assert_int_equal(grid_axis_upsample(&field.x[0], m->w, fx, (enum peak_method)method), BPNET_OK);
    assert_int_equal(grid_axis_upsample(&field.y[0], m->h, fy, (enum peak_method)method), BPNET_OK);
    return field;
}

/* Peaks and links of all joints and limbs, by both ways. */
static void assert_equals_plain(const struct maps *m, const struct skeleton *s, int fy, int fx,
                                float threshold)
{
    for (int method = PEAKS_FRAMEWORK; method <= PEAKS_ENGINE; method++) {
        struct field field = field_of(m, fy, fx, method);
        struct peaks peaks = {0};
        struct links links = {0};
        struct predict_options o;
        predict_options_default(&o);
        o.peaks = (enum peak_method)method;
        assert_int_equal(peaks_find(&peaks, &field, s->n_joints, o.peaks, threshold, NULL),
                         BPNET_OK);
        assert_int_equal(links_find(&links, &field, &peaks, s, &o, NULL), BPNET_OK);
        for (int j = 0; j < s->n_joints; j++) {
            struct peak expected[PEAKS_MAX];
            const int n = plain_peaks(expected, m, j, fy, fx, o.peaks, threshold);
            assert_int_equal(peaks.count[j], n);
            assert_memory_equal(peaks_of(&peaks, j), expected, (size_t)n * sizeof(*expected));
        }
        for (int k = 0; k < s->n_limbs; k++) {
            struct link expected[PEAKS_MAX];
            const int a = s->limbs[k][0], b = s->limbs[k][1];
            float *px = plain_upsample(m->paf + 2 * k, m->h, m->w, m->paf_pitch, fy, fx);
            float *py = plain_upsample(m->paf + 2 * k + 1, m->h, m->w, m->paf_pitch, fy, fx);
            const int n = plain_links(expected, px, py, m->w * fx, peaks_of(&peaks, a),
                                      peaks.count[a], peaks_of(&peaks, b), peaks.count[b], 0.05f);
            assert_int_equal(links.count[k], n);
            assert_memory_equal(links_of(&links, k), expected, (size_t)n * sizeof(*expected));
            free(px);
            free(py);
        }
        peaks_free(&peaks);
        links_free(&links);
        field_free(&field);
    }
}

static struct skeleton pair_skeleton(void)
{
    struct skeleton s = {.n_joints = 2, .n_limbs = 1, .limbs = {{0, 1}}, .mirror = {0, 1}};
    snprintf(s.joints[0], sizeof(s.joints[0]), "a");
    snprintf(s.joints[1], sizeof(s.joints[1]), "b");
    return s;
}

static void test_equals_plain_on_people(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    struct people people = {.n_joints = 18};
    synthetic_person(people_add(&people), 60, 8, 130);
    synthetic_person(people_add(&people), 80, 20, 110);
    synthetic_person(people_add(&people), 130, 30, 140); /* feet outside */
    struct synthetic m = synthetic_render(&s, 18, 20, &people);
    struct rng rng = rng_stream(9, 0, 0);
    for (int i = 0; i < 18 * 20 * 19; i++) /* as a network's output: a little off everywhere */
        m.heat[i] += (float)rng_range(&rng, -0.02, 0.02);
    assert_equals_plain(&m.maps, &s, 8, 8, 0.1f);
    synthetic_free(&m);
    people_free(&people);
}

/* What a joint's map looks like: value(y, x, rng). */
static const struct pattern {
    const char *name;
    double (*value)(int y, int x, struct rng *rng);
} * pattern;

static double uniform(int y, int x, struct rng *rng)
{
    (void)y, (void)x;
    return rng_uniform(rng);
}
static double low_noise(int y, int x, struct rng *rng)
{
    (void)y, (void)x;
    return rng_range(rng, 0.05, 0.12);
}
static double both_signs(int y, int x, struct rng *rng)
{
    (void)y, (void)x;
    return rng_range(rng, -1, 1);
}
static double sparse(int y, int x, struct rng *rng)
{
    (void)y, (void)x;
    return rng_uniform(rng) < 0.03 ? rng_uniform(rng) : 0;
}
static double constant(int y, int x, struct rng *rng)
{
    (void)y, (void)x, (void)rng;
    return 0.75;
}
static double slope(int y, int x, struct rng *rng)
{
    (void)rng;
    return 0.03 * x + 0.02 * y;
}
static double ridge(int y, int x, struct rng *rng)
{
    (void)rng;
    return exp(-0.4 * fabs(x - 0.7 * y - 2));
}
static double checks(int y, int x, struct rng *rng)
{
    (void)rng;
    return (x + y) & 1;
}
static double steps(int y, int x, struct rng *rng)
{
    (void)rng;
    return (x / 4 + y / 3) % 3 * 0.5;
}
static double hills(int y, int x, struct rng *rng)
{
    (void)rng;
    return 0.5 + 0.5 * sin(0.9 * x) * cos(0.8 * y + 0.2);
}

/*
 * Every row rises all the way, but where the outer two of four rise steeply, the cubic between the
 * inner two falls: there is a peak that no row shows.
 */
static double rising_rows(int y, int x, struct rng *rng)
{
    (void)rng;
    const bool inner = y % 4 == 1 || y % 4 == 2;
    return 0.01 * x + (inner ? 1 : x > 5 ? 0.5 * (x - 5) : 0);
}

static const struct pattern patterns[] = {
    {"rising rows", rising_rows},
    {"uniform", uniform},
    {"low noise", low_noise},
    {"both signs", both_signs},
    {"sparse", sparse},
    {"constant", constant},
    {"slope", slope},
    {"ridge", ridge},
    {"checks", checks},
    {"steps", steps},
    {"hills", hills},
};

static struct synthetic patterned(const struct skeleton *s, int h, int w, struct rng *rng)
{
    struct synthetic m = synthetic_new(s, h, w);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                m.heat[(y * w + x) * 3 + c] =
                    (float)(c == 1 ? pattern->value(h - 1 - y, x, rng) : pattern->value(y, x, rng));
    for (int i = 0; i < h * w * 2; i++)
        m.paf[i] = (float)rng_range(rng, -0.2, 1);
    return m;
}

static void test_equals_plain_on_patterns(void **state)
{
    (void)state;
    static const int shapes[][4] = {/* h, w, fy, fx */
                                    {9, 13, 8, 8}, {7, 5, 4, 8},  {6, 9, 5, 5},
                                    {8, 8, 3, 2},  {11, 7, 1, 1}, {1, 6, 8, 8},
                                    {5, 1, 2, 8},  {1, 1, 1, 1},  {2, 2, 16, 9}};
    const struct skeleton s = pair_skeleton();
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
            struct rng rng = rng_stream(11, i, k);
            pattern = &patterns[i];
            struct synthetic m = patterned(&s, shapes[k][0], shapes[k][1], &rng);
            assert_equals_plain(&m.maps, &s, shapes[k][2], shapes[k][3], 0.1f);
            assert_equals_plain(&m.maps, &s, shapes[k][2], shapes[k][3], -0.1f);
            synthetic_free(&m);
        }
}

static void test_equals_plain_on_wild_values(void **state)
{
    (void)state;
    static const float values[] = {0, 1, -1, NAN, INFINITY, -INFINITY, 1e30f, 0.5f, 0.2f, 0.3f};
    const struct skeleton s = pair_skeleton();
    for (uint64_t round = 0; round < 10; round++) {
        struct rng rng = rng_stream(13, round, 0);
        struct synthetic m = synthetic_new(&s, 12, 11);
        for (int i = 0; i < 12 * 11 * 3; i++)
            m.heat[i] = values[rng_uniform(&rng) < 0.04 ? rng_integer(&rng, 0, 9) : 7];
        assert_equals_plain(&m.maps, &s, 8, 8, 0.1f);
        synthetic_free(&m);
    }
}

/* Method A keeps what the map exceeds, method B what the smoothed map exceeds. */
static void test_methods_differ_as_specified(void **state)
{
    (void)state;
    const struct skeleton s = pair_skeleton();
    struct synthetic m = synthetic_new(&s, 9, 9);
    m.heat[(4 * 9 + 4) * 3] = 0.5f;
    struct peaks peaks = {0};
    struct field field = {0};
    for (int method = PEAKS_FRAMEWORK; method <= PEAKS_ENGINE; method++) {
        field_free(&field);
        field = field_of(&m.maps, 1, 1, method);
        assert_int_equal(peaks_find(&peaks, &field, 1, (enum peak_method)method, 0.1f, NULL),
                         BPNET_OK);
        /* Smoothed: 0.5 * 0.388^2 = 0.075 and 0.5 * 0.2225^2 = 0.025. */
        assert_int_equal(peaks.count[0], method == PEAKS_FRAMEWORK ? 1 : 0);
    }
    assert_int_equal(peaks_find(&peaks, &field, 1, PEAKS_ENGINE, 0.024f, NULL), BPNET_OK);
    assert_int_equal(peaks.count[0], 1);
    assert_true(peaks_of(&peaks, 0)->x == 4 && peaks_of(&peaks, 0)->score == 0.5f);
    peaks_free(&peaks);
    field_free(&field);
    synthetic_free(&m);
}

static void test_the_highest_peaks_are_kept(void **state)
{
    (void)state;
    const struct skeleton s = pair_skeleton();
    struct synthetic m = synthetic_new(&s, 64, 64); /* 256 isolated peaks of rising height */
    for (int i = 0; i < 256; i++)
        m.heat[((i / 16 * 4 + 2) * 64 + i % 16 * 4 + 2) * 3] = 0.2f + 0.001f * (float)i;
    struct field field = {.n = 1, .maps = {m.maps}};
    struct peaks peaks = {0};
    assert_int_equal(peaks_find(&peaks, &field, 1, PEAKS_SUBPIXEL, 0.1f, NULL), BPNET_OK);
    assert_int_equal(peaks.count[0], PEAKS_MAX);
    for (int i = 0; i < PEAKS_MAX; i++) {
        const struct peak *p = &peaks_of(&peaks, 0)[i];
        assert_true(fabsf(p->score - (0.2f + 0.001f * (float)(i + 128))) < 1e-5f);
        assert_true(p->x == (float)(i % 16 * 4 + 2) && p->y == (float)((i + 128) / 16 * 4 + 2));
    }
    peaks_free(&peaks);
    synthetic_free(&m);
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    struct workers *workers;
    assert_int_equal(workers_open(&workers, 3), BPNET_OK);
    struct synthetic m = synthetic_new(&s, 20, 20);
    struct rng rng = rng_stream(17, 0, 0);
    for (int i = 0; i < 20 * 20 * 19; i++)
        m.heat[i] = (float)rng_uniform(&rng);
    for (int i = 0; i < 20 * 20 * 38; i++)
        m.paf[i] = (float)rng_range(&rng, -0.1, 1);
    struct predict_options o;
    predict_options_default(&o);
    for (int method = PEAKS_SUBPIXEL; method <= PEAKS_ENGINE; method++) {
        struct field field = field_of(&m.maps, 8, 8, method);
        struct peaks one = {0}, three = {0};
        struct links links = {0}, more = {0};
        o.peaks = (enum peak_method)method;
        assert_int_equal(peaks_find(&one, &field, 18, o.peaks, 0.1f, NULL), BPNET_OK);
        assert_int_equal(peaks_find(&three, &field, 18, o.peaks, 0.1f, workers), BPNET_OK);
        assert_int_equal(links_find(&links, &field, &one, &s, &o, NULL), BPNET_OK);
        assert_int_equal(links_find(&more, &field, &three, &s, &o, workers), BPNET_OK);
        assert_memory_equal(one.count, three.count, 18 * sizeof(int));
        assert_memory_equal(links.count, more.count, 19 * sizeof(int));
        for (int j = 0; j < 18; j++)
            assert_memory_equal(peaks_of(&one, j), peaks_of(&three, j),
                                (size_t)one.count[j] * sizeof(struct peak));
        for (int k = 0; k < 19; k++)
            assert_memory_equal(links_of(&links, k), links_of(&more, k),
                                (size_t)links.count[k] * sizeof(struct link));
        peaks_free(&one);
        peaks_free(&three);
        links_free(&links);
        links_free(&more);
        field_free(&field);
    }
    synthetic_free(&m);
    workers_close(workers);
}

/* ---- several scales ------------------------------------------------------------------------ */

/* Cubic resize of a plane's part (content_h, content_w) of rows `pitch` apart. */
static double *plain_resize(const float *v, int pitch, int h, int w, int out_h, int out_w)
{
    double *out = calloc((size_t)(out_h * out_w), sizeof(double));
    for (int y = 0; y < out_h; y++)
        for (int x = 0; x < out_w; x++) {
            const double sy = (y + 0.5) * h / out_h - 0.5, sx = (x + 0.5) * w / out_w - 0.5;
            float wy[4], wx[4];
            cubic_weights((float)(sy - floor(sy)), wy);
            cubic_weights((float)(sx - floor(sx)), wx);
            for (int j = 0; j < 4; j++)
                for (int i = 0; i < 4; i++) {
                    int r = (int)floor(sy) - 1 + j, c = (int)floor(sx) - 1 + i;
                    r = r < 0 ? 0 : r >= h ? h - 1 : r;
                    c = c < 0 ? 0 : c >= w ? w - 1 : c;
                    out[y * out_w + x] += (double)wy[j] * (double)wx[i] * (double)v[r * pitch + c];
                }
        }
    return out;
}

static void check_scales(enum peak_method method)
{
    static const int cells[3][2] = {{5, 7}, {9, 13}, {12, 18}}; /* h, w */
    static const int content[3][2] = {{37, 50}, {66, 99}, {95, 143}};
    const struct skeleton s = pair_skeleton();
    const int h = content[2][0], w = content[2][1];
    struct rng rng = rng_stream(19, 0, 0);
    struct synthetic m[3];
    struct field field = {.n = 3};
    float *mean = calloc((size_t)(h * w), sizeof(float));
    for (int i = 0; i < 3; i++) {
        m[i] = synthetic_new(&s, cells[i][0], cells[i][1]);
        for (int c = 0; c < cells[i][0] * cells[i][1]; c++)
            m[i].heat[3 * c] = (float)rng_uniform(&rng);
        field.maps[i] = m[i].maps;
        assert_int_equal(grid_axis_rescale(&field.x[i], cells[i][1], 8, content[i][1], w, method),
                         BPNET_OK);
        assert_int_equal(grid_axis_rescale(&field.y[i], cells[i][0], 8, content[i][0], h, method),
                         BPNET_OK);
        float *up = plain_upsample(m[i].heat, cells[i][0], cells[i][1], 3, 8, 8);
        double *out = plain_resize(up, cells[i][1] * 8, content[i][0], content[i][1], h, w);
        for (int k = 0; k < h * w; k++)
            mean[k] += (float)(out[k] / 3);
        free(up);
        free(out);
    }
    struct peaks peaks = {0};
    struct peak expected[PEAKS_MAX];
    assert_int_equal(peaks_find(&peaks, &field, 1, method, 0.1f, NULL), BPNET_OK);
    const int n = plain_search(expected, mean, h, w, method, 0.1f);
    assert_true(n > 10);
    assert_int_equal(peaks.count[0], n);
    for (int i = 0; i < n; i++) {
        const struct peak *p = &peaks_of(&peaks, 0)[i];
        assert_true(p->x == expected[i].x && p->y == expected[i].y);
        assert_true(fabsf(p->score - expected[i].score) < 1e-5f);
    }
    peaks_free(&peaks);
    free(mean);
    for (int i = 0; i < 3; i++)
        synthetic_free(&m[i]);
    field_free(&field);
}

static void test_scales_equal_two_resizes_and_a_mean(void **state)
{
    (void)state;
    check_scales(PEAKS_FRAMEWORK);
    check_scales(PEAKS_ENGINE);
}

static void test_grid_limits(void **state)
{
    (void)state;
    struct grid_axis axis = {0};
    assert_int_equal(grid_axis_upsample(&axis, 10, 33, PEAKS_ENGINE), BPNET_ELIMIT);
    assert_non_null(strstr(error_message(), "10 cells by 33"));
    assert_int_equal(grid_axis_upsample(&axis, 60000, 8, PEAKS_ENGINE), BPNET_ELIMIT);
    assert_int_equal(grid_axis_upsample(&axis, 0, 8, PEAKS_ENGINE), BPNET_ELIMIT);
    assert_int_equal(grid_axis_rescale(&axis, 10, 8, 81, 100, PEAKS_ENGINE), BPNET_ELIMIT);
    assert_int_equal(grid_axis_upsample(&axis, 10, 8, PEAKS_ENGINE), BPNET_OK);
    assert_float_equal(axis.undershoot, 0.18457, 1e-5); /* 0.75 * 0.4375 * 0.5625 */
    grid_axis_free(&axis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_plain_on_people),
        cmocka_unit_test(test_equals_plain_on_patterns),
        cmocka_unit_test(test_equals_plain_on_wild_values),
        cmocka_unit_test(test_methods_differ_as_specified),
        cmocka_unit_test(test_the_highest_peaks_are_kept),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_scales_equal_two_resizes_and_a_mean),
        cmocka_unit_test(test_grid_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
