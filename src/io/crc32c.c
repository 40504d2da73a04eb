/* CRC-32C: four bits at a time from a table of sixteen, or eight bytes at a time by SSE 4.2. */
#include "io/crc32c.h"

#include <string.h>

/* table[i]: the four bits i, reflected, divided by the polynomial 0x82f63b78 (0x1edc6f41). */
static const uint32_t table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c_plain(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint32_t sum = ~UINT32_C(0);
    for (size_t i = 0; i < n; i++) {
        sum ^= p[i];
        sum = sum >> 4 ^ table[sum & 15];
        sum = sum >> 4 ^ table[sum & 15];
    }
    return ~sum;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t sum = ~UINT32_C(0);
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t eight;
        memcpy(&eight, p, 8);
        sum = __builtin_ia32_crc32di(sum, eight);
    }
    uint32_t rest = (uint32_t)sum;
    for (; n > 0; n--, p++)
        rest = __builtin_ia32_crc32qi(rest, *p);
    return ~rest;
}
#endif

uint32_t crc32c(const void *bytes, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(bytes, n);
#endif
    return crc32c_plain(bytes, n);
}

uint32_t crc32c_masked(const void *bytes, size_t n)
{
    const uint32_t sum = crc32c(bytes, n);
    return (sum >> 15 | sum << 17) + 0xa282ead8;
}
