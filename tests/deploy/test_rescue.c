/* The floor under the outputs of 8 bits: as few layers in floats as it takes, and no more. */
#include "deploy/rescue.h"
#include "deploy/setting.h"

#include <math.h>

struct watch {
    size_t calls, total, stop_at; /* 0: never */
};

static int watch(void *ctx, size_t done, size_t total)
{
    struct watch *w = ctx;
    assert_int_equal(done, ++w->calls);
    w->total = total;
    return done == w->stop_at ? error_set(BPNET_ESTOPPED, "stopped") : BPNET_OK;
}

static void must_rescue(struct rescue *out, const struct setting *s, double least_db)
{
    const struct rescue_options options = {.least_db = least_db};
    if (rescue(out, &s->subject, &s->pictures, &options) < 0)
        fail_msg("%s", error_message());
}

/* What the outputs are worth, in decibels, with these layers in floats. */
static double worth(const struct setting *s, const bool *kept)
{
    struct output_error *outputs;
    double error;
    assert_int_equal(output_error_open(&outputs, &s->subject, &s->pictures), 0);
    assert_int_equal(output_error_measure(&error, outputs, kept), 0);
    output_error_close(outputs);
    return -10 * log10(error);
}

/* Nothing is ranked, and nothing kept, where 8 bits are good enough. */
static void test_without_need(void **state)
{
    (void)state;
    struct setting s;
    struct rescue found;
    struct watch seen = {0};
    const struct rescue_options options = {.least_db = 1, .progress = watch, .ctx = &seen};
    setting_open(&s);
    assert_int_equal(rescue(&found, &s.subject, &s.pictures, &options), 0);
    assert_true(found.before_db > 1 && found.after_db >= found.before_db);
    assert_true(fabs(found.before_db - worth(&s, NULL)) < 1e-9);
    assert_int_equal(found.n_kept, 0);
    assert_null(found.kept);
    assert_int_equal(found.sensitivity.n, 0);
    assert_int_equal(seen.calls, 0);
    rescue_free(&found);
    setting_close(&s);
}

/* The most harmful ones are kept; one fewer is not enough. */
static void test_as_few_as_it_takes(void **state)
{
    (void)state;
    struct setting s;
    struct rescue found;
    setting_open(&s);
    const double before = worth(&s, NULL);
    for (double more = 1; more < 10; more += 4) {
        must_rescue(&found, &s, before + more);
        assert_true(found.after_db >= before + more);
        assert_true(found.n_kept >= 1 && found.n_kept < found.sensitivity.n);
        for (size_t i = 1; i < found.sensitivity.n; i++)
            assert_true(found.sensitivity.items[i - 1].share >= found.sensitivity.items[i].share);
        size_t n_flags = 0;
        for (int i = 0; i < found.sensitivity.n_layers; i++)
            n_flags += found.kept[i];
        assert_int_equal(n_flags, found.n_kept);
        assert_true(fabs(worth(&s, found.kept) - found.after_db) < 1e-9);
        found.kept[found.sensitivity.items[found.n_kept - 1].layer] = false;
        assert_true(worth(&s, found.kept) < before + more);
        rescue_free(&found);
    }
    setting_close(&s);
}

/* The subject keeps them from then on, whatever else is tried. */
static void test_kept_from_then_on(void **state)
{
    (void)state;
    struct setting s;
    struct rescue found, again;
    struct network net;
    setting_open(&s);
    const double least = worth(&s, NULL) + 4;
    must_rescue(&found, &s, least);
    s.subject.kept = found.kept;
    assert_int_equal(subject_quantize(&net, &s.subject, NULL), 0);
    size_t n_floats = 0;
    for (int i = 0; i < net.n_layers; i++)
        n_floats += net.layers[i].kind == LAYER_CONV && net.layers[i].precision == MAP_F32;
    assert_int_equal(n_floats, found.n_kept);
    network_free(&net);
    must_rescue(&again, &s, least);
    assert_int_equal(again.n_kept, 0);
    rescue_free(&again);
    rescue_free(&found);
    setting_close(&s);
}

/* One layer that ruins everything is all that is kept. */
static void test_one_culprit(void **state)
{
    (void)state;
    struct setting s;
    struct rescue found;
    setting_open(&s);
    const double sound = worth(&s, NULL);
    const int victim = setting_spoil(&s);
    assert_true(worth(&s, NULL) < sound - 10);
    must_rescue(&found, &s, sound - 3);
    assert_int_equal(found.n_kept, 1);
    assert_true(found.kept[victim]);
    assert_true(found.before_db < sound - 10 && found.after_db >= sound - 3);
    rescue_free(&found);
    setting_close(&s);
}

/* More than 8 bits can give anywhere: everything is kept, and that is no error. */
static void test_out_of_reach(void **state)
{
    (void)state;
    struct setting s;
    struct rescue found;
    setting_open(&s);
    must_rescue(&found, &s, QUALITY_MAX_DB + 1);
    assert_true(found.sensitivity.n > 10);
    assert_int_equal(found.n_kept, found.sensitivity.n);
    assert_true(found.after_db > 90 && found.after_db <= QUALITY_MAX_DB);
    rescue_free(&found);
    setting_close(&s);
}

static void test_stopped(void **state)
{
    (void)state;
    struct setting s;
    struct rescue found;
    struct watch seen = {.stop_at = 3};
    const struct rescue_options options = {.least_db = 100, .progress = watch, .ctx = &seen};
    setting_open(&s);
    assert_int_equal(rescue(&found, &s.subject, &s.pictures, &options), BPNET_ESTOPPED);
    assert_int_equal(seen.calls, 3);
    assert_true(seen.total > 10);
    assert_null(found.kept);
    assert_null(found.sensitivity.items);
    assert_int_equal(found.n_kept, 0);
    setting_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_need),      cmocka_unit_test(test_as_few_as_it_takes),
        cmocka_unit_test(test_kept_from_then_on), cmocka_unit_test(test_one_culprit),
        cmocka_unit_test(test_out_of_reach),      cmocka_unit_test(test_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
