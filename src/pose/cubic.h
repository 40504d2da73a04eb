/*
 * Cubic convolution (Keys 1981) with a = -0.75, the value OpenCV and therefore the original use.
 * One place for the formula, in the order of operations that everything else is compared with.
 */
#ifndef POSE_CUBIC_H
#define POSE_CUBIC_H

/* Weights of the samples at -1, 0, 1, 2 for a position `x` in [0, 1) after sample 0; sum 1. */
static inline void cubic_weights(float x, float w[4])
{
    const float a = -0.75f, y = 1 - x;
    w[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    w[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    w[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
    w[3] = 1 - w[0] - w[1] - w[2];
}

/*
 * What cubic_weights() can do at most along one axis: the sum of its negative weights is at least
 * -CUBIC_UNDERSHOOT (reached at x = 0.5), so that of the positive ones is at most 1 plus it.
 */
#define CUBIC_UNDERSHOOT 0.1875f

#endif
