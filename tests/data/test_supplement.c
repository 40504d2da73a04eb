/* Machine-made labels beside human ones: who is who, what is used, what is refused. */
#include "data/supplement.h"

#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"
#include "data/loss_mask.h"
#include "io/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = P_tmpdir "/bpnet-supplement-XXXXXX";

/*
 * Three keypoints. Picture 1: one of two people labelled, noses not at all; picture 2: everyone,
 * everything; picture 3: an unknown number, everything.
 */
static const char humans[] =
    "{\"images\": ["
    "{\"id\": 1, \"file_name\": \"a.jpg\", \"width\": 100, \"height\": 100, \"source\": \"sport\","
    " \"labelled_keypoints\": [0, 1, 1], \"all_people_labelled\": \"no\"},"
    "{\"id\": 2, \"file_name\": \"b.jpg\", \"width\": 100, \"height\": 100},"
    "{\"id\": 3, \"file_name\": \"c.jpg\", \"width\": 100, \"height\": 100,"
    " \"all_people_labelled\": \"unknown\"}],"
    "\"categories\": [{\"id\": 1, \"name\": \"person\", \"keypoints\": [\"nose\", \"hand\", "
    "\"foot\"]}],"
    "\"annotations\": ["
    "{\"id\": 11, \"image_id\": 1, \"category_id\": 1, \"bbox\": [10, 10, 20, 40],"
    " \"keypoints\": [0, 0, 0, 12, 20, 2, 0, 0, 0]},"
    "{\"id\": 21, \"image_id\": 2, \"category_id\": 1, \"bbox\": [10, 10, 20, 40],"
    " \"keypoints\": [15, 12, 2, 12, 20, 2, 15, 48, 1]},"
    "{\"id\": 31, \"image_id\": 3, \"category_id\": 1, \"bbox\": [10, 10, 20, 40],"
    " \"keypoints\": [15, 12, 2, 12, 20, 2, 0, 0, 0]}]}";

static struct coco *load_humans(void)
{
    struct coco *c;
    assert_int_equal(file_write(file, humans, strlen(humans)), 0);
    if (coco_load(&c, file, NULL) < 0)
        fail_msg("%s", error_message());
    return c;
}

static int supplement(struct coco *c, const char *annotations, struct supplement_counts *counts)
{
    const struct supplement_options options = {.min_score = 0.3, .min_keypoints = 2};
    struct str text = {0};
    str_printf(&text, "{\"info\": {\"x\": 1}, \"annotations\": [%s]}", annotations);
    assert_int_equal(file_write(file, str_text(&text), text.length), 0);
    str_free(&text);
    return coco_supplement(c, file, &options, counts);
}

static struct supplement_counts add(struct coco *c, const char *annotations)
{
    struct supplement_counts counts;
    if (supplement(c, annotations, &counts) < 0)
        fail_msg("%s", error_message());
    return counts;
}

/* A sighting in a picture, at x of the box, with more members. */
static const char *seen(int image, int x, const char *more)
{
    static char text[4][512];
    static int next;
    char *out = text[next = (next + 1) % 4];
    snprintf(out, sizeof text[0],
             "{\"image_id\": %d, \"bbox\": [%d, 10, 20, 40], \"keypoints\": [%d, 11, 2, %d, 21, 2, "
             "%d, 47, 2]%s}",
             image, x, x + 5, x + 2, x + 5, more);
    return out;
}

static void points_of_a_labelled_person(void **state)
{
    (void)state;
    struct coco *c = load_humans();
    assert_string_equal(c->images[0].source, "sport");
    assert_string_equal(c->images[1].source, "");
    const struct supplement_counts counts = add(c, seen(1, 12, ", \"same_person_as_label\": true"));
    assert_int_equal(counts.points, 1);
    assert_int_equal(counts.people + counts.ignored + counts.unused, 0);
    const struct coco_annotation *a = coco_annotation_of(c, &c->images[0], 0);
    const double expected[9] = {17, 11, 2, 12, 20, 2, 0, 0, 0}; /* the foot was to be labelled */
    assert_memory_equal(a->keypoints, expected, sizeof expected);
    assert_int_equal(a->num_keypoints, 1); /* the human's */
    assert_memory_equal(c->images[0].labelled, ((const uint8_t[]){1, 1, 1}), 3);
    assert_int_equal(c->n_annotations, 3);
    coco_free(c);
}

static void weak_points_are_none(void **state)
{
    (void)state;
    struct coco *c = load_humans();
    const struct supplement_counts counts =
        add(c, seen(1, 12, ", \"keypoint_scores\": [0.29, 0.9, 0.9]"));
    assert_int_equal(counts.points, 0);
    assert_int_equal(counts.unused, 1);
    assert_memory_equal(c->images[0].labelled, ((const uint8_t[]){0, 1, 1}), 3);
    coco_free(c);
}

