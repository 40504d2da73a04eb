/* docs/spec.md is what the tables print. `test_spec_reference --write` brings it up to date. */
#include "base/error.h"
#include "io/file.h"
#include "spec/spec.h"
#include "spec/spec_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REFERENCE SOURCE_DIR "/docs/spec.md"

static void reference_is_up_to_date(void **state)
{
    (void)state;
    char *text = spec_reference();
    struct file_view view;
    assert_non_null(text);
    if (file_view_open(&view, REFERENCE, 1 << 20) < 0)
        fail_msg("%s", error_message());
    if (view.size != strlen(text) || memcmp(view.bytes, text, view.size) != 0)
        fail_msg("%s is out of date: run test_spec_reference --write", REFERENCE);
    file_view_close(&view);
    free(text);
}

/* Rows must be printable and consistent: the reference and the writer rely on it. */
static void check_schema(const struct schema *schema)
{
    assert_non_null(schema->title);
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct field *f = &schema->fields[i];
        if (!f->help && f->type != FIELD_FIXED)
            fail_msg("%s.%s has no help", schema->title, f->key);
        assert_int_equal(f->type == FIELD_SECTION, f->section != NULL);
        assert_int_equal(f->type == FIELD_CUSTOM, f->custom != NULL);
        assert_int_equal(f->type == FIELD_CHOICE || f->type == FIELD_FIXED, f->choices != NULL);
        if (f->status == FIELD_IDLE)
            assert_non_null(f->fallback);
        if (f->classes)
            assert_string_equal(schema->fields[0].key, "__class_name__");
        for (size_t k = 0; k < i; k++) {
            const struct field *other = &schema->fields[k];
            if (strcmp(f->key, other->key) == 0)
                assert_true(f->classes && other->classes && !(f->classes & other->classes));
        }
        if (f->section)
            check_schema(f->section);
    }
}

static void tables_are_sound(void **state)
{
    (void)state;
    check_schema(&experiment_schema);
    check_schema(&inference_schema);
    check_schema(&dataset_schema);
    check_schema(&pose_config_schema);
    check_schema(&category_schema);
}

static int write_reference(void)
{
    char *text = spec_reference();
    const int err = text ? file_write(REFERENCE, text, strlen(text)) : BPNET_ENOMEM;
    free(text);
    if (err < 0)
        fprintf(stderr, "%s\n", error_message());
    return err < 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_reference();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sound),
        cmocka_unit_test(reference_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
