/* Which pictures a command line means, and what their outputs are called. */
#include "base/error.h"
#include "cli/photos.h"
#include "io/file.h"
#include "stickfigure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *folder;

static int open_folder(void **state)
{
    (void)state;
    folder = stick_folder_make();
    return folder && chdir(folder) == 0 && folder_create("in/deep") == 0 ? 0 : -1;
}

static int close_folder(void **state)
{
    (void)state;
    if (chdir("/") < 0)
        return -1;
    stick_folder_remove(folder);
    return 0;
}

static void touch(const char *path, const char *text)
{
    assert_int_equal(file_write(path, text, strlen(text)), 0);
}

static void test_folders_are_sorted_and_results_left_out(void **state)
{
    (void)state;
    static const char *const names[] = {"in/b.JPG",      "in/a.png",    "in/c.jpeg",
                                        "in/a_pose.png", "in/note.txt", "in/_pose.jpg"};
    for (size_t i = 0; i < 6; i++)
        touch(names[i], "");
    struct photos p = {0};
    assert_int_equal(photos_add(&p, "in"), 0);
    assert_int_equal(photos_add(&p, "in/a_pose.png"), 0); /* named: taken */
    assert_int_equal(p.n, 5);
    static const char *const expected[] = {"in/_pose.jpg", "in/a.png", "in/b.JPG", "in/c.jpeg",
                                           "in/a_pose.png"};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(p.items[i].path, expected[i]);
    assert_int_equal(photos_add(&p, "in/deep"), BPNET_ENOENT);
    assert_string_equal(error_message(), "in/deep: there is no .jpg, .jpeg or .png in it");
    photos_free(&p);
}

static void test_names_of_outputs(void **state)
{
    (void)state;
    static const char *const paths[] = {"x/a.jpg", "b.tar.png", "a.png", "y/a.jpg", ".jpg", "none"};
    static const char *const beside[] = {"x/a", "b.tar", "a", "y/a", ".jpg", "none"};
    static const char *const together[] = {"out/a",   "out/b.tar", "out/a-2",
                                           "out/a-3", "out/.jpg",  "out/none"};
    for (int round = 0; round < 2; round++) {
        struct photos p = {0};
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(photos_add(&p, paths[i]), 0);
        assert_int_equal(photos_name(&p, round ? "out" : NULL), 0);
        for (size_t i = 0; i < 6; i++)
            assert_string_equal(p.items[i].stem, round ? together[i] : beside[i]);
        photos_free(&p);
    }
}

static void test_json_lists(void **state)
{
    (void)state;
    touch("list.json", "[\"a.jpg\", \"/b.jpg\"]");
    touch("objects.json", "{\"images\": [{\"full_image_path\": \"c.jpg\", \"id\": 7}]}");
    struct photos p = {0};
    assert_int_equal(photos_add_json(&p, "list.json", "root"), 0);
    assert_int_equal(p.n, 2);
    assert_string_equal(p.items[0].path, "root/a.jpg");
    assert_string_equal(p.items[1].path, "/b.jpg");
    assert_null(p.items[0].entry);
    photos_free(&p);
    assert_int_equal(photos_add_json(&p, "objects.json", ""), 0);
    assert_string_equal(p.items[0].path, "c.jpg");
    assert_int_equal(json_as_integer(json_get(p.items[0].entry, "id")), 7);
    photos_free(&p);
}

static void test_bad_json_lists(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        int code;
    } bad[] = {
        {"7", "found an integer, expected a list of paths or an object", BPNET_EFORMAT},
        {"[]", "the list of pictures is empty", BPNET_ENOENT},
        {"{\"pictures\": []}", "key 'images'", BPNET_EFORMAT},
        {"{\"images\": [{\"path\": \"a\"}]}", "images[0]: key 'full_image_path'", BPNET_EFORMAT},
        {"[\"a\", 3]", "images[1]: found an integer, expected a path", BPNET_EFORMAT},
        {"[\"a\"", "bad.json", BPNET_EFORMAT},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct photos p = {0};
        touch("bad.json", bad[i].text);
        assert_int_equal(photos_add_json(&p, "bad.json", ""), bad[i].code);
        if (!strstr(error_message(), bad[i].message))
            fail_msg("'%s' does not say '%s'", error_message(), bad[i].message);
        photos_free(&p);
    }
    struct photos p = {0};
    assert_int_equal(photos_add_json(&p, "missing.json", ""), BPNET_ENOENT);
    photos_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders_are_sorted_and_results_left_out),
        cmocka_unit_test(test_names_of_outputs),
        cmocka_unit_test(test_json_lists),
        cmocka_unit_test(test_bad_json_lists),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
