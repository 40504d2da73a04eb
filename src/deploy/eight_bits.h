/* A lowered network brought to 8 bits as build options say: for engines and for ONNX files. */
#ifndef DEPLOY_EIGHT_BITS_H
#define DEPLOY_EIGHT_BITS_H

#include "deploy/engine_build.h"
#include "deploy/network.h"

/*
 * Find ranges, the options' or those of its pictures, and quantise `net`. `ranges` and `means`,
 * zeroed before, get what was used; `means` stays empty where none were measured. BPNET_EUSAGE
 * without either, or when a convolution to be kept in floats is not there.
 */
int eight_bits(struct network *net, struct ranges *ranges, struct channel_means *means,
               const struct build_options *options);

#endif
