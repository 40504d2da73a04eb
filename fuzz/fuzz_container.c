/* Any bytes as a container; then once more with its checksum and size set right, to get further. */
#include "base/hash.h"
#include "fuzz.h"
#include "io/container.h"

#include <string.h>

static void read_all(const uint8_t *bytes, size_t size)
{
    struct container c;
    if (container_open_memory(&c, bytes, size, "it", NULL) < 0)
        return;
    for (uint32_t i = 0; i < c.n_sections; i++) {
        const uint8_t *section;
        size_t length, listed;
        const char *name = container_section_name(&c, i, &listed);
        require(container_has(&c, name) && strlen(name) < 24);
        if (container_section(&c, name, &section, &length) < 0)
            continue;
        require(length == listed && (size_t)(section - bytes) % 64 == 0);
        touch(section, length);
    }
    container_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum { HEADER = 64, ENTRY = 64, CHECKED_FROM = 32 };
    read_all(bytes, size);
    if (size < HEADER)
        return 0;
    uint8_t *right = malloc(size);
    require(right);
    memcpy(right, bytes, size);
    uint32_t n;
    memcpy(&n, right + 12, sizeof(n));
    if (n <= (size - HEADER) / ENTRY) {
        const uint64_t whole = size;
        memcpy(right, "BPNET\r\n\x1a\1\0\0\0", 12);
        memcpy(right + 16, &whole, sizeof(whole));
        const uint64_t sum = hash64(right + CHECKED_FROM, HEADER - CHECKED_FROM + n * ENTRY);
        memcpy(right + 24, &sum, sizeof(sum));
        read_all(right, size);
    }
    free(right);
    return 0;
}
