/* Calibration against the executor's maps, threads, errors; comparison of engines; the gate. */
#include "base/rng.h"
#include "deploy/engines.h"
#include "deploy/gate.h"
#include "deploy/rescue.h"
#include "nn/networks.h"

enum { SIZE = 48, PICTURES = 3 };

static struct model *small(void)
{
    struct model *m;
    struct model_spec spec = default_spec(MODEL_LITE, 1);
    struct rng rng = rng_stream(4, 0, 0);
    spec.width_multiplier = 0.0625;
    if (model_build_graph(&m, &spec, 5) < 0)
        fail_msg("%s", error_message());
    random_values(&m->params, &rng);
    set_normalisation(m);
    m->meta.skeleton = (struct skeleton){0};
    return m;
}

struct stream {
    size_t n, given;
    int fails; /* with this code behind the last one */
};

static int next(void *ctx, uint8_t *pixels)
{
    struct stream *s = ctx;
    if (s->given == s->n)
        return s->fails < 0 ? error_set(s->fails, "the camera is on fire") : 0;
    uint8_t *random = random_pixels(SIZE, SIZE, s->given++);
    memcpy(pixels, random, SIZE * SIZE * 3);
    free(random);
    return 1;
}

static int run(struct ranges *r, struct channel_means *means, struct network *net,
               enum calibration_algorithm algorithm, unsigned threads, struct stream stream)
{
    struct workers *workers = NULL;
    if (threads)
        assert_int_equal(workers_open(&workers, threads), 0);
    const struct calibration_options options = {.algorithm = algorithm,
                                                .percentile = 99.9,
                                                .level = cpu_level_detect(),
                                                .workers = workers};
    const int err = calibrate(r, means, net, next, &stream, &options);
    workers_close(workers);
    return err;
}

/* The outputs' largest magnitudes and channel means, by the executor of training. */
static void test_against_executor(void **state)
{
    (void)state;
    struct model *m = small();
    struct network net;
    struct ranges r;
    struct channel_means means;
    assert_int_equal(network_lower(&net, m, SIZE, SIZE), 0);
    assert_int_equal(run(&r, &means, &net, CALIBRATE_MAX, 2, (struct stream){.n = PICTURES}), 0);
    for (int t = 1; t < net.n_tensors; t++) {
        const struct range *range = ranges_find(&r, net.tensors[t].name);
        assert_non_null(range);
        assert_int_equal(means.of_tensor[t] != NULL, net.tensors[t].maker >= 0);
    }
    /* The input may be any byte. */
    float amax = 0;
    for (int c = 0; c < 3; c++)
        amax = fmaxf(amax, fmaxf(m->meta.offset[c], 255 / m->meta.scale[c] - m->meta.offset[c]));
    assert_true(fabsf(r.items[0].amax - amax) < 1e-6F);

    float max[2] = {0, 0};
    double sum[2] = {0, 0};
    const size_t cells = (SIZE / 8) * (SIZE / 8);
    for (size_t i = 0; i < PICTURES; i++) {
        size_t n;
        uint8_t *pixels = random_pixels(SIZE, SIZE, i);
        float *all = executor_run(m, pixels, SIZE, SIZE, -1, &n);
        assert_int_equal(n, cells * (19 + 38)); /* heat, then PAF */
        for (size_t k = 0; k < n; k++)
            max[k >= cells * 19] = fmaxf(max[k >= cells * 19], fabsf(all[k]));
        for (size_t k = 0; k < cells; k++) { /* heat channel 3, PAF channel 30 */
            sum[0] += (double)all[k * 19 + 3];
            sum[1] += (double)all[cells * 19 + k * 38 + 30];
        }
        free(all);
        free(pixels);
    }
    for (int k = 0; k < 2; k++) {
        const int t = net.outputs[k];
        const float found = ranges_find(&r, net.tensors[t].name)->amax;
        assert_true(fabsf(found - max[k]) <= 1e-4F * max[k]);
        const double mean = sum[k] / (double)(cells * PICTURES);
        assert_true(fabs((double)means.of_tensor[t][k ? 30 : 3] - mean) <= 1e-4 * (double)max[k]);
    }
    ranges_free(&r);
    channel_means_free(&means);
    network_free(&net);
    model_free(m);
}

