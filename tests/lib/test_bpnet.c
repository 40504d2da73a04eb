/*
 * The public library as a program uses it: an engine of the shipped network, pictures in every
 * format and stride, several handles at the same time, and misuse.
 */
#include "bpnet.h"

#include "base/workers.h"
#include "io/file.h"
#include "io/image.h"
#include "lib/light_engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    return light_engine_open(192, 192);
}

static bpnet *open_engine(const bpnet_options *options)
{
    bpnet *net;
    assert_int_equal(bpnet_open_memory(&net, engine, engine_size, options), BPNET_OK);
    return net;
}

static void it_finds_people(void **state)
{
    (void)state;
    const bpnet_options options = {.person_threshold = 0.2F};
    bpnet *net = open_engine(&options);
    const bpnet_info *info = bpnet_get_info(net);
    assert_int_equal(info->input_width, 192);
    assert_string_equal(info->precision, "fp32");
    assert_int_equal(info->n_joints, 18);
    assert_string_equal(info->joint_names[0], "nose");
    assert_true(info->n_limbs > 0 && info->limbs[0][0] < 18 && info->limbs[0][1] < 18);
    const bpnet_people *people;
    assert_int_equal(bpnet_run(net, &photo, &people), BPNET_OK);
    assert_true(people->n_persons >= 1);
    int found = 0;
    for (int j = 0; j < info->n_joints; j++) {
        const bpnet_joint *joint = &people->persons[0].joints[j];
        found += joint->score > 0;
        assert_true(joint->x > -100 && joint->x < (float)photo.width + 100);
    }
    assert_true(found >= 4);
    bpnet_times times;
    bpnet_get_times(net, &times);
    assert_true(times.preprocess > 0 && times.network > 0 && times.decode > 0);
    bpnet_close(net);
}

/* The photograph in another format, rows `stride` bytes apart. */
static bpnet_image convert(bpnet_format format, ptrdiff_t stride, uint8_t *buffer)
{
    static const struct {
        int bytes, rgb[3];
    } layouts[] = {{3, {0, 1, 2}}, {3, {2, 1, 0}}, {4, {0, 1, 2}}, {4, {2, 1, 0}}};
    uint8_t *top = stride < 0 ? buffer - stride * (photo.height - 1) : buffer;
    for (int y = 0; y < photo.height; y++)
        for (int x = 0; x < photo.width; x++)
            for (int c = 0; c < 3; c++)
                top[y * stride + x * layouts[format].bytes + layouts[format].rgb[c]] =
                    photo.pixels[(y * photo.width + x) * 3 + c];
    return (bpnet_image){top, photo.width, photo.height, stride, format};
}

static void formats_and_strides_are_one_picture(void **state)
{
    (void)state;
    bpnet *net = open_engine(NULL), *other = open_engine(NULL);
    const bpnet_people *expected, *found;
    assert_int_equal(bpnet_run(net, &photo, &expected), BPNET_OK);
    const size_t size = (size_t)(photo.width + 7) * 4 * (size_t)photo.height;
    uint8_t *buffer = malloc(size);
    assert_non_null(buffer);
    for (int k = 0; k < 8; k++) {
        const bpnet_format format = (bpnet_format)(k / 2);
        const ptrdiff_t stride = (photo.width + 7) * 4;
        memset(buffer, 0xee, size);
        const bpnet_image image = convert(format, k % 2 ? -stride : stride, buffer);
        assert_int_equal(bpnet_run(other, &image, &found), BPNET_OK);
        assert_int_equal(found->n_persons, expected->n_persons);
        for (int p = 0; p < found->n_persons; p++)
            assert_memory_equal(found->persons[p].joints, expected->persons[p].joints,
                                18 * sizeof(bpnet_joint));
    }
    free(buffer);
    bpnet_close(net);
    bpnet_close(other);
}

