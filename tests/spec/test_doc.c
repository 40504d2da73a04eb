/* Trees: what scalars mean, places, JSON, limits, overrides, and messages to the letter. */
#include "base/error.h"
#include "base/str.h"
#include "spec/doc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void parse(struct doc *doc, const char *text, const char *name)
{
    if (doc_parse(doc, text, strlen(text), name, NULL) < 0)
        fail_msg("%s", error_message());
}

/* The text must fail with exactly this message. */
static void refuse(const char *text, const char *name, int code, const char *message)
{
    struct doc doc;
    assert_int_equal(doc_parse(&doc, text, strlen(text), name, NULL), code);
    assert_string_equal(error_message(), message);
    assert_null(doc.root);
    doc_free(&doc);
}

/* ---- scalars ----------------------------------------------------------------------------- */

static void scalars_as_the_original_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum doc_kind kind;
        double value;
    } cases[] = {
        {"2.e-5", DOC_REAL, 2e-5},
        {"5.0e-4", DOC_REAL, 5e-4},
        {"8.e-08", DOC_REAL, 8e-8},
        {"1e-5", DOC_REAL, 1e-5}, /* more than PyYAML takes */
        {"1E5", DOC_REAL, 1e5},
        {".5", DOC_REAL, 0.5},
        {"-.5e+1", DOC_REAL, -5},
        {"+7.", DOC_REAL, 7},
        {"1_000.5", DOC_REAL, 1000.5},
        {"08.5", DOC_REAL, 8.5},
        {"0", DOC_INTEGER, 0},
        {"-40", DOC_INTEGER, -40},
        {"+3", DOC_INTEGER, 3},
        {"1_000", DOC_INTEGER, 1000},
        {"0x1F", DOC_INTEGER, 31},
        {"0b101", DOC_INTEGER, 5},
        {"010", DOC_INTEGER, 8},
        {"9223372036854775807", DOC_INTEGER, 9223372036854775807.0},
        {"9223372036854775808", DOC_REAL, 9223372036854775808.0},
        {"-100000000000000000000", DOC_REAL, -1e20},
        {"True", DOC_BOOL, 1},
        {"true", DOC_BOOL, 1},
        {"YES", DOC_BOOL, 1},
        {"on", DOC_BOOL, 1},
        {"False", DOC_BOOL, 0},
        {"no", DOC_BOOL, 0},
        {"Off", DOC_BOOL, 0},
        {"null", DOC_NULL, 0},
        {"Null", DOC_NULL, 0},
        {"~", DOC_NULL, 0},
        {"", DOC_NULL, 0},
        {"09", DOC_TEXT, 0},
        {"0x", DOC_TEXT, 0},
        {"_1", DOC_TEXT, 0},
        {".", DOC_TEXT, 0},
        {"1.2.3", DOC_TEXT, 0},
        {"e5", DOC_TEXT, 0},
        {".e5", DOC_TEXT, 0},
        {"1e", DOC_TEXT, 0},
        {"None", DOC_TEXT, 0},
        {"tRUE", DOC_TEXT, 0},
        {"y", DOC_TEXT, 0},
        {"1:30", DOC_TEXT, 0},
        {"'5'", DOC_TEXT, 0},
        {"\"true\"", DOC_TEXT, 0},
        {"\"\"", DOC_TEXT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[64];
        struct doc doc;
        snprintf(line, sizeof line, "a: %s # said so", cases[i].text);
        parse(&doc, line, "t.yaml");
        const struct doc_node *node = doc_get(doc.root, "a");
        if (node->kind != cases[i].kind)
            fail_msg("%s is of kind %d, expected %d", cases[i].text, node->kind, cases[i].kind);
        if (node->kind == DOC_BOOL)
            assert_int_equal(node->truth, cases[i].value != 0);
        if (node->kind == DOC_INTEGER || node->kind == DOC_REAL)
            assert_true(node->real == cases[i].value);
        if (node->kind == DOC_INTEGER && fabs(cases[i].value) < 1e15)
            assert_int_equal(node->integer, (int64_t)cases[i].value);
        doc_free(&doc);
    }
}

