/* The runtime's stand-in for sealing, linked in place of the real one: it refuses and says why. */
#include "base/error.h"
#include "io/container.h"
#include "io/seal.h"

#include "io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_refuses(void **state)
{
    (void)state;
    struct container c;
    struct seal_key *key;
    const char *path = scratch_text("sealed.engine", "BPSEAL\r\n and so on");
    assert_int_equal(container_open(&c, path, NULL, NULL), BPNET_EUNSUPPORTED);
    assert_non_null(strstr(error_message(), "sealed.engine: sealed files need"));
    assert_int_equal(seal_key_new(&key, "k", 1), BPNET_EUNSUPPORTED);
    assert_null(key);
    assert_int_equal(seal_file_write(path, "x", 1, (struct seal_key *)state), BPNET_EUNSUPPORTED);
    seal_key_free(key);
}

static void test_plain_files_open(void **state)
{
    (void)state;
    const struct section section = {"a", "bytes", 5};
    const char *path = scratch_path("plain.engine");
    struct container c;
    assert_int_equal(container_write(path, "engine", &section, 1, NULL), BPNET_OK);
    assert_int_equal(container_open(&c, path, "engine", NULL), BPNET_OK);
    assert_int_equal(c.n_sections, 1);
    assert_false(c.file.sealed);
    container_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refuses),
                                       cmocka_unit_test(test_plain_files_open)};
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
