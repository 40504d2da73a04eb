/* The container: round trips, the layout byte by byte, and that no changed bit goes unnoticed. */
#include "base/error.h"
#include "base/hash.h"
#include "io/container.h"

#include "io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_message(part)                                                                       \
    do {                                                                                           \
        if (!strstr(error_message(), part))                                                        \
            fail_msg("'%s' is not in '%s'", part, error_message());                                \
    } while (0)

static const char graph[] = "{\"nodes\": []}";
static uint8_t weights[300];

static const struct section sections[] = {
    {"graph", graph, sizeof(graph) - 1}, {"weights", weights, sizeof(weights)}, {"empty", NULL, 0}};

static const char *write_it(void)
{
    for (size_t i = 0; i < sizeof(weights); i++)
        weights[i] = (uint8_t)(i * 7);
    const char *path = scratch_path("it.bpnet");
    assert_int_equal(container_write(path, "model", sections, 3, NULL), BPNET_OK);
    return path;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct container c;
    const uint8_t *bytes;
    size_t size;
    assert_int_equal(container_open(&c, write_it(), "model", NULL), BPNET_OK);
    assert_string_equal(c.kind, "model");
    assert_int_equal(c.n_sections, 3);
    assert_string_equal(container_section_name(&c, 1, &size), "weights");
    assert_int_equal(size, 300);
    assert_int_equal(container_section(&c, "weights", &bytes, &size), BPNET_OK);
    assert_int_equal(size, 300);
    assert_memory_equal(bytes, weights, 300);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    assert_int_equal(container_section(&c, "graph", &bytes, &size), BPNET_OK);
    assert_int_equal(size, strlen(graph));
    assert_memory_equal(bytes, graph, size);
    assert_int_equal(container_section(&c, "empty", &bytes, &size), BPNET_OK);
    assert_int_equal(size, 0);
    assert_true(container_has(&c, "empty") && !container_has(&c, "Empty"));
    assert_int_equal(container_section(&c, "optimizer", &bytes, &size), BPNET_EFORMAT);
    assert_message("it.bpnet: has no section 'optimizer'");
    container_close(&c);
    container_close(&c);
    assert_int_equal(container_open(&c, scratch_path("it.bpnet"), NULL, NULL), BPNET_OK);
    container_close(&c);
    assert_int_equal(container_open(&c, scratch_path("it.bpnet"), "checkpoint", NULL),
                     BPNET_EFORMAT);
    assert_message("is a model file, expected a checkpoint file");
}

static uint64_t number(const char *bytes, int size)
{
    uint64_t value = 0;
    for (int i = size; i-- > 0;)
        value = value << 8 | (uint8_t)bytes[i];
    return value;
}

/* What container.h says, from the other side. */
static void test_layout(void **state)
{
    (void)state;
    size_t n;
    char *file = scratch_read(write_it(), &n);
    assert_int_equal(n, 64 + 3 * 64 + 64 + 320);
    assert_memory_equal(file, "BPNET\r\n\x1a", 8);
    assert_int_equal(number(file + 8, 4), 1);
    assert_int_equal(number(file + 12, 4), 3);
    assert_int_equal(number(file + 16, 8), n);
    assert_true(number(file + 24, 8) == hash64(file + 32, 32 + 3 * 64));
    assert_memory_equal(file + 32, "model\0\0\0", 8);
    const char *entry = file + 64 + 64;
    assert_string_equal(entry, "weights");
    assert_int_equal(number(entry + 24, 8), 64 + 3 * 64 + 64);
    assert_int_equal(number(entry + 32, 8), 300);
    assert_true(number(entry + 40, 8) == hash64(weights, 300));
    assert_memory_equal(file + 64 + 3 * 64 + 64, weights, 300);
    free(file);
}

/* Open, and read all sections. */
static int read_all(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = aligned_alloc(64, (size + 127) / 64 * 64);
    memcpy(exact, bytes, size);
    struct container c;
    int error = container_open_memory(&c, exact, size, "it", NULL);
    for (uint32_t i = 0; i < c.n_sections && error == BPNET_OK; i++) {
        const uint8_t *section;
        size_t length;
        error = container_section(&c, container_section_name(&c, i, NULL), &section, &length);
    }
    container_close(&c);
    free(exact);
    return error;
}

static void test_no_bit_changes_unnoticed(void **state)
{
    (void)state;
    size_t n;
    uint8_t *file = (uint8_t *)scratch_read(write_it(), &n);
    assert_int_equal(read_all(file, n), BPNET_OK);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        file[bit / 8] = (uint8_t)(file[bit / 8] ^ 1 << bit % 8);
        const int code = read_all(file, n);
        if (code != BPNET_EFORMAT && code != BPNET_EUNSUPPORTED)
            fail_msg("bit %zu of byte %zu may change: %d", bit % 8, bit / 8, code);
        file[bit / 8] = (uint8_t)(file[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(read_all(file, cut), BPNET_EFORMAT);
    file = realloc(file, n + 64);
    memset(file + n, 0, 64);
    assert_int_equal(read_all(file, n + 64), BPNET_EFORMAT);
    assert_message("truncated or extended");
    free(file);
}

/* Files that are wrong in a way their checksums bless: a careless or malicious writer. */
static void test_lies_with_good_checksums(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint64_t value;
        const char *message;
    } lies[] = {
        {64 + 24, 64 + 3 * 64 + 1, "claims 13 bytes"},              /* not where it should be */
        {64 + 24, UINT64_MAX - 63, "claims 13 bytes"},              /* far outside */
        {64 + 32, UINT64_MAX, "claims 18446744073709551615"},       /* larger than any file */
        {64 + 32, 65, "bytes behind section 'graph' are not zero"}, /* into the next */
        {128 + 24, 64 + 3 * 64, "claims 300 bytes"},                /* where another is */
        {64, 0, "section 0 has no proper name"},
        {12, 5000, "claims 5000 sections"},
        {12, 0, "its sections take 64"},
        {8, 2 | 3ull << 32, "format version 2; this program reads version 1"},
    };
    size_t n;
    char *good = scratch_read(write_it(), &n);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        uint8_t *file = malloc(n);
        memcpy(file, good, n);
        memcpy(file + lies[i].at, &lies[i].value, lies[i].at == 12 ? 4 : 8);
        uint32_t claimed;
        memcpy(&claimed, file + 12, 4);
        const uint64_t sum = hash64(file + 32, 32 + (claimed <= 3 ? claimed : 3) * 64);
        memcpy(file + 24, &sum, 8);
        assert_true(read_all(file, n) < 0);
        assert_message(lies[i].message);
        free(file);
    }
    /* Two sections of one name. */
    uint8_t *file = (uint8_t *)good;
    memcpy(file + 128, file + 64, 24);
    const uint64_t sum = hash64(file + 32, 32 + 3 * 64);
    memcpy(file + 24, &sum, 8);
    assert_int_equal(read_all(file, n), BPNET_EFORMAT);
    assert_message("section 'graph' is there twice");
    free(file);
}