static void infinities_and_nan(void **state)
{
    (void)state;
    struct doc doc;
    parse(&doc, "[.inf, -.Inf, .nan, 1e999]", "t.yaml");
    const struct doc_node *node = doc.root->first;
    assert_true(node->real == HUGE_VAL);
    assert_true(node->next->real == -HUGE_VAL);
    assert_true(isnan(node->next->next->real));
    assert_true(isinf(doc.root->last->real));
    doc_free(&doc);
}

/* ---- structure and places ---------------------------------------------------------------- */

static void every_node_knows_its_place(void **state)
{
    (void)state;
    struct doc doc;
    char place[DOC_PLACE];
    parse(&doc,
          "# a comment\n"
          "model:\n"
          "  stages: 3   # another\n"
          "  sizes: [7,\n"
          "          9]\n"
          "list:\n"
          "- name: x\n",
          "t.yaml");
    const struct doc_node *stages = doc_find(&doc, "model.stages");
    assert_int_equal(stages->line, 3);
    assert_int_equal(stages->column, 11);
    assert_int_equal(stages->key_line, 3);
    assert_int_equal(stages->key_column, 3);
    assert_string_equal(doc_place(stages, place, sizeof place), "model.stages");
    const struct doc_node *nine = doc_find(&doc, "model.sizes")->last;
    assert_int_equal(nine->line, 5);
    assert_int_equal(nine->column, 11);
    assert_string_equal(doc_place(nine, place, sizeof place), "model.sizes[1]");
    const struct doc_node *name = doc_get(doc_get(doc.root, "list")->first, "name");
    assert_string_equal(doc_place(name, place, sizeof place), "list[0].name");
    assert_string_equal(doc_place(doc.root, place, sizeof place), "");
    assert_null(doc_find(&doc, "model.stages.deeper"));
    assert_null(doc_find(&doc, "mode"));
    doc_free(&doc);
}

static void json_is_read_too(void **state)
{
    (void)state;
    struct doc doc;
    parse(&doc,
          "\xef\xbb\xbf{\n"
          "\t\"a\":1,\"b\" : [ true , false,null ],\n"
          "\t\"text\": \"q\\\" s\\/ n\\n u\\u00e9 pair\\ud83d\\ude00 \\\\ud83d\",\n"
          "\t\"n\": -1.5E-3, \"o\": {}, \"l\": []\n"
          "}\n",
          "t.json");
    assert_int_equal(doc_get(doc.root, "a")->integer, 1);
    assert_int_equal(doc_get(doc.root, "b")->n, 3);
    assert_string_equal(doc_get(doc.root, "text")->text,
                        "q\" s/ n\n u\xc3\xa9 pair\xf0\x9f\x98\x80 \\ud83d");
    assert_true(doc_get(doc.root, "n")->real == -1.5e-3);
    assert_int_equal(doc_get(doc.root, "o")->kind, DOC_MAP);
    assert_int_equal(doc_get(doc.root, "l")->kind, DOC_LIST);
    struct str text = {0};
    doc_print_json(&text, doc.root);
    assert_string_equal(str_text(&text),
                        "{\"a\": 1, \"b\": [true, false, null], \"text\": \"q\\\" s/ n\\n "
                        "u\xc3\xa9 pair\xf0\x9f\x98\x80 \\\\ud83d\", \"n\": -0.0015, \"o\": {}, "
                        "\"l\": []}");
    str_free(&text);
    doc_free(&doc);
}

static void an_empty_file_is_null(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n...\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct doc doc;
        parse(&doc, texts[i], "t.yaml");
        assert_int_equal(doc.root->kind, DOC_NULL);
        doc_free(&doc);
    }
}

/* ---- what is refused --------------------------------------------------------------------- */

