/* JSON in, out, and element by element from files larger than a buffer. */
#include "base/error.h"
#include "base/rng.h"
#include "io/json.h"

#include "io/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_message(part)                                                                       \
    do {                                                                                           \
        if (!strstr(error_message(), part))                                                        \
            fail_msg("'%s' is not in '%s'", part, error_message());                                \
    } while (0)

static struct json *parse(const char *text)
{
    struct json *root;
    if (json_parse(&root, text, strlen(text), "it") < 0)
        fail_msg("%s", error_message());
    return root;
}

/* ---- reading ----------------------------------------------------------------------------- */

static void test_kinds_and_getters(void **state)
{
    (void)state;
    struct json *root =
        parse("{\"i\": -7, \"r\": 2.5, \"w\": 3.0, \"s\": \"\\u00e9\", \"t\": true, "
              "\"f\": false, \"n\": null, \"a\": [1, 2, 3], \"o\": {}}");
    static const struct {
        const char *key, *name;
        enum json_kind kind;
        double number;
        int64_t integer;
        const char *text;
        bool numeric, integral;
        size_t length;
    } cases[] = {
        {"i", "an integer", JSON_KIND_INTEGER, -7, -7, "", true, true, 0},
        {"r", "a number", JSON_KIND_REAL, 2.5, 0, "", true, false, 0},
        {"w", "a number", JSON_KIND_REAL, 3, 3, "", true, true, 0},
        {"s", "a string", JSON_KIND_STRING, 0, 0, "\xc3\xa9", false, false, 0},
        {"t", "true", JSON_KIND_TRUE, 0, 0, "", false, false, 0},
        {"f", "false", JSON_KIND_FALSE, 0, 0, "", false, false, 0},
        {"n", "null", JSON_KIND_NULL, 0, 0, "", false, false, 0},
        {"a", "an array", JSON_KIND_ARRAY, 0, 0, "", false, false, 3},
        {"o", "an object", JSON_KIND_OBJECT, 0, 0, "", false, false, 0},
        {"absent", "null", JSON_KIND_NULL, 0, 0, "", false, false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct json *v = json_get(root, cases[i].key);
        assert_int_equal(json_kind(v), cases[i].kind);
        assert_string_equal(json_kind_name(json_kind(v)), cases[i].name);
        assert_true(json_as_number(v) == cases[i].number);
        assert_int_equal(json_as_integer(v), cases[i].integer);
        assert_string_equal(json_as_string(v), cases[i].text);
        assert_int_equal(json_is_numeric(v), cases[i].numeric);
        assert_int_equal(json_is_integral(v), cases[i].integral);
        assert_int_equal(json_length(v), cases[i].length);
    }
    assert_int_equal(json_length(root), 9);
    assert_int_equal(json_as_integer(json_at(json_get(root, "a"), 2)), 3);
    assert_null(json_at(json_get(root, "a"), 3));
    assert_null(json_at(root, 0));
    assert_null(json_get(json_get(root, "a"), "i"));

    const struct json *value;
    const char *key;
    size_t n = 0;
    for (void *at = NULL; json_next(root, &at, &key, &value); n++) {
        assert_string_equal(key, cases[n].key);
        assert_ptr_equal(value, json_get(root, key));
        assert_string_equal(json_key_at(root, n, &value), key);
    }
    assert_int_equal(n, 9);
    assert_null(json_key_at(root, 9, &value));
    assert_null(value);
    json_free(root);
    json_free(NULL);
}

static void test_large_numbers(void **state)
{
    (void)state;
    struct json *root = parse("[9223372036854775807, -9223372036854775808, 9007199254740992.0, "
                              "9007199254740994.0, 1e300, 900100184613]");
    assert_true(json_as_integer(json_at(root, 0)) == INT64_MAX);
    assert_true(json_as_integer(json_at(root, 1)) == INT64_MIN);
    assert_true(json_as_integer(json_at(root, 2)) == INT64_C(1) << 53);
    assert_false(json_is_integral(json_at(root, 3)));
    assert_false(json_is_integral(json_at(root, 4)));
    assert_int_equal(json_as_integer(json_at(root, 4)), 0);
    assert_true(json_as_integer(json_at(root, 5)) == INT64_C(900100184613));
    json_free(root);
}

static void test_text_that_is_not_json(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "it:1:0: "},
        {"{\"a\": 1,\n \"b\" 2}", "it:2:6: ':' expected near '2'"},
        {"[1, 2", "it:1:5: "},
        {"{\"a\": 1, \"a\": 2}", "duplicate object key"},
        {"[NaN]", "it:1:"},
        {"[Infinity]", "it:1:"},
        {"[1e999]", "real number overflow"},
        {"[-1e999]", "real number overflow"},
        {"[99999999999999999999]", "too big integer"},
        {"[01]", "it:1:"},
        {"[\"\x80\"]", "unable to decode byte 0x80"},
        {"[\"\\ud800\"]", "it:1:"},
        {"[\"\\u0000\"]", "it:1:"},
        {"[1] [2]", "end of file expected"},
        {"[1,]", "it:1:"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *root = (struct json *)1;
        assert_int_equal(json_parse(&root, cases[i].text, strlen(cases[i].text), "it"),
                         BPNET_EFORMAT);
        assert_null(root);
        assert_message(cases[i].message);
    }
}

