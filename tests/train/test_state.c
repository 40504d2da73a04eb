/* The state of a run as JSON: bits survive, nonsense does not. */
#include "train/state.h"

#include "base/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct train_state example(void)
{
    struct train_state s;
    train_state_init(&s);
    s.step = 123456789012;
    s.last_step = 200000000000;
    s.base_step = 7;
    s.base_epoch = 3;
    s.seed = -42;
    s.n_records = 8877;
    s.cpu = 2;
    s.seconds = 0.1 + 0.2;
    s.validation_loss = 1.0 / 3.0;
    s.best_ap = 5e-324; /* the smallest there is */
    s.best_epoch = 9;
    memcpy(s.teacher, "0123456789abcdef0123456789abcdef", 33);
    s.epoch = (struct loss_sums){.n = 3, .n_maps = 2, .data = 1e300, .total = 0.1};
    s.epoch.map[0] = 1.0 / 7.0;
    s.epoch.map[1] = 2.0 / 3.0;
    s.row.n = 1;
    return s;
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct train_state s = example();
    struct train_state back;
    struct str text = {0};
    train_state_print(&text, &s);
    assert_int_equal(train_state_parse(&back, str_text(&text), text.length, "x"), 0);
    assert_true(isnan(back.validation_ap) && isnan(back.best_loss));
    assert_true(back.seconds == s.seconds && back.best_ap == s.best_ap);
    assert_true(back.validation_loss == s.validation_loss);
    assert_int_equal(back.step, s.step);
    assert_int_equal(back.last_step, s.last_step);
    assert_int_equal(back.seed, -42);
    assert_int_equal(back.cpu, 2);
    assert_int_equal(back.base_epoch, 3);
    assert_int_equal(back.best_epoch, 9);
    assert_int_equal(back.n_records, 8877);
    assert_string_equal(back.teacher, s.teacher);
    assert_memory_equal(&back.epoch, &s.epoch, sizeof s.epoch);
    assert_memory_equal(&back.row, &s.row, sizeof s.row);
    str_free(&text);
}

static void test_older_states_have_no_teacher(void **state)
{
    (void)state;
    const struct train_state s = example();
    struct train_state back;
    struct str text = {0};
    train_state_print(&text, &s);
    char *key = strstr(text.text, "teacher");
    assert_non_null(key);
    memcpy(key, "unknown", 7);
    assert_int_equal(train_state_parse(&back, str_text(&text), text.length, "x"), 0);
    assert_string_equal(back.teacher, "");
    str_free(&text);
}

/* Replace one piece of a good state; the parse must fail and say why. */
static void refuse(const char *from, const char *to, const char *expected)
{
    const struct train_state s = example();
    struct train_state back;
    struct str good = {0}, bad = {0};
    train_state_print(&good, &s);
    const char *at = strstr(str_text(&good), from);
    assert_non_null(at);
    str_append_bytes(&bad, str_text(&good), (size_t)(at - str_text(&good)));
    str_append(&bad, to);
    str_append(&bad, at + strlen(from));
    assert_int_equal(train_state_parse(&back, str_text(&bad), bad.length, "x"), BPNET_EFORMAT);
    if (!strstr(error_message(), expected))
        fail_msg("found \"%s\", expected something with \"%s\"", error_message(), expected);
    str_free(&good);
    str_free(&bad);
}

static void test_nonsense_is_refused(void **state)
{
    (void)state;
    refuse("\"step\": 123456789012", "\"step\": -1", "expected a count");
    refuse("\"base_epoch\": 3", "\"base_epoch\": 3000000000", "expected a count");
    refuse("\"best_epoch\"", "\"other\"", "best_epoch");
    refuse("\"seconds\":", "\"seconds\":\"x\",\"also\":", "seconds");
    refuse("\"epoch_sums\"", "\"other\"", "x");
    refuse("\"n\": 3", "\"n\": -3", "epoch_sums");
    refuse("\"0123456789", "\"12", "'teacher': found 24 letters, expected 32");
    refuse("}", "", "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_older_states_have_no_teacher),
        cmocka_unit_test(test_nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