static void messages_show_the_line(void **state)
{
    (void)state;
    refuse("a: 1\nb: 2\n\ta: 3\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:3:1: found a tab character that violates indentation (while scanning a plain "
           "scalar, from line 2, column 4)\n\ta: 3\n^");
    refuse("a: [1, 2\nb: 3\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:2:2: did not find expected ',' or ']' (while parsing a flow sequence, from line "
           "1, column 4)\nb: 3\n ^");
    refuse("a: 1\r\nkey: 2\r\n\r\nkey: 3\r\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:4:1: key 'key' stands in line 2 already\nkey: 3\n^");
    refuse("{\"x\": 1,\n \"y\": {\"k\": 1, \"k\": 2}}", "t.json", BPNET_ECONFIG,
           "t.json:2:16: key 'k' stands in line 2 already\n \"y\": {\"k\": 1, \"k\": 2}}\n"
           "               ^");
    refuse("\xc3\xa9: {\xc3\xa9: *x}", "t.yaml", BPNET_ECONFIG,
           "t.yaml:1:8: found an alias (*...), which specs do not use\n"
           "\xc3\xa9: {\xc3\xa9: *x}\n       ^");
}

static void things_specs_do_not_use(void **state)
{
    (void)state;
    refuse("a: &x 1\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:1:4: found an anchor (&...), which specs do not use\na: &x 1\n   ^");
    refuse("a: &x [1]\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:1:4: found an anchor (&...), which specs do not use\na: &x [1]\n   ^");
    refuse("a: !!python/object:os.system {}\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:1:4: found a tag (!...), which specs do not use\n"
           "a: !!python/object:os.system {}\n   ^");
    refuse("a: 1\n---\nb: 2\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:2:1: found a second document, expected the end of the file\n---\n^");
    refuse("? [1, 2]\n: 3\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:1:3: found a list or a mapping as a key, expected a name\n? [1, 2]\n  ^");
    refuse("a: \"x\\0y\"\n", "t.yaml", BPNET_ECONFIG,
           "t.yaml:1:4: found a NUL character in a text\na: \"x\\0y\"\n   ^");
    refuse("a: \"\\ud83d\"\n", "t.json", BPNET_ECONFIG,
           "t.json:1:7: found invalid Unicode character escape code (while parsing a quoted "
           "scalar, from line 1, column 4)\na: \"\\ud83d\"\n      ^");
}

static void bytes_that_are_no_text(void **state)
{
    (void)state;
    struct doc doc;
    assert_int_equal(doc_parse(&doc, "a: 1\nb: \xff\n", 11, "t.yaml", NULL), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "t.yaml:2:4: not a UTF-8 text: "));
    assert_int_equal(doc_parse(&doc, "a: \x01\n", 5, "t.yaml", NULL), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "t.yaml:1:4: "));
}

/* Only the part of a long line around the place is shown. */
static void long_lines_are_cut(void **state)
{
    (void)state;
    struct str text = {0};
    str_append(&text, "{");
    for (int i = 0; i < 500; i++)
        str_printf(&text, "\"k%03d\":0,", i);
    str_append(&text, "\"k000\":1}");
    struct doc doc;
    assert_int_equal(doc_parse(&doc, text.text, text.length, "t.json", NULL), BPNET_ECONFIG);
    const char *line = strchr(error_message(), '\n') + 1, *caret = strchr(line, '\n') + 1;
    assert_memory_equal(line, "...", 3);
    assert_true(strlen(line) < 250);
    assert_memory_equal(line + (strchr(caret, '^') - caret), "\"k000\":1}", 9);
    str_free(&text);
}

