/* For code that is written once and compiled for many vector widths and tile sizes. */
#ifndef KERNEL_UNROLL_H
#define KERNEL_UNROLL_H

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

#endif
