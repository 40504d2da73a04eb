/* Speed of a table's convolutions beside a ceiling in multiply-accumulates a second. */
#ifndef TESTS_KERNEL_CHECK_CONV_H
#define TESTS_KERNEL_CHECK_CONV_H

#include "check.h"

void bench_conv(const struct kernels *k, double ceiling);

#endif
