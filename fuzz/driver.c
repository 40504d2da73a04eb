/*
 * Runs a fuzz target without libFuzzer: over every file given, every file of every folder given,
 * and some mutations of each, always the same ones.
 */
#include "base/rng.h"
#include "fuzz.h"
#include "io/file.h"

#include <string.h>

enum { MAX_FILE = 1 << 20, MAX_CHANGES = 8 };

/* Small seeds are worth many tries; a large one takes its time. */
static uint64_t mutations(size_t size)
{
    const uint64_t n = 200000 / (size + 1);
    return n < 20 ? 20 : n > 250 ? 250 : n;
}

/* Up to eight small changes, then perhaps a cut; returns the new size. */
static size_t mutate(uint8_t *bytes, size_t size, struct rng *rng)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '['};
    const int64_t changes = rng_integer(rng, 1, MAX_CHANGES);
    for (int64_t i = 0; i < changes && size > 0; i++) {
        uint8_t *at = bytes + rng_integer(rng, 0, (int64_t)size - 1);
        const uint8_t *from = bytes + rng_integer(rng, 0, (int64_t)size - 1);
        const size_t run = (size_t)rng_integer(rng, 1, 16);
        const size_t left = size - (size_t)((at > from ? at : from) - bytes);
        switch (rng_integer(rng, 0, 3)) {
        case 0: *at = (uint8_t)(*at ^ 1 << rng_integer(rng, 0, 7)); break;
        case 1: *at = telling[rng_integer(rng, 0, sizeof(telling) - 1)]; break;
        case 2: *at = (uint8_t)rng_next(rng); break;
        case 3: memmove(at, from, run < left ? run : left); break;
        default: break;
        }
    }
    return rng_integer(rng, 0, 3) == 0 ? (size_t)rng_integer(rng, 0, (int64_t)size) : size;
}

/* In memory of exactly its size, so that reading beyond it is seen. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    require(exact);
    if (size)
        memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void run_file(const char *path)
{
    struct file_view file;
    require(file_view_open(&file, path, MAX_FILE) == 0);
    run(file.bytes, file.size);
    uint8_t *copy = malloc(file.size + 1);
    require(copy);
    for (uint64_t i = 0; i < mutations(file.size); i++) {
        struct rng rng = rng_stream(file.size, i, 0);
        if (file.size)
            memcpy(copy, file.bytes, file.size);
        const size_t size = mutate(copy, file.size, &rng);
        run(copy, size);
    }
    free(copy);
    file_view_close(&file);
}

static size_t run_folder(const char *path)
{
    char **names;
    size_t n;
    char inner[4096];
    require(folder_list(&names, &n, path, NULL) == 0);
    for (size_t i = 0; i < n; i++) {
        snprintf(inner, sizeof(inner), "%s/%s", path, names[i]);
        run_file(inner);
    }
    free(names);
    return n;
}

int main(int argc, char **argv)
{
    size_t n = 0;
    run((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        if (folder_exists(argv[i])) {
            n += run_folder(argv[i]);
        } else {
            run_file(argv[i]);
            n++;
        }
    }
    printf("%zu files and mutations of them\n", n);
    return n == 0; /* a corpus that is not there proves nothing */
}
