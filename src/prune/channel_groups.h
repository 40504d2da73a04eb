/*
 * Which channels of a network stand and fall together (spec 8.2, 8.3). Maps that are added or
 * multiplied must keep the same channels, and so must whatever passes channels on: every node
 * belongs to one group, and nodes of one group keep the same channels.
 */
#ifndef PRUNE_CHANNEL_GROUPS_H
#define PRUNE_CHANNEL_GROUPS_H

#include "nn/graph.h"

/* Why nothing may be removed from a group. */
enum whole_reason {
    WHOLE_NOT, /* it may be pruned */
    WHOLE_OUTPUT,
    WHOLE_EXCLUDED,
    WHOLE_INPUT,   /* the picture itself */
    WHOLE_JOINED,  /* joined with a concatenation */
    WHOLE_GROUPED, /* made or read by a convolution in groups that is not depthwise */
    WHOLE_REASONS
};

/* How an operation's channels come about. */
enum channel_relation {
    CHANNELS_GIVEN,  /* the input */
    CHANNELS_MADE,   /* filters of its own */
    CHANNELS_PASSED, /* channel k is made of channel k: depthwise convolutions, too */
    CHANNELS_JOINED, /* the same, of several inputs */
    CHANNELS_LINED   /* those of the inputs, one after another */
};

enum channel_relation node_relation(const struct graph *g, const struct node *n);

/* Whether a node's kernel counts in scores: convolutions, depthwise ones too. */
bool node_is_scored(const struct node *n);

struct channel_group {
    int channels;
    enum whole_reason whole;
    bool lined; /* its channels are those of several other groups: it only follows */
};

struct channel_groups {
    struct channel_group *list;
    int n;
    int *of; /* the group of each node */
};

/* `excluded`: per node, whether its group is to stay whole. */
int channel_groups_find(struct channel_groups *out, const struct graph *g, const bool *excluded);
void channel_groups_free(struct channel_groups *s); /* a zeroed one is allowed */

#endif
