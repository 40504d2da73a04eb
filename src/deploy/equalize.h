/*
 * Channels of a map brought nearer to one size (Nagel et al. 2019, "Data-Free Quantization Through
 * Weight Equalization and Bias Correction"; here by what calibration sees), because in 8 bits a map
 * has one scale: a channel that is a hundredth of another would have two steps. The convolution
 * that makes a channel is divided by a factor, and the weights that read it are multiplied by it;
 * ReLUs, pools, sums and concatenations in between do not mind. Factors are powers of two, so that
 * the network in floats gives the same bits as before.
 *
 * Left as they are: pixels, outputs, products, activations with limits other than 0 (ReLU6) or
 * without one slope (sigmoid), and whatever is summed with one of these.
 */
#ifndef DEPLOY_EQUALIZE_H
#define DEPLOY_EQUALIZE_H

#include "deploy/network.h"
#include "deploy/ranges.h"

/*
 * Choose factors, 2^-EQUALIZE_MOST to 1, by the largest magnitude of every channel, maxima[tensor]
 * [channel] (NULL: not known; its channels keep their size). With r the share of a tensor's largest
 * channel, the factor is r where depthwise convolutions alone read the channel, whose weights have
 * a scale each; where others do it is the root of r, because their weights share a scale with those
 * of other channels, too. Kept in `out` as factors of ranges, which are still 0.
 */
int equalize_choose(struct ranges *out, const struct network *net, float *const *maxima);

/*
 * Apply the factors of `ranges` to the weights; a network that is equalised already stays as it is.
 * BPNET_EUSAGE for factors that would change what the network computes.
 */
int equalize(struct network *net, const struct ranges *ranges);

enum { EQUALIZE_MOST = 10 };

#endif
