/*
 * A frame asks for no memory once there was one: letterbox, network and decoding together, through
 * the public library, with one thread and with several, on pictures that need to be repacked as
 * well.
 */
#include "bpnet.h"

#include "counted_allocations.h"
#include "lib/light_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 6 };

static int setup(void **state)
{
    (void)state;
    return light_engine_open(192, 256);
}

static void count(const bpnet_options *options, const bpnet_image *image)
{
    bpnet *net;
    const bpnet_people *people;
    const int at_first = n_allocations;
    assert_int_equal(bpnet_open_memory(&net, engine, engine_size, options), BPNET_OK);
    assert_true(n_allocations > at_first); /* it does count */
    assert_int_equal(bpnet_run(net, image, &people), BPNET_OK);
    assert_true(people->n_persons >= 1);
    const int before = n_allocations;
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(bpnet_run(net, image, &people), BPNET_OK);
        assert_true(people->n_persons >= 1);
    }
    assert_int_equal(n_allocations, before);
    bpnet_close(net);
}

static void test_no_allocation(void **state)
{
    (void)state;
    const bpnet_options options[] = {
        {.threads = 1}, {.threads = 3}, {.threads = 1, .flip_test = 1}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        count(&options[i], &photo);
}

/* Blue first: a format that has to be copied. */
static void test_no_allocation_repacked(void **state)
{
    (void)state;
    const bpnet_options one = {.threads = 1};
    const size_t n = (size_t)photo.width * (size_t)photo.height;
    uint8_t *pixels = malloc(n * 4);
    assert_non_null(pixels);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 4; c++)
            pixels[i * 4 + c] = c < 3 ? photo.pixels[i * 3 + 2 - c] : 0;
    const bpnet_image image = {pixels, photo.width, photo.height, 0, BPNET_BGRA};
    count(&one, &image);
    free(pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_allocation),
                                       cmocka_unit_test(test_no_allocation_repacked)};
    return cmocka_run_group_tests(tests, setup, light_engine_close);
}
