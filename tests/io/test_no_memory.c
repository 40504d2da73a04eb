/*
 * Every allocation of ours fails once, in turn: each function says so with BPNET_ENOMEM, leaves no
 * file behind, and (under AddressSanitizer) no memory. The linker's --wrap brings the calls here.
 */
#include "base/error.h"
#include "io/container.h"
#include "io/example.h"
#include "io/image.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/status.h"
#include "io/tfevents.h"
#include "io/tfrecord.h"

#include "io/scratch.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static int left = INT_MAX; /* allocations until one fails */

static bool runs_out(void)
{
    if (left-- != 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return runs_out() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return runs_out() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return runs_out() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return runs_out() ? NULL : __real_aligned_alloc(alignment, size);
}

/* ---- what is tried ----------------------------------------------------------------------- */

static int write_container(void)
{
    const struct section s = {"a", "bytes", 5};
    return container_write(scratch_path("it"), "model", &s, 1, NULL);
}

static int read_container(void)
{
    struct container c;
    const int error = container_open(&c, scratch_path("good.bpnet"), "model", NULL);
    container_close(&c);
    return error;
}

static struct seal_key *cheap_key(void)
{
    struct seal_key *key = NULL;
    if (seal_key_new(&key, "k", 1) == BPNET_OK)
        seal_key_cost(key, 1, 8);
    return key;
}

static int write_sealed(void)
{
    const struct section s = {"a", "bytes", 5};
    struct seal_key *key = cheap_key();
    const int error = container_write(scratch_path("it"), "model", &s, 1, key);
    seal_key_free(key);
    return error;
}

static int read_sealed(void)
{
    struct container c;
    struct seal_key *key = cheap_key();
    const int error = container_open(&c, scratch_path("sealed.bpnet"), "model", key);
    container_close(&c);
    seal_key_free(key);
    return error;
}

static int read_pipe(void)
{
    struct file_view view;
    const int error = file_view_open(&view, "/proc/self/status", 1 << 20);
    file_view_close(&view);
    return error;
}

static int list_folder(void)
{
    char **names;
    size_t n;
    const int error = folder_list(&names, &n, scratch_folder, NULL);
    free(names);
    return error;
}

static int load_image(const char *name, int channels)
{
    char path[512];
    struct image image;
    snprintf(path, sizeof(path), "%s/io/%s", FIXTURES, name);
    const int error = image_load(&image, path, channels);
    image_free(&image);
    return error;
}

static int load_png(void)
{
    return load_image("rgba8.png", 3);
}

static int load_cmyk(void)
{
    return load_image("cmyk.jpg", 3);
}

static int load_turned(void)
{
    return load_image("turned6.jpg", 3);
}

static int save_image(void)
{
    uint8_t pixels[27] = {0};
    const struct image image = {pixels, 3, 3, 3};
    return image_save(&image, scratch_path("it.png"), 90);
}

static bool wants(void *ctx, const char *key)
{
    (void)ctx;
    return *key != 0;
}

static int element(void *ctx, const char *key, size_t index, const struct json *v)
{
    (void)ctx;
    (void)key;
    (void)index;
    (void)v;
    return BPNET_OK;
}

static int walk_json(void)
{
    const struct json_walker walker = {wants, element, NULL};
    return json_walk_file(scratch_path("good.json"), &walker);
}

static int print_json(void)
{
    struct str text = {0};
    struct json_writer w = {.text = &text};
    json_begin_array(&w);
    for (int i = 0; i < 100; i++)
        json_write_integer(&w, i);
    json_end_array(&w);
    const int error = str_status(&text);
    str_free(&text);
    return error;
}

static int append_status(void)
{
    const struct status_line line = {.state = STATUS_RUNNING, .message = "m"};
    return status_append(scratch_path("status"), &line);
}

static int write_records(void)
{
    struct tfrecord_writer w;
    int error = tfrecord_writer_open(&w, scratch_path("it"));
    if (error < 0)
        return error;
    error = tfrecord_write(&w, "a", 1);
    return error < 0 ? (tfrecord_writer_abort(&w), error) : tfrecord_writer_commit(&w);
}

static int index_records(void)
{
    struct tfrecord_reader r;
    size_t *offsets, n;
    int error = tfrecord_open(&r, FIXTURES "/io/other.tfrecord");
    if (error < 0)
        return error;
    error = tfrecord_index(&r, &offsets, &n);
    free(offsets);
    tfrecord_close(&r);
    return error;
}

static int build_example(void)
{
    struct example *e = example_new();
    if (!e)
        return BPNET_ENOMEM;
    const float floats[2] = {1, 2};
    struct str out = {0};
    int error;
    if ((error = example_set_int64(e, "i", 3)) == BPNET_OK &&
        (error = example_set_floats(e, "f", floats, 2)) == BPNET_OK &&
        (error = example_set_text(e, "t", "text")) == BPNET_OK)
        error = example_pack(&out, e);
    str_free(&out);
    example_free(e);
    return error;
}

static int parse_example(void)
{
    static const uint8_t bytes[] = {0x0a, 0x0d, 0x0a, 0x0b, 0x0a, 0x01, 'a', 0x12,
                                    0x06, 0x1a, 0x04, 0x0a, 0x02, 0x96, 0x01};
    struct example *e;
    const int error = example_parse(&e, bytes, sizeof(bytes), "it");
    example_free(e);
    return error;
}

static int write_events(void)
{
    struct tfevents t;
    int error = tfevents_open(&t, scratch_path("events"));
    if (error < 0)
        return error;
    error = tfevents_write(&t, 1, &(struct tfevents_scalar){"a", 1}, 1);
    unlink(t.path); /* the next try is to find the folder as this one did */
    tfevents_close(&t);
    return error;
}

static int read_safetensors(void)
{
    struct safetensors s;
    const int error = safetensors_open(&s, FIXTURES "/io/other.safetensors");
    safetensors_close(&s);
    return error;
}

static int write_safetensors(void)
{
    const float one = 1;
    const struct safetensor t = {"a", SAFETENSORS_F32, 0, {0}, &one, 1};
    return safetensors_write(scratch_path("it"), &t, 1);
}

static const struct {
    const char *name;
    int (*try)(void);
} cases[] = {
    {"write_container", write_container},
    {"read_container", read_container},
    {"read_pipe", read_pipe},
    {"list_folder", list_folder},
    {"write_sealed", write_sealed},
    {"read_sealed", read_sealed},
    {"load_png", load_png},
    {"load_cmyk", load_cmyk},
    {"load_turned", load_turned},
    {"save_image", save_image},
    {"walk_json", walk_json},
    {"print_json", print_json},
    {"append_status", append_status},
    {"write_records", write_records},
    {"index_records", index_records},
    {"build_example", build_example},
    {"parse_example", parse_example},
    {"write_events", write_events},
    {"read_safetensors", read_safetensors},
    {"write_safetensors", write_safetensors},
};

/* `path.XXXXXX`: an output that was neither finished nor removed */
static bool is_temporary(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strlen(dot) == 7;
}

static void test_each_allocation_fails_in_turn(void **state)
{
    (void)state;
    const struct section s = {"a", "bytes", 5};
    assert_int_equal(container_write(scratch_path("good.bpnet"), "model", &s, 1, NULL), BPNET_OK);
    struct seal_key *key = cheap_key();
    assert_non_null(key);
    assert_int_equal(container_write(scratch_path("sealed.bpnet"), "model", &s, 1, key), BPNET_OK);
    seal_key_free(key);
    scratch_text("good.json", "{\"a\": [1, \"two\"], \"\": 3}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int n = 0, code = BPNET_ENOMEM;
        for (; code != BPNET_OK; n++) {
            error_clear();
            left = n;
            code = cases[i].try();
            left = INT_MAX;
            if (code != BPNET_OK && (code != BPNET_ENOMEM || !*error_message()))
                fail_msg("%s, allocation %d: %d: %s", cases[i].name, n, code, error_message());
            if (n > 200)
                fail_msg("%s never succeeds: %s", cases[i].name, error_message());
        }
        assert_true(n > 1); /* the first one failed: the wrappers are in place */
    }
    char **names;
    size_t n;
    assert_int_equal(folder_list(&names, &n, scratch_folder, NULL), BPNET_OK);
    for (size_t i = 0; i < n; i++)
        assert_false(is_temporary(names[i]));
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails_in_turn)};
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
