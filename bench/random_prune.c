/* Random weights, and scores such that one threshold leaves about the same share everywhere. */
#include "random_prune.h"

#include "base/error.h"
#include "base/rng.h"
#include "prune/threshold.h"

#include <stdlib.h>

static void free_scores(double **scores, int n)
{
    for (int i = 0; scores && i < n; i++)
        free(scores[i]);
    free(scores);
}

static double **random_scores(const struct graph *g)
{
    double **scores = calloc((size_t)g->n_nodes, sizeof *scores);
    for (int i = 0; scores && i < g->n_nodes; i++) {
        struct rng rng = rng_stream(7, (uint64_t)i, 0);
        if (g->nodes[i].op != OP_CONV)
            continue;
        scores[i] = malloc((size_t)g->nodes[i].channels * sizeof **scores);
        if (!scores[i]) {
            free_scores(scores, i);
            return NULL;
        }
        for (int j = 0; j < g->nodes[i].channels; j++)
            scores[i][j] = rng_uniform(&rng);
    }
    return scores;
}

int random_prune(struct model **out, const struct model *m, int granularity, double share)
{
    double **scores = random_scores(&m->graph);
    const struct prune_options options = {.score = FILTER_SCORE_GIVEN,
                                          .given = (const double *const *)scores,
                                          .norm = SCORE_NORM_NONE,
                                          .join = SCORE_ARITHMETIC_MEAN,
                                          .granularity = granularity,
                                          .min_filters = 1,
                                          .input_h = 256,
                                          .input_w = 256};
    struct pruner *p = NULL;
    struct prune_plan plan = {0};
    double threshold;
    int err = scores ? pruner_open(&p, m, &options) : error_set(BPNET_ENOMEM, "no memory");
    if (err == BPNET_OK &&
        (err = threshold_for_goal(&threshold, p, GOAL_MACS, share)) == BPNET_OK &&
        (err = pruner_plan(&plan, p, threshold)) == BPNET_OK)
        err = pruner_apply(out, p, &plan);
    prune_plan_close(&plan);
    pruner_close(p);
    free_scores(scores, m->graph.n_nodes);
    return err;
}

int random_network(struct model **out, enum model_kind kind, double width)
{
    const struct model_spec spec = {
        .kind = kind,
        .backbone = BACKBONE_VGG,
        .backbone_layers = 19,
        .backbone_batch_norm = true,
        .width_multiplier = width,
        .stages = 2,
        .heat_channels = 19,
        .paf_channels = 38,
        .n_stage1_kernels = 3,
        .stage1_kernels = {3, 3, 3},
        .n_stage_t_kernels = 5,
        .stage_t_kernels = {7, 7, 7, 7, 7},
        .head_bias = true,
        .initializer = INIT_HE,
    };
    return model_build_graph(out, &spec, 1);
}
