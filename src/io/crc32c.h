/* CRC-32C (Castagnoli, polynomial 0x1EDC6F41), the checksum of TFRecord files. */
#ifndef IO_CRC32C_H
#define IO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *bytes, size_t n);

/* The same without the CPU's own instruction; for comparing. */
uint32_t crc32c_plain(const void *bytes, size_t n);

/* What TFRecord files store instead of the sum: rotated right by 15 bits, plus 0xa282ead8. */
uint32_t crc32c_masked(const void *bytes, size_t n);

#endif