static void test_other_files(void **state)
{
    (void)state;
    struct container c;
    assert_int_equal(container_open(&c, scratch_path("none"), NULL, NULL), BPNET_ENOENT);
    assert_int_equal(container_open(&c, scratch_text("text", "a text, nothing else"), NULL, NULL),
                     BPNET_EFORMAT);
    assert_message("text: not a bpnet file");
    assert_int_equal(container_open(&c, scratch_text("onnx", "\x08\x07\x12"), NULL, NULL),
                     BPNET_EFORMAT);
    assert_message("onnx: not a bpnet file; if it is an ONNX file, 'bpnet import'");
    assert_int_equal(container_open(&c, scratch_text("short", "BPNET\r\n\x1a"), NULL, NULL),
                     BPNET_EFORMAT);
    assert_message("short: truncated: 8 bytes");
    container_close(&c);
}

static void test_writing_fails_with_a_reason(void **state)
{
    (void)state;
    const struct section wrong[][2] = {
        {{"", "", 0}, {"b", "", 0}},
        {{"a name of twenty-four by", "", 0}, {"b", "", 0}},
        {{"b", "", 0}, {"b", "", 0}},
    };
    const char *path = scratch_path("none.bpnet");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(container_write(path, "model", wrong[i], 2, NULL), BPNET_EUSAGE);
    assert_int_equal(
        container_write(path, "a kind of more than thirty-two bytes", sections, 3, NULL),
        BPNET_EUSAGE);
    assert_false(file_exists(path));
    assert_int_equal(container_write("/dev/full", "model", sections, 3, NULL), BPNET_EIO);
    assert_message("/dev/full");
    assert_int_equal(container_write(scratch_path("no/such"), "model", sections, 3, NULL),
                     BPNET_ECREATE);
}

/* In portions of any size, sections of no bytes included: the same file as in one go. */
static void test_pieces(void **state)
{
    (void)state;
    static const struct section five[] = {{"none", NULL, 0},
                                          {"graph", graph, sizeof(graph) - 1},
                                          {"nothing", NULL, 0},
                                          {"weights", weights, sizeof(weights)},
                                          {"end", NULL, 0}};
    write_it();
    uint8_t all[sizeof(graph) - 1 + sizeof(weights)];
    memcpy(all, graph, sizeof(graph) - 1);
    memcpy(all + sizeof(graph) - 1, weights, sizeof(weights));
    assert_int_equal(container_write(scratch_path("whole"), "model", five, 5, NULL), BPNET_OK);
    size_t size, other;
    char *whole = scratch_read(scratch_path("whole"), &size);
    for (size_t portion = 1; portion < sizeof(all) + 10; portion += 31) {
        struct container_writer *w;
        assert_int_equal(container_writer_open(&w, scratch_path("pieces"), "model", five, 5), 0);
        for (size_t at = 0; at < sizeof(all); at += portion) {
            const size_t left = sizeof(all) - at;
            assert_int_equal(container_writer_put(w, all + at, left < portion ? left : portion), 0);
        }
        assert_int_equal(container_writer_commit(w), BPNET_OK);
        container_writer_close(w);
        char *pieces = scratch_read(scratch_path("pieces"), &other);
        assert_int_equal(size, other);
        assert_memory_equal(whole, pieces, size);
        free(pieces);
    }
    free(whole);
}

static void test_pieces_wrong(void **state)
{
    (void)state;
    struct container_writer *w;
    write_it();
    const int before = scratch_count();
    assert_int_equal(container_writer_open(&w, scratch_path("bad"), "model", sections, 3), 0);
    assert_int_equal(container_writer_put(w, weights, 300), BPNET_OK);
    assert_int_equal(container_writer_commit(w), BPNET_EUSAGE);
    assert_message("bad: section 'weights' is not complete: 13 bytes missing");
    assert_int_equal(container_writer_put(w, weights, 14), BPNET_EUSAGE);
    assert_message("bad: 1 bytes more than its sections take");
    container_writer_close(w);
    assert_int_equal(scratch_count(), before);
    assert_int_equal(container_writer_open(&w, "/proc/none/bad", "model", sections, 3),
                     BPNET_ECREATE);
    assert_null(w);
    container_writer_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_pieces_wrong),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_no_bit_changes_unnoticed),
        cmocka_unit_test(test_lies_with_good_checksums),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_writing_fails_with_a_reason),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
