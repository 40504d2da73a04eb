/* Layers by what they cost in 8 bits; the gate, which keeps the worst in floats. */
#include "deploy/gate.h"
#include "deploy/setting.h"

static void measure(struct sensitivity *out, const struct setting *s, enum sensitivity_way way)
{
    struct output_error *outputs;
    if (output_error_open(&outputs, &s->subject, &s->pictures) < 0 ||
        sensitivity_measure(out, outputs, way, NULL, NULL) < 0)
        fail_msg("%s", error_message());
    output_error_close(outputs);
}

/* The layer that is spoilt is found, either way, and those kept are the worst. */
static void test_sensitivity(void **state)
{
    (void)state;
    static const enum sensitivity_way ways[] = {SENSITIVITY_BUT_ONE, SENSITIVITY_ALONE};
    struct setting s;
    struct sensitivity found;
    setting_open(&s);
    const int victim = setting_spoil(&s);
    for (int w = 0; w < 2; w++) {
        measure(&found, &s, ways[w]);
        assert_int_equal(found.n_layers, s.exact.n_layers);
        assert_true(found.n > 10);
        assert_int_equal(found.items[0].layer, victim);
        assert_string_equal(found.items[0].name, s.exact.tensors[s.exact.outputs[0]].name);
        assert_true(found.error > 0);
        const double most = ways[w] == SENSITIVITY_ALONE ? found.error : 1;
        assert_true(found.items[0].share > 0.8 * most);
        for (size_t i = 1; i < found.n; i++)
            assert_true(found.items[i].share <= found.items[i - 1].share);
        bool *keep = malloc((size_t)found.n_layers * sizeof *keep);
        memset(keep, true, (size_t)found.n_layers * sizeof *keep);
        sensitivity_keep(&found, 3, keep);
        int n_kept = 0;
        for (int i = 0; i < found.n_layers; i++)
            n_kept += keep[i];
        assert_int_equal(n_kept, 3);
        for (int i = 0; i < 3; i++)
            assert_true(keep[found.items[i].layer]);
        free(keep);
        sensitivity_free(&found);
    }
    setting_close(&s);
}

/* ---- the gate ---------------------------------------------------------------------------------
 */

/* A score that falls with the number of convolutions in 8 bits. */
struct judge {
    double each;
    size_t n_trials;
    int fails;
};

static int judge(void *ctx, const struct engine *engine, double *ap)
{
    struct judge *j = ctx;
    int n = 0;
    for (int i = 0; i < engine_info(engine)->n_steps; i++) {
        const struct engine_step_info step = engine_step(engine, i);
        n += strcmp(step.kind, "conv") == 0 && step.in == MAP_U8;
    }
    *ap = 0.5 - j->each * n;
    return j->fails;
}

static void note(void *ctx, const struct gate_trial *trial)
{
    struct judge *j = ctx;
    assert_true(fabs(trial->drop - 100 * (0.5 - trial->score)) < 1e-9);
    j->n_trials++;
}

static void test_gate(void **state)
{
    (void)state;
    struct setting s;
    struct gate gate;
    struct judge j = {.each = 0.001};
    struct gate_options options = {.max_drop = 50, .score = judge, .trial = note, .ctx = &j};
    setting_open(&s);
    assert_int_equal(gate_run(&gate, &s.subject, &s.pictures, &options), 0);
    assert_true(gate.passed && gate.n_trials == 1 && j.n_trials == 1);
    assert_true(fabs(gate.exact - 0.5) < 1e-9 && gate.trials[0].n_kept == 0);
    assert_true(gate.sensitivity.n > 4); /* told whether anything is kept or not */
    const double all = gate.trials[0].drop;
    gate_free(&gate);

    options.no_trials = true;
    assert_int_equal(gate_run(&gate, &s.subject, &s.pictures, &options), 0);
    assert_true(gate.passed && gate.n_trials == 0 && j.n_trials == 1);
    assert_true(fabs(gate.exact - 0.5) < 1e-9 && gate.sensitivity.n > 4);
    gate_free(&gate);
    options.no_trials = false;

    options.max_drop = all - 0.25; /* three fewer are needed: 0, 1, 2, 4 are tried */
    assert_int_equal(gate_run(&gate, &s.subject, &s.pictures, &options), 0);
    assert_true(gate.passed);
    assert_int_equal(gate.n_trials, 4);
    assert_int_equal(gate.trials[3].n_kept, 4);
    assert_true(gate.trials[3].drop <= options.max_drop);
    assert_true(gate.trials[2].drop > options.max_drop);
    gate_free(&gate);

    options.max_drop = -1; /* better than floats cannot be had */
    assert_int_equal(gate_run(&gate, &s.subject, &s.pictures, &options), 0);
    assert_false(gate.passed);
    assert_int_equal(gate.trials[gate.n_trials - 1].n_kept, gate.sensitivity.n);
    gate_free(&gate);

    j.fails = BPNET_EIO;
    assert_int_equal(gate_run(&gate, &s.subject, &s.pictures, &options), BPNET_EIO);
    setting_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sensitivity),
                                       cmocka_unit_test(test_gate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