static void test_nesting_bombs(void **state)
{
    (void)state;
    static const char *const units[] = {"[", "{\"a\":"};
    for (size_t i = 0; i < 2; i++) {
        struct str bomb = {0};
        for (int depth = 0; depth < 200000; depth++)
            str_append(&bomb, units[i]);
        struct json *root;
        assert_int_equal(json_parse(&root, bomb.text, bomb.length, "it"), BPNET_EFORMAT);
        assert_message("depth");
        str_free(&bomb);
    }
}

static void test_files(void **state)
{
    (void)state;
    struct json *root;
    const char *path = scratch_text("small.json", "{\"a\": [true]}");
    assert_int_equal(json_load(&root, path, 100), BPNET_OK);
    assert_int_equal(json_length(json_get(root, "a")), 1);
    json_free(root);
    assert_int_equal(json_load(&root, path, 12), BPNET_ELIMIT);
    assert_int_equal(json_load(&root, scratch_path("none.json"), 100), BPNET_ENOENT);
    assert_null(root);
    assert_int_equal(json_load(&root, scratch_text("bad.json", "{\n\n?"), 100), BPNET_EFORMAT);
    assert_message("bad.json:3:1: ");
}

static void test_required_members(void **state)
{
    (void)state;
    struct json *root = parse("{\"n\": 1.5, \"i\": 4, \"s\": \"x\", \"a\": [1, 2.5, 3], "
                              "\"m\": [1, \"two\"], \"z\": null}");
    double number, four[4];
    int64_t integer;
    const char *text;
    const struct json *array;
    assert_int_equal(json_need_number(&number, root, "n", "here"), BPNET_OK);
    assert_true(number == 1.5);
    assert_int_equal(json_need_integer(&integer, root, "i", "here"), BPNET_OK);
    assert_int_equal(integer, 4);
    assert_int_equal(json_need_string(&text, root, "s", "here"), BPNET_OK);
    assert_string_equal(text, "x");
    assert_int_equal(json_need_array(&array, root, "a", "here"), BPNET_OK);
    assert_int_equal(json_need_numbers(four, 3, root, "a", "here"), BPNET_OK);
    assert_true(four[0] == 1 && four[1] == 2.5 && four[2] == 3);

    assert_int_equal(json_need_number(&number, root, "no", "here"), BPNET_EFORMAT);
    assert_string_equal(error_message(), "here: key 'no' is missing, expected a number");
    assert_int_equal(json_need_number(&number, root, "z", "here"), BPNET_EFORMAT);
    assert_string_equal(error_message(), "here: key 'z': found null, expected a number");
    assert_int_equal(json_need_integer(&integer, root, "n", "here"), BPNET_EFORMAT);
    assert_string_equal(error_message(), "here: key 'n': found a number, expected an integer");
    assert_int_equal(json_need_string(&text, root, "a", "here"), BPNET_EFORMAT);
    assert_string_equal(error_message(), "here: key 'a': found an array, expected a string");
    assert_int_equal(json_need_array(&array, root, "s", "here"), BPNET_EFORMAT);
    assert_int_equal(json_need_numbers(four, 4, root, "a", "here"), BPNET_EFORMAT);
    assert_string_equal(error_message(), "here: key 'a': found 3 elements, expected 4 numbers");
    assert_int_equal(json_need_numbers(four, 2, root, "m", "here"), BPNET_EFORMAT);
    assert_string_equal(error_message(),
                        "here: key 'm', element 1: found a string, expected a number");
    json_free(root);
}

/* ---- large files ------------------------------------------------------------------------- */

