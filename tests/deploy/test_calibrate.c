/* Calibration against the executor's maps, threads, errors; comparison of engines. */
#include "deploy/setting.h"

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
    assert_true(quality_output_snr(&bytes) > 15 && quality_output_cosine(&bytes) >= 0.99);

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_executor), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_quality)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
