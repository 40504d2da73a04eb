/* Drawing: the right colours in the right places, nothing elsewhere, and no harm from wild joints.
 */
#include "base/error.h"
#include "pose/draw.h"
#include "pose/synthetic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct image grey_image(int w, int h)
{
    struct image image = {.w = w, .h = h, .channels = 3};
    image.pixels = malloc((size_t)w * (size_t)h * 3);
    assert_non_null(image.pixels);
    memset(image.pixels, 100, (size_t)w * (size_t)h * 3);
    return image;
}

static const uint8_t *pixel(const struct image *image, float x, float y)
{
    return image->pixels + ((size_t)lrintf(y) * (size_t)image->w + (size_t)lrintf(x)) * 3;
}

static bool touched(const uint8_t *p)
{
    return p[0] != 100 || p[1] != 100 || p[2] != 100;
}

static void test_limbs_in_their_colours(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    for (int size = 1; size <= 4; size *= 2) {
        struct image image = grey_image(300 * size, 320 * size);
        struct people people = {.n_joints = 18};
        struct joint_position *person = people_add(&people);
        synthetic_person(person, 150 * (float)size, 30 * (float)size, 260 * (float)size);
        person[4].found = false; /* the right wrist: limb 8 is not drawn */
        assert_int_equal(draw_people(&image, &people, &s), BPNET_OK);
        static const int long_limbs[] = {0, 1, 2, 3, 4, 5, 7, 11, 12};
        for (size_t i = 0; i < sizeof(long_limbs) / sizeof(long_limbs[0]); i++) {
            const int k = long_limbs[i];
            const struct joint_position *a = &person[s.limbs[k][0]], *b = &person[s.limbs[k][1]];
            const uint8_t *p = pixel(&image, (a->x + b->x) / 2, (a->y + b->y) / 2);
            uint8_t colour[3];
            draw_limb_colour(&s, k, colour);
            for (int c = 0; c < 3; c++)
                assert_true(abs(p[c] - colour[c]) < 60);
        }
        assert_false(touched(
            pixel(&image, (person[3].x + person[4].x) / 2, (person[3].y + person[4].y) / 2)));
        assert_false(touched(pixel(&image, 10, 10)));
        int drawn = 0;
        for (int i = 0; i < image.w * image.h; i++)
            drawn += touched(image.pixels + 3 * i);
        assert_in_range(drawn, image.w * image.h / 100, image.w * image.h / 8);
        free(image.pixels);
        people_free(&people);
    }
}

static void test_colours_tell_limbs_and_sides_apart(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    for (int a = 0; a < s.n_limbs; a++) {
        uint8_t p[3], q[3];
        draw_limb_colour(&s, a, p);
        for (int b = 0; b < a; b++) {
            draw_limb_colour(&s, b, q);
            assert_true(abs(p[0] - q[0]) + abs(p[1] - q[1]) + abs(p[2] - q[2]) >= 20);
        }
        bool reversed;
        const int mirror = skeleton_mirror_limb(&s, a, &reversed);
        draw_limb_colour(&s, mirror, q);
        if (mirror != a) /* one warm, one cold */
            assert_true((p[2] < 100) != (q[2] < 100));
    }
}

static void test_wild_joints_do_no_harm(void **state)
{
    (void)state;
    static const float values[] = {0, -1, 1e9f, -1e9f, 3e38f, -3e38f, INFINITY, -INFINITY, NAN, 5};
    struct skeleton s;
    skeleton_default(&s);
    struct rng rng = rng_stream(5, 0, 0);
    for (int round = 0; round < 100; round++) {
        struct image image = grey_image(1 + round % 7, 1 + round % 5);
        struct people people = {.n_joints = 18};
        struct joint_position *person = people_add(&people);
        for (int j = 0; j < 18; j++)
            person[j] = (struct joint_position){values[rng_integer(&rng, 0, 9)],
                                                values[rng_integer(&rng, 0, 9)], 1, true};
        assert_int_equal(draw_people(&image, &people, &s), BPNET_OK);
        free(image.pixels);
        people_free(&people);
    }
}

static void test_misuse(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    uint8_t grey[4] = {0};
    struct image image = {.pixels = grey, .w = 2, .h = 2, .channels = 1};
    struct people people = {.n_joints = 17};
    assert_int_equal(draw_people(&image, &people, &s), BPNET_EUSAGE);
    image = grey_image(2, 2);
    assert_int_equal(draw_people(&image, &people, &s), BPNET_OK); /* nobody to draw */
    assert_non_null(people_add(&people));
    assert_int_equal(draw_people(&image, &people, &s), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "17 joints with a skeleton of 18"));
    free(image.pixels);
    people_free(&people);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limbs_in_their_colours),
        cmocka_unit_test(test_colours_tell_limbs_and_sides_apart),
        cmocka_unit_test(test_wild_joints_do_no_harm),
        cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