struct seen {
    struct str log;
    int stop_at; /* element after which the callback says no */
    int n;
};

static bool wants(void *ctx, const char *key)
{
    struct seen *seen = ctx;
    str_printf(&seen->log, "?%s ", key);
    return *key != '-';
}

static int element(void *ctx, const char *key, size_t index, const struct json *v)
{
    struct seen *seen = ctx;
    str_printf(&seen->log, "%s[%zu]=", key, index);
    json_print(&seen->log, v);
    str_append(&seen->log, " ");
    return ++seen->n == seen->stop_at ? error_set(BPNET_ECONFIG, "enough") : BPNET_OK;
}

static int walk(const char *path, struct seen *seen)
{
    const struct json_walker walker = {wants, element, seen};
    str_clear(&seen->log);
    return json_walk_file(path, &walker);
}

static void test_walking(void **state)
{
    (void)state;
    struct seen seen = {0};
    const char *path = scratch_text(
        "walk.json", " {\"info\": {\"y\": [1]}, \"-no\": [[{\"a\": \"]}\\\"\"}], 1],\n"
                     "\"list\": [1, \"a,]\\\\\", {\"b\": [true, null]} , [ ] ,-2.5e1], "
                     "\"-w\" : tr , \"empty\": [ ], \"\\u0061\": null}\n");
    assert_int_equal(walk(path, &seen), BPNET_OK);
    assert_string_equal(seen.log.text,
                        "?info info[0]={\"y\":[1]} ?-no ?list list[0]=1 list[1]=\"a,]\\\\\" "
                        "list[2]={\"b\":[true,null]} list[3]=[] list[4]=-25 "
                        "?-w ?empty ?a a[0]=null ");
    seen.n = 0;
    seen.stop_at = 3;
    assert_int_equal(walk(path, &seen), BPNET_ECONFIG);
    assert_string_equal(error_message(), "enough");
    seen.stop_at = 0;
    assert_int_equal(walk(scratch_text("top.json", "[1, [2]]"), &seen), BPNET_OK);
    assert_string_equal(seen.log.text, "? [0]=1 [1]=[2] ");
    assert_int_equal(walk(scratch_text("none.json", "{}"), &seen), BPNET_OK);
    assert_string_equal(seen.log.text, "");
    str_free(&seen.log);
}

/* Wherever a buffer ends, in the middle of an escape or a number, nothing changes. */
static void test_walking_across_buffers(void **state)
{
    (void)state;
    static const char tail[] =
        "\"x\": [123456, \"\\\\\\\"\\u00e9]\", [[\"\\\\\"]], {\"k\": -1.5}]}";
    static const char expected[] =
        "?x x[0]=123456 x[1]=\"\\\\\\\"\xc3\xa9]\" x[2]=[[\"\\\\\"]] x[3]={\"k\":-1.5} ";
    const size_t chunk = 64 << 10, length = strlen(tail);
    char *text = malloc(chunk + length + 1);
    struct seen seen = {0};
    for (size_t back = 0; back <= length; back++) {
        memset(text, ' ', chunk);
        text[0] = '{';
        memcpy(text + chunk - back, tail, length + 1);
        FILE *file = fmemopen(text, strlen(text), "rb");
        const struct json_walker walker = {wants, element, &seen};
        str_clear(&seen.log);
        assert_int_equal(json_walk_stream(file, "across", &walker), BPNET_OK);
        fclose(file);
        assert_string_equal(seen.log.text, expected);
    }
    str_free(&seen.log);
    free(text);
}

static void test_walking_what_is_not_json(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", ":1: the file ends at byte 0, expected '{' or '['"},
        {"x", ":1: found 'x' at byte 0, expected '{' or '['"},
        {"{\n\"a\"\n: [1,\n}", ":4: found '}' at byte 12, expected a value"},
        {"{\"a\": [1 2]}", ":1: found '2' at byte 9, expected ',' or ']'"},
        {"{\"a\": [1, {\"b\": }]}", ": a[1], from byte 10 on:1:"},
        {"{\"a\": [\n1,\n {\"b\":\n x}]}", ":3: a[1], from byte 12 on:2:"},
        {"{\"a\": [1", "the file ends at byte 8, expected the end of a value"},
        {"{\"a\": \"1", "expected the end of a string"},
        {"{\"-a\": [1", "expected the end of a value"},
        {"{\"a\": [1]", "the file ends at byte 9, expected ',' or '}'"},
        {"{\"a\": 1} x", "found 'x' at byte 9, expected nothing after the closing '}'"},
        {"[] ]", "expected nothing after the closing ']'"},
        {"{a: 1}", "found 'a' at byte 1, expected a key in quotes"},
        {"{\"a\" 1}", "found '1' at byte 5, expected ':'"},
        {"{\"a\": 1,}", "found '}' at byte 8, expected a key in quotes"},
        {"{\"a\": ]}", "expected a value"},
        {"{\"a\": [1e999]}", "a[0], from byte 7 on:1:"},
        {"{\"a\": nul}", "a[0], from byte 6 on:1:"},
    };
    struct seen seen = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(walk(scratch_text("bad.json", cases[i].text), &seen), BPNET_EFORMAT);
        assert_message("bad.json:");
        assert_message(cases[i].message);
    }
    assert_int_equal(walk(scratch_path("nowhere.json"), &seen), BPNET_ENOENT);
    assert_int_equal(walk(scratch_folder, &seen), BPNET_EIO);
    str_free(&seen.log);
}

