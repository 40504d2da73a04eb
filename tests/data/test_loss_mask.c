/* Which pixels are left out of the loss, drawn as maps of characters. */
#include "base/error.h"
#include "base/str.h"
#include "data/loss_mask.h"
#include "io/file.h"
#include "stickfigure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *folder;

/* A picture of 10 x 6 pixels with these annotations (' for "); its mask, '#' left out, '.' used. */
static void expect_mask(const char *coverage, const char *annotations, const char *map)
{
    struct str s = {0};
    str_printf(&s,
               "{'images': [{'id': 1, 'file_name': 'a.jpg', 'width': 10, 'height': 6%s}], "
               "'annotations': [%s], 'categories': [{'id': 1, 'name': 'person', "
               "'keypoints': ['a', 'b']}]}",
               coverage, annotations);
    for (char *p = s.text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    char *path = path_join(folder, "x.json");
    assert_int_equal(file_write(path, s.text, s.length), BPNET_OK);
    struct coco *c;
    if (coco_load(&c, path, &(struct coco_options){.segmentations = true}) < 0)
        fail_msg("%s", error_message());
    struct image mask;
    assert_int_equal(loss_mask_make(&mask, c, &c->images[0]), BPNET_OK);
    assert_int_equal(mask.w * mask.h * mask.channels, 60);
    char found[61] = {0};
    for (int i = 0; i < 60; i++) {
        assert_true(mask.pixels[i] == 0 || mask.pixels[i] == 255);
        found[i] = mask.pixels[i] ? '.' : '#';
    }
    assert_string_equal(found, map);
    /* What needs no mask has an empty one. */
    if (!loss_mask_needed(c, &c->images[0]))
        assert_null(strchr(found, '#'));
    image_free(&mask);
    coco_free(c);
    free(path);
    str_free(&s);
}

#define LABELLED   "'keypoints': [1, 1, 2, 2, 2, 2]"
#define UNLABELLED "'keypoints': [0, 0, 0, 0, 0, 0]"
#define NO         ", 'all_people_labelled': 'no (one)'"
#define UNKNOWN    ", 'all_people_labelled': 'unknown'"

static void boxes(void **state)
{
    (void)state;
    expect_mask("", "",
                ".........."
                ".........."
                ".........."
                ".........."
                ".........."
                "..........");
    expect_mask("", "{'id': 1, 'image_id': 1, 'bbox': [1, 1, 3, 2], " UNLABELLED "}",
                ".........."
                ".###......"
                ".###......"
                ".........."
                ".........."
                "..........");
    expect_mask(UNKNOWN,
                "{'id': 1, 'image_id': 1, 'bbox': [1, 1, 3, 2], 'ignore': 1, " LABELLED "},"
                "{'id': 2, 'image_id': 1, 'bbox': [6, 0, 2, 6], 'iscrowd': 1}",
                "......##.."
                ".###..##.."
                ".###..##.."
                "......##.."
                "......##.."
                "......##..");
}

/* The labelled box 4 .. 6 x 1 .. 5 is kept with a tenth more: 3.7 .. 6.3, and 0.6 .. 5.4. */
static void labelled_people_are_kept(void **state)
{
    (void)state;
    expect_mask("",
                "{'id': 1, 'image_id': 1, 'bbox': [0, 0, 10, 3], " UNLABELLED "},"
                "{'id': 2, 'image_id': 1, 'bbox': [4, 1, 3, 4], " LABELLED "},"
                "{'id': 3, 'image_id': 1, 'bbox': [5, 4, 5, 2], 'iscrowd': 1}",
                "##########"
                "####...###"
                "####...###"
                ".........."
                ".......###"
                ".....#####");
}

static void unlabelled_background(void **state)
{
    (void)state;
    expect_mask(NO, "{'id': 2, 'image_id': 1, 'bbox': [2, 1, 4, 4], " LABELLED "}",
                "##########"
                "##....####"
                "##....####"
                "##....####"
                "##....####"
                "##########");
    expect_mask(NO, "",
                "##########"
                "##########"
                "##########"
                "##########"
                "##########"
                "##########");
}

/* Segmentations count where there are any; the surroundings are the box still. */
static void segmentations(void **state)
{
    (void)state;
    expect_mask("",
                "{'id': 1, 'image_id': 1, 'bbox': [0, 0, 10, 6], " UNLABELLED
                ", 'segmentation': [[0, 0, 4, 0, 4, 3, 0, 3]]},"
                "{'id': 2, 'image_id': 1, 'bbox': [0, 0, 10, 6], " LABELLED
                ", 'segmentation': {'size': [6, 10], 'counts': [6, 1, 53]}}",
                "#.##......"
                "####......"
                "####......"
                ".........."
                ".........."
                "..........");
    expect_mask(NO,
                "{'id': 1, 'image_id': 1, 'bbox': [5, 1, 5, 4], " UNLABELLED "},"
                "{'id': 2, 'image_id': 1, 'bbox': [2, 1, 4, 4], " LABELLED
                ", 'segmentation': {'size': [6, 10], 'counts': [37, 1, 22]}}",
                "##########"
                "##...#.###"
                "##...#####"
                "##...#####"
                "##...#####"
                "##########");
}

static int make_folder(void **state)
{
    (void)state;
    folder = stick_folder_make();
    return folder ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    stick_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes),
        cmocka_unit_test(labelled_people_are_kept),
        cmocka_unit_test(unlabelled_background),
        cmocka_unit_test(segmentations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