/* Decoded at half its size, the photograph shows the same people, in its own pixels. */
static void files_are_looked_at(void **state)
{
    (void)state;
    const char *path = SOURCE_DIR "/examples/photos/hard/basketball.jpg";
    bpnet *net = open_engine(NULL), *other = open_engine(NULL);
    const bpnet_people *expected, *found;
    assert_int_equal(bpnet_run(net, &photo, &expected), BPNET_OK);
    assert_int_equal(bpnet_run_file(other, path, &found), BPNET_OK);
    assert_true(expected->n_persons >= 1 && found->n_persons >= 1);
    int near = 0;
    for (int j = 0; j < 18; j++) {
        const bpnet_joint *a = &expected->persons[0].joints[j], *b = &found->persons[0].joints[j];
        near += a->score > 0 && b->score > 0 && fabsf(a->x - b->x) < 8 && fabsf(a->y - b->y) < 8;
    }
    assert_true(near >= 4);

    struct file_view file;
    assert_int_equal(file_view_open(&file, path, 1 << 20), BPNET_OK);
    assert_int_equal(bpnet_run_encoded(net, file.bytes, file.size, &expected), BPNET_OK);
    assert_int_equal(expected->n_persons, found->n_persons);
    for (int p = 0; p < found->n_persons; p++)
        assert_memory_equal(found->persons[p].joints, expected->persons[p].joints,
                            18 * sizeof(bpnet_joint));
    assert_int_equal(bpnet_run_encoded(net, file.bytes, file.size / 2, &found), BPNET_EFORMAT);
    assert_null(found);
    assert_int_equal(bpnet_run_file(net, "nowhere.jpg", &found), BPNET_ENOENT);
    assert_null(found);
    file_view_close(&file);
    bpnet_close(net);
    bpnet_close(other);
}

struct stream {
    bpnet *net;
    int n_persons;
    float score;
};

static void run_stream(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    struct stream *s = (struct stream *)ctx + item;
    const bpnet_people *people;
    for (int i = 0; i < 3; i++)
        if (bpnet_run(s->net, &photo, &people) != BPNET_OK)
            return;
    s->n_persons = people->n_persons;
    s->score = people->n_persons ? people->persons[0].score : 0;
}

static void handles_share_an_engine(void **state)
{
    (void)state;
    enum { STREAMS = 3 };
    const bpnet_options one = {.threads = 1};
    struct stream streams[STREAMS] = {{.net = open_engine(&one), .n_persons = -1}};
    for (int i = 1; i < STREAMS; i++) {
        streams[i].n_persons = -2;
        assert_int_equal(bpnet_open_another(&streams[i].net, streams[0].net, &one), BPNET_OK);
    }
    struct workers *team;
    assert_int_equal(workers_open(&team, STREAMS), 0);
    workers_run(team, STREAMS, run_stream, streams);
    workers_close(team);
    for (int i = 0; i < STREAMS; i++) { /* the first to be opened is closed first */
        assert_int_equal(streams[i].n_persons, streams[0].n_persons);
        assert_memory_equal(&streams[i].score, &streams[0].score, sizeof(float));
        bpnet_close(streams[i].net);
    }
}

static void misuse_is_told(void **state)
{
    (void)state;
    bpnet *net = (bpnet *)1;
    assert_int_equal(bpnet_open(&net, "nowhere.engine", NULL), BPNET_ENOENT);
    assert_null(net);
    assert_non_null(strstr(bpnet_last_error(), "nowhere.engine"));
    assert_int_equal(bpnet_open(&net, SOURCE_DIR "/models/bpnet-light.bpnet", NULL), BPNET_EFORMAT);
    assert_int_equal(bpnet_open_memory(&net, engine + 1, engine_size - 1, NULL), BPNET_EUSAGE);
    assert_int_equal(bpnet_open_memory(&net, engine, engine_size / 2, NULL), BPNET_EFORMAT);
    const bpnet_options bad[] = {
        {.cpu = "z80"}, {.joint_threshold = -1}, {.min_joints = 100000}, {.threads = 1U << 30}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(bpnet_open_memory(&net, engine, engine_size, &bad[i]) < 0);
        assert_null(net);
        assert_true(strlen(bpnet_last_error()) > 0);
    }
    net = open_engine(NULL);
    const bpnet_people *people;
    const bpnet_image images[] = {{.pixels = NULL, .width = 8, .height = 8},
                                  {.pixels = photo.pixels, .width = 0, .height = 8},
                                  {.pixels = photo.pixels, .width = 8, .height = 40000},
                                  {.pixels = photo.pixels, .width = 8, .height = 8, .stride = 23},
                                  {.pixels = photo.pixels, .width = 8, .height = 8, .stride = -23},
                                  {photo.pixels, 8, 8, 0, (bpnet_format)9}};
    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        assert_int_equal(bpnet_run(net, &images[i], &people), BPNET_EUSAGE);
        assert_null(people);
    }
    bpnet_close(net);
    bpnet_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_people),
        cmocka_unit_test(formats_and_strides_are_one_picture),
        cmocka_unit_test(files_are_looked_at),
        cmocka_unit_test(handles_share_an_engine),
        cmocka_unit_test(misuse_is_told),
    };
    return cmocka_run_group_tests(tests, setup, light_engine_close);
}