static void test_walking_into_bombs(void **state)
{
    (void)state;
    struct seen seen = {0};
    for (int wanted = 0; wanted < 2; wanted++) {
        struct str bomb = {0};
        str_append(&bomb, wanted ? "{\"a\": " : "{\"-a\": ");
        for (int depth = 0; depth < 100000; depth++)
            str_append(&bomb, "[");
        assert_int_equal(walk(scratch_text("deep.json", bomb.text), &seen), BPNET_EFORMAT);
        assert_message("nested deeper than 2048 levels");
        str_free(&bomb);
    }
    struct str long_key = {0};
    str_append(&long_key, "{\"");
    for (int i = 0; i < 300; i++)
        str_append(&long_key, "k");
    str_append(&long_key, "\": 1}");
    assert_int_equal(walk(scratch_text("key.json", long_key.text), &seen), BPNET_ELIMIT);
    str_free(&long_key);
    str_free(&seen.log);
}

static int count_only(void *ctx, const char *key, size_t index, const struct json *v)
{
    (void)key;
    (void)v;
    assert_int_equal(index, *(size_t *)ctx);
    ++*(size_t *)ctx;
    return BPNET_OK;
}

static bool wants_all(void *ctx, const char *key)
{
    (void)ctx;
    return strcmp(key, "annotations") == 0;
}

static void test_an_element_beyond_the_limit(void **state)
{
    (void)state;
    const char *path = scratch_path("wide.json");
    FILE *file = fopen(path, "wb");
    fputs("{\"skipped\": \"", file);
    for (int i = 0; i < JSON_MAX_ELEMENT / 64 + 1; i++)
        fputs("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", file);
    fputs("\", \"annotations\": [1, 2]}", file);
    fclose(file);
    size_t n = 0;
    const struct json_walker walker = {wants_all, count_only, &n};
    assert_int_equal(json_walk_file(path, &walker), BPNET_OK); /* what is skipped has no limit */
    assert_int_equal(n, 2);
    struct seen seen = {0};
    assert_int_equal(walk(path, &seen), BPNET_ELIMIT);
    assert_message("one element of more than 64 MiB");
    str_free(&seen.log);
    unlink(path);
}

/* ---- writing ----------------------------------------------------------------------------- */

static void test_writing_one_line(void **state)
{
    (void)state;
    struct str text = {0};
    struct json_writer w = {.text = &text};
    json_begin_object(&w);
    json_write_key(&w, "a");
    json_begin_array(&w);
    json_write_integer(&w, INT64_MIN);
    json_write_number(&w, 0.1);
    json_write_float(&w, 0.1f);
    json_write_bool(&w, true);
    json_write_null(&w);
    json_write_number(&w, NAN);
    json_write_float(&w, -INFINITY);
    json_end_array(&w);
    json_write_key(&w, "o\"");
    json_begin_object(&w);
    json_end_object(&w);
    json_write_key(&w, "s");
    json_write_string(&w, "\"\\/\b\f\n\r\t\x01\x7f\xc3\xa9\xf0\x9f\x98\x80");
    json_end_object(&w);
    assert_string_equal(text.text,
                        "{\"a\": [-9223372036854775808, 0.1, 0.1, true, null, null, null], "
                        "\"o\\\"\": {}, \"s\": "
                        "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f\xc3\xa9\xf0\x9f\x98\x80\"}");
    str_free(&text);
}