static void limits(void **state)
{
    (void)state;
    struct str text = {0};
    struct doc doc;
    for (int i = 0; i < DOC_MAX_DEPTH; i++)
        str_append(&text, "[");
    for (int i = 0; i < DOC_MAX_DEPTH; i++)
        str_append(&text, "]");
    parse(&doc, str_text(&text), "t.yaml");
    doc_free(&doc);
    str_clear(&text);
    for (int i = 0; i < 100000; i++)
        str_append(&text, "[");
    assert_int_equal(doc_parse(&doc, text.text, text.length, "t.yaml", NULL), BPNET_ELIMIT);
    assert_non_null(strstr(error_message(), "t.yaml:1:41: nested deeper than 40 levels"));
    str_clear(&text);
    str_append(&text, "[");
    for (int i = 0; i < DOC_MAX_NODES; i++)
        str_append(&text, "1,");
    str_append(&text, "]");
    assert_int_equal(doc_parse(&doc, text.text, text.length, "t.yaml", NULL), BPNET_ELIMIT);
    assert_non_null(strstr(error_message(), ": more than 100000 values"));
    str_clear(&text);
    for (int i = 0; i <= DOC_MAX_KEYS; i++)
        str_printf(&text, "k%d: 1\n", i);
    assert_int_equal(doc_parse(&doc, text.text, text.length, "t.yaml", NULL), BPNET_ELIMIT);
    assert_non_null(strstr(error_message(), "t.yaml:1025:1: more than 1024 keys in a mapping"));
    str_free(&text);
    assert_int_equal(doc_load(&doc, FIXTURES "/spec/none.yaml", NULL), BPNET_ENOENT);
}

/* ---- overrides --------------------------------------------------------------------------- */

static int apply(struct doc *doc, const char *text, const char *item)
{
    static const char *items[1];
    items[0] = item;
    const struct spec_overrides overrides = {items, 1};
    return doc_parse(doc, text, strlen(text), "t.yaml", &overrides);
}

static void overrides_replace_and_create(void **state)
{
    (void)state;
    static const struct {
        const char *item, *json;
    } cases[] = {
        {"a.b=5", "{\"a\": {\"b\": 5}, \"n\": null}"},
        {"a=[1, {x: y}]", "{\"a\": [1, {\"x\": \"y\"}], \"n\": null}"},
        {"a.c.d=text = text", "{\"a\": {\"b\": 1, \"c\": {\"d\": \"text = text\"}}, \"n\": null}"},
        {"n.m=~", "{\"a\": {\"b\": 1}, \"n\": {\"m\": null}}"},
        {"n=", "{\"a\": {\"b\": 1}, \"n\": null}"},
        {"n='1'", "{\"a\": {\"b\": 1}, \"n\": \"1\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct doc doc;
        struct str json = {0};
        assert_int_equal(apply(&doc, "a:\n  b: 1\nn: null\n", cases[i].item), BPNET_OK);
        doc_print_json(&json, doc.root);
        assert_string_equal(str_text(&json), cases[i].json);
        str_free(&json);
        doc_free(&doc);
    }
}

static void overrides_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *item, *message;
    } cases[] = {
        {"a", "--set a: expected key.path=value"},
        {"=5", "--set =5: expected key.path=value"},
        {"a..b=5", "--set a..b=5: a name between the dots is empty"},
        {"a.=5", "--set a.=5: a name between the dots is empty"},
        {".a=5", "--set .a=5: a name between the dots is empty"},
        {"a.b.c=5", "--set a.b.c=5: 'a.b' is an integer 1, expected a mapping"},
        {"a=[1", "--set a=[1: did not find expected ',' or ']' (while parsing a flow sequence)"},
        {"a=*b", "--set a=*b: found an alias (*...), which specs do not use"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct doc doc;
        assert_int_equal(apply(&doc, "a:\n  b: 1\n", cases[i].item), BPNET_ECONFIG);
        assert_string_equal(error_message(), cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_as_the_original_reads_them),
        cmocka_unit_test(infinities_and_nan),
        cmocka_unit_test(every_node_knows_its_place),
        cmocka_unit_test(json_is_read_too),
        cmocka_unit_test(an_empty_file_is_null),
        cmocka_unit_test(messages_show_the_line),
        cmocka_unit_test(things_specs_do_not_use),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(limits),
        cmocka_unit_test(overrides_replace_and_create),
        cmocka_unit_test(overrides_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