/* No thread, one or three: the same bits, for every algorithm. */
static void test_threads(void **state)
{
    (void)state;
    struct model *m = small();
    struct network net;
    assert_int_equal(network_lower(&net, m, SIZE, SIZE), 0);
    for (int a = 0; a < CALIBRATE_ALGORITHMS; a++) {
        struct ranges r[3];
        struct channel_means means[3];
        for (unsigned k = 0; k < 3; k++)
            assert_int_equal(run(&r[k], &means[k], &net, (enum calibration_algorithm)a,
                                 k == 2 ? 3 : k, (struct stream){.n = 2}),
                             0);
        for (int k = 1; k < 3; k++) {
            assert_int_equal(r[k].n, r[0].n);
            assert_memory_equal(r[k].items, r[0].items, r[0].n * sizeof(*r[0].items));
            for (int t = 0; t < net.n_tensors; t++) {
                if (means[0].of_tensor[t])
                    assert_memory_equal(means[k].of_tensor[t], means[0].of_tensor[t],
                                        (size_t)net.tensors[t].channels * sizeof(float));
            }
        }
        for (int k = 0; k < 3; k++) {
            ranges_free(&r[k]);
            channel_means_free(&means[k]);
        }
    }
    network_free(&net);
    model_free(m);
}

static void test_errors(void **state)
{
    (void)state;
    struct model *m = small();
    struct network net;
    struct ranges r;
    struct channel_means means;
    assert_int_equal(network_lower(&net, m, SIZE, SIZE), 0);
    assert_int_equal(run(&r, &means, &net, CALIBRATE_MAX, 1, (struct stream){0}), BPNET_EUSAGE);
    assert_string_equal(error_message(), "there are no pictures to calibrate on");
    assert_int_equal(run(&r, &means, &net, CALIBRATE_MAX, 1, (struct stream){.n = 1, .fails = -4}),
                     BPNET_EIO);
    assert_string_equal(error_message(), "the camera is on fire");
    assert_null(r.items);
    assert_null(means.of_tensor);
    net.layers[0].bias[0] = NAN;
    assert_int_equal(run(&r, &means, &net, CALIBRATE_MAX, 1, (struct stream){.n = 1}),
                     BPNET_ENUMERIC);
    assert_non_null(strstr(error_message(), "is not finite on a calibration picture"));
    network_free(&net);
    model_free(m);
}

/* ---- comparisons ------------------------------------------------------------------------------
 */

struct setting {
    struct model *model;
    struct network exact;
    struct ranges ranges;
    struct channel_means means;
    uint8_t *pixels;
    struct pictures pictures;
    struct subject subject;
};

static void setting_open(struct setting *s)
{
    *s = (struct setting){.model = small()};
    assert_int_equal(network_lower(&s->exact, s->model, SIZE, SIZE), 0);
    assert_int_equal(
        run(&s->ranges, &s->means, &s->exact, CALIBRATE_MSE, 1, (struct stream){.n = PICTURES}), 0);
    s->pixels = malloc(2 * SIZE * SIZE * 3);
    struct stream stream = {.n = 2};
    assert_int_equal(next(&stream, s->pixels), 1);
    assert_int_equal(next(&stream, s->pixels + SIZE * SIZE * 3), 1);
    s->pictures = (struct pictures){s->pixels, 2};
    s->subject = (struct subject){.model = s->model,
                                  .h = SIZE,
                                  .w = SIZE,
                                  .ranges = &s->ranges,
                                  .means = &s->means,
                                  .level = cpu_level_detect()};
}

static void setting_close(struct setting *s)
{
    network_free(&s->exact);
    ranges_free(&s->ranges);
    channel_means_free(&s->means);
    free(s->pixels);
    model_free(s->model);
}

static void test_quality(void **state)
{
    (void)state;
    struct setting s;
    struct quality same, bytes;
    struct network net;
    setting_open(&s);
    const struct quality_options options = {.level = s.subject.level};
    assert_int_equal(quality_measure(&same, &s.exact, &s.exact, &s.pictures, &options), 0);
    for (size_t i = 0; i < same.n; i++) {
        assert_true(same.items[i].snr_db == QUALITY_MAX_DB);
        assert_true(fabs(same.items[i].cosine - 1) < 1e-12);
    }
    assert_int_equal(subject_quantize(&net, &s.subject, NULL), 0);
    assert_int_equal(quality_measure(&bytes, &s.exact, &net, &s.pictures, &options), 0);
    assert_int_equal(bytes.n, same.n);
    size_t n_outputs = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        /* One step of rounding is 45 dB or so; what reads bytes can only be worse. */
        if (!(bytes.items[i].snr_db > 15 && bytes.items[i].snr_db < 80))
            fail_msg("'%s': %g dB", bytes.items[i].name, bytes.items[i].snr_db);
        n_outputs += bytes.items[i].output;
    }
    assert_int_equal(n_outputs, 2);
    assert_true(quality_output_snr(&bytes) > 15 && quality_output_cosine(&bytes) > 0.98);

    struct str text = {0};
    struct json_writer w = {.text = &text, .indent = 0};
    bytes.n = 1;
    bytes.items[0] = (struct tensor_quality){"x", true, 30.5, 0.75};
    quality_print(&w, &bytes);
    assert_string_equal(str_text(&text), "[{\"name\": \"x\", \"output\": true, \"snr_db\": 30.5, "
                                         "\"cosine\": 0.75}]");
    str_free(&text);
    quality_free(&same);
    quality_free(&bytes);
    network_free(&net);
    setting_close(&s);
}