/* Everyone labelled must have the point before its channel can be trusted. */
static void one_of_two_has_the_point(void **state)
{
    (void)state;
    struct str both = {0};
    str_printf(&both, "%s,%s", seen(1, 12, ""), seen(1, 70, ""));
    struct coco *c = load_humans();
    const struct supplement_counts counts = add(c, str_text(&both));
    assert_int_equal(counts.points, 1);
    assert_int_equal(counts.people, 1); /* the other is nobody's label and does not count */
    assert_int_equal(c->images[0].labelled[0], 1);
    coco_free(c);
    str_free(&both);
}

static void bystanders(void **state)
{
    (void)state;
    struct coco *c = load_humans();
    struct str all = {0};
    str_printf(&all, "%s,", seen(1, 70, "")); /* no overlap: someone else */
    str_printf(&all, "%s,", seen(3, 12, ", \"same_person_as_label\": false"));
    str_printf(&all, "%s,", seen(2, 70, "")); /* everyone is labelled there: a ghost */
    str_printf(&all, "%s", seen(3, 70, ", \"keypoint_scores\": [0.1, 0.9, 0.1]"));
    const struct supplement_counts counts = add(c, str_text(&all));
    assert_int_equal(counts.people, 2);
    assert_int_equal(counts.ignored, 1);
    assert_int_equal(counts.unused, 1);
    assert_int_equal(c->images[0].n, 2);
    assert_int_equal(c->images[1].n, 1);
    assert_int_equal(c->images[2].n, 3);
    const struct coco_annotation *a = coco_annotation_of(c, &c->images[0], 1);
    assert_true(a->machine && annotation_is_labelled(a));
    assert_true(a->bbox[0] == 70 && a->keypoints[0] == 75 && a->num_keypoints == 3);
    a = coco_annotation_of(c, &c->images[2], 2);
    assert_true(a->machine && a->ignore && !annotation_is_labelled(a));
    assert_true(loss_mask_needed(c, &c->images[2]));
    str_free(&all);
    coco_free(c);
}

static void people_by_number(void **state)
{
    (void)state;
    struct coco *c = load_humans();
    struct supplement_counts counts =
        add(c, seen(1, 70, ", \"same_person_as_label\": true, \"label_id\": 11"));
    assert_int_equal(counts.points, 1); /* wherever it stands */
    coco_free(c);
    c = load_humans();
    counts = add(c, seen(1, 12, ", \"label_id\": 21")); /* of another picture */
    assert_int_equal(counts.unused, 1);
    assert_int_equal(c->n_annotations, 3);
    counts = add(c, seen(77, 12, ""));
    assert_int_equal(counts.unused, 1);
    coco_free(c);
}

static void refuse(const char *annotations, const char *message)
{
    struct supplement_counts counts;
    struct coco *c = load_humans();
    assert_int_equal(supplement(c, annotations, &counts), BPNET_EFORMAT);
    if (!strstr(error_message(), message))
        fail_msg("'%s' is not in '%s'", message, error_message());
    coco_free(c);
}

static void nonsense(void **state)
{
    (void)state;
    refuse("1", "annotations[0]");
    refuse("{\"image_id\": 1}", "annotations[0]: ");
    refuse(seen(1, 12, ", \"same_person_as_label\": 1"),
           "'same_person_as_label': found an integer, expected true or false");
    refuse(seen(1, 12, ", \"keypoint_scores\": [1, 1]"), "keypoint_scores");
    refuse(seen(1, 12, ", \"label_id\": \"x\""), "label_id");
    struct supplement_counts counts;
    const struct supplement_options options = {0};
    struct coco *c = load_humans();
    assert_int_equal(file_write(file, "{}", 2), 0);
    assert_int_equal(coco_supplement(c, file, &options, &counts), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), "there is no 'annotations'"));
    assert_int_equal(coco_supplement(c, "/nowhere.json", &options, &counts), BPNET_ENOENT);
    coco_free(c);
}

/* Damaged files: an answer or an error, never a crash. */
static void random_damage(void **state)
{
    (void)state;
    struct rng rng = rng_stream(4, 4, 4);
    struct str good = {0};
    str_printf(&good, "%s,%s", seen(1, 12, ", \"keypoint_scores\": [0.5, 1, 0]"),
               seen(3, 70, ", \"same_person_as_label\": false"));
    for (int i = 0; i < 500; i++) {
        struct supplement_counts counts;
        struct coco *c = load_humans();
        const size_t at = (size_t)rng_integer(&rng, 0, (int64_t)good.length - 1);
        const char kept = good.text[at];
        good.text[at] = "0123456789,.-[]{}\"x"[rng_integer(&rng, 0, 18)];
        (void)supplement(c, good.text, &counts);
        good.text[at] = kept;
        coco_free(c);
    }
    str_free(&good);
}

static int make_file(void **state)
{
    (void)state;
    const int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_of_a_labelled_person),
        cmocka_unit_test(weak_points_are_none),
        cmocka_unit_test(one_of_two_has_the_point),
        cmocka_unit_test(bystanders),
        cmocka_unit_test(people_by_number),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(random_damage),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