static void test_writing_indented(void **state)
{
    (void)state;
    struct str text = {0};
    struct json_writer w = {.text = &text, .indent = 2};
    struct json *v = parse("{\"a\": [1, {\"b\": []}], \"c\": {}}");
    json_write_value(&w, v);
    assert_string_equal(text.text, "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n"
                                   "  \"c\": {}\n}");
    json_free(v);
    str_free(&text);
}

static void test_writing_text_that_is_not_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"\x80", "\xef\xbf\xbd"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"}, /* ends early */
        {"\xe2\x82\xac", "\xe2\x82\xac"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str text = {0};
        struct json_writer w = {.text = &text};
        json_write_string(&w, cases[i].text);
        struct json *back = parse(text.text);
        assert_string_equal(json_as_string(back), cases[i].written);
        json_free(back);
        str_free(&text);
    }
}

static void test_numbers_read_back_equal(void **state)
{
    (void)state;
    struct rng rng = rng_stream(7, 0, 0);
    for (int i = 0; i < 20000; i++) {
        const uint64_t bits = rng_next(&rng);
        const uint32_t half = (uint32_t)bits;
        double x;
        float y;
        memcpy(&x, &bits, sizeof(x));
        memcpy(&y, &half, sizeof(y));
        struct str text = {0};
        struct json_writer w = {.text = &text};
        json_begin_array(&w);
        json_write_number(&w, x);
        json_write_float(&w, y);
        json_end_array(&w);
        struct json *back = parse(text.text);
        assert_true(isfinite(x) ? json_as_number(json_at(back, 0)) == x
                                : json_kind(json_at(back, 0)) == JSON_KIND_NULL);
        assert_true(isfinite(y) ? (float)json_as_number(json_at(back, 1)) == y
                                : json_kind(json_at(back, 1)) == JSON_KIND_NULL);
        json_free(back);
        str_free(&text);
    }
    static const struct {
        double value;
        const char *text;
    } shortest[] = {{0.3, "0.3"}, {1.0 / 3, "0.3333333333333333"},    {1e21, "1e+21"},
                    {5, "5"},     {0.1 + 0.2, "0.30000000000000004"}, {-0.0, "-0.0"}};
    for (size_t i = 0; i < sizeof(shortest) / sizeof(shortest[0]); i++) {
        struct str text = {0};
        struct json_writer w = {.text = &text};
        json_write_number(&w, shortest[i].value);
        assert_string_equal(text.text, shortest[i].text);
        str_free(&text);
    }
}

/* A value as deep as the parser takes it can be written, inside something, too. */
static void test_writing_deep_values(void **state)
{
    (void)state;
    struct str text = {0}, out = {0};
    for (int i = 0; i < JSON_MAX_DEPTH - 1; i++)
        str_append(&text, "[");
    for (int i = 0; i < JSON_MAX_DEPTH - 1; i++)
        str_append(&text, "]");
    struct json *deep = parse(text.text);
    struct json_writer w = {.text = &out};
    json_begin_array(&w);
    json_write_value(&w, deep);
    json_end_array(&w);
    assert_int_equal(out.length, text.length + 2);
    json_free(deep);
    str_free(&text);
    str_free(&out);
}

static void test_writing_to_a_stream(void **state)
{
    (void)state;
    struct outfile out;
    const char *path = scratch_path("stream.json");
    assert_int_equal(outfile_open(&out, path), BPNET_OK);
    struct json_writer w = {.stream = out.stream, .indent = 1};
    json_begin_array(&w);
    json_write_string(&w, "a");
    json_write_raw(&w, "[1, 2]");
    json_end_array(&w);
    assert_int_equal(outfile_commit(&out), BPNET_OK);
    char *text = scratch_read(path, NULL);
    assert_string_equal(text, "[\n \"a\",\n [1, 2]\n]");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_and_getters),
        cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_text_that_is_not_json),
        cmocka_unit_test(test_nesting_bombs),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_required_members),
        cmocka_unit_test(test_walking),
        cmocka_unit_test(test_walking_across_buffers),
        cmocka_unit_test(test_walking_what_is_not_json),
        cmocka_unit_test(test_walking_into_bombs),
        cmocka_unit_test(test_an_element_beyond_the_limit),
        cmocka_unit_test(test_writing_one_line),
        cmocka_unit_test(test_writing_indented),
        cmocka_unit_test(test_writing_text_that_is_not_utf8),
        cmocka_unit_test(test_numbers_read_back_equal),
        cmocka_unit_test(test_writing_deep_values),
        cmocka_unit_test(test_writing_to_a_stream),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