static float *param_of(struct model *m, int node, enum param_role role)
{
    const int p = m->graph.nodes[node].params[role];
    assert_true(p >= 0);
    return m->params.value + m->params.list[p].offset;
}

/*
 * Channel 0 of what the last convolution reads becomes 0, and its weights there enormous: they do
 * not matter, but leave nothing of the other weights when they are rounded. It is found.
 */
static void test_sensitivity(void **state)
{
    (void)state;
    struct setting s;
    struct sensitivity found;
    setting_open(&s);
    const int victim = s.exact.tensors[s.exact.outputs[0]].maker;
    const struct layer *last = &s.exact.layers[victim];
    const int input = last->inputs[0], maker = s.exact.tensors[input].maker;
    const struct layer *before = &s.exact.layers[maker];
    const int in_c = before->geometry.in_c, out_c = before->geometry.out_c;
    assert_int_equal(last->kind, LAYER_CONV);
    assert_int_equal(before->kind, LAYER_CONV);
    assert_int_equal(before->geometry.kernel_h, 1);
    for (int c = 0; c < in_c; c++)
        param_of(s.model, before->node, PARAM_KERNEL)[c * out_c] = 0;
    param_of(s.model, before->node, PARAM_BIAS)[0] = 0;
    for (int j = 0; j < last->geometry.out_c; j++)
        param_of(s.model, last->node, PARAM_KERNEL)[j] = 1000;
    assert_int_equal(sensitivity_measure(&found, &s.subject, &s.pictures, NULL, NULL), 0);
    assert_int_equal(found.n_layers, s.exact.n_layers);
    assert_true(found.n > 10);
    assert_int_equal(found.items[0].layer, victim);
    assert_string_equal(found.items[0].name, s.exact.tensors[s.exact.outputs[0]].name);
    assert_true(found.error > 0 && found.items[0].share > 0.8);
    for (size_t i = 1; i < found.n; i++)
        assert_true(found.items[i].share <= found.items[i - 1].share);
    sensitivity_free(&found);
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
    assert_int_equal(gate.sensitivity.n, 0);
    const double all = gate.trials[0].drop;
    gate_free(&gate);

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

/* As few convolutions as it takes, the most harmful ones, stay in floats; nothing without need. */
static void test_rescue(void **state)
{
    (void)state;
    struct setting s;
    struct rescue found, more;
    struct network net;
    setting_open(&s);
    struct rescue_options options = {.least_db = 1};
    assert_int_equal(rescue(&found, &s.subject, &s.pictures, &options), 0);
    assert_true(found.before_db > 1 && found.n_kept == 0 && !found.kept);
    options.least_db = found.before_db + 4;
    rescue_free(&found);
    assert_int_equal(rescue(&found, &s.subject, &s.pictures, &options), 0);
    assert_true(found.after_db >= options.least_db);
    assert_true(found.n_kept >= 1 && found.n_kept < found.sensitivity.n);
    for (size_t i = 1; i < found.sensitivity.n; i++)
        assert_true(found.sensitivity.items[i - 1].share >= found.sensitivity.items[i].share);

    /* The subject keeps them from then on, whatever else is tried, and one fewer is not enough. */
    s.subject.kept = found.kept;
    assert_int_equal(subject_quantize(&net, &s.subject, NULL), 0);
    size_t n_floats = 0;
    for (int i = 0; i < net.n_layers; i++)
        n_floats += net.layers[i].kind == LAYER_CONV && net.layers[i].precision == MAP_F32;
    assert_int_equal(n_floats, found.n_kept);
    network_free(&net);
    assert_int_equal(rescue(&more, &s.subject, &s.pictures, &options), 0);
    assert_int_equal(more.n_kept, 0);
    rescue_free(&more);
    found.kept[found.sensitivity.items[found.n_kept - 1].layer] = false;
    double error;
    assert_int_equal(sensitivity_error(&error, &s.subject, &s.pictures, NULL), 0);
    assert_true(-10 * log10(error) < options.least_db);
    rescue_free(&found);
    setting_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_executor),
                                       cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_quality),
                                       cmocka_unit_test(test_sensitivity),
                                       cmocka_unit_test(test_rescue),
                                       cmocka_unit_test(test_gate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
