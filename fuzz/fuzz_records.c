/* Any bytes as a file of records, and as one Example. What is parsed packs to what parses the same.
 */
#include "base/error.h"
#include "fuzz.h"
#include "io/example.h"
#include "io/tfrecord.h"

#include <string.h>

static void get_everything(const struct example *e)
{
    for (size_t i = 0; i < example_length(e); i++) {
        const char *name = example_name(e, i);
        const int64_t *integers;
        const float *floats;
        const uint8_t *bytes;
        size_t n;
        require(example_has(e, name));
        if (example_get_int64s(&integers, &n, e, name) == BPNET_OK)
            touch(integers, n * sizeof(*integers));
        else if (example_get_floats(&floats, &n, e, name) == BPNET_OK)
            touch(floats, n * sizeof(*floats));
        else if (example_get_bytes(&bytes, &n, e, name) == BPNET_OK)
            touch(bytes, n);
    }
}

static void parse(const uint8_t *bytes, size_t size)
{
    struct example *e, *again;
    if (example_parse(&e, bytes, size, "it") < 0)
        return;
    get_everything(e);
    struct str first = {0}, second = {0};
    require(example_pack(&first, e) == BPNET_OK);
    require(example_parse(&again, (const uint8_t *)str_text(&first), first.length, "it") ==
            BPNET_OK);
    require(example_pack(&second, again) == BPNET_OK);
    require(first.length == second.length &&
            memcmp(str_text(&first), str_text(&second), first.length) == 0);
    example_free(e);
    example_free(again);
    str_free(&first);
    str_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct tfrecord_reader r;
    size_t *offsets, n, read = 0;
    require(tfrecord_open_memory(&r, bytes, size, "it") == BPNET_OK);
    const int indexed = tfrecord_index(&r, &offsets, &n);
    for (size_t at = 0; at < size; read++) {
        const uint8_t *record;
        size_t length;
        if (tfrecord_at(&r, at, &record, &length, &at) < 0)
            break;
        require(indexed < 0 || read < n);
        parse(record, length);
    }
    free(offsets);
    tfrecord_close(&r);
    parse(bytes, size);
    return 0;
}
