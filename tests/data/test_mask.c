/* Masks against pycocotools' (fixture/data/masks.txt), boxes, and damaged run lengths. */
#include "base/error.h"
#include "base/rng.h"
#include "data/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Pixels of `m` down the columns, compared with alternating runs. */
static void compare_runs(const struct bitmap *m, FILE *f, int number)
{
    size_t n, run, at = 0;
    assert_int_equal(fscanf(f, " runs %zu", &n), 1);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(fscanf(f, "%zu", &run), 1);
        for (size_t k = 0; k < run; k++, at++) {
            const size_t x = at / (size_t)m->h, y = at % (size_t)m->h;
            if (m->bits[y * (size_t)m->w + x] != i % 2)
                fail_msg("case %d: pixel %zu,%zu should be %zu", number, x, y, i % 2);
        }
    }
    assert_int_equal(at, m->w * m->h);
}

static void read_polygons(FILE *f, struct region *r, uint32_t *points, double *xy)
{
    size_t at = 0;
    assert_int_equal(fscanf(f, "%u", &r->n_polygons), 1);
    for (uint32_t k = 0; k < r->n_polygons; k++) {
        assert_int_equal(fscanf(f, "%u", &points[k]), 1);
        for (uint32_t i = 0; i < points[k]; i++)
            assert_int_equal(fscanf(f, "%lf", &xy[at++]), 1);
        points[k] /= 2;
    }
    r->kind = REGION_POLYGONS;
    r->points = points;
    r->xy = xy;
}

static void matches_pycocotools(void **state)
{
    (void)state;
    FILE *f = fopen(FIXTURES "/data/masks.txt", "r");
    assert_non_null(f);
    char kind[16], text[8192];
    int w, h, number = 0;
    for (; fscanf(f, "%15s %d %d", kind, &w, &h) == 3; number++) {
        struct region r = {.w = w, .h = h};
        struct bitmap m;
        uint32_t points[8], *runs = NULL;
        double xy[256];
        assert_int_equal(bitmap_alloc(&m, w, h), BPNET_OK);
        if (strcmp(kind, "polygons") == 0) {
            read_polygons(f, &r, points, xy);
        } else {
            assert_int_equal(fscanf(f, "%8191s", text), 1);
            assert_int_equal(runs_from_text(&runs, &r.n_runs, text, 8192), BPNET_OK);
            r.kind = REGION_RUNS;
            r.runs = runs;
        }
        assert_int_equal(bitmap_add_region(&m, &r), BPNET_OK);
        compare_runs(&m, f, number);
        /* The scratch is clean again: adding changes nothing, and so does clearing and adding. */
        for (int i = 0; i <= w * h; i++)
            assert_int_equal(m.toggles[i], 0);
        bitmap_free(&m);
        free(runs);
    }
    fclose(f);
    assert_int_equal(number, 88);
}

static void box_covers_pixel_centres(void **state)
{
    (void)state;
    struct bitmap m;
    assert_int_equal(bitmap_alloc(&m, 6, 4), BPNET_OK);
    bitmap_add_box(&m, (const double[]){1.5, 0.6, 2, 2}, 0); /* x 1.5 .. 3.5, y 0.6 .. 2.6 */
    static const uint8_t expected[4][6] = {
        {0, 0, 0, 0, 0, 0}, {0, 1, 1, 0, 0, 0}, {0, 1, 1, 0, 0, 0}, {0, 0, 0, 0, 0, 0}};
    assert_memory_equal(m.bits, expected, sizeof(expected));
    bitmap_clear(&m);
    bitmap_add_box(&m, (const double[]){2, 1, 2, 2}, 0.5); /* x 1 .. 5, y 0 .. 4 */
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 6; x++)
            assert_int_equal(m.bits[6 * y + x], x >= 1 && x < 5);
    bitmap_clear(&m);
    bitmap_add_box(&m, (const double[]){-1e300, -1e300, 1e308, 1e308}, 1e300); /* all of it */
    assert_int_equal(m.bits[0] + m.bits[23], 2);
    bitmap_free(&m);
}

static void runs_must_fit(void **state)
{
    (void)state;
    struct bitmap m;
    assert_int_equal(bitmap_alloc(&m, 4, 3), BPNET_OK);
    struct region r = {.kind = REGION_RUNS, .w = 4, .h = 3, .n_runs = 3};
    r.runs = (const uint32_t[]){5, 4, 4};
    assert_int_equal(bitmap_add_region(&m, &r), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), "more than 4 x 3 pixels"));
    r.runs = (const uint32_t[]){5, 4, 2};
    assert_int_equal(bitmap_add_region(&m, &r), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), "11 pixels, expected 4 x 3"));
    r.runs = (const uint32_t[]){0, UINT32_MAX, 4};
    assert_int_equal(bitmap_add_region(&m, &r), BPNET_EFORMAT);
    r.w = 3, r.h = 4;
    assert_int_equal(bitmap_add_region(&m, &r), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), "3 x 4 pixels, expected 4 x 3"));
    bitmap_free(&m);
    assert_int_equal(bitmap_alloc(&m, 40000, 3), BPNET_ELIMIT);
}

static void outline_has_a_limit(void **state)
{
    (void)state;
    struct bitmap m;
    assert_int_equal(bitmap_alloc(&m, 8, 8), BPNET_OK);
    enum { CORNERS = 1000 };
    double xy[2 * CORNERS];
    for (int i = 0; i < 2 * CORNERS; i++)
        xy[i] = i % 4 < 2 ? -REGION_MAX_COORDINATE : REGION_MAX_COORDINATE;
    const struct region r = {
        .kind = REGION_POLYGONS, .n_polygons = 1, .points = (const uint32_t[]){CORNERS}, .xy = xy};
    assert_int_equal(bitmap_add_region(&m, &r), BPNET_ELIMIT);
    for (int i = 0; i <= 64; i++)
        assert_int_equal(m.toggles[i], 0);
    bitmap_free(&m);
}

static void damaged_texts_are_refused(void **state)
{
    (void)state;
    uint32_t *runs;
    size_t n;
    const struct {
        const char *text;
        int code;
        const char *message;
    } cases[] = {
        {"0 1", BPNET_EFORMAT, "character code 32"},
        {"0~", BPNET_EFORMAT, "character code 126"},
        {"0P", BPNET_EFORMAT, "break off"},
        {"PPPPPPPP0", BPNET_EFORMAT, "more than 35 bits"},
        {"O", BPNET_EFORMAT, "run length of -1"},
        {"01234", BPNET_ELIMIT, "more than 4 run lengths"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(runs_from_text(&runs, &n, cases[i].text, 4), cases[i].code);
        assert_non_null(strstr(error_message(), cases[i].message));
        assert_null(runs);
    }
    assert_int_equal(runs_from_text(&runs, &n, "", 4), BPNET_OK);
    assert_int_equal(n, 0);
    free(runs);
    struct rng rng = rng_stream(1, 2, 3);
    for (int i = 0; i < 20000; i++) { /* whatever comes: an answer or an error */
        char text[12] = {0};
        for (int k = 0; k < 11; k++)
            text[k] = (char)rng_integer(&rng, 40, 120);
        if (runs_from_text(&runs, &n, text, 8) == BPNET_OK)
            free(runs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_pycocotools),
        cmocka_unit_test(box_covers_pixel_centres),
        cmocka_unit_test(runs_must_fit),
        cmocka_unit_test(outline_has_a_limit),
        cmocka_unit_test(damaged_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
