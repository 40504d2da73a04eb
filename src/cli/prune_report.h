/* What pruning did to a network, layer by layer: for people and for programs. */
#ifndef CLI_PRUNE_REPORT_H
#define CLI_PRUNE_REPORT_H

#include "io/json.h"
#include "prune/pruner.h"

/* One layer: a convolution with the batch norm or slopes behind it, or such a one on its own. */
struct prune_row {
    int node;
    int filters[2]; /* before and after */
    size_t parameters[2];
    int64_t macs[2];
    enum whole_reason whole;
};

struct prune_report {
    const struct graph *graph; /* borrowed: the one before */
    int h, w;
    struct prune_row *rows;
    int n_rows;
    int filters[2]; /* of all convolutions, before and after */
    int stages[2];  /* before and after */
    struct prune_cost before, after;
};

/* `whole` is the model with all its stages, `m` the one whose filters are pruned; often the same.
 */
int prune_report_make(struct prune_report *r, const struct model *whole, const struct model *m,
                      const struct pruner *p, const struct prune_plan *plan,
                      const struct prune_options *options);
void prune_report_free(struct prune_report *r); /* a zeroed one is allowed */

/* Layers (unless `totals_only`), then totals. */
void prune_report_print(const struct prune_report *r, bool totals_only);

/* The members "layers" and "total" of an object that is open. */
void prune_report_write(struct json_writer *w, const struct prune_report *r);

/* Log the groups of layers that must agree. */
void prune_report_groups(const struct graph *g, const struct pruner *p);

#endif
