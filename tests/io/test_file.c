/* Files whole or not at all: mapping, limits, outputs under every failure, folders. */
#include "base/error.h"
#include "io/file.h"

#include "io/scratch.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#define assert_message(part)                                                                       \
    do {                                                                                           \
        if (!strstr(error_message(), part))                                                        \
            fail_msg("'%s' is not in '%s'", part, error_message());                                \
    } while (0)

static void assert_content(const char *path, const char *expected)
{
    char *text = scratch_read(path, NULL);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

/* ---- reading ----------------------------------------------------------------------------- */

static void test_views(void **state)
{
    (void)state;
    struct file_view view;
    const char *path = scratch_text("some", "seven!!");
    assert_int_equal(file_view_open(&view, path, 7), BPNET_OK);
    assert_int_equal(view.size, 7);
    assert_memory_equal(view.bytes, "seven!!", 7);
    file_view_close(&view);
    file_view_close(&view);
    assert_int_equal(file_view_open(&view, path, 6), BPNET_ELIMIT);
    assert_message("some: 7 bytes, more than the limit of 6");
    assert_int_equal(file_view_open(&view, scratch_text("empty", ""), 6), BPNET_OK);
    assert_int_equal(view.size, 0);
    file_view_close(&view);
    assert_int_equal(file_view_open(&view, scratch_path("none"), 6), BPNET_ENOENT);
    assert_message("none: cannot open: No such file or directory");
    assert_int_equal(file_view_open(&view, scratch_folder, 6), BPNET_ENOENT);
    assert_message("is a folder, expected a file");
}

static void test_streams(void **state)
{
    (void)state;
    struct file_view view;
    assert_int_equal(file_view_open(&view, "/proc/self/status", 1 << 20), BPNET_OK);
    assert_true(view.size > 100 && !view.mapped);
    assert_memory_equal(view.bytes, "Name:", 5);
    file_view_close(&view);
    assert_int_equal(file_view_open(&view, "/dev/zero", 1000000), BPNET_ELIMIT); /* has no end */
    assert_message("/dev/zero: more than the limit of 1000000 bytes");

    /* More than the first buffer through a pipe: 200,000 bytes, aligned as a mapping would be. */
    char command[256];
    snprintf(command, sizeof(command),
             "mkfifo %s/pipe && (yes abcdefg | head -c 200000 > %s/pipe) &", scratch_folder,
             scratch_folder);
    assert_int_equal(system(command), 0);
    while (!file_exists(scratch_path("pipe")))
        usleep(1000);
    assert_int_equal(file_view_open(&view, scratch_path("pipe"), 1 << 20), BPNET_OK);
    assert_int_equal(view.size, 200000);
    assert_int_equal((uintptr_t)view.bytes % 64, 0);
    for (size_t i = 0; i < view.size; i += 8)
        assert_memory_equal(view.bytes + i, "abcdefg\n", 8);
    file_view_close(&view);
}

/* ---- writing ----------------------------------------------------------------------------- */

static void test_an_output_appears_at_the_commit(void **state)
{
    (void)state;
    struct outfile out;
    const char *path = scratch_path("new.txt");
    const int before = scratch_count();
    assert_int_equal(outfile_open(&out, path), BPNET_OK);
    assert_int_equal(outfile_write(&out, "ab", 2), BPNET_OK);
    assert_int_equal(outfile_printf(&out, "%d", 17), BPNET_OK);
    assert_false(file_exists(path));
    assert_int_equal(outfile_commit(&out), BPNET_OK);
    assert_content(path, "ab17");
    assert_int_equal(scratch_count(), before + 1);
    outfile_abort(&out);
    assert_content(path, "ab17");

    assert_int_equal(outfile_open(&out, path), BPNET_OK); /* abandoned: the old one stays */
    assert_int_equal(outfile_write(&out, "changed", 7), BPNET_OK);
    outfile_abort(&out);
    assert_content(path, "ab17");
    assert_int_equal(file_write(path, "again", 5), BPNET_OK);
    assert_content(path, "again");
    assert_int_equal(scratch_count(), before + 1);
}

static void test_permissions_and_links(void **state)
{
    (void)state;
    struct stat info;
    const mode_t mask = umask(027);
    assert_int_equal(file_write(scratch_path("fresh"), "1", 1), BPNET_OK);
    umask(mask);
    assert_int_equal(stat(scratch_path("fresh"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(chmod(scratch_path("fresh"), 0604), 0);
    assert_int_equal(symlink("fresh", scratch_path("link")), 0);
    assert_int_equal(file_write(scratch_path("link"), "2", 1), BPNET_OK);
    assert_int_equal(lstat(scratch_path("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_content(scratch_path("fresh"), "2");
    assert_int_equal(stat(scratch_path("fresh"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0604);
}

static void test_outputs_that_cannot_be_created(void **state)
{
    (void)state;
    struct outfile out;
    assert_int_equal(outfile_open(&out, scratch_path("no/such/file")), BPNET_ECREATE);
    assert_message("no/such/file: cannot create: No such file or directory");
    outfile_abort(&out);
    assert_int_equal(outfile_open(&out, scratch_folder), BPNET_ECREATE);
    assert_message("is a folder");
    assert_int_equal(outfile_open(&out, ""), BPNET_ECREATE);
}

static void test_a_full_disk(void **state)
{
    (void)state;
    struct outfile out;
    char bytes[100000];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(file_write("/dev/full", "a", 1), BPNET_EIO);
    assert_message("/dev/full: cannot write: No space left on device");
    assert_int_equal(file_write("/dev/full", bytes, sizeof(bytes)), BPNET_EIO);
    assert_message("No space left on device");
    /* A writer that goes past us to the stream is caught at the commit. */
    assert_int_equal(outfile_open(&out, "/dev/full"), BPNET_OK);
    for (int i = 0; i < 100; i++)
        fwrite(bytes, 1, 1000, out.stream);
    assert_int_equal(outfile_commit(&out), BPNET_EIO);
    assert_message("/dev/full: cannot write: ");
    /* A reason is not forgotten when later writes work or do nothing. */
    assert_int_equal(outfile_open(&out, "/dev/full"), BPNET_OK);
    assert_int_equal(outfile_write(&out, bytes, sizeof(bytes)), BPNET_EIO);
    assert_int_equal(outfile_commit(&out), BPNET_EIO);
    assert_message("No space left on device");
}

/* A disk that fills up half-way, as RLIMIT_FSIZE plays it: nothing stays, the old file does. */
static void test_a_disk_that_fills_up(void **state)
{
    (void)state;
    const char *path = scratch_text("precious", "old");
    const int before = scratch_count();
    char bytes[30000];
    memset(bytes, 'x', sizeof(bytes));
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {.rlim_cur = 20000, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const int error = file_write(path, bytes, sizeof(bytes));
    struct outfile out;
    const int opened = outfile_open(&out, path);
    fwrite(bytes, 1, 1000, out.stream); /* fits the buffer, but not with what follows */
    for (int i = 0; i < 20; i++)
        fwrite(bytes, 1, 1000, out.stream);
    const int committed = outfile_commit(&out);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(error, BPNET_EIO);
    assert_int_equal(opened, BPNET_OK);
    assert_int_equal(committed, BPNET_EIO);
    assert_message("precious: cannot write: File too large");
    assert_content(path, "old");
    assert_int_equal(scratch_count(), before);
}

static void *write_many(void *path)
{
    intptr_t failures = 0;
    for (int i = 0; i < 20; i++)
        failures += file_write(path, "content", 7) != BPNET_OK;
    return (void *)failures;
}

static void test_writers_of_one_name_do_not_meet(void **state)
{
    (void)state;
    const int before = scratch_count();
    pthread_t threads[4];
    const char *path = scratch_path("shared");
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)(uintptr_t)path), 0);
    for (int i = 0; i < 4; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        assert_null(failures);
    }
    assert_content(path, "content");
    assert_int_equal(scratch_count(), before + 1);
}

/* ---- folders ----------------------------------------------------------------------------- */

static void test_folders(void **state)
{
    (void)state;
    assert_int_equal(folder_create(scratch_path("a//b/c/")), BPNET_OK);
    assert_true(folder_exists(scratch_path("a/b/c")));
    assert_int_equal(folder_create(scratch_path("a/b/c")), BPNET_OK);
    assert_int_equal(folder_create("/"), BPNET_OK);
    assert_int_equal(folder_create(""), BPNET_ECREATE);
    const char *file = scratch_text("plain", "");
    assert_int_equal(folder_create(file), BPNET_ECREATE);
    assert_message("plain: cannot create the folder: File exists");
    assert_int_equal(folder_create(scratch_path("plain/below")), BPNET_ECREATE);
    assert_true(file_exists(file) && !folder_exists(file));
    assert_false(file_exists(scratch_folder) || file_exists(scratch_path("nothing")));
}

static void test_outputs_known_beforehand(void **state)
{
    (void)state;
    const char *file = scratch_text("input", "m"), *link = scratch_path("alias");
    assert_int_equal(symlink("input", link), 0);
    assert_true(file_same(file, file) && file_same(file, link));
    assert_false(file_same(file, scratch_path("missing")) || file_same(file, scratch_folder));
    assert_false(file_same(scratch_path("missing"), scratch_path("missing")));
    assert_int_equal(file_check_output(file), BPNET_OK);
    assert_int_equal(file_check_output(scratch_path("missing")), BPNET_OK);
    assert_int_equal(file_check_output("/dev/null"), BPNET_OK);
    assert_false(file_exists(scratch_path("missing")));
    assert_int_equal(file_check_output(scratch_folder), BPNET_ECREATE);
    assert_message("is a folder");
    assert_int_equal(file_check_output(scratch_path("nowhere/x")), BPNET_ECREATE);
    assert_message("nowhere/x: cannot create: No such file or directory");
}

static void test_lists(void **state)
{
    (void)state;
    static const char *const files[] = {"list/b.PNG",       "list/a.jpg",       "list/Z.jpeg",
                                        "list/c.txt",       "list/.hidden.jpg", "list/jpg",
                                        "list/\xc3\xa9.jpg"};
    static const char *const suffixes[] = {".jpg", ".jpeg", ".png", NULL};
    assert_int_equal(folder_create(scratch_path("list")), BPNET_OK);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        scratch_text(files[i], "");
    char **names;
    size_t n;
    assert_int_equal(folder_list(&names, &n, scratch_path("list"), suffixes), BPNET_OK);
    assert_int_equal(n, 4);
    assert_string_equal(names[0], "Z.jpeg");
    assert_string_equal(names[1], "a.jpg");
    assert_string_equal(names[2], "b.PNG");
    assert_string_equal(names[3], "\xc3\xa9.jpg");
    free(names);
    assert_int_equal(folder_list(&names, &n, scratch_path("list"), NULL), BPNET_OK);
    assert_int_equal(n, 6);
    free(names);
    assert_int_equal(folder_list(&names, &n, scratch_path("nowhere"), NULL), BPNET_ENOENT);
    assert_message("nowhere: cannot open the folder");
    assert_null(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_an_output_appears_at_the_commit),
        cmocka_unit_test(test_permissions_and_links),
        cmocka_unit_test(test_outputs_that_cannot_be_created),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_a_disk_that_fills_up),
        cmocka_unit_test(test_writers_of_one_name_do_not_meet),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_outputs_known_beforehand),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
