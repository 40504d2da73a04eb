/*
 * Any bytes as JSON. What the parser takes, the walker takes too, with the same elements; and what
 * the writer makes of it, parsed and written again, is the same text.
 */
#include "base/error.h"
#include "fuzz.h"
#include "io/json.h"

#include <string.h>

struct tally {
    size_t members, elements;
};

static bool wants(void *ctx, const char *key)
{
    struct tally *tally = ctx;
    tally->members++;
    return *key != 's'; /* some are skipped */
}

static int element(void *ctx, const char *key, size_t index, const struct json *v)
{
    struct tally *tally = ctx;
    require(*key != 's' && json_length(v) < SIZE_MAX);
    tally->elements++;
    (void)index;
    return BPNET_OK;
}

static int walk(const uint8_t *bytes, size_t size, struct tally *tally)
{
    const struct json_walker walker = {wants, element, tally};
    FILE *file = fmemopen((void *)(uintptr_t)bytes, size, "rb");
    require(file);
    const int code = json_walk_stream(file, "it", &walker);
    fclose(file);
    return code;
}

static void expect_tally(const struct json *root, const struct tally *seen)
{
    struct tally expected = {0};
    const char *key;
    const struct json *value;
    if (json_kind(root) == JSON_KIND_ARRAY)
        expected = (struct tally){1, json_length(root)};
    for (void *at = NULL; json_next(root, &at, &key, &value); expected.members++)
        if (*key != 's')
            expected.elements += json_kind(value) == JSON_KIND_ARRAY ? json_length(value) : 1;
    require(seen->members == expected.members && seen->elements == expected.elements);
}

static void write_and_read(const struct json *root)
{
    struct str first = {0}, second = {0};
    struct json *again;
    json_print(&first, root);
    require(json_parse(&again, first.text, first.length, "it") == BPNET_OK);
    json_print(&second, again);
    require(first.length == second.length && memcmp(first.text, second.text, first.length) == 0);
    json_free(again);
    str_free(&first);
    str_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct json *root;
    struct tally seen = {0};
    const int walked = size ? walk(bytes, size, &seen) : BPNET_EFORMAT;
    if (json_parse(&root, (const char *)bytes, size, "it") < 0)
        return 0;
    write_and_read(root);
    if (json_kind(root) == JSON_KIND_ARRAY || json_kind(root) == JSON_KIND_OBJECT) {
        require(walked == BPNET_OK || walked == BPNET_ELIMIT);
        if (walked == BPNET_OK)
            expect_tally(root, &seen);
    }
    json_free(root);
    return 0;
}
