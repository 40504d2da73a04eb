/* Small arithmetic on sizes. */
#ifndef KERNEL_INTEGERS_H
#define KERNEL_INTEGERS_H

static inline int smaller(int a, int b)
{
    return a < b ? a : b;
}

static inline int larger(int a, int b)
{
    return a > b ? a : b;
}

/* ceil(a / b) for positive b, and 0 for negative a. */
static inline int divide_up(int a, int b)
{
    return a <= 0 ? 0 : (a - 1) / b + 1;
}

#endif
